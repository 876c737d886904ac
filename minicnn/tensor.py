"""`Tensor`: an array that remembers how it was made.

A tensor holds a NumPy or CuPy `array`, and, when a gradient is wanted, the node of the graph that
made it. This file has what concerns a tensor as such: its graph, its gradient, its conversions, its
printed form. The mathematics is in `minicnn.ops`, whose functions become methods here through the
decorator `method`, next to their definition.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import autograd
from .autograd import Variable, node_of, wrap
from .backend import array_module, as_array, device, device_of, get_default_device, to_device
from .errors import (
    DimensionError,
    DTypeError,
    GraphError,
    ShapeError,
    UnsupportedError,
    UnsupportedNameError,
    nearest,
)
from .printing import described
from .promotion import as_dtype, get_default_dtype, promote_types, scalar_dtype


class Tensor(Variable):
    """An n-dimensional array with a gradient. Make one with `minicnn.tensor`, `zeros`, `randn` ...

    Attributes:
        array: the NumPy (or CuPy) array itself, sharing memory.
        grad: the gradient that `backward` accumulated, a Tensor of the same shape, or None.
    """

    __slots__ = ()
    __array_priority__ = 1000  # ndarray + Tensor asks Tensor.__radd__

    def __init__(self, *data: Any):
        if len(data) == 1 and isinstance(data[0], Tensor):
            data = (data[0].array,)
        if len(data) == 1 and isinstance(data[0], (np.ndarray, list, tuple)):
            array = _from_python(data[0], get_default_dtype())
        elif all(hasattr(n, "__index__") for n in data):
            array = np.zeros(data or (0,), dtype=get_default_dtype())
        else:
            raise TypeError(
                f"Tensor: expected sizes or a sequence of numbers, got {data}; use minicnn.tensor"
            )
        self._start(to_device(array.astype(get_default_dtype()), None))

    def __getattr__(self, name: str) -> Any:  # only called where there is no such attribute
        if name.startswith("_"):
            raise AttributeError(f"Tensor has no attribute {name!r}")
        raise UnsupportedNameError(
            f"Tensor.{name}: minicnn has no such attribute, though PyTorch may."
            f"{nearest(name, (n for n in dir(Tensor) if not n.startswith('_')))}"
        )

    if TYPE_CHECKING:  # the methods that `minicnn.ops` adds

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __invert__(self) -> Tensor: ...

    # ------------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along every dimension, as a tuple."""
        return self.array.shape

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size along `dim`."""
        shape = self.array.shape
        if dim is None:
            return shape
        if not -len(shape) <= dim < len(shape):
            raise DimensionError(f"size: dim {dim} is out of range for a tensor of shape {shape}")
        return shape[dim]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self.array.size

    nelement = numel

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements, a NumPy dtype."""
        return self.array.dtype

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.array.itemsize

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.array.nbytes

    @property
    def device(self) -> device:
        """Where the array lives."""
        return device_of(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether the array lives on a CUDA GPU."""
        return self.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether the array lives in the computer's own memory."""
        return not self.is_cuda

    def get_device(self) -> int:
        """Return the number of the GPU that the array lives on, or -1 for the CPU."""
        return -1 if self.device.index is None else self.device.index

    def is_floating_point(self) -> bool:
        """Return whether the dtype is float16, float32 or float64."""
        return self.array.dtype.kind == "f"

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        xp = array_module(self.array)
        return self.array.ctypes.data if xp is np else self.array.data.ptr

    # ------------------------------------------------------------------ the graph

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted for this tensor, or for one it was made from."""
        return self._requires_grad or node_of(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for this tensor's gradient (or no longer), and return it."""
        if node_of(self) is not None:
            if not requires_grad:
                raise GraphError(
                    "requires_grad_: this tensor is the result of a recorded operation, so its flag"
                    " cannot be unset. Use detach() to get one without the graph."
                )
            return self
        if requires_grad and self.array.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad_: only floating tensors have gradients, and this is {self.dtype}; "
                "convert it with .float()"
            )
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor; `backward` fills ``grad`` of leaves."""
        return node_of(self) is None

    @property
    def grad_fn(self) -> Any:
        """The node of the graph that made this tensor, or None for a leaf."""
        return node_of(self)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add to the ``grad`` of every leaf this tensor depends on its derivative with respect to
        it.

        Args:
            gradient: d(objective)/d(self); may be left out when self has one element (it is then
            1).
            retain_graph: keep the graph for another pass. Default: `create_graph`.
            create_graph: record the pass, so that the gradients can be differentiated again.
            inputs: fill only these tensors' ``grad``.
        """
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """Return the same memory as a tensor without a graph."""
        x = wrap(self.array)
        x._version = self._version
        return x

    def detach_(self) -> Tensor:
        """Cut this tensor from its graph, and return it."""
        if self._base is not None:
            raise GraphError("detach_: this tensor is a view of another; use detach()")
        self._node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without a graph. Changing it is not seen by a pending backward pass."""
        return wrap(self.array)

    @data.setter
    def data(self, new: Tensor) -> None:
        if self._requires_grad and new.dtype.kind != "f":
            raise DTypeError(f"data: a tensor that requires a gradient cannot hold {new.dtype}")
        self.array = new.array
        self.bump()

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf tensor in ``grad`` too."""
        node = node_of(self)
        if node is not None:
            node.retain = weakref.ref(self)
        elif not self._requires_grad:
            raise GraphError("retain_grad: this tensor does not require a gradient")

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this non-leaf tensor."""
        node = node_of(self)
        return node is not None and node.retain is not None and node.retain() is self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(gradient)` when this tensor's gradient is known; its result replaces it."""
        if not self.requires_grad:
            raise GraphError("register_hook: this tensor does not require a gradient")
        holder = node_of(self)
        if holder is not None:
            holder.hooks = hooks = holder.hooks or {}
        else:
            self._hooks = hooks = self._hooks or {}
        return RemovableHandle(hooks, hook)

    # ------------------------------------------------------------------ conversion

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.array.size != 1:
            raise ShapeError(
                f"item: only a tensor of one element is a number; this has shape {self.shape}"
            )
        return self.array.item()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return the array itself, sharing memory; `force` detaches and copies to the CPU first."""
        if self.requires_grad and not force:
            raise GraphError(
                "numpy: this tensor requires a gradient, and NumPy would not record what you do"
                " with it. Use tensor.detach().numpy()."
            )
        if not isinstance(self.array, np.ndarray) and not force:
            raise TypeError(f"numpy: this tensor is on {self.device}; use tensor.cpu().numpy()")
        return to_device(self.array, "cpu")

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self.array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **keywords: Any) -> Any:
        if self.requires_grad:
            raise BufferError("dlpack: this tensor requires a gradient; use tensor.detach()")
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __deepcopy__(self, memo: dict) -> Tensor:
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

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise GraphError("pickle: only leaf tensors can be sent; use tensor.detach()")
        return _rebuild, (type(self), self.array, self._requires_grad)

    def _only(self, what: str) -> Any:
        if self.array.size != 1:
            hint = " Use .any() or .all()." if what == "bool" else ""
            raise ShapeError(f"{what}: a tensor of shape {self.shape} has no single value.{hint}")
        return self.array.item()

    def __bool__(self) -> bool:
        return bool(self._only("bool"))

    def __int__(self) -> int:
        return int(self._only("int"))

    def __float__(self) -> float:
        return float(self._only("float"))

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub":
            raise TypeError(f"index: only integer tensors can be an index, not {self.dtype}")
        return int(self._only("index"))

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length")
        return self.array.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iter: a 0-d tensor cannot be iterated over; use .item()")
        return (self[i] for i in range(self.array.shape[0]))

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (Tensor, bool, int, float, np.generic)):
            raise DTypeError(f"in: a tensor holds numbers, not {type(value).__name__}")
        return bool((self == value).any())

    def __complex__(self) -> complex:
        return complex(self._only("complex"))

    __hash__ = object.__hash__  # by identity: == compares elements

    # ------------------------------------------------------------------ printing

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and spec else str(self)

    def __repr__(self) -> str:
        host = to_device(self.array, "cpu")
        remarks = []
        if self.device.type != get_default_device().type:
            remarks.append(f"device='{self.device}'")
        if host.size == 0 and host.ndim != 1:
            remarks.append(f"size={host.shape}")
        evident = () if host.size == 0 else (np.dtype("int64"), np.dtype("bool"))
        if host.dtype not in (get_default_dtype(), *evident):
            remarks.append(f"dtype={host.dtype}")
        if self.grad_fn is not None:
            remarks.append(f"grad_fn={self.grad_fn}")
        elif self._requires_grad:
            remarks.append("requires_grad=True")
        return described("tensor", host, remarks)


class Size(tuple):
    """A shape under PyTorch's name. Shapes are plain tuples here, and equal to it."""

    def numel(self) -> int:
        """Return the number of elements of a tensor of this shape."""
        return math.prod(self)


