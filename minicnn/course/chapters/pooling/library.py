"""The student's pooling in the place of minicnn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....errors import CourseError
from ...exercise import Library

Array = np.ndarray


def build(
    max_pool: Callable[..., Array],
    max_pool_grad: Callable[..., Array],
    avg_pool: Callable[..., Array],
    avg_pool_grad: Callable[..., Array],
) -> dict[str, dict[str, Any]]:
    """Return both poolings. Sizes of windows become pairs, as the exercise has them."""

    def max_forward(x: Array, kernel_size: Any, stride: Any, padding: Any = 0) -> Array:
        return max_pool(x, *geometry("max_pool2d", kernel_size, stride, padding))

    def max_backward(dy: Array, x: Array, kernel_size: Any, stride: Any, padding: Any = 0) -> Array:
        return max_pool_grad(dy, x, *geometry("max_pool2d", kernel_size, stride, padding))

    def avg_forward(x: Array, kernel_size: Any, stride: Any, padding: Any = 0) -> Array:
        return avg_pool(x, *geometry("avg_pool2d", kernel_size, stride, padding), True)

    def avg_backward(dy: Array, x: Array, kernel_size: Any, stride: Any, padding: Any = 0) -> Array:
        options = geometry("avg_pool2d", kernel_size, stride, padding)
        return avg_pool_grad(dy, x.shape[2:], *options, True)

    return {
        "max_pool2d": {"forward": max_forward, "backward": max_backward},
        "avg_pool2d": {"forward": avg_forward, "backward": avg_backward},
    }


def geometry(name: str, kernel_size: Any, stride: Any, padding: Any) -> tuple[Any, int, int]:
    """Return kernel_hw, stride and padding; raise if rows and columns are treated differently."""
    if isinstance(stride, tuple) or isinstance(padding, tuple):
        raise CourseError(
            f"{name}: the pooling of the exercise takes one stride and one padding for rows and "
            f"columns, got stride={stride}, padding={padding}"
        )
    kernel_hw = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    return kernel_hw, stride, padding


LIBRARY = Library(("max_pool", "max_pool_grad", "avg_pool", "avg_pool_grad"), build)
