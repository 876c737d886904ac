"""Norms: how large a vector or a matrix is, as (sum of |x|^p)^(1/p).

p = 2 is the Euclidean length, p = 1 the sum of sizes, p = inf the largest size, and p = 0 counts
what is not zero. Where a norm has a kink (at 0, for p = 2) its derivative is taken as 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import DTypeError, ShapeError, UnsupportedError
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .elementwise import abs as abs_
from .operands import Dims, many_dims, numpy_names
from .order import amax, amin, stretch
from .reduce import sum as sum_
from .rounding import sign


@dataclass(eq=False, repr=False)
class Norm2(Op):
    """y = sqrt(sum of x^2 over `dim`), the Euclidean norm.   dx = dy x / y, and 0 where y = 0."""

    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        return array_module(x).sqrt((x * x).sum(self.dim, keepdims=self.keepdim))

    def dx(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        y = stretch(y, x.shape, self.dim, self.keepdim)
        dy = stretch(dy, x.shape, self.dim, self.keepdim)
        return dy * where(y == 0, 0.0, x / where(y == 0, 1.0, y))


@dataclass(eq=False, repr=False)
class NormP(Op):
    """y = (sum of |x|^p over `dim`)^(1/p).   dx = dy sign(x) (|x| / y)^(p-1), and 0 where x = 0 or
    y = 0.
    """

    p: float
    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        return (abs(x) ** self.p).sum(self.dim, keepdims=self.keepdim) ** (1 / self.p)

    def dx(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        y = stretch(y, x.shape, self.dim, self.keepdim)
        dy = stretch(dy, x.shape, self.dim, self.keepdim)
        flat = (x == 0) | (y == 0)
        ratio = where(flat, 1.0, abs_(x) / where(flat, 1.0, y))
        return where(flat, 0.0, dy * sign(x) * ratio ** (self.p - 1))


@method()
@runs_in("float32")
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Return the p-norm over `dim`: (sum |x|^p)^(1/p); "fro" is p = 2; also inf, -inf and 0."""
    if isinstance(p, str) and p != "fro":
        raise UnsupportedError(f"norm: p={p!r} is not covered; use a number or 'fro'")
    return _norm("norm", input, 2.0 if p in ("fro", None) else float(p), dim, keepdim, dtype)


@numpy_names
@runs_in("float32")
def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return (sum |x|^ord)^(1/ord) over `dim` (None: over all elements)."""
    return _norm("vector_norm", x, float(ord), dim, keepdim, dtype)


@numpy_names
@runs_in("float32")
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return a norm of matrices: "fro" (Frobenius), or the largest column (1) or row (inf) sum.

    With a minus, the smallest one.
    """
    rows, columns = _two_dims("matrix_norm", A, dim)
    if ord == "fro":
        return _norm("matrix_norm", A, 2.0, (rows, columns), keepdim, dtype)
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(
            f"matrix_norm: ord={ord!r} is not covered (it needs singular values); use 'fro', 1, -1,"
            " inf or -inf"
        )
    summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
    totals = _norm("matrix_norm", A, 1.0, summed, True, dtype)
    y = (amax if ord > 0 else amin)(totals, compared, True)
    return y if keepdim else y.squeeze((rows, columns))


@numpy_names
@runs_in("float32")
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return a vector's norm (`dim` is a number, or A a vector) or a matrix's (two numbers).

    Without `ord`: the Euclidean norm over all elements.
    """
    if ord is None:
        return _norm("norm", A, 2.0, dim, keepdim, dtype)
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if pair or (dim is None and check_tensor(A, "norm").ndim == 2):
        return matrix_norm(A, ord, dim if pair else (-2, -1), keepdim, dtype=dtype)
    if isinstance(ord, str) or (dim is None and A.ndim != 1):
        raise ShapeError(f"norm: ord={ord!r} needs a vector, a matrix, or dim; got shape {A.shape}")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def _two_dims(name: str, x: Tensor, dim: Any) -> Dims:
    if check_tensor(x, name).ndim < 2 or not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ShapeError(
            f"{name}: expected a matrix and two dimensions, got shape {x.shape}, dim={dim}"
        )
    many_dims(name, dim, x.ndim)
    return tuple(d % x.ndim for d in dim)


def _norm(name: str, x: Tensor, order: float, dim: Any, keepdim: bool, dtype: Any) -> Tensor:
    check_tensor(x, name)
    x = x if dtype is None else x.to(as_dtype(dtype))
    if x.dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating tensor, got {x.dtype}; use .float()")
    if x.dtype == "float16":  # its powers would overflow
        return _norm(name, x.to(np.float32), order, dim, keepdim, None).to(x.dtype)
    dims = many_dims(name, dim, x.ndim)
    if order == 2:
        return Norm2(dims, keepdim)(x)
    if order == 0:
        return sum_((x != 0).to(x.dtype), dims, keepdim)
    if order == 1:
        return sum_(abs_(x), dims, keepdim)
    if math.isinf(order):
        return (amax if order > 0 else amin)(abs_(x), dims, keepdim)
    return NormP(order, dims, keepdim)(x)


__all__ = ["norm"]
