"""Triangles and diagonals of matrices (the last two dimensions of a tensor)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..autograd import Op
from ..backend import array_module
from ..errors import DimensionError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .index import IndexAdd
from .operands import one_dim
from .shape import movedim


@dataclass(eq=False, repr=False)
class Triangle(Op):
    """y = x above (or below) a diagonal of its last two axes, else 0.   dx = the same of dy."""

    which: str
    diagonal: int

    def forward(self, x: Any) -> Any:
        return getattr(array_module(x), self.which)(x, self.diagonal)

    def dx(self, dy: Tensor) -> Tensor:
        return Triangle(self.which, self.diagonal)(dy)


@dataclass(eq=False, repr=False)
class Diagonal(Op):
    """y = a diagonal of the last two dimensions of x, a view.   dx = zeros with dy on it."""

    offset: int
    is_view = True

    def forward(self, x: Any) -> Any:
        y = array_module(x).diagonal(x, self.offset, -2, -1)
        if not getattr(y.flags, "writeable", True):  # NumPy is cautious here, CuPy is not
            y.flags.writeable = x.flags.writeable
        return y

    def dx(self, dy: Tensor) -> Tensor:
        steps = array_module(dy.array).arange(dy.shape[-1])
        index = (..., steps - min(self.offset, 0), steps + max(self.offset, 0))
        return IndexAdd(index, self.shapes[0])(dy)


@method()
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the lower triangle of the last two dimensions, zeros elsewhere."""
    return _triangle("tril", input, diagonal)


@method()
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the upper triangle of the last two dimensions, zeros elsewhere."""
    return _triangle("triu", input, diagonal)


def _triangle(name: str, input: Tensor, diagonal: int) -> Tensor:
    if check_tensor(input, name).ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 dimensions, got shape {input.shape}")
    return Triangle(name, diagonal)(input)


@method()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonal over two dimensions, as the last dimension of the result; a view."""
    ndim = check_tensor(input, "diagonal").ndim
    a, b = one_dim("diagonal", dim1, ndim), one_dim("diagonal", dim2, ndim)
    if a == b:
        raise DimensionError(f"diagonal: dim1={dim1} and dim2={dim2} must name two dimensions")
    return Diagonal(offset)(movedim(input, (a, b), (-2, -1)))


@method()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return a copy of a matrix's diagonal, or the matrix that has a vector on its diagonal."""
    if check_tensor(input, "diag").ndim == 2:
        return input.diagonal(diagonal).clone()
    if input.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    n, steps = input.shape[0] + abs(diagonal), array_module(input.array).arange(input.shape[0])
    index = (steps - min(diagonal, 0), steps + max(diagonal, 0))
    return IndexAdd(index, (n, n))(input)


@method()
def trace(input: Tensor) -> Tensor:
    """Return the sum of a matrix's diagonal."""
    if check_tensor(input, "trace").ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {input.shape}")
    return diagonal(input).sum()


__all__ = ["tril", "triu", "diagonal", "diag", "trace"]
