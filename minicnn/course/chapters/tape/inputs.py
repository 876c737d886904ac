"""The inputs that exercises about the tape are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....tensor import Tensor
from ...draws import Rng, normal, whole
from ...exercise import Case
from ...gradients import variable, with_backward

Gradient = Callable[[Callable[..., Any]], tuple[Callable[..., Tensor], tuple[Tensor, ...]]]

# Name of a node -> the nodes it was computed from; the result is the last one of each.
GRAPHS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"x": ()},
    {"x": (), "y": ("x",)},
    {"a": (), "b": (), "y": ("a", "b")},
    {"x": (), "y": ("x", "x")},
    {"z": (), "x": (), "y": ("x",)},
    {"x": (), "a": ("x",), "b": ("a",), "y": ("b",)},
    {"x": (), "a": ("x",), "b": ("x",), "y": ("a", "b")},
    {"x": (), "a": ("x",), "b": ("a", "x"), "y": ("b", "a")},
    {"x": (), "w": (), "a": ("x", "w"), "b": ("a", "a"), "c": ("b", "x"), "y": ("c", "b", "w")},
)


def two_numbers(rng: Rng) -> Iterator[Case]:
    """Yield dy, a and b."""
    for numbers in ((1.0, 2.0, 3.0), (2.0, 3.0, 5.0), (-1.0, -4.0, 2.0)):
        yield dict(zip(("dy", "a", "b"), numbers, strict=True))
    for _ in range(3):
        yield {name: float(rng.uniform(0.5, 3)) for name in ("dy", "a", "b")}


def tanh_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy and y, which lies between -1 and 1."""
    for numbers in ((1.0, 0.5), (2.0, -0.5), (1.0, 0.0), (-3.0, 0.9)):
        yield dict(zip(("dy", "y"), numbers, strict=True))
    for _ in range(3):
        yield {"dy": float(rng.uniform(1, 3)), "y": float(rng.uniform(-1, 1))}


def graphs(rng: Rng) -> Iterator[Case]:
    """Yield output and parents."""
    for parents in GRAPHS:
        yield {"output": list(parents)[-1], "parents": parents}


def tapes(rng: Rng) -> Iterator[Case]:
    """Yield output, parents and slopes."""
    for case in graphs(rng):
        slopes = {
            name: tuple(float(value) for value in whole(rng, len(found), low=2))
            for name, found in case["parents"].items()
        }
        yield {**case, "slopes": slopes}


def broadcasts(rng: Rng) -> Iterator[Case]:
    """Yield dy and shape."""
    for size, shape, dtype in (
        ((2, 3), (3,), np.float64),
        ((2, 3), (2, 1), np.float64),
        ((2, 3), (1, 3), np.float64),
        ((3, 3), (3,), np.float64),
        ((3, 3), (3, 1), np.float64),
        ((2, 3), (2, 3), np.float64),
        ((4,), (), np.float64),
        ((2, 3), (), np.float64),
        ((2, 3), (1, 1), np.float64),
        ((1, 3), (1, 3), np.float64),
        ((2, 3, 4), (3, 1), np.float64),
        ((2, 3, 4), (4,), np.float32),
    ):
        yield {"dy": whole(rng, *size).astype(dtype), "shape": shape}


def matrices(rng: Rng) -> Iterator[Case]:
    """Yield dy, a and b."""
    for m, k, n, dtype in (
        (1, 1, 2, np.float64),
        (1, 2, 1, np.float64),
        (2, 2, 2, np.float64),
        (2, 3, 4, np.float64),
        (3, 3, 3, np.float64),
        (5, 2, 3, np.float32),
    ):
        dy, a, b = (whole(rng, *shape).astype(dtype) for shape in ((m, n), (m, k), (k, n)))
        yield {"dy": dy, "a": a, "b": b}


def signs(rng: Rng) -> Iterator[Case]:
    """Yield dy and x; some of x are 0."""
    yield {"dy": np.array([3.0]), "x": np.array([0.0])}
    yield {"dy": np.array([3.0, -2.0, 5.0]), "x": np.array([-2.0, 0.0, 4.0])}
    for shape, dtype in (((2, 3), np.float64), ((2, 2, 3), np.float64), ((3, 4), np.float32)):
        x = rng.integers(-2, 3, shape).astype(dtype)
        yield {"dy": whole(rng, *shape).astype(dtype), "x": x}


def of_numbers(forward: Callable[..., Tensor]) -> Gradient:
    """Return the gradient check of a function of two numbers, which takes arrays too."""

    def gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
        return with_backward(forward, function), (variable(1.5), variable(0.7))

    return gradient


def tanh_gradient(
    function: Callable[..., Any],
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return tanh with the student's derivative."""
    wrapped = with_backward(lambda x: x.tanh(), lambda dy, x: function(dy, np.tanh(x)))
    return wrapped, (variable(0.4),)


def matmul_gradient(
    function: Callable[..., Any],
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return the matrix product with the student's derivatives."""
    rng = np.random.default_rng(1)
    inputs = variable(normal(rng, 3, 4)), variable(normal(rng, 4, 2))
    return with_backward(lambda a, b: a @ b, function), inputs


def relu_gradient(
    function: Callable[..., Any],
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return ReLU with the student's derivative, away from its kink."""
    x = np.random.default_rng(1).uniform(0.2, 1, (3, 4)) * np.array([1, -1, 1, -1])
    return with_backward(lambda x: x.relu(), function), (variable(x),)
