"""Batch normalisation on the CPU: few passes over memory, in long runs.

*Long runs.* NumPy starts a new inner loop for every row, and a row of 32 channels is too short for
that. So 2^k rows are read as one, and the channels' statistics repeated 2^k times. It changes no
memory, halves the time, and shortens the chains of sums, so that float32 suffices within one.

*Blocks.* Rows are taken in pieces that stay in cache while several operations go over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .layout import workspace

RUN = 1024  # numbers; measured: 256 to 65536 are alike, 32 takes twice as long
BLOCK_BYTES = 1 << 20  # measured: 256 kB to 4 MB are alike


def in_long_runs(x: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (R, C) as (R / k, k C) and k, the largest power of two that fits `RUN` and R."""
    r, c = x.shape
    k = math.gcd(r, 1 << max(0, (RUN // c).bit_length() - 1))
    return x.reshape(r // k, k * c), k


def blocks(x: np.ndarray) -> Iterator[slice]:
    """Yield slices that cover the rows of `x` in pieces of about `BLOCK_BYTES`."""
    step = max(1, BLOCK_BYTES // (x.shape[1] * x.itemsize))
    return (slice(start, start + step) for start in range(0, len(x), step))


def _fold(sums: np.ndarray, k: int, dtype: Any) -> np.ndarray:
    """Return the sums of C columns from those of the k C columns of long runs."""
    return sums.reshape(k, -1).sum(0).astype(dtype)


def _centred(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.subtract(x, mean, out=workspace("centred", x.shape, x.dtype))


def batch_norm(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `norm.batch_norm`."""
    runs, k = in_long_runs(x)
    totals = np.zeros(runs.shape[1])  # float64: it collects the sums of many blocks
    for rows in blocks(runs):
        totals += runs[rows].sum(0)
    mean = _fold(totals / len(x), k, x.dtype)
    totals[:], long_mean = 0, np.tile(mean, k)
    for rows in blocks(runs):
        d = _centred(runs[rows], long_mean)
        totals += np.einsum("ij,ij->j", d, d)
    var = _fold(totals / len(x), k, x.dtype)
    scale = w / np.sqrt(var + eps)
    return scale_shift(x, scale, b - mean * scale), mean, var


def batch_norm_grad(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, inv_std: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `norm.batch_norm_grad`. dx is summed up as p dy + q x + s, with one p, q, s a channel."""
    (runs, k), n = in_long_runs(x), len(x)
    dy_runs = dy.reshape(runs.shape)
    sums, products = np.zeros(runs.shape[1]), np.zeros(runs.shape[1])
    long_mean = np.tile(mean, k)
    for rows in blocks(runs):
        d = _centred(runs[rows], long_mean)
        sums += dy_runs[rows].sum(0)
        products += np.einsum("ij,ij->j", dy_runs[rows], d)
    db, dw = _fold(sums, k, x.dtype), _fold(products, k, x.dtype) * inv_std
    p = w * inv_std
    q = -p * inv_std * (dw / n)
    s = -p * (db / n) - q * mean
    p, q, s = (np.tile(v, k) for v in (p, q, s))
    dx = np.empty_like(runs)
    for rows in blocks(runs):
        np.multiply(runs[rows], q, out=dx[rows])
        dx[rows] += s
        dx[rows] += np.multiply(dy_runs[rows], p, out=workspace("centred", dx[rows].shape, x.dtype))
    return dx.reshape(x.shape), dw, db


def scale_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See `norm.scale_shift`."""
    runs, k = in_long_runs(x)
    scale, shift = np.tile(scale, k), np.tile(shift, k)
    y = np.empty_like(runs)
    for rows in blocks(runs):
        np.multiply(runs[rows], scale, out=y[rows])
        y[rows] += shift
    return y.reshape(x.shape)
