"""Convolution on the CPU as products of matrices, the windows unfolded: what fits every case.

What differs from the plain im2col, and what each step buys:

* channels-last memory: windows are copied in long runs, and the product needs no transpose;
* blocks of a few images: the copies stay in cache until the product has used them;
* strips: images are unfolded along their rows only. A strip is KW times the image, where columns
  are KH KW times; a window is still one run of memory in it (see `_strip`), or else what a row of
  taps sees in a whole image (see `_strips_of_rows`);
* many small products instead of a large one: OpenBLAS multiplies small matrices as they lie, and
  copies ("packs") large ones first, which costs a third of the time when there are few filters;
* filters that lie in memory as the matrix of the product, (KH, KW, C, F), are never rearranged.

Legend: B images of a block, R of its rows of output, K = KH KW C numbers in a window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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
    pixels,
    strided,
    workspace,
)

FEW_ROWS = 8  # products of fewer rows than this are slow as well; measured
LONG = 128  # pixels that a product should add up, or to write the results takes as long


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, t: Convolution) -> np.ndarray:
    """y = windows(x) w + b, block by block, written straight into channels-last memory."""
    y, windows, width = channels_last(t.y_shape, x.dtype), t.windows, t.f // t.groups
    filters = filter_matrix(w)  # (K, F)
    strips = _fits_strips(t, FEW_ROWS)
    see = _strip if strips else _columns
    if b is not None:
        row_of_b = np.empty((windows.out_hw[1], t.f), x.dtype)  # long runs are added faster
        row_of_b[...] = b

    def piece(images: slice, rows: slice) -> None:
        for g in range(t.groups):
            seen = see(_group(x[images], g, t.groups), rows, windows)  # (B, R, OW, K)
            own = filters[:, g * width : (g + 1) * width]
            _multiply(seen, own, pixels(_group(y[images, :, rows], g, t.groups)))
        if b is not None:
            band = pixels(y[images, :, rows])
            band = band.reshape(*band.shape[:2], -1)
            band += row_of_b.reshape(-1)

    each(piece, _blocks(t, strips, x.itemsize))
    return y


def weight_grad(dy: np.ndarray, x: np.ndarray, t: Convolution) -> np.ndarray:
    """dw = sum over the blocks of windows(x)^T dy."""
    dw, windows, width = filters_last(t.w_shape, dy.dtype), t.windows, t.f // t.groups
    (kh, kw), (oh, ow) = windows.kernel, windows.out_hw
    by_taps = SMALL // (kw * t.c * width) >= LONG // 2 or oh * ow >= 8 * LONG
    add = _add_rows_of_taps if by_taps else _add_columns

    def piece(images: slice, rows: slice, total: np.ndarray) -> None:
        for g in range(t.groups):
            own = total[:, :, g * width : (g + 1) * width]  # (KH, KW C, F / groups)
            gradient = pixels(_group(dy[images, :, rows], g, t.groups))  # (B, R, OW, F / groups)
            add(own, _group(x[images], g, t.groups), gradient, rows, windows)

    total = dw.transpose(2, 3, 1, 0).reshape(kh, kw * t.c, t.f)
    total[...] = 0
    add_up(piece, _blocks(t, by_taps, x.itemsize), total)
    return dw


def _fits_strips(t: Convolution, rows: int) -> bool:
    """Whether windows share rows in a strip, and small products have at least so many rows."""
    share = t.windows.dilation[0] == 1 and t.windows.stride[0] < t.windows.kernel[0]
    small = rows * t.k * t.f // t.groups <= SMALL
    return share and small and t.windows.out_hw[1] >= FEW_ROWS


def _blocks(t: Convolution, strips: bool, itemsize: int) -> list[tuple[slice, slice]]:
    """Return the (images, rows) of blocks; their columns, or strips, fill a cache."""
    oh, ow = t.windows.out_hw
    copies = t.windows.kernel[0] if strips else 1
    return blocks(t.n, oh, ow * t.k * itemsize // copies, copies * t.f // t.groups)


def _group(x: np.ndarray, g: int, groups: int) -> np.ndarray:
    """Return the channels of group `g`."""
    width = x.shape[1] // groups
    return x[:, g * width : (g + 1) * width]


def _strip(x: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what each window of output `rows` sees, (B, R, OW, K), as a view of a strip.

    A strip, (B, OW, H, KW, C), holds for each column of windows all the rows of the image that lie
    under it. KH of these, one after the other, are a window: it is one run of memory, and the next
    window down begins SH rows later in the same memory.
    """
    piece = pixels(cut(x, windows.rectangle(rows)))
    b, h, _, c = piece.shape
    sb, sh, sw, sc = piece.strides
    (kh, kw), ow = windows.kernel, windows.out_hw[1]
    strip = workspace("windows", (b, ow, h, kw, c), x.dtype)
    steps = (sb, sw * windows.stride[1], sh, sw * windows.dilation[1], sc)
    strip[...] = strided(piece, strip.shape, steps)
    sb, sw, sh = strip.strides[:3]
    shape = (b, rows.stop - rows.start, ow, kh * kw * c)
    return strided(strip, shape, (sb, sh * windows.stride[0], sw, x.itemsize))


