"""The inside of a worker process: it makes the batch of every task, until its pipe closes.

The other side, which starts workers and waits for their batches, is `minicnn.data.workers`.
"""

from __future__ import annotations

import queue
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import WorkerError
from .loader import Task, make_batch
from .slots import Slots
from .streams import seed_worker


class WorkerInfo(NamedTuple):
    """What `get_worker_info` returns inside a worker."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return which worker this process is; None in the main process."""
    return _worker_info


class Failure:
    """An exception on its way from a worker: its type and the text of its traceback."""

    def __init__(self, error: BaseException, worker: int):
        self.kind = type(error)
        self.text = (
            f"Caught {self.kind.__name__} in DataLoader worker process {worker}.\n"
            "Original " + "".join(traceback.format_exception(error))
        )

    def packed(self, slots: Slots) -> bytes:
        """Return this failure as bytes; a type that cannot be pickled becomes WorkerError."""
        try:
            return slots.pack(self)
        except Exception:
            self.kind = WorkerError
            return slots.pack(self)

    def raise_again(self) -> None:
        """Raise the exception here, with the worker's traceback in its message."""
        message = _PlainMessage(self.text)
        try:
            error = self.kind(message)
        except Exception:  # its constructor wants something else than one message
            error = WorkerError(message)
        try:
            raise error from None
        finally:
            del error  # its traceback leads here: a circle would keep the iterator and its workers


class _PlainMessage(str):
    """A text whose repr is itself, because KeyError shows the repr of its message."""

    __repr__ = str.__str__


class Job(NamedTuple):
    """What a worker is told when it starts."""

    worker: int
    num_workers: int
    seed: int
    slots: Slots
    dataset: Any
    collate_fn: Callable
    batched: bool
    init_fn: Callable | None


def run_worker(job: Job, tasks: Any, batches: Any, not_mine: list[Any]) -> None:
    """The life of a worker: make a batch of every task, until there are no more."""
    for end in not_mine:  # forked copies of the parent's ends, which would hide that it is gone
        end.close()
    # Ctrl-C reaches every process of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    failed = _prepare(job)
    outbox: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_send_all, args=(outbox, batches), daemon=True).start()
    while (task := _next_task(tasks)) is not None:
        if failed is not None:
            outbox.put(failed.packed(job.slots))
            continue
        try:
            made = make_batch(job.dataset, job.collate_fn, job.batched, task)
            outbox.put(job.slots.pack(made))
        except Exception as error:
            outbox.put(Failure(error, job.worker).packed(job.slots))
        made = None  # free the batch before the next one is made


def _prepare(job: Job) -> Failure | None:
    """Set up this process; return what went wrong."""
    global _worker_info
    from ..threads import set_num_threads

    try:
        set_num_threads(1)  # the processes share the cores
        seed_worker(job.seed, job.worker)
        _worker_info = WorkerInfo(job.worker, job.num_workers, job.seed + job.worker, job.dataset)
        if job.init_fn is not None:
            job.init_fn(job.worker)
    except Exception as error:
        return Failure(error, job.worker)
    return None


def _next_task(tasks: Any) -> Task | None:
    try:
        return tasks.recv()
    except (EOFError, OSError):  # the parent has closed its end, or is gone
        return None


def _send_all(outbox: queue.SimpleQueue, batches: Any) -> None:
    """Send finished batches, in a thread: a full pipe must not keep the next from being made."""
    try:
        while True:
            batches.send_bytes(outbox.get())
    except OSError:  # nobody reads any more
        return
