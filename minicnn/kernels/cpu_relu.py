"""ReLU on the CPU, by far the most frequent activation: large arrays in pieces, on threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..threads import each
from .layout import flattened

PIECE = 1 << 19  # elements; shorter operations spend their time waiting for the interpreter lock


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0)."""
    y = np.empty_like(x)

    def piece(x: np.ndarray, y: np.ndarray) -> None:
        np.maximum(x, 0, out=y)

    _in_pieces(piece, x, y)
    return y


def relu_grad(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dx = dy where y != 0, else 0; by bits, see `reference.gate`."""
    dx = np.empty_like(y)
    bits, bytes_ = np.dtype(f"i{dy.itemsize}"), np.dtype("int8")

    def piece(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        mask = dx.view(bits)
        np.copyto(mask, np.not_equal(y, 0).view(bytes_))
        mask *= dy.view(bits)

    _in_pieces(piece, dy, y, dx)
    return dx


def _in_pieces(function: Callable[..., None], *arrays: np.ndarray) -> None:
    flat = flattened(*arrays) if arrays[0].size >= 2 * PIECE else None
    if flat is None:
        function(*arrays)
        return
    size = arrays[0].size
    pieces = [slice(i, min(i + PIECE, size)) for i in range(0, size, PIECE)]
    each(function, [tuple(a[own] for a in flat) for own in pieces])  # type: ignore[index]
