"""Arithmetic with broadcasting: sums, products, quotients, powers.

*Conventions.* Shapes broadcast from the right, as in NumPy; the gradient of a broadcast input is
summed over the axes it was stretched along, which the engine does for every op. dtypes promote as
in PyTorch, in `minicnn.promotion`. A Python number stays a number, so it never changes a tensor's
precision.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Op, runs_in
from ..errors import DTypeError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .division import rounded_div
from .operands import as_tensor_of, binary, no_bools, promote, promote_to_float


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

    Where b = 0 the result is 1 for every a, so da is 0 (not 0 * inf at a = 0). Where a = 0 and b >=
    0 the result does not depend on b, so db is 0 there.
    """

    def forward(self, a: Any, b: Any) -> Any:
        return a**b

    def da(self, dy: Tensor, a: Any, b: Any) -> Tensor | None:
        if isinstance(b, Tensor):
            return dy * where(b == 0, 0.0, b * a ** (b - 1))
        return None if b == 0 else dy * (b * a ** (b - 1))

    def db(self, dy: Tensor, a: Any, b: Tensor, y: Tensor) -> Tensor:
        flat = (b >= 0) & (a == 0)  # b is a tensor here, so this is one too
        return dy * where(flat, 0.0, y * as_tensor_of(a, b).log())


# ----------------------------------------------------------------------------------------------
# Public functions


@method("add", "__add__", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input + alpha * other."""
    return binary(Add, "add", input, other if alpha == 1 else _scaled("add", input, other, alpha))


@method("sub", "subtract", "__sub__")
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input - alpha * other."""
    other = other if alpha == 1 else _scaled("sub", input, other, alpha)
    return binary(Sub, "sub", input, other, _without_bools)


def _without_bools(name: str, a: Any, b: Any) -> list[Any]:
    no_bools(name, "logical_xor or ^", a, b)
    return promote(name, a, b)


def _scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """Return alpha * other in the dtype of the whole operation."""
    a, b = promote(name, input, other)
    dtype = result_type(a, b)
    if isinstance(alpha, float) and dtype.kind != "f":
        raise DTypeError(f"{name}: alpha={alpha} must be an integer for {dtype} tensors")
    if isinstance(alpha, bool) and dtype.kind != "b":
        raise DTypeError(f"{name}: alpha={alpha} must be a number for {dtype} tensors")
    return b * (bool(alpha) if dtype.kind == "b" else alpha)


@method("mul", "multiply", "__mul__", "__rmul__")
def mul(input: Any, other: Any) -> Tensor:
    """Return input * other, element by element."""
    return binary(Mul, "mul", input, other)


@method("div", "divide", "true_divide", "__truediv__")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return input / other; `rounding_mode` None, "floor" or "trunc" (towards zero)."""
    if rounding_mode is not None:
        return rounded_div(input, other, rounding_mode)
    return binary(Div, "div", input, other, promote_to_float)


@method("neg", "negative", "__neg__")
def neg(input: Tensor) -> Tensor:
    """Return -input."""
    no_bools("neg", "logical_not or ~", check_tensor(input, "neg"))
    return Neg()(input)


@method("__pos__", "positive")
def positive(input: Tensor) -> Tensor:
    """Return input itself."""
    no_bools("positive", "the tensor itself", check_tensor(input, "positive"))
    return input


@method("pow", "__pow__")
@runs_in("float32")
def pow(input: Any, exponent: Any) -> Tensor:
    """Return input raised to `exponent`, element by element."""
    return binary(Pow, "pow", input, exponent, _powers)


def _powers(name: str, a: Any, b: Any) -> list[Any]:
    a, b = promote(name, a, b)
    dtype = result_type(a, b)
    if dtype.kind == "b":
        raise DTypeError("pow: not defined for bool tensors; convert one with .int()")
    if dtype.kind != "f" and isinstance(b, int) and b < 0:
        raise DTypeError(
            "pow: an integer tensor to a negative power; convert it with .float() first"
        )
    if dtype.kind == "i" and isinstance(b, Tensor) and bool((b.array < 0).any()):
        # 1 / a^|b|, rounded to an integer, is 0 unless a is 1 or -1.
        a = (
            where(b < 0, where((a == 1) | (a == -1), a, 0), a)
            if isinstance(a, Tensor)
            else _unit(a, b)
        )
        b = b.abs()
    return [a, b]


def _unit(a: int, b: Tensor) -> Tensor:
    return where(b < 0, a if a in (1, -1) else 0, a).to(b.dtype)


# ----------------------------------------------------------------------------------------------
# Reflected operators: number - tensor and the like


@method("rsub")
def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Return other - alpha * input."""
    return sub(other, check_tensor(input, "rsub"), alpha=alpha)


@method("__rsub__")
def _rsub(self: Tensor, other: Any) -> Tensor:
    return sub(other, self)


@method("__rtruediv__", "__rdiv__")
@runs_in("float32")
def _rdiv(self: Tensor, other: Any) -> Tensor:
    return div(other, self)


@method("__rpow__")
def _rpow(self: Tensor, other: Any) -> Tensor:
    return pow(other, self)


# ----------------------------------------------------------------------------------------------
# Combinations with names of their own


@method()
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return input + value * tensor1 * tensor2."""
    no_bools("addcmul", "&", check_tensor(input, "addcmul"), tensor1, tensor2)
    return add(input, mul(tensor1, tensor2), alpha=value)


@method()
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return input + value * tensor1 / tensor2."""
    if result_type(tensor1, tensor2).kind != "f":
        raise DTypeError("addcdiv: not defined for two integer tensors; convert one with .float()")
    return add(check_tensor(input, "addcdiv"), div(tensor1, tensor2), alpha=value)


@method()
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Return input + weight * (end - input), the point between the two."""
    operands = [check_tensor(input, "lerp"), check_tensor(end, "lerp", "end")]
    operands += [weight] if isinstance(weight, Tensor) else []
    if any(x.dtype != input.dtype or x.dtype.kind != "f" for x in operands):
        raise DTypeError(
            f"lerp: expected one floating dtype, got {[str(x.dtype) for x in operands]}"
        )
    return input + weight * (end - input)


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg
__all__ = [
    "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative",
    "positive", "pow", "rsub", "addcmul", "addcdiv", "lerp",
]  # fmt: skip
