"""`cupy.cuda` of the stand-in: two devices, streams and events that note what they were told."""

from __future__ import annotations

import itertools
import threading
import types

import numpy as np

DEVICES = 2


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class _State(threading.local):
    device = 0
    stream = None


_state = _State()
_numbers = itertools.count(1)


class Device:
    """A device by its number; in a `with` block, the current one."""

    def __init__(self, device=None):
        self.id = _state.device if device is None else int(device)

    def __enter__(self):
        self._before, _state.device = _state.device, self.id
        return self

    def __exit__(self, *exception):
        _state.device = self._before

    def __eq__(self, other):
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        _state.device = self.id

    def synchronize(self):
        from .traffic import note

        note("reads", "synchronize")

    @property
    def mem_info(self):
        return (8 << 30, 16 << 30)


class Event:
    """A point in the work of a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.calls = []

    def record(self, stream=None):
        stream = stream or get_current_stream()
        stream.calls.append("record")
        self.calls.append("record")

    def synchronize(self):
        from .traffic import note

        note("reads", "event")
        self.calls.append("synchronize")

    @property
    def done(self):
        return True


class Stream:
    """A queue of work; `calls` lists what it was given."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else next(_numbers)
        self.is_non_blocking = non_blocking
        self.calls = []

    def __enter__(self):
        self._before, _state.stream = _state.stream, self
        return self

    def __exit__(self, *exception):
        _state.stream = self._before

    def __eq__(self, other):
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self):
        return self.ptr

    def use(self):
        _state.stream = self
        return self

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self):
        from .traffic import note

        note("reads", "stream")
        self.calls.append("synchronize")

    def wait_event(self, event):
        self.calls.append("wait_event")


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return _state.stream or Stream.null


class PinnedMemoryPointer(bytearray):
    """Host memory that the device can reach: like CuPy's, a buffer of bytes."""

    mem = ptr = None


def alloc_pinned_memory(size):
    """Return pinned memory; CuPy gives whole pages, so more than was asked for."""
    return PinnedMemoryPointer(max(-(-size // 512) * 512, 512))


def is_pinned(host):
    """Whether a host array lies in memory that `alloc_pinned_memory` gave."""
    while isinstance(host, np.ndarray):
        host = host.base
    return isinstance(host.obj if isinstance(host, memoryview) else host, PinnedMemoryPointer)


def is_available():
    return True


def _properties(device):
    return {"name": b"Stand-in", "major": 9, "minor": 0, "totalGlobalMem": 16 << 30}


runtime = types.SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDevice=lambda: _state.device,
    getDeviceCount=lambda: DEVICES,
    getDeviceProperties=_properties,
    setDevice=lambda number: Device(number).use(),
    driverGetVersion=lambda: 12090,
    runtimeGetVersion=lambda: 12090,
)
memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
