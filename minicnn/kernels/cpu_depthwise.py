"""Depthwise convolution on the CPU: one channel and one filter a group.

The matrices would have one column. Instead each tap multiplies a whole slice of the images,
(B, R, OW, C) with the channels last. A row of weights is repeated OW times so that both factors run
over the same OW C adjacent numbers.
"""

from __future__ import annotations

import numpy as np

from ..threads import add_up, each
from .layout import Convolution, Windows, adding_into, blocks, channels_last, cut, pixels, workspace


def _per_pixel(w: np.ndarray, ow: int) -> np.ndarray:
    """Return the filters (C, 1, KH, KW) as (KH, KW, OW, C)."""
    weights = w[:, 0].transpose(1, 2, 0)[:, :, None]
    return np.ascontiguousarray(np.broadcast_to(weights, (*w.shape[2:], ow, len(w))))


def _slices(x: np.ndarray, rows: slice, windows: Windows) -> list:
    """Return (i, j, pixels under tap (i, j)), the pixels as (B, R, OW, C)."""
    piece = pixels(cut(x, windows.rectangle(rows)))
    return [(i, j, piece[:, y, x]) for i, j, y, x in windows.taps(rows)]


def fits(t: Convolution) -> bool:
    """Whether there is one channel and one filter a group."""
    return t.c == 1 and t.f == t.groups > 1


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, t: Convolution) -> np.ndarray:
    """y = sum over taps of the pixels under it times its weight."""
    y, windows = channels_last(t.y_shape, x.dtype), t.windows
    weights = _per_pixel(w, windows.out_hw[1])

    def piece(images: slice, rows: slice) -> None:
        total = pixels(y[images, :, rows])  # (B, R, OW, C)
        product = workspace("product", total.shape, x.dtype)
        for i, j, seen in _slices(x[images], rows, windows):
            if i == j == 0:
                np.multiply(seen, weights[i, j], out=total)
            else:
                np.multiply(seen, weights[i, j], out=product)
                total += product
        if b is not None:
            total += b

    each(piece, blocks(len(x), windows.out_hw[0], 4 * weights[0, 0].nbytes))
    return y


def input_grad(dy: np.ndarray, w: np.ndarray, t: Convolution) -> np.ndarray:
    """dx = sum over taps of dy times its weight, where the tap's pixel is."""
    dx, windows = channels_last(t.x_shape, dy.dtype), t.windows
    weights = _per_pixel(w, windows.out_hw[1])
    whole = (0, windows.out_hw[0]), (0, windows.out_hw[1])

    def piece(images: slice, _: slice) -> None:
        gradient = pixels(cut(dy[images], whole))  # (B, OH, OW, C)
        product = workspace("product", gradient.shape, dy.dtype)
        with adding_into(dx[images], windows.rectangle()) as total:
            for i, j, y, x in windows.taps():
                np.multiply(gradient, weights[i, j], out=product)
                total[:, :, y, x] += product.transpose(0, 3, 1, 2)

    each(piece, blocks(len(dy), 1, 4 * windows.out_hw[0] * weights[0, 0].nbytes))
    return dx


def weight_grad(dy: np.ndarray, x: np.ndarray, t: Convolution) -> np.ndarray:
    """dw = for each tap the sum of the pixels under it times dy."""
    c, windows = x.shape[1], t.windows
    oh, ow = windows.out_hw
    dw = np.zeros((*windows.kernel, c), dy.dtype)

    def piece(images: slice, rows: slice, total: np.ndarray) -> None:
        band = cut(dy[images], ((rows.start, rows.stop), (0, ow)), role="dy")
        gradient = pixels(band)  # (B, R, OW, C)
        product = workspace("product", gradient.shape, x.dtype)
        ones = np.ones(product.size // c, x.dtype)
        for i, j, seen in _slices(x[images], rows, windows):
            np.multiply(seen, gradient, out=product)
            total[i, j] += ones @ product.reshape(-1, c)  # a sum of columns, at BLAS speed

    add_up(piece, blocks(len(x), oh, 4 * ow * c * x.itemsize), dw)
    return np.ascontiguousarray(dw.transpose(2, 0, 1)[:, None])
