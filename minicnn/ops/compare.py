"""Comparing, and logic on the outcome: ==, <, and, or, not.

A comparison is constant between its jumps, so it has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..errors import DTypeError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .operands import Number, broadcasting, promote


@dataclass(eq=False, repr=False)
class Untracked(Op):
    """y = ufunc(*inputs), for functions whose derivative is zero or does not exist."""

    ufunc: str

    def forward(self, *inputs: Any) -> Any:
        array = next(x for x in inputs if not isinstance(x, Number))
        return getattr(array_module(array), self.ufunc)(*inputs)


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


__all__ = [
    "eq", "ne", "lt", "le", "gt", "ge", "less", "less_equal", "greater", "greater_equal",
    "not_equal", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and",
    "bitwise_or", "bitwise_xor", "bitwise_not",
]  # fmt: skip
