"""The student's convolution in the place of minicnn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....errors import CourseError
from ...exercise import Library

Array = np.ndarray


def build(
    conv2d: Callable[..., Array],
    input_grad: Callable[..., Array],
    weight_grad: Callable[..., Array],
    bias_grad: Callable[..., Array],
) -> dict[str, dict[str, Any]]:
    """Return the convolution, its bias optional, with its three gradients in one function."""

    def forward(x: Array, w: Array, b: Array | None, *options: Any) -> Array:
        check(options)
        return conv2d(x, w, np.zeros(len(w), dtype=x.dtype) if b is None else b, *options)

    def backward(dy: Array, x: Array, w: Array, b: Array | None, *options: Any) -> Any:
        check(options)
        dx = input_grad(dy, w, x.shape[2:], *options)
        dw = weight_grad(dy, x, w.shape[2:], *options)
        return dx, dw, None if b is None else bias_grad(dy)

    return {"conv2d": {"forward": forward, "backward": backward}}


def check(options: tuple[Any, ...]) -> None:
    """Raise if rows and columns are treated differently."""
    for name, value in zip(("stride", "padding", "dilation"), options, strict=False):
        if isinstance(value, tuple):
            raise CourseError(
                f"conv2d: the convolution of the exercise takes one {name} for rows and columns, "
                f"got {value}"
            )


LIBRARY = Library(
    ("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "conv2d_bias_grad"),
    build,
)
