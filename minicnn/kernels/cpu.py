"""Convolution tuned for NumPy on a CPU: the same results as `reference.py`, several times faster.

What differs from the plain im2col, and what each step buys:

* channels-last memory: windows are copied in long runs, and the product needs no transpose;
* blocks of a few images: the copies stay in cache until the product has used them;
* strips: images are unfolded along their rows only. A strip is KW times the image, where columns
  are KH KW times; a window is still one run of memory in it (see `_strip`);
* many small products instead of a large one: OpenBLAS multiplies small matrices as they lie, and
  copies ("packs") large ones first, which costs a third of the time when there are few filters;
* the input gradient at stride 1 gathers (one more convolution) instead of scattering;
* filters that lie in memory as the matrix of the product, (KH, KW, C, F), are never rearranged;
* where half of a window lies in the padding, the products with zeros are left out (`_taps_inside`);
* many channels take fewer multiplications, in `cpu_winograd`;
* few channels have another layout and their own kernels, in `cpu_batch_last`;
* with one channel a group (depthwise), products and sums of whole slices, no matrices at all.

Legend: B images of a block, R of its rows of output, K = KH KW C numbers in a window.
"""

from __future__ import annotations

import numpy as np

from ..threads import add_up, each
from . import cpu_batch_last, cpu_winograd
from .geometry import Padding, Pair
from .layout import (
    SMALL,
    Windows,
    adding_into,
    batch_last,
    blocks,
    channels_last,
    cut,
    filters_last,
    in_float32,
    is_batch_last,
    strided,
    workspace,
)
from .reference import output_hw

FEW_ROWS = 8  # products of fewer rows than this are slow as well; measured


