"""Division with a whole quotient: //, %, and div with a rounding mode.

Rounded down, the remainder has the sign of the divisor, as in Python: -7 // 2 = -4 and -7 % 2 = 1.
Rounded towards zero ("trunc"), as in C, -7 / 2 gives -3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from ..autograd import Op
from ..backend import array_module
from ..errors import ArgumentError, DTypeError
from ..promotion import result_type
from ..tensor import Tensor, method
from .operands import Number, binary, promote, zeros_of


class Remainder(Op):
    """y = a - b floor(a / b), with the sign of b.   da = dy,  db = -dy floor(a / b)."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(b if isinstance(a, Number) else a).remainder(a, b)

    def da(self, dy: Tensor) -> Tensor:
        return dy

    def db(self, dy: Tensor, a: Any, b: Tensor) -> Tensor:
        return -dy * floor_divide(a, b)


class Floor(Op):
    """y = a / b, rounded down; without a derivative."""

    def forward(self, a: Any, b: Any) -> Any:
        return a // b


@dataclass(eq=False, repr=False)
class RoundedDiv(Op):
    """y = a / b, rounded down ("floor") or towards zero ("trunc").   da = db = 0."""

    rounding: str

    def forward(self, a: Any, b: Any) -> Any:
        if self.rounding == "floor":
            return a // b
        array = b if isinstance(a, Number) else a
        if array.dtype.kind == "f":
            return array_module(array).trunc(a / b)
        # fmod has the sign of a, so what is left is a multiple of b: exact for integers of any
        # size.
        return (a - array_module(array).fmod(a, b)) // b

    def da(self, dy: Tensor) -> Tensor:
        return zeros_of(dy)

    def db(self, dy: Tensor) -> Tensor:
        return zeros_of(dy)


# ----------------------------------------------------------------------------------------------
# Public functions


@method("floor_divide", "__floordiv__")
def floor_divide(input: Any, other: Any) -> Tensor:
    """Return input / other, rounded down to a whole number; it has no derivative."""
    return binary(Floor, "floor_divide", input, other, _divisible)


@method("remainder", "__mod__")
def remainder(input: Any, other: Any) -> Tensor:
    """Return the remainder of input / other, with the sign of `other`."""
    return binary(Remainder, "remainder", input, other, _divisible)


def rounded_div(input: Any, other: Any, rounding_mode: str) -> Tensor:
    """Return input / other rounded "floor" or "trunc"; unlike //, with a derivative, which is 0."""
    if rounding_mode not in ("floor", "trunc"):
        raise ArgumentError(
            f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}"
        )
    return binary(partial(RoundedDiv, rounding_mode), "div", input, other, _divisible)


def _divisible(name: str, a: Any, b: Any) -> list[Any]:
    """Promote, and refuse what has no whole quotient: bools, and an integer divided by 0."""
    a, b = promote(name, a, b)
    kind = result_type(a, b).kind
    if kind == "b":
        raise DTypeError(f"{name}: not defined for bool tensors; convert one with .int()")
    if kind != "f" and (bool((b.array == 0).any()) if isinstance(b, Tensor) else b == 0):
        raise ArgumentError(f"{name}: an integer cannot be divided by zero; convert with .float()")
    return [a, b]


@method("__rfloordiv__")
def _rfloordiv(self: Tensor, other: Any) -> Tensor:
    return floor_divide(other, self)


@method("__rmod__")
def _rmod(self: Tensor, other: Any) -> Tensor:
    return remainder(other, self)


__all__ = ["floor_divide", "remainder"]
