"""Indexing: reading, writing, gathering and scattering elements.

*One pair does all of it.* `Index` reads x[index]; its derivative, `IndexAdd`, adds values into zeros at those
places, so that an element read twice receives both gradients; and the derivative of that is reading
again. `gather`, `index_select`, `max(dim)`, `sort` and embeddings are the same two ops with a computed index.

Writing in place is `Overwrite`: see `minicnn.ops.inplace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import DimensionError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .compare import where
from .operands import one_dim


@dataclass(eq=False, repr=False)
class Index(Op):
    """y = x[index].   dx = zeros with dy added at index."""

    index: tuple
    is_view = True  # when the index is made of numbers and slices only

    def forward(self, x: Any) -> Any:
        return x[self.index]

    def dx(self, dy: Tensor) -> Tensor:
        return IndexAdd(self.index, self.shapes[0])(dy)


@dataclass(eq=False, repr=False)
class IndexAdd(Op):
    """y = zeros of `shape`, with v added at `index`.   dv = dy[index]."""

    index: tuple
    shape: tuple[int, ...]

    def forward(self, v: Any) -> Any:
        xp = array_module(v)
        y = xp.zeros(self.shape, dtype=v.dtype)
        if is_basic(self.index):
            y[self.index] = v  # slices never overlap themselves
        else:
            add_at(y, self.index, v)
        return y

    def dv(self, dy: Tensor) -> Tensor:
        return Index(self.index)(dy)


def add_at(y: Any, index: tuple, v: Any) -> None:
    """Add v to y[index] in place, once for every time that a place is named."""
    xp = array_module(y)
    if xp is np:
        np.add.at(y, index, v)
    else:
        xp.add.at(y, index, v)


def is_basic(index: tuple) -> bool:
    """Whether an index has only numbers, slices, None and `...`, so that reading it gives a view."""
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in index)


def as_index(x: Tensor, index: Any) -> tuple:
    """Return what stands between the brackets as a tuple of numbers, slices, None, `...` and arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(_as_index_part(part, x) for part in parts)
    if is_basic(parts) and not any(part is Ellipsis for part in parts):
        # With `...` at the end, NumPy returns a 0-d view where it would return a scalar.
        parts = (*parts, Ellipsis)
    return parts


def _as_index_part(part: Any, x: Tensor) -> Any:
    if part is None or part is Ellipsis or isinstance(part, (bool, np.bool_)):
        return part if not isinstance(part, (bool, np.bool_)) else np.asarray(part)
    if isinstance(part, slice):
        bounds = (part.start, part.stop, part.step)
        return slice(*(None if b is None else b.__index__() for b in bounds))
    if isinstance(part, Tensor):
        if part.ndim == 0 and part.dtype.kind in "iu":
            return int(part.array)
        part = part.array.copy()  # the backward pass needs it as it is now
    elif isinstance(part, (list, tuple, range)):
        part = np.asarray([p.item() if isinstance(p, Tensor) and not p.ndim else p for p in part])
        part = part.astype(np.int64) if part.size == 0 else part
    elif hasattr(part, "__index__") and not isinstance(part, np.ndarray):
        return part.__index__()
    if not hasattr(part, "dtype") or part.dtype.kind not in "iub":
        kind = getattr(part, "dtype", type(part).__name__)
        raise DTypeError(
            f"index: a tensor is indexed with integers, slices, None, ..., and integer or bool tensors; got {kind}"
        )
    if part.dtype == np.uint8:
        part = part.astype(bool)  # PyTorch reads a uint8 tensor as a mask
    if part.dtype == bool and 0 in part.shape and part.ndim > x.ndim:
        raise DimensionError(f"index: mask {part.shape} has more dimensions than {x.shape}")
    xp = array_module(x.array)
    return part if xp is array_module(part) else xp.asarray(part)


@method("__getitem__")
def getitem(x: Tensor, index: Any) -> Tensor:
    """Return x[index]. Numbers, slices, None and `...` give a view; arrays and masks a copy."""
    parts = as_index(x, index)
    try:
        return Index(parts)(x)
    except IndexError as error:
        raise DimensionError(f"index: {error}; the tensor has shape {x.shape}") from None


def mesh(name: str, shape: tuple[int, ...], dim: int, index: Any) -> tuple:
    """Return the index tuple that reads along `dim` at `index` and elsewhere at the same place."""
    xp = array_module(index)
    parts = []
    for d, n in enumerate(index.shape):
        ones = [1] * index.ndim
        ones[d] = n
        parts.append(index if d == dim else xp.arange(n).reshape(ones))
    return tuple(parts)


