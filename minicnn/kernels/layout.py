"""Memory for the tuned CPU kernels: channels last, small pieces, used again and again.

*Channels last.* Shapes are (N, C, H, W) everywhere, but memory is laid out as (N, H, W, C): the
channels of one pixel lie side by side. A window's row is then one run of KW x C numbers, which a
copy moves at full speed, and a matrix product over pixels writes its result in place. Only the
strides differ, so nothing outside the kernels notices.

*Workspaces.* Fresh memory costs a page fault per 4 kB, and leaves the cache cold. Each thread keeps
one piece of memory per role and hands it out to block after block.

*Rectangles.* A padded image is never stored whole. Kernels `cut` the rectangle they need out of the
plane in which the image is surrounded by zeros; where that lies inside the image it costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..threads import get_num_threads
from .geometry import Padding, Pair, taps

HANDOVER_BYTES = 1 << 20  # what a thread should have to do; measured: with 256 kB two threads lose
FEW_CHANNELS = 16  # up to so many are copied one by one from an image that is not channels-last
SMALL = 1_000_000  # multiply-adds of a product that OpenBLAS does without packing (on AVX-512)
CACHE_BYTES = 1 << 20  # what a block may fill
PRODUCTS = 8  # that a core does while it reads and writes one number


class _Memory(threading.local):
    def __init__(self) -> None:
        self.roles: dict[tuple[Any, np.dtype], np.ndarray] = {}


_memory = _Memory()


def workspace(role: Any, shape: tuple[int, ...], dtype: Any, fill: float | None = None) -> Any:
    """Return memory that is valid until this thread asks for the same role again.

    What it holds is what it was left with; at first `fill`, or anything.
    """
    size = prod(shape)
    flat = _memory.roles.get((role, dtype))
    if flat is None or flat.size < size:
        flat = np.empty(size, dtype) if fill is None else np.full(size, fill, dtype)
        _memory.roles[role, dtype] = flat
    return flat[:size].reshape(shape)


# NumPy lays out a new array like another one; a transposed one would not own its memory, and the
# engine adds gradients in place only where nobody else can see them.
_CHANNELS_LAST = np.empty((2, 2, 2, 2)).transpose(0, 3, 1, 2)
_BATCH_LAST = np.empty((2, 2, 2, 2)).transpose(3, 0, 1, 2)
_FILTERS_LAST = np.empty((2, 2, 2, 2)).transpose(3, 2, 0, 1)


def channels_last(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new array of shape (N, C, H, W) that lies in memory as (N, H, W, C)."""
    return np.empty_like(_CHANNELS_LAST, dtype, shape=shape)


def pixels(x: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) as (N, H, W, C)."""
    return x.transpose(0, 2, 3, 1)


def batch_last(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new array of shape (N, C, H, W) that lies in memory as (C, H, W, N)."""
    return np.empty_like(_BATCH_LAST, dtype, shape=shape)


def is_batch_last(x: np.ndarray) -> bool:
    """Whether x (N, C, H, W) lies in memory as (C, H, W, N)."""
    if x.strides[0] != x.itemsize or x.strides[1] == x.itemsize:  # one image, or pixels alone
        return False
    return len(x) > 1 and x.transpose(1, 2, 3, 0).flags.c_contiguous


