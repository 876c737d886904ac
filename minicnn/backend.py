"""Where arrays live: NumPy on the CPU, CuPy on a CUDA GPU.

Device follows data. An operation asks `array_module` for the module its arrays belong to and works
there; no other part of minicnn knows which device it is running on. CuPy is imported the first time
that a CUDA device is asked for, never before.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import numpy as np

from .deferred import settle
from .errors import DeviceError
from .gpu import find_cupy


def array_module(x: Any) -> ModuleType:
    """Return the module whose functions work on array `x`: numpy, or cupy for a CUDA array."""
    if isinstance(x, (np.ndarray, np.generic, int, float)):
        return np
    return sys.modules[type(x).__module__.partition(".")[0]]


def as_array(y: Any) -> Any:
    """Return `y` as an array: NumPy gives scalars, not 0-d arrays, from full reductions."""
    return np.asarray(y) if isinstance(y, (np.generic, int, float)) else y


class device:  # lower case, as in PyTorch
    """A place for tensors: ``device("cpu")``, ``device("cuda")``, ``device("cuda", 1)``."""

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif ":" in str(type):
            type, _, number = type.partition(":")
            if not number.isdigit():
                raise DeviceError(f"device: '{type}:{number}' has no number; write e.g. 'cuda:0'")
            index = int(number)
        if type not in ("cpu", "cuda"):
            raise DeviceError(f"device: '{type}' is not known; use 'cpu' or 'cuda'")
        self.type, self.index = type, index

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{number})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = device("cpu")
_default: device | None = None


def get_default_device() -> device:
    """Return the device of new tensors: the one set, else ``MINICNN_DEVICE``, else the CPU."""
    global _default
    if _default is None:
        _default = device(os.environ.get("MINICNN_DEVICE", "cpu"))
    return _default


def set_default_device(new: str | device) -> None:
    """Create new tensors on `new` from here on."""
    global _default
    _default = device(new)


def device_of(x: Any) -> device:
    """Return the device that array `x` lives on."""
    if isinstance(x, np.ndarray):
        return CPU
    return device("cuda", x.device.id)


def to_host(x: Any) -> np.ndarray:
    """Return array `x` in the computer's own memory; raise what the GPU has found wrong so far."""
    if isinstance(x, np.ndarray):
        return x
    settle()
    return array_module(x).asnumpy(x)


def to_device(x: Any, where: str | device | None) -> Any:
    """Return array `x` on device `where` (None: the default), copied only if it is elsewhere."""
    where = get_default_device() if where is None else device(where)
    if where.type == "cpu":
        return to_host(x)
    gpu = cuda.gpu(where)
    if not isinstance(x, np.ndarray) and x.device.id == gpu.id:
        return x
    with gpu:
        return cuda.module().asarray(x)


def make(maker: str, where: str | device | None, *arguments: Any, **keywords: Any) -> Any:
    """Return what NumPy's function `maker` makes ("zeros", "full", ...), made on device `where`."""
    where = get_default_device() if where is None else device(where)
    if where.type == "cpu":
        return getattr(np, maker)(*arguments, **keywords)
    with cuda.gpu(where):
        return getattr(cuda.module(), maker)(*arguments, **keywords)


class cuda:
    """What is known of CUDA: ``minicnn.cuda.is_available()``, ``minicnn.cuda.why_not()``."""

    _state: tuple[ModuleType | None, str] | None = None

    @classmethod
    def _probe(cls) -> tuple[ModuleType | None, str]:
        if cls._state is None:
            cls._state = find_cupy()
        return cls._state

    @classmethod
    def is_available(cls) -> bool:
        """Whether an array can be made on a CUDA GPU here and now."""
        return cls._probe()[0] is not None

    @classmethod
    def why_not(cls) -> str:
        """Why CUDA is not available, in one line; an empty string when it is."""
        return cls._probe()[1]

    @classmethod
    def module(cls) -> ModuleType:
        """Return CuPy, ready to use, or raise a `DeviceError` that says why it is not."""
        module, why = cls._probe()
        if module is None:
            raise DeviceError(f"cuda: no CUDA device can be used. {why}")
        return module

    @classmethod
    def gpu(cls, where: device) -> Any:
        """Return CuPy's object for the GPU `where`: in a `with` block, arrays are made there."""
        cupy = cls.module()
        index = where.index if where.index is not None else cupy.cuda.runtime.getDevice()
        if index >= cls.device_count():
            raise DeviceError(
                f"device: there is no 'cuda:{index}'; {cls.device_count()} GPUs found"
            )
        return cupy.cuda.Device(index)

    @classmethod
    def device_count(cls) -> int:
        """The number of CUDA GPUs."""
        module = cls._probe()[0]
        return 0 if module is None else module.cuda.runtime.getDeviceCount()

    @classmethod
    def synchronize(cls) -> None:
        """Wait until the GPU has finished all that it was given."""
        cls.module().cuda.Device().synchronize()
        settle()
