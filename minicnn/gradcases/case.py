"""What a case of a gradient check is, and what its inputs are drawn from.

A case is a line: a name, a function, and for each argument a recipe that draws it. The recipes keep
away from where a function has no derivative (0 for |x|, ties for a maximum): there is nothing to
compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import to_device
from ..ops.from_data import tensor
from ..tensor import Tensor

Recipe = Callable[[np.random.Generator], Any]


class Case:
    """A function to check and recipes for its inputs; a layer is what `function()` returns."""

    def __init__(
        self, name: str, function: Callable, recipes: tuple[Recipe, ...], layer: bool = False
    ):
        self.name, self.function, self.recipes, self.layer = name, function, recipes, layer

    def __repr__(self) -> str:
        return f"Case({self.name})"

    def build(self, seed: int = 0) -> tuple[Callable, tuple[Any, ...]]:
        """Return the function, and inputs for it that depend on `seed` alone."""
        rng = np.random.default_rng(seed)
        inputs = tuple(recipe(rng) for recipe in self.recipes)
        return (_drawn(self.function(), rng) if self.layer else self.function), inputs


def _drawn(layer: Any, rng: np.random.Generator) -> Any:
    """Return a layer in float64 with weights of every sign: zeros and ones would hide mistakes."""
    for p in layer.parameters():
        weights = rng.uniform(0.2, 0.8, p.shape) * rng.choice([-1.0, 1.0], p.shape)
        p.array = to_device(weights, p.device)
    for b in layer.buffers():
        if b.is_floating_point():
            b.array = to_device(rng.uniform(0.5, 1.5, b.shape), b.device)
    return layer


def _variable(array: np.ndarray) -> Tensor:
    return tensor(np.asarray(array, dtype=np.float64), requires_grad=True)


def normal(*shape: int) -> Recipe:
    """Numbers of both signs, for smooth functions."""
    return lambda rng: _variable(rng.standard_normal(shape))


def apart(*shape: int, low: float = 0.2, high: float = 1.5) -> Recipe:
    """Numbers of both signs, none near 0."""
    return lambda rng: _variable(rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape))


def positive(*shape: int, low: float = 0.3, high: float = 1.7) -> Recipe:
    """Numbers between `low` and `high`."""
    return lambda rng: _variable(rng.uniform(low, high, shape))


def small(*shape: int) -> Recipe:
    """Numbers of both signs, none far from 0: away from the poles of a tangent."""
    return apart(*shape, low=0.1, high=1.2)


def distinct(*shape: int) -> Recipe:
    """Numbers no two of which are near each other, nor any near 0: no ties for a maximum."""

    def draw(rng: np.random.Generator) -> Tensor:
        count = int(np.prod(shape))
        values = (rng.permutation(count) - count / 2) * 0.3 + 0.1
        return _variable(values.reshape(shape))

    return draw


def labels(*shape: int, classes: int) -> Recipe:
    """Class numbers."""
    return lambda rng: tensor(rng.integers(0, classes, shape))


def constant(value: Any) -> Recipe:
    """The same value every time; a tensor is copied, and requires a gradient if `value` does."""

    def draw(rng: np.random.Generator) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.detach().clone().requires_grad_(value.requires_grad)

    return draw


def probabilities(*shape: int) -> Recipe:
    """Positive numbers that sum to 1 over dimension 1."""

    def draw(rng: np.random.Generator) -> Tensor:
        p = rng.uniform(0.2, 1.0, shape)
        return _variable(p / p.sum(1, keepdims=True))

    return draw
