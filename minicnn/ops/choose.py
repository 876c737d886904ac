"""Choosing between values: where, maximum, minimum, clamp.

The gradient goes to the value that was chosen; equal ones share it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .operands import as_tensor_of, binary, broadcasting, fitting, number, promote


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


# ----------------------------------------------------------------------------------------------
# Public functions


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


clip = clamp
__all__ = ["where", "maximum", "minimum", "clamp", "clip", "clamp_min", "clamp_max"]
