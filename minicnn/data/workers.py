"""Worker processes: they make batches ahead of the training loop.

Batch b belongs to worker ``b % num_workers``, so batches come back in order without any sorting.
Each worker has two pipes of its own, one for tasks and one for finished batches:

    this process  -- task -->  worker k:  read samples, collate, pickle  -- batch -->  this process

(the arrays of a batch take a shorter way, see `minicnn.data.slots`).

Pipes that nobody shares make failure simple. A worker that dies closes its end, and the waiting
process sees it at once; a killed worker cannot leave a shared lock locked. The other way round,
when this process goes away (even by SIGKILL) its ends close, and every worker stops reading and
exits.

How workers start is Python's choice for the system: "fork" on Linux up to Python 3.13, "forkserver"
there since 3.14, "spawn" on macOS and Windows. Fork shares the data set's memory and needs nothing
to be picklable, which is why notebooks work; the others start clean interpreters, which need
picklable data sets and ``if __name__ == "__main__":`` around the training script. Nothing here
depends on the choice: a task holds everything a batch depends on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ArgumentError, WorkerError
from .loader import Task
from .slots import Slots
from .worker import Failure, Job, run_worker

PATIENCE = 1.0  # seconds that workers get to finish their batch before they are ended
LOOK_AGAIN = 0.5  # seconds after which a silent worker is looked at

_open_ends: weakref.WeakSet = weakref.WeakSet()  # this process's ends of all pipes to workers


class Worker:
    """One process with its two pipes, as seen from this side."""

    def __init__(self, context: Any, job: Job):
        task_reader, self.tasks = context.Pipe(duplex=False)
        self.batches, batch_writer = context.Pipe(duplex=False)
        _open_ends.update((self.tasks, self.batches))
        self.slots = job.slots
        self.forked = context.get_start_method() == "fork"
        not_mine = list(_open_ends) if self.forked else []
        self.number = job.worker
        self.process = context.Process(
            target=run_worker,
            args=(job, task_reader, batch_writer, not_mine),
            name=f"minicnn data worker {job.worker}",
            daemon=True,
        )
        try:
            with warnings.catch_warnings():
                # Python warns of forking while threads run, because a lock that one of them holds
                # stays locked in the child. Workers use no lock that is older than themselves.
                warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
                self.process.start()
        except OSError:  # the system has no room for another process
            raise
        except Exception as error:  # pickling fails in many ways
            raise WorkerError(
                "DataLoader: the data set, collate_fn or worker_init_fn cannot be sent to a "
                f"worker: {error}. Define them at the top of a module (no lambdas, nothing inside "
                "functions), or use num_workers=0."
            ) from error
        finally:
            task_reader.close()
            batch_writer.close()

    def send(self, task: Any) -> None:
        """Give the worker one more task. If it is dead, `receive` will say so."""
        with contextlib.suppress(OSError):
            self.tasks.send(task)

    def receive(self, timeout: float) -> Any:
        """Return the worker's next batch or failure; raise if it dies or takes too long."""
        from multiprocessing.connection import wait

        deadline = time.monotonic() + timeout if timeout else float("inf")
        while not wait([self.batches, self.process.sentinel], LOOK_AGAIN):
            # A process that the worker has started itself may hold its pipes open when it is dead.
            if not self.process.is_alive():
                break
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"DataLoader: timed out after {timeout} seconds: worker {self.number} sent no "
                    "batch. Raise timeout=, or look for what blocks in the data set."
                )
        try:
            message = self.batches.recv_bytes() if self.batches.poll() else None
        except (EOFError, OSError):
            message = None
        if message is None:
            raise WorkerError(self._last_words())
        try:
            return self.slots.unpack(message)
        except Exception as error:
            raise WorkerError(
                f"DataLoader: the batch that worker {self.number} sent cannot be read here: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _last_words(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        why = ""
        if code is not None and code < 0:
            why = f" ({signal.strsignal(-code)})"
            if -code == signal.SIGKILL:
                why = " (killed: often the system was out of memory)"
        elif code == 1 and not self.forked:
            why = (
                ". Its own message stands above; if it speaks of the bootstrapping phase, put the "
                "training script's code under `if __name__ == '__main__':`"
            )
        return (
            f"DataLoader: worker {self.number} died before its batch was ready, with exit code "
            f"{code}{why}. With num_workers=0 the data set runs in this process, where a debugger "
            "can follow it."
        )


class WorkerIterator:
    """One epoch (with persistent workers: one after another) made by worker processes.

    At most ``prefetch_factor * num_workers`` batches are under way. The processes end when the
    epoch does, when the loop is left early (the iterator is then freed), and when anything goes
    wrong.
    """

    def __init__(self, loader: Any, seed: int, tasks: Iterator[Task]):
        self.timeout = loader.timeout
        self.prefetch = loader.prefetch_factor * loader.num_workers
        self.persistent = loader.persistent_workers
        self.workers: list[Worker] = []
        self.pending: deque[Worker] = deque()  # whose turn it is, in the order of the batches
        self.close = weakref.finalize(self, _end, self.workers, os.getpid())
        context = _context(loader.multiprocessing_context)
        with self._closing_on_error():
            for k in range(loader.num_workers):
                slots = Slots(loader.prefetch_factor)
                job = Job(k, loader.num_workers, seed, slots, *_work_of(loader))
                try:
                    self.workers.append(Worker(context, job))
                except BaseException:  # nobody else would close them
                    slots.close()
                    raise
        self.restart(tasks)

    def restart(self, tasks: Iterator[Task]) -> bool:
        """Begin another epoch with the same workers; return whether they are still there."""
        if not self.close.alive:
            return False
        with self._closing_on_error():
            while self.pending:  # batches of an epoch that was left early
                self.pending.popleft().receive(self.timeout)
            self.tasks = tasks
            self.turn = itertools.cycle(self.workers)
            for _ in range(self.prefetch):
                self._send_next()
        return True

    @contextlib.contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # also Ctrl-C, which may leave half a message in a pipe
            self.pending.clear()
            self.close()
            raise

    def _send_next(self) -> None:
        for task in itertools.islice(self.tasks, 1):
            worker = next(self.turn)
            worker.send(task)
            self.pending.append(worker)

    def __iter__(self) -> WorkerIterator:
        return self

    def __next__(self) -> Any:
        if not self.pending:
            if not self.persistent:
                self.close()
            raise StopIteration
        with self._closing_on_error():
            batch = self.pending.popleft().receive(self.timeout)
            self._send_next()
        if isinstance(batch, Failure):
            batch.raise_again()
        return batch


def _work_of(loader: Any) -> tuple[Any, Callable, bool, Callable | None]:
    return loader.dataset, loader.collate_fn, loader._batched, loader.worker_init_fn


def _context(choice: Any) -> Any:
    """Return the multiprocessing context that `choice` (None, a name or a context) means."""
    import multiprocessing

    if choice is None or isinstance(choice, str):
        known = multiprocessing.get_all_start_methods()
        if choice is not None and choice not in known:
            raise ArgumentError(
                f"DataLoader: multiprocessing_context must be one of {known} on this system, got "
                f"{choice!r}"
            )
        return multiprocessing.get_context(choice)
    return choice


def _end(workers: list[Worker], owner: int) -> None:
    """End the processes: ask by closing the pipes, then insist."""
    if os.getpid() != owner:  # a forked copy of the iterator is freed in a worker
        return
    for worker in workers:
        worker.tasks.close()
        worker.batches.close()
        worker.slots.close()
    for insist in (None, "terminate", "kill"):
        deadline = time.monotonic() + PATIENCE
        for worker in workers:
            if insist and worker.process.is_alive():
                getattr(worker.process, insist)()
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
