"""The inputs that exercises about optimizers are judged on: one step each, from a given state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...draws import Rng, whole
from ...exercise import Case


class Setting(NamedTuple):
    """A step: the parameter's shape, the number of the step, and the options.

    `keep` is mu or beta1, `keep_squares` is alpha or beta2. eps is large in some, so that its
    place shows.
    """

    shape: tuple[int, ...]
    t: int
    lr: float
    keep: float
    keep_squares: float
    eps: float
    dtype: Any = np.float64


SETTINGS = (
    Setting((1,), 1, 0.5, 0.5, 0.75, 1.0),  # the first step: the state is zero
    Setting((1,), 2, 0.5, 0.5, 0.75, 1.0),
    Setting((2,), 1, 0.1, 0.9, 0.99, 1e-8),  # with a gradient that is zero
    Setting((2,), 3, 0.1, 0.9, 0.99, 1e-8),
    Setting((2, 3), 2, 0.25, 0.75, 0.9, 2.0),
    Setting((2, 1, 2, 2), 10, 0.01, 0.9, 0.999, 1e-8),
    Setting((3, 4), 4, 0.2, 0.9, 0.99, 0.5, np.float32),
)


def parameter(rng: Rng, s: Setting) -> dict[str, np.ndarray]:
    """Return p and g."""
    p, g = (whole(rng, *s.shape).astype(s.dtype) for _ in range(2))
    if s.t == 1 and g.size > 1:
        g[0] = 0  # 0 / 0, but for eps
    return {"p": p, "g": g}


def state(rng: Rng, s: Setting) -> np.ndarray:
    """Return a velocity, or an average of gradients."""
    return (whole(rng, *s.shape) * (s.t > 1)).astype(s.dtype)


def squares(rng: Rng, s: Setting) -> np.ndarray:
    """Return a sum or an average of squares."""
    return (whole(rng, *s.shape) ** 2 * (s.t > 1)).astype(s.dtype)


def sgd_cases(rng: Rng) -> Iterator[Case]:
    """Yield p, g and lr."""
    for s in SETTINGS:
        yield {**parameter(rng, s), "lr": s.lr}


def momentum_cases(rng: Rng) -> Iterator[Case]:
    """Yield p, g, v and the options."""
    for s in SETTINGS:
        yield {**parameter(rng, s), "v": state(rng, s), "lr": s.lr, "mu": s.keep}


def adagrad_cases(rng: Rng) -> Iterator[Case]:
    """Yield p, g, s and the options."""
    for s in SETTINGS:
        yield {**parameter(rng, s), "s": squares(rng, s), "lr": s.lr, "eps": s.eps}


def rmsprop_cases(rng: Rng) -> Iterator[Case]:
    """Yield p, g, s and the options."""
    for s in SETTINGS:
        options = {"lr": s.lr, "alpha": s.keep_squares, "eps": s.eps}
        yield {**parameter(rng, s), "s": squares(rng, s), **options}


def adam_cases(rng: Rng) -> Iterator[Case]:
    """Yield p, g, m, v, t and the options."""
    for s in SETTINGS:
        averages = {"m": state(rng, s), "v": squares(rng, s), "t": s.t}
        options = {"lr": s.lr, "beta1": s.keep, "beta2": s.keep_squares, "eps": s.eps}
        yield {**parameter(rng, s), **averages, **options}


def adamw_cases(rng: Rng) -> Iterator[Case]:
    """Yield what adam is given, and decay."""
    for case, decay in zip(adam_cases(rng), (0.5, 0.5, 0.1, 0.01, 0.2, 0.1, 0.3), strict=True):
        yield {**case, "decay": decay}
