"""Recipes for the inputs of exercises.

Small whole numbers, in float64, are read at a glance when a message shows them, and their sums are
exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator


def whole(rng: Rng, *shape: int, low: int = -4, high: int = 5) -> np.ndarray:
    """Return whole numbers from `low` to `high`, never 0, so that nothing is overlooked."""
    values = rng.integers(low, high, shape)
    return np.where(values == 0, high, values).astype(np.float64)


def normal(rng: Rng, *shape: int, dtype: Any = np.float64) -> np.ndarray:
    """Return normally distributed numbers."""
    return rng.standard_normal(shape).astype(dtype)


def distinct(rng: Rng, *shape: int, dtype: Any = np.float64) -> np.ndarray:
    """Return whole numbers of both signs, no two the same: no ties for a maximum."""
    count = int(np.prod(shape))
    return (rng.permutation(count) - count // 2 + 0.5).reshape(shape).astype(dtype)


class Formula:
    """A function of an array that a message can show: ``Formula("(x ** 2).sum()")``."""

    def __init__(self, text: str):
        self.text = text
        self.function: Callable[..., Any] = eval(f"lambda x: {text}", {"np": np})

    def __call__(self, x: Any) -> Any:
        return self.function(x)

    def __repr__(self) -> str:
        return f"lambda x: {self.text}"
