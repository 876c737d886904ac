"""Reductions: sums, means, variances, products and norms over some or all dimensions.

*Conventions.* `dim` is a number, a tuple of numbers, or None for all; `keepdim` leaves the reduced dimensions
with size 1. The gradient of a reduction is its output's gradient, stretched back over the
dimensions that were reduced.
"""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import DTypeError, UnsupportedError
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .compare import where
from .elementwise import abs as abs_
from .elementwise import exp, floating, log, sqrt
from .operands import Dims, many_dims, one_dim
from .order import amax, amin, stretch


@dataclass(eq=False, repr=False)
class Sum(Op):
    """y = sum of x over `dim`.   dx = dy, stretched over `dim`."""

    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        if x.dtype == "float16":  # a long sum in float16 would lose its small terms
            return x.sum(self.dim, dtype="float32", keepdims=self.keepdim).astype(x.dtype)
        return x.sum(self.dim, keepdims=self.keepdim)

    def dx(self, dy: Tensor) -> Tensor:
        return stretch(dy, self.shapes[0], self.dim, self.keepdim)


@dataclass(eq=False, repr=False)
class Mean(Op):
    """y = (1/n) sum of x over `dim`, n elements each.   dx = dy / n, stretched over `dim`."""

    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        return x.mean(self.dim, keepdims=self.keepdim)

    def dx(self, dy: Tensor) -> Tensor:
        n = math.prod(self.shapes[0][d] for d in self.dim)
        return stretch(dy / n, self.shapes[0], self.dim, self.keepdim)


@dataclass(eq=False, repr=False)
class Var(Op):
    """y = sum of (x - mean)^2 over `dim`, divided by n - correction.

    dx = dy 2 (x - mean) / (n - correction): the mean's own derivative drops out, because deviations from the
    mean sum to zero. correction = 1 makes the estimate unbiased (Bessel).
    """

    dim: Dims
    correction: float
    keepdim: bool

    def forward(self, x: Any) -> Any:
        n = math.prod(x.shape[d] for d in self.dim)
        scale = builtins.max(n - self.correction, 0)
        deviation = x - x.mean(self.dim, keepdims=True)
        total = (deviation * deviation).sum(self.dim, keepdims=self.keepdim)
        return total / scale if scale else total / array_module(x).zeros_like(total)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        n = math.prod(x.shape[d] for d in self.dim)
        scale = builtins.max(n - self.correction, 0)
        dy = stretch(dy, x.shape, self.dim, self.keepdim)
        return dy * ((2.0 / scale if scale else math.nan) * (x - Mean(self.dim, True)(x)))


@dataclass(eq=False, repr=False)
class CumSum(Op):
    """y_i = x_0 + ... + x_i along `dim`.   dx_i = dy_i + ... + dy_last: the sum from the other end."""

    dim: int

    def forward(self, x: Any) -> Any:
        return x.cumsum(self.dim, dtype=x.dtype)

    def dx(self, dy: Tensor) -> Tensor:
        return CumSum(self.dim)(dy.flip(self.dim)).flip(self.dim)


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


# ----------------------------------------------------------------------------------------------
# Public functions


@method()
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the sum over `dim`; integers and bools add up in int64."""
    check_tensor(input, "sum")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    return Sum(many_dims("sum", dim, input.ndim), keepdim)(input)


@method()
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the mean over `dim`; of nothing, NaN."""
    check_tensor(input, "mean")
    input = input if dtype is None else input.to(as_dtype(dtype))
    if input.dtype.kind != "f":
        raise DTypeError(f"mean: expected a floating tensor, got {input.dtype}; use .float().mean()")
    return Mean(many_dims("mean", dim, input.ndim), keepdim)(input)


