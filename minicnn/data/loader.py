"""`DataLoader`: batches from a data set, in an order that a seed decides.

An epoch is a list of tasks, each a batch's sample numbers and the random stream its samples draw
from. A task is complete: whoever carries it out, this process or any worker, gets the same batch.
So the batches, their order and their random augmentation depend on the seed alone, never
on `num_workers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import ArgumentError, UnsupportedError
from ..random import Generator
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .prefetch import pin_batch
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .streams import BatchStreams, draw_seed, samples_of


class Task(NamedTuple):
    """One batch to be made: all that a process needs besides the data set."""

    seed: int  # the epoch's base seed
    position: int  # how many samples of the epoch came before
    index: Any  # the numbers of the samples; one number with batch_size=None


class DataLoader:
    """Iterate over a data set in batches; each iteration is one epoch.

    Args:
        dataset: where the samples come from.
        batch_size: samples in a batch; None gives single samples that are not collated.
        shuffle: a new random order at every epoch.
        sampler: an iterable of sample numbers, instead of `shuffle`.
        batch_sampler: an iterable of lists of sample numbers, instead of `batch_size`, `shuffle`,
            `sampler` and `drop_last`.
        num_workers: processes that read ahead; 0 reads in this process.
        collate_fn: makes a batch of a list of samples; default: `default_collate`.
        pin_memory: copy the tensors of each batch to pinned memory, from which a GPU fetches them
            by itself; without a GPU this has no effect. `Trainer` does so anyway.
        drop_last: leave out the last batch if it is not full.
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called in each worker with the worker's number before the first batch.
        multiprocessing_context: how workers start: "fork", "spawn", "forkserver" or a context.
            Default: Python's choice for this system (see `minicnn.data.workers`).
        generator: where the order and the samples' random streams come from; default: minicnn's
            default generator, which `minicnn.manual_seed` starts.
        prefetch_factor: batches that each worker reads ahead; default 2.
        persistent_workers: keep the workers from one epoch to the next.

    Random numbers: see `minicnn.data.streams`.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ):
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            _check_iterable(shuffle, sampler, batch_sampler, num_workers)
        _check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        _check_workers(
            num_workers, timeout, multiprocessing_context, prefetch_factor, persistent_workers
        )
        if batch_sampler is not None:
            batch_size = None
        elif not self._iterable:
            if sampler is None:
                kind = RandomSampler if shuffle else SequentialSampler
                options = {"generator": generator} if shuffle else {}
                sampler = kind(dataset, **options)  # type: ignore[arg-type]
            if batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        batched = batch_sampler is not None or (self._iterable and batch_size is not None)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self._batched = batched
        self._workers: Any = None  # the iterator whose workers persist

    _fixed = (
        "batch_size",
        "batch_sampler",
        "sampler",
        "drop_last",
        "dataset",
        "persistent_workers",
    )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and "_workers" in vars(self):
            raise ArgumentError(
                f"DataLoader: {name} cannot be changed after the loader was made; make another "
                "DataLoader"
            )
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if not self._iterable:
            return len(self._index_sampler)  # type: ignore[arg-type]
        count = len(self.dataset)  # type: ignore[arg-type]
        size = self.batch_size or 1
        return count // size if self.drop_last else -(-count // size)

    def __iter__(self) -> Iterator[Any]:
        batches = self._batches()
        return map(pin_batch, batches) if self.pin_memory else batches

    def _batches(self) -> Iterator[Any]:
        seed = draw_seed(self.generator)
        if self._iterable:
            return self._read_through(seed)
        tasks = _tasks(seed, iter(self._index_sampler), self._batched)
        if self.num_workers == 0:
            return (
                make_batch(self.dataset, self.collate_fn, self._batched, task) for task in tasks
            )
        from .workers import WorkerIterator

        if self._workers is None or not self._workers.restart(tasks):
            workers = WorkerIterator(self, seed, tasks)
            if not self.persistent_workers:
                return workers
            self._workers = workers
        return self._workers

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.batch_sampler if self._batched else self.sampler  # type: ignore[return-value]

    def _read_through(self, seed: int) -> Iterator[Any]:
        """The batches of an `IterableDataset`: as many samples as make a batch, again and again."""
        samples = iter(self.dataset)
        position, size = 0, self.batch_size or 1
        while True:
            with BatchStreams(seed, position) as streams:
                batch = _take(samples, size, streams)
                if not batch or (self.drop_last and len(batch) < size):
                    return
                made = self.collate_fn(batch if self._batched else batch[0])
            yield made
            position += size


def _take(samples: Iterator[Any], size: int, streams: BatchStreams) -> list[Any]:
    """Return the next `size` samples, or as many as there are."""
    batch = []
    for row in range(size):
        streams.sample(row)
        try:
            batch.append(next(samples))
        except StopIteration:
            break
    return batch


def _tasks(seed: int, order: Iterator[Any], batched: bool) -> Iterator[Task]:
    """The tasks of one epoch. (No method: whoever reads ahead must not keep the loader alive.)"""
    position = 0
    for index in order:
        index = list(index) if batched else index
        yield Task(seed, position, index)
        position += len(index) if batched else 1


def make_batch(dataset: Any, collate_fn: Callable, batched: bool, task: Task) -> Any:
    """Carry out one task: read its samples, each in its own random stream, and collate them."""
    with BatchStreams(task.seed, task.position) as streams:
        if batched:
            samples = samples_of(dataset, task.index)
        else:
            streams.sample(0)
            samples = dataset[task.index]
        return collate_fn(samples)


def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any, num_workers: int) -> None:
    for name, value in (
        ("shuffle", shuffle),
        ("sampler", sampler),
        ("batch_sampler", batch_sampler),
    ):
        if value:
            raise ArgumentError(
                f"DataLoader: an IterableDataset decides its own order, so {name} must be left "
                f"out; got {name}={value}"
            )
    if num_workers:
        raise UnsupportedError(
            "DataLoader: an IterableDataset is read by one process, since only its author knows "
            f"how to share it between workers; got num_workers={num_workers}, use num_workers=0"
        )


def _check_order(
    batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ArgumentError(
            "DataLoader: sampler and shuffle both decide the order; use one of them"
        )
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ArgumentError(
                "DataLoader: batch_sampler decides the batches; leave out batch_size, shuffle, "
                "sampler and drop_last"
            )
    elif batch_size is None:
        if drop_last:
            raise ArgumentError(
                "DataLoader: batch_size=None makes no batches, so there is no drop_last"
            )
    elif not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
        raise ArgumentError(
            f"DataLoader: batch_size must be a positive integer, got {batch_size!r}"
        )


def _check_workers(
    num_workers: int, timeout: float, context: Any, prefetch_factor: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ArgumentError(f"DataLoader: num_workers must not be negative, got {num_workers}")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must not be negative, got {timeout}")
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ArgumentError(
            f"DataLoader: prefetch_factor must be at least 1, got {prefetch_factor}"
        )
    if num_workers == 0:
        for name, value in (
            ("timeout", timeout),
            ("multiprocessing_context", context),
            ("prefetch_factor", prefetch_factor),
            ("persistent_workers", persistent),
        ):
            if value:
                raise ArgumentError(
                    f"DataLoader: {name}={value!r} concerns workers, and num_workers is 0"
                )
