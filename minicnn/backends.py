"""Switches of PyTorch's backends that scripts set or ask for, under ``torch.backends``.

They are here so that such a script runs; none of them changes a result in minicnn, which has no
cuDNN and no Apple GPU.
"""

from __future__ import annotations

from typing import Any

from .backend import cuda as _cuda
from .backend import device
from .errors import UnsupportedNameError, nearest

__all__ = ["cudnn", "mps"]


class cudnn:  # lower case, as in PyTorch
    """cuDNN, which minicnn does not use; the attributes may be set and mean nothing."""

    enabled = False
    benchmark = False
    deterministic = True

    @staticmethod
    def is_available() -> bool:
        """Return False."""
        return False


class mps:
    """Apple's GPU, which minicnn does not use."""

    @staticmethod
    def is_available() -> bool:
        """Return False."""
        return False

    @staticmethod
    def is_built() -> bool:
        """Return False."""
        return False


class accelerator:
    """PyTorch's newer way to ask for a GPU: ``torch.accelerator.is_available()``."""

    @staticmethod
    def is_available() -> bool:
        """Return whether there is a CUDA GPU that can be used."""
        return _cuda.is_available()

    @staticmethod
    def current_accelerator(check_available: bool = False) -> device | None:
        """Return the CUDA device, or None without one."""
        return device("cuda") if _cuda.is_available() else None

    @staticmethod
    def device_count() -> int:
        """Return the number of CUDA GPUs."""
        return _cuda.device_count()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedNameError(
        f"backends.{name}: minicnn has no such backend, though PyTorch may.{nearest(name, __all__)}"
    )