def filters_last(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new array of shape (F, C, KH, KW) that lies in memory as (KH, KW, C, F).

    So it is already the matrix (KH KW C, F) by which columns are multiplied. Convolution layers
    keep their weights like this.
    """
    return np.empty_like(_FILTERS_LAST, dtype, shape=shape)


def filter_matrix(w: np.ndarray) -> np.ndarray:
    """Return filters (F, C, KH, KW) as a matrix (KH KW C, F), without a copy if they lie so."""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(-1, len(w))


def strided(x: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Return a view of the memory of `x`, from its first element on."""
    if x.flags.c_contiguous:  # as_strided takes 15 microseconds, this one
        return np.ndarray(shape, x.dtype, x, strides=strides)
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def flattened(*arrays: np.ndarray | None) -> list[np.ndarray | None] | None:
    """Return views of dense arrays as one dimension, in the order of their memory; None stays.

    They show the same element at the same place; if the arrays are laid out differently, return
    None.
    """
    first = next(a for a in arrays if a is not None)
    order = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
    turned = [None if a is None else a.transpose(order) for a in arrays]
    if any(a is not None and not a.flags.c_contiguous for a in turned):
        return None
    return [None if a is None else a.reshape(-1) for a in turned]


def blocks(
    images: int, rows: int, bytes_per_row: int, filters: int = 0
) -> list[tuple[slice, slice]]:
    """Return (images, rows) slices that cover the batch in pieces of about `CACHE_BYTES`.

    A piece is several whole images or, if one image is too large, a band of rows of one. Pieces of
    different images share nothing, so that threads may work on them at the same time; there is one
    for every thread, unless they would be too small to be worth handing over. Where each number is
    multiplied with `filters` others, that is sooner worth it.
    """
    total, threads = images * rows * bytes_per_row, get_num_threads()
    least = HANDOVER_BYTES // max(1, filters // PRODUCTS)
    count = -(-total // CACHE_BYTES)
    if count > 1 or total >= threads * least:
        count = -(-count // threads) * threads  # as many for each thread
    if count <= images:
        step = -(-images // count)
        return [(slice(n, min(n + step, images)), slice(0, rows)) for n in range(0, images, step)]
    step = -(-rows // -(-count // images))
    bands = [slice(r, min(r + step, rows)) for r in range(0, rows, step)]
    return [(slice(n, n + 1), band) for n in range(images) for band in bands]


class Windows:
    """Where the windows over images of one size stand: kernel, stride, padding, dilation."""

    def __init__(
        self, out_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
    ):
        self.out_hw, self.kernel, self.stride = out_hw, kernel, stride
        self.padding, self.dilation = padding, dilation
        self._seen: dict[Pair, tuple[Pair, Pair]] = {}

    def rectangle(self, rows: slice | None = None) -> tuple[Pair, Pair]:
        """Return what the windows of output `rows` see: ((first, end) row, (first, end) column)."""
        span = (0, self.out_hw[0]) if rows is None else (rows.start, rows.stop)
        if span not in self._seen:
            self._seen[span] = self._rectangle(span)
        return self._seen[span]

    def _rectangle(self, rows: Pair) -> tuple[Pair, Pair]:
        spans, edges = [rows, (0, self.out_hw[1])], []
        for axis, (start, stop) in enumerate(spans):
            origin, stride = -self.padding[axis][0], self.stride[axis]
            reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            edges.append((start * stride + origin, (stop - 1) * stride + origin + reach))
        return edges[0], edges[1]

    def taps(self, rows: slice | None = None) -> Iterator[tuple[int, int, slice, slice]]:
        """Yield (i, j, y, x): the slices of `rectangle(rows)` that lie under tap (i, j)."""
        out = (rows.stop - rows.start, self.out_hw[1]) if rows else self.out_hw
        return taps(self.kernel, self.stride, self.dilation, out)


@functools.lru_cache(1024)
def windows_of(
    out_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> Windows:
    """Return `Windows`, the same ones for the same sizes: the next step will ask for them again."""
    return Windows(out_hw, kernel, stride, padding, dilation)


class Convolution(NamedTuple):
    """What the choice of a kernel depends on: sizes, windows, and how the images lie in memory.

    Attributes:
        n, c, f: images, channels of one group, filters of all groups.
        groups: how many groups; the images have c groups channels.
        input_hw: the size of the images, without padding.
        windows: where the windows stand over them.
        batch_last: whether the first argument (x, or dy) is batch-last.
    """

    n: int
    c: int
    f: int
    groups: int
    input_hw: Pair
    windows: Windows
    batch_last: bool

    @property
    def k(self) -> int:
        """The numbers in a window: KH KW C."""
        return self.windows.kernel[0] * self.windows.kernel[1] * self.c

    @property
    def y_shape(self) -> tuple[int, ...]:
        return (self.n, self.f, *self.windows.out_hw)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.n, self.c * self.groups, *self.input_hw)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.f, self.c, *self.windows.kernel)


@functools.lru_cache(1024)
def _overlap(hw: Pair, rectangle: tuple[Pair, Pair]) -> tuple[slice, slice, slice, slice, Pair]:
    """Return where a rectangle meets an image: (rows, columns) of each of them, and its size."""
    inside, own = [], []
    for length, (start, stop) in zip(hw, rectangle, strict=True):
        low = min(max(start, 0), length)
        high = max(min(stop, length), low)
        inside.append(slice(low, high))
        own.append(slice(low - start, high - start))
    (top, bottom), (left, right) = rectangle
    return inside[0], inside[1], own[0], own[1], (bottom - top, right - left)


def cut(
    x: np.ndarray, rectangle: tuple[Pair, Pair], fill: float = 0.0, role: str = "cut"
) -> np.ndarray:
    """Return `rectangle` of the images `x`, (B, C, h, w), with `fill` wherever it leaves them.

    The result's channels are adjacent in memory. It is a view of `x` where that is so already, and
    else lies in a workspace of its own for each role and kind of rectangle: its border is filled
    only once.
    """
    rows, columns, own_rows, own_columns, size = _overlap(x.shape[2:], rectangle)
    inside = x[:, :, rows, columns]
    if inside.shape[2:] == size and inside.strides[1] == x.itemsize:
        return inside
    b, c = x.shape[:2]
    edges = (own_rows.start, own_rows.stop, own_columns.start, own_columns.stop)
    piece = workspace((role, c, size, edges, fill), (b, *size, c), x.dtype, fill)
    piece = piece.transpose(0, 3, 1, 2)
    own = piece[:, :, own_rows, own_columns]
    if x.strides[1] == x.itemsize or c > FEW_CHANNELS:
        own[...] = inside
    else:  # NumPy would copy the few channels of one pixel at a time
        for i in range(c):
            own[:, i] = inside[:, i]
    return piece


@contextlib.contextmanager
def adding_into(dx: np.ndarray, rectangle: tuple[Pair, Pair]) -> Iterator[np.ndarray]:
    """Give a zero array that covers `rectangle`, to add to; then `dx` is what of it lies inside.

    The adjoint of `cut`. The array given is a view of `dx` where the rectangle lies within it.
    """
    rows, columns, own_rows, own_columns, size = _overlap(dx.shape[2:], rectangle)
    inside = dx[:, :, rows, columns]
    if inside.shape[2:] == size:
        dx[...] = 0
        yield inside
        return
    b, c = dx.shape[:2]
    total = workspace("total", (b, *size, c), dx.dtype)
    total[...] = 0
    total = total.transpose(0, 3, 1, 2)
    yield total
    if inside.shape != dx.shape:  # no window reaches the last pixels
        dx[...] = 0
    inside[...] = total[:, :, own_rows, own_columns]


def at_least_float32(x: Any) -> Any:
    """Return `x`, in float32 if it is float16, which is too coarse for sums and exponentials."""
    return x.astype("float32") if x.dtype == "float16" else x


def in_float32(kernel: Callable) -> Callable:
    """Let `kernel` take float16 arrays: it computes in float32 and returns float16.

    NumPy has no float16 matrix product worth the name, and GPUs too add up products in float32.
    """
    half = np.dtype("float16")

    @functools.wraps(kernel)
    def wrapper(*arguments: Any) -> Any:
        if arguments[0].dtype.char != half.char:  # all floating arguments have one dtype
            return kernel(*arguments)
        wide = [a.astype("float32") if getattr(a, "dtype", None) == half else a for a in arguments]
        result = kernel(*wide)
        if isinstance(result, tuple):
            return result[0].astype(half), *result[1:]
        return result.astype(half)

    return wrapper
