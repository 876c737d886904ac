"""Softmax: numbers of any size become probabilities.

*The one numerical trick.* exp(100) does not fit into float32, but softmax does not change when the
same number is taken from every x, so the largest is: then the largest exponential is exp(0) = 1.

*Why there is a `log_softmax`.* A probability of 1e-50 is 0 in float32, and log(0) is -inf. Written
as log p_i = x_i - log sum_j exp(x_j) it is simply -115. Losses are built on it.

Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".

Tutorial: tutorials/06_dense_softmax_cross_entropy.ipynb
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import DTypeError
from ..kernels.layout import at_least_float32
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method
from .elementwise import exp
from .operands import one_dim
from .reduce import sum as sum_

__all__ = ["softmax", "log_softmax", "softmin"]


def shifted(x: Any, dim: int) -> Any:
    """Return x minus its largest element along `dim`, so that exp cannot overflow."""
    return x - x.max(dim, keepdims=True)


@dataclass(eq=False, repr=False)
class Softmax(Op):
    """y_i = exp(x_i) / sum_j exp(x_j) along `dim`.   dx_i = y_i (dy_i - sum_j dy_j y_j).

    Shapes: x, y equal.
    """

    dim: int

    def forward(self, x: Any) -> Any:
        if x.size == 0:
            return x.copy()
        y = array_module(x).exp(shifted(at_least_float32(x), self.dim))
        y /= y.sum(self.dim, keepdims=True)
        return y.astype(x.dtype, copy=False)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return y * (dy - sum_(dy * y, self.dim, keepdim=True))

    def fast_backward(self, needs: Any, dy: Any, y: Any) -> tuple:
        dx = at_least_float32(dy) * y
        dx -= dx.sum(self.dim, keepdims=True) * y
        return (dx,)


@dataclass(eq=False, repr=False)
class LogSoftmax(Op):
    """y_i = x_i - log sum_j exp(x_j) along `dim`.   dx_i = dy_i - exp(y_i) sum_j dy_j.

    Shapes: x, y equal.
    """

    dim: int

    def forward(self, x: Any) -> Any:
        if x.size == 0:
            return x.copy()
        xp = array_module(x)
        y = shifted(at_least_float32(x), self.dim)
        y -= xp.log(xp.exp(y).sum(self.dim, keepdims=True))
        return y.astype(x.dtype, copy=False)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy - exp(y) * sum_(dy, self.dim, keepdim=True)

    def fast_backward(self, needs: Any, dy: Any, y: Any) -> tuple:
        dy, y = at_least_float32(dy), at_least_float32(y)
        return (dy - array_module(y).exp(y) * dy.sum(self.dim, keepdims=True),)


def _prepare(name: str, input: Tensor, dim: int | None, dtype: Any) -> tuple[Tensor, int]:
    """Return the input as a floating tensor, and `dim` counted from the front."""
    x = check_tensor(input, name)
    x = x if dtype is None else x.to(as_dtype(dtype))
    if x.dtype.kind != "f":
        raise DTypeError(
            f"{name}: expected a floating tensor, got {x.dtype}; use .float(), or pass "
            "dtype=minicnn.float32"
        )
    if dim is None:  # PyTorch's old choice
        dim = 0 if x.ndim in (0, 1, 3) else 1
        message = f"{name}: dim is not given and {dim} is taken; say which, dim=1 for scores (N, C)"
        warnings.warn(message, UserWarning, stacklevel=4)
    return x, one_dim(name, dim, x.ndim)


def _along(op: type[Op], x: Tensor, dim: int) -> Tensor:
    if x.ndim == 0:
        return op(0)(x.reshape(1)).reshape(())  # type: ignore[call-arg]
    return op(dim)(x)  # type: ignore[call-arg]


@runs_in("float32")
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return exp(input) / sum(exp(input)) along `dim`: positive numbers whose sum is 1.

    `dtype` converts the input first. Equation and derivative: `Softmax`.
    """
    return _along(Softmax, *_prepare("softmax", input, dim, dtype))


@runs_in("float32")
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return the logarithm of softmax along `dim`, finite where softmax itself rounds to 0.

    `dtype` converts the input first. Equation and derivative: `LogSoftmax`.
    """
    return _along(LogSoftmax, *_prepare("log_softmax", input, dim, dtype))


@runs_in("float32")
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return softmax(-input) along `dim`: the smallest number gets the largest probability."""
    return _along(Softmax, *_prepare("softmin", -check_tensor(input, "softmin"), dim, dtype))


@method("softmax")
def _softmax_method(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    return softmax(self, dim, dtype=dtype)


@method("log_softmax")
def _log_softmax_method(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    return log_softmax(self, dim, dtype=dtype)
