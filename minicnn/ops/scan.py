"""Running sums and products, and the product of all.

Products are made of pairwise products, because the short formula for their gradient, y / x, fails
where x = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..autograd import Op, runs_in
from ..errors import DTypeError
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .join import cat
from .operands import numpy_names, one_dim


@dataclass(eq=False, repr=False)
class CumSum(Op):
    """y_i = x_0 + ... + x_i along `dim`.   dx_i = dy_i + ... + dy_last."""

    dim: int

    def forward(self, x: Any) -> Any:
        return x.cumsum(self.dim, dtype=x.dtype)

    def dx(self, dy: Tensor) -> Tensor:
        return CumSum(self.dim)(dy.flip(self.dim)).flip(self.dim)


@method()
@numpy_names
@runs_in("float32")
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running sum along `dim`; integers add up in int64."""
    check_tensor(input, "cumsum")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    d = one_dim("cumsum", dim, input.ndim)
    if input.dtype == bool:
        raise DTypeError("cumsum: dtype=bool is not defined; leave dtype out to count in int64")
    return CumSum(d)(input) if input.ndim else input.clone()


@method()
@numpy_names
@runs_in("float32")
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running product along `dim`; integers multiply in int64.

    Each of log2(n) rounds multiplies in the products that end 1, 2, 4 ... places before; gradients
    are right with any number of zeros.
    """
    check_tensor(input, "cumprod")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    d = one_dim("cumprod", dim, input.ndim)
    if input.ndim == 0:
        return input.clone()
    y, n, reach = input * 1, input.shape[d], 1
    while reach < n:
        y = cat(
            [y.narrow(d, 0, reach), y.narrow(d, reach, n - reach) * y.narrow(d, 0, n - reach)], d
        )
        reach *= 2
    return y


@method()
@numpy_names
@runs_in("float32")
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return the product over `dim`; integers multiply in int64.

    The factors are multiplied pairwise, as in a tournament: log2(n) products of halves. Its
    gradients are right with any number of zeros, unlike y / x.
    """
    check_tensor(input, "prod")
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    elif input.dtype.kind != "f":
        input = input.to(int)
    if dim is None:
        y = _product_of_last(input.reshape(-1))
        return y.reshape((1,) * input.ndim) if keepdim else y
    d = one_dim("prod", dim, input.ndim)
    if input.ndim == 0:
        return input.clone()
    y = _product_of_last(input.movedim(d, -1))
    return y.unsqueeze(d) if keepdim else y


def _product_of_last(x: Tensor) -> Tensor:
    if x.shape[-1] < 2:
        return x.sum(-1) if x.shape[-1] else x.sum(-1) + 1
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        odd = x[..., 2 * half :]
        x = x[..., :half] * x[..., half : 2 * half]
        if odd.shape[-1]:
            x = cat([x, odd], -1)
    return x.squeeze(-1)


__all__ = ["cumsum", "cumprod", "prod"]
