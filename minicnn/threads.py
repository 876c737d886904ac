"""Threads: several blocks of a batch at once, each with a BLAS of one thread.

*Why a pool of our own.* NumPy lets go of the interpreter lock inside large operations, so threads
that work on different images run at the same time. The BLAS library has threads too, but it wakes
them for every small product, where they cost more than they bring: a tall, narrow product took
three times as long with two of them. So while `each` runs, BLAS is held to one thread, and the pool
does the rest.

*The same bits.* Threads take the next piece when they are done with one, so that a slow core does
not hold up the others. Where pieces are added up, it is settled beforehand which are added to which
total, and in which order: results repeat exactly for the same number of threads.

*What this changes in the process.* BLAS's number of threads, while a kernel runs, and the size from
which the C library returns memory to the system (`keep_freed_memory`), once, at the first kernel.
Importing minicnn changes nothing. ``MINICNN_ALLOCATOR=0`` leaves the C library alone.

The number of threads is that of ``set_num_threads``, else ``MINICNN_NUM_THREADS``, else
``OMP_NUM_THREADS``, else of the processors this process may use.
"""

from __future__ import annotations

import contextvars
import ctypes
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .errors import ArgumentError

SMALL_TOTAL = 256 << 10  # bytes

_lock = threading.Lock()
_number: int | None = None


class _Here(threading.local):
    in_pool = False


_here = _Here()


def get_num_threads() -> int:
    """Return how many threads the kernels of this process use."""
    global _number
    if _number is None:
        chosen = os.environ.get("MINICNN_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS", "")
        if chosen.isdigit() and int(chosen) > 0:
            _number = int(chosen)
        elif hasattr(os, "sched_getaffinity"):
            _number = len(os.sched_getaffinity(0))
        else:
            _number = os.cpu_count() or 1
    return _number


def set_num_threads(number: int) -> None:
    """Use `number` threads in the kernels of this process."""
    global _number
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ArgumentError(f"set_num_threads: expected a positive integer, got {number!r}")
    _number = number


# ----------------------------------------------------------------------------------------------
# BLAS


class _Blas:
    """The BLAS libraries of this process, and how many threads they had before we came."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        found = ThreadpoolController().select(user_api="blas").lib_controllers
        self.libraries = [library for library in found if library.get_num_threads() is not None]
        self.calls = [_calls(library) for library in self.libraries]
        self.depth = 0
        self.before: list[int] = []

    def __enter__(self) -> None:
        with _lock:
            self.depth += 1
            if self.depth == 1:
                self.before = [get() for get, _ in self.calls]
                for (_, change), number in zip(self.calls, self.before, strict=True):
                    if number != 1:
                        change(1)

    def __exit__(self, *error: Any) -> None:
        with _lock:
            self.depth -= 1
            if self.depth == 0:
                for (_, change), number in zip(self.calls, self.before, strict=True):
                    if number != 1:
                        change(number)


def _calls(library: Any) -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Return the functions that tell and change a library's number of threads.

    OpenBLAS's own, if they can be had: threadpoolctl looks them up at every call, which takes ten
    times as long, and there are two or three calls to every small operation.
    """
    symbol = getattr(library, "_get_symbol", None)
    if library.internal_api == "openblas" and symbol is not None:
        own = symbol("openblas_get_num_threads"), symbol("openblas_set_num_threads")
        if all(own):
            return own
    return library.get_num_threads, library.set_num_threads


_blas: _Blas | None = None


def one_blas_thread() -> _Blas:
    """Return a context that holds BLAS to one thread, and then gives it back what it had."""
    return _the_blas()


def _the_blas() -> _Blas:
    global _blas
    if _blas is None:
        _blas = _Blas()
        keep_freed_memory()
    return _blas


# ----------------------------------------------------------------------------------------------
# The pool