class RemovableHandle:
    """What `register_hook` returns: `remove()` takes the hook away again."""

    _next = 0

    def __init__(self, hooks: dict[int, Callable], hook: Callable):
        self._hooks, self.id = hooks, RemovableHandle._next
        RemovableHandle._next += 1
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    x = cls.__new__(cls)
    x._start(array)
    x._requires_grad = requires_grad
    return x


def method(*names: str) -> Callable:
    """Make the decorated function a method of `Tensor`, under its own name or under `names`."""

    def attach(function: Callable) -> Callable:
        for name in names or (function.__name__,):
            setattr(Tensor, name, function)
        return function

    return attach


def check_tensor(x: Any, name: str, what: str = "input") -> Tensor:
    """Return `x` if it is a tensor; otherwise raise, naming the operation and the argument."""
    if isinstance(x, Tensor):
        return x
    kind = type(x).__name__
    raise TypeError(f"{name}: {what} must be a Tensor, not {kind}. Use minicnn.tensor({what}).")


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a new tensor that holds a copy of `data`: numbers, nested lists, arrays or tensors.

    Python floats become the default dtype (float32), Python integers int64; arrays keep theirs.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(data, Tensor):
        array = data.array.copy()
    elif hasattr(data, "dtype") and hasattr(data, "shape"):
        array = as_array(data) if isinstance(data, np.generic) else data.copy()
    else:
        array = _from_python(data, wanted)
    as_dtype(array.dtype)  # raises for complex numbers, strings, objects
    if wanted is not None and array.dtype != wanted:
        with np.errstate(all="ignore"):
            array = array.astype(wanted)
    stays = device is None and not isinstance(array, np.ndarray)
    x = wrap(array if stays else to_device(array, device))
    return x.requires_grad_(requires_grad)


