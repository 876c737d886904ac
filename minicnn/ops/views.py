"""Views: ops that compute nothing, but see the same numbers otherwise.

*Views.* reshape, permute, expand, indexing by slices and their relatives share memory with their
input wherever it can be, so changing one in place changes the other, as in PyTorch.

*Where a view has to be a copy.* minicnn keeps images channels-last in memory, though their shape is
(N, C, H, W). `view(N, -1)` of such a tensor must copy where PyTorch would not. The two are then
"twins": while both are alive, changing either in place raises, instead of leaving the other behind
unseen.
"""

from __future__ import annotations

import itertools
import operator
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, shares_memory
from ..backend import array_module
from ..errors import ShapeError
from ..tensor import Tensor, method
from .operands import Dims


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
# Sharing memory where PyTorch does


def reshaped(x: Tensor, size: Dims, must_share: bool = False) -> Tensor:
    """Return x in the shape `size`: a view where PyTorch gives one, else a copy."""
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
    """Note that neither may be changed while the other lives: in PyTorch they share memory."""
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

    Where a step in memory is irregular, the old shape is cut into runs, and `size` must have a
    cut there too.
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


__all__: list[str] = []
