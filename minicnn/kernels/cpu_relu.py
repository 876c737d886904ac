"""ReLU on the CPU, by far the most frequent activation: large arrays in pieces, on threads.

NumPy's ``maximum(x, 0)`` takes three times as long as its maximum of two arrays, which is
vectorised. So rows of x are compared with a row of zeros, which stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..threads import each
from .layout import flattened, workspace

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
    """dx = dy where y != 0, else 0; by bits, see `reference.gate`."""
    dx = np.empty_like(y)
    bits, bytes_ = np.dtype(f"i{dy.itemsize}"), np.dtype("int8")

    def piece(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        mask = dx.view(bits)
        np.copyto(mask, np.not_equal(y, 0).view(bytes_))
        mask *= dy.view(bits)

    if y.size < 2 * PIECE or not _in_pieces(piece, dy, y, dx):
        piece(dy, y, dx)
    return dx


def _in_pieces(function: Callable[..., None], *arrays: np.ndarray) -> bool:
    """Call function(*pieces) for runs of memory; return False if the arrays have none in common."""
    flat = flattened(*arrays)
    if flat is None:
        return False
    pieces = [slice(i, i + PIECE) for i in range(0, arrays[0].size, PIECE)]
    each(function, [tuple(a[own] for a in flat) for own in pieces])  # type: ignore[index]
    return True
