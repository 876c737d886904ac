"""Learning-rate schedulers, one family a file."""

from __future__ import annotations

from typing import Any

from ...errors import UnsupportedNameError, nearest
from .cosine import CosineAnnealingLR
from .decay import ExponentialLR, LambdaLR, MultiStepLR, StepLR
from .one_cycle import OneCycleLR
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler
from .sequential import SequentialLR
from .warmup import ConstantLR, LinearLR

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR",
    "MultiStepLR", "OneCycleLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip

_NOT_COVERED = (
    "ChainedScheduler", "CosineAnnealingWarmRestarts", "CyclicLR", "MultiplicativeLR",
    "PolynomialLR",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NOT_COVERED:
        raise UnsupportedNameError(
            f"lr_scheduler.{name}: PyTorch has it, minicnn not. There are {', '.join(__all__)}."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{nearest(name, __all__)}")
