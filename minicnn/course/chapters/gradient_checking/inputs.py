"""The inputs that exercises about gradient checking are judged on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...draws import Formula, Rng, normal, whole
from ...exercise import Case

OF_A_NUMBER = ("x ** 2", "x ** 3", "np.exp(x)", "abs(x)", "1 / x", "x ** 4 - 3 * x")
OF_AN_ARRAY = ("(x ** 3).sum()", "x.prod()", "(x ** 2).sum() * x.max()", "np.exp(x / 4).sum()")
TO_AN_ARRAY = ("x ** 3", "x * x.sum()", "np.exp(x / 4) * x", "x[..., :1] * x")


def numbers(rng: Rng) -> Iterator[Case]:
    """Yield f, x and step."""
    yield {"f": Formula("abs(x)"), "x": 0.0, "step": 0.5}
    for i, text in enumerate(OF_A_NUMBER):
        yield {"f": Formula(text), "x": float(1 + i % 3), "step": 0.5}
    yield {"f": Formula("x ** 3"), "x": -2.0, "step": 0.25}
    yield {"f": Formula("np.sin(x)"), "x": float(rng.uniform(0.5, 1)), "step": 0.001}


def arrays(rng: Rng) -> Iterator[Case]:
    """Yield f, x and step."""
    yield {"f": Formula("(x ** 3).sum()"), "x": np.array([2.0]), "step": 0.5}
    for text in OF_AN_ARRAY:
        yield {"f": Formula(text), "x": whole(rng, 3, low=2), "step": 0.5}
        yield {"f": Formula(text), "x": whole(rng, 2, 3, low=2), "step": 0.25}
    yield {"f": Formula("(x ** 3).sum()"), "x": np.array([[1, 2], [3, 5]]), "step": 0.5}
    yield {"f": Formula("np.sin(x).prod()"), "x": rng.uniform(0.5, 1, (2, 2)), "step": 1e-4}


def outputs(rng: Rng) -> Iterator[Case]:
    """Yield f, x, dy and step."""
    for text in TO_AN_ARRAY:
        for shape in ((2,), (2, 3)):
            x, dy = whole(rng, *shape, low=2), whole(rng, *shape)
            yield {"f": Formula(text), "x": x, "dy": dy, "step": 0.5}
    x, dy = rng.uniform(0.5, 1, (2, 3)), normal(rng, 2)
    yield {"f": Formula("np.sin(x).sum(axis=1)"), "x": x, "dy": dy, "step": 1e-4}


def directions(rng: Rng) -> Iterator[Case]:
    """Yield f, x, dx, direction and step."""
    for text in OF_AN_ARRAY:
        for shape in ((1,), (3,), (2, 3)):
            x, dx, direction = whole(rng, *shape, low=2), whole(rng, *shape), whole(rng, *shape)
            yield {"f": Formula(text), "x": x, "dx": dx, "direction": direction, "step": 0.5}


def pairs(rng: Rng) -> Iterator[Case]:
    """Yield a and b."""
    for a, b in (([2.0], [4.0]), ([0.0], [0.0]), ([0.25], [0.5]), ([-4.0], [4.0])):
        yield {"a": np.array(a), "b": np.array(b)}
    yield {"a": np.array([1.0, 5.0]), "b": np.array([1.0, 4.0])}
    yield {"a": np.array([8.0, -2.0, 0.0]), "b": np.array([6.0, -3.0, 0.1])}
    yield {"a": normal(rng, 2, 3), "b": normal(rng, 2, 3)}
    yield {"a": whole(rng, 3, 4), "b": whole(rng, 3, 4)}
