"""PyTorch's older spelling of mixed precision, ``torch.cuda.amp``; now it is `minicnn.amp`."""

from __future__ import annotations

import warnings
from typing import Any

from .. import amp

__all__ = ["GradScaler", "autocast"]


def _warn(old: str, new: str) -> None:
    warnings.warn(f"cuda.amp.{old} is deprecated; use amp.{new}", FutureWarning, stacklevel=3)


class autocast(amp.autocast):  # lower case, as in PyTorch
    """`minicnn.autocast` for "cuda"."""

    def __init__(self, enabled: bool = True, dtype: Any = "float16", cache_enabled: bool = True):
        _warn("autocast(...)", 'autocast("cuda", ...)')
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`minicnn.amp.GradScaler` for "cuda"."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        _warn("GradScaler(...)", 'GradScaler("cuda", ...)')
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
