"""Samplers: iterables of sample numbers, one epoch long.

The order of an epoch is nothing but a list of numbers. Each of the random samplers draws the whole
epoch's list at once when iteration starts, so that the order depends on the seed alone and not on
how far ahead of the training loop the data is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..random import Generator, default_generator

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """The base of samplers: subclasses write ``__iter__(self)``, and ``__len__`` if they can."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(
            f"{type(self).__name__}: a subclass of Sampler must define __iter__(self)"
        )


class SequentialSampler(Sampler[int]):
    """0, 1, 2 ... in order."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new permutation at every epoch, or draws with replacement.

    Args:
        data_source: what the numbers belong to; only its length is used.
        replacement: whether a number may come more than once.
        num_samples: how many numbers to give; default: ``len(data_source)``. More than that without
            replacement gives one permutation after another.
        generator: where the numbers come from; default: minicnn's default generator.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be a bool, got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _check_count("RandomSampler", "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers one epoch gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng = (self.generator or default_generator).numpy
        n, count = len(self.data_source), self.num_samples
        if self.replacement:
            return iter(rng.integers(n, size=count).tolist())
        rounds = [rng.permutation(n) for _ in range(-(-count // n))]
        return iter(np.concatenate(rounds)[:count].tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given numbers in a new order at every epoch."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = (self.generator or default_generator).numpy.permutation(len(self.indices))
        return iter([self.indices[i] for i in order.tolist()])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers drawn in proportion to `weights`, for instance to show rare classes more often.

    Args:
        weights: one weight, not negative, for each sample; they need not sum to 1.
        num_samples: how many numbers to give.
        replacement: whether a number may come more than once.
        generator: where the numbers come from; default: minicnn's default generator.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ArgumentError(
                f"WeightedRandomSampler: replacement must be a bool, got {replacement!r}"
            )
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ShapeError(
                f"WeightedRandomSampler: weights must be a sequence, got shape {self.weights.shape}"
            )
        if not (
            np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.any()
        ):
            raise ArgumentError(
                "WeightedRandomSampler: weights must be finite, not negative and not all zero"
            )
        possible = np.count_nonzero(self.weights)
        if not replacement and num_samples > possible:
            raise ArgumentError(
                f"WeightedRandomSampler: cannot draw {num_samples} different samples where "
                f"{possible} have a weight above zero; use replacement=True"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        rng = (self.generator or default_generator).numpy
        share = self.weights / self.weights.sum()
        drawn = rng.choice(len(share), self.num_samples, replace=self.replacement, p=share)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list]):
    """The numbers of another sampler in lists of `batch_size`.

    Args:
        sampler: any iterable of numbers.
        batch_size: how many numbers a list holds.
        drop_last: leave out the last list if it is shorter.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        _check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ArgumentError(f"BatchSampler: drop_last must be a bool, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))  # the sampler draws its order here and now

    def _batches(self, numbers: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(numbers, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def _check_count(who: str, name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ArgumentError(f"{who}: {name} must be a positive integer, got {value!r}")
