"""The inputs that exercises about pooling are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ....nn.functional import avg_pool2d, max_pool2d
from ....tensor import Tensor
from ...draws import Rng, distinct, normal, whole
from ...exercise import Case
from ...gradients import variable, with_backward


class Setting(NamedTuple):
    """Sizes and options of a pooling; `ties`: most pixels are equal."""

    x: tuple[int, int, int, int]  # N, C, H, W
    kernel_hw: tuple[int, int]
    stride: int
    padding: int = 0
    dtype: Any = np.float64
    ties: bool = False

    @property
    def output(self) -> tuple[int, int, int, int]:
        """(N, C, OH, OW)."""
        oh, ow = (
            (size + 2 * self.padding - kernel) // self.stride + 1
            for size, kernel in zip(self.x[2:], self.kernel_hw, strict=True)
        )
        return *self.x[:2], oh, ow

    @property
    def options(self) -> dict[str, Any]:
        """kernel_hw, stride and padding by name."""
        return {name: getattr(self, name) for name in ("kernel_hw", "stride", "padding")}

    def images(self, rng: Rng) -> np.ndarray:
        """Return images, mostly negative, so that zeros in the padding are larger."""
        if self.ties:
            return -rng.integers(1, 3, self.x).astype(self.dtype)
        return distinct(rng, *self.x, dtype=self.dtype) - int(np.prod(self.x)) // 2


SETTINGS = (
    Setting((1, 1, 2, 2), (2, 2), 2),
    Setting((1, 1, 2, 2), (2, 2), 2, ties=True),
    Setting((1, 1, 2, 3), (2, 2), 1),  # windows that overlap
    Setting((1, 1, 2, 4), (1, 2), 2),
    Setting((1, 1, 4, 2), (2, 1), 2, ties=True),
    Setting((1, 1, 3, 3), (2, 2), 1, ties=True),
    Setting((1, 1, 2, 4), (2, 2), 2, 1),
    Setting((1, 2, 2, 2), (2, 2), 1),
    Setting((2, 1, 2, 3), (2, 2), 1, 1, ties=True),
    Setting((1, 1, 5, 4), (3, 2), 2),  # the last row belongs to no window
    Setting((1, 1, 4, 5), (3, 2), 1, 1),
    Setting((2, 3, 7, 6), (3, 2), 2, 1, ties=True),
    Setting((2, 3, 5, 6), (3, 3), 2, 1, np.float32),
)


def max_cases(rng: Rng) -> Iterator[Case]:
    """Yield x and the options."""
    for s in SETTINGS:
        yield {"x": s.images(rng), **s.options}


def max_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, x and the options."""
    for s in SETTINGS:
        yield {"dy": whole(rng, *s.output).astype(s.dtype), "x": s.images(rng), **s.options}


def avg_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, the options and count_include_pad."""
    for i, s in enumerate(SETTINGS):
        x = whole(rng, *s.x).astype(s.dtype)
        for counted in (True, False) if s.padding else (i % 2 == 0,):
            yield {"x": x, **s.options, "count_include_pad": counted}


def avg_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, input_hw, the options and count_include_pad."""
    for i, s in enumerate(SETTINGS):
        dy = whole(rng, *s.output).astype(s.dtype)
        for counted in (True, False) if s.padding else (i % 2 == 0,):
            yield {"dy": dy, "input_hw": s.x[2:], **s.options, "count_include_pad": counted}


def max_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor]]:
    """Return minicnn's maximum pooling with the student's gradient, for images without ties."""
    x = distinct(np.random.default_rng(1), 2, 2, 5, 6)
    wrapped = with_backward(
        lambda x: max_pool2d(x, (3, 2), 2, 1), lambda dy, x: function(dy, x, (3, 2), 2, 1)
    )
    return wrapped, (variable(x),)


def avg_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor]]:
    """Return minicnn's average pooling with the student's gradient; the padding does not count."""
    wrapped = with_backward(
        lambda x: avg_pool2d(x, (3, 2), 2, 1, count_include_pad=False),
        lambda dy, x: function(dy, x.shape[2:], (3, 2), 2, 1, False),
    )
    return wrapped, (variable(normal(np.random.default_rng(1), 2, 2, 5, 6)),)
