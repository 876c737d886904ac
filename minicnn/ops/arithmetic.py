"""Arithmetic with broadcasting: sums, products, quotients, powers.

*Conventions.* Shapes broadcast from the right, as in NumPy; the gradient of a broadcast input is summed over
the axes it was stretched along, which the engine does for every op. dtypes promote as in PyTorch, in
`minicnn.promotion`. A Python number stays a number, so it never changes a tensor's precision.

Tutorial: `tutorials/01_tensors_and_the_tape`.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..backend import array_module
from ..errors import ArgumentError, DTypeError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .compare import Untracked, where
from .operands import Number, as_tensor_of, binary, broadcasting, no_bools, number, promote


class Add(Op):
    """y = a + b.   da = dy,  db = dy."""

    def forward(self, a: Any, b: Any) -> Any:
        return a + b

    def da(self, dy: Tensor) -> Tensor:
        return dy

    def db(self, dy: Tensor) -> Tensor:
        return dy


class Sub(Op):
    """y = a - b.   da = dy,  db = -dy."""

    def forward(self, a: Any, b: Any) -> Any:
        return a - b

    def da(self, dy: Tensor) -> Tensor:
        return dy

    def db(self, dy: Tensor) -> Tensor:
        return -dy


class Mul(Op):
    """y = a b.   da = dy b,  db = dy a."""

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def da(self, dy: Tensor, b: Any) -> Tensor:
        return dy * b

    def db(self, dy: Tensor, a: Any) -> Tensor:
        return dy * a


class Div(Op):
    """y = a / b.   da = dy / b,  db = -dy a / b^2 = -dy (a / b) / b."""

    def forward(self, a: Any, b: Any) -> Any:
        return a / b

    def da(self, dy: Tensor, b: Any) -> Tensor:
        return dy / b

    def db(self, dy: Tensor, a: Any, b: Any) -> Tensor:
        return -dy * ((a / b) / b)


class Neg(Op):
    """y = -x.   dx = -dy."""

    def forward(self, x: Any) -> Any:
        return -x

    def dx(self, dy: Tensor) -> Tensor:
        return -dy


class Pow(Op):
    """y = a^b.   da = dy b a^(b-1),  db = dy a^b log(a).

    Where b = 0 the result is 1 for every a, so da is 0 (not 0 * inf at a = 0). Where a = 0 and b >= 0 the
    result does not depend on b, so db is 0 there.
    """

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(b if isinstance(a, Number) else a).power(a, b)

    def da(self, dy: Tensor, a: Any, b: Any) -> Tensor | None:
        if isinstance(b, Tensor):
            return dy * where(b == 0, 0.0, b * a ** (b - 1))
        return None if b == 0 else dy * (b * a ** (b - 1))

    def db(self, dy: Tensor, a: Any, b: Tensor, y: Tensor) -> Tensor:
        flat = (a == 0) & (b >= 0)  # b is a tensor here, so this is one too
        return dy * where(flat, 0.0, y * as_tensor_of(a, b).log())


class Remainder(Op):
    """y = a - b floor(a / b), with the sign of b.   da = dy,  db = -dy floor(a / b)."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(b if isinstance(a, Number) else a).remainder(a, b)

    def da(self, dy: Tensor) -> Tensor:
        return dy

    def db(self, dy: Tensor, a: Any, b: Tensor) -> Tensor:
        return -dy * floor_divide(a, b)


# ----------------------------------------------------------------------------------------------
# Public functions


@method("add", "__add__", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input + alpha * other."""
    return binary(Add, "add", input, other if alpha == 1 else mul(other, alpha))


@method("sub", "subtract", "__sub__")
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input - alpha * other."""
    no_bools("sub", "logical_xor or ^", input, other)
    return binary(Sub, "sub", input, other if alpha == 1 else mul(other, alpha))


@method("mul", "multiply", "__mul__", "__rmul__")
def mul(input: Any, other: Any) -> Tensor:
    """Return input * other, element by element."""
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        return input * other
    return binary(Mul, "mul", input, other)


@method("div", "divide", "true_divide", "__truediv__")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return input / other; `rounding_mode` None, "floor" or "trunc" (towards zero)."""
    if rounding_mode is None:
        return binary(Div, "div", input, other, floating=True)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ArgumentError(
            f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}"
        )
    a, b = promote("div", input, other)
    if result_type(a, b).kind == "f":
        return broadcasting("div", Untracked("trunc"), broadcasting("div", Div(), a, b))
    # Exact for integers of any size: floor, plus one where floor went below a negative quotient.
    down, rest = floor_divide(a, b), remainder(a, b)
    return down + ((rest != 0) & (down < 0)).to(down.dtype)


@method("neg", "negative", "__neg__")
def neg(input: Tensor) -> Tensor:
    """Return -input."""
    check_tensor(input, "neg")
    no_bools("neg", "logical_not or ~", input)
    return Neg()(input)


@method("__pos__", "positive")
def positive(input: Tensor) -> Tensor:
    """Return input itself."""
    return input


@method("pow", "__pow__")
def pow(input: Any, exponent: Any) -> Tensor:
    """Return input raised to `exponent`, element by element."""
    base, exponent = number(input), number(exponent)
    negative = isinstance(exponent, int) and exponent < 0
    if negative and isinstance(base, Tensor) and base.dtype.kind in "iub":
        raise DTypeError("pow: an integer tensor to a negative power; convert it with .float() first")
    return binary(Pow, "pow", base, exponent)


@method("floor_divide", "__floordiv__")
def floor_divide(input: Any, other: Any) -> Tensor:
    """Return input / other, rounded down to a whole number."""
    return broadcasting(
        "floor_divide", Untracked("floor_divide"), *promote("floor_divide", input, other)
    )


@method("remainder", "__mod__")
def remainder(input: Any, other: Any) -> Tensor:
    """Return the remainder of input / other, with the sign of `other`."""
    return binary(Remainder, "remainder", input, other)


# ----------------------------------------------------------------------------------------------
# Reflected operators: number - tensor and the like


@method("__rsub__", "rsub")
def _rsub(self: Tensor, other: Any) -> Tensor:
    return sub(other, self)


@method("__rtruediv__")
def _rdiv(self: Tensor, other: Any) -> Tensor:
    return div(other, self)


@method("__rpow__")
def _rpow(self: Tensor, other: Any) -> Tensor:
    return pow(other, self)


@method("__rfloordiv__")
def _rfloordiv(self: Tensor, other: Any) -> Tensor:
    return floor_divide(other, self)


@method("__rmod__")
def _rmod(self: Tensor, other: Any) -> Tensor:
    return remainder(other, self)


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg
__all__ = [
    "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative",
    "positive", "pow", "floor_divide", "remainder",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # TEMPORARY: names that moved to compare,operands
    from importlib import import_module

    if name.startswith("_"):
        raise AttributeError(name)

    for module in "compare,operands".split(","):
        found = import_module("minicnn.ops." + module).__dict__.get(name)
        if found is not None:
            return found
    raise AttributeError(name)
