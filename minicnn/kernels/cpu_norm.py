"""Normalisation on the CPU: few passes over memory, in long runs.

*Long runs.* NumPy starts a new inner loop for every row, and a row of 32 channels is too short for
that. So 2^k rows are read as one, and what belongs to a channel is repeated 2^k times. It moves no
memory, halves the time, and shortens the chains of sums, so that float32 suffices within a block.

*Blocks.* Rows are taken in pieces that stay in cache while several operations go over them, on
several threads. The sums of the blocks are added in float64.

*No x_hat.* y and dx are sums of x - mean and dy, times one number for each channel, and a constant.
The mean is subtracted first, because x p - mean p would lose digits where the mean is large.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..threads import add_up, each
from .layout import blocks, workspace

RUN = 1024  # numbers; measured: 256 to 65536 are alike, 32 takes twice as long
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Block = tuple[slice, slice]  # of parts and of rows


class _Runs:
    """How an array (B, P, C) is read: as (B, P / k, k C), in blocks."""

    def __init__(self, x: np.ndarray, groups: int):
        self.shape, self.dtype, self.groups = x.shape, x.dtype, groups
        b, p, c = x.shape
        # The largest power of two that divides P and keeps to the length of a run.
        self.k = math.gcd(p, 1 << max(0, (RUN // c).bit_length() - 1))
        self.read = (b, p // self.k, self.k * c)

    def blocks(self) -> list[Block]:
        """Return the (parts, rows) of each block."""
        return blocks(self.read[0], self.read[1], self.read[2] * self.dtype.itemsize)

    def long(self, v: np.ndarray) -> np.ndarray:
        """Return numbers for each channel, (B, C), as ones for each place of a run, (B, 1, k C)."""
        return np.tile(v.astype(self.dtype, copy=False), (1, self.k))[:, None]

    def channel_sums(self, terms: Callable[[Block], np.ndarray]) -> np.ndarray:
        """Return sums (B, C), in float64, of the sums over rows that `terms` gives for a block."""
        total = np.zeros((self.read[0], self.read[2]))

        def add(parts: slice, rows: slice, total: np.ndarray) -> None:
            total[parts] += terms((parts, rows))

        add_up(add, self.blocks(), total)
        return total.reshape(self.read[0], self.k, -1).sum(1)

    def group_means(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean over each group, (B, G), from sums over each channel, (B, C)."""
        b, p, c = self.shape
        return sums.reshape(b, self.groups, -1).sum(2) / (p * c // self.groups)

    def to_channels(self, v: np.ndarray) -> np.ndarray:
        """Return a group's number (B, G) for each of its channels, (B, C)."""
        return np.repeat(v, self.shape[2] // self.groups, axis=1)


def _centred(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.subtract(x, mean, out=workspace("centred", x.shape, x.dtype))


def channel_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, groups: int, eps: float) -> Arrays:
    """See `norm.channel_norm`."""
    how = _Runs(x, groups)
    x = x.reshape(how.read)
    mean = how.group_means(how.channel_sums(lambda block: x[block].sum(1)))  # (B, G)
    long_mean = how.long(how.to_channels(mean))

    def squares(block: Block) -> np.ndarray:
        d = _centred(x[block], long_mean[block[0]])
        return np.einsum("brc,brc->bc", d, d)

    var = how.group_means(how.channel_sums(squares))  # (B, G)
    scale = how.long(w / np.sqrt(how.to_channels(var) + eps))
    shift = how.long(np.broadcast_to(b, (len(mean), len(b))))
    y = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = y[parts, rows]
        np.subtract(x[parts, rows], long_mean[parts], out=piece)
        piece *= scale[parts]
        piece += shift[parts]

    each(write, how.blocks())
    return y.reshape(how.shape), mean.astype(x.dtype), var.astype(x.dtype)


def channel_norm_grad(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, inv_std: np.ndarray
) -> Arrays:
    """See `norm.channel_norm_grad`. With r = inv_std, n numbers in a group, sums over a group:

    dx = p dy + q (x - m) + s,  p = w r,  q = -r^3 sum(w dy (x - m)) / n,  s = -r sum(w dy) / n.
    """
    how = _Runs(x, mean.shape[1])
    x, dy = x.reshape(how.read), dy.reshape(how.read)
    r = how.to_channels(inv_std)  # (B, C)
    long_mean = how.long(how.to_channels(mean))

    def products(block: Block) -> np.ndarray:
        return np.einsum("brc,brc->bc", dy[block], _centred(x[block], long_mean[block[0]]))

    sum_dy = how.channel_sums(lambda block: dy[block].sum(1))  # (B, C)
    sum_dy_x = how.channel_sums(products)  # (B, C), of dy (x - m)
    p = w * r
    q = -(r**3) * how.to_channels(how.group_means(w * sum_dy_x))
    s = -r * how.to_channels(how.group_means(w * sum_dy))
    p, q, s = how.long(p), how.long(q), how.long(s)
    dx = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = dx[parts, rows]
        np.subtract(x[parts, rows], long_mean[parts], out=piece)
        piece *= q[parts]
        piece += s[parts]
        through = workspace("through", piece.shape, x.dtype)
        piece += np.multiply(dy[parts, rows], p[parts], out=through)

    each(write, how.blocks())
    dw, db = (sum_dy_x * r).sum(0).astype(x.dtype), sum_dy.sum(0).astype(x.dtype)  # (C,)
    return dx.reshape(how.shape), dw, db


def scale_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See `norm.scale_shift`."""
    how = _Runs(x, 1)
    x, scale, shift = x.reshape(how.read), how.long(scale[None]), how.long(shift[None])
    y = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = y[parts, rows]
        np.multiply(x[parts, rows], scale, out=piece)
        piece += shift

    each(write, how.blocks())
    return y.reshape(how.shape)
