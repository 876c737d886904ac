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
from .backend import array_module, device, device_of, get_default_device, to_device
from .errors import (
    DimensionError,
    DTypeError,
    GraphError,
    UnsupportedNameError,
    nearest,
)
from .printing import described
from .promotion import get_default_dtype


class Tensor(Variable):
    """An n-dimensional array with a gradient. Make one with `minicnn.tensor`, `zeros`, `randn` ...

    Attributes:
        array: the NumPy (or CuPy) array itself, sharing memory.
        grad: the gradient that `backward` accumulated, a Tensor of the same shape, or None.
    """

    __slots__ = ()
    __array_priority__ = 1000  # ndarray + Tensor asks Tensor.__radd__

    def __getattr__(self, name: str) -> Any:  # only called where there is no such attribute
        if name == "__cuda_array_interface__" and self.is_cuda:  # CPU tensors must not have it
            if self.requires_grad:
                raise GraphError(f"{name}: this tensor requires a gradient; use tensor.detach()")
            return self.array.__cuda_array_interface__
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
        """Add this tensor's gradient to the ``grad`` of every leaf that it depends on.

        Args:
            gradient: d(objective)/d(self); may be left out when self has one element (then 1).
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

    __hash__ = object.__hash__  # by identity: == compares elements

    # ------------------------------------------------------------------ printing

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


autograd.set_result_class(Tensor)
__all__ = ["RemovableHandle", "Size", "Tensor", "check_tensor", "method"]
