"""Reductions: sums, means and variances over some or all dimensions.

*Conventions.* `dim` is a number, a tuple of numbers, or None for all; `keepdim` leaves the reduced
dimensions with size 1. The gradient of a reduction is its output's gradient, stretched back over
the dimensions that were reduced.
"""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in, wrap
from ..backend import array_module, as_array
from ..errors import DTypeError
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .elementwise import exp, floating, log, sqrt
from .operands import HALF, Dims, many_dims, numpy_names
from .order import amax, stretch


def total(x: Any, dim: Dims, keepdim: bool) -> Any:
    """Return the sum of an array, of float16 in float32."""
    return kernels.get("sum", x)(x, dim, keepdim)


def count(shape: Dims, dim: Dims) -> int:
    """Return how many elements are reduced to one."""
    return math.prod(shape[d] for d in dim)


@dataclass(eq=False, repr=False)
class Sum(Op):
    """y = sum of x over `dim`.   dx = dy, stretched over `dim`."""

    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        return total(x, self.dim, self.keepdim).astype(x.dtype, copy=False)

    def dx(self, dy: Tensor) -> Tensor:
        return stretch(dy, self.shapes[0], self.dim, self.keepdim)


@dataclass(eq=False, repr=False)
class Mean(Op):
    """y = (1/n) sum of x over `dim`, n elements each.   dx = dy / n, stretched over `dim`."""

    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        n = count(x.shape, self.dim)
        return (total(x, self.dim, self.keepdim) * (1.0 / n if n else math.nan)).astype(
            x.dtype, copy=False
        )

    def dx(self, dy: Tensor) -> Tensor:
        n = count(self.shapes[0], self.dim)
        return stretch(dy * (1.0 / n if n else math.nan), self.shapes[0], self.dim, self.keepdim)


@dataclass(eq=False, repr=False)
class Var(Op):
    """y = sum of (x - mean)^2 over `dim`, divided by n - correction.

    dx = dy 2 (x - mean) / (n - correction): the mean's own derivative drops out, because deviations
    from the mean sum to zero. correction = 1 makes the estimate unbiased (Bessel).
    """

    dim: Dims
    correction: float
    keepdim: bool

    def forward(self, x: Any) -> Any:
        scale = builtins.max(count(x.shape, self.dim) - self.correction, 0)
        wide = x.astype("float32") if x.dtype == HALF else x
        deviation = wide - Mean(self.dim, True).forward(wide)
        squares = total(deviation * deviation, self.dim, self.keepdim)
        y = squares / scale if scale else squares / array_module(x).zeros_like(squares)
        return y.astype(x.dtype, copy=False)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        scale = builtins.max(count(x.shape, self.dim) - self.correction, 0)
        dy = stretch(dy, x.shape, self.dim, self.keepdim)
        return dy * ((2.0 / scale if scale else math.nan) * (x - Mean(self.dim, True)(x)))


# ----------------------------------------------------------------------------------------------
# Public functions


@method()
@numpy_names
@runs_in("float32")
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the sum over `dim`; integers and bools add up in int64."""
    check_tensor(input, "sum")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    return Sum(many_dims("sum", dim, input.ndim), keepdim)(input)


@method()
@numpy_names
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the mean over `dim`; of nothing, NaN."""
    check_tensor(input, "mean")
    input = input if dtype is None else input.to(as_dtype(dtype))
    if input.dtype.kind != "f":
        raise DTypeError(
            f"mean: expected a floating tensor, got {input.dtype}; use .float().mean()"
        )
    return Mean(many_dims("mean", dim, input.ndim), keepdim)(input)


@method()
@numpy_names
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
    *, correction: float | None = 1,
) -> Tensor:  # fmt: skip
    """Return the variance over `dim`, with n - correction in the denominator."""
    return _variance("var", input, dim, unbiased, keepdim, correction)


@method()
@numpy_names
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
    *, correction: float | None = 1,
) -> Tensor:  # fmt: skip
    """Return the standard deviation over `dim`, the square root of `var`."""
    v = _variance("std", input, dim, unbiased, keepdim, correction)
    # Where all elements are equal the square root has no derivative; PyTorch gives 0.
    return where(v == 0, 0.0, sqrt(where(v == 0, 1.0, v)))


def _variance(
    name: str,
    input: Tensor,
    dim: Any,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
) -> Tensor:
    if check_tensor(input, name).dtype.kind != "f":
        raise DTypeError(
            f"{name}: expected a floating tensor, got {input.dtype}; use .float().{name}()"
        )
    if isinstance(dim, bool):  # PyTorch's older form var(unbiased)
        dim, unbiased = None, dim
    if unbiased is not None or correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return Var(many_dims(name, dim, input.ndim), correction, keepdim)(input)


@numpy_names
def var_mean(input: Tensor, dim: Any = None, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """Return (variance, mean) over `dim`, with the arguments of `var`."""
    return var(input, dim, *args, **options), _mean_like(input, dim, *args, **options)


@numpy_names
def std_mean(input: Tensor, dim: Any = None, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """Return (standard deviation, mean) over `dim`, with the arguments of `std`."""
    return std(input, dim, *args, **options), _mean_like(input, dim, *args, **options)


def _mean_like(
    input: Tensor, dim: Any, unbiased: Any = None, keepdim: bool = False, correction: Any = None
) -> Tensor:
    return mean(input, None if isinstance(dim, bool) else dim, keepdim)


@method()
@numpy_names
@runs_in("float32")
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(input))) over `dim`.

    The largest element is taken out first, because exp(x) overflows for large x; it counts as a
    constant, since the result does not depend on it.
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
@numpy_names
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether every element over `dim` is nonzero."""
    return _truth("all", input, dim, keepdim)


@method()
@numpy_names
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether some element over `dim` is nonzero."""
    return _truth("any", input, dim, keepdim)


def _truth(name: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = many_dims(name, dim, check_tensor(input, name).ndim)
    y = as_array(getattr(input.array, name)(dims, keepdims=keepdim))
    return wrap(y.astype("uint8") if input.dtype == "uint8" else y)  # PyTorch keeps uint8


@method()
@numpy_names
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """Return how many elements over `dim` are not zero."""
    return sum(check_tensor(input, "count_nonzero") != 0, dim)


__all__ = [
    "sum", "mean", "var", "std", "var_mean", "std_mean", "logsumexp", "all", "any", "count_nonzero",
]  # fmt: skip
