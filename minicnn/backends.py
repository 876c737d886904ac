"""Switches of PyTorch's backends that scripts set or ask for, under ``torch.backends``.

*TF32.* An NVIDIA GPU since Ampere multiplies float32 several times faster on its tensor cores, if
the numbers are first rounded from 23 bits to 10, a format called TF32; sums stay float32. That is
off, and ``minicnn.backends.cuda.matmul.allow_tf32 = True`` switches it on, for matrix products and
for convolutions, which are matrix products too. ``minicnn.backends.cudnn.allow_tf32 = False`` keeps
convolutions out of it. (In PyTorch convolutions round to TF32 even where matrix products do not;
here both devices give the same results unless asked otherwise.)

The other switches are here so that scripts run; minicnn has no cuDNN and no Apple GPU.
"""

from __future__ import annotations

from typing import Any

from .backend import cuda as _cuda
from .backend import device
from .errors import ArgumentError, UnsupportedNameError, nearest
from .kernels.cuda import settings

__all__ = ["cuda", "cudnn", "mps"]


class _Products:
    """Matrix products on a GPU: ``minicnn.backends.cuda.matmul``."""

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 may be rounded to TF32, for speed. Default: False."""
        return settings.allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        settings.allow_tf32 = bool(value)


class cuda:  # lower case, as in PyTorch
    """CUDA: ``minicnn.backends.cuda.matmul.allow_tf32``."""

    matmul = _Products()

    @staticmethod
    def is_built() -> bool:
        """Return True: CuPy is looked for when it is needed."""
        return True


class _Cudnn:
    """cuDNN, which minicnn does not use. All but `allow_tf32` may be set and means nothing."""

    enabled = False
    benchmark = False
    deterministic = True

    @property
    def allow_tf32(self) -> bool:
        """Whether convolutions follow ``cuda.matmul.allow_tf32``. Default: True."""
        return settings.convolutions_too

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        settings.convolutions_too = bool(value)

    @staticmethod
    def is_available() -> bool:
        """Return False."""
        return False


cudnn = _Cudnn()


def set_float32_matmul_precision(precision: str) -> None:
    """Allow TF32 in products of float32 ("high" or "medium") or not ("highest", the default)."""
    if precision not in ("highest", "high", "medium"):
        raise ArgumentError(
            f"set_float32_matmul_precision: '{precision}' is not known; use 'highest', 'high' or "
            "'medium'"
        )
    settings.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """Return "high" if TF32 is allowed in products of float32, else "highest"."""
    return "high" if settings.allow_tf32 else "highest"


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
