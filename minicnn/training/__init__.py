"""Training in comfort: `Trainer`, its callbacks, metrics, history and checkpoints."""

from __future__ import annotations

from . import metrics
from .callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateLogger,
    ModelCheckpoint,
)
from .checkpoint import read_checkpoint
from .history import History
from .summary import Summary, summary
from .trainer import Trainer

__all__ = [
    "Callback", "CSVLogger", "EarlyStopping", "History", "LambdaCallback", "LearningRateLogger",
    "ModelCheckpoint", "Summary", "Trainer", "metrics", "read_checkpoint", "summary",
]  # fmt: skip
