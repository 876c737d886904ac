"""Comparing and choosing: ==, <, where, maximum, clamp, and logic on the outcome.

A comparison is constant between its jumps, so it has no derivative. Choosing one of two values has: the
gradient goes to the value that was chosen.

Tutorial: `tutorials/01_tensors_and_the_tape`.
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
from .operands import Number, as_tensor_of, binary, broadcasting, promote


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


def _share(wins: Tensor, ties: Tensor, like: Tensor) -> Tensor:
    """Return 1 where an input wins, 1/2 where both do, 0 elsewhere, in `like`'s dtype."""
    return wins.to(like.dtype) + ties.to(like.dtype) * 0.5


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


# ----------------------------------------------------------------------------------------------
# Choosing


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


@method()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of each pair of elements."""
    check_tensor(input, "maximum"), check_tensor(other, "maximum", "other")
    return binary(Maximum, "maximum", input, other)


@method()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of each pair of elements."""
    check_tensor(input, "minimum"), check_tensor(other, "minimum", "other")
    return binary(Minimum, "minimum", input, other)


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


clip = clamp
__all__ = [
    "where", "maximum", "minimum", "clamp", "clip", "clamp_min", "clamp_max", "eq", "ne", "lt", "le", "gt", "ge",
    "less", "less_equal", "greater", "greater_equal", "not_equal", "logical_and", "logical_or", "logical_xor",
    "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
]  # fmt: skip