def _strip(x: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what each window of output `rows` sees, (B, R, OW, K), as a view of a strip.

    A strip, (B, OW, H, KW, C), holds for each column of windows all the rows of the image that lie
    under it. KH of these, one after the other, are a window: it is one run of memory, and the next
    window down begins SH rows later in the same memory.
    """
    piece = _pixels(cut(x, windows.rectangle(rows)))
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
    piece = _pixels(cut(x, windows.rectangle(rows)))
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


def _fits_strips(windows: Windows, k: int, f: int, rows: int) -> bool:
    """Whether windows share rows in a strip, and small products have at least so many rows."""
    share = windows.dilation[0] == 1 and windows.stride[0] < windows.kernel[0]
    return share and windows.out_hw[1] >= FEW_ROWS and rows * k * f <= SMALL


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


def _filter_matrix(w: np.ndarray) -> np.ndarray:
    """Return filters (F, C, KH, KW) as a matrix (KH KW C, F); see `layout.filters_last`."""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(-1, len(w))


def _row_bytes(x: np.ndarray, windows: Windows) -> int:
    """The bytes of the columns of one row of output."""
    return windows.out_hw[1] * x.shape[1] * windows.kernel[0] * windows.kernel[1] * x.itemsize


def _group(x: np.ndarray, g: int, groups: int) -> np.ndarray:
    """Return the channels of group `g`."""
    width = x.shape[1] // groups
    return x[:, g * width : (g + 1) * width]


def _pixels(x: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) as (N, H, W, C)."""
    return x.transpose(0, 2, 3, 1)


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
    """y = windows(x) w + b, block by block, written straight into channels-last memory."""
    f, c, kernel = len(w), w.shape[1], w.shape[2:]
    out_hw = output_hw(x.shape[2:], kernel, stride, padding, dilation)
    windows = Windows(out_hw, kernel, stride, padding, dilation)
    if cpu_batch_last.begins(x, f, groups):
        y = batch_last((len(x), f, *out_hw), x.dtype)
        cpu_batch_last.convolve(x, _filter_matrix(w), b, y, windows)
        return y
    y = channels_last((len(x), f, *out_hw), x.dtype)
    if c == 1 and f == groups > 1:
        _depthwise(x, w, b, y, windows)
        return y
    k = c * kernel[0] * kernel[1]
    filters = _filter_matrix(w)  # (K, F)
    if groups == 1 and cpu_winograd.fits(len(x), windows, c, f):
        cpu_winograd.convolve(x, filters.reshape(*kernel, c, f), b, y, windows)
        return y
    if groups == 1 and _is_mostly_border(windows, x.shape[2:], c * f):
        _convolve_by_tap(x, filters.reshape(*kernel, c, f), b, y, windows)
        return y
    strips = _fits_strips(windows, k, f // groups, FEW_ROWS)
    see, copies = (_strip if strips else _columns), kernel[0] if strips else 1
    row_bytes = _row_bytes(x, windows) // groups // copies

    def piece(images: slice, rows: slice) -> None:
        for g in range(groups):
            seen = see(_group(x[images], g, groups), rows, windows)  # (B, R, OW, K)
            own = filters[:, g * f // groups : (g + 1) * f // groups]
            _multiply(seen, own, _pixels(_group(y[images, :, rows], g, groups)))
        if b is not None:
            pixels = _pixels(y[images, :, rows])
            pixels = pixels.reshape(*pixels.shape[:2], -1)  # long runs
            pixels += np.broadcast_to(b, (out_hw[1], f)).reshape(-1)

    each(piece, blocks(len(x), out_hw[0], row_bytes, copies * f // groups))
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
    if groups == 1 and is_batch_last(dy):
        dx = batch_last((len(dy), c, *input_hw), dy.dtype)
        cpu_batch_last.input_grad(dy, w.transpose(2, 3, 1, 0), dx, windows)
        return dx
    may_gather = stride == (1, 1) and cpu_winograd.fits(len(dy), _gathered(input_hw, windows), f, c)
    if groups == 1 and not may_gather and _is_mostly_border(windows, input_hw, c * f):
        return _input_grad_by_tap(dy, w, input_hw, windows)
    if stride == (1, 1):
        turned = w.reshape(groups, f // groups, c, *kernel)[..., ::-1, ::-1]
        flipped = filters_last((groups * c, f // groups, *kernel), w.dtype)
        flipped.reshape(groups, c, f // groups, *kernel)[...] = turned.swapaxes(1, 2)
        padding = _gathered(input_hw, windows).padding
        return conv2d(dy, flipped, stride, padding, dilation, groups)
    dx = channels_last((len(dy), groups * c, *input_hw), dy.dtype)
    if c == 1 and f == groups > 1:
        _depthwise_input_grad(dy, w, dx, windows)
        return dx
    for g, wg in enumerate(np.split(w, groups)):
        _scatter_columns(_group(dy, g, groups), wg, _group(dx, g, groups), windows)
    return dx


def _gathered(input_hw: Pair, windows: Windows) -> Windows:
    """Return the windows over dy in which each pixel of dx finds the outputs that saw it."""
    sides = []
    for axis in (0, 1):
        reach = windows.dilation[axis] * (windows.kernel[axis] - 1)
        before = reach - windows.padding[axis][0]
        sides.append((before, input_hw[axis] + reach - windows.out_hw[axis] - before))
    return Windows(input_hw, windows.kernel, (1, 1), tuple(sides), windows.dilation)


def _scatter_columns(dy: np.ndarray, w: np.ndarray, dx: np.ndarray, windows: Windows) -> None:
    """dx = col2im(dy w^T), a block of images at a time, each in bands of rows if it is large."""
    (kh, kw), oh, c = windows.kernel, windows.out_hw[0], dx.shape[1]
    filters = _filter_matrix(w).T  # (F, KH KW C)
    row_bytes = _row_bytes(dx, windows)

    def piece(images: slice, _: slice) -> None:
        with adding_into(dx[images], windows.rectangle()) as total:
            for part, rows in blocks(len(total), oh, row_bytes, len(w)):
                band = dy[images][part, :, rows]  # (B, F, R, OW)
                columns = workspace("columns", (*_bhw(band), kh, kw, c), dy.dtype)
                flat = columns.reshape(-1, kh * kw * c)
                np.matmul(_pixels(band).reshape(-1, len(w)), filters, out=flat)
                columns = columns.transpose(3, 4, 0, 5, 1, 2)  # (KH, KW, B, C, R, OW)
                seen = total[part, :, rows.start * windows.stride[0] :]
                for i, j, y, x in windows.taps(rows):
                    seen[:, :, y, x] += columns[i, j]

    each(piece, blocks(len(dy), 1, oh * row_bytes, len(w)))


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
    """dw = sum over the blocks of windows(x)^T dy."""
    windows = Windows(dy.shape[2:], kernel_hw, stride, padding, dilation)
    f, c = dy.shape[1] // groups, x.shape[1] // groups
    if c == f == 1 and groups > 1:
        return _depthwise_weight_grad(dy, x, windows)
    dw = filters_last((groups * f, c, *kernel_hw), dy.dtype)
    matrix = dw.transpose(2, 3, 1, 0).reshape(-1, groups * f)  # (K, F)
    if groups == 1 and is_batch_last(dy):
        cpu_batch_last.weight_grad(dy, x, matrix, windows)
        return dw
    if groups == 1 and cpu_winograd.fits(len(x), windows, c, f, 64 * 128):
        cpu_winograd.weight_grad(dy, x, dw.transpose(2, 3, 1, 0), windows)
        return dw
    if groups == 1 and _is_mostly_border(windows, x.shape[2:], c * f):
        _weight_grad_by_tap(dy, x, dw, windows)
        return dw
    k = c * kernel_hw[0] * kernel_hw[1]
    strips = _fits_strips(windows, k, f, 64)
    add, copies = (_add_strip if strips else _add_columns), kernel_hw[0] if strips else 1
    row_bytes = _row_bytes(x, windows) // groups // copies

    def piece(images: slice, rows: slice, total: np.ndarray) -> None:
        for g in range(groups):
            dyg = _pixels(_group(dy[images, :, rows], g, groups))  # (B, R, OW, F / groups)
            own = total[:, g * f : (g + 1) * f]
            add(own, _group(x[images], g, groups), dyg, rows, windows)

    matrix[...] = 0
    add_up(piece, blocks(len(x), dy.shape[2], row_bytes, copies * f), matrix)
    return dw


def _add_columns(
    total: np.ndarray, x: np.ndarray, dy: np.ndarray, rows: slice, windows: Windows
) -> None:
    """total (K, F) += windows(x)^T dy, as one product over all pixels."""
    seen = _columns(x, rows, windows)
    product = workspace("dw", total.shape, total.dtype)
    k, f = total.shape
    total += np.matmul(seen.reshape(-1, k).T, dy.reshape(-1, f), out=product)


def _add_strip(
    total: np.ndarray, x: np.ndarray, dy: np.ndarray, rows: slice, windows: Windows
) -> None:
    """total (K, F) += windows(x)^T dy, as a small product for each row of output.

    In a strip, the windows of one row of several images are a matrix; so they are made one in dy.
    """
    seen = _strip(x, rows, windows).swapaxes(0, 1)  # (R, B, OW, K)
    r, b, ow, k = seen.shape
    by_row = workspace("dy", (r, b, ow, dy.shape[3]), dy.dtype)
    by_row[...] = dy.swapaxes(0, 1)
    step = max(1, SMALL // (total.size * ow))
    for i in range(0, b, step):
        part = slice(i, i + step)
        a, d = seen[:, part].reshape(r, -1, k), by_row[:, part].reshape(r, -1, dy.shape[3])
        product = workspace("dw", (r, *total.shape), total.dtype)
        total += np.matmul(a.swapaxes(1, 2), d, out=product).sum(0)


# ------------------------------------------------------------------------------- tap by tap
#
# Deep in a network images are small: of the taps of a 3 x 3 window over a padded 4 x 4 image, only
# 69 % see a pixel; over 2 x 2 only 44 %. Columns would hold zeros for the others. So every tap
# multiplies the pixels that it sees by its own C x F matrix. Pays where this matrix is large.


def _seen_by(tap: int, axis: int, windows: Windows, size: int) -> tuple[slice, slice]:
    """Return which outputs have tap number `tap` inside the image, and the pixels under it."""
    stride = windows.stride[axis]
    shift = tap * windows.dilation[axis] - windows.padding[axis][0]
    first = max(0, -(shift // stride))
    last = min(windows.out_hw[axis], (size - 1 - shift) // stride + 1)
    last = max(first, last)
    return slice(first, last), slice(first * stride + shift, max(0, last * stride + shift), stride)


def _taps_inside(windows: Windows, input_hw: Pair) -> list[tuple[tuple, tuple, tuple]]:
    """Return ((i, j), outputs, pixels) for all taps; the last two index (B, H, W, C)."""
    found = []
    for i in range(windows.kernel[0]):
        rows, y = _seen_by(i, 0, windows, input_hw[0])
        for j in range(windows.kernel[1]):
            columns, x = _seen_by(j, 1, windows, input_hw[1])
            if rows.start < rows.stop and columns.start < columns.stop:
                found.append(((i, j), (slice(None), rows, columns), (slice(None), y, x)))
    return found


def _is_mostly_border(windows: Windows, input_hw: Pair, matrix: int) -> bool:
    """Whether at least 15 % of the taps see no pixel, and each has a large matrix; measured."""
    if matrix < 128 * 128:
        return False
    seen = 1.0
    for axis in (0, 1):
        spans = [_seen_by(t, axis, windows, input_hw[axis])[0] for t in range(windows.kernel[axis])]
        seen *= sum(s.stop - s.start for s in spans) / (len(spans) * windows.out_hw[axis])
    return seen <= 0.85


def _as_matrix(pixels: np.ndarray, role: str) -> np.ndarray:
    """Return (B, H, W, C) as (B H W, C), in the workspace unless it lies like that already."""
    if not pixels.flags.c_contiguous:
        copy = workspace(role, pixels.shape, pixels.dtype)
        copy[...] = pixels
        pixels = copy
    return pixels.reshape(-1, pixels.shape[3])


def _convolve_by_tap(
    x: np.ndarray, filters: np.ndarray, b: np.ndarray | None, y: np.ndarray, windows: Windows
) -> None:
    """y = sum over taps of the pixels under it times its matrix; filters (KH, KW, C, F)."""
    taps = _taps_inside(windows, x.shape[2:])

    def piece(images: slice, _: slice) -> None:
        pixels, total = _pixels(x[images]), _pixels(y[images])
        total[...] = 0 if b is None else b
        for tap, outputs, inputs in taps:
            part = total[outputs]
            product = workspace("product", part.shape, y.dtype)
            seen = _as_matrix(pixels[inputs], "seen")
            np.matmul(seen, filters[tap], out=product.reshape(-1, part.shape[3]))
            part += product

    each(piece, blocks(len(x), 1, max(x[0].nbytes, y[0].nbytes), len(taps) * len(y[0])))


def _input_grad_by_tap(
    dy: np.ndarray, w: np.ndarray, input_hw: Pair, windows: Windows
) -> np.ndarray:
    """dx = sum over taps of dy times the transpose of its matrix, where the tap's pixel is."""
    dx = channels_last((len(dy), w.shape[1], *input_hw), dy.dtype)
    taps, filters = _taps_inside(windows, input_hw), w.transpose(2, 3, 0, 1)  # (KH, KW, F, C)

    def piece(images: slice, _: slice) -> None:
        pixels, total = _pixels(dy[images]), _pixels(dx[images])
        total[...] = 0
        for tap, outputs, inputs in taps:
            part = total[inputs]
            product = workspace("product", part.shape, dx.dtype)
            seen = _as_matrix(pixels[outputs], "seen")
            np.matmul(seen, filters[tap], out=product.reshape(-1, part.shape[3]))
            part += product

    each(piece, blocks(len(dy), 1, max(dx[0].nbytes, dy[0].nbytes), len(taps) * len(dx[0])))
    return dx


def _weight_grad_by_tap(dy: np.ndarray, x: np.ndarray, dw: np.ndarray, windows: Windows) -> None:
    """dw = for each tap the product of the pixels under it, transposed, and dy."""
    pixels_x, pixels_dy, matrices = _pixels(x), _pixels(dy), dw.transpose(2, 3, 1, 0)
    matrices[...] = 0  # those of the taps that never see a pixel

    def piece(tap: tuple, outputs: tuple, inputs: tuple) -> None:
        seen, gradient = pixels_x[inputs], pixels_dy[outputs]
        seen, gradient = _as_matrix(seen, "seen"), _as_matrix(gradient, "gradient")
        np.matmul(seen.T, gradient, out=matrices[tap])

    each(piece, _taps_inside(windows, x.shape[2:]))


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
