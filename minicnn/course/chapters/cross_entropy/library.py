"""The student's dense layer, softmax and cross-entropy in the place of minicnn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....errors import CourseError
from ...exercise import Library

Array = np.ndarray
NAMES = ("dense", "dense_grad", "softmax", "softmax_grad", "cross_entropy", "cross_entropy_grad")


def build(
    dense: Callable[..., Array],
    dense_grad: Callable[..., tuple[Array, Array, Array]],
    softmax: Callable[..., Array],
    softmax_grad: Callable[..., Array],
    cross_entropy: Callable[..., float],
    cross_entropy_grad: Callable[..., Array],
) -> dict[str, dict[str, Any]]:
    """Return the three operations, the bias of the layer optional."""

    def layer(x: Array, w: Array, b: Array | None) -> Array:
        rows = x.reshape(-1, x.shape[-1])
        y = dense(rows, w, np.zeros(len(w), dtype=x.dtype) if b is None else b)
        return y.reshape(*x.shape[:-1], len(w))

    def layer_grad(dy: Array, x: Array, w: Array, b: Array | None) -> Any:
        rows = dy.reshape(-1, dy.shape[-1])
        dx, dw, db = dense_grad(rows, x.reshape(-1, x.shape[-1]), w)
        return dx.reshape(x.shape), dw, None if b is None else db

    def probabilities(x: Array, dim: int) -> Array:
        check(x, dim)
        return softmax(x)

    def probabilities_grad(dp: Array, x: Array, dim: int, y: Array) -> Array:
        return softmax_grad(dp, y)

    return {
        "linear": {"forward": layer, "backward": layer_grad},
        "softmax": {"forward": probabilities, "backward": probabilities_grad},
        "cross_entropy": {
            "forward": cross_entropy,
            "backward": lambda dy, x, target: dy * cross_entropy_grad(x, target),
        },
    }


def check(x: Array, dim: int) -> None:
    """Raise unless x are scores (N, C), and the probabilities are over the classes."""
    if x.ndim != 2 or dim != 1:
        raise CourseError(
            f"softmax: that of the exercise takes scores (N, C) and dim=1, got {x.shape}, dim={dim}"
        )


LIBRARY = Library(NAMES, build)
