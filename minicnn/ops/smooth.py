"""Smooth activations: bends without a corner.

They are close to `relu` on both sides and rounded between, so that their derivative changes
gradually. Those that multiply x by a smooth step (GELU, SiLU, Mish) dip below 0 before they
flatten out. `sigmoid` and `tanh` are in `elementwise`.

Where the derivative needs something costly that forward has already computed, the op is fused:
forward keeps it for `fast_backward`, and `reference` states the function for second derivatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..autograd import FusedOp, Op, runs_in
from ..backend import array_module
from ..errors import ArgumentError
from ..kernels import special
from ..tensor import Tensor, check_tensor
from .activation import apply, only_floating
from .choose import clamp, where
from .elementwise import Sigmoid, erf, exp, sigmoid, tanh
from .elementwise import abs as abs_

__all__ = ["elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid"]

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al. 2017, equation 14
SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(eq=False, repr=False)
class ELU(Op):
    """y = s x where x > 0, else s alpha (exp(r x) - 1).

    dx = dy s where x > 0, else dy s alpha r exp(r x).

    ELU has s = r = 1 (Clevert, Unterthiner, Hochreiter 2016, "Fast and accurate deep network
    learning by exponential linear units"); CELU has r = 1 / alpha, which makes the slope at 0
    continuous (Barron 2017); SELU has the s and alpha that keep mean 0 and variance 1 (Klambauer
    et al. 2017).
    """

    alpha: float
    scale: float = 1.0
    rate: float = 1.0

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        y = xp.expm1(xp.minimum(x, 0) * self.rate)  # min first: exp of a large x would overflow
        y *= self.alpha
        y += xp.maximum(x, 0)
        return y * self.scale if self.scale != 1.0 else y

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        slope = self.alpha * self.rate * exp(clamp(x, max=0.0) * self.rate)
        return self.scale * dy * where(x > 0, 1.0, slope)

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        xp = array_module(x)
        slope = xp.exp(xp.minimum(x, 0) * self.rate)
        slope *= self.scale * self.alpha * self.rate
        slope *= x <= 0
        slope += self.scale * (x > 0).astype(x.dtype)
        return (dy * slope,)


class GELU(FusedOp):
    """y = x P(x), P the normal distribution function.   dx = dy (P(x) + x p(x)), p its density.

    P(x) = (1 + erf(x / sqrt(2))) / 2,  p(x) = exp(-x^2 / 2) / sqrt(2 pi).
    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units", section 2.
    """

    def forward(self, x: Any) -> Any:
        self.p = (special.erf(x * math.sqrt(0.5)) + 1.0) * 0.5
        return x * self.p

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        density = array_module(x).exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
        return (dy * (self.p + x * density),)

    def reference(self, x: Tensor) -> Tensor:
        return x * ((erf(x * math.sqrt(0.5)) + 1.0) * 0.5)


class GELUTanh(FusedOp):
    """y = x (1 + t) / 2,  t = tanh(u),  u = sqrt(2 / pi) (x + 0.044715 x^3).

    dx = dy ((1 + t) / 2 + x (1 - t^2) / 2 du),  du = sqrt(2 / pi) (1 + 3 * 0.044715 x^2).
    Source: Hendrycks and Gimpel 2016, section 2: an approximation that needs no error function.
    """

    def forward(self, x: Any) -> Any:
        self.t = array_module(x).tanh(math.sqrt(2.0 / math.pi) * x * (1.0 + 0.044715 * x * x))
        return x * (0.5 * (1.0 + self.t))

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        du = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * x * x)
        return (dy * (0.5 * (1.0 + self.t) + x * (0.5 * (1.0 - self.t * self.t)) * du),)

    def reference(self, x: Tensor) -> Tensor:
        u = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + tanh(u))


class SiLU(FusedOp):
    """y = x s,  s = sigmoid(x).   dx = dy s (1 + x (1 - s)).

    Source: Elfwing, Uchibe, Doya 2018, "Sigmoid-weighted linear units", equations 1 and 5; also
    known as swish.
    """

    def forward(self, x: Any) -> Any:
        self.s = Sigmoid().forward(x)
        return x * self.s

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        return (dy * self.s * (1.0 + x * (1.0 - self.s)),)

    def reference(self, x: Tensor) -> Tensor:
        return x * sigmoid(x)


@dataclass(eq=False, repr=False)
class Softplus(Op):
    """y = log(1 + exp(beta x)) / beta.   dx = dy sigmoid(beta x).

    Where beta x > threshold both are what they are to within rounding: y = x, dx = dy.
    Source: Dugas et al. 2001, "Incorporating second-order functional knowledge".
    """

    beta: float
    threshold: float

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        scaled = x * self.beta
        return xp.where(scaled > self.threshold, x, xp.log1p(xp.exp(scaled)) / self.beta)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        scaled = x * self.beta
        return dy * where(scaled > self.threshold, 1.0, sigmoid(scaled))

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        scaled = x * self.beta
        slope = Sigmoid().forward(scaled)  # <= 1, so the maximum is 1 above the threshold
        return (dy * array_module(x).maximum(slope, scaled > self.threshold),)


class LogSigmoid(Op):
    """y = log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)).   dx = dy sigmoid(-x).

    In this form exp never overflows, and y is exact for very negative x, where sigmoid(x) is 0.
    """

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * sigmoid(-x)


# ----------------------------------------------------------------------------------------------
# Public functions


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return input where it is positive, else alpha * (exp(input) - 1)."""
    return apply(ELU(float(alpha)), only_floating(input, "elu"), inplace, "elu")


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return input where it is positive, else alpha * (exp(input / alpha) - 1)."""
    if alpha == 0:
        raise ArgumentError("celu: alpha cannot be 0; it divides the input")
    op = ELU(float(alpha), rate=1.0 / alpha)
    return apply(op, only_floating(input, "celu"), inplace, "celu")


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return scale * elu(input, alpha), with the alpha and scale of the paper (see `ELU`)."""
    return apply(ELU(SELU_ALPHA, SELU_SCALE), only_floating(input, "selu"), inplace, "selu")


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return input times the normal distribution function; approximate="tanh" avoids erf."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return (GELU if approximate == "none" else GELUTanh)()(only_floating(input, "gelu"))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * sigmoid(input)."""
    return apply(SiLU(), only_floating(input, "silu"), inplace, "silu")


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * tanh(softplus(input)) (Misra 2019)."""
    return apply(lambda x: x * tanh(softplus(x)), only_floating(input, "mish"), inplace, "mish")


@runs_in("float32")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta * input)) / beta, a smooth relu.

    Where beta * input > threshold, the two differ by less than rounding, and input is returned.
    """
    return Softplus(float(beta), float(threshold))(only_floating(input, "softplus"))


def softsign(input: Tensor) -> Tensor:
    """Return input / (1 + |input|)."""
    return check_tensor(input, "softsign") / (abs_(input) + 1)


def logsigmoid(input: Tensor) -> Tensor:
    """Return log(sigmoid(input)), finite for every finite input."""
    return LogSigmoid()(only_floating(input, "logsigmoid"))
