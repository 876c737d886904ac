"""Optimizers, one a file, and the learning-rate schedulers.

>>> optimizer = minicnn.optim.Adam(model.parameters(), lr=1e-3)
>>> scheduler = minicnn.optim.lr_scheduler.StepLR(optimizer, step_size=10)
"""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedNameError, nearest
from . import lr_scheduler
from .adagrad import Adagrad
from .adam import Adam
from .adamw import AdamW
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "SGD", "lr_scheduler"]

_NOT_COVERED = (
    "ASGD", "Adadelta", "Adafactor", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam", "Rprop",
    "SparseAdam", "swa_utils",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NOT_COVERED:
        raise UnsupportedNameError(
            f"optim.{name}: PyTorch has it, minicnn not. There are {', '.join(__all__)}."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{nearest(name, __all__)}")
