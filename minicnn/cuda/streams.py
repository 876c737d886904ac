"""Streams and events: queues of work on a GPU, and marks in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..backend import cuda


class Event:
    """A mark in a stream: it happens when all work before it is done.

    Args:
        enable_timing: whether `elapsed_time` can be asked.
    """

    def __init__(self, enable_timing: bool = False):
        self.cupy = cuda.module().cuda.Event(disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark behind what `stream` (default: the current one) was given so far."""
        self.cupy.record(None if stream is None else stream.cupy)

    def wait(self, stream: Stream | None = None) -> None:
        """Let `stream` (default: the current one) wait for the mark; the host does not."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Return whether it has happened."""
        return self.cupy.done

    def synchronize(self) -> None:
        """Wait for it."""
        self.cupy.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Return the milliseconds from this mark to a later one, both having happened."""
        return cuda.module().cuda.get_elapsed_time(self.cupy, end_event.cupy)


class Stream:
    """A queue of work. Inside ``with minicnn.cuda.stream(s):`` work is put into it."""

    def __init__(self) -> None:
        self.cupy = cuda.module().cuda.Stream(non_blocking=True)

    @property
    def cuda_stream(self) -> int:
        """CUDA's own number of the stream."""
        return self.cupy.ptr

    def wait_event(self, event: Event) -> None:
        """Do nothing further before `event` has happened; the host does not wait."""
        self.cupy.wait_event(event.cupy)

    def wait_stream(self, stream: Stream) -> None:
        """Do nothing further before `stream` has done what it was given so far."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark behind what the stream was given so far, and return it."""
        event = event or Event()
        event.record(self)
        return event

    def query(self) -> bool:
        """Return whether all is done that the stream was given."""
        return self.cupy.done

    def synchronize(self) -> None:
        """Wait until all is done that the stream was given."""
        self.cupy.synchronize()


def current_stream() -> Stream:
    """Return the stream that work is put into here and now."""
    current = object.__new__(Stream)
    current.cupy = cuda.module().cuda.get_current_stream()
    return current


def is_current_stream_capturing() -> bool:
    """Return whether work is captured here and now, not done."""
    return cuda.is_available() and cuda.module().cuda.get_current_stream().is_capturing()


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Put work into `stream` inside; None changes nothing."""
    with contextlib.nullcontext() if stream is None else stream.cupy:
        yield
