"""Comparing and choosing: ==, <, where, maximum, clamp, and logic on the outcome.

A comparison is constant between its jumps, so it has no derivative. Choosing one of two values has:
the gradient goes to the value that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .operands import Number, as_tensor_of, binary, broadcasting, fitting, number, promote


class Where(Op):
    """y = a where condition, else b.   da = dy where condition else 0,  db = the other part."""

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        return array_module(condition).where(condition, a, b)

    def da(self, dy: Tensor, condition: Tensor) -> Tensor:
        return where(condition, dy, 0.0)

    def db(self, dy: Tensor, condition: Tensor) -> Tensor:
        return where(condition, 0.0, dy)


class Maximum(Op):
    """y = max(a, b).   da = 0 where a < b, dy / 2 where a = b, else dy;  db likewise.

    NaN is not less than anything, so it takes the whole gradient.
    """

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(a).maximum(a, b)

    def da(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a < b, 0.0, where(a == b, dy * 0.5, dy))

    def db(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(b < a, 0.0, where(a == b, dy * 0.5, dy))


class Minimum(Op):
    """y = min(a, b).   da = 0 where a > b, dy / 2 where a = b, else dy;  db likewise."""

    def forward(self, a: Any, b: Any) -> Any:
        return array_module(a).minimum(a, b)

    def da(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(a > b, 0.0, where(a == b, dy * 0.5, dy))

    def db(self, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return where(b > a, 0.0, where(a == b, dy * 0.5, dy))


class Clamp(Op):
    """y = min(max(x, low), high).   dx = dy where low <= x <= high, dlow = dy where x < low < high,
    dhigh = dy where x > high or high < low."""

    def forward(self, x: Any, low: Any, high: Any) -> Any:
        xp = array_module(x)
        y = x if low is None else xp.maximum(x, low)
        return y if high is None else xp.minimum(y, high)

    def dx(self, dy: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
        inside: Any = None if low is None else x >= low
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


# ----------------------------------------------------------------------------------------------
# Choosing


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return `input` where `condition` holds, else `other`. Alone: its indices."""
    check_tensor(condition, "where", "condition")
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype not in (np.dtype(bool), np.dtype("uint8")):
        raise DTypeError(
            f"where: condition must be a bool tensor, not {condition.dtype}; compare first, e.g."
            " x > 0"
        )
    a, b = _in_range("where", input, other)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = as_tensor_of(a, wrap(condition.array.astype(result_type(a, b))))
    return broadcasting("where", Where(), condition.to(bool), a, b)


@method("where")
def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    return where(condition, self, other)


@method()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of each pair of elements; equal ones share the gradient."""
    check_tensor(input, "maximum"), check_tensor(other, "maximum", "other")
    return binary(Maximum, "maximum", input, other)


@method()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of each pair of elements; equal ones share the gradient."""
    check_tensor(input, "minimum"), check_tensor(other, "minimum", "other")
    return binary(Minimum, "minimum", input, other)


@method("clamp", "clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit every element to [min, max]; either may be a number, a tensor or None (not both)."""
    check_tensor(input, "clamp")
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given")
    x, *bounds = _in_range("clamp", input, *(x for x in (min, max) if x is not None))
    if x.dtype.kind == "b" and len(bounds) == 2:
        raise DTypeError("clamp: not defined for bool tensors; convert with .int()")
    low = bounds.pop(0) if min is not None else None
    high = bounds.pop(0) if max is not None else None
    return broadcasting("clamp", Clamp(), x, low, high)


def _in_range(name: str, *operands: Any) -> list[Any]:
    """Promote the operands; a number that the result's dtype cannot hold raises."""
    promoted = promote(name, *operands)
    dtype = result_type(*promoted)
    return [
        p if isinstance(p, Tensor) else fitting(name, number(x), dtype)
        for x, p in zip(operands, promoted, strict=True)
    ]


@method("clamp_min")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Raise every element to at least `min`."""
    return clamp(input, min=min)


@method("clamp_max")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Lower every element to at most `max`."""
    return clamp(input, max=max)


# ----------------------------------------------------------------------------------------------
# Comparisons and logic: results without a derivative


def _comparison(name: str, ufunc: str, operator: str) -> Callable:
    """Return the public function for a comparison, which also becomes a method and an operator."""

    def function(input: Tensor, other: Any) -> Tensor:
        return broadcasting(
            name, Untracked(ufunc), *promote(name, check_tensor(input, name), other)
        )

    return _publish(
        function, name, f"Return where input is {ufunc.replace('_', ' ')} to other.", operator
    )


def _logical(name: str) -> Callable:
    def function(input: Tensor, other: Tensor) -> Tensor:
        a, b = check_tensor(input, name), check_tensor(other, name, "other")
        return broadcasting(name, Untracked(name), a, b)

    return _publish(
        function, name, f"Return {name.replace('_', ' ')} of each pair; nonzero is true."
    )


def _bitwise(name: str, *operators: str) -> Callable:
    def function(input: Any, other: Any) -> Tensor:
        a, b = promote(name, input, other)
        if result_type(a, b).kind == "f":
            raise DTypeError(f"{name}: expected integer or bool tensors, got {result_type(a, b)}")
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            raise TypeError(f"{name}: at least one operand must be a Tensor")
        return broadcasting(name, Untracked(name), a, b)

    return _publish(function, name, f"Return {name.replace('_', ' ')} of each pair.", *operators)


def _publish(function: Callable, name: str, doc: str, *operators: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    method(name)(function)
    if operators:
        method(*operators)(operator_of(function))
    return function


def operator_of(function: Callable) -> Callable:
    """Return `function` as an operator, which leaves what it does not know to the other operand."""

    def operate(self: Tensor, other: Any) -> Any:
        known = isinstance(other, (Tensor, int, float, np.generic, np.ndarray))
        return function(self, other) if known else NotImplemented

    operate.__doc__ = function.__doc__
    return operate


eq = _comparison("eq", "equal", "__eq__")
ne = _comparison("ne", "not_equal", "__ne__")
lt = _comparison("lt", "less", "__lt__")
le = _comparison("le", "less_equal", "__le__")
gt = _comparison("gt", "greater", "__gt__")
ge = _comparison("ge", "greater_equal", "__ge__")
logical_and = _logical("logical_and")
logical_or = _logical("logical_or")
logical_xor = _logical("logical_xor")
bitwise_and = _bitwise("bitwise_and", "__and__", "__rand__")
bitwise_or = _bitwise("bitwise_or", "__or__", "__ror__")
bitwise_xor = _bitwise("bitwise_xor", "__xor__", "__rxor__")
less, less_equal, greater, greater_equal, not_equal = lt, le, gt, ge, ne
for _name in ("less", "less_equal", "greater", "greater_equal", "not_equal"):
    method(_name)(globals()[_name])


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


clip = clamp
__all__ = [
    "where", "maximum", "minimum", "clamp", "clip", "clamp_min", "clamp_max", "eq", "ne", "lt",
    "le", "gt", "ge", "less", "less_equal", "greater", "greater_equal", "not_equal",
    "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or",
    "bitwise_xor", "bitwise_not",
]  # fmt: skip
