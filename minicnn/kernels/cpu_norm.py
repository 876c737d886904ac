"""Normalisation on the CPU: few passes over memory, in long runs.

*Long runs.* NumPy starts a new inner loop for every row, and a row of 32 channels is too short for
that. So 2^k rows are read as one, and what belongs to a channel is repeated 2^k times. It moves no
memory, halves the time, and shortens the chains of sums, so that float32 suffices within a block.
(An odd number of rows cannot be read so; it takes longer, and its chains are cut; see `_add`.)

*Blocks.* Rows are taken in pieces that stay in cache while several operations go over them, on
several threads. The sums of the blocks are added in float64.

*No x_hat.* y and dx are sums of x and dy, times one number for each channel, and a constant. Where
the mean is large beside the spread, sum x^2 - n mean^2 and x p - mean p would lose digits; only
then is the mean subtracted first, which takes another pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..threads import each
from .layout import blocks, in_float32, workspace

RUN = 8192  # numbers; measured: 1024 take 1.5 times as long, 32 three times
CHAIN = 512  # rows; float32 loses three digits over 100,000 of them
FAR = 16.0  # mean^2 / var; four bits of the squares are lost at most
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Block = tuple[slice, slice]  # of parts and of rows


class Runs:
    """How an array (B, P, C) is read: as (B, P / k, k C), in blocks."""

    def __init__(self, x: np.ndarray, groups: int):
        self.shape, self.dtype, self.groups = x.shape, x.dtype, groups
        b, p, c = x.shape
        # The largest power of two that divides P and keeps to the length of a run.
        self.k = math.gcd(p, 1 << max(0, (RUN // c).bit_length() - 1))
        self.read = (b, p // self.k, self.k * c)

    def blocks(self) -> list[Block]:
        """Return the (parts, rows) of each block: of two caches, see `cpu_pool`."""
        return blocks(self.read[0], self.read[1], self.read[2] * self.dtype.itemsize // 2 or 1)

    def long(self, v: np.ndarray) -> np.ndarray:
        """Return numbers for each channel, (B, C), as ones for each place of a run, (B, 1, k C)."""
        runs = np.empty((len(v), self.k, v.shape[1]), self.dtype)
        runs[...] = v[:, None]
        return runs.reshape(len(v), 1, -1)

    def channel_sums(self, terms: Callable[[Block], tuple[np.ndarray, ...]]) -> list[np.ndarray]:
        """Return sums (B, C), in float64, of each of the sums over rows that `terms` gives."""
        pieces = self.blocks()
        found = each(lambda *block: terms(block), pieces)
        totals = [np.zeros((self.read[0], self.shape[2])) for _ in found[0]]
        for (parts, _), sums in zip(pieces, found, strict=True):
            for total, values in zip(totals, sums, strict=True):
                total[parts] += values.reshape(len(values), self.k, -1).sum(1, dtype=np.float64)
        return totals

    def group_means(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean over each group, (B, G), from sums over each channel, (B, C)."""
        b, p, c = self.shape
        return sums.reshape(b, self.groups, -1).sum(2) / (p * c // self.groups)

    def to_channels(self, v: np.ndarray) -> np.ndarray:
        """Return a group's number (B, G) for each of its channels, (B, C)."""
        return np.repeat(v, self.shape[2] // self.groups, axis=1)


def add_rows(x: np.ndarray) -> np.ndarray:
    """Return the sums (B, L) over the rows of (B, R, L), as a product: BLAS does it fastest."""
    return _add(lambda x: np.matmul(np.ones((1, x.shape[1]), x.dtype), x)[:, 0], x)


def _add_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sums (B, L) over the rows of x y, both (B, R, L)."""
    return _add(lambda x, y: np.einsum("brc,brc->bc", x, y), x, y)


def _add(sums: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """Return sums(*arrays), never over more than `CHAIN` rows at once in the arrays' own dtype."""
    b, r, length = arrays[0].shape
    if r <= CHAIN:
        return sums(*arrays)
    whole = r // CHAIN * CHAIN
    parts = sums(*(a[:, :whole].reshape(-1, CHAIN, length) for a in arrays))
    total = parts.reshape(b, -1, length).sum(1, dtype=np.float64)
    return total + sums(*(a[:, whole:] for a in arrays))


def _is_far(mean: np.ndarray, var: np.ndarray) -> bool:
    """Whether some mean is so far from 0 that x must be centred before anything is multiplied."""
    return bool((mean * mean > FAR * var).any())


@in_float32
def channel_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, groups: int, eps: float) -> Arrays:
    """See `norm.channel_norm`."""
    how = Runs(x, groups)
    x = x.reshape(how.read)
    total, squares = how.channel_sums(
        lambda block: (add_rows(x[block]), _add_products(x[block], x[block]))
    )
    mean = how.group_means(total)  # (B, G)
    var = how.group_means(squares) - mean**2
    long_mean = how.long(how.to_channels(mean))

    def centred_squares(block: Block) -> tuple[np.ndarray]:
        d = x[block] - long_mean[block[0]]
        return (_add_products(d, d),)

    far = _is_far(mean, var)
    if far:
        var = how.group_means(*how.channel_sums(centred_squares))
    scale = w / np.sqrt(how.to_channels(var) + eps)
    shift = how.long(b - (0 if far else how.to_channels(mean)) * scale)
    scale = how.long(scale)
    y = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = y[parts, rows]
        if far:
            np.subtract(x[parts, rows], long_mean[parts], out=piece)
            piece *= scale[parts]
        else:
            np.multiply(x[parts, rows], scale[parts], out=piece)
        piece += shift[parts]

    each(write, how.blocks())
    return y.reshape(how.shape), mean.astype(x.dtype), var.astype(x.dtype)


@in_float32
def channel_norm_grad(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, inv_std: np.ndarray
) -> Arrays:
    """See `norm.channel_norm_grad`. With r = inv_std, n numbers in a group, sums over a group:

    dx = p dy + q (x - m) + s,  p = w r,  q = -r^3 sum(w dy (x - m)) / n,  s = -r sum(w dy) / n.
    """
    how = Runs(x, mean.shape[1])
    x, dy = x.reshape(how.read), dy.reshape(how.read)
    r, m = how.to_channels(inv_std), how.to_channels(mean)  # (B, C)
    far, long_mean = _is_far(m, 1 / r**2), how.long(m)

    def sums(block: Block) -> tuple[np.ndarray, np.ndarray]:
        d = x[block] - long_mean[block[0]] if far else x[block]
        return add_rows(dy[block]), _add_products(dy[block], d)

    sum_dy, sum_dy_x = how.channel_sums(sums)  # (B, C)
    if not far:
        sum_dy_x = sum_dy_x - m * sum_dy  # of dy (x - m)
    p = w * r
    q = -(r**3) * how.to_channels(how.group_means(w * sum_dy_x))
    s = -r * how.to_channels(how.group_means(w * sum_dy)) - (0 if far else q * m)
    p, q, s = how.long(p), how.long(q), how.long(s)
    dx = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = dx[parts, rows]
        if far:
            np.subtract(x[parts, rows], long_mean[parts], out=piece)
            piece *= q[parts]
        else:
            np.multiply(x[parts, rows], q[parts], out=piece)
        piece += s[parts]
        piece += np.multiply(dy[parts, rows], p[parts], out=workspace("dy", piece.shape, x.dtype))

    each(write, how.blocks())
    dw, db = (sum_dy_x * r).sum(0).astype(x.dtype), sum_dy.sum(0).astype(x.dtype)  # (C,)
    return dx.reshape(how.shape), dw, db


def scale_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See `norm.scale_shift`."""
    how = Runs(x, 1)
    x, scale, shift = x.reshape(how.read), how.long(scale[None]), how.long(shift[None])
    y = np.empty_like(x)

    def write(parts: slice, rows: slice) -> None:
        piece = y[parts, rows]
        np.multiply(x[parts, rows], scale, out=piece)
        piece += shift

    each(write, how.blocks())
    return y.reshape(how.shape)