class _Worker:
    """A thread that waits for jobs. It is a daemon: it never keeps a program from ending."""

    def __init__(self, number: int) -> None:
        self.jobs: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"minicnn-{number}", daemon=True).start()

    def _run(self) -> None:
        _here.in_pool = True
        while True:
            tickets, job, done = self.jobs.get()
            try:
                tickets.pop()
            except IndexError:  # it is all done already
                del job
                continue
            error = None
            try:
                job()
            except BaseException as caught:  # it is raised again where the job came from
                error = caught
            done.put(error)
            del job, error


_workers: list[_Worker] = []


def _forget_workers() -> None:
    """After a fork the child has the list of workers, but not their threads."""
    global _lock, _blas
    _workers.clear()
    _lock = threading.Lock()
    if _blas is not None:
        _blas.depth = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


def each(function: Callable[..., Any], pieces: Sequence[tuple]) -> list[Any]:
    """Return [function(*piece) for piece in pieces], on several threads, BLAS held to one.

    Every piece must be independent of the others. From inside the pool itself they run in turn.
    """
    count = 1 if _here.in_pool else min(get_num_threads(), len(pieces))
    results: list[Any] = [None] * len(pieces)
    numbers = iter(range(len(pieces)))  # shared: `next` is atomic

    def work() -> None:
        for i in numbers:
            results[i] = function(*pieces[i])

    with one_blas_thread():
        _spread(work, count)
    return results


def add_up(function: Callable[..., None], pieces: Sequence[tuple], total: Any) -> None:
    """Call function(*piece, total) for every piece, each stretch of pieces with its own total.

    There are several stretches for each thread if the totals are small, to share them out evenly.
    """
    threads = get_num_threads()
    count = min(threads * (4 if total.nbytes <= SMALL_TOTAL else 1), len(pieces))
    totals = [total, *(total * 0 for _ in range(count - 1))]

    def stretch(t: int) -> None:
        for i in range(t * len(pieces) // count, (t + 1) * len(pieces) // count):
            function(*pieces[i], totals[t])

    each(stretch, [(t,) for t in range(count)])
    for part in totals[1:]:
        total += part


def _spread(work: Callable[[], None], count: int) -> None:
    """Run work() here and on count - 1 workers; wait for all; raise the first error.

    A worker takes some 50 microseconds to wake. If nothing is left to do by then, its ticket has
    been taken away from it, and nobody waits for it.
    """
    if count <= 1:
        work()
        return
    with _lock:
        while len(_workers) < count - 1:
            _workers.append(_Worker(len(_workers) + 1))
    done: queue.SimpleQueue = queue.SimpleQueue()
    tickets = list(range(count - 1))  # whoever pops one may begin; `pop` is atomic
    for worker in _workers[: count - 1]:
        run = contextvars.copy_context().run  # with it goes NumPy's `errstate`
        worker.jobs.put((tickets, lambda run=run: run(work), done))
    error = None
    try:
        work()
    finally:
        # Also when work() raises: nobody may still write into arrays that are given up.
        for _ in range(count - 1 - _take_all(tickets)):
            error = done.get() or error
    if error is not None:
        raise error


def _take_all(tickets: list[int]) -> int:
    """Take the tickets that are left, and return how many there were."""
    taken = 0
    while True:
        try:
            tickets.pop()
        except IndexError:
            return taken
        taken += 1


# ----------------------------------------------------------------------------------------------
# The allocator


def keep_freed_memory() -> bool:
    """Let glibc keep freed arrays of up to 32 MiB for the next ones; return whether it agreed.

    By default it hands each large array back to the system, and every new one then costs a page
    fault per 4 kB: half the time of an elementwise operation on 17 MB.
    """
    if sys.platform != "linux" or os.environ.get("MINICNN_ALLOCATOR") == "0":
        return False
    m_trim_threshold, m_mmap_threshold = -1, -3
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(m_mmap_threshold, 32 << 20)) and bool(mallopt(m_trim_threshold, 512 << 20))
