"""Shapes: the same numbers seen otherwise. None of these ops computes anything.

*Views.* reshape, permute, expand, indexing by slices and their relatives share memory with their
input wherever it can be, so changing one in place changes the other, as in PyTorch.

*Where a view has to be a copy.* minicnn keeps images channels-last in memory, though their shape is
(N, C, H, W). `view(N, -1)` of such a tensor must copy where PyTorch would not. The two are then
"twins": while both are alive, changing either in place raises, instead of leaving the other behind
unseen.
"""

from __future__ import annotations

import itertools
import math
import operator
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, shares_memory
from ..backend import array_module
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..tensor import Tensor, check_tensor, method
from .operands import Dims, as_shape, many_dims, numpy_names, one_dim


@dataclass(eq=False, repr=False)
class Reshape(Op):
    """y = x in another shape, row-major order kept.   dx = dy in the shape of x."""

    shape: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return x.reshape(self.shape)

    def dx(self, dy: Tensor) -> Tensor:
        return Reshape(self.shapes[0])(dy)


@dataclass(eq=False, repr=False)
class Permute(Op):
    """y's dimension i is x's dimension dims[i].   dx = dy permuted back."""

    dims: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return x.transpose(self.dims)

    def dx(self, dy: Tensor) -> Tensor:
        back = tuple(sorted(range(len(self.dims)), key=lambda i: self.dims[i]))
        return Permute(back)(dy)


@dataclass(eq=False, repr=False)
class Expand(Op):
    """y = x repeated along its dimensions of size 1, without a copy.   dx = dy summed over them.

    The sum is the engine's: it undoes every broadcast.
    """

    shape: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return array_module(x).broadcast_to(x, self.shape)

    def dx(self, dy: Tensor) -> Tensor:
        return dy


# ----------------------------------------------------------------------------------------------
# Reshaping


def _fill_in(name: str, size: Dims, shape: Dims) -> Dims:
    """Return `size` with its -1 replaced by what fits `shape`."""
    count = math.prod(shape)
    if math.prod(size) == count and min(size, default=0) >= 0:
        return size
    known = math.prod(n for n in size if n != -1)
    if size.count(-1) > 1 or any(n < -1 for n in size):
        raise ShapeError(f"{name}: at most one size may be -1 and none below; got {size}")
    if -1 in size:
        if known == 0 or count % known:
            raise ShapeError(
                f"{name}: {shape} has {count} elements, which is no multiple of {known}; "
                f"the size {size} does not fit{_batch_hint(shape, size)}"
            )
        size = tuple(count // known if n == -1 else n for n in size)
    if math.prod(size) != count:
        raise ShapeError(
            f"{name}: {shape} has {count} elements, but {size} needs {math.prod(size)}"
            f"{_batch_hint(shape, size)}"
        )
    return size


def _batch_hint(shape: Dims, size: Dims) -> str:
    if len(shape) < 2:
        return ""
    return (
        f". To keep the batch axis of {shape[0]}, use flatten(1) or"
        f" {size and 'reshape'}({shape[0]}, -1): it gives ({shape[0]}, {math.prod(shape[1:])})"
    )


@method()
def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """Return `input` in another shape (one size may be -1); a view where possible."""
    size = _fill_in(
        "reshape", as_shape("reshape", sizes, shape), check_tensor(input, "reshape").shape
    )
    return _reshape(input, size)


@method()
def view(self: Tensor, *shape: Any) -> Tensor:
    """Return this tensor in another shape, sharing memory; raise where its layout does not allow
    it.
    """
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list)):
        raise UnsupportedError(f"view: reading memory as {shape[0]} is not covered; use .to(dtype)")
    size = _fill_in("view", as_shape("view", shape), self.shape)
    return _reshape(self, size, must_share=True)


