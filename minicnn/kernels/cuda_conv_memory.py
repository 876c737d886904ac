"""What the CUDA kernels of convolution are told of shapes and memory, and new arrays for results.

Results are channels-last, as on the CPU (see `layout.py`). Images that are read may lie in any way:
kernels are given their strides, and copy several channels at once where these lie side by side.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..backend import array_module
from . import cuda
from .layout import Convolution
from .reference import Array

AT_ONCE = 16  # bytes that a thread can copy in one go
LANES = 8  # threads that share the parts of one sum; see conv_sum.cu

_AXIS = [(name, "i4") for name in ("source", "target", "taps", "stride", "before", "dilation")]
_COUNTS = [(name, "i4") for name in ("images", "from", "to", "groups", "splits", "filters")]
# `struct Convolution` of conv_window.cuh. CuPy passes an array of one such element by value.
DESCRIPTION = np.dtype(
    [("rows", _AXIS), ("columns", _AXIS), *_COUNTS, ("stride", "4i4"), ("other_stride", "4i4")]
)

Axes = tuple[tuple[int, ...], ...]  # of rows and columns


def axes(t: Convolution) -> Axes:
    """Return `struct Window` of rows and of columns, with x as the source and y as the target."""
    windows = t.windows
    rows, columns = (
        (
            t.input_hw[a],
            windows.out_hw[a],
            windows.kernel[a],
            windows.stride[a],
            windows.padding[a][0],
            windows.dilation[a],
        )
        for a in (0, 1)
    )
    return rows, columns


def described(
    axes: Axes, counts: tuple[int, ...], source: Array, other: Array | None = None
) -> np.ndarray:
    """Return `struct Convolution` with these axes and `_COUNTS`, and the strides of the images."""
    others = (0,) * 4 if other is None else _strides(other)
    return np.array([(*axes, *counts, _strides(source), others)], DESCRIPTION)


def _strides(x: Array) -> tuple[int, ...]:
    """Return the strides of images (N, C, H, W) in numbers, in the order N, H, W, C."""
    n, c, h, w = (s // x.itemsize for s in x.strides)
    return n, h, w, c


def countable(x: Array) -> Array:
    """Return `x`, or a dense copy if its memory spans more numbers than kernels can count."""
    span = sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True))
    if span // x.itemsize <= cuda.MOST_ELEMENTS:
        return x
    return array_module(x).ascontiguousarray(x)


def at_once(x: Array, channels: int) -> int:
    """Return how many channels of images `x` can be copied in one go: as many as fit, or one.

    `channels` is how many belong together; what is copied in one go must not reach beyond them.
    """
    count = AT_ONCE // x.itemsize
    others = [s for a, s in enumerate(x.strides) if a != 1 and x.shape[a] > 1]
    aligned = not any(value % AT_ONCE for value in (x.data.ptr, *others))
    return count if aligned and x.strides[1] == x.itemsize and channels % count == 0 else 1


def filters_at_once(w: Array, filters: int) -> int:
    """Return how many of `filters` that belong together can be copied from (KH, KW, C, F)."""
    count = AT_ONCE // w.itemsize
    return count if w.data.ptr % AT_ONCE == 0 and filters % count == 0 else 1


def filter_matrix(w: Array) -> Array:
    """Return filters (F, C, KH, KW) as (KH, KW, C, F), without a copy if they lie so."""
    return array_module(w).ascontiguousarray(w.transpose(2, 3, 1, 0))


# A new array in the order of another one owns its memory; a transposed one would not, and the
# engine adds gradients in place only where nobody else can see them.


@functools.cache
def _in_order(xp: Any, *order: int) -> Array:
    return xp.empty((2, 2, 2, 2)).transpose(order)


def channels_last(shape: tuple[int, ...], like: Array) -> Array:
    """Return a new array (N, C, H, W) that lies in memory as (N, H, W, C)."""
    xp = array_module(like)
    return xp.empty_like(_in_order(xp, 0, 3, 1, 2), dtype=like.dtype, shape=shape)


def filters_last(shape: tuple[int, ...], like: Array) -> Array:
    """Return a new array (F, C, KH, KW) that lies in memory as (KH, KW, C, F)."""
    xp = array_module(like)
    return xp.empty_like(_in_order(xp, 3, 2, 0, 1), dtype=like.dtype, shape=shape)


def parts(count: int, like: Array) -> Array:
    """Return memory for `count` arrays like this one, in the type that kernels add up in."""
    return array_module(like).empty((count, like.size), dtype=cuda.wide(like.dtype))


def add_up(terms: Array, y: Array, b: Array | None = None) -> None:
    """y = the sum of its `parts`, + b for each of the last axis of its memory."""
    function = cuda.kernel("conv_sum.cu", "conv_sum", y.dtype.char)
    filters = 1 if b is None else b.size
    grid = (-(-y.size // 32),)
    cuda.launch(function, grid, (32, LANES), terms, b, y, len(terms), y.size, filters)
