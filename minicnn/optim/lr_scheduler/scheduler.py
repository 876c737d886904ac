"""LRScheduler: changes the learning rate of an optimizer from epoch to epoch.

    for epoch in range(epochs):
        train(model, optimizer)       # many optimizer.step()
        scheduler.step()              # one step: the next epoch's learning rate

Every schedule can be written in two ways. The *closed form* gives the learning rate of epoch t
from that of epoch 0: ``lr_t = lr_0 gamma^t``. The *recursive form* gives it from the epoch before:
``lr_t = lr_{t-1} gamma``. `get_lr` is recursive, as in PyTorch, for one reason: it multiplies
whatever the learning rate is, so that several schedulers can work on one optimizer, and a change
by hand is not undone. Where rounding lets the two differ in the last digits, PyTorch's values are
those of the recursive form, and so are these.
"""

from __future__ import annotations

import warnings
from typing import Any

from ...errors import ArgumentError, UnknownNameError
from ..optimizer import Optimizer


class LRScheduler:
    """The base of all schedulers.

    Args:
        optimizer: its ``param_groups[i]["lr"]`` are set. Their values now become ``"initial_lr"``.
        last_epoch: the epoch to resume after; -1 begins anew. To resume, the groups must know their
            ``"initial_lr"`` (load the optimizer's state dict first).

    A subclass defines `get_lr`, which returns the learning rates of epoch ``self.last_epoch``, one
    per group, from those in the groups; and, if there is one, the closed form
    `_get_closed_form_lr`.
    """

    _is_initial = False  # in the step that the constructor takes to set the rates of epoch 0

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = _checked(self, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise UnknownNameError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes, but param_groups[{i}]"
                    " has no 'initial_lr'; load the optimizer's state dict first, or begin with -1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the learning rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and set its learning rates.

        Args:
            epoch: go there instead, by the closed form where there is one. PyTorch deprecates it.
        """
        if self._step_count == 1 and _not_stepped(self.optimizer):
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(): the first learning rate "
                "of the schedule is skipped. Call optimizer.step() first.",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn("the epoch parameter of scheduler.step() is deprecated", stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            lrs = self.get_lr()
        else:
            self.last_epoch = epoch
            lrs = self._get_closed_form_lr()
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self._last_lr = self._lrs()

    def get_lr(self) -> list[float]:
        """Return the learning rates of epoch `last_epoch`, from those of the epoch before."""
        raise NotImplementedError(f"{type(self).__name__}: a scheduler defines get_lr()")

    def _get_closed_form_lr(self) -> list[float]:
        return self.get_lr()

    def _lrs(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """Return the learning rates that were set last, one per parameter group."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Return all that the scheduler remembers, without its optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned. Load the optimizer's state dict, too."""
        self.__dict__.update(state_dict)


def _checked(scheduler: Any, optimizer: Any) -> Any:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(scheduler).__name__}: expected an Optimizer, got {type(optimizer).__name__}"
        )
    return optimizer


def _not_stepped(optimizer: Optimizer) -> bool:
    """Whether the optimizer was surely not stepped; a step of the user's own cannot be seen."""
    is_ours = getattr(optimizer.step, "__func__", None) is Optimizer.step
    return is_ours and not optimizer._opt_called


def per_group(scheduler: Any, optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """Return `value` as a list with one entry per parameter group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ArgumentError(
            f"{type(scheduler).__name__}: {name} has {len(value)} values, but the optimizer has "
            f"{count} parameter groups"
        )
    return list(value)