def _reshape(x: Tensor, size: Dims, must_share: bool = False) -> Tensor:
    y = Reshape(size)(x)
    shares = shares_memory(y.array, x.array) or not x.array.size
    base: Any = x if x._base is None else x._base
    may_share = shares
    if not base.array.flags.c_contiguous:  # then memory may be laid out differently in PyTorch
        seen = logical(x)
        may_share = _can_view(seen.shape, seen.strides, size)
    if must_share and not may_share:
        raise ShapeError(
            f"view: shape {x.shape} with strides {x.stride()} cannot be seen as {size} without a"
            " copy; use reshape, or contiguous() first"
        )
    if may_share and not shares:
        become_twins(base, y)
    return y.clone() if shares and not may_share else y


def become_twins(x: Tensor, y: Tensor) -> None:
    """Note in both that PyTorch would keep them in one memory: neither may be changed while the
    other lives.
    """
    for one, other in ((x, y), (y, x)):
        living = [ref for ref in one._twins if ref() is not None]
        one._twins = (*living, weakref.ref(other))


def logical(x: Tensor) -> np.ndarray:
    """Return a stand-in for the array of `x`, without memory, laid out as PyTorch's would be.

    There, a new tensor is row-major whatever its kernels prefer, and views follow from the strides
    of their base.
    """
    base: Any = x if x._base is None else x._base
    array = base.array
    seen = _stand_in(base.shape, None if _is_dense(array) else array.strides, array.itemsize)
    for op in x._chain if x._base is not None else ():
        if isinstance(op, Reshape) and not _can_view(seen.shape, seen.strides, op.shape):
            seen = _stand_in(op.shape, None)
        else:
            seen = op.forward(seen)
    return seen


