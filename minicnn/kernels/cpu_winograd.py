"""Convolution with fewer multiplications, for many channels: Winograd's F(2, 3) along the rows.

Two neighbouring outputs of a filter of three taps, y0 = x0 g0 + x1 g1 + x2 g2 and
y1 = x1 g0 + x2 g1 + x3 g2, seem to take six multiplications. They take four:

    m0 = (x0 - x2) g0,                   y0 = m0 + m1 + m2,
    m1 = (x1 + x2) (g0 + g1 + g2) / 2,   y1 = m1 - m2 - m3.
    m2 = (x2 - x1) (g0 - g1 + g2) / 2,
    m3 = (x1 - x3) g2,

With channels, x and g are vectors and matrices, and the four products are matrix products, each
over half of the pixels: two thirds of the arithmetic. The sums before and after go over x and y,
of which there is one for every channel and filter, not for every pair: they pay from 64 of each.

All of it is linear, so the gradient of the filters is the transpose of the above, from the right:
with e0 = dy0, e1 = dy0 + dy1, e2 = dy0 - dy1 and e3 = -dy1, the gradient of the matrix in m0 is
(x0 - x2)^T e0, and so on. Errors are those of the plain sum, times about two.

Measured against columns, one thread: 1.1 times as fast for 64 channels and filters, 1.3 for 64 and
128, 1.5 for 256; the filters' gradient 1.3 times from 64 and 128 on. Done along both axes it would
take fewer multiplications still, but the sums, in NumPy, eat that up.

Source: Winograd 1980, "Arithmetic complexity of computations", p. 43; for networks: Lavin and Gray
2016, "Fast algorithms for convolutional neural networks", section 4.1.
Legend: T pairs of outputs in a row, R rows of output, B images of a block.
"""

from __future__ import annotations

import numpy as np

from ..threads import add_up, each
from .layout import (
    SMALL,
    Convolution,
    Windows,
    blocks,
    channels_last,
    cut,
    filter_matrix,
    filters_last,
    strided,
    workspace,
)

LEAST = 4  # pairs in a row; products of fewer rows are slow
PIXELS = 1024  # with fewer, the sums over the filters take longer than the products


def fits(t: Convolution) -> bool:
    """Whether this is the faster way: rows of three taps, many channels, and pixels enough."""
    return _fits(t, 64 * 64)


def fits_weight_grad(t: Convolution) -> bool:
    """The same for the filters' gradient."""
    return _fits(t, 64 * 128)


def _fits(t: Convolution, least: int) -> bool:
    kernel, (oh, ow) = t.windows.kernel, t.windows.out_hw
    plain = t.windows.stride == t.windows.dilation == (1, 1) and kernel[1] == 3 and t.groups == 1
    small = LEAST * kernel[0] * t.c * t.f <= SMALL
    many = t.c * t.f >= least and t.n * oh * ow >= PIXELS
    return plain and small and many and _pairs(t.windows) >= LEAST


def _pairs(windows: Windows) -> int:
    return (windows.out_hw[1] + 1) // 2


def _four_pixels(x: np.ndarray, rows: slice, windows: Windows) -> list[np.ndarray]:
    """Return x0, x1, x2, x3 of all pairs of output `rows`, each (B, H, T, C)."""
    (top, bottom), (left, _) = windows.rectangle(rows)
    t = _pairs(windows)
    piece = cut(x, ((top, bottom), (left, left + 2 * t + 2))).transpose(0, 2, 3, 1)
    return [piece[:, :, j : j + 2 * t : 2] for j in range(4)]


