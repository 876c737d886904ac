"""Shapes: reshaping, reordering and stretching, without a copy where it can be.

See `minicnn.ops.views` for the three ops behind these functions, and for what shares memory.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..tensor import Tensor, check_tensor, method
from .operands import Dims, as_shape, broadcasting_shape, many_dims, numpy_names, one_dim
from .views import Expand, Permute, reshaped

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
    return reshaped(input, size)


@method()
def view(self: Tensor, *shape: Any) -> Tensor:
    """Return this tensor in another shape, sharing memory; raise where its layout forbids that."""
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list)):
        raise UnsupportedError(f"view: reading memory as {shape[0]} is not covered; use .to(dtype)")
    size = _fill_in("view", as_shape("view", shape), self.shape)
    return reshaped(self, size, must_share=True)


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
    return reshaped(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@method()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return `input` with dimension `dim` split into `sizes`."""
    d = one_dim("unflatten", dim, input.ndim)
    sizes = _fill_in("unflatten", as_shape("unflatten", (sizes,)), (input.shape[d],))
    return reshaped(input, (*input.shape[:d], *sizes, *input.shape[d + 1 :]))


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
        return reshaped(input, shape)
    dims = many_dims("squeeze", dim, len(shape))
    return reshaped(input, tuple(n for d, n in enumerate(shape) if not (n == 1 and d in dims)))


@method()
@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return `input` with a new dimension of size 1 at `dim`."""
    shape = check_tensor(input, "unsqueeze").shape
    d = one_dim("unsqueeze", dim, len(shape) + 1)
    return reshaped(input, (*shape[:d], 1, *shape[d:]))


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


def broadcast_shapes(*shapes: Any) -> Dims:
    """Return the shape that `shapes` (tuples or numbers) broadcast to."""
    sizes = (as_shape("broadcast_shapes", (shape,)) for shape in shapes)
    return broadcasting_shape("broadcast_shapes", *sizes)


def broadcast_tensors(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors, each stretched to their common shape."""
    shape = broadcasting_shape("broadcast_tensors", *(x.shape for x in tensors))
    return [expand(x, shape) for x in tensors]


swapaxes = swapdims = transpose
moveaxis = movedim
__all__ = [
    "reshape", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute", "transpose",
    "swapaxes", "swapdims", "movedim", "moveaxis", "t", "broadcast_to", "broadcast_shapes",
    "broadcast_tensors",
]  # fmt: skip
