"""Batches on their way to a GPU: from pinned memory, ahead of time, on a stream of their own.

A GPU works through a queue of kernels. A copy put into that queue would let the kernels behind it
wait, so copies have a queue (a *stream*) of their own, and the next batch travels while the network
computes with this one. The GPU can fetch a batch by itself only from *pinned* memory, which the
system never moves; so each batch is first written into a pinned buffer, which is used again.

Streams wait for one another by *events*. The computation waits for the copy of its batch; and a
copy waits for the computation queued before it, since the memory that it fills may be memory that
this computation has yet to read. The host waits for neither.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import cuda
from ..backend import device as Device
from ..tensor import Tensor
from .collate import built_like

DEPTH = 1  # batches that travel while one is computed with


def pinned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return a host array in pinned memory, holding anything."""
    size = int(np.prod(shape))
    memory = cuda.module().cuda.alloc_pinned_memory(max(size, 1) * dtype.itemsize)
    return np.frombuffer(memory, dtype, size).reshape(shape)


def is_pinned(array: Any) -> bool:
    """Return whether a host array lies in pinned memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    owner = array.obj if isinstance(array, memoryview) else array
    return type(owner).__name__ == "PinnedMemoryPointer"


def pin_batch(batch: Any) -> Any:
    """Return a batch with its tensors copied to pinned memory: what ``pin_memory=True`` asks for.

    Without a GPU there is no such memory, and the batch is returned as it is.
    """

    def pin(x: Tensor) -> Tensor:
        if x.is_cuda or is_pinned(x.array):
            return x
        host = pinned(x.shape, x.dtype)
        host[...] = x.array
        return wrap(host)

    return _mapped(batch, pin) if cuda.is_available() else batch


def on_device(batches: Iterable[Any], where: Device, depth: int = DEPTH) -> Iterator[Any]:
    """Yield batches with their tensors and arrays on device `where`.

    Args:
        batches: any iterable of tensors, arrays, and tuples, lists or dicts of them.
        where: on the CPU they are taken as they come.
        depth: how many batches are copied ahead of the one that is yielded.
    """
    return iter(batches) if where.type == "cpu" else _ahead(batches, where, depth)


def _ahead(batches: Iterable[Any], where: Device, depth: int) -> Iterator[Any]:
    cupy = cuda.module()
    with cupy.cuda.Device(where.index):
        copies = cupy.cuda.Stream(non_blocking=True)
    slots = itertools.cycle([_Slot(copies, where) for _ in range(depth + 1)])
    travelling: deque[Any] = deque()
    try:
        for batch in batches:
            travelling.append(next(slots).send(batch))
            if len(travelling) > depth:
                yield _arrived(*travelling.popleft())
        while travelling:
            yield _arrived(*travelling.popleft())
    finally:
        copies.synchronize()  # the buffers are freed now, and must have been read


class _Slot:
    """Pinned buffers for one batch, and the event after which they may be written to again."""

    def __init__(self, copies: Any, where: Device):
        self.copies, self.where = copies, where
        self.buffers: dict[int, np.ndarray] = {}
        self.given: list[np.ndarray] = []  # pinned by others, and to be kept until it is copied
        self.copied: Any = None

    def send(self, batch: Any) -> tuple[Any, Any]:
        """Start copying a batch; return it, and the event that says that it has arrived."""
        if self.copied is not None and not self.copied.done:
            self.copied.synchronize()  # the GPU is whole batches behind; its buffers are in use
        cupy, number = cuda.module(), itertools.count()
        self.given.clear()
        with cupy.cuda.Device(self.where.index):
            computed = cupy.cuda.get_current_stream().record()
            self.copies.wait_event(computed)
            sent = _mapped(batch, lambda x: self._send(x, next(number)))
            self.copied = self.copies.record()
        return sent, self.copied

    def _send(self, x: Tensor, number: int) -> Tensor:
        if x.is_cuda:
            return x.to(self.where)
        host = x.array
        if is_pinned(host) and host.flags.c_contiguous:
            self.given.append(host)
        else:
            host = self._buffer(number, x.shape, x.dtype)
            host[...] = x.array
        cupy = cuda.module()
        with self.copies:  # its memory belongs to this stream, as the waiting above assumes
            array = cupy.empty(x.shape, dtype=x.dtype)
        array.set(host, stream=self.copies)
        return wrap(array)

    def _buffer(self, number: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        known = self.buffers.get(number)
        if known is None or known.shape != shape or known.dtype != dtype:
            known = self.buffers[number] = pinned(shape, dtype)
        return known


def _arrived(batch: Any, copied: Any) -> Any:
    """Let the computation that comes now wait for the batch; return the batch."""
    cuda.module().cuda.get_current_stream().wait_event(copied)
    return batch


def _mapped(batch: Any, function: Any) -> Any:
    """Return `batch` with `function` applied to its tensors, and to its arrays as tensors."""
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, np.ndarray) and batch.dtype.kind in "biuf":
        return function(wrap(batch))
    if isinstance(batch, Mapping):
        return built_like(batch, {key: _mapped(part, function) for key, part in batch.items()})
    if isinstance(batch, (tuple, list)):
        return built_like(batch, [_mapped(part, function) for part in batch])
    return batch
