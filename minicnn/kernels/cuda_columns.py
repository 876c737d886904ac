"""Sums over rows, normalisation, a bias's gradient on a GPU; the kernels are in `columns.cu`.

A forward pass reads x twice and writes y once, in three launches: the statistics of chunks of rows,
those of groups, the result. The backward pass does the like with dy and x.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..backend import array_module
from . import reference
from .cuda import BLOCK, kernel, lanes, launch, one_run, wide
from .cuda_relu import relu_grad

CHAIN = 128  # rows that one thread adds up at most: a float keeps its digits over so few
FILL = 4 * 132 * BLOCK  # threads that keep a large GPU's memory busy
ADDERS = 128  # threads that add up the chunks of one group
Arrays = tuple[Any, Any, Any]


class _Columns(NamedTuple):
    """How arrays (B, P, C) are divided among threads: see the head of `columns.cu`."""

    dtype: Any
    lanes: int
    chunk: int
    chunks: int
    grid: tuple[int, int]
    block: tuple[int, int]

    def launch(self, name: str, *arguments: Any) -> None:
        """Start a kernel that walks over all rows."""
        self._start(name, self.grid, self.block, arguments)

    def launch_each(self, name: str, count: int, *arguments: Any) -> None:
        """Start a kernel of `count` blocks that add up what the others found."""
        self._start(name, (count,), (ADDERS,), arguments)

    def _start(self, name: str, grid: Any, block: Any, arguments: tuple[Any, ...]) -> None:
        function = kernel("columns.cu", name, self.dtype.char, f"LANES={self.lanes}")
        launch(function, grid, block, *arguments)


def _columns(shape: tuple[int, ...], *arrays: Any) -> _Columns:
    """Return how to divide contiguous arrays of `shape` (B, P, C), and others of length C."""
    b, p, c = shape
    pack = lanes(c, *arrays)
    across = min(32, 1 << (-(-c // pack) - 1).bit_length())
    down = BLOCK // across
    length = min(CHAIN, max(8, -(-b * p * c // (pack * FILL))))  # rows for each thread
    chunk = down * length
    chunks = -(-p // chunk)
    tiles = -(-c // (pack * across))
    return _Columns(arrays[0].dtype, pack, chunk, chunks, (b * tiles, chunks), (across, down))


def _wide_empty(like: Any, *shape: int) -> Any:
    return array_module(like).empty(shape, dtype=wide(like.dtype))


def _contiguous(*arrays: Any) -> list[Any]:
    return [array_module(a).ascontiguousarray(a) for a in arrays]


def channel_norm(x: Any, w: Any, b: Any, groups: int, eps: float) -> Arrays:
    """See `norm.channel_norm`."""
    x, w, b = _contiguous(x, w, b)
    parts, rows, channels = x.shape
    y = array_module(x).empty_like(x)
    how = _columns(x.shape, x, y)
    means = _wide_empty(x, parts, how.chunks, channels)
    squares = _wide_empty(x, parts, how.chunks, channels)
    mean, var = _wide_empty(x, parts, groups), _wide_empty(x, parts, groups)
    sizes, number = (rows, channels, groups), wide(x.dtype)
    how.launch("chunk_statistics", x, means, squares, rows, channels, how.chunk)
    how.launch_each(
        "group_statistics", mean.size, means, squares, mean, var, *sizes, how.chunk, how.chunks
    )
    how.launch("normalize", x, w, b, mean, var, y, *sizes, number(eps), how.chunk)
    return y, mean, var


def channel_norm_grad(dy: Any, x: Any, w: Any, mean: Any, inv_std: Any) -> Arrays:
    """See `norm.channel_norm_grad`."""
    dy, x, w, mean, inv_std = _contiguous(dy, x, w, mean, inv_std)
    (parts, rows, channels), groups = x.shape, mean.shape[1]
    dx = array_module(x).empty_like(x)
    how = _columns(x.shape, dy, x, dx)
    plain = _wide_empty(x, parts, how.chunks, channels)
    along = _wide_empty(x, parts, how.chunks, channels)
    q, s = _wide_empty(x, parts, groups), _wide_empty(x, parts, groups)
    dw, db = _wide_empty(x, channels), _wide_empty(x, channels)
    sizes = (rows, channels, groups)
    how.launch("chunk_gradients", dy, x, mean, plain, along, *sizes, how.chunk)
    sums = (plain, along, w, inv_std, q, s, dw, db)
    how.launch_each("group_gradients", mean.size + channels, *sums, parts, *sizes, how.chunks)
    how.launch("normalize_grad", dy, x, w, mean, inv_std, q, s, dx, *sizes, how.chunk)
    return dx, dw, db


def scale_shift(x: Any, scale: Any, shift: Any) -> Any:
    """See `norm.scale_shift`."""
    x, scale, shift = _contiguous(x, scale, shift)
    y = array_module(x).empty_like(x)
    how = _columns(x.shape, x, y, scale, shift)
    how.launch("scale_shift", x, scale, shift, y, *x.shape[1:], how.chunk)
    return y


def sum(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """See `reference.sum`; sums that are not over the slowest axes in memory are CuPy's."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    kept = [axis for axis in order if axis not in dim]
    moved = x.transpose(order)
    if not kept or kept != order[len(dim) :] or not moved.flags.c_contiguous:
        return reference.sum(x, dim, keepdim)
    lengths = [x.shape[axis] for axis in kept]
    shape = (1, x.size // math.prod(lengths), math.prod(lengths))
    y = _sums("chunk_sums", shape, x).reshape(lengths)
    y = y.transpose(sorted(range(y.ndim), key=kept.__getitem__))
    return array_module(x).expand_dims(y, dim) if keepdim else y


def bias_relu_grad(dy: Any, y: Any) -> tuple[Any, Any]:
    """See `reference.bias_relu_grad`; in one pass if the channels are last in memory."""
    if not array_module(y).moveaxis(y, 1, -1).flags.c_contiguous:
        dx = relu_grad(dy, y)
        return dx, sum(dx, (0, *range(2, dx.ndim)), False)
    dx, channels = array_module(y).empty_like(y), y.shape[1]
    if not one_run(y, dy):
        dx[...] = dy  # laid out like y
        dy = dx
    return dx, _sums("chunk_relu_grad", (1, y.size // channels, channels), dy, y, dx)


def _sums(name: str, shape: tuple[int, ...], *arrays: Any) -> Any:
    """Return the sums (C,) over the rows of what kernel `name` finds in arrays (1, P, C)."""
    how = _columns(shape, *arrays)
    y = _wide_empty(arrays[0], shape[2])
    sums = _wide_empty(arrays[0], how.chunks, shape[2]) if how.chunks > 1 else y
    how.launch(name, *arrays, sums, *shape[1:], how.chunk)
    if how.chunks > 1:
        how.launch_each("total", shape[2], sums, y, shape[2], how.chunks)
    return y
