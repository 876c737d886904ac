"""CUDA GPUs under PyTorch's names, ``torch.cuda``: what is there, streams, events and memory.

Work is handed to a GPU, which does it later, in order; `synchronize` waits for it. A *stream* is
such a queue of work, and an *event* a mark in it. `graph` captures a whole training step. CuPy is
looked for when it is first needed; without it, or without a GPU, `is_available` is False and
`why_not` says why.
"""

from __future__ import annotations

from typing import Any

from ..backend import cuda as _cuda
from ..backend import device as Device
from ..errors import DeviceError, UnsupportedNameError, nearest
from ..random import manual_seed
from .capture import graph
from .streams import Event, Stream, current_stream, is_current_stream_capturing, stream

is_available = _cuda.is_available
why_not = _cuda.why_not
module = _cuda.module
device_count = _cuda.device_count
manual_seed_all = manual_seed  # random numbers are drawn on the host, for all devices alike

__all__ = [
    "Event", "Stream", "amp", "current_device", "current_stream", "device", "device_count",
    "empty_cache", "get_device_capability", "get_device_name", "graph", "is_available",
    "is_current_stream_capturing", "manual_seed", "manual_seed_all", "mem_get_info",
    "memory_allocated", "memory_reserved", "module", "set_device", "stream", "synchronize",
    "why_not",
]  # fmt: skip


def _number(device: Any) -> int:
    """Return the number of a device, given as PyTorch allows; None: the current one."""
    if isinstance(device, int):
        return device
    if device is None:
        return current_device()
    named = Device(device)
    if named.type != "cuda":
        raise DeviceError(f"cuda: expected a CUDA device, got '{named}'")
    return current_device() if named.index is None else named.index


def current_device() -> int:
    """Return the number of the GPU that is used where none is named."""
    return module().cuda.runtime.getDevice()


def set_device(device: Any) -> None:
    """Use this GPU where none is named."""
    module().cuda.Device(_number(device)).use()


class device:  # lower case, as in PyTorch
    """Use a GPU, by its number, inside a `with` block."""

    def __init__(self, device: Any):
        self.idx = _number(device)

    def __enter__(self) -> None:
        self._inside = module().cuda.Device(self.idx)
        self._inside.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._inside.__exit__(*exception)


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has finished all that it was given."""
    if device is None:
        _cuda.synchronize()
        return
    with module().cuda.Device(_number(device)):
        _cuda.synchronize()


def get_device_name(device: Any = None) -> str:
    """Return what the GPU is called."""
    return module().cuda.runtime.getDeviceProperties(_number(device))["name"].decode()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Return the GPU's compute capability, e.g. (9, 0)."""
    properties = module().cuda.runtime.getDeviceProperties(_number(device))
    return properties["major"], properties["minor"]


# ---- memory: CuPy keeps what is freed, for the next arrays


def memory_allocated(device: Any = None) -> int:
    """Return the bytes that arrays occupy, without those of captured steps."""
    with module().cuda.Device(_number(device)):
        return module().get_default_memory_pool().used_bytes()


def memory_reserved(device: Any = None) -> int:
    """Return the bytes that are taken from the GPU, free ones included."""
    with module().cuda.Device(_number(device)):
        return module().get_default_memory_pool().total_bytes()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Return the GPU's free and total bytes, all programs counted."""
    free, total = module().cuda.Device(_number(device)).mem_info
    return free, total


def empty_cache() -> None:
    """Give the free memory back, for other programs."""
    module().get_default_memory_pool().free_all_blocks()


def __getattr__(name: str) -> Any:
    if name == "amp":
        from importlib import import_module

        return import_module(f"{__name__}.amp")
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedNameError(
        f"cuda.{name}: minicnn has no such name, though PyTorch may.{nearest(name, __all__)}"
    )
