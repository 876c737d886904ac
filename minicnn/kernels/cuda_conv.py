"""Convolution on a CUDA GPU: the same results as `reference.py`, without ever waiting for the GPU.

As on the CPU, no way is the best for every convolution. The tables at the end say which is taken:
the first that fits. Each has its reasons in its own file:

* `cuda_conv_depthwise`: one channel a group, no matrices at all;
* `cuda_conv_columns`: many filters, as a large matrix product by cuBLAS on stored columns;
* `cuda_conv_tiles`: everything else, as matrix products that gather what they need.

Every way is deterministic: nothing is added up in an order that may change.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from . import cuda, cuda_conv_columns, cuda_conv_depthwise, cuda_conv_tiles, reference
from .geometry import Padding, Pair
from .layout import Convolution, Windows
from .reference import Array, output_hw


def conv2d(
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    b: Array | None = None,
) -> Array:
    """See `reference.conv2d`."""
    out_hw = output_hw(x.shape[2:], w.shape[2:], stride, padding, dilation)
    windows = Windows(out_hw, w.shape[2:], stride, padding, dilation)
    t = Convolution(len(x), w.shape[1], len(w), groups, x.shape[2:], windows, False)
    way = _first(CONVOLVE, t)
    if way is None:
        return reference.conv2d(x, w, stride, padding, dilation, groups, b)
    return way(x, w, b, t)


def conv2d_input_grad(
    dy: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """See `reference.conv2d_input_grad`."""
    windows = Windows(dy.shape[2:], w.shape[2:], stride, padding, dilation)
    t = Convolution(len(dy), w.shape[1], len(w), groups, input_hw, windows, False)
    way = _first(INPUT_GRAD, t)
    if way is None:
        return reference.conv2d_input_grad(dy, w, input_hw, stride, padding, dilation, groups)
    return way(dy, w, t)


def conv2d_weight_grad(
    dy: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """See `reference.conv2d_weight_grad`."""
    windows = Windows(dy.shape[2:], kernel_hw, stride, padding, dilation)
    c, f = x.shape[1] // groups, dy.shape[1]
    t = Convolution(len(x), c, f, groups, x.shape[2:], windows, False)
    way = _first(WEIGHT_GRAD, t)
    if way is None:
        return reference.conv2d_weight_grad(dy, x, kernel_hw, stride, padding, dilation, groups)
    return way(dy, x, t)


def _first(ways: Any, t: Convolution) -> Callable[..., Array] | None:
    """Return the first way that fits, or None if there are more numbers than kernels can count."""
    sizes = map(prod, (t.x_shape, t.y_shape, t.w_shape))
    if not all(0 < size <= cuda.MOST_ELEMENTS for size in sizes):
        return None
    return next((way for fits, way in ways if fits(t)), None)


CONVOLVE = (
    (cuda_conv_depthwise.fits, cuda_conv_depthwise.convolve),
    (cuda_conv_columns.has_many_filters, cuda_conv_columns.convolve),
    (cuda_conv_tiles.fits, cuda_conv_tiles.convolve),
    (cuda_conv_columns.fits, cuda_conv_columns.convolve),
)
INPUT_GRAD = (
    (cuda_conv_depthwise.fits, cuda_conv_depthwise.input_grad),
    (cuda_conv_columns.has_many_channels, cuda_conv_columns.input_grad),
    (cuda_conv_tiles.fits, cuda_conv_tiles.input_grad),
    (cuda_conv_columns.fits, cuda_conv_columns.input_grad),
)
WEIGHT_GRAD = (
    (cuda_conv_depthwise.fits, cuda_conv_depthwise.weight_grad),
    (cuda_conv_columns.has_many_filters, cuda_conv_columns.weight_grad),
    (cuda_conv_tiles.fits, cuda_conv_tiles.weight_grad),
    (cuda_conv_columns.fits, cuda_conv_columns.weight_grad),
)
