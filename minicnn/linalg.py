"""Linear algebra under PyTorch's second name for it, ``torch.linalg``: norms and products.

What needs a factorisation (inv, solve, svd, eigh ...) is not covered.
"""

from __future__ import annotations

from typing import Any

from .autograd import runs_in
from .errors import UnsupportedNameError, nearest
from .ops.diagonal import diagonal as _diagonal
from .ops.linalg import matmul
from .ops.norms import linalg_norm as norm
from .ops.norms import matrix_norm, vector_norm
from .tensor import Tensor

__all__ = ["diagonal", "matmul", "matrix_norm", "multi_dot", "norm", "vecdot", "vector_norm"]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return the diagonals of matrices, by default those of the last two dimensions; a view."""
    return _diagonal(A, offset, dim1, dim2)


@runs_in("lower")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the dot products of the vectors along `dim`."""
    return (x * y).sum(dim)


def multi_dot(tensors: Any) -> Tensor:
    """Return the product of several matrices, multiplied from the left to the right."""
    product, *others = tensors
    for other in others:
        product = matmul(product, other)
    return product


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedNameError(
        f"linalg.{name}: minicnn has no such function, though PyTorch may.{nearest(name, __all__)}"
    )
