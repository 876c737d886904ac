"""What Python and NumPy may ask of a tensor: its number, its length, its array, a copy, a pickle.

These are methods only, most with names that Python calls by itself: len(x), float(x), for row in x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import to_host
from ..errors import DTypeError, GraphError, ShapeError
from ..tensor import Tensor, method


@method()
def item(self: Tensor) -> Any:
    """Return the only element as a Python number."""
    if self.array.size != 1:
        raise ShapeError(
            f"item: only a tensor of one element is a number; this has shape {self.shape}"
        )
    return to_host(self.array).item()


@method()
def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """Return the array itself, sharing memory; `force` detaches and copies to the CPU first."""
    if self.requires_grad and not force:
        raise GraphError(
            "numpy: this tensor requires a gradient, and NumPy would not record what you do"
            " with it. Use tensor.detach().numpy()."
        )
    if not isinstance(self.array, np.ndarray) and not force:
        raise TypeError(f"numpy: this tensor is on {self.device}; use tensor.cpu().numpy()")
    return to_host(self.array)


@method()
def tolist(self: Tensor) -> Any:
    """Return the elements as nested lists of Python numbers."""
    return to_host(self.array).tolist()


@method("__array__")
def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """Let NumPy functions take the tensor: np.asarray(x), plt.plot(x)."""
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method("__dlpack__")
def _dlpack(self: Tensor, **keywords: Any) -> Any:
    """Let other libraries share the memory."""
    if self.requires_grad:
        raise BufferError("dlpack: this tensor requires a gradient; use tensor.detach()")
    return self.array.__dlpack__(**keywords)


@method("__dlpack_device__")
def _dlpack_device(self: Tensor) -> Any:
    """Say where the memory is, for DLPack."""
    return self.array.__dlpack_device__()


@method("__deepcopy__")
def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    """Copy a leaf with its gradient; copy.deepcopy(model) comes here."""
    if not self.is_leaf:
        raise GraphError(
            "deepcopy: only leaf tensors can be copied with their place in the graph; "
            "use tensor.detach().clone()"
        )
    copy = type(self).__new__(type(self))
    memo[id(self)] = copy
    copy._start(self.array.copy())
    copy._requires_grad = self._requires_grad
    copy.grad = self.grad.detach().clone() if self.grad is not None else None
    return copy


@method("__reduce__")
def _reduce(self: Tensor) -> Any:
    """Let a leaf be pickled: worker processes send tensors so."""
    if not self.is_leaf:
        raise GraphError("pickle: only leaf tensors can be sent; use tensor.detach()")
    return _rebuild, (type(self), self.array, self._requires_grad)


def _only(self: Tensor, what: str) -> Any:
    if self.array.size != 1:
        hint = " Use .any() or .all()." if what == "bool" else ""
        raise ShapeError(f"{what}: a tensor of shape {self.shape} has no single value.{hint}")
    return to_host(self.array).item()


@method("__bool__")
def _bool(self: Tensor) -> bool:
    """Return the truth of the only element."""
    return bool(_only(self, "bool"))


@method("__int__")
def _int(self: Tensor) -> int:
    """Return the only element as an int."""
    return int(_only(self, "int"))


@method("__float__")
def _float(self: Tensor) -> float:
    """Return the only element as a float."""
    return float(_only(self, "float"))


@method("__index__")
def _index(self: Tensor) -> int:
    """Let an integer tensor of one element be an index."""
    if self.array.dtype.kind not in "iub":
        raise TypeError(f"index: only integer tensors can be an index, not {self.dtype}")
    return int(_only(self, "index"))


@method("__len__")
def _len(self: Tensor) -> int:
    """Return the size of the first dimension."""
    if self.ndim == 0:
        raise TypeError("len: a 0-d tensor has no length")
    return self.array.shape[0]


@method("__iter__")
def _iter(self: Tensor) -> Any:
    """Iterate over the first dimension."""
    if self.ndim == 0:
        raise TypeError("iter: a 0-d tensor cannot be iterated over; use .item()")
    return (self[i] for i in range(self.array.shape[0]))


@method("__contains__")
def _contains(self: Tensor, value: Any) -> bool:
    """Return whether some element equals `value`."""
    if not isinstance(value, (Tensor, bool, int, float, np.generic)):
        raise DTypeError(f"in: a tensor holds numbers, not {type(value).__name__}")
    return bool((self == value).any())


@method("__complex__")
def _complex(self: Tensor) -> complex:
    """Return the only element as a complex number."""
    return complex(_only(self, "complex"))


@method("__format__")
def _format(self: Tensor, spec: str) -> str:
    """Format a 0-d tensor as its number: f"{loss:.3f}"."""
    return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    x = cls.__new__(cls)
    x._start(array)
    x._requires_grad = requires_grad
    return x


__all__: list[str] = []
