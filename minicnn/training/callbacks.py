"""Callbacks: what else is to happen while a `Trainer` trains.

A training loop would soon be full of ifs: stop early, save now and then, write a log, print a
line. Instead the
loop stays as it is and announces what it does, and callbacks listen::

    on_train_begin()
        on_epoch_begin(epoch)
            on_train_batch_begin(batch)
            on_train_batch_end(batch, logs)
        on_epoch_end(epoch, logs)
    on_train_end()

Epochs and batches count from 1. `logs` is a dict: in a batch the means since the epoch began, at
the end of an epoch its row in the `History`. `self.trainer` is the trainer;
``self.trainer.stop_training = True`` ends the training after the current batch.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..errors import ArgumentError, UnknownNameError, nearest
from ..serialization import save
from .history import larger_is_better


class Callback:
    """The base of callbacks: a subclass writes the methods that it needs."""

    runs_last: ClassVar[bool] = False  # after the other callbacks, because it saves their state too
    trainer: Any = None

    def on_train_begin(self) -> None:
        """`fit` begins."""

    def on_train_end(self) -> None:
        """`fit` ends, be it by an exception."""

    def on_epoch_begin(self, epoch: int) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch is complete, its validation included."""

    def on_train_batch_begin(self, batch: int) -> None:
        """A batch has been read, and will be trained on."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """The optimizer has made its step."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold so that this callback can go on where it was."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class LambdaCallback(Callback):
    """Functions as a callback: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``."""

    events: ClassVar[tuple[str, ...]] = (
        "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin",
        "on_train_batch_end",
    )  # fmt: skip

    def __init__(self, **functions: Callable[..., Any]):
        for name, function in functions.items():
            if name not in self.events:
                raise UnknownNameError(
                    f"LambdaCallback: there is no event '{name}'; there are "
                    f"{', '.join(self.events)}." + nearest(name, self.events)
                )
            setattr(self, name, function)


