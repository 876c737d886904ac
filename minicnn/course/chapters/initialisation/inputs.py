"""The inputs that exercises about initialisation are judged on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np

from ...draws import Rng
from ...exercise import Case

SHAPES = (
    (1, 2),
    (3, 1),
    (3, 3),
    (2, 5),
    (5, 4),
    (2, 1, 3),
    (4, 3, 1, 1),
    (2, 3, 3, 3),
    (6, 2, 5, 2),
    (8, 1, 2, 3),
    (2, 4, 2, 3, 2),
)
SLOPES = (0.0, 1.0, 0.5, 0.25, 2.0, -0.5, 3)
WIDTHS = ((2, 3), (3, 2), (4, 4), (2, 3, 5), (6, 4, 2), (8, 8, 8, 8), (5, 7, 3, 2, 9))


class Seeded(np.random.Generator):
    """A generator that a message can show."""

    def __init__(self, seed: int):
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"


def draws(rng: Rng) -> Iterator[Case]:
    """Yield a shape and a generator of random numbers."""
    for shape in SHAPES:
        yield {"shape": shape, "rng": Seeded(int(rng.integers(1000)))}


def fans_cases(rng: Rng) -> Iterator[Case]:
    """Yield shapes."""
    for shape in SHAPES:
        yield {"shape": shape}


def gain_cases(rng: Rng) -> Iterator[Case]:
    """Yield slopes."""
    for slope in SLOPES:
        yield {"slope": slope}


def size_cases(rng: Rng) -> Iterator[Case]:
    """Yield mean squares, widths, standard deviations and slopes."""
    for widths, std, slope in zip(
        WIDTHS, (0.5, 2.0, 0.5, 1.5, 0.25, 0.5, 0.7), SLOPES, strict=True
    ):
        yield {"mean_square": float(rng.integers(1, 5)), "widths": widths, "std": std,
               "slope": slope}  # fmt: skip


def gain_draws(rng: Rng) -> Iterator[Case]:
    """Yield shape, rng and gain."""
    for case, gain in zip(draws(rng), cycle((1.0, 2.0, 0.5)), strict=False):
        yield {**case, "gain": gain}


def he_cases(rng: Rng) -> Iterator[Case]:
    """Yield shape, rng, slope and mode."""
    for case, slope in zip(draws(rng), cycle((0.0, 0.5, 2.0, 1.0)), strict=False):
        for mode in ("fan_in", "fan_out"):
            yield {**case, "slope": slope, "mode": mode}
