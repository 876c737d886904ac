"""OneCycleLR: one rise and one fall of the learning rate over the whole training."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, _checked, per_group


class OneCycleLR(LRScheduler):
    """Raise the learning rate to `max_lr`, then lower it far below where it began.

    Step this scheduler after every *batch*. With T = total_steps, the rates at the ends of the
    phases are::

        max_lr / div_factor                         initial_lr, at step 0
        max_lr                                      at step pct_start T - 1
        initial_lr                                  three_phase only: at step 2 pct_start T - 2
        initial_lr / final_div_factor               min_lr, at step T - 1

    and in between they follow, with x from 0 to 1 through the phase::

        'cos':     end + (start - end) (1 + cos(pi x)) / 2
        'linear':  start + (end - start) x

    The momentum (of Adam: beta1) goes the other way, from `max_momentum` to `base_momentum` and
    back: a large learning rate and a large momentum together are unstable.

    Source: Smith and Topin 2018, "Super-convergence: very fast training of neural networks using
    large learning rates". Two phases, the default, are fast.ai's form; the paper has three.

    Args:
        max_lr: the highest learning rate, or a list of one per parameter group.
        total_steps: the number of steps.
        epochs, steps_per_epoch: instead of `total_steps`, which is their product.
        pct_start: the share of the steps that the rise takes.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: move the momentum as well.
        base_momentum, max_momentum: its ends, or lists of one per parameter group.
        div_factor, final_div_factor, three_phase: as above.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self.optimizer = _checked(self, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ArgumentError(
                f"OneCycleLR: pct_start must be a float in [0, 1], got {pct_start!r}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        max_lrs = per_group(self, optimizer, "max_lr", max_lr)
        if last_epoch == -1:
            for group, group_max_lr in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = group_max_lr / div_factor
                group["max_lr"] = group_max_lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _begin_momentum(self, base_momentum: Any, max_momentum: Any, last_epoch: int) -> None:
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ArgumentError(
                "OneCycleLR: cycle_momentum needs an optimizer with momentum or betas; "
                f"{type(self.optimizer).__name__} has neither. Pass cycle_momentum=False."
            )
        self.use_beta1 = "betas" in options
        bases = per_group(self, self.optimizer, "base_momentum", base_momentum)
        tops = per_group(self, self.optimizer, "max_momentum", max_momentum)
        if last_epoch == -1:
            for group, base, top in zip(self.optimizer.param_groups, bases, tops, strict=True):
                self._set_momentum(group, top)
                group["max_momentum"], group["base_momentum"] = top, base

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def _between(self, start: float, end: float, x: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * x) + 1)
        return (end - start) * x + start

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {t} is beyond total_steps, {self.total_steps}; step it once "
                "after every batch, epochs * steps_per_epoch times in all"
            )
        start_step = 0.0
        for phase in self._schedule_phases[:-1]:
            if t <= phase["end_step"]:
                break
            start_step = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        if phase["end_step"] == start_step:
            raise ArgumentError(
                "OneCycleLR: a phase of a single step has no slope; change pct_start or "
                f"total_steps, which is {self.total_steps}"
            )
        x = (t - start_step) / (phase["end_step"] - start_step)
        lrs = []
        for group in self.optimizer.param_groups:
            lrs.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], x))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*ends, x))
        return lrs


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ArgumentError("OneCycleLR: define either total_steps, or epochs and steps_per_epoch")
    given: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    if total_steps is not None:
        given = {"total_steps": total_steps}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ArgumentError(f"OneCycleLR: {name} must be a positive integer, got {value!r}")
    return math.prod(given.values())


def _phases(pct_start: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    """Return where each phase ends, and from which to which entry of a group it leads."""
    keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    peak, end = float(pct_start * total_steps) - 1, total_steps - 1
    rows: list[tuple[Any, ...]] = [
        (peak, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        (end, "max_lr", "min_lr", "base_momentum", "max_momentum"),
    ]
    if three_phase:
        down = float(2 * pct_start * total_steps) - 2
        rows[1:] = [
            (down, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    return [dict(zip(keys, row, strict=True)) for row in rows]
