"""ReLU on the CPU, by far the most frequent activation: large arrays in pieces, on threads.

NumPy's ``maximum(x, 0)`` takes three times as long as its maximum of two arrays, which is
vectorised. So rows of x are compared with a row of zeros, which stays in the cache.

With a bias before it, a piece gets both while it is in cache; and the bias's gradient is added up
while a piece of dx is there. Rows of channels are read in long runs (see `cpu_norm`); images in
another layout are taken channel by channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..threads import each
from . import reference
from .cpu_norm import Runs, add_rows
from .layout import flattened, in_float32, workspace

PIECE = 1 << 19  # elements; shorter operations spend their time waiting for the interpreter lock
ROW = 1 << 13  # elements; shorter rows are slower


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0)."""
    y = np.empty_like(x)
    if x.size < 8 * ROW or not _in_pieces(_positive_part, x, y):
        np.maximum(x, 0, out=y)
    return y


def _positive_part(x: np.ndarray, y: np.ndarray) -> None:
    """y = max(x, 0) for arrays of one dimension."""
    zeros, whole = workspace("zeros", (ROW,), x.dtype, fill=0.0), len(x) // ROW * ROW
    np.maximum(x[:whole].reshape(-1, ROW), zeros, out=y[:whole].reshape(-1, ROW))
    if whole < len(x):
        np.maximum(x[whole:], zeros[: len(x) - whole], out=y[whole:])


def relu_grad(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dx = dy where y != 0, else 0."""
    dx = np.empty_like(y)
    if y.size < 2 * PIECE or not _in_pieces(_gate, dy, y, dx):
        _gate(dy, y, dx)
    return dx


def _gate(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """Make dx = dy where y != 0, else 0, and return it; by bits, see `reference.gate`."""
    mask = dx.view(np.dtype(f"i{dy.itemsize}"))
    np.copyto(mask, np.not_equal(y, 0).view("int8"))
    mask *= dy.view(mask.dtype)
    return dx


def _in_pieces(function: Callable[..., Any], *arrays: np.ndarray) -> bool:
    """Call function(*pieces) for runs of memory; return False if the arrays have none in common."""
    flat = flattened(*arrays)
    if flat is None:
        return False
    pieces = [slice(i, i + PIECE) for i in range(0, arrays[0].size, PIECE)]
    each(function, [tuple(a[own] for a in flat) for own in pieces])  # type: ignore[index]
    return True


def bias_relu(x: np.ndarray, b: np.ndarray) -> np.ndarray:
    """See `reference.bias_relu`."""
    y = np.empty_like(x)
    if _channels_are_last(x):
        how = Runs(_rows(x), 1)
        x_runs, y_runs = (_rows(a).reshape(how.read) for a in (x, y))
        long_b = how.long(b[None])
        each(_bias_relu, [(x_runs[block], long_b, y_runs[block]) for block in how.blocks()])
    elif x.size >= 2 * PIECE:
        each(_bias_relu, [(x[:, c], b[c], y[:, c]) for c in range(len(b))])
    else:
        return reference.bias_relu(x, b)
    return y


def _bias_relu(x: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    np.add(x, b, out=y)
    np.maximum(y, workspace("zeros", y.shape[-1:], y.dtype, fill=0.0), out=y)


@in_float32
def bias_relu_grad(dy: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See `reference.bias_relu_grad`."""
    dx = np.empty_like(y)
    if _channels_are_last(y):
        how = Runs(_rows(y), 1)
        runs = [_rows(a).reshape(how.read) for a in (dy, y, dx)]
        (sums,) = how.channel_sums(lambda block: (add_rows(_gate(*(a[block] for a in runs))),))
        return dx, sums[0].astype(y.dtype)
    if y.size >= 2 * PIECE:
        parts = [(dy[:, c], y[:, c], dx[:, c]) for c in range(y.shape[1])]
        db = each(lambda *part: _gate(*part).sum(dtype="float64"), parts)
        return dx, np.array(db, y.dtype)
    return reference.bias_relu_grad(dy, y)


def _channels_are_last(x: np.ndarray) -> bool:
    return np.moveaxis(x, 1, -1).flags.c_contiguous


def _rows(x: np.ndarray) -> np.ndarray:
    """Return (N, C, ...) as (1, P, C), without a copy if the channels are last in memory."""
    return np.moveaxis(x, 1, -1).reshape(1, -1, x.shape[1])
