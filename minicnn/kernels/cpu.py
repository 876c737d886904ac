"""Convolution tuned for NumPy on a CPU: the same results as `reference.py`, several times faster.

No single way is the fastest for one channel and for 512, for images of 224 x 224 and of 2 x 2. The
tables below say which is taken: the first that fits. Each has its reasons, and what it gains, in
its own file:

* `cpu_batch_last`: few channels, in a layout of their own;
* `cpu_depthwise`: one channel a group, no matrices at all;
* `cpu_winograd`: many channels, with two thirds of the multiplications;
* `cpu_taps`: many channels and images so small that half of a window lies in the padding;
* `cpu_columns`: everything else.

At stride 1 the input gradient is itself a convolution, of dy with the filters turned round: each
pixel gathers from the outputs that saw it. That is faster than adding columns back to where they
came from, and takes its own way through the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import cpu_batch_last, cpu_columns, cpu_depthwise, cpu_taps, cpu_winograd
from .geometry import Padding, Pair
from .layout import Convolution, Windows, filters_last, in_float32, is_batch_last
from .reference import output_hw


@in_float32
def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    b: np.ndarray | None = None,
) -> np.ndarray:
    """See `reference.conv2d`."""
    out_hw = output_hw(x.shape[2:], w.shape[2:], stride, padding, dilation)
    windows = Windows(out_hw, w.shape[2:], stride, padding, dilation)
    t = Convolution(len(x), w.shape[1], len(w), groups, x.shape[2:], windows, is_batch_last(x))
    return _first(CONVOLVE, t)(x, w, b, t)


@in_float32
def conv2d_input_grad(
    dy: np.ndarray,
    w: np.ndarray,
    input_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    """See `reference.conv2d_input_grad`."""
    windows = Windows(dy.shape[2:], w.shape[2:], stride, padding, dilation)
    t = Convolution(len(dy), w.shape[1], len(w), groups, input_hw, windows, is_batch_last(dy))
    return _first(INPUT_GRAD, t)(dy, w, t)


@in_float32
def conv2d_weight_grad(
    dy: np.ndarray,
    x: np.ndarray,
    kernel_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    """See `reference.conv2d_weight_grad`."""
    windows = Windows(dy.shape[2:], kernel_hw, stride, padding, dilation)
    c, f = x.shape[1] // groups, dy.shape[1]
    t = Convolution(len(x), c, f, groups, x.shape[2:], windows, is_batch_last(dy))
    return _first(WEIGHT_GRAD, t)(dy, x, t)


def _gather(dy: np.ndarray, w: np.ndarray, t: Convolution) -> np.ndarray:
    """dx = the convolution of dy with the filters turned round, channels and filters exchanged."""
    own, kernel = t.f // t.groups, t.windows.kernel
    turned = w.reshape(t.groups, own, t.c, *kernel)[..., ::-1, ::-1].swapaxes(1, 2)
    filters = filters_last((t.groups * t.c, own, *kernel), w.dtype)
    filters.reshape(turned.shape)[...] = turned
    back = _gathered(t).windows
    return conv2d(dy, filters, back.stride, back.padding, back.dilation, t.groups)


def _gathered(t: Convolution) -> Convolution:
    """Return the convolution of dy in which each pixel of dx finds the outputs that saw it."""
    windows, sides = t.windows, []
    for axis in (0, 1):
        reach = windows.dilation[axis] * (windows.kernel[axis] - 1)
        before = reach - windows.padding[axis][0]
        sides.append((before, t.input_hw[axis] + reach - windows.out_hw[axis] - before))
    back = Windows(t.input_hw, windows.kernel, (1, 1), tuple(sides), windows.dilation)
    f, c = t.c * t.groups, t.f // t.groups
    return Convolution(t.n, c, f, t.groups, windows.out_hw, back, t.batch_last)


def _is_dense(t: Convolution) -> bool:
    return t.windows.stride == (1, 1)


def _gathers_by_winograd(t: Convolution) -> bool:
    return _is_dense(t) and cpu_winograd.fits(_gathered(t))


def _always(t: Convolution) -> bool:
    return True


def _first(ways: Any, t: Convolution) -> Callable[..., np.ndarray]:
    return next(way for fits, way in ways if fits(t))


CONVOLVE = (
    (cpu_batch_last.begins, cpu_batch_last.convolve),
    (cpu_depthwise.fits, cpu_depthwise.convolve),
    (cpu_winograd.fits, cpu_winograd.convolve),
    (cpu_taps.fits, cpu_taps.convolve),
    (_always, cpu_columns.convolve),
)
INPUT_GRAD = (
    (cpu_batch_last.goes_on, cpu_batch_last.input_grad),
    (cpu_depthwise.fits, cpu_depthwise.input_grad),
    (_gathers_by_winograd, _gather),
    (cpu_taps.fits, cpu_taps.input_grad),
    (_is_dense, _gather),
    (_always, cpu_columns.input_grad),
)
WEIGHT_GRAD = (
    (cpu_batch_last.goes_on, cpu_batch_last.weight_grad),
    (cpu_depthwise.fits, cpu_depthwise.weight_grad),
    (cpu_winograd.fits_weight_grad, cpu_winograd.weight_grad),
    (cpu_taps.fits, cpu_taps.weight_grad),
    (_always, cpu_columns.weight_grad),
)