def _differences(x: list[np.ndarray], out: np.ndarray) -> None:
    """Write the four factors of x, in the order of the products."""
    np.subtract(x[0], x[2], out=out[0])
    np.add(x[1], x[2], out=out[1])
    np.subtract(x[2], x[1], out=out[2])
    np.subtract(x[1], x[3], out=out[3])


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, t: Convolution) -> np.ndarray:
    """y = conv(x, w) + b."""
    y, windows, c, f = channels_last(t.y_shape, x.dtype), t.windows, t.c, t.f
    kh = windows.kernel[0]
    filters = filter_matrix(w).reshape(kh, 3, c, f)
    g0, g1, g2 = filters[:, 0], filters[:, 1], filters[:, 2]
    matrices = np.stack([g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2]).astype(x.dtype)
    matrices = matrices.reshape(4, 1, 1, kh * c, f)
    pairs, ow = _pairs(windows), windows.out_hw[1]
    step = SMALL // (kh * c * f)  # rows of a product that OpenBLAS does without packing

    def piece(images: slice, rows: slice) -> None:
        four = _four_pixels(x[images], rows, windows)
        n, h = four[0].shape[:2]
        # As strips, see `cpu`: the pixels of a column one after the other, a window is one run.
        strips = workspace("windows", (4, n, pairs, h, c), x.dtype)
        _differences(four, strips.swapaxes(2, 3))
        k, s, p, q, _ = strips.strides
        shape = (4, n, rows.stop - rows.start, pairs, kh * c)
        seen = strided(strips, shape, (k, s, q, p, x.itemsize))
        m = workspace("products", (*shape[:4], f), x.dtype)
        for i in range(0, pairs, step):
            part = np.s_[:, :, :, i : i + step]
            np.matmul(seen[part], matrices, out=m[part])
        if b is not None:
            m[1] += b  # which is in both outputs
        pixels = y[images, :, rows].transpose(0, 2, 3, 1)  # (B, R, OW, F)
        m[1] += m[2]
        np.add(m[0], m[1], out=pixels[:, :, 0::2])
        m[2] *= -2
        m[2] += m[1]  # m1 - m2
        odd = np.s_[:, :, : ow // 2]
        np.subtract(m[2][odd], m[3][odd], out=pixels[:, :, 1::2])

    each(piece, _blocks(t, x.itemsize))
    return y


def weight_grad(dy: np.ndarray, x: np.ndarray, t: Convolution) -> np.ndarray:
    """Return the gradient of the filters."""
    windows, kh, c, f = t.windows, t.windows.kernel[0], t.c, t.f
    pairs, ow = _pairs(windows), windows.out_hw[1]

    def piece(images: slice, rows: slice, total: np.ndarray) -> None:
        four = _four_pixels(x[images], rows, windows)
        n, h = four[0].shape[:2]
        # Rows first: those under tap i of all windows are then one matrix.
        factors = workspace("windows", (4, h, n, pairs, c), x.dtype)
        _differences(four, factors.swapaxes(1, 2))
        r = rows.stop - rows.start
        e = workspace("products", (4, r, n, pairs, f), dy.dtype)
        pixels = dy[images, :, rows].transpose(2, 0, 3, 1)  # (R, B, OW, F)
        even, odd = e[0], e[3]
        even[...] = pixels[:, :, 0::2]
        odd[:, :, ow // 2 :] = 0
        odd[:, :, : ow // 2] = pixels[:, :, 1::2]
        np.add(even, odd, out=e[1])
        np.subtract(even, odd, out=e[2])
        np.negative(odd, out=odd)
        product = workspace("dw", (c, f), dy.dtype)
        for q in range(4):
            for i in range(kh):
                seen = factors[q, i : i + r].reshape(-1, c)
                total[q, i] += np.matmul(seen.T, e[q].reshape(-1, f), out=product)

    total = np.zeros((4, kh, c, f), dy.dtype)
    add_up(piece, _blocks(t, x.itemsize), total)
    result = filters_last(t.w_shape, dy.dtype)
    dw = result.transpose(2, 3, 1, 0)  # (KH, 3, C, F)
    half_sum, half_difference = (total[1] + total[2]) / 2, (total[1] - total[2]) / 2
    dw[:, 0] = total[0] + half_sum
    dw[:, 1] = half_difference
    dw[:, 2] = total[3] + half_sum
    return result


def _blocks(t: Convolution, itemsize: int) -> list[tuple[slice, slice]]:
    row_bytes = 4 * _pairs(t.windows) * max(t.c, t.f) * itemsize
    return blocks(t.n, t.windows.out_hw[0], row_bytes, t.f)
