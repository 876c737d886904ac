"""Where a step is captured: a stream and memory of its own, and no way in for host arrays."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from ..autograd import Op
from ..autograd.modes import thread
from ..backend import cuda

LIBRARIES = ("minicnn", "cupy", "cupy_backends", "cupyx", "numpy")
OPERATIONS = ("minicnn.ops.", "minicnn.optim.", "minicnn.amp.")


class Place:
    """Where a graph is captured: a stream and memory that nothing else uses."""

    def __init__(self) -> None:
        cupy = cuda.module()
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.pool = cupy.cuda.MemoryPool()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Put work into the stream, behind what the current one has and before what it gets."""
        outside = cuda.module().cuda.get_current_stream()
        self.stream.wait_event(outside.record())
        try:
            with self.stream:
                yield
        finally:
            outside.wait_event(self.stream.record())

    @contextlib.contextmanager
    def capturing(self) -> Iterator[Callable[[], Any]]:
        """Capture what is put into the stream; the function given ends that with a graph."""
        cupy = cuda.module()
        cupy.get_default_memory_pool().free_all_blocks()  # what it keeps, `pool` cannot take
        with (
            self.working(),
            cupy.cuda.using_allocator(self.pool.malloc),
            _without_host_arrays(cupy),
        ):
            self.stream.begin_capture()
            try:
                yield self.stream.end_capture
            except BaseException:
                with contextlib.suppress(Exception):  # a capture that was broken off ends so
                    self.stream.end_capture()
                raise


@contextlib.contextmanager
def _without_host_arrays(cupy: Any) -> Iterator[None]:
    """Refuse this thread the memory through which CuPy sends host arrays to the device.

    Such a copy could be captured, from an address that soon holds something else.
    """
    usual = cupy.get_default_pinned_memory_pool().malloc

    def malloc(size: int) -> Any:
        if thread.recorder is not None:
            raise HostArray("it sends an array from the host to the GPU, the same in every run")
        return usual(size)

    cupy.cuda.set_pinned_memory_allocator(malloc)
    try:
        yield
    finally:
        cupy.cuda.set_pinned_memory_allocator(usual)


class HostArray(Exception):
    """A host array was to be sent to the device while a step was being captured."""


def why_not(error: Exception) -> str:
    """Say which operation broke off the capture, where it was called, and what to do."""
    name, where = "the step", ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module, own = frame.f_globals.get("__name__", ""), frame.f_locals.get("self")
        if module.partition(".")[0] not in LIBRARIES:  # the user's code
            name, where = "the step", f", called in {frame.f_code.co_filename}, line {line},"
        elif isinstance(own, Op):
            name = own.name
        elif module.startswith(OPERATIONS) and name == "the step":
            given = frame.f_locals.get("name")  # functions made by another one keep theirs there
            name = given if isinstance(given, str) else frame.f_code.co_name
    what = error if isinstance(error, HostArray) else f"it reads from the GPU or waits ({error})"
    return (
        f"graph: {name}{where} cannot be captured: {what}. Take it out of the step; what the step "
        "returns can be read outside"
    )
