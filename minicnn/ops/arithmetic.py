"""Arithmetic with broadcasting: sums, products, quotients, powers, comparisons.

*Conventions.* Shapes broadcast from the right, as in NumPy; the gradient of a broadcast input is summed over
the axes it was stretched along, which the engine does for every op. dtypes promote as in PyTorch, in
`minicnn.promotion`. A Python number stays a number, so it never changes a tensor's precision.

Tutorial: `tutorials/01_tensors_and_the_tape`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..promotion import get_default_dtype, result_type
from ..tensor import Tensor, check_tensor, method

Number = (int, float)  # bool is an int


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


class Where(Op):
    """y = a where condition, else b.   da = dy where condition else 0,  db = the other part."""

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        return array_module(condition).where(condition, a, b)

    def da(self, dy: Tensor, condition: Tensor) -> Tensor:
        return where(condition, dy, 0.0)

    def db(self, dy: Tensor, condition: Tensor) -> Tensor:
        return where(condition, 0.0, dy)


class Maximum(Op):
    """y = max(a, b).   da = dy where a > b, db = dy where b > a; where they are equal, each gets half."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(a).maximum(a, b)

    def da(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return dy * _share(a > b, a == b, dy)

    def db(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return dy * _share(b > a, a == b, dy)


class Minimum(Op):
    """y = min(a, b).   da = dy where a < b, db = dy where b < a; where they are equal, each gets half."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(a).minimum(a, b)

    def da(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return dy * _share(a < b, a == b, dy)

    def db(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return dy * _share(b < a, a == b, dy)


class Clamp(Op):
    """y = min(max(x, low), high).   dx = dy where low <= x <= high, dlow = dy where x < low < high,
    dhigh = dy where x > high or high < low."""

    def forward(self, x: Any, low: Any, high: Any) -> Any:
        xp = array_module(x)
        y = x if low is None else xp.maximum(x, low)
        return y if high is None else xp.minimum(y, high)

    def dx(self, dy: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
        inside = None if low is None else x >= low
        if high is not None:
            inside = x <= high if inside is None else inside & (x <= high)
        return where(inside, dy, 0.0)

    def dlow(self, dy: Tensor, x: Tensor, low: Tensor, high: Any) -> Tensor:
        below = x < low if high is None else (x < low) & (low < high)
        return where(below, dy, 0.0)

    def dhigh(self, dy: Tensor, x: Tensor, low: Any, high: Tensor) -> Tensor:
        above = x > high if low is None else (x > high) | (high < low)
        return where(above, dy, 0.0)


@dataclass(eq=False, repr=False)
class Untracked(Op):
    """y = ufunc(*inputs), for functions whose derivative is zero or does not exist."""

    ufunc: str

    def forward(self, *inputs: Any) -> Any:
        array = next(x for x in inputs if not isinstance(x, Number))
        return getattr(array_module(array), self.ufunc)(*inputs)


def _share(wins: Tensor, ties: Tensor, like: Tensor) -> Tensor:
    """Return 1 where an input wins, 1/2 where both do, 0 elsewhere, in `like`'s dtype."""
    return wins.to(like.dtype) + ties.to(like.dtype) * 0.5


def as_tensor_of(x: Any, like: Tensor) -> Tensor:
    """Return `x`, a tensor or a number, as a tensor with the dtype and device of `like`."""
    if isinstance(x, Tensor):
        return x
    return wrap(array_module(like.array).full((), x, dtype=like.dtype))


# ----------------------------------------------------------------------------------------------
# Operands: validated and promoted once, at the public function


def number(x: Any) -> Any:
    """Return a NumPy scalar as the Python number it is; anything else unchanged."""
    return x.item() if isinstance(x, np.generic) else x


def promote(name: str, *operands: Any) -> list[Any]:
    """Return the operands with tensors cast to PyTorch's result dtype, and plain Python numbers."""
    operands = tuple(number(x) for x in operands)
    for x in operands:
        if not isinstance(x, (Tensor, Number)):
            raise TypeError(f"{name}: expected Tensors or numbers, got {type(x).__name__}: {x!r}")
    dtype = result_type(*operands)
    return [_cast(x, dtype) for x in operands]


def _cast(x: Any, dtype: np.dtype) -> Any:
    if isinstance(x, Tensor):
        return x if x.array.dtype == dtype else x.to(dtype)
    if dtype.kind == "f":
        return float(x)
    # A Python integer wraps round in a narrow integer dtype, as it does in PyTorch.
    return np.asarray(x).astype(dtype).item()


def _binary(op: type[Op], name: str, a: Any, b: Any, floating: bool = False) -> Tensor:
    """Promote the two operands and apply `op`; `floating` turns integers into floats first."""
    quick = (
        isinstance(a, Tensor)
        and a.array.dtype.kind == "f"
        and (type(b) is float or (isinstance(b, Tensor) and a.array.dtype == b.array.dtype))
    )
    if not quick:
        a, b = promote(name, a, b)
        if floating and result_type(a, b).kind != "f":
            a, b = (_cast(x, get_default_dtype()) for x in (a, b))
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            raise TypeError(f"{name}: at least one operand must be a Tensor")
    return broadcasting(name, op(), a, b)


def broadcasting(name: str, op: Op, *operands: Any) -> Tensor:
    """Apply `op`; where the shapes do not broadcast, say so with the shapes."""
    try:
        return op(*operands)
    except ValueError as error:
        shapes = [x.shape for x in operands if isinstance(x, Tensor)]
        if isinstance(error, ShapeError) or broadcastable(*shapes):
            raise
        raise ShapeError(
            f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast; counted from the right, "
            "sizes must be equal or one of them 1"
        ) from None


def broadcastable(*shapes: tuple[int, ...]) -> bool:
    """Whether the shapes broadcast together."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _no_bools(name: str, instead: str, *operands: Any) -> None:
    if any(isinstance(x, Tensor) and x.dtype == bool for x in operands):
        raise DTypeError(f"{name}: not defined for bool tensors; use {instead}")


# ----------------------------------------------------------------------------------------------
# Public functions


@method("add", "__add__", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input + alpha * other."""
    return _binary(Add, "add", input, other if alpha == 1 else mul(other, alpha))


@method("sub", "subtract", "__sub__")
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return input - alpha * other."""
    _no_bools("sub", "logical_xor or ^", input, other)
    return _binary(Sub, "sub", input, other if alpha == 1 else mul(other, alpha))


@method("mul", "multiply", "__mul__", "__rmul__")
def mul(input: Any, other: Any) -> Tensor:
    """Return input * other, element by element."""
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        return input * other
    return _binary(Mul, "mul", input, other)


@method("div", "divide", "true_divide", "__truediv__")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return input / other; `rounding_mode` None, "floor" or "trunc" (towards zero)."""
    if rounding_mode is None:
        return _binary(Div, "div", input, other, floating=True)
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
    _no_bools("neg", "logical_not or ~", input)
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
    return _binary(Pow, "pow", base, exponent)


@method("floor_divide", "__floordiv__")
def floor_divide(input: Any, other: Any) -> Tensor:
    """Return input / other, rounded down to a whole number."""
    return broadcasting(
        "floor_divide", Untracked("floor_divide"), *promote("floor_divide", input, other)
    )


class Remainder(Op):
    """y = a - b floor(a / b), with the sign of b.   da = dy,  db = -dy floor(a / b)."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(b if isinstance(a, Number) else a).remainder(a, b)

    def da(self, dy: Tensor) -> Tensor:
        return dy

    def db(self, dy: Tensor, a: Any, b: Tensor) -> Tensor:
        return -dy * floor_divide(a, b)


@method("remainder", "__mod__")
def remainder(input: Any, other: Any) -> Tensor:
    """Return the remainder of input / other, with the sign of `other`."""
    return _binary(Remainder, "remainder", input, other)


@method()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of each pair of elements."""
    check_tensor(input, "maximum"), check_tensor(other, "maximum", "other")
    return _binary(Maximum, "maximum", input, other)


@method()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of each pair of elements."""
    check_tensor(input, "minimum"), check_tensor(other, "minimum", "other")
    return _binary(Minimum, "minimum", input, other)


@method("clamp", "clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit every element to [min, max]; either may be a number, a tensor or None (not both)."""
    check_tensor(input, "clamp")
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given")
    given = [x for x in (min, max) if x is not None]
    x, *bounds = promote("clamp", input, *given)
    low = bounds.pop(0) if min is not None else None
    high = bounds.pop(0) if max is not None else None
    return broadcasting("clamp", Clamp(), x, low, high)


@method("clamp_min")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Raise every element to at least `min`."""
    return clamp(input, min=min)


@method("clamp_max")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Lower every element to at most `max`."""
    return clamp(input, max=max)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return `input` where `condition` holds, else `other`. With the condition alone: its indices."""
    check_tensor(condition, "where", "condition")
    if input is None and other is None:
        return tuple(wrap(i) for i in array_module(condition.array).nonzero(condition.array))
    if condition.dtype not in (np.dtype(bool), np.dtype("uint8")):
        raise DTypeError(
            f"where: condition must be a bool tensor, not {condition.dtype}; compare first, e.g. x > 0"
        )
    a, b = promote("where", input, other)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = as_tensor_of(a, wrap(condition.array.astype(result_type(a, b))))
    return broadcasting("where", Where(), condition.to(bool), a, b)


@method("where")
def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    return where(condition, self, other)


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


# ----------------------------------------------------------------------------------------------
# Comparisons and logic: results without a derivative


def _untracked(name: str, ufunc: str, *operators: str, logical: bool = False) -> Callable:
    """Return the public function, and make it a method, for a ufunc of two operands."""

    def function(input: Any, other: Any) -> Tensor:
        if logical:
            operands = [check_tensor(x, name) for x in (input, other)]
        else:
            operands = promote(name, input, other)
        return broadcasting(name, Untracked(ufunc), *operands)

    def operator(input: Any, other: Any) -> Any:
        return function(input, other) if _is_operand(other) else NotImplemented

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return {ufunc.replace('_', ' ')} of each pair of elements."
    method(name)(function)
    if operators:
        method(*operators)(operator)
    return function


def _is_operand(x: Any) -> bool:
    return isinstance(x, (Tensor, Number, np.generic))


eq = _untracked("eq", "equal", "__eq__")
ne = _untracked("ne", "not_equal", "__ne__")
lt = _untracked("lt", "less", "__lt__")
le = _untracked("le", "less_equal", "__le__")
gt = _untracked("gt", "greater", "__gt__")
ge = _untracked("ge", "greater_equal", "__ge__")
logical_and = _untracked("logical_and", "logical_and", logical=True)
logical_or = _untracked("logical_or", "logical_or", logical=True)
logical_xor = _untracked("logical_xor", "logical_xor", logical=True)
bitwise_and = _untracked("bitwise_and", "bitwise_and", "__and__", "__rand__")
bitwise_or = _untracked("bitwise_or", "bitwise_or", "__or__", "__ror__")
bitwise_xor = _untracked("bitwise_xor", "bitwise_xor", "__xor__", "__rxor__")
less, less_equal, greater, greater_equal, not_equal = lt, le, gt, ge, ne


@method()
def logical_not(input: Tensor) -> Tensor:
    """Return whether each element is zero."""
    return Untracked("logical_not")(check_tensor(input, "logical_not"))


@method("bitwise_not", "__invert__")
def bitwise_not(input: Tensor) -> Tensor:
    """Return every bit flipped; for bool tensors, the negation."""
    check_tensor(input, "bitwise_not")
    if input.dtype.kind == "f":
        raise DTypeError(f"bitwise_not: expected an integer or bool tensor, got {input.dtype}")
    return Untracked("invert")(input)


subtract, multiply, divide, true_divide, negative, clip = sub, mul, div, div, neg, clamp
__all__ = [
    "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative",
    "positive", "pow", "floor_divide", "remainder", "maximum", "minimum", "clamp", "clip", "clamp_min",
    "clamp_max", "where", "eq", "ne", "lt", "le", "gt", "ge", "less", "less_equal", "greater",
    "greater_equal", "not_equal", "logical_and", "logical_or", "logical_xor", "logical_not",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
]  # fmt: skip
