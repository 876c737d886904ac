"""Pooling tuned for NumPy on a CPU: whole slices compared tap by tap, the channels last.

A window of a 2 x 2 pooling is never gathered. Its four pixels lie in four strided slices of the
image, and ``np.maximum`` of two slices treats every window at once, at the speed of memory. Blocks
of a few images keep the slices in cache from tap to tap.

*The 2 x 2 window with stride 2*, by far the most common, is played as a tournament: the left pixel
against the right one, then the upper winner against the lower one. That is three comparisons where
tap by tap there are six, and most of the second round goes over long runs of memory. No pixel is
under two windows, so the backward pass writes every gradient once, and adds nothing.

*Batch-last images* (see `cpu_batch_last`) are channels-last ones with batch and channels exchanged,
and pooling treats those two alike.

*Masks of bits.* A number of all ones or all zeros, bit by bit, keeps a gradient or makes it zero.
It is as fast as a product with 1 or 0, and leaves no NaN where the gradient is infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..threads import each
from . import reference
from .geometry import Padding, Pair
from .layout import (
    Windows,
    adding_into,
    blocks,
    channels_last,
    cut,
    in_float32,
    is_batch_last,
    windows_of,
    workspace,
)


def _each_block(function: Callable[[slice], None], x: np.ndarray) -> None:
    """Call `function` for slices of the batch, on threads.

    Twice as large as what a cache holds: every operation within ends with a wait for the
    interpreter lock, and short ones with a collision. A quarter faster than half a cache.
    """
    each(function, [(images,) for images, _ in blocks(len(x), 1, max(1, x[0].nbytes // 2))])


@in_float32
def max_pool2d(
    x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out_hw: Pair
) -> tuple[np.ndarray, np.ndarray]:
    """Return (y, winner), see the reference. Costs KH KW comparisons and maxima of slices."""
    if is_batch_last(x):
        x = x.swapaxes(0, 1)
        y, winner = max_pool2d(x, kernel, stride, padding, dilation, out_hw)
        return y.swapaxes(0, 1), winner.swapaxes(0, 1)
    windows = windows_of(out_hw, kernel, stride, padding, dilation)
    small = np.min_scalar_type(kernel[0] * kernel[1])  # a byte for all but giant windows
    y = channels_last((*x.shape[:2], *out_hw), x.dtype)
    winner = channels_last(y.shape, small)

    tournament = _is_tournament(windows, x.shape[2:])

    def block(images: slice) -> None:
        piece = cut(x[images], windows.rectangle(), fill=-np.inf)
        if tournament:
            _tournament(*(_pixels(a) for a in (piece, y[images], winner[images])))
            plain = not np.isnan(y[images].max())
        else:
            _running_maximum(piece, y[images], winner[images], windows)
            plain = np.isfinite(y[images]).all()
        if not plain:  # NaN, or nothing above the padding: think twice
            y[images], winner[images] = reference.max_pool2d(
                x[images], kernel, stride, padding, dilation, out_hw
            )

    _each_block(block, x)
    return y, winner


def _is_tournament(windows: Windows, input_hw: Pair) -> bool:
    """Whether these are 2 x 2 windows side by side that never leave the image."""
    (top, bottom), (left, right) = windows.rectangle()
    inside = top == left == 0 and bottom <= input_hw[0] and right <= input_hw[1]
    return inside and windows.kernel == windows.stride == (2, 2) and windows.dilation == (1, 1)


def _pixels(x: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) as (N, H, W, C)."""
    return x.transpose(0, 2, 3, 1)


def _tournament(x: np.ndarray, y: np.ndarray, winner: np.ndarray) -> None:
    """The best of each row of a window, then the best of these two; all (B, H, W, C)."""
    b, oh, ow, c = y.shape
    left, right = x[:, :, 0::2], x[:, :, 1::2]
    best = workspace("best", (b, 2 * oh, ow, c), x.dtype)
    is_right = workspace("is_right", best.shape, np.dtype(bool))
    np.maximum(left, right, out=best)
    np.greater(right, left, out=is_right)
    upper, lower = best[:, 0::2], best[:, 1::2]
    is_lower = workspace("is_lower", y.shape, np.dtype(bool))
    np.maximum(upper, lower, out=y)
    np.greater(lower, upper, out=is_lower)
    # winner = 2 + (lower is right) if is_lower else (upper is right)
    upper, lower, below = is_right[:, 0::2], is_right[:, 1::2], is_lower.view(np.uint8)
    np.bitwise_xor(upper, lower, out=winner.view(bool))
    winner &= below
    winner ^= upper.view(np.uint8)
    below += below
    winner |= below


def _to_winners(dy: np.ndarray, winner: np.ndarray, dx: np.ndarray) -> None:
    """Write each gradient to the pixel of its window that won, and 0 to the others."""
    bits = np.dtype(f"i{dy.itemsize}")
    right, below, upper, lower = (workspace(f"bits{i}", dy.shape, bits) for i in range(4))
    right[...] = winner
    np.right_shift(right, 1, out=below)
    np.negative(below, out=below)  # 1 becomes -1, which is all ones
    right &= 1
    np.negative(right, out=right)
    np.bitwise_and(dy.view(bits), below, out=lower)
    np.bitwise_xor(dy.view(bits), lower, out=upper)
    dx = dx.view(bits)
    for i, row in enumerate((upper, lower)):
        own = np.bitwise_and(row, right, out=below)
        dx[:, i::2, 1::2] = own
        np.bitwise_xor(row, own, out=dx[:, i::2, 0::2])


