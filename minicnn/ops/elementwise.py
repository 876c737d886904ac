"""Functions of one number, applied to every element: roots, exponentials, trigonometry, sigmoid.

Each op states y = f(x) and dx = dy f'(x). Where f' is simplest in terms of the result y (exp, tanh,
sigmoid, sqrt), the op asks for y, and x need not be kept.
"""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op
from ..backend import array_module
from ..errors import DTypeError
from ..kernels import special
from ..promotion import get_default_dtype
from ..tensor import Tensor, check_tensor, method
from .compare import Untracked, where


class Abs(Op):
    """y = |x|.   dx = dy sign(x), which is 0 at x = 0."""

    def forward(self, x: Any) -> Any:
        return array_module(x).abs(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * sign(x)


class Square(Op):
    """y = x^2.   dx = 2 dy x."""

    def forward(self, x: Any) -> Any:
        return x * x

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return 2.0 * dy * x


class Sqrt(Op):
    """y = sqrt(x).   dx = dy / (2 y)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).sqrt(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy / (2.0 * y)


class Rsqrt(Op):
    """y = 1 / sqrt(x).   dx = -dy y^3 / 2."""

    def forward(self, x: Any) -> Any:
        return 1.0 / array_module(x).sqrt(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return -0.5 * dy * y**3


class Reciprocal(Op):
    """y = 1 / x.   dx = -dy y^2."""

    def forward(self, x: Any) -> Any:
        return 1.0 / x

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return -dy * y * y


class Exp(Op):
    """y = exp(x).   dx = dy y."""

    def forward(self, x: Any) -> Any:
        return array_module(x).exp(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * y


class Exp2(Op):
    """y = 2^x.   dx = dy y log(2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).exp2(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * y * math.log(2.0)


class Expm1(Op):
    """y = exp(x) - 1, exact near 0.   dx = dy (y + 1)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).expm1(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y + 1.0)


class Log(Op):
    """y = log(x), the natural logarithm.   dx = dy / x."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / x


class Log2(Op):
    """y = log2(x).   dx = dy / (x log(2))."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log2(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x * math.log(2.0))


class Log10(Op):
    """y = log10(x).   dx = dy / (x log(10))."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log10(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x * math.log(10.0))


class Log1p(Op):
    """y = log(1 + x), exact near 0.   dx = dy / (1 + x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log1p(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x + 1.0)


class Sin(Op):
    """y = sin(x).   dx = dy cos(x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).sin(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * cos(x)


class Cos(Op):
    """y = cos(x).   dx = -dy sin(x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).cos(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return -dy * sin(x)


class Tan(Op):
    """y = tan(x).   dx = dy (1 + y^2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).tan(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y * y + 1.0)


class Tanh(Op):
    """y = tanh(x).   dx = dy (1 - y^2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).tanh(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (1.0 - y * y)


class Sigmoid(Op):
    """y = 1 / (1 + exp(-x)).   dx = dy y (1 - y)."""

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        # e = exp(-|x|) never overflows, and y keeps its relative precision for very negative x.
        e = xp.exp(-xp.abs(x))
        return xp.where(x >= 0, 1.0, e) / (1.0 + e)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y * (1.0 - y))


class Erf(Op):
    """y = 2/sqrt(pi) integral of exp(-t^2) for t from 0 to x.   dx = dy 2/sqrt(pi) exp(-x^2)."""

    def forward(self, x: Any) -> Any:
        return special.erf(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * (2.0 / math.sqrt(math.pi)) * exp(-x * x)


class Rounding(Untracked):
    """y = floor, ceil, trunc, rint or sign of x.   dx = 0: constant between its jumps."""

    def forward(self, x: Any) -> Any:
        return getattr(array_module(x), self.ufunc)(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * 0.0


def floating(input: Any, name: str) -> Tensor:
    """Return `input`, with integers and bools turned into the default floating dtype."""
    check_tensor(input, name)
    return input if input.array.dtype.kind == "f" else input.to(get_default_dtype())


@method("abs", "absolute", "__abs__")
def abs(input: Tensor) -> Tensor:
    """Return |input|."""
    if check_tensor(input, "abs").dtype == bool:
        raise DTypeError("abs: not defined for bool tensors")
    return Abs()(input)


@method()
def square(input: Tensor) -> Tensor:
    """Return input * input."""
    return Square()(check_tensor(input, "square")) if input.dtype != bool else input.to(int)


@method()
def sqrt(input: Tensor) -> Tensor:
    """Return the square root; NaN below 0."""
    return Sqrt()(floating(input, "sqrt"))


@method()
def rsqrt(input: Tensor) -> Tensor:
    """Return 1 / sqrt(input)."""
    return Rsqrt()(floating(input, "rsqrt"))


@method()
def reciprocal(input: Tensor) -> Tensor:
    """Return 1 / input."""
    return Reciprocal()(floating(input, "reciprocal"))


@method()
def exp(input: Tensor) -> Tensor:
    """Return e to the power of input."""
    return Exp()(floating(input, "exp"))


@method()
def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of input."""
    return Exp2()(floating(input, "exp2"))


@method()
def expm1(input: Tensor) -> Tensor:
    """Return exp(input) - 1, without losing precision near 0."""
    return Expm1()(floating(input, "expm1"))


@method()
def log(input: Tensor) -> Tensor:
    """Return the natural logarithm; -inf at 0, NaN below."""
    return Log()(floating(input, "log"))


@method()
def log2(input: Tensor) -> Tensor:
    """Return the logarithm to base 2."""
    return Log2()(floating(input, "log2"))


@method()
def log10(input: Tensor) -> Tensor:
    """Return the logarithm to base 10."""
    return Log10()(floating(input, "log10"))


@method()
def log1p(input: Tensor) -> Tensor:
    """Return log(1 + input), without losing precision near 0."""
    return Log1p()(floating(input, "log1p"))


@method()
def sin(input: Tensor) -> Tensor:
    """Return the sine of input, in radians."""
    return Sin()(floating(input, "sin"))


@method()
def cos(input: Tensor) -> Tensor:
    """Return the cosine of input, in radians."""
    return Cos()(floating(input, "cos"))


@method()
def tan(input: Tensor) -> Tensor:
    """Return the tangent of input, in radians."""
    return Tan()(floating(input, "tan"))


@method()
def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return Tanh()(floating(input, "tanh"))


@method()
def sigmoid(input: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-input))."""
    return Sigmoid()(floating(input, "sigmoid"))


@method()
def erf(input: Tensor) -> Tensor:
    """Return the error function."""
    return Erf()(floating(input, "erf"))


@method()
def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1; the derivative is 0 everywhere."""
    check_tensor(input, "sign")
    return input if input.dtype == bool else Rounding("sign")(input)


@method()
def floor(input: Tensor) -> Tensor:
    """Return the largest whole number not above input."""
    return _rounded(input, "floor")


@method()
def ceil(input: Tensor) -> Tensor:
    """Return the smallest whole number not below input."""
    return _rounded(input, "ceil")


@method()
def trunc(input: Tensor) -> Tensor:
    """Return input without its fraction."""
    return _rounded(input, "trunc")


@method()
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return the nearest number with `decimals` decimals; halves go to the even one."""
    if decimals == 0:
        return _rounded(input, "rint", "round")
    scale = 10.0**decimals if decimals > 0 else 10.0**-decimals
    return (
        _rounded(input * scale, "rint") / scale
        if decimals > 0
        else _rounded(input / scale, "rint") * scale
    )


def _rounded(input: Tensor, ufunc: str, name: str | None = None) -> Tensor:
    check_tensor(input, name or ufunc)
    return Rounding(ufunc)(input) if input.dtype.kind == "f" else input.clone()


@method()
def isnan(input: Tensor) -> Tensor:
    """Return whether each element is NaN."""
    return Untracked("isnan")(check_tensor(input, "isnan"))


@method()
def isinf(input: Tensor) -> Tensor:
    """Return whether each element is infinite."""
    return Untracked("isinf")(check_tensor(input, "isinf"))


@method()
def isfinite(input: Tensor) -> Tensor:
    """Return whether each element is a finite number."""
    return Untracked("isfinite")(check_tensor(input, "isfinite"))


@method()
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return input with NaN and the infinities replaced (by default 0 and the dtype's extremes)."""
    if check_tensor(input, "nan_to_num").dtype.kind != "f":
        return input.clone()
    limits = array_module(input.array).finfo(input.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    y = where(isnan(input), nan, input)
    y = where(y == math.inf, high, y)
    return where(y == -math.inf, low, y)


absolute = abs
__all__ = [
    "abs", "absolute", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2",
    "log10", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "sign", "floor", "ceil", "trunc",
    "round", "isnan", "isinf", "isfinite", "nan_to_num",
]  # fmt: skip
