"""The inputs that exercises about dense layers, softmax and cross-entropy are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....nn.functional import cross_entropy, linear, softmax
from ....tensor import Tensor
from ...draws import Rng, normal, whole
from ...exercise import Case
from ...gradients import variable, with_backward
from . import solution

LAYERS = (  # N, I, O, dtype
    (1, 1, 1, np.float64),
    (1, 2, 1, np.float64),
    (1, 2, 2, np.float64),
    (3, 2, 4, np.float64),
    (3, 3, 3, np.float64),  # a matrix that is not transposed fits as well
    (5, 4, 2, np.float32),
)


def dense_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, w and b."""
    for n, i, o, dtype in LAYERS:
        x, w, b = (whole(rng, *shape).astype(dtype) for shape in ((n, i), (o, i), (o,)))
        yield {"x": x, "w": w, "b": b}


def dense_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, x and w."""
    for n, i, o, dtype in LAYERS:
        dy, x, w = (whole(rng, *shape).astype(dtype) for shape in ((n, o), (n, i), (o, i)))
        yield {"dy": dy, "x": x, "w": w}


SCORES = (  # N, C, dtype
    (1, 2, np.float64),
    (2, 2, np.float64),
    (2, 3, np.float64),
    (3, 3, np.float64),
    (4, 5, np.float32),
)


def scores(rng: Rng) -> Iterator[np.ndarray]:
    """Yield scores, some of them too large for exp, some too far apart."""
    for n, c, dtype in SCORES:
        yield whole(rng, n, c).astype(dtype)
    yield np.array([[1000.0, 1001.0]])
    yield np.array([[0.0, 200.0, 1.0], [-1000.0, 1.0, 2.0]])
    yield np.array([[-2000.0, -2001.0, -2003.0]])
    # A row far below another: with the largest score of all subtracted, it would vanish.
    yield np.array([[1.0, 2.0], [901.0, 903.0]])


def score_cases(rng: Rng) -> Iterator[Case]:
    """Yield x."""
    for x in scores(rng):
        yield {"x": x}


def softmax_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dp and p."""
    for n, c, dtype in SCORES:
        dp, p = whole(rng, n, c), solution.softmax(whole(rng, n, c))
        yield {"dp": dp.astype(dtype), "p": p.astype(dtype)}


def label_cases(rng: Rng) -> Iterator[Case]:
    """Yield x and labels, among them the least likely ones."""
    for x in scores(rng):
        yield {"x": x, "labels": rng.integers(0, x.shape[1], len(x))}
        if abs(x).max() > 100:
            yield {"x": x, "labels": x.argmin(axis=1)}


def dense_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple]:
    """Return minicnn's dense layer with the student's gradients."""
    rng = np.random.default_rng(1)
    wrapped = with_backward(linear, lambda dy, x, w, b: function(dy, x, w))
    return wrapped, tuple(variable(normal(rng, *shape)) for shape in ((3, 2), (4, 2), (4,)))


def softmax_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple]:
    """Return minicnn's softmax with the student's gradient."""
    x = variable(normal(np.random.default_rng(1), 3, 4))
    wrapped = with_backward(
        lambda x: softmax(x, 1), lambda dp, x: function(dp, solution.softmax(x))
    )
    return wrapped, (x,)


def loss_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple]:
    """Return minicnn's cross-entropy with the student's gradient."""
    from ....ops.from_data import tensor

    labels = np.array([2, 0, 3])
    wrapped = with_backward(
        lambda x: cross_entropy(x, tensor(labels)), lambda dy, x: dy * function(x, labels)
    )
    return wrapped, (variable(normal(np.random.default_rng(1), 3, 4)),)
