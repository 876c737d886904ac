"""Linear maps along an image's rows and columns: y = A x B^T, with a matrix for each axis.

Interpolation and adaptive average pooling look unlike each other, yet both are *separable* and
*linear*: a small matrix A (OH x H) says how the rows of the output mix the rows of the input, a
matrix B (OW x W) says the same of the columns, and y = A x B^T for every channel. The gradient is
then dx = A^T dy B, the same operation with transposed matrices: one op that differentiates itself.

The matrices are nearly all zeros, so no product is computed with them. `AxisMap` keeps the first
nonzero of each row, then the second, and so on, and gathers the pixels they belong to. Nearest
neighbours take one gather an axis, bilinear interpolation two, and a GPU can do the same, since no
two numbers are ever written to the same place.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..backend import array_module, device_of
from .layout import in_float32

Array = Any


class AxisMap:
    """A sparse matrix (size out x size in) along one axis, and its transpose `T`.

    Attributes:
        matrix: the matrix itself, for reading and for tests.
        gathers: triples (outputs, inputs, weights): ``y[outputs] += weights * x[inputs]``.
            `outputs` is a full slice where it names every one, `weights` None where all are 1.
    """

    def __init__(self, matrix: np.ndarray, transpose: AxisMap | None = None):
        self.matrix = matrix
        self.gathers = list(_gathers(matrix))
        self._transpose = transpose
        self._placed: dict[Any, list[Any]] = {}

    @property
    def T(self) -> AxisMap:
        """The map of the transposed matrix, which carries gradients back."""
        if self._transpose is None:
            self._transpose = AxisMap(self.matrix.T, self)
        return self._transpose

    def __repr__(self) -> str:
        return f"AxisMap({self.matrix.shape[1]} -> {self.matrix.shape[0]})"

    def apply(self, x: Array, axis: int) -> Array:
        """Return ``matrix @ x`` along `axis`."""
        xp = array_module(x)
        y = xp.zeros((*x.shape[:axis], len(self.matrix), *x.shape[axis + 1 :]), dtype=x.dtype)
        for outputs, inputs, weights in self._beside(x):
            part = x.take(inputs, axis=axis)
            if weights is not None:
                part *= weights.reshape((-1,) + (1,) * (x.ndim - axis - 1))
            if isinstance(outputs, slice) and len(self.gathers) == 1:
                return part
            y[(slice(None),) * axis + (outputs,)] += part
        return y

    def _beside(self, x: Array) -> list[Any]:
        """Return `gathers` in arrays where `x` is, in its dtype; a GPU is sent them only once."""
        key = (str(device_of(x)), x.dtype)
        if key not in self._placed:
            xp = array_module(x)
            self._placed[key] = [
                (
                    outputs if isinstance(outputs, slice) else xp.asarray(outputs),
                    xp.asarray(inputs),
                    None if weights is None else xp.asarray(weights, dtype=x.dtype),
                )
                for outputs, inputs, weights in self.gathers
            ]
        return self._placed[key]


def _gathers(matrix: np.ndarray) -> Any:
    """Yield (outputs, inputs, weights) of the first nonzero in each row, the second, and so on."""
    rank = np.where(matrix != 0, np.cumsum(matrix != 0, axis=1), 0)
    for t in range(1, rank.max(initial=0) + 1):
        outputs, inputs = np.nonzero(rank == t)
        weights = matrix[outputs, inputs]
        every = len(outputs) == len(matrix)
        yield slice(None) if every else outputs, inputs, None if (weights == 1).all() else weights


@in_float32
def resample(x: Array, rows: AxisMap, columns: AxisMap) -> Array:
    """y = A x B^T for each image and channel: (N, C, H, W) -> (N, C, OH, OW), channels last."""
    x = x.transpose(0, 2, 3, 1)  # (N, H, W, C)
    return columns.apply(rows.apply(x, 1), 2).transpose(0, 3, 1, 2)


# ------------------------------------------------------------------------------ the matrices


def adaptive_windows(size: int, out: int) -> list[tuple[int, int]]:
    """Return the windows [floor(o H / OH), ceil((o + 1) H / OH)) of adaptive pooling.

    They cover the axis and overlap by at most one pixel where `out` does not divide `size`.
    """
    return [(o * size // out, -(-(o + 1) * size // out)) for o in range(out)]


@functools.lru_cache(maxsize=64)
def window_means(size: int, out: int) -> AxisMap:
    """Row o averages adaptive window o."""
    matrix = np.zeros((out, size))
    for o, (start, stop) in enumerate(adaptive_windows(size, out)):
        matrix[o, start:stop] = 1 / (stop - start)
    return AxisMap(matrix)


@functools.lru_cache(maxsize=64)
def nearest(size: int, out: int, scale: float | None) -> AxisMap:
    """Row o picks pixel floor(o / scale), `scale` being out / size unless given.

    In float32, as PyTorch computes it, because a rounding error here picks another pixel; and like
    PyTorch with the exact ratio, whatever the scale, where the size stays or doubles.
    """
    step = np.float32(size / out if scale is None or out in (size, 2 * size) else 1 / scale)
    source = np.floor(np.arange(out, dtype="float32") * step).astype(int)
    return AxisMap(np.eye(size)[np.minimum(source, size - 1)])


@functools.lru_cache(maxsize=64)
def linear(size: int, out: int, align_corners: bool, scale: float | None) -> AxisMap:
    """Row o mixes the two pixels between which the point o falls, by their distance.

    With `align_corners` the first and last pixel's centres stay where they are, and points are
    spread evenly between; otherwise pixels are squares, and point o is the centre of its square:
    (o + 1/2) / scale - 1/2.
    """
    if align_corners:
        points = np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        step = 1 / scale if scale else size / out
        points = np.maximum((np.arange(out) + 0.5) * step - 0.5, 0)
    if out == size:
        points = np.arange(out, dtype=float)
    low = np.minimum(np.floor(points).astype(int), size - 1)
    part = np.minimum(points - low, 1)[:, None]
    eye = np.eye(size)
    return AxisMap((1 - part) * eye[low] + part * eye[np.minimum(low + 1, size - 1)])
