"""Convolution of few channels on the CPU: the batch last in memory.

With one, three or six channels the runs of the channels-last layout are too short to copy, compare
or add at any speed. A batch of 64 images has 64 values for the same channel and pixel, and in the
layout (C, H, W, N) they lie side by side, as do those of the next pixel. All of a row of output is
one run under each tap, so that windows are unfolded at the speed of memory, and pooling (see
`cpu_pool`) compares 64 images at once. The convolutions of LeNet-5 take two thirds of the time.

Images are unfolded along their rows only: for each row a strip (KW C, OW N) holds what is under
each column of the kernel. KH strips, one after the other in memory, are the matrix (K, OW N) of all
windows of one row of output; the next row's begins one strip later. The gradient of the images is
the same read backwards: a product of KH rows of dy is a row of the strips' gradient, of which KW
runs are added up.

The first layer decides: with few filters its output is batch-last, and the next layers follow as
long as they have few filters too. As with channels last, only strides differ. Read with batch and
channels exchanged, a batch-last array is a channels-last one; so the tools are the same.

Legend: R rows of output at once, K = KH KW C numbers in a window, P = OW N windows in a row.
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
TURNED = 64  # numbers in a window from which turning dy costs less than products with it unturned
CHUNK = 128  # columns of a product that OpenBLAS does without packing
WORTH = 40_000_000  # multiply-adds, some 2 ms of work; measured: with a quarter two threads lose


def begins(t: Convolution) -> bool:
    """Whether the output is to be batch-last: few channels, few filters, a real batch."""
    most = MORE if t.batch_last else FEW
    few = t.n >= 16 and t.c <= MORE and t.f <= most
    return few and t.groups == 1 and t.windows.dilation[0] == 1


def goes_on(t: Convolution) -> bool:
    """Whether dy is batch-last, so that the gradient of the filters takes this way too."""
    return t.batch_last and t.groups == 1 and t.windows.dilation[0] == 1


def folds(t: Convolution) -> bool:
    """Whether that of the images does; from 8 channels on, a convolution of dy is faster."""
    return goes_on(t) and t.c < 8 and t.windows.stride == (1, 1)


def _images(x: np.ndarray) -> np.ndarray:
    """Return (N, C, H, W) as (C, H, W, N)."""
    return x.transpose(1, 2, 3, 0)


def _padded(x: np.ndarray, windows: Windows) -> np.ndarray:
    """Return all that the windows see as (C, h, w, N), with zeros around the images."""
    return cut(x.swapaxes(0, 1), windows.rectangle()).transpose(0, 2, 3, 1)


def _seen(padded: np.ndarray, rows: slice, windows: Windows) -> np.ndarray:
    """Return what the windows of output `rows` see, (R, K, P), as a view of strips."""
    (kh, kw), (sh, sw), dilation = windows.kernel, windows.stride, windows.dilation[1]
    r, ow, (channels, _, _, images) = rows.stop - rows.start, windows.out_hw[1], padded.shape
    c, h, w, n = padded.strides
    strips = workspace("windows", ((r - 1) * sh + kh, kw, channels, ow, images), padded.dtype)
    under = strided(padded[:, rows.start * sh :], strips.shape, (h, w * dilation, c, w * sw, n))
    strips[...] = under
    row, _, run = strips.strides[:3]
    return strided(strips, (r, kh * kw * channels, ow * images), (sh * row, run, padded.itemsize))


def _multiply(matrix: np.ndarray, seen: np.ndarray, out: np.ndarray) -> None:
    """out = matrix seen, (M, K) with (R, K, P) to (R, M, P), in products of `CHUNK` columns."""
    whole = seen.shape[2] // CHUNK * CHUNK
    a, b = (
        x[:, :, :whole].reshape(*x.shape[:2], -1, CHUNK).swapaxes(1, 2) for x in (seen, out)
    )  # (R, P / CHUNK, K or M, CHUNK)
    np.matmul(matrix, a, out=b)
    if whole < seen.shape[2]:
        np.matmul(matrix, seen[:, :, whole:], out=out[:, :, whole:])


def _in_pieces(function: Callable[[slice], None], rows: int, t: Convolution, run: int) -> None:
    """Call function(slice) for all rows, so many at once that strips of `run` bytes fill a cache.

    On threads only where it is a lot: the operations within are short, and each ends with a wait
    for the interpreter lock.
    """
    step = max(1, CACHE_BYTES // run)
    pieces = [(slice(i, min(i + step, rows)),) for i in range(0, rows, step)]
    if rows * t.windows.out_hw[1] * t.n * t.k * t.f >= WORTH:
        each(function, pieces)
    else:
        with one_blas_thread():
            for piece in pieces:
                function(*piece)


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, t: Convolution) -> np.ndarray:
    """y = filters^T windows + b, a few rows of all images at a time."""
    y, windows = batch_last(t.y_shape, x.dtype), t.windows
    padded, out, filters = _padded(x, windows), _images(y), filter_matrix(w)

    def piece(rows: slice) -> None:
        band = out[:, rows].reshape(t.f, rows.stop - rows.start, -1)  # a view: (F, R, P)
        _multiply(filters.T, _seen(padded, rows, windows), band.swapaxes(0, 1))
        if b is not None:
            band += b[:, None, None]

    _in_pieces(piece, windows.out_hw[0], t, _strip_bytes(t, x.itemsize))
    return y


def _strip_bytes(t: Convolution, itemsize: int) -> int:
    """The bytes of the strips for one row of output."""
    own = t.windows.out_hw[1] * t.n * t.windows.kernel[1] * t.c * itemsize
    return own * t.windows.stride[0]


def weight_grad(dy: np.ndarray, x: np.ndarray, t: Convolution) -> np.ndarray:
    """dw = sum over rows of windows dy^T."""
    windows = t.windows
    padded, gradient = _padded(x, windows), _images(dy)
    totals: dict[int, np.ndarray] = {}

    def piece(rows: slice) -> None:
        band = gradient[:, rows].reshape(t.f, rows.stop - rows.start, -1)
        seen, own = _seen(padded, rows, windows), band.transpose(1, 2, 0)  # (R, K, P), (R, P, F)
        if t.k >= TURNED:
            own = np.ascontiguousarray(own)
        step = max(CHUNK, SMALL // (t.k * t.f))
        totals[rows.start] = sum(
            np.matmul(seen[:, :, i : i + step], own[:, i : i + step]).sum(0)
            for i in range(0, seen.shape[2], step)
        )

    _in_pieces(piece, windows.out_hw[0], t, _strip_bytes(t, x.itemsize))
    dw = filters_last(t.w_shape, dy.dtype)
    dw.transpose(2, 3, 1, 0).reshape(t.k, t.f)[...] = sum(totals[i] for i in sorted(totals))
    return dw


def input_grad(dy: np.ndarray, w: np.ndarray, t: Convolution) -> np.ndarray:
    """dx = the strips' gradient, filters dy, folded: a few rows of all images at a time."""
    dx, windows, ((top, _), _) = batch_last(t.x_shape, dy.dtype), t.windows, t.windows.rectangle()
    (kh, kw), (oh, ow), gradient = windows.kernel, windows.out_hw, _images(dy)
    matrix = w[:, :, ::-1].transpose(3, 1, 2, 0).reshape(kw * t.c, -1)  # (KW C, KH F)

    def piece(rows: slice) -> None:
        r = rows.stop - rows.start
        # The rows of dy that saw the first of these, and so on; there are none outside.
        first = rows.start - top - kh + 1
        stack = workspace("dy", (r + kh - 1, t.f, ow, t.n), dy.dtype)
        low, high = (min(max(h, 0), len(stack)) for h in (-first, oh - first))
        stack[:low] = stack[high:] = 0
        stack[low:high] = gradient[:, first + low : first + high].swapaxes(0, 1)
        row, run = stack.strides[:2]
        seen = strided(stack, (r, kh * t.f, ow * t.n), (row, run, dy.itemsize))
        strips = workspace("windows", (r, kw, t.c, ow, t.n), dy.dtype)
        _multiply(matrix, seen, strips.reshape(r, kw * t.c, -1))
        with adding_into(dx.swapaxes(0, 1)[:, :, rows], ((0, r), windows.rectangle()[1])) as total:
            image = total.transpose(2, 0, 3, 1)  # (R, C, w, N)
            for j in range(kw):
                start = j * windows.dilation[1]
                image[:, :, start : start + ow] += strips[:, j]

    _in_pieces(piece, dx.shape[2], t, ow * t.n * (kw * t.c + t.f) * dy.itemsize)
    return dx
