"""Convolution on a GPU with many filters: columns are stored, and cuBLAS multiplies them.

Each number of the columns meets every filter, so with many filters the product outweighs the
copying, and cuBLAS's product is the fastest there is. It is called directly (see `cuda_blas`), so
that it writes each group's filters between those of others, and can be captured in a graph.

Columns are made for blocks of images, since they are KH KW times as large as these.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backend import array_module
from . import cuda
from .cuda_blas import multiply_into
from .cuda_conv_memory import (
    at_once,
    axes,
    channels_last,
    countable,
    described,
    filter_matrix,
    filters_last,
)
from .layout import Convolution, pixels
from .reference import Array

# Not measured. Estimated from the bandwidth of an H100's memory, 3 TB/s, and the rates of products
# that gather (conv_tile.cuh) and of cuBLAS's: above so many filters storing the columns pays.
MANY_FILTERS = 128
BLOCK_BYTES = 1 << 28  # of columns at a time


def has_many_filters(t: Convolution) -> bool:
    """Whether each number of the columns of x, or of their gradient, meets many others."""
    return t.f // t.groups > MANY_FILTERS and fits(t)


def has_many_channels(t: Convolution) -> bool:
    """Whether the input gradient's columns are worth storing."""
    return min(t.c, t.f // t.groups) > MANY_FILTERS and fits(t)


def fits(t: Convolution) -> bool:
    """Whether the columns of one image can be counted."""
    oh, ow = t.windows.out_hw
    return oh * ow * t.k <= cuda.MOST_ELEMENTS


def convolve(x: Array, w: Array, b: Array | None, t: Convolution) -> Array:
    """y = columns(x) w + b, a block of images at a time."""
    x, filters, y = countable(x), filter_matrix(w).reshape(-1, t.f), channels_last(t.y_shape, x)
    flat = pixels(y).reshape(-1, t.f)  # (N OH OW, F)
    for images, rows in _blocks(t, x.itemsize):
        for inputs, outputs in _groups(t):
            columns = _columns(x[images, inputs], t)  # (B OH OW, K)
            multiply_into(flat[rows, outputs], columns, filters[:, outputs])
    if b is not None:
        flat += b
    return y


def input_grad(dy: Array, w: Array, t: Convolution) -> Array:
    """dx = columns dy w^T, which each pixel gathers from where it was seen."""
    filters, dx = filter_matrix(w).reshape(-1, t.f), channels_last(t.x_shape, dy)
    xp, flat = array_module(dy), _flat(dy, t)
    for images, rows in _blocks(t, dy.itemsize):
        for inputs, outputs in _groups(t):
            seen = flat[rows, outputs]
            columns = xp.empty((len(seen), t.k), dtype=dy.dtype)
            multiply_into(columns, seen, filters[:, outputs].T)
            _gather(columns, dx[images, inputs], t)
    return dx


def weight_grad(dy: Array, x: Array, t: Convolution) -> Array:
    """dw = the sum over the blocks of columns(x)^T dy, in float32 or wider."""
    xp, x, dw = array_module(x), countable(x), filters_last(t.w_shape, dy)
    dy = _flat(dy, t)
    flat = dw.transpose(2, 3, 1, 0).reshape(-1, t.f)  # (K, F)
    blocks = list(_blocks(t, x.itemsize))
    total = flat if len(blocks) == 1 else xp.zeros(flat.shape, cuda.wide(x.dtype))
    for images, rows in blocks:
        for inputs, outputs in _groups(t):
            columns = _columns(x[images, inputs], t)
            multiply_into(flat[:, outputs], columns.T, dy[rows, outputs])
        if total is not flat:
            total += flat
    if total is not flat:
        flat[...] = total
    return dw


def _flat(dy: Array, t: Convolution) -> Array:
    """Return dy (N, F, OH, OW) as a matrix (N OH OW, F)."""
    return array_module(dy).ascontiguousarray(pixels(dy)).reshape(-1, t.f)


def _blocks(t: Convolution, itemsize: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of images whose columns, of one group, fill at most `BLOCK_BYTES`.

    With each comes the slice of its rows in matrices (N OH OW, ...).
    """
    oh, ow = t.windows.out_hw
    step = max(1, BLOCK_BYTES // (oh * ow * t.k * itemsize))
    for n in range(0, t.n, step):
        end = min(n + step, t.n)
        yield slice(n, end), slice(n * oh * ow, end * oh * ow)


def _groups(t: Convolution) -> Iterator[tuple[slice, slice]]:
    """Yield the channels and the filters of each group."""
    own = t.f // t.groups
    return ((slice(g * t.c, (g + 1) * t.c), slice(g * own, (g + 1) * own)) for g in range(t.groups))


def _columns(x: Array, t: Convolution) -> Array:
    """Return what each window over the images of one group sees, (B OH OW, K)."""
    oh, ow = t.windows.out_hw
    if _sees_pixels(t) and pixels(x).flags.c_contiguous:
        return pixels(x).reshape(-1, t.k)
    columns = array_module(x).empty((len(x) * oh * ow, t.k), dtype=x.dtype)
    _launch("conv_columns", x, columns, columns.size, x, t)
    return columns


def _sees_pixels(t: Convolution) -> bool:
    """Whether each window sees one pixel, the next one the next."""
    windows = t.windows
    return windows.kernel == windows.stride == (1, 1) and not np.any(windows.padding)


def _gather(columns: Array, dx: Array, t: Convolution) -> None:
    """dx, images of one group, = the sum of the columns that see each pixel."""
    _launch("conv_image", columns, dx, dx.size, dx, t)


def _launch(name: str, source: Array, target: Array, size: int, x: Array, t: Convolution) -> None:
    """Launch kernel `name` for so many numbers; x are the images among source and target."""
    vector = at_once(x, t.c)
    function = cuda.kernel("conv_columns.cu", name, x.dtype.char, f"AT_ONCE={vector}")
    description = described(axes(t), (len(x), t.c, 0, 1, 1, 0), x)
    grid = (cuda.blocks_for(size // vector),)
    cuda.launch(function, grid, (cuda.BLOCK,), source, target, description)
