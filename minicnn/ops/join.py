"""Joining, splitting and repeating: several tensors from one, one from several.

*Conventions.* The parts that `split` and its relatives return are views; `cat`, `stack` and `repeat` copy. The gradient of
a joined tensor is cut into the parts it came from; that of a repeated one is summed over its copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..errors import ArgumentError, DimensionError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .index import getitem
from .operands import as_shape, one_dim, promoted_list
from .shape import Expand, Reshape


@dataclass(eq=False, repr=False)
class Cat(Op):
    """y = the x_i one after another along `dim`.   dx_i = the part of dy that came from x_i."""

    dim: int

    def forward(self, *xs: Any) -> Any:
        return array_module(xs[0]).concatenate(xs, self.dim)

    def dxs(self, dy: Tensor, i: int) -> Tensor:
        start = sum(shape[self.dim] for shape in self.shapes[:i])
        return dy.narrow(self.dim, start, self.shapes[i][self.dim])


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


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dimension."""
    xs = promoted_list("stack", tensors)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ShapeError(
                f"stack: all shapes must be equal; tensor 0 has {xs[0].shape}, tensor {i} has {x.shape}"
            )
    d = one_dim("stack", dim, xs[0].ndim + 1)
    return Cat(d)(*(x.unsqueeze(d) for x in xs))


def hstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the second dimension (the first, of 1-d tensors)."""
    xs = [x.reshape(1) if x.ndim == 0 else x for x in tensors]
    return cat(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the first dimension; 1-d tensors become rows."""
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in tensors], 0)


# ----------------------------------------------------------------------------------------------
# Splitting


@method()
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return the view input[start : start + length] along `dim`."""
    d = one_dim("narrow", dim, check_tensor(input, "narrow").ndim)
    size = input.shape[d] if input.ndim else 0
    start = int(start) + (size if start < 0 else 0)
    if not (0 <= start and 0 <= length and start + length <= size):
        raise DimensionError(
            f"narrow: start {start} and length {length} do not fit in size {size} of dim {dim}"
        )
    return getitem(input, (*(slice(None),) * d, slice(start, start + length)))


@method()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return the view of `input` at `index` along `dim`, without that dimension."""
    d = one_dim("select", dim, input.ndim)
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
        raise ShapeError(f"split: sizes {list(sections)} do not add up to {size}, the size of dim {dim}")
    starts = np.cumsum([0, *sections]).tolist()
    return tuple(narrow(tensor, d, s, n) for s, n in zip(starts, sections))  # noqa: B905


@method()
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
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views of `input` at every index along `dim`."""
    d = one_dim("unbind", dim, check_tensor(input, "unbind").ndim)
    if input.ndim == 0:
        raise ShapeError("unbind: a 0-d tensor has no dimension to take apart")
    return tuple(select(input, d, i) for i in range(input.shape[d]))


# ----------------------------------------------------------------------------------------------
# Repeating


@method()
def repeat(self: Tensor, *repeats: Any) -> Tensor:
    """Return the tensor laid side by side `repeats[i]` times along each dimension; a copy."""
    times = as_shape("repeat", repeats)
    lead = len(times) - self.ndim
    if lead < 0:
        raise ShapeError(f"repeat: {times} has fewer numbers than the shape {self.shape} dimensions")
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: the numbers must not be negative, got {times}")
    shape = (1,) * lead + self.shape
    pairs = [n for pair in zip(times, shape, strict=True) for n in pair]
    split = [n for size in shape for n in (1, size)]
    wide = Expand(tuple(pairs))(self.reshape(split))
    out = tuple(a * b for a, b in zip(times, shape, strict=True))
    return Reshape(out)(wide if wide.numel() != self.numel() else wide.clone())


@method()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """Return `input` repeated; missing numbers on the left count as 1."""
    times = as_shape("tile", dims)
    return repeat(input, (1,) * max(0, input.ndim - len(times)) + times)


@method()
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Return each element repeated `repeats` times in place: 1, 1, 2, 2 ..."""
    if dim is None:
        input, dim = input.reshape(-1), 0
    d = one_dim("repeat_interleave", dim, input.ndim)
    counts = repeats.array if isinstance(repeats, Tensor) else repeats
    xp = array_module(input.array)
    return getitem(input, (*(slice(None),) * d, xp.repeat(xp.arange(input.shape[d]), counts)))


concat = concatenate = cat
__all__ = [
    "cat", "concat", "concatenate", "stack", "hstack", "vstack", "narrow", "select", "split", "chunk", "unbind",
    "tile", "repeat_interleave",
]  # fmt: skip
