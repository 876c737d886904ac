"""Random numbers for samples: the same augmentation whatever process draws it.

When a data set flips or crops its images at random, and processes share the work, who draws which
random number? With one stream per process the pictures depend on the number of processes. minicnn
gives every *sample* a stream of its own instead, a function of two numbers alone:

    seed        drawn once per epoch from the loader's generator (so epochs differ, runs do not)
    position    how many samples of this epoch came before it

A counter-based generator makes this cheap: Philox (Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", 2011) turns a key and a counter into random bits without any state to carry along, so
the key is the seed and the counter the position. While a sample is read, minicnn's default
generator, Python's `random` and `numpy.random` all draw from that stream; afterwards the three go
on as if nothing had been drawn, so that loading data changes neither dropout nor initial weights.

It is the position that counts and not the sample's number, because a sampler may show one sample
twice in an epoch, and then wants to see it augmented in two ways. A collate_fn goes on with the
stream of the batch's last sample.

What stays outside: a generator that a data set keeps for itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.random import mtrand  # what the functions of numpy.random belong to

from ..random import Generator, default_generator

SAMPLE, WORKER = 0, 1  # what a stream is for: the second word of its key

_lent = np.random.MT19937(0)  # what numpy.random draws from while samples are read
_current: BatchStreams | None = None


def draw_seed(generator: Generator | None) -> int:
    """Return a seed of 63 bits for one epoch, drawn from `generator` or the default one."""
    return int((generator or default_generator).numpy.integers(2**63))


class BatchStreams:
    """Within ``with BatchStreams(seed, position):`` each sample draws from its own stream.

    Args:
        seed: the epoch's seed.
        position: how many samples of the epoch came before this batch.
    """

    def __init__(self, seed: int, position: int):
        self.seed = seed
        self.position = position
        self.philox = np.random.Philox(key=0)
        # Counter word 0 counts the numbers drawn; the position in word 1 keeps the streams 2**64
        # numbers apart. The buffer is empty.
        self.key, self.counter = np.zeros(2, np.uint64), np.zeros(4, np.uint64)
        self.beginning: Any = {
            "bit_generator": "Philox",
            "state": {"key": self.key, "counter": self.counter},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }

    def sample(self, row: int) -> None:
        """Continue with the stream of sample `row` of this batch."""
        self.enter(SAMPLE, self.position + row)

    def enter(self, purpose: int, position: int) -> None:
        """Let all three sources of random numbers draw from one stream, from its beginning."""
        self.key[0], self.key[1], self.counter[1] = self.seed, purpose, position
        self.philox.state = self.beginning  # a tenth of the time of making a Philox
        random.seed(int(self.philox.random_raw()))
        np.random.seed(int(self.philox.random_raw()) % 2**32)

    def __enter__(self) -> BatchStreams:
        global _current
        self.before = (
            _current,
            default_generator.numpy,
            random.getstate(),
            mtrand.get_bit_generator(),
        )
        _current = self
        default_generator.numpy = np.random.Generator(self.philox)
        mtrand.set_bit_generator(_lent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _current
        _current, default_generator.numpy, python_state, bits = self.before
        random.setstate(python_state)
        mtrand.set_bit_generator(bits)


def seed_worker(seed: int, worker: int) -> None:
    """Give what a worker draws outside of samples (in worker_init_fn) a stream of its own."""
    BatchStreams(seed, 0).__enter__().enter(WORKER, worker)


def one_by_one(read: Callable[[Any], Any], indices: Iterable[Any]) -> list[Any]:
    """Return ``[read(i) for i in indices]``, each read in the random stream of its own sample.

    Outside a `DataLoader` there are no streams, and every read draws from the usual generators.
    """
    samples = []
    for row, index in enumerate(indices):
        if _current is not None:
            _current.sample(row)
        samples.append(read(index))
    return samples


def samples_of(dataset: Any, indices: Sequence[Any]) -> Sequence[Any]:
    """Return the samples at `indices`: all at once where the data set can, else one by one."""
    if not reads_at_once(dataset):
        return one_by_one(dataset.__getitem__, indices)
    if _current is not None:
        _current.sample(0)
    return dataset.__getitems__(indices)


def reads_at_once(dataset: Any) -> bool:
    """Whether the data set's own ``__getitems__`` is to be used.

    Not if a subclass has written a new ``__getitem__`` and inherits ``__getitems__`` from a class
    that knows nothing of it: then the new ``__getitem__`` is what its author means.
    """
    for cls in type(dataset).__mro__:
        if "__getitems__" in vars(cls):
            return vars(cls)["__getitems__"] is not None
        if "__getitem__" in vars(cls):
            return False
    return False
