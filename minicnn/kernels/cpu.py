"""Convolution tuned for NumPy on a CPU: the same results as `reference.py`, several times faster.

What differs from the plain im2col, and what each step buys:

* channels-last memory: columns are copied in long runs, and the product needs no transpose;
* blocks of a few images: the columns stay in cache between the copy and the product;
* the input gradient at stride 1 gathers (one more convolution) instead of scattering;
* with fewer than 8 channels those runs are short, so columns are built along image rows instead;
* with one channel a group (depthwise), products and sums of whole slices, no matrices at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..threads import add_up, each
from .geometry import Padding, Pair
from .layout import (
    Windows,
    adding_into,
    as_rows,
    blocks,
    channels_last,
    cut,
    in_float32,
    workspace,
)
from .reference import output_hw

FEW_CHANNELS = 8  # below this, columns along image rows were faster; measured


def _few(c: int) -> bool:
    return c < FEW_CHANNELS


def _columns(x: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what each window of output `rows` sees, one window a row: (B R OW, K).

    K counts (KH, KW, C), so that a row of the window is one run in memory; with few channels
    (C, KH, KW), and the matrix is the transpose of one built along the rows of the image.
    """
    few = _few(x.shape[1])
    piece = cut(x, windows.rectangle(rows), rows_last=few)
    b, c = piece.shape[:2]
    sb, sc, sh, sw = piece.strides
    (kh, kw), (oh, ow) = windows.kernel, (rows.stop - rows.start, windows.out_hw[1])
    window = sh * windows.dilation[0], sw * windows.dilation[1]
    step = sh * windows.stride[0], sw * windows.stride[1]
    if few:
        shape: tuple[int, ...] = (c, kh, kw, b, oh, ow)
        view = as_strided(piece, shape, (sc, *window, sb, *step))
    else:
        shape = (b, oh, ow, kh, kw, c)
        view = as_strided(piece, shape, (sb, *step, *window, sc))
    if not view.flags.c_contiguous:  # it is, for instance, under a 1 x 1 kernel
        columns = workspace("columns", shape, x.dtype)
        columns[...] = view
        view = columns
    return view.reshape(c * kh * kw, -1).T if few else view.reshape(-1, kh * kw * c)


def _filters(w: np.ndarray) -> np.ndarray:
    """Return the filters as a matrix (K, F), K in the order of `_columns`."""
    f, c = w.shape[:2]
    if _few(c):
        return w.reshape(f, -1).T
    return w.transpose(2, 3, 1, 0).reshape(-1, f)


def _row_bytes(x: np.ndarray, windows: Windows) -> int:
    """The bytes of the columns of one row of output."""
    return windows.out_hw[1] * x.shape[1] * windows.kernel[0] * windows.kernel[1] * x.itemsize


