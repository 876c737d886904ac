"""Joining, splitting and repeating: several tensors from one, one from several.

*Conventions.* The parts that `split` and its relatives return are views; `cat`, `stack` and
`repeat` copy. The gradient of a joined tensor is cut into the parts it came from; that of a
repeated one is summed over its copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..errors import ArgumentError, DimensionError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .index import getitem
from .operands import as_shape, numpy_names, one_dim, promoted_list
from .views import Expand, Reshape


@dataclass(eq=False, repr=False)
class Cat(Op):
    """y = the x_i one after another along `dim`.   dx_i = the part of dy that came from x_i."""

    dim: int

    def forward(self, *xs: Any) -> Any:
        return array_module(xs[0]).concatenate(xs, self.dim)

    def dxs(self, dy: Tensor, i: int) -> Tensor:
        start = sum(shape[self.dim] for shape in self.shapes[:i])
        return dy.narrow(self.dim, start, self.shapes[i][self.dim])


@dataclass(eq=False, repr=False)
class Stack(Op):
    """y = the x_i side by side along a new `dim`.   dx_i = dy at i."""

    dim: int

    def forward(self, *xs: Any) -> Any:
        return array_module(xs[0]).stack(xs, self.dim)

    def dxs(self, dy: Tensor, i: int) -> Tensor:
        return dy.select(self.dim, i)


@numpy_names
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors joined along an existing dimension; the other sizes must be equal."""
    xs = promoted_list("cat", tensors)
    xs = [x for x in xs if x.shape != (0,)] or xs[:1]  # PyTorch's rule: an empty 1-d one is skipped
    if xs[0].ndim == 0:
        raise ShapeError("cat: 0-d tensors cannot be joined; use stack")
    d = one_dim("cat", dim, xs[0].ndim)
    shape = xs[0].shape
    for i, x in enumerate(xs):
        if x.ndim != len(shape) or any(
            k != d and n != m for k, (n, m) in enumerate(zip(x.shape, shape, strict=True))
        ):
            raise ShapeError(
                f"cat: all sizes except along dim {dim} must be equal; tensor 0 has {shape}, "
                f"tensor {i} has {x.shape}"
            )
    return Cat(d)(*xs)


