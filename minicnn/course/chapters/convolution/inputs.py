"""The inputs that exercises about convolution are judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ....ops.conv import conv2d
from ....tensor import Tensor
from ...draws import Rng, normal, whole
from ...exercise import Case
from ...gradients import variable, with_backward
from . import solution


class Setting(NamedTuple):
    """Sizes and options of a convolution."""

    x: tuple[int, int, int, int]  # N, C, H, W
    w: tuple[int, int, int]  # F, KH, KW
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    dtype: Any = np.float64

    @property
    def options(self) -> dict[str, int]:
        """The four options by name."""
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation", "groups")}

    @property
    def filters(self) -> tuple[int, int, int, int]:
        """(F, C / groups, KH, KW)."""
        return (self.w[0], self.x[1] // self.groups, *self.w[1:])

    @property
    def out_hw(self) -> tuple[int, int]:
        """(OH, OW)."""
        sizes = zip(self.x[2:], self.w[1:], strict=True)
        oh, ow = (
            solution.output_size(size, kernel, self.stride, self.padding, self.dilation)
            for size, kernel in sizes
        )
        return oh, ow


SETTINGS = (
    Setting((1, 1, 2, 2), (1, 2, 2)),
    Setting((1, 1, 3, 3), (1, 2, 2)),
    Setting((1, 1, 2, 4), (1, 1, 3)),
    Setting((1, 1, 4, 3), (1, 3, 2)),
    Setting((2, 1, 3, 3), (1, 2, 2)),
    Setting((1, 1, 3, 3), (2, 2, 2)),
    Setting((1, 2, 3, 3), (1, 2, 2)),
    Setting((2, 3, 4, 5), (2, 3, 2)),
    Setting((1, 1, 4, 6), (1, 2, 2), stride=2),
    Setting((1, 1, 6, 5), (1, 3, 2), stride=2),  # the last row belongs to no window
    Setting((1, 1, 2, 3), (1, 3, 2), padding=1),
    Setting((1, 1, 2, 2), (1, 3, 3), padding=2),
    Setting((1, 1, 4, 5), (1, 2, 2), dilation=2),
    Setting((1, 4, 2, 3), (4, 2, 2), groups=2),
    Setting((2, 6, 7, 8), (4, 3, 2), stride=2, padding=1, dilation=2, groups=2),
    Setting((2, 2, 4, 5), (3, 3, 2), stride=2, padding=1, dtype=np.float32),
)


def forward_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, w, b and the options."""
    for s in SETTINGS:
        x, w, b = (whole(rng, *shape).astype(s.dtype) for shape in (s.x, s.filters, s.w[:1]))
        yield {"x": x, "w": w, "b": b, **s.options}


def im2col_cases(rng: Rng) -> Iterator[Case]:
    """Yield x, kernel_hw and the options but groups."""
    for s in SETTINGS:
        options = {name: value for name, value in s.options.items() if name != "groups"}
        yield {"x": whole(rng, *s.x).astype(s.dtype), "kernel_hw": s.w[1:], **options}


def input_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, w, input_hw and the options."""
    for s in SETTINGS:
        dy, w = (whole(rng, *shape).astype(s.dtype) for shape in (_output(s), s.filters))
        yield {"dy": dy, "w": w, "input_hw": s.x[2:], **s.options}


def weight_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy, x, kernel_hw and the options."""
    for s in SETTINGS:
        dy, x = (whole(rng, *shape).astype(s.dtype) for shape in (_output(s), s.x))
        yield {"dy": dy, "x": x, "kernel_hw": s.w[1:], **s.options}


def bias_grad_cases(rng: Rng) -> Iterator[Case]:
    """Yield dy."""
    for s in SETTINGS:
        yield {"dy": whole(rng, *_output(s)).astype(s.dtype)}


def size_cases(rng: Rng) -> Iterator[Case]:
    """Yield the sizes of one axis and the options."""
    for s in SETTINGS:
        for size, kernel in zip(s.x[2:], s.w[1:], strict=True):
            options = {name: value for name, value in s.options.items() if name != "groups"}
            yield {"size": size, "kernel": kernel, **options}


def large_case(rng: Rng) -> Case:
    """Return a convolution that takes loops some 20 ms."""
    return {"x": normal(rng, 1, 8, 10, 10), "w": normal(rng, 8, 8, 3, 3), "b": normal(rng, 8),
            "stride": 1, "padding": 1, "dilation": 1, "groups": 1}  # fmt: skip


OPTIONS = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}


def input_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor]]:
    """Return minicnn's convolution as a function of x, with the student's gradient."""
    w = normal(np.random.default_rng(1), 4, 2, 3, 2)
    wrapped = with_backward(
        lambda x: conv2d(x, variable(w), None, *OPTIONS.values()),
        lambda dy, x: function(dy, w, x.shape[2:], *OPTIONS.values()),
    )
    return wrapped, (variable(normal(np.random.default_rng(2), 2, 4, 7, 6)),)


def weight_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor]]:
    """Return minicnn's convolution as a function of w, with the student's gradient."""
    x = normal(np.random.default_rng(1), 2, 4, 7, 6)
    wrapped = with_backward(
        lambda w: conv2d(variable(x), w, None, *OPTIONS.values()),
        lambda dy, w: function(dy, x, w.shape[2:], *OPTIONS.values()),
    )
    return wrapped, (variable(normal(np.random.default_rng(2), 4, 2, 3, 2)),)


def bias_gradient(function: Callable[..., Any]) -> tuple[Callable[..., Tensor], tuple[Tensor]]:
    """Return minicnn's convolution as a function of b, with the student's gradient."""
    rng = np.random.default_rng(1)
    x, w = normal(rng, 2, 2, 4, 5), normal(rng, 3, 2, 3, 2)
    wrapped = with_backward(
        lambda b: conv2d(variable(x), variable(w), b), lambda dy, b: function(dy)
    )
    return wrapped, (variable(normal(rng, 3)),)


def _output(s: Setting) -> tuple[int, ...]:
    return (s.x[0], s.w[0], *s.out_hw)