def _group(x: np.ndarray, g: int, groups: int) -> np.ndarray:
    """Return the channels of group `g`."""
    width = x.shape[1] // groups
    return x[:, g * width : (g + 1) * width]


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
    """y = columns(x) w + b, block by block, written straight into channels-last memory."""
    f, c, kernel = len(w), w.shape[1], w.shape[2:]
    out_hw = output_hw(x.shape[2:], kernel, stride, padding, dilation)
    windows = Windows(out_hw, kernel, stride, padding, dilation)
    y = channels_last((len(x), f, *out_hw), x.dtype)
    if c == 1 and f == groups > 1:
        _depthwise(x, w, b, y, windows)
        return y
    for g, wg in enumerate(np.split(w, groups)):
        xg, yg, filters = _group(x, g, groups), _group(y, g, groups), _filters(wg)
        bg = None if b is None else b[g * len(wg) : (g + 1) * len(wg)]

        def piece(images: slice, rows: slice, xg=xg, yg=yg, filters=filters, bg=bg) -> None:
            columns = _columns(xg[images], rows, windows)  # (B R OW, K)
            pixels = np.matmul(columns, filters, out=as_rows(yg[images, :, rows]))
            if bg is not None:
                pixels += bg

        each(piece, blocks(len(x), out_hw[0], _row_bytes(xg, windows)))
    return y


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
    """dx = a convolution of dy with the flipped filters at stride 1; else columns added back."""
    f, c, kernel = len(w), w.shape[1], w.shape[2:]
    windows = Windows(dy.shape[2:], kernel, stride, padding, dilation)
    if stride == (1, 1):
        flipped = w.reshape(groups, f // groups, c, *kernel)[..., ::-1, ::-1]
        flipped = flipped.swapaxes(1, 2).reshape(groups * c, f // groups, *kernel)
        return conv2d(dy, flipped, stride, _gathering(input_hw, windows), dilation, groups)
    dx = channels_last((len(dy), groups * c, *input_hw), dy.dtype)
    if c == 1 and f == groups > 1:
        _depthwise_input_grad(dy, w, dx, windows)
        return dx
    for g, wg in enumerate(np.split(w, groups)):
        _scatter_columns(_group(dy, g, groups), wg, _group(dx, g, groups), windows)
    return dx


def _gathering(input_hw: Pair, windows: Windows) -> Padding:
    """Return the padding of dy with which each pixel of dx finds the outputs that saw it."""
    sides = []
    for axis in (0, 1):
        reach = windows.dilation[axis] * (windows.kernel[axis] - 1)
        before = reach - windows.padding[axis][0]
        sides.append((before, input_hw[axis] + reach - windows.out_hw[axis] - before))
    return sides[0], sides[1]


def _scatter_columns(dy: np.ndarray, w: np.ndarray, dx: np.ndarray, windows: Windows) -> None:
    """dx = col2im(dy w^T), a block of images at a time, each in bands of rows if it is large."""
    (kh, kw), oh, c = windows.kernel, windows.out_hw[0], dx.shape[1]
    filters = w.transpose(0, 2, 3, 1).reshape(len(w), -1)  # (F, KH KW C)
    row_bytes = _row_bytes(dx, windows)

    def piece(images: slice, _: slice) -> None:
        with adding_into(dx[images], windows.rectangle()) as total:
            for part, rows in blocks(len(total), oh, row_bytes):
                band = dy[images][part, :, rows]  # (B, F, R, OW)
                columns = workspace("columns", (*_bhw(band), kh, kw, c), dy.dtype)
                np.matmul(as_rows(band), filters, out=columns.reshape(-1, kh * kw * c))
                columns = columns.transpose(3, 4, 0, 5, 1, 2)  # (KH, KW, B, C, R, OW)
                seen = total[part, :, rows.start * windows.stride[0] :]
                for i, j, y, x in windows.taps(rows):
                    seen[:, :, y, x] += columns[i, j]

    each(piece, blocks(len(dy), 1, oh * row_bytes))


def _bhw(x: np.ndarray) -> tuple[int, int, int]:
    return x.shape[0], x.shape[2], x.shape[3]


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
    """dw = sum over the blocks of dy^T columns(x)."""
    windows = Windows(dy.shape[2:], kernel_hw, stride, padding, dilation)
    f, c = dy.shape[1] // groups, x.shape[1] // groups
    if c == f == 1 and groups > 1:
        return _depthwise_weight_grad(dy, x, windows)
    dw = np.zeros((groups, f, c * kernel_hw[0] * kernel_hw[1]), dy.dtype)
    for g in range(groups):
        xg, dyg = _group(x, g, groups), _group(dy, g, groups)

        def piece(images: slice, rows: slice, total: Any, xg=xg, dyg=dyg) -> None:
            columns = _columns(xg[images], rows, windows)  # (B R OW, K)
            total += np.matmul(
                as_rows(dyg[images, :, rows]).T,
                columns,
                out=workspace("dw", total.shape, total.dtype),
            )

        add_up(piece, blocks(len(x), dy.shape[2], _row_bytes(xg, windows)), dw[g])
    if _few(c):
        return dw.reshape(groups * f, c, *kernel_hw)
    dw = dw.reshape(groups * f, *kernel_hw, c).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(dw)


# -------------------------------------------------------------------------------- depthwise
#
# One channel a group: the matrices would have one column. Instead each tap multiplies a whole slice
# of the images, (B, R, OW, C) with the channels last. A row of weights is repeated OW times so that
# both factors run over the same OW C adjacent numbers.


def _per_pixel(w: np.ndarray, ow: int) -> np.ndarray:
    """Return the filters (C, 1, KH, KW) as (KH, KW, OW, C)."""
    weights = w[:, 0].transpose(1, 2, 0)[:, :, None]
    return np.ascontiguousarray(np.broadcast_to(weights, (*w.shape[2:], ow, len(w))))


def _slices(x: np.ndarray, rows: slice, windows: Windows) -> list:
    """Return (i, j, pixels under tap (i, j)), the pixels as (B, R, OW, C)."""
    piece = cut(x, windows.rectangle(rows)).transpose(0, 2, 3, 1)
    return [(i, j, piece[:, y, x]) for i, j, y, x in windows.taps(rows)]


def _depthwise(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, windows: Windows
) -> None:
    weights = _per_pixel(w, windows.out_hw[1])

    def piece(images: slice, rows: slice) -> None:
        total = y[images, :, rows].transpose(0, 2, 3, 1)  # (B, R, OW, C)
        product = workspace("product", total.shape, x.dtype)
        for i, j, pixels in _slices(x[images], rows, windows):
            if i == j == 0:
                np.multiply(pixels, weights[i, j], out=total)
            else:
                np.multiply(pixels, weights[i, j], out=product)
                total += product
        if b is not None:
            total += b

    each(piece, blocks(len(x), windows.out_hw[0], 4 * weights[0, 0].nbytes))


def _depthwise_input_grad(dy: np.ndarray, w: np.ndarray, dx: np.ndarray, windows: Windows) -> None:
    weights = _per_pixel(w, windows.out_hw[1])

    def piece(images: slice, _: slice) -> None:
        pixels = dy[images].transpose(0, 2, 3, 1)  # (B, OH, OW, C)
        product = workspace("product", pixels.shape, dy.dtype)
        with adding_into(dx[images], windows.rectangle()) as total:
            for i, j, y, x in windows.taps():
                np.multiply(pixels, weights[i, j], out=product)
                total[:, :, y, x] += product.transpose(0, 3, 1, 2)

    each(piece, blocks(len(dy), 1, 4 * windows.out_hw[0] * weights[0, 0].nbytes))


def _depthwise_weight_grad(dy: np.ndarray, x: np.ndarray, windows: Windows) -> np.ndarray:
    c, (oh, ow) = x.shape[1], windows.out_hw
    dw = np.zeros((*windows.kernel, c), dy.dtype)

    def piece(images: slice, rows: slice, total: np.ndarray) -> None:
        pixels_dy = dy[images, :, rows].transpose(0, 2, 3, 1)  # (B, R, OW, C)
        product = workspace("product", pixels_dy.shape, x.dtype)
        ones = np.ones(product.size // c, x.dtype)
        for i, j, pixels in _slices(x[images], rows, windows):
            np.multiply(pixels, pixels_dy, out=product)
            total[i, j] += ones @ product.reshape(-1, c)  # a sum of columns, at BLAS speed

    add_up(piece, blocks(len(x), oh, 4 * ow * c * x.itemsize), dw)
    return np.ascontiguousarray(dw.transpose(2, 0, 1)[:, None])