@numpy_names
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dimension."""
    xs = promoted_list("stack", tensors)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ShapeError(
                f"stack: all shapes must be equal; tensor 0 has {xs[0].shape}, tensor {i} has"
                f" {x.shape}"
            )
    d = one_dim("stack", dim, xs[0].ndim + 1)
    return Stack(d)(*xs)


def hstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the second dimension (the first, of 1-d tensors)."""
    xs = [x.reshape(1) if x.ndim == 0 else x for x in promoted_list("hstack", tensors)]
    return cat(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the first dimension; 1-d tensors become rows."""
    xs = promoted_list("vstack", tensors)
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in xs], 0)


# ----------------------------------------------------------------------------------------------
# Splitting


@method()
@numpy_names
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return the view input[start : start + length] along `dim`."""
    d = one_dim("narrow", dim, check_tensor(input, "narrow").ndim)
    if input.ndim == 0:
        raise ShapeError("narrow: a 0-d tensor has no part to take")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise DTypeError(f"narrow: start must be a whole number, got {start.dtype} {start.shape}")
    size = input.shape[d]
    start = int(start) + (size if start < 0 else 0)
    if not (0 <= start and 0 <= length and start + length <= size):
        raise DimensionError(
            f"narrow: start {start} and length {length} do not fit in size {size} of dim {dim}"
        )
    return getitem(input, (*(slice(None),) * d, slice(start, start + length)))


@method()
@numpy_names
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return the view of `input` at `index` along `dim`, without that dimension."""
    d = one_dim("select", dim, check_tensor(input, "select").ndim)
    if input.ndim == 0:
        raise DimensionError("select: a 0-d tensor has no dimension to select from")
    return getitem(input, (*(slice(None),) * d, index))


@method()
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of equal size along `dim` (the last may be smaller), or of the sizes listed."""
    d = one_dim("split", dim, check_tensor(tensor, "split", "tensor").ndim)
    if tensor.ndim == 0:
        raise ShapeError("split: a 0-d tensor cannot be split")
    size, sections = tensor.shape[d], split_size_or_sections
    if isinstance(sections, int):
        if sections < 0 or (sections == 0 and size):
            raise ShapeError(f"split: the size of a part must be positive, got {sections}")
        sections = [min(sections, size - s) for s in range(0, size, sections or 1)] or [size]
    if sum(sections) != size or any(n < 0 for n in sections):
        raise ShapeError(
            f"split: sizes {list(sections)} do not add up to {size}, the size of dim {dim}"
        )
    starts = np.cumsum([0, *sections]).tolist()
    return tuple(narrow(tensor, d, s, n) for s, n in zip(starts, sections))  # noqa: B905


@method()
@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` views of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise ArgumentError(f"chunk: chunks must be at least 1, got {chunks}")
    d = one_dim("chunk", dim, check_tensor(input, "chunk").ndim)
    if input.ndim == 0:
        raise ShapeError("chunk: a 0-d tensor cannot be split")
    size = input.shape[d]
    return split(input, -(-size // chunks), d) if size else split(input, [0] * chunks, d)


@method()
@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views of `input` at every index along `dim`."""
    d = one_dim("unbind", dim, check_tensor(input, "unbind").ndim)
    if input.ndim == 0:
        raise DimensionError("unbind: a 0-d tensor has no dimension to take apart")
    return tuple(select(input, d, i) for i in range(input.shape[d]))


# ----------------------------------------------------------------------------------------------
# Repeating


@method()
def repeat(self: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """Return the tensor laid side by side `repeats[i]` times along each dimension; a copy."""
    times = as_shape("repeat", sizes, repeats)
    lead = len(times) - self.ndim
    if lead < 0:
        raise ShapeError(
            f"repeat: {times} has fewer numbers than the shape {self.shape} dimensions"
        )
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: the numbers must not be negative, got {times}")
    shape = (1,) * lead + self.shape
    pairs = [n for pair in zip(times, shape, strict=True) for n in pair]
    split = [n for size in shape for n in (1, size)]
    wide = Expand(tuple(pairs))(self.reshape(split))
    out = tuple(a * b for a, b in zip(times, shape, strict=True))
    return Reshape(out)(wide.clone())


@method()
def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """Return `input` repeated; missing numbers on the left count as 1."""
    times = as_shape("tile", sizes, dims)
    return repeat(input, (1,) * max(0, input.ndim - len(times)) + times)


@method()
@numpy_names
def repeat_interleave(
    input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return each element `repeats` times, one number for all or one for each: 1, 1, 2, 2 ..."""
    if dim is None:
        input, dim = check_tensor(input, "repeat_interleave").reshape(-1), 0
    d = one_dim("repeat_interleave", dim, input.ndim)
    counts = np.asarray(repeats.array.tolist() if isinstance(repeats, Tensor) else repeats)
    size = input.shape[d] if input.ndim else 1
    if (
        counts.dtype.kind not in "iu"
        or counts.ndim > 1
        or (counts < 0).any()
        or counts.size not in (1, size)
    ):
        raise ShapeError(
            f"repeat_interleave: repeats must be a whole number, or {size} of them (one for each"
            f" element along dim {dim}), not below 0; got {repeats!r}"
        )
    places = np.repeat(np.arange(size), counts)
    if output_size not in (None, len(places)):
        raise ShapeError(
            f"repeat_interleave: output_size={output_size}, but there are {len(places)}"
        )
    return getitem(input if input.ndim else input.reshape(1), (*(slice(None),) * d, places))


concat = concatenate = cat
__all__ = [
    "cat", "concat", "concatenate", "stack", "hstack", "vstack", "narrow", "select", "split",
    "chunk", "unbind", "tile", "repeat_interleave",
]  # fmt: skip
