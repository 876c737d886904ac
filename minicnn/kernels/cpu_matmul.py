"""Matrix products on the CPU: one part of the result for each thread.

The BLAS library could share a product among threads of its own. Afterwards they wait for the next
one by running in circles for some 20 ms, on the processors that the threads of `threads.py` need: a
training step took twice as long. So BLAS is held to one thread here as everywhere, and the longer
side of the result is divided.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..threads import each, get_num_threads, one_blas_thread
from .layout import in_float32

WORTH = (
    8_000_000  # multiply-adds that a thread should have: some 0.1 ms, twice what it takes to wake
)


@in_float32
def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = a b for matrices (..., M, K) and (..., K, N), those before broadcast."""
    count = min(get_num_threads(), max(a.size * b.shape[-1], b.size * a.shape[-2]) // WORTH)
    if count <= 1:
        with one_blas_thread():
            return np.matmul(a, b)
    shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = np.empty((*shape, a.shape[-2], b.shape[-1]), a.dtype)
    axis = int(np.argmax(y.shape[-2:])) - 2 if y.ndim == 2 else 0
    edges = [i * y.shape[axis] // count for i in range(count + 1)]

    def part(start: int, stop: int) -> None:
        if y.ndim > 2:
            own = (slice(start, stop),)
            np.matmul(_batch(a, y.ndim, own), _batch(b, y.ndim, own), out=y[own])
        elif axis == -2:
            np.matmul(a[start:stop], b, out=y[start:stop])
        else:
            np.matmul(a, b[:, start:stop], out=y[:, start:stop])

    each(part, list(itertools.pairwise(edges)))
    return y


def _batch(x: np.ndarray, ndim: int, own: tuple) -> np.ndarray:
    """Return the matrices of `x` that belong to a slice of the result's first axis."""
    return x if x.ndim < ndim or x.shape[0] == 1 else x[own]
