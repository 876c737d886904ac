"""Activations made of straight lines: relu and its relatives.

*Why there are activations.* Linear layers one after another are one linear layer. A bend between
them is enough to change that, and the plainest bend, `relu`, trained deep networks where `sigmoid`
and `tanh` (in `elementwise`) had not: its derivative is 1 over half of the line, so gradients pass
through many layers without shrinking, while those two flatten on both sides.

*At a kink* there is no derivative. Each op states which value it takes there: PyTorch's.

*In place.* With `inplace=True` the result is written over the input, and the graph knows of it; see
`minicnn.ops.inplace`. The smooth activations are in `smooth`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..kernels.reference import gate
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .inplace import assign

__all__ = [
    "relu", "relu_", "relu6", "leaky_relu", "prelu", "hardtanh", "hardsigmoid", "hardswish",
    "threshold",
]  # fmt: skip

# ----------------------------------------------------------------------------------------------
# Straight lines with kinks


class ReLU(Op):
    """y = max(x, 0).   dx = dy where x > 0, else 0.

    Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    The mask is y != 0, which x > 0 means; so x need not be kept, and NaN stays NaN.
    """

    def forward(self, x: Any) -> Any:
        return kernels.get("relu", x)(x)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return where(y != 0, dy, 0.0)

    def fast_backward(self, needs: Any, dy: Any, y: Any) -> tuple:
        return (kernels.get("relu_grad", dy, y)(dy, y),)


@dataclass(eq=False, repr=False)
class Hardtanh(Op):
    """y = min(max(x, low), high).   dx = dy where low < x < high, else 0 (at the borders too)."""

    low: float
    high: float

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        return xp.minimum(xp.maximum(x, self.low), self.high)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return where((x <= self.low) | (x >= self.high), 0.0, dy)

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        return (gate(dy, ~((x <= self.low) | (x >= self.high))),)


@dataclass(eq=False, repr=False)
class Threshold(Op):
    """y = x where x > threshold, else value.   dx = dy where x > threshold, else 0."""

    threshold: float
    value: float

    def forward(self, x: Any) -> Any:
        return array_module(x).where(x <= self.threshold, self.value, x)

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return where(x <= self.threshold, 0.0, dy)


@dataclass(eq=False, repr=False)
class LeakyReLU(Op):
    """y = max(x, 0) + slope min(x, 0).   dx = dy where x > 0, else slope dy.

    Source: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic
    models".
    """

    slope: float

    def forward(self, x: Any) -> Any:
        xp = array_module(x)
        y = xp.minimum(x, 0)
        y *= self.slope
        y += xp.maximum(x, 0)
        return y

    def dx(self, dy: Tensor, x: Tensor) -> Tensor:
        return where(x > 0, dy, dy * self.slope)

    def fast_backward(self, needs: Any, dy: Any, x: Any) -> tuple:
        up = (x > 0).astype(dy.dtype)
        slope = 1.0 - up
        slope *= self.slope
        slope += up  # exactly 1 or self.slope
        return (dy * slope,)


class PReLU(Op):
    """y = max(x, 0) + w min(x, 0).   dx = dy where x > 0, else w dy,  dw = dy min(x, 0), summed.

    Shapes: x (N, C, ...), w (C, 1, ...) or (), so that it broadcasts over all but the channels.
    Source: He et al. 2015, "Delving deep into rectifiers", equations 1 and 3.
    """

    def forward(self, x: Any, w: Any) -> Any:
        xp = array_module(x)
        return xp.maximum(x, 0) + w * xp.minimum(x, 0)

    def dx(self, dy: Tensor, x: Tensor, w: Tensor) -> Tensor:
        return where(x > 0, dy, w * dy)

    def dw(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * where(x > 0, 0.0, x)


# ----------------------------------------------------------------------------------------------
# Public functions


def only_floating(input: Any, name: str) -> Tensor:
    """Return `input` if it is a floating tensor; PyTorch converts no integers here."""
    if check_tensor(input, name).dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating tensor, got {input.dtype}; use .float()")
    return input


def no_bools(input: Any, name: str) -> Tensor:
    """Return `input` if it is a tensor of numbers."""
    if check_tensor(input, name).dtype == bool:
        raise DTypeError(f"{name}: not defined for bool tensors; use .float()")
    return input


def apply(function: Callable, input: Tensor, inplace: bool, name: str) -> Tensor:
    """Return function(input), written into the input if `inplace`.

    The function then works on a copy, because it may keep its input for the backward pass, and
    what is overwritten cannot be kept.
    """
    return assign(input, function(input * 1), name + "_") if inplace else function(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return max(input, 0)."""
    y = ReLU()(no_bools(input, "relu"))  # keeps y only, so it needs no copy to be in place
    return assign(input, y, "relu_") if inplace else y


@method("relu")
def _relu_method(self: Tensor) -> Tensor:
    return relu(self)


@method("relu_")
def relu_(input: Tensor) -> Tensor:
    """Write max(input, 0) into `input`, and return it."""
    return relu(input, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input limited to [0, 6]."""
    return _clipped("relu6", input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return input limited to [min_val, max_val]; unlike `clamp`, with derivative 0 at both
    ends."""
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val {min_val} is greater than max_val {max_val}")
    return _clipped("hardtanh", input, min_val, max_val, inplace)


def _clipped(name: str, input: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    kind: Any = float if no_bools(input, name).dtype.kind == "f" else int
    return apply(Hardtanh(kind(low), kind(high)), input, inplace, name)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return input where it is above `threshold`, else `value`."""
    kind: Any = float if no_bools(input, "threshold").dtype.kind == "f" else int
    return apply(Threshold(kind(threshold), kind(value)), input, inplace, "threshold")


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return input where it is positive, else negative_slope * input."""
    op = LeakyReLU(float(negative_slope))
    return apply(op, only_floating(input, "leaky_relu"), inplace, "leaky_relu")


@method()
@runs_in("lower")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return input where it is positive, else weight * input: one weight, or one per channel.

    Shapes: input (N, C, ...), weight (C,), (1,) or ().
    """
    only_floating(input, "prelu"), check_tensor(weight, "prelu", "weight")
    if weight.dtype != input.dtype:
        raise DTypeError(
            f"prelu: input is {input.dtype} but weight {weight.dtype}; convert one of them"
        )
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: weight must have one element, or one for each of the {channels} channels; got "
            f"weight {weight.shape}, input {input.shape}"
        )
    if weight.numel() == 1:
        return PReLU()(input, weight.reshape(()))
    return PReLU()(input, weight.reshape(channels, *(1,) * (input.ndim - 2)))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return relu6(input + 3) / 6: a sigmoid of three straight lines."""
    only_floating(input, "hardsigmoid")
    return apply(lambda x: relu6(x + 3.0) / 6.0, input, inplace, "hardsigmoid")


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * relu6(input + 3) / 6 (Howard et al. 2019, "Searching for MobileNetV3")."""
    only_floating(input, "hardswish")
    return apply(lambda x: x * relu6(x + 3.0) / 6.0, input, inplace, "hardswish")
