"""Functions of one number, applied to every element: roots, exponentials, trigonometry, sigmoid.

Each op states y = f(x) and dx = dy f'(x). Where f' is simplest in terms of the result y (exp, tanh,
sigmoid, sqrt), the op asks for y, and x need not be kept. Below each op stands the public function;
integers and bools become floats on the way in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import DTypeError
from ..kernels import special
from ..promotion import get_default_dtype
from ..tensor import Tensor, check_tensor, method
from .rounding import sign


def floating(input: Any, name: str) -> Tensor:
    """Return `input`, with integers and bools turned into the default floating dtype."""
    check_tensor(input, name)
    return input if input.array.dtype.kind == "f" else input.to(get_default_dtype())


def _public(op: type[Op], doc: str, rule: str | None = None) -> Callable[[Tensor], Tensor]:
    """Return the public function for `op`, under its name in lower case, and make it a method.

    `rule` is what `autograd.autocast` says of it.
    """
    name = op.__name__.lower()

    def function(input: Tensor) -> Tensor:
        return op()(floating(input, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return method(name)(function if rule is None else runs_in(rule)(function))


class Abs(Op):
    """y = |x|.   dx = dy sign(x), which is 0 at x = 0."""

    def forward(self, x: Any) -> Any:
        return array_module(x).abs(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * sign(x)


@method("abs", "absolute", "__abs__")
def abs(input: Tensor) -> Tensor:
    """Return |input|; integers stay integers."""
    if check_tensor(input, "abs").dtype == bool:
        raise DTypeError("abs: not defined for bool tensors; they are their own absolute value")
    return Abs()(input)


class Square(Op):
    """y = x^2.   dx = 2 dy x."""

    def forward(self, x: Any) -> Any:
        return x * x

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return 2.0 * dy * x


@method()
def square(input: Tensor) -> Tensor:
    """Return input * input; integers stay integers."""
    return Square()(input.to(int) if check_tensor(input, "square").dtype == bool else input)


class Sqrt(Op):
    """y = sqrt(x).   dx = dy / (2 y)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).sqrt(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy / (2.0 * y)


sqrt = _public(Sqrt, "Return the square root; NaN below 0.")


class Rsqrt(Op):
    """y = 1 / sqrt(x).   dx = -dy y^3 / 2."""

    def forward(self, x: Any) -> Any:
        return 1.0 / array_module(x).sqrt(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return -0.5 * dy * y**3


rsqrt = _public(Rsqrt, "Return 1 / sqrt(input).", "float32")


class Reciprocal(Op):
    """y = 1 / x.   dx = -dy y^2."""

    def forward(self, x: Any) -> Any:
        return 1.0 / x

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return -dy * y * y


reciprocal = _public(Reciprocal, "Return 1 / input.", "float32")


class Exp(Op):
    """y = exp(x).   dx = dy y."""

    def forward(self, x: Any) -> Any:
        return array_module(x).exp(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * y


exp = _public(Exp, "Return e to the power of input.", "float32")


class Exp2(Op):
    """y = 2^x.   dx = dy y log(2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).exp2(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * y * math.log(2.0)


exp2 = _public(Exp2, "Return 2 to the power of input.")


class Expm1(Op):
    """y = exp(x) - 1, exact near 0.   dx = dy (y + 1)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).expm1(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y + 1.0)


expm1 = _public(Expm1, "Return exp(input) - 1, without losing precision near 0.", "float32")


class Log(Op):
    """y = log(x), the natural logarithm.   dx = dy / x."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / x


log = _public(Log, "Return the natural logarithm; -inf at 0, NaN below.", "float32")


class Log2(Op):
    """y = log2(x).   dx = dy / (x log(2))."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log2(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x * math.log(2.0))


log2 = _public(Log2, "Return the logarithm to base 2.", "float32")


class Log10(Op):
    """y = log10(x).   dx = dy / (x log(10))."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log10(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x * math.log(10.0))


log10 = _public(Log10, "Return the logarithm to base 10.", "float32")


class Log1p(Op):
    """y = log(1 + x), exact near 0.   dx = dy / (1 + x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).log1p(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (x + 1.0)


log1p = _public(Log1p, "Return log(1 + input), without losing precision near 0.", "float32")


class Sin(Op):
    """y = sin(x).   dx = dy cos(x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).sin(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * cos(x)


sin = _public(Sin, "Return the sine of input, in radians.")


class Cos(Op):
    """y = cos(x).   dx = -dy sin(x)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).cos(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return -dy * sin(x)


cos = _public(Cos, "Return the cosine of input, in radians.")


class Tan(Op):
    """y = tan(x).   dx = dy (1 + y^2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).tan(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y * y + 1.0)


tan = _public(Tan, "Return the tangent of input, in radians.", "float32")


class Tanh(Op):
    """y = tanh(x).   dx = dy (1 - y^2)."""

    def forward(self, x: Any) -> Any:
        return array_module(x).tanh(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (1.0 - y * y)


tanh = _public(Tanh, "Return the hyperbolic tangent.")


class Sigmoid(Op):
    """y = 1 / (1 + exp(-x)).   dx = dy y (1 - y)."""

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        # e = exp(-|x|) never overflows, and y keeps its relative precision for very negative x.
        e = xp.exp(-xp.abs(x))
        return xp.maximum(e, x >= 0) / (1.0 + e)  # e <= 1, so this is 1 where x >= 0, else e

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (y * (1.0 - y))


sigmoid = _public(Sigmoid, "Return 1 / (1 + exp(-input)).")


class Erf(Op):
    """y = 2/sqrt(pi) integral of exp(-t^2) for t from 0 to x.   dx = dy 2/sqrt(pi) exp(-x^2)."""

    def forward(self, x: Any) -> Any:
        return special.erf(x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * (2.0 / math.sqrt(math.pi)) * exp(-x * x)


erf = _public(Erf, "Return the error function.")

absolute = abs
__all__ = [
    "abs", "absolute", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log",
    "log2", "log10", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf",
]  # fmt: skip