def _from_python(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """Return nested sequences of numbers, tensors or arrays as one array, in `dtype` if it is
    given.
    """
    plain, found = _untensored(data)
    try:
        array = np.array(plain)
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"tensor: the nested sequences do not form an array: {error}") from None
    if array.dtype.kind not in "biuf":
        odd = _first_odd(plain)
        kind = TypeError if isinstance(odd, str) else DTypeError
        raise kind(f"tensor: cannot make an array of {type(odd).__name__}: {odd!r}")
    if dtype is not None:
        if dtype.kind in "iu" and array.size and not np.isin(array, array.astype(dtype)).all():
            _check_range(array, dtype)
        return array.astype(dtype)
    if found is None:
        return (
            array.astype(get_default_dtype())
            if array.dtype.kind == "f" or not array.size
            else array
        )
    return array.astype(found)


def _check_range(array: np.ndarray, dtype: np.dtype) -> None:
    limits = np.iinfo(dtype)
    low = limits.min or -limits.max  # a negative number wraps round in uint8
    inside = np.isfinite(array) & (array > low - 1) & (array < limits.max + 1)
    if not inside.all():
        raise DTypeError(f"tensor: {array[~inside].flat[0]} is out of the range of {dtype}")


def _untensored(data: Any) -> tuple[Any, np.dtype | None]:
    """Return nested sequences with plain numbers for tensors, and the dtype that those decide, if
    any.
    """
    if isinstance(data, Tensor):
        return data.item(), data.dtype
    if isinstance(data, (np.ndarray, np.generic)):
        return data, data.dtype
    if isinstance(data, (list, tuple, range)):
        parts = [_untensored(part) for part in data]
        found = None
        for value, dtype in parts:
            if dtype is not None:
                found = dtype if found is None else promote_types(found, dtype)
            elif found is not None and isinstance(value, (bool, int, float)):
                found = promote_types(found, scalar_dtype(value))
        return [value for value, _ in parts], found
    return data, None


def _first_odd(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = next((d for d in data if not isinstance(d, (bool, int, float))), data[0])
    return data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor, sharing its memory where dtype and device allow."""
    if isinstance(data, Tensor):
        wanted = [w for w in (device, dtype) if w is not None]
        return data.to(*wanted) if wanted else data
    if isinstance(data, np.ndarray):
        x = wrap(to_device(data, device))
        as_dtype(data.dtype)
        return x if dtype is None else x.to(as_dtype(dtype))
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(ndarray).__name__}")
    as_dtype(ndarray.dtype)
    return wrap(ndarray)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor that shares the memory of any array that speaks DLPack."""
    kind = ext_tensor.__dlpack_device__()[0]
    if int(kind) not in (1, 2, 3):
        raise UnsupportedError(f"from_dlpack: device type {kind} is not supported")
    if int(kind) == 2:
        from .backend import cuda

        return wrap(cuda.module().from_dlpack(ext_tensor))
    return wrap(np.from_dlpack(ext_tensor))


autograd.set_result_class(Tensor)
__all__ = [
    "Size",
    "Tensor",
    "tensor",
    "as_tensor",
    "from_numpy",
    "from_dlpack",
    "get_default_device",
]
