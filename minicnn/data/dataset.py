"""Data sets: anything with a length whose samples can be asked for by number.

A `Dataset` says *what* sample i is; a `DataLoader` decides in which order samples come, how many
make a batch and which process reads them. Keeping the two apart is why data sets can be cut
(`Subset`), joined (`ConcatDataset`) and split (`random_split`) without touching a single image:
these three only translate numbers.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from ..errors import ArgumentError, DimensionError, ShapeError
from ..random import Generator, default_generator
from .streams import samples_of

if TYPE_CHECKING:
    from ..tensor import Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """The base of data sets: subclasses write ``__getitem__(self, index)`` and ``__len__(self)``.

    A subclass that can read many samples at once faster than one by one may also write
    ``__getitems__(self, indices)``, which returns the samples as a list.
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(
            f"{type(self).__name__}: a subclass of Dataset must define __getitem__(self, index)"
        )

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """A data set that can only be read from front to back; subclasses write ``__iter__(self)``."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(
            f"{type(self).__name__}: a subclass of IterableDataset must define __iter__(self)"
        )


class Rows(Sequence):
    """The samples of a batch as the rows of tensors that already hold the whole batch.

    It behaves as the list of sample tuples that any ``collate_fn`` expects, but `default_collate`
    takes `columns` as they are, instead of cutting them into rows only to stack these again.
    """

    def __init__(self, columns: Sequence[Tensor], as_sample: Callable[[Iterable], Any] = tuple):
        self.columns = columns
        self.as_sample = as_sample

    def collated(self) -> list[Tensor]:
        """Return the batch: what `default_collate` would make of these samples."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise DimensionError(f"batch: sample {row} of a batch of {len(self)}")
        return self.as_sample(column[row] for column in self.columns)


class TensorDataset(Dataset[tuple]):
    """Sample i is the tuple of the i-th rows of some tensors: ``TensorDataset(images, labels)``.

    Args:
        *tensors: tensors with the same length along their first dimension.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor):
        from ..tensor import Tensor

        for position, x in enumerate(tensors):
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"TensorDataset: argument {position} must be a Tensor, not {type(x).__name__}. "
                    "Use minicnn.from_numpy(array) or minicnn.tensor(list)."
                )
        if not tensors or any(x.ndim == 0 for x in tensors):
            raise ShapeError("TensorDataset: expected tensors with at least one dimension")
        lengths = [len(x) for x in tensors]
        if len(set(lengths)) > 1:
            raise ShapeError(
                f"TensorDataset: the tensors must be equally long, got lengths {lengths}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(x[index] for x in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        rows = np.asarray(indices, dtype=np.int64)
        return Rows([x[rows] for x in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset[T]):
    """The samples of `dataset` at `indices`, in that order.

    Args:
        dataset: the whole.
        indices: numbers of the samples that belong to the part.
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[T]:
        return samples_of(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T]):
    """Several data sets one after another.

    Args:
        datasets: the parts, in order.
    """

    def __init__(self, datasets: Iterable[Dataset[T]]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: expected at least one data set, got none")
        for part in self.datasets:
            if isinstance(part, IterableDataset):
                raise ArgumentError(
                    f"ConcatDataset: {type(part).__name__} is an IterableDataset, whose samples "
                    "have no numbers; use itertools.chain"
                )
        lengths = [len(part) for part in self.datasets]  # type: ignore[arg-type]
        self.cumulative_sizes = list(itertools.accumulate(lengths))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T:
        count = len(self)
        if not -count <= idx < count:
            # A ValueError below zero and an IndexError above, as in PyTorch: the second ends `for`.
            kind = DimensionError if idx >= 0 else ArgumentError
            raise kind(f"ConcatDataset: sample {idx} of {count}; use -{count} to {count - 1}")
        idx %= count
        part = bisect.bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[part - 1] if part else 0
        return self.datasets[part][idx - before]


def random_split(
    dataset: Dataset[T],
    lengths: Sequence[int | float],
    generator: Generator | None = default_generator,
) -> list[Subset[T]]:
    """Cut a data set at random into parts that do not overlap.

    Args:
        dataset: the whole.
        lengths: how many samples each part gets, summing to ``len(dataset)``; or fractions that sum
            to 1, rounded down, with what is left over dealt out one by one from the first part on.
        generator: where the permutation comes from.
    """
    whole = len(dataset)  # type: ignore[arg-type]
    sizes = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        sizes = _sizes_of_fractions(sizes, whole)
    if sum(sizes) != whole or any(size < 0 or size != int(size) for size in sizes):
        raise ArgumentError(
            "random_split: lengths must be whole numbers that sum to the data set's length "
            f"{whole}, or fractions that sum to 1; got {list(lengths)}"
        )
    order = (generator or default_generator).numpy.permutation(whole).tolist()
    ends = itertools.accumulate(int(size) for size in sizes)
    return [
        Subset(dataset, order[end - int(size) : end]) for size, end in zip(sizes, ends, strict=True)
    ]


def _sizes_of_fractions(fractions: Sequence[float], whole: int) -> list[int | float]:
    """Return how many of `whole` samples each fraction gets."""
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ArgumentError(f"random_split: fraction {i} must lie in [0, 1], got {fraction}")
    sizes: list[int | float] = [math.floor(whole * fraction) for fraction in fractions]
    for i in range(whole - int(sum(sizes))):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"random_split: part {i} is empty", stacklevel=3)
    return sizes
