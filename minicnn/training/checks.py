"""What a `Trainer` refuses to be made of."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..nn import Module
from ..optim import Optimizer


def check_parts(model: Any, optimizer: Any, scheduler: Any) -> None:
    """Raise unless the three belong together."""
    if not isinstance(model, Module):
        raise TypeError(f"Trainer: model must be a Module, got {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"Trainer: optimizer must be an Optimizer, got {type(optimizer).__name__}; e.g. "
            "minicnn.optim.Adam(model.parameters())"
        )
    ours = {id(p) for p in model.parameters()}
    if not any(id(p) in ours for group in optimizer.param_groups for p in group["params"]):
        raise ArgumentError(
            "Trainer: the optimizer has none of the model's parameters; make it with "
            "model.parameters() of this very model"
        )
    if scheduler is not None and getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ArgumentError("Trainer: the scheduler was made for another optimizer")


def check_options(
    schedule_every: str | None, clip_grad_norm: float | None, log_interval: int | None
) -> None:
    """Raise for an option whose value cannot be."""
    if schedule_every not in (None, "batch", "epoch"):
        raise ArgumentError(
            f"Trainer: schedule_every must be 'batch' or 'epoch', got {schedule_every!r}"
        )
    if clip_grad_norm is not None and not clip_grad_norm > 0:
        raise ArgumentError(f"Trainer: clip_grad_norm must be above 0, got {clip_grad_norm}")
    if log_interval is not None and log_interval < 1:
        raise ArgumentError(f"Trainer: log_interval must be at least 1, got {log_interval}")