def _running_maximum(x: np.ndarray, y: np.ndarray, winner: np.ndarray, windows: Windows) -> None:
    """Walk over the taps in order; a pixel wins where it is greater than all before it."""
    greater = _scratch("greater", y, np.uint8)
    number = _scratch("number", y, winner.dtype)
    for i, j, rows, columns in windows.taps():
        pixel = x[:, :, rows, columns]  # (B, C, OH, OW)
        if i == j == 0:
            y[...] = pixel
            winner[...] = 0
            continue
        np.greater(pixel, y, out=greater.view(np.bool_))
        np.maximum(pixel, y, out=y)
        # A later winner has the larger number, so that a maximum replaces a masked assignment.
        np.multiply(greater, winner.dtype.type(i * windows.kernel[1] + j), out=number)
        np.maximum(winner, number, out=winner)


def _scratch(role: str, like: np.ndarray, dtype: Any) -> np.ndarray:
    """Return a workspace of the shape of `like`, channels last."""
    n, c, h, w = like.shape
    return workspace(role, (n, h, w, c), np.dtype(dtype)).transpose(0, 3, 1, 2)


@in_float32
def max_pool2d_input_grad(
    dy: np.ndarray,
    winner: np.ndarray,
    input_hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> np.ndarray:
    """dx: each output's gradient goes to the pixel that won."""
    if is_batch_last(winner):
        dy, winner = dy.swapaxes(0, 1), winner.swapaxes(0, 1)
        dx = max_pool2d_input_grad(dy, winner, input_hw, kernel, stride, padding, dilation)
        return dx.swapaxes(0, 1)
    windows = windows_of(dy.shape[2:], kernel, stride, padding, dilation)
    dx = channels_last((*dy.shape[:2], *input_hw), dy.dtype)
    bits = np.dtype(f"i{dy.itemsize}")
    tournament = _is_tournament(windows, input_hw)

    def block(images: slice) -> None:
        gradient = cut(dy[images], ((0, dy.shape[2]), (0, dy.shape[3])))
        won = winner[images]
        if tournament:
            (_, bottom), (_, side) = windows.rectangle()
            dx[images, :, bottom:], dx[images, :, :bottom, side:] = 0, 0
            inside = dx[images, :, :bottom, :side]
            _to_winners(*(_pixels(a) for a in (gradient, won, inside)))
            return
        here, mask = _scratch("here", won, bool), _scratch("mask", won, bits)
        with adding_into(dx[images], windows.rectangle()) as total:
            for i, j, rows, columns in windows.taps():
                np.equal(won, won.dtype.type(i * kernel[1] + j), out=here)
                np.copyto(mask, here)
                np.negative(mask, out=mask)  # 1 becomes -1, which is all ones
                np.bitwise_and(mask, gradient.view(bits), out=mask)
                total[:, :, rows, columns] += mask.view(dy.dtype)

    _each_block(block, dx)
    return dx


@in_float32
def avg_pool2d(
    x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, out_hw: Pair, divisor: Any
) -> np.ndarray:
    """y: the sum of each window over `divisor`."""
    if is_batch_last(x):
        return avg_pool2d(x.swapaxes(0, 1), kernel, stride, padding, out_hw, divisor).swapaxes(0, 1)
    windows = windows_of(out_hw, kernel, stride, padding)
    y = channels_last((*x.shape[:2], *out_hw), x.dtype)

    def block(images: slice) -> None:
        piece, total = cut(x[images], windows.rectangle()), y[images]
        for i, j, rows, columns in windows.taps():
            if i == j == 0:
                total[...] = piece[:, :, rows, columns]
            else:
                total += piece[:, :, rows, columns]
        total /= divisor

    _each_block(block, x)
    return y


@in_float32
def avg_pool2d_input_grad(
    dy: np.ndarray, input_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, divisor: Any
) -> np.ndarray:
    """dx: each output's gradient, over `divisor`, goes to every pixel of its window."""
    if is_batch_last(dy):
        dy = dy.swapaxes(0, 1)
        dx = avg_pool2d_input_grad(dy, input_hw, kernel, stride, padding, divisor)
        return dx.swapaxes(0, 1)
    windows = windows_of(dy.shape[2:], kernel, stride, padding)
    dx = channels_last((*dy.shape[:2], *input_hw), dy.dtype)

    def block(images: slice) -> None:
        share = _scratch("share", dy[images], dy.dtype)
        np.divide(dy[images], divisor, out=share)
        with adding_into(dx[images], windows.rectangle()) as total:
            for _, _, rows, columns in windows.taps():
                total[:, :, rows, columns] += share

    _each_block(block, dx)
    return dx