def _check_gather(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[int, Any]:
    check_tensor(input, name), check_tensor(index, name, "index")
    d = one_dim(name, dim, input.ndim)
    if index.dtype not in (np.dtype("int64"), np.dtype("int32")):
        raise DTypeError(f"{name}: index must be int64, not {index.dtype}; use .long()")
    if index.ndim != input.ndim and index.numel() and max(index.ndim, 1) != max(input.ndim, 1):
        raise ShapeError(
            f"{name}: index must have as many dimensions as input; got index {index.shape}, input {input.shape}"
        )
    for k, (i, n) in enumerate(zip(index.shape, input.shape, strict=False)):
        if k != d and i > n:
            raise ShapeError(
                f"{name}: index {index.shape} is larger than input {input.shape} along dim {k}; only dim "
                f"{dim} may be"
            )
    array = index.array
    size = input.shape[d] if input.ndim else 1
    if array.size and array_module(array) is np and not (0 <= array.min() and array.max() < size):
        raise DimensionError(
            f"{name}: index {int(array.min() if array.min() < 0 else array.max())} is out of bounds "
            f"along dim {dim} of size {size}"
        )
    return d, array.copy()  # the backward pass needs it as it is now


@method()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return y with y[i][j][k] = input[i][index[i][j][k]][k] for dim = 1, and so on."""
    d, array = _check_gather("gather", input, dim, index)
    if input.ndim == 0 or index.ndim == 0:
        flat = gather(input.reshape(-1), 0, index.reshape(-1))
        return flat.reshape(index.shape)
    if array.size == 0:
        return input.reshape(-1)[:0].reshape(array.shape)
    return Index(mesh("gather", input.shape, d, array))(input)


@method("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements of `input` at `indices` along `dim`, as np.take_along_axis."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    shape = np.broadcast_shapes(
        *(tuple(1 if d == dim % input.ndim else n for d, n in enumerate(t.shape)) for t in (input, indices))
    )
    wide = [tuple(t.shape[d] if d == dim % input.ndim else n for d, n in enumerate(shape)) for t in (input, indices)]
    return gather(input.expand(wide[0]), dim, indices.expand(wide[1]))


@method()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return `input` with src[i][j] added at input[i][index[i][j]] for dim = 1, and so on."""
    d, array = _check_scatter("scatter_add", input, dim, index, src)
    if array.size == 0:
        return input.clone()
    src = src[tuple(slice(n) for n in array.shape)]
    return input + IndexAdd(mesh("scatter_add", input.shape, d, array), input.shape)(src)


@method()
def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
    """Return `input` with src[i][j] written at input[i][index[i][j]] for dim = 1, and so on."""
    src = value if src is None else src
    d, array = _check_scatter("scatter", input, dim, index, src)
    result = input.clone()
    if array.size:
        if isinstance(src, Tensor):
            src = src[tuple(slice(n) for n in array.shape)]
        result[tuple(wrap(part) for part in mesh("scatter", input.shape, d, array))] = src
    return result


def _check_scatter(name: str, input: Tensor, dim: int, index: Tensor, src: Any) -> tuple[int, Any]:
    if isinstance(src, Tensor):
        if src.dtype != input.dtype:
            raise DTypeError(f"{name}: src is {src.dtype} but input {input.dtype}; convert one of them")
        if any(i > s for i, s in zip(index.shape, src.shape, strict=False)):
            raise ShapeError(f"{name}: index {index.shape} is larger than src {src.shape}")
    return _check_gather(name, input, dim, index)


@method()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices of `input` along `dim` that `index` (one-dimensional) names."""
    d = one_dim("index_select", dim, check_tensor(input, "index_select").ndim)
    if index.ndim > 1:
        raise ShapeError(f"index_select: index must have one dimension, not shape {index.shape}")
    if input.ndim == 0:
        return input[None][index].reshape(())
    index = index.reshape(-1)
    if index.numel() and int(index.array.min()) < 0:
        raise DimensionError("index_select: index must not be negative")
    return getitem(input, (*(slice(None),) * d, index))


@method()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where `mask` holds, in one dimension."""
    if check_tensor(mask, "masked_select", "mask").dtype != bool:
        raise DTypeError(f"masked_select: mask must be a bool tensor, not {mask.dtype}")
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return getitem(input.expand(shape), mask.expand(shape))


@method()
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return `input` with `value` wherever `mask` holds."""
    if check_tensor(mask, "masked_fill", "mask").dtype != bool:
        raise DTypeError(f"masked_fill: mask must be a bool tensor, not {mask.dtype}")
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"masked_fill: value must be a number or 0-d, not shape {value.shape}")
        value = value.to(input.dtype)
    elif isinstance(value, float) and input.dtype.kind != "f":
        raise DTypeError(f"masked_fill: {value} cannot be written into {input.dtype}")
    return where(mask, value, input)


@method()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the nonzero elements, one row each; or one tensor per dimension."""
    found = array_module(input.array).nonzero(input.array if input.ndim else input.array.reshape(1))
    if as_tuple:
        return tuple(wrap(i) for i in found)
    rows = array_module(input.array).stack(found, 1) if found else input.array
    return wrap(rows if input.ndim else rows[:, :0])


@method("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at `index` of the flattened tensor, in the shape of `index`."""
    return getitem(input.reshape(-1), index)


def unique(input: Tensor) -> Tensor:
    """Return the distinct elements, sorted."""
    return wrap(array_module(input.array).unique(input.array))


@method()
def bincount(input: Tensor, weights: Any = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2 ... occurs in `input`, integers not below 0."""
    if input.ndim != 1 or input.dtype.kind not in "iu":
        raise DTypeError(f"bincount: expected one dimension of integers, got {input.dtype} {input.shape}")
    w = None if weights is None else weights.array
    return wrap(array_module(input.array).bincount(input.array, w, minlength))


__all__ = [
    "gather", "take_along_dim", "scatter_add", "scatter", "index_select", "masked_select", "masked_fill",
    "nonzero", "take", "unique", "bincount",
]  # fmt: skip
