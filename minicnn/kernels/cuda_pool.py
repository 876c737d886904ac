"""Pooling on a GPU; the kernels are in `pool.cu`. Images are brought to channels last."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import array_module
from .cuda import BLOCK, blocks_for, kernel, lanes, launch, wide
from .geometry import Padding, Pair

_FIELDS = ("n", "h", "w", "c", "oh", "ow", "kh", "kw", "sh", "sw", "top", "left", "dh", "dw")
_WINDOWS = np.dtype([(name, np.int32) for name in _FIELDS])  # the struct of pool.cu
_WINNERS = {"B": "unsigned char", "H": "unsigned short", "I": "unsigned int", "i": "int"}


def _windows(
    shape: Any, hw: Pair, out_hw: Pair, kernel: Pair, stride: Pair, padding: Padding,
    dilation: Pair = (1, 1),
) -> np.ndarray:  # fmt: skip
    """Return the struct for images (N, H, W, C) or their outputs, whose `shape` gives N and C."""
    starts = (padding[0][0], padding[1][0])
    sizes = (shape[0], *hw, shape[3], *out_hw, *kernel, *stride, *starts, *dilation)
    return np.array([sizes], _WINDOWS)


def _pixels(x: Any) -> Any:
    """Return images (N, C, H, W) as contiguous (N, H, W, C)."""
    return array_module(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def _images(x: Any) -> Any:
    """Return (N, H, W, C) as (N, C, H, W)."""
    return x.transpose(0, 3, 1, 2)


def _start(name: str, y: Any, images: tuple[Any, ...], *others: Any, winners: str = "B") -> None:
    """Start a kernel with a thread for each pack of numbers of y; it takes (*images, *others)."""
    pack = lanes(y.shape[3], y, *images)
    macros = (f"LANES={pack}", f"WINNER={_WINNERS[winners]}")
    function = kernel("pool.cu", name, y.dtype.char, *macros)
    launch(function, (blocks_for(y.size // pack),), (BLOCK,), *images, *others)


def max_pool2d(
    x: Any, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out_hw: Pair
) -> tuple[Any, Any]:
    """See `reference.max_pool2d`; the winner is a byte for all but giant windows."""
    x, xp = _pixels(x), array_module(x)
    y = xp.empty((len(x), *out_hw, x.shape[3]), dtype=x.dtype)
    winner = xp.empty(y.shape, dtype=np.min_scalar_type(kernel[0] * kernel[1]))
    windows = _windows(x.shape, x.shape[1:3], out_hw, kernel, stride, padding, dilation)
    _start("max_pool", y, (x, y, winner), windows, winners=winner.dtype.char)
    return _images(y), _images(winner)


def max_pool2d_input_grad(
    dy: Any, winner: Any, input_hw: Pair, kernel: Pair, stride: Pair, padding: Padding,
    dilation: Pair,
) -> Any:  # fmt: skip
    """See `reference.max_pool2d_input_grad`."""
    if winner.dtype.char not in _WINNERS:
        winner = winner.astype(np.int32)
    dy, winner, xp = _pixels(dy), _pixels(winner), array_module(dy)
    dx = xp.empty((len(dy), *input_hw, dy.shape[3]), dtype=dy.dtype)
    windows = _windows(dy.shape, input_hw, dy.shape[1:3], kernel, stride, padding, dilation)
    _start("max_pool_grad", dx, (dy, winner, dx), windows, winners=winner.dtype.char)
    return _images(dx)


def avg_pool2d(
    x: Any, kernel: Pair, stride: Pair, padding: Padding, out_hw: Pair, divisor: Any
) -> Any:
    """See `reference.avg_pool2d`."""
    x, xp = _pixels(x), array_module(x)
    y = xp.empty((len(x), *out_hw, x.shape[3]), dtype=x.dtype)
    windows = _windows(x.shape, x.shape[1:3], out_hw, kernel, stride, padding)
    _start("avg_pool", y, (x, y), *_divisor(divisor, x), windows)
    return _images(y)


def avg_pool2d_input_grad(
    dy: Any, input_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, divisor: Any
) -> Any:
    """See `reference.avg_pool2d_input_grad`."""
    dy, xp = _pixels(dy), array_module(dy)
    dx = xp.empty((len(dy), *input_hw, dy.shape[3]), dtype=dy.dtype)
    windows = _windows(dy.shape, input_hw, dy.shape[1:3], kernel, stride, padding)
    _start("avg_pool_grad", dx, (dy, dx), *_divisor(divisor, dy), windows)
    return _images(dx)


def _divisor(divisor: Any, like: Any) -> tuple[Any, Any]:
    """Return (array or None, number) for a divisor that is one or the other."""
    number = wide(like.dtype)
    if isinstance(divisor, (int, float)):
        return None, number(divisor)
    return array_module(like).ascontiguousarray(divisor.astype(like.dtype, copy=False)), number(1)