def _columns(x: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what each window of output `rows` sees, (B, R, OW, K), one after the other."""
    piece = pixels(cut(x, windows.rectangle(rows)))
    b, c = len(piece), piece.shape[3]
    sb, sh, sw, sc = piece.strides
    shape = (b, rows.stop - rows.start, windows.out_hw[1], *windows.kernel, c)
    steps = (sh * windows.stride[0], sw * windows.stride[1])
    seen = strided(
        piece, shape, (sb, *steps, sh * windows.dilation[0], sw * windows.dilation[1], sc)
    )
    if not seen.flags.c_contiguous:  # it is, for instance, under a 1 x 1 kernel
        columns = workspace("windows", shape, x.dtype)
        columns[...] = seen
        seen = columns
    return seen.reshape(*shape[:3], -1)


def _multiply(seen: np.ndarray, filters: np.ndarray, y: np.ndarray) -> None:
    """y = seen filters, (B, R, OW, K) with (K, F) to (B, R, OW, F), small products if it pays."""
    k, f = filters.shape
    most = SMALL // (k * f)
    if not seen.flags.c_contiguous:  # a strip: the windows of one row of output are a matrix
        parts = -(-seen.shape[2] // most)
        for p in range(parts):
            part = slice(p * seen.shape[2] // parts, (p + 1) * seen.shape[2] // parts)
            np.matmul(seen[:, :, part], filters, out=y[:, :, part])
        return
    seen, y = seen.reshape(-1, k), y.reshape(-1, f)
    m = min(most, 64)
    whole = len(seen) // m * m if m >= FEW_ROWS else 0
    if whole:
        np.matmul(seen[:whole].reshape(-1, m, k), filters, out=y[:whole].reshape(-1, m, f))
    if whole < len(seen):
        np.matmul(seen[whole:], filters, out=y[whole:])


def _add_columns(
    total: np.ndarray, x: np.ndarray, dy: np.ndarray, rows: slice, windows: Windows
) -> None:
    """total (KH, KW C, F) += windows(x)^T dy, as one product over all pixels."""
    seen = _columns(x, rows, windows)
    product = workspace("dw", total.shape, total.dtype)
    k, f = seen.shape[-1], dy.shape[-1]
    np.matmul(seen.reshape(-1, k).T, dy.reshape(-1, f), out=product.reshape(k, f))
    total += product


def _add_rows_of_taps(
    total: np.ndarray, x: np.ndarray, dy: np.ndarray, rows: slice, windows: Windows
) -> None:
    """total (KH, KW C, F) += what windows see under each row of taps, transposed, times dy.

    What they see is one run of memory for a whole image, in strips that hold, for each row of the
    image, what lies under each column of windows. A product adds up so many rows of output that
    OpenBLAS does not pack them, if these are many pixels; else all that there are.
    """
    piece = pixels(cut(x, windows.rectangle(rows)))
    (b, r, ow, f), run = dy.shape, total.shape[1]
    step = min(r, SMALL // (run * f * ow))
    step = step if step * ow >= LONG else r
    whole = r // step * step
    for taps, strips, apart in _strips_of_rows(piece, windows):  # strips (B, H, OW, KW, C)
        pixel = run * strips.itemsize
        row = ow * pixel
        for first, last, size in ((0, whole, step), (whole, r, r - whole)):
            if first == last:
                continue
            shape = (b, -(-(windows.kernel[0] - taps.start) // taps.step), (last - first) // size)
            steps = (strips.shape[1] * row, apart * row, size * row, pixel, strips.itemsize)
            seen = strided(strips[:, first:], (*shape, size * ow, run), steps)
            gradient = dy[:, first:last].reshape(b, 1, shape[2], size * ow, f)
            product = workspace("dw", (*shape, run, f), dy.dtype)
            np.matmul(seen.swapaxes(3, 4), gradient, out=product)
            total[taps] += product.sum((0, 2))


def _strips_of_rows(piece: np.ndarray, windows: Windows) -> Iterator[tuple[slice, np.ndarray, int]]:
    """Yield (taps, strips, rows from tap to tap), for rows of taps that see the same rows.

    With a stride of 2, the even rows of the image lie under some rows of taps and the odd ones
    under others; so that what a tap sees is one run of memory, they are strips of their own. With a
    stride of 1 there is one kind of rows only.
    """
    (kh, kw), (sh, sw), (dh, dw) = windows.kernel, windows.stride, windows.dilation
    period = sh // math.gcd(sh, dh)  # taps after which the same rows are seen again
    for first in range(min(period, kh)):
        image = piece[:, first * dh :: sh]
        sb, row, pixel, channel = image.strides
        shape = (*image.shape[:2], windows.out_hw[1], kw, image.shape[3])
        under = strided(image, shape, (sb, row, sw * pixel, dw * pixel, channel))
        if not under.flags.c_contiguous:  # it is, for instance, under a 1 x 1 kernel
            strips = workspace("windows", shape, piece.dtype)
            strips[...] = under
            under = strips
        yield slice(first, None, period), under, period * dh // sh
