"""Convolution tuned for NumPy on a CPU: the same results as `reference.py`, several times faster.

No single way is the fastest for one channel and for 512, for images of 224 x 224 and of 2 x 2.
`WAYS` says which is taken: the first that fits. Each has its reasons, and what it gains, in its own
file:

* `cpu_batch_last`: few channels, in a layout of their own;
* `cpu_depthwise`: one channel a group, no matrices at all;
* `cpu_winograd`: many channels, with two thirds of the multiplications;
* `cpu_taps`: many channels and images so small that half of a window lies in the padding;
* `cpu_columns`: everything else.

The input gradient is itself a convolution, of dy with the filters turned round: each pixel gathers
from the outputs that saw it. That is faster than adding columns back to where they came from, and
takes its own way through the tables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np

from . import cpu_batch_last, cpu_columns, cpu_depthwise, cpu_taps, cpu_winograd
from .geometry import Padding, Pair
from .layout import (
    Convolution,
    Windows,
    batch_last,
    channels_last,
    filters_last,
    in_float32,
    is_batch_last,
)
from .reference import output_hw

Sizes = tuple[int, int, int, int, Pair]  # images, channels of a group, filters, groups, input_hw


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
    options = (w.shape[2:], stride, padding, dilation)
    sizes = (len(x), w.shape[1], len(w), groups, x.shape[2:])
    way, t = _way("convolve", sizes, None, options, is_batch_last(x))
    return way(x, w, b, t)


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
    options = (w.shape[2:], stride, padding, dilation)
    sizes = (len(dy), w.shape[1], len(w), groups, input_hw)
    way, t = _way("input_grad", sizes, dy.shape[2:], options, is_batch_last(dy))
    return way(dy, w, t)


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
    options = (kernel_hw, stride, padding, dilation)
    sizes = (len(x), x.shape[1] // groups, dy.shape[1], groups, x.shape[2:])
    way, t = _way("weight_grad", sizes, dy.shape[2:], options, is_batch_last(dy))
    return way(dy, x, t)


@functools.lru_cache(1024)
def _way(
    kernel: str, sizes: Sizes, out_hw: Pair | None, options: Any, is_last: bool
) -> tuple[Callable[..., np.ndarray], Convolution]:
    """Return the first way that fits, and what it fits; the next step will ask for the same."""
    n, c, f, groups, input_hw = sizes
    out_hw = output_hw(input_hw, *options) if out_hw is None else out_hw
    t = Convolution(n, c, f, groups, input_hw, Windows(out_hw, *options), is_last)
    return next(way for fits, way in WAYS[kernel] if fits(t)), t


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


def _gather_phases(dy: np.ndarray, w: np.ndarray, t: Convolution) -> np.ndarray:
    """dx at a stride: a convolution of dy for each phase of the rows, of all columns at once.

    With a stride of 2, even and odd rows of dx were seen by different rows of the filters, and so
    it is with columns. The phases of columns become channels of one convolution, so that products
    do not get too narrow; its filters have zeros where a phase lacks a tap. On 16 channels this
    takes two thirds of the time of adding columns back to where they were seen.
    """
    (sh, sw), (height, width) = t.windows.stride, t.input_hw
    dx = (batch_last if t.batch_last else channels_last)(t.x_shape, dy.dtype)
    columns = {j: _taps_that_saw(t, 1, j) for j in range(min(sw, width))}
    seen = {j: taps for j, taps in columns.items() if taps}
    for i in range(min(sh, height)):
        rows = _taps_that_saw(t, 0, i)
        for j in columns:
            if not rows or j not in seen:
                dx[:, :, i::sh, j::sw] = 0
        if not rows or not seen:
            continue
        (above, below), (left, right) = _span([rows]), _span(seen.values())
        filters = filters_last(
            (t.groups * len(seen) * t.c, t.f // t.groups, below - above + 1, right - left + 1),
            w.dtype,
        )
        filters[...] = 0
        turned = filters.reshape(t.groups, len(seen), t.c, *filters.shape[1:])
        for (k, row), (phase, taps) in product(rows, enumerate(seen.values())):
            for m, column in taps:
                tap = w[:, :, k, m].reshape(t.groups, -1, t.c).swapaxes(1, 2)  # (groups, C, F)
                turned[:, phase, :, :, row - above, column - left] = tap
        oh, ow = -(-(height - i) // sh), -(-width // sw)
        below, right = below + oh - dy.shape[2], right + ow - dy.shape[3]
        y = conv2d(dy, filters, (1, 1), ((-above, below), (-left, right)), (1, 1), t.groups)
        y = y.reshape(t.n, t.groups, len(seen), t.c, oh, ow)
        for phase, j in enumerate(seen):
            part = dx[:, :, i::sh, j::sw]
            part[...] = y[:, :, phase, ..., : part.shape[3]].reshape(part.shape)
    return dx


def _taps_that_saw(t: Convolution, axis: int, phase: int) -> list[tuple[int, int]]:
    """Return [(tap, shift)]: pixel phase + S m was seen by that tap of output m + shift.

    For tap k of output o saw pixel o S + k D - before.
    """
    found = []
    for k in range(t.windows.kernel[axis]):
        origin = phase + t.windows.padding[axis][0] - k * t.windows.dilation[axis]
        if origin % t.windows.stride[axis] == 0:
            found.append((k, origin // t.windows.stride[axis]))
    return found


def _span(phases: Iterable[list[tuple[int, int]]]) -> Pair:
    """Return the least and the largest shift."""
    shifts = [shift for taps in phases for _, shift in taps]
    return min(shifts), max(shifts)


def _is_dense(t: Convolution) -> bool:
    return t.windows.stride == (1, 1)


def _is_dense_depthwise(t: Convolution) -> bool:
    return _is_dense(t) and cpu_depthwise.fits(t)


def _gathers_by_winograd(t: Convolution) -> bool:
    return _is_dense(t) and cpu_winograd.fits(_gathered(t))


def _always(t: Convolution) -> bool:
    return True


WAYS: dict[str, tuple[tuple[Callable[..., bool], Callable[..., Any]], ...]] = {
    "convolve": (
        (cpu_batch_last.begins, cpu_batch_last.convolve),
        (cpu_depthwise.fits, cpu_depthwise.convolve),
        (cpu_winograd.fits, cpu_winograd.convolve),
        (cpu_taps.fits, cpu_taps.convolve),
        (_always, cpu_columns.convolve),
    ),
    "input_grad": (
        (cpu_batch_last.folds, cpu_batch_last.input_grad),
        (_is_dense_depthwise, _gather),
        (cpu_depthwise.fits, cpu_depthwise.input_grad),
        (_gathers_by_winograd, _gather),
        (cpu_taps.fits, cpu_taps.input_grad),
        (_is_dense, _gather),
        (_always, _gather_phases),
    ),
    "weight_grad": (
        (cpu_batch_last.goes_on, cpu_batch_last.weight_grad),
        (cpu_depthwise.fits, cpu_depthwise.weight_grad),
        (cpu_winograd.fits_weight_grad, cpu_winograd.weight_grad),
        (cpu_taps.fits, cpu_taps.weight_grad),
        (_always, cpu_columns.weight_grad),
    ),
}
