"""Convolution of few channels on the CPU: the batch last in memory.

With one, three or six channels the runs of the channels-last layout are too short to copy, compare
or add at any speed. A batch of 64 images has 64 values for the same channel and pixel, and in the
layout (C, H, W, N) they lie side by side, as do those of the next pixel. All of a row of output is
one run under each tap, so that columns are built at the speed of memory, and pooling (see
`cpu_pool`) compares 64 images at once. The convolutions of LeNet-5 take two thirds as long.

The first layer decides: with few filters its output is batch-last, and the next layers follow as
long as they have few filters too. As with channels last, only strides differ. Read with batch and
channels exchanged, a batch-last array is a channels-last one; so the tools are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..threads import each, one_blas_thread
from .layout import (
    CACHE_BYTES,
    SMALL,
    Convolution,
    Windows,
    adding_into,
    batch_last,
    cut,
    filter_matrix,
    filters_last,
    strided,
    workspace,
)

FEW, MORE = 8, 16  # filters up to which the layout begins, and is kept; measured
CHUNK = 128  # columns of a product that OpenBLAS does without packing
WORTH_BYTES = 16 << 20  # of columns, some 2 ms of work; measured: with 4 MB two threads lose


def begins(t: Convolution) -> bool:
    """Whether the output is to be batch-last: few channels, few filters, a real batch."""
    most = MORE if t.batch_last else FEW
    return t.groups == 1 and t.n >= 16 and t.c <= MORE and t.f <= most


def goes_on(t: Convolution) -> bool:
    """Whether dy is batch-last, so that the gradients take this way too."""
    return t.groups == 1 and t.batch_last


def _images(x: np.ndarray) -> np.ndarray:
    """Return (N, C, H, W) as (C, H, W, N)."""
    return x.transpose(1, 2, 3, 0)


def _padded(x: np.ndarray, windows: Windows) -> np.ndarray:
    """Return all that the windows see as (C, h, w, N), with zeros around the images."""
    return cut(x.swapaxes(0, 1), windows.rectangle()).transpose(0, 2, 3, 1)


def _columns(padded: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what the windows of output `rows` see, one a column: (KH KW C, R OW N)."""
    (kh, kw), (sh, sw), (dh, dw) = windows.kernel, windows.stride, windows.dilation
    shape = (kh, kw, len(padded), rows.stop - rows.start, windows.out_hw[1], padded.shape[3])
    c, h, w, n = padded.strides
    seen = strided(padded[:, rows.start * sh :], shape, (h * dh, w * dw, c, h * sh, w * sw, n))
    columns = workspace("windows", shape, padded.dtype)
    columns[...] = seen
    return columns.reshape(kh * kw * len(padded), -1)


def _in_pieces(function: Callable[[slice], None], size: int, step_bytes: int) -> None:
    """Call function(slice) for the `size` rows or channels, a cache of columns at a time.

    On threads only where it is a lot: the operations within are short, and each ends with a wait
    for the interpreter lock.
    """
    step = max(1, CACHE_BYTES // step_bytes)
    pieces = [(slice(i, min(i + step, size)),) for i in range(0, size, step)]
    if size * step_bytes >= WORTH_BYTES:
        each(function, pieces)
    else:
        with one_blas_thread():
            for piece in pieces:
                function(*piece)


def _row_bytes(t: Convolution, itemsize: int) -> int:
    """The bytes of the columns of one row of output of all images."""
    return t.windows.out_hw[1] * t.n * t.k * itemsize


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, t: Convolution) -> np.ndarray:
    """y = filters^T columns + b, a few rows of all images at a time."""
    y, windows, k, f = batch_last(t.y_shape, x.dtype), t.windows, t.k, t.f
    padded, out, filters = _padded(x, windows), _images(y), filter_matrix(w)

    def piece(rows: slice) -> None:
        columns = _columns(padded, rows, windows)
        product = out[:, rows].reshape(f, -1)  # a view: (F, R OW N)
        whole = columns.shape[1] // CHUNK * CHUNK
        parts, own = columns[:, :whole].reshape(k, -1, CHUNK), product[:, :whole]
        np.matmul(filters.T, parts.swapaxes(0, 1), out=own.reshape(f, -1, CHUNK).swapaxes(0, 1))
        if whole < columns.shape[1]:
            np.matmul(filters.T, columns[:, whole:], out=product[:, whole:])
        if b is not None:
            product += b[:, None]

    _in_pieces(piece, windows.out_hw[0], _row_bytes(t, x.itemsize))
    return y


def weight_grad(dy: np.ndarray, x: np.ndarray, t: Convolution) -> np.ndarray:
    """dw = sum over rows of columns dy^T."""
    windows = t.windows
    padded, gradient = _padded(x, windows), _images(dy)
    step = max(
        SMALL // (t.k * t.f), 2048
    )  # columns of a product; more than that need packing anyway
    totals: dict[int, np.ndarray] = {}

    def piece(rows: slice) -> None:
        columns = _columns(padded, rows, windows)
        band = gradient[:, rows]
        own = workspace("dy", band.shape, dy.dtype)
        own[...] = band
        own = own.reshape(len(band), -1)
        totals[rows.start] = sum(
            columns[:, i : i + step] @ own[:, i : i + step].T
            for i in range(0, columns.shape[1], step)
        )

    _in_pieces(piece, windows.out_hw[0], _row_bytes(t, x.itemsize))
    dw = filters_last(t.w_shape, dy.dtype)
    dw.transpose(2, 3, 1, 0).reshape(t.k, t.f)[...] = sum(totals[i] for i in sorted(totals))
    return dw


def input_grad(dy: np.ndarray, w: np.ndarray, t: Convolution) -> np.ndarray:
    """dx = col2im(filters dy), a few channels at a time."""
    dx, windows, filters = batch_last(t.x_shape, dy.dtype), t.windows, w.transpose(2, 3, 1, 0)
    gradient = np.ascontiguousarray(_images(dy)).reshape(dy.shape[1], -1)  # (F, OH OW N)
    taps = windows.kernel[0] * windows.kernel[1]

    def piece(channels: slice) -> None:
        matrix = filters[:, :, channels].reshape(-1, len(gradient))  # (KH KW C, F)
        columns = workspace("windows", (len(matrix), gradient.shape[1]), dy.dtype)
        np.matmul(matrix, gradient, out=columns)
        columns = columns.reshape(*windows.kernel, -1, *windows.out_hw, len(dy))
        with adding_into(dx.swapaxes(0, 1)[channels], windows.rectangle()) as total:
            image = total.transpose(0, 2, 3, 1)  # (C, h, w, N)
            for i, j, rows, cols in windows.taps():
                image[:, rows, cols] += columns[i, j]

    _in_pieces(piece, dx.shape[1], taps * gradient[0].nbytes // 2)
    return dx
