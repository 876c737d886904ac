"""Convolution on a GPU with one channel a group: a short sum for each output, and no matrices.

A product of matrices would have one row of filters to use each number for, and tiles nearly empty.
Here the threads of a warp work on neighbouring channels and read what lies side by side.
"""

from __future__ import annotations

from typing import Any

from . import cuda
from .cuda_conv_memory import (
    LANES,
    add_up,
    axes,
    channels_last,
    countable,
    described,
    filter_matrix,
    filters_last,
    parts,
)
from .layout import Convolution
from .reference import Array

BLOCKS = 528  # wanted for a weight gradient: four for each multiprocessor of a large GPU
LEAST_PIXELS = 64  # for each thread of one


def fits(t: Convolution) -> bool:
    """Whether each group has one channel, and there are several."""
    return t.c == 1 and t.groups > 1


def convolve(x: Array, w: Array, b: Array | None, t: Convolution) -> Array:
    """y = the sum over the taps of x w, + b."""
    x, y = countable(x), channels_last(t.y_shape, x)
    function = _kernel("conv_depthwise", x)
    grid = (cuda.blocks_for(y.size),)
    cuda.launch(function, grid, (cuda.BLOCK,), x, filter_matrix(w), b, y, _described(t, x))
    return y


def input_grad(dy: Array, w: Array, t: Convolution) -> Array:
    """dx = the sum over the outputs that saw each pixel of dy w."""
    dy, dx = countable(dy), channels_last(t.x_shape, dy)
    function = _kernel("conv_depthwise_input_grad", dy)
    grid = (cuda.blocks_for(dx.size),)
    cuda.launch(function, grid, (cuda.BLOCK,), dy, filter_matrix(w), dx, _described(t, dx, dy))
    return dx


def weight_grad(dy: Array, x: Array, t: Convolution) -> Array:
    """dw = the sum over the pixels of dy x, which several blocks share."""
    dy, x, dw = countable(dy), countable(x), filters_last(t.w_shape, dy)
    (kh, kw), (oh, ow) = t.windows.kernel, t.windows.out_hw
    across = -(-t.f // 32)
    most = t.n * oh * ow // (LANES * LEAST_PIXELS)
    splits = max(1, min(BLOCKS // (across * kh * kw), most))
    found = parts(splits, dw)
    function = _kernel("conv_depthwise_weight_grad", x)
    grid = (across, kh * kw, splits)
    cuda.launch(function, grid, (32, LANES), dy, x, found, _described(t, x, dy))
    add_up(found, dw)
    return dw


def _kernel(name: str, like: Array) -> Any:
    return cuda.kernel("conv_depthwise.cu", name, like.dtype.char)


def _described(t: Convolution, x: Array, dy: Array | None = None) -> Any:
    return described(axes(t), (t.n, 1, t.f // t.groups, t.groups, 1, t.f), x, dy)