def _stand_in(shape: Dims, strides: Dims | None, itemsize: int = 1) -> np.ndarray:
    """Return an array of one byte that claims a shape and (by default row-major) strides."""
    if strides is None:
        sizes = (max(n, 1) for n in shape[:0:-1])
        backwards = itertools.accumulate(sizes, operator.mul, initial=1)
        strides = tuple(backwards)[::-1] if shape else ()
    else:
        strides = tuple(s // itemsize for s in strides)
    return np.lib.stride_tricks.as_strided(np.empty(1, np.int8), shape, strides)


def _is_dense(array: Any) -> bool:
    """Whether the elements fill a block of memory, in some order of the dimensions."""
    expected = array.itemsize
    for step, n in sorted(
        (step, n) for step, n in zip(array.strides, array.shape, strict=True) if n != 1
    ):
        if step != expected:
            return array.size == 0
        expected *= n
    return True


def _can_view(shape: Dims, strides: Dims, size: Dims) -> bool:
    """Whether elements so laid out can be seen in another `size` in place.

    Where a step in memory is irregular, the old shape is cut into runs; each cut must be one in
    `size` too.
    """
    if 0 in shape:
        return True
    runs: list[int] = []
    before = 0
    for n, step in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if runs and before == n * step:
            runs[-1] *= n
        else:
            runs.append(n)
        before = step
    cuts = set(itertools.accumulate(size, operator.mul))
    return cuts.issuperset(itertools.accumulate(runs, operator.mul))


@method()
def is_contiguous(self: Tensor) -> bool:
    """Return whether the elements follow each other in row-major order (in PyTorch's layout)."""
    return logical(self).flags.c_contiguous


@method()
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return the steps along each dimension (or along `dim`), in elements (in PyTorch's layout)."""
    steps = logical(self).strides
    return steps if dim is None else steps[dim]


@method()
def contiguous(self: Tensor) -> Tensor:
    """Return this tensor if it is contiguous, else a copy that is."""
    return self if is_contiguous(self) else self.clone()


@method("reshape_as", "view_as")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return this tensor in the shape of `other`."""
    return reshape(self, other.shape)


@method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `input` with dimensions start_dim to end_dim made one."""
    shape = check_tensor(input, "flatten").shape
    if not shape:
        return input.reshape(1)
    start, end = (one_dim("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if start > end:
        raise ArgumentError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if start == end:
        return input
    return _reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@method()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return `input` with dimension `dim` split into `sizes`."""
    d = one_dim("unflatten", dim, input.ndim)
    sizes = _fill_in("unflatten", as_shape("unflatten", (sizes,)), (input.shape[d],))
    return _reshape(input, (*input.shape[:d], *sizes, *input.shape[d + 1 :]))


@method()
def ravel(input: Tensor) -> Tensor:
    """Return `input` in one dimension; a view if it is contiguous."""
    return check_tensor(input, "ravel").contiguous().reshape(-1)


@method()
@numpy_names
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Return `input` without its dimensions of size 1 (only `dim`, one or several)."""
    shape = check_tensor(input, "squeeze").shape
    if isinstance(dim, (tuple, list)) and not dim:
        return _reshape(input, shape)
    dims = many_dims("squeeze", dim, len(shape))
    return _reshape(input, tuple(n for d, n in enumerate(shape) if not (n == 1 and d in dims)))


@method()
@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return `input` with a new dimension of size 1 at `dim`."""
    shape = check_tensor(input, "unsqueeze").shape
    d = one_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape(input, (*shape[:d], 1, *shape[d:]))


# ----------------------------------------------------------------------------------------------
# Reordering


@method()
def permute(input: Tensor, *numbers: Any, dims: Any = None) -> Tensor:
    """Return `input` with its dimensions in another order; a view."""
    wanted = as_shape("permute", numbers, dims)
    ndim = check_tensor(input, "permute").ndim
    order = tuple(one_dim("permute", d, ndim) for d in wanted)
    if len(order) != ndim or len(set(order)) != ndim:
        raise ShapeError(f"permute: {wanted} does not name each of the {ndim} dimensions once")
    return Permute(order)(input)


@method("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `input` with two dimensions exchanged; a view."""
    ndim = check_tensor(input, "transpose").ndim
    a, b = one_dim("transpose", dim0, ndim), one_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = b, a
    return Permute(tuple(order))(input)


@method("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return `input` with dimension(s) `source` moved to `destination`, the others in order."""
    ndim = check_tensor(input, "movedim").ndim
    sources, targets = (
        [one_dim("movedim", d, ndim) for d in ((dims,) if isinstance(dims, int) else dims)]
        for dims in (source, destination)
    )
    if len(sources) != len(targets):
        raise ShapeError(f"movedim: {source} and {destination} must be equally many")
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ShapeError(f"movedim: {source} to {destination} names a dimension twice")
    places = dict(zip(targets, sources, strict=True))
    rest = iter(d for d in range(ndim) if d not in sources)
    return Permute(tuple(places[d] if d in places else next(rest) for d in range(ndim)))(input)


@method()
def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; a view."""
    if check_tensor(input, "t").ndim > 2:
        raise ShapeError(
            f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose"
        )
    return Permute(tuple(reversed(range(input.ndim))))(input)


def _transposed(self: Tensor) -> Tensor:
    """The tensor with its dimensions reversed."""
    return Permute(tuple(reversed(range(self.ndim))))(self)


def _matrix_transposed(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged."""
    return transpose(self, -2, -1)


method("T")(property(_transposed))
method("mT")(property(_matrix_transposed))


# ----------------------------------------------------------------------------------------------
# Stretching


@method()
def expand(self: Tensor, *sizes: Any) -> Tensor:
    """Return a view with dimensions of size 1 stretched; -1 keeps a size."""
    size = as_shape("expand", sizes)
    lead = len(size) - self.ndim
    if lead < 0:
        raise ShapeError(
            f"expand: {size} has fewer dimensions than the tensor's shape {self.shape}"
        )
    full = tuple(self.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(size))
    for i, n in enumerate(full):
        if n < 0 or (i >= lead and self.shape[i - lead] not in (1, n)):
            raise ShapeError(
                f"expand: {self.shape} cannot become {size}; only dimensions of size 1 can be"
                " stretched"
            )
    return Expand(full)(self)


@method()
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Return a view of this tensor with the shape of `other`."""
    return expand(self, other.shape)


@method()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Return a view of `input` stretched to `size`."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors, each stretched to their common shape."""
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    return [expand(x, shape) for x in tensors]


swapaxes = swapdims = transpose
moveaxis = movedim
__all__ = [
    "reshape", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute", "transpose",
    "swapaxes", "swapdims", "movedim", "moveaxis", "t", "broadcast_to", "broadcast_tensors",
]  # fmt: skip