class Monitor(Callback):
    """A callback that watches one quantity of the history.

    Args:
        monitor: its name, such as "val_loss".
        mode: "min" or "max", whichever is better; "auto" means "max" for an accuracy.
        min_delta: an improvement must be larger than this.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0):
        self.larger = larger_is_better(monitor, mode)
        if min_delta < 0:
            raise ArgumentError(
                f"{type(self).__name__}: min_delta must not be negative, got {min_delta}"
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        self.forget()

    def forget(self) -> None:
        """Begin anew, as if no epoch had been seen."""
        self.best = -math.inf if self.larger else math.inf

    def improved(self, logs: dict[str, Any]) -> bool:
        """Note an epoch; return whether it is the best so far. NaN is never better."""
        if self.monitor not in logs:
            hint = " Pass validation= to fit." if self.monitor.startswith("val_") else ""
            raise UnknownNameError(
                f"{type(self).__name__}: '{self.monitor}' is not measured; there are "
                f"{', '.join(logs)}.{nearest(self.monitor, logs)}{hint}"
            )
        value = logs[self.monitor]
        margin = self.min_delta if self.larger else -self.min_delta
        better = value > self.best + margin if self.larger else value < self.best + margin
        if better:
            self.best = value
        return better


class EarlyStopping(Monitor):
    """End the training when a quantity has not improved for some epochs.

    Source: Prechelt 1998, "Early stopping - but when?".

    Args:
        monitor, mode, min_delta: what is watched; see `Monitor`.
        patience: how many epochs in a row may pass without improvement before the training ends.
        restore_best_weights: at the end, put back the weights of the best epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 5,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ):
        super().__init__(monitor, mode, min_delta)
        if patience < 1:
            raise ArgumentError(f"EarlyStopping: patience must be at least 1, got {patience}")
        self.patience = patience
        self.restore_best_weights = restore_best_weights

    def forget(self) -> None:
        super().forget()
        self.wait = 0
        self.best_epoch = 0
        self.best_weights: dict[str, Any] | None = None

    def on_train_begin(self) -> None:
        self.forget()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.improved(logs):
            self.wait, self.best_epoch = 0, epoch
            if self.restore_best_weights:
                state = self.trainer.model.state_dict()
                self.best_weights = {name: x.detach().clone() for name, x in state.items()}
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.trainer.stop_training = True

    def on_train_end(self) -> None:
        if self.best_weights is not None:
            self.trainer.model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        names = ("best", "wait", "best_epoch", "best_weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)
        if self.wait >= self.patience:
            self.trainer.stop_training = True


class ModelCheckpoint(Monitor):
    """Save the training after an epoch, so that it can be resumed or its weights be used.

    Each file is replaced in one step: an interrupted save leaves the one before.

    Args:
        filepath: where to; may hold the epoch and what the history records, as in
            ``"net-{epoch:02d}-{val_loss:.2f}.safetensors"``.
        monitor, mode: what decides which epoch is the best; see `Monitor`.
        save_best_only: save only epochs that are better than all before.
        save_weights_only: save ``model.state_dict()`` alone, which cannot be resumed from.
        every: save after every so many epochs.
        extra: what else the checkpoint is to hold; `load` returns it as ``["extra"]``.
    """

    runs_last = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        every: int = 1,
        extra: Any = None,
    ):
        super().__init__(monitor, mode)
        if every < 1:
            raise ArgumentError(f"ModelCheckpoint: every must be at least 1 epoch, got {every}")
        self.filepath = filepath
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.every = every
        self.extra = extra
        self.saved: Path | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if epoch % self.every or (self.save_best_only and not self.improved(logs)):
            return
        try:
            path = Path(str(self.filepath).format(**{**logs, "epoch": epoch}))
        except KeyError as error:
            raise UnknownNameError(
                f"ModelCheckpoint: filepath '{self.filepath}' asks for {error}; there are "
                f"{', '.join(logs)}"
            ) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            save(self.trainer.model.state_dict(), path)
        else:
            self.trainer.save_checkpoint(path, extra=self.extra)
        self.saved = path

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best} if self.save_best_only else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict.get("best", self.best)


class CSVLogger(Callback):
    """Write the history to a CSV file after every epoch.

    Args:
        filename: the file; it is replaced in one step each time.
    """

    def __init__(self, filename: str | os.PathLike[str]):
        self.filename = filename

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.trainer.history.to_csv(self.filename)


class LearningRateLogger(Callback):
    """Remember the learning rate of every step, to look at a schedule that changes it often.

    Attributes:
        lrs: the learning rates of the first parameter group, one for each step.
    """

    def __init__(self) -> None:
        self.lrs: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self.lrs.append(logs["lr"])

    def state_dict(self) -> dict[str, Any]:
        return {"lrs": self.lrs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lrs = list(state_dict["lrs"])


class CallbackList:
    """Passes every event on to several callbacks."""

    def __init__(self, callbacks: list[Callback], trainer: Any):
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"Trainer: a callback must be a Callback, got {type(callback).__name__}; wrap "
                    "a function in LambdaCallback(on_epoch_end=...)"
                )
            callback.trainer = trainer
        self.callbacks = sorted(callbacks, key=lambda c: c.runs_last)  # stable: the order stays

    def __call__(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def state_dict(self) -> list[Any]:
        """Return the states of all callbacks, with the names of their classes."""
        return [(type(c).__name__, c.state_dict()) for c in self.callbacks]

    def load_state_dict(self, states: list[Any]) -> None:
        """Give each callback the state that one of its class had; others keep theirs."""
        waiting = list(states)
        for callback in self.callbacks:
            names = [name for name, _ in waiting]
            if type(callback).__name__ in names:
                _, state = waiting.pop(names.index(type(callback).__name__))
                callback.load_state_dict(state)
        lost = [name for name, state in waiting if state]
        if lost:
            warnings.warn(
                "resume: the checkpoint has the state of callbacks that are not here: "
                f"{', '.join(lost)}",
                stacklevel=4,
            )
