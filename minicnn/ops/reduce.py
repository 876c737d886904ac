"""Reductions: sums, means, variances, extrema and norms over some or all dimensions.

*Conventions.* `dim` is a number, a tuple of numbers, or None for all; `keepdim` leaves the reduced dimensions
with size 1. The gradient of a reduction is its output's gradient, stretched back over the
dimensions that were reduced.
"""

from __future__ import annotations

import builtins
import math
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import DimensionError, DTypeError, ShapeError, UnsupportedError
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .arithmetic import maximum, minimum, where
from .elementwise import exp, floating, log, sqrt
from .elementwise import abs as abs_
from .index import gather

Dims = tuple[int, ...]


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
class Extremum(Op):
    """y = the largest (or smallest) x over `dim`.   dx = dy at the extremum; ties share it equally."""

    which: str
    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        y = getattr(x, self.which)(self.dim, keepdims=True)
        self.share = x == y
        if x.dtype.kind == "f":
            self.share = self.share | array_module(x).isnan(x)  # NaN wins, as in NumPy
        return y if self.keepdim else y.squeeze(self.dim)

    def dx(self, dy: Tensor) -> Tensor:
        share = wrap(self.share).to(dy.dtype)
        share = share / Sum(self.dim, True)(share)
        return stretch(dy, self.shapes[0], self.dim, self.keepdim) * share


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


def stretch(dy: Tensor, shape: Dims, dim: Dims, keepdim: bool) -> Tensor:
    """Return a reduction's output (or its gradient) expanded to the shape of the input."""
    if not keepdim and dim:
        dy = dy.reshape(tuple(1 if d in dim else n for d, n in enumerate(shape)))
    return dy.expand(shape)


# ----------------------------------------------------------------------------------------------
# Dimensions


def one_dim(name: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; a 0-d tensor counts as having one dimension."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an integer, not {type(dim).__name__}: {dim!r}")
    limit = builtins.max(ndim, 1)
    if not -limit <= dim < limit:
        raise DimensionError(
            f"{name}: dim {dim} is out of range for a tensor of {ndim} dimensions; use {-limit} to {limit - 1}"
        )
    return int(dim) % limit


def many_dims(name: str, dim: Any, ndim: int) -> Dims:
    """Return `dim` (a number, a sequence, or None for all) as sorted numbers from the front."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = [one_dim(name, d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else [dim])]
    if len(set(dims)) != len(dims):
        raise DimensionError(f"{name}: a dimension appears twice in dim={dim}")
    return tuple(sorted(dims)) if ndim else ()


def _not_empty(name: str, input: Tensor, dims: Dims) -> None:
    if builtins.any(input.shape[d] == 0 for d in dims):
        raise DimensionError(
            f"{name}: there is nothing to choose from along dim {dims} of shape {input.shape}; "
            "an empty selection has no extremum"
        )


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
def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`; equal ones share the gradient."""
    return _extremum("amax", "max", input, dim, keepdim)


@method()
def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`; equal ones share the gradient."""
    return _extremum("amin", "min", input, dim, keepdim)


def _extremum(name: str, which: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = many_dims(name, dim, check_tensor(input, name).ndim)
    _not_empty(name, input, dims)
    return Extremum(which, dims, keepdim)(input)


ValuesIndices = namedtuple("ValuesIndices", ("values", "indices"))


@method()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the largest element; along `dim`, (values, indices); with another tensor, `maximum`.

    Along `dim` the gradient goes to the first of equal elements, whose index is returned.
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(input) if dim is None else _along("max", "argmax", input, dim, keepdim)


@method()
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the smallest element; along `dim`, (values, indices); with another tensor, `minimum`."""
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(input) if dim is None else _along("min", "argmin", input, dim, keepdim)


def _along(name: str, arg: str, input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    d = one_dim(name, dim, check_tensor(input, name).ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), wrap(array_module(input.array).zeros((), "int64")))
    _not_empty(name, input, (d,))
    indices = wrap(getattr(input.array, arg)(d, keepdims=True))
    values = gather(input, d, indices)
    if not keepdim:
        values, indices = values.squeeze(d), indices.squeeze(d)
    return ValuesIndices(values, indices)


@method()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmax", input, dim, keepdim)


@method()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmin", input, dim, keepdim)


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    xp = array_module(check_tensor(input, name).array)
    if input.dtype == bool:
        raise DTypeError(f"{name}: not defined for bool tensors; convert with .int()")
    if dim is None:
        _not_empty(name, input, tuple(range(input.ndim)))
        index = xp.asarray(getattr(input.array, name)(), dtype="int64")
        return wrap(index.reshape((1,) * input.ndim) if keepdim else index)
    d = one_dim(name, dim, input.ndim)
    if input.ndim == 0:
        return wrap(xp.zeros((), "int64"))
    _not_empty(name, input, (d,))
    return wrap(xp.asarray(getattr(input.array, name)(d, keepdims=keepdim), dtype="int64"))


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


@method()
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """Return the indices that sort `input` along `dim`; equal elements keep their order."""
    xp = array_module(check_tensor(input, "argsort").array)
    d = one_dim("argsort", dim, input.ndim)
    if input.ndim == 0:
        return wrap(xp.zeros((), "int64"))
    x = input.array
    if not descending:
        return wrap(xp.argsort(x, axis=d, kind="stable"))
    # Reversed, sorted, and reversed back: equal elements then still keep their order.
    order = xp.flip(xp.argsort(xp.flip(x, d), axis=d, kind="stable"), d)
    return wrap(x.shape[d] - 1 - order)


@method()
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> ValuesIndices:
    """Return (values, indices), sorted along `dim`; equal elements keep their order."""
    indices = argsort(input, dim, descending)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), indices)
    return ValuesIndices(gather(input, dim, indices), indices)


@method()
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """Return (values, indices) of the k largest (or smallest) elements along `dim`, in order."""
    d = one_dim("topk", dim, check_tensor(input, "topk").ndim)
    available = input.shape[d] if input.ndim else 1
    if not 0 <= k <= available:
        raise ShapeError(f"topk: k={k} is not between 0 and {available}, the size along dim {dim}")
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    indices = argsort(input, d, descending=largest).narrow(d, 0, k)
    return ValuesIndices(gather(input, d, indices), indices)


@method()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, the lower of two middle elements; along `dim`, (values, indices)."""
    if dim is None:
        flat = check_tensor(input, "median").reshape(-1)
        if flat.numel() == 0:
            return wrap(array_module(flat.array).full((), math.nan, dtype=flat.dtype))
        return median(flat, 0).values
    d = one_dim("median", dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    _not_empty("median", input, (d,))
    xp = array_module(input.array)
    order = argsort(input, d).array
    count = input.shape[d]
    middle = order.take((count - 1) // 2, d)
    if input.dtype.kind == "f":  # NaN anywhere makes the median NaN
        nan = xp.isnan(input.array)
        middle = xp.where(nan.any(d), nan.argmax(d), middle)
    indices = wrap(xp.expand_dims(middle, d))
    values = gather(input, d, indices)
    if not keepdim:
        values, indices = values.squeeze(d), indices.squeeze(d)
    return ValuesIndices(values, indices)


__all__ = [
    "sum", "mean", "var", "std", "var_mean", "std_mean", "amax", "amin", "max", "min", "argmax", "argmin",
    "prod", "cumsum", "logsumexp", "norm", "all", "any", "count_nonzero", "argsort", "sort", "topk", "median",
]  # fmt: skip
