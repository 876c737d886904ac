"""SequentialLR: one schedule after another."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler


class SequentialLR(LRScheduler):
    """Run `schedulers` in turn: at epoch ``milestones[i]`` number i + 1 takes over, at its epoch 0.

    Args:
        schedulers: made for `optimizer`, in order.
        milestones: increasing epochs, one fewer than schedulers.

    Example: five epochs of warm-up, then a cosine::

        warmup = LinearLR(optimizer, start_factor=0.1, total_iters=5)
        cosine = CosineAnnealingLR(optimizer, T_max=45)
        scheduler = SequentialLR(optimizer, [warmup, cosine], milestones=[5])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ):
        if len(schedulers) < 1:
            raise ArgumentError("SequentialLR: expects at least one scheduler, got none")
        for i, scheduler in enumerate(schedulers):
            _check_member(i, scheduler, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} "
                f"milestones, got {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Every member took its first step on this optimizer when it was made. Undo them all and let
        # only the one whose turn it is take it again.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.recursive_undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self) -> None:
        """Take back the first step of every member, and of the members of members."""
        for member in self._schedulers:
            if isinstance(member, SequentialLR):
                member.recursive_undo()
            else:
                member.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch and set its learning rates."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the scheduler and its members remember."""
        members = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": members}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for scheduler, saved in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        super().load_state_dict({**state_dict, "_schedulers": self._schedulers})


def _check_member(i: int, scheduler: Any, optimizer: Optimizer) -> None:
    name = type(scheduler).__name__
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(f"SequentialLR: schedulers[{i}] is a {name}, not a scheduler")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ArgumentError(
            f"SequentialLR: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a metric; "
            "step it on its own"
        )
    if scheduler.optimizer is not optimizer:
        raise ArgumentError(
            f"SequentialLR: schedulers[{i}], a {name}, belongs to another optimizer"
        )
