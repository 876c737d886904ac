"""Random masks that are the same on every device: numbers that are computed, not drawn in turn.

A generator such as NumPy's draws one number after another, and a GPU has another one, so a mask
that both should share would have to be sent to the GPU at every step. Here number i is instead a
hash of i and of a key: xor, shifts and products of 32-bit integers, which come out the same in
NumPy, in CuPy and in CUDA. The key, two numbers of 32 bits, is drawn anew for every mask from
minicnn's generator, so the seed still decides everything.

Source: counters for random numbers are Salmon et al. 2011, "Parallel random numbers: as easy as 1,
2, 3"; the multipliers and shifts are those of "triple32" by C. Wellons 2018, found by search for
the least bias of any output bit when one input bit changes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import array_module
from ..threads import each

# Each round: x ^= x >> shift, x *= factor.
ROUNDS = [(np.uint32(s), np.uint32(f)) for s, f in ((11, 0xAC4C1B51), (15, 0x31848BAB))]
PIECE = 1 << 15  # elements: three such arrays stay in a core's own cache

Key = Any  # an array (2,) of uint32: on the host, or where the mask is to be


def scramble(x: Any, key: Key) -> Any:
    """Turn counters, a uint32 array, into random bits, in place; return them.

    The second half of the key enters after the first product: with one xor alone, two masks would
    be the same bits in another order.
    """
    x ^= key[0]
    x ^= x >> np.uint32(17)
    x *= np.uint32(0xED5AD4BB)
    x ^= key[1]
    for shift, factor in ROUNDS:
        x ^= x >> shift
        x *= factor
    x ^= x >> np.uint32(14)
    return x


def dropout_mask(like: Any, shape: tuple[int, ...], p: float, key: Key) -> Any:
    """Return an array of `shape`, on the device and in the dtype of `like`.

    Each element is 0 with probability p, to a multiple of 2^-32, and else 1 / (1 - p).
    """
    xp = array_module(like)
    bits = scramble(xp.arange(math.prod(shape), dtype=xp.uint32), key)
    kept = bits >= np.uint32(_threshold(p))
    return (kept * xp.full((), _scale(p), dtype=like.dtype)).reshape(shape)


def dropout_mask_in_pieces(like: np.ndarray, shape: tuple[int, ...], p: float, key: Key) -> Any:
    """`dropout_mask` for the CPU: in pieces that stay in the cache, on threads."""
    mask = np.empty(math.prod(shape), like.dtype)
    threshold, scale = np.uint32(_threshold(p)), like.dtype.type(_scale(p))

    def piece(start: int, stop: int) -> None:
        bits = scramble(np.arange(start, stop, dtype=np.uint32), key)
        np.multiply(bits >= threshold, scale, out=mask[start:stop])

    each(piece, [(i, min(i + PIECE, mask.size)) for i in range(0, mask.size, PIECE)])
    return mask.reshape(shape)


def _threshold(p: float) -> int:
    return min(round(p * 2**32), 2**32 - 1)


def _scale(p: float) -> float:
    return 1.0 / (1.0 - p) if p < 1.0 else 0.0
