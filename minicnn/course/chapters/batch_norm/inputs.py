"""The inputs that exercises about batch normalisation are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ....nn.functional import batch_norm
from ....tensor import Tensor
from ...draws import Rng, normal, whole
from ...exercise import Case
from ...gradients import variable, with_backward


class Setting(NamedTuple):
    """The shape of the images, and eps: large in some, so that its place shows."""

    x: tuple[int, int, int, int]  # N, C, H, W
    eps: float = 1e-5
    dtype: Any = np.float64
    spread: float = 1.0  # what the values are divided by


SETTINGS = (
    Setting((2, 1, 1, 1), 0.5),
    Setting((2, 1, 1, 2)),
    Setting((1, 1, 2, 2)),
    Setting((2, 2, 1, 1), 1.0),
    Setting((2, 2, 2, 2)),
    Setting((3, 3, 3, 3), 2.0),  # as many channels as images, rows and columns
    Setting((4, 2, 3, 5), spread=1000.0),  # a variance as small as eps
    Setting((5, 3, 4, 2), 0.1, np.float32),
)


def images(rng: Rng, s: Setting) -> np.ndarray:
    """Return images whose channels have different means; one that is not 0."""
    x = whole(rng, *s.x) + 3 * np.arange(1, s.x[1] + 1)[:, None, None]
    x.flat[0] += 2  # never all equal
    return (x / s.spread).astype(s.dtype)


def parameters(rng: Rng, s: Setting) -> dict[str, np.ndarray]:
    """Return weight and bias."""
    return {name: whole(rng, s.x[1]).astype(s.dtype) for name in ("weight", "bias")}


def running(rng: Rng, s: Setting, size: int) -> dict[str, np.ndarray]:
    """Return a running mean, and a running variance that is positive."""
    mean, var = whole(rng, size), whole(rng, size, low=2, high=9)
    return {"running_mean": mean.astype(s.dtype), "running_var": abs(var).astype(s.dtype)}


def forward_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, weight, bias and eps."""
    for s in SETTINGS:
        yield {"x": images(rng, s), **parameters(rng, s), "eps": s.eps}


def grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, x, weight and eps."""
    for s in SETTINGS:
        dy = whole(rng, *s.x).astype(s.dtype)
        weight = parameters(rng, s)["weight"]
        yield {"dy": dy, "x": images(rng, s), "weight": weight, "eps": s.eps}


def running_cases(rng: Rng) -> Iterator[Case]:
    """Yield the running statistics, x and momentum."""
    for s, momentum in zip(SETTINGS, (0.5, 0.1, 0.25, 0.1, 0.9, 0.1, 1.0, 0.25), strict=True):
        yield {**running(rng, s, s.x[1]), "x": images(rng, s), "momentum": momentum}


def eval_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, the parameters, the running statistics and eps."""
    for s in SETTINGS:
        own = {**parameters(rng, s), **running(rng, s, s.x[1])}
        yield {"x": images(rng, s), **own, "eps": s.eps}


def fold_cases(rng: Rng) -> Iterator[Case]:
    """Yield filters (F, C, KH, KW), the parameters, the running statistics and eps."""
    for s in SETTINGS:
        filters = whole(rng, s.x[1], *s.x[:1], *s.x[2:]).astype(s.dtype)
        own = {**parameters(rng, s), **running(rng, s, s.x[1])}
        yield {"filters": filters, **own, "eps": s.eps}


def gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return minicnn's batch normalisation with the student's gradient."""
    eps, rng = 0.1, np.random.default_rng(1)
    wrapped = with_backward(
        lambda x, w, b: batch_norm(x, None, None, w, b, training=True, eps=eps),
        lambda dy, x, w, b: function(dy, x, w, eps),
    )
    return wrapped, tuple(variable(normal(rng, *shape)) for shape in ((3, 2, 2, 2), (2,), (2,)))