def _correction(name: str, dim: Any, unbiased: Any, correction: float) -> tuple[Any, float]:
    """Sort out PyTorch's two older forms, var(unbiased) and var(dim, unbiased)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, correction if unbiased is None else float(bool(unbiased))


@method()
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
    *, correction: float = 1,
) -> Tensor:  # fmt: skip
    """Return the variance over `dim`, with n - correction in the denominator."""
    dim, correction = _correction("var", dim, unbiased, correction)
    if check_tensor(input, "var").dtype.kind != "f":
        raise DTypeError(f"var: expected a floating tensor, got {input.dtype}; use .float().var()")
    return Var(many_dims("var", dim, input.ndim), correction, keepdim)(input)


@method()
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
    *, correction: float = 1,
) -> Tensor:  # fmt: skip
    """Return the standard deviation over `dim`, the square root of `var`."""
    dim, correction = _correction("std", dim, unbiased, correction)
    if check_tensor(input, "std").dtype.kind != "f":
        raise DTypeError(f"std: expected a floating tensor, got {input.dtype}; use .float().std()")
    v = Var(many_dims("std", dim, input.ndim), correction, keepdim)(input)
    # Where all elements are equal the square root has no derivative; PyTorch gives 0.
    return where(v == 0, 0.0, sqrt(where(v == 0, 1.0, v)))


def var_mean(input: Tensor, dim: Any = None, **options: Any) -> tuple[Tensor, Tensor]:
    """Return (variance, mean) over `dim`."""
    return var(input, dim, **options), mean(input, dim, options.get("keepdim", False))


def std_mean(input: Tensor, dim: Any = None, **options: Any) -> tuple[Tensor, Tensor]:
    """Return (standard deviation, mean) over `dim`."""
    return std(input, dim, **options), mean(input, dim, options.get("keepdim", False))


@method()
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the product over `dim`; integers multiply in int64.

    The factors are multiplied pairwise, as in a tournament: log2(n) products of halves. Its gradients
    are right with any number of zeros, unlike y / x.
    """
    check_tensor(input, "prod")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    if dim is None:
        shape: Dims = (1,) * input.ndim if keepdim else ()
        return _product_of_last(input.reshape(-1)).reshape(shape)
    d = one_dim("prod", dim, input.ndim)
    if input.ndim == 0:
        return input.clone()
    y = _product_of_last(input.movedim(d, -1))
    return y.unsqueeze(d) if keepdim else y


def _product_of_last(x: Tensor) -> Tensor:
    if x.shape[-1] == 0:
        return wrap(array_module(x.array).ones(x.shape[:-1], dtype=x.dtype))
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        odd = x[..., 2 * half :]
        x = x[..., :half] * x[..., half : 2 * half]
        if odd.shape[-1]:
            from .shape import cat

            x = cat([x, odd], -1)
    return x.squeeze(-1)


@method()
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running sum along `dim`; integers add up in int64."""
    check_tensor(input, "cumsum")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    d = one_dim("cumsum", dim, input.ndim)
    return CumSum(d)(input) if input.ndim else input.clone()


@method()
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(input))) over `dim`.

    The largest element is taken out first, because exp(x) overflows for large x; it counts as a constant, since the
    result does not depend on it.
    """
    x = floating(input, "logsumexp")
    dims = many_dims("logsumexp", dim, x.ndim)
    if builtins.any(x.shape[d] == 0 for d in dims):
        return log(sum(exp(x), dims, keepdim))
    shift = amax(x.detach(), dims, True)
    shift = where(shift.isfinite(), shift, 0.0)
    y = log(sum(exp(x - shift), dims, True)) + shift
    return y if keepdim or not dims else y.squeeze(dims)


@method()
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Return the p-norm over `dim`: (sum |x|^p)^(1/p); "fro" is p = 2; inf, -inf and 0 are covered."""
    check_tensor(input, "norm")
    input = input if dtype is None else input.to(as_dtype(dtype))
    if input.dtype.kind != "f":
        raise DTypeError(f"norm: expected a floating tensor, got {input.dtype}; use .float()")
    if isinstance(p, str) and p != "fro":
        raise UnsupportedError(f"norm: p={p!r} is not covered; use a number or 'fro'")
    dims = many_dims("norm", dim, input.ndim)
    order = 2.0 if p in ("fro", None) else float(p)
    if order == 2:
        return Norm2(dims, keepdim)(input)
    if order == 0:
        return sum((input != 0).to(input.dtype), dims, keepdim)
    size = abs_(input)
    if order == 1:
        return sum(size, dims, keepdim)
    if math.isinf(order):
        return amax(size, dims, keepdim) if order > 0 else amin(size, dims, keepdim)
    total = sum(size**order, dims, keepdim)
    zero = total == 0
    if order < 1:
        return total ** (1 / order)
    return where(zero, 0.0, where(zero, 1.0, total) ** (1 / order))


@method()
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether every element over `dim` is nonzero."""
    dims = many_dims("all", dim, check_tensor(input, "all").ndim)
    return wrap(array_module(input.array).asarray(input.array.all(dims, keepdims=keepdim)))


@method()
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether some element over `dim` is nonzero."""
    dims = many_dims("any", dim, check_tensor(input, "any").ndim)
    return wrap(array_module(input.array).asarray(input.array.any(dims, keepdims=keepdim)))


@method()
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """Return how many elements over `dim` are not zero."""
    return sum(check_tensor(input, "count_nonzero") != 0, dim)


__all__ = [
    "sum", "mean", "var", "std", "var_mean", "std_mean", "prod", "cumsum", "logsumexp", "norm", "all", "any",
    "count_nonzero",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # TEMPORARY: names that moved to order,operands
    from importlib import import_module

    if name.startswith("_"):
        raise AttributeError(name)

    for module in "order,operands".split(","):
        found = import_module("minicnn.ops." + module).__dict__.get(name)
        if found is not None:
            return found
    raise AttributeError(name)
