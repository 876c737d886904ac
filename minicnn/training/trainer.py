"""`Trainer`: the training loop, written once.

Everything it does is in `_train_epoch`, and could be written by hand in ten lines::

    model.train()
    for x, y in loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

Around it: moving batches to the device, measuring, validating, a history, callbacks, and
checkpoints.

Tutorial: tutorials/00_quick_start.ipynb
Tutorial: tutorials/09_lenet.ipynb
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..data.prefetch import on_device
from ..errors import AnomalyError, ArgumentError
from ..nn import CrossEntropyLoss, Module, NLLLoss
from ..nn.utils import clip_grad_norm_
from ..optim import Optimizer
from ..optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from ..random import manual_seed
from ..tensor import Tensor
from .batches import loader_of, samples_in, split
from .callbacks import Callback, CallbackList
from .checkpoint import generators_of, read_checkpoint, restore, save_checkpoint
from .checks import check_options, check_parts
from .evaluation import device_of, measure, outputs_of, scalar, scores
from .history import History
from .meter import Meter
from .metrics import accuracy
from .progress import Progress


class Trainer:
    """Trains, evaluates and uses a model, as Keras does: `fit`, `evaluate`, `predict`.

    >>> trainer = Trainer(model, Adam(model.parameters()), CrossEntropyLoss())
    >>> history = trainer.fit(train_set, epochs=10, validation=valid_set, batch_size=64)
    >>> trainer.evaluate(test_set)
    {'loss': 0.04, 'accuracy': 0.99}

    Args:
        model: the network.
        optimizer: made for the model's parameters.
        loss: ``loss(output, target)``, a scalar, the mean over a batch; default:
            `CrossEntropyLoss`.
        metrics: functions like ``metric(output, target)`` by name, each a mean over a batch.
            Default: accuracy if the loss is that of a classification, else none.
        scheduler: changes the learning rate.
        schedule_every: "batch" or "epoch": when the scheduler steps. Default: OneCycleLR after
            every batch, others after every epoch; ReduceLROnPlateau gets the validation loss, or
            else the loss.
        device: where to train; default: where the model is.
        callbacks: what else is to happen; see `Callback`.
        clip_grad_norm: scale the gradients down so that their common norm is at most this.
        seed: where random numbers (shuffling, dropout, augmentation) start in the first `fit`;
            default: they go on from where they are.
        log_interval: read the loss after every so many batches. Default: 1 on the CPU; 25 on a GPU,
            which would have to wait for each reading.

    Attributes:
        history: the `History` of all epochs so far.
        epoch: how many epochs are complete.
        stop_training: set it to True to end `fit` after the current batch.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Any, Any], Tensor] | None = None,
        *,
        metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
        scheduler: Any = None,
        schedule_every: str | None = None,
        device: Any = None,
        callbacks: Sequence[Callback] = (),
        clip_grad_norm: float | None = None,
        seed: int | None = None,
        log_interval: int | None = None,
    ):
        check_parts(model, optimizer, scheduler)
        check_options(schedule_every, clip_grad_norm, log_interval)
        self.model = model if device is None else model.to(device)
        self.optimizer = optimizer
        self.loss = CrossEntropyLoss() if loss is None else loss
        classifies = isinstance(self.loss, (CrossEntropyLoss, NLLLoss))
        self.metrics = (
            {"accuracy": accuracy} if metrics is None and classifies else dict(metrics or {})
        )
        self.scheduler = scheduler
        by_batch = isinstance(scheduler, OneCycleLR)
        self.schedule_every = schedule_every or ("batch" if by_batch else "epoch")
        self.callbacks = list(callbacks)
        self.clip_grad_norm = clip_grad_norm
        self.seed = seed
        self.log_interval = log_interval
        self.history = History()
        self.epoch = 0
        self.stop_training = False
        self.callbacks_in_use = CallbackList(self.callbacks, self)
        self.generators = generators_of([])

    # ------------------------------------------------------------------ fit

    def fit(
        self,
        data: Any,
        epochs: int = 1,
        *,
        validation: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        num_workers: int = 0,
        resume: str | os.PathLike[str] | None = None,
        verbose: bool = True,
    ) -> History:
        """Train the model, and return the history.

        Args:
            data: a DataLoader, a data set, or a tuple of tensors or arrays (images, labels).
            epochs: how many times to go through the data; with `resume`, how many times in all.
            validation: data to evaluate on after every epoch.
            batch_size, shuffle, num_workers: how a data set is read; a DataLoader has its own.
            resume: a checkpoint to go on from.
            verbose: show a progress bar (on a terminal) and one line per epoch.

        Raises:
            AnomalyError: the loss became NaN or infinite; the message says where.
        """
        if epochs < 0:
            raise ArgumentError(f"fit: epochs must not be negative, got {epochs}")
        loader = loader_of(data, batch_size, shuffle, num_workers)
        valid = None if validation is None else loader_of(validation, batch_size)
        self.generators = generators_of([loader, valid])
        last = epochs if resume is not None else self.epoch + epochs
        progress = [Progress(last, samples_in(loader))] if verbose else []
        self.callbacks_in_use = CallbackList([*progress, *self.callbacks], self)
        if self.seed is not None and self.epoch == 0:
            manual_seed(self.seed)
        self.stop_training = False
        try:
            self.callbacks_in_use("on_train_begin")
            if resume is not None:
                self.load_checkpoint(resume)
            while self.epoch < last and not self.stop_training:
                self._epoch(loader, valid)
        finally:
            self.callbacks_in_use("on_train_end")
        return self.history

    def _epoch(self, loader: Any, valid: Any) -> None:
        """Train and validate once, and note it in the history."""
        number, start = self.epoch + 1, time.perf_counter()
        self.callbacks_in_use("on_epoch_begin", number)
        row, complete = self._train_epoch(loader)
        spent = time.perf_counter() - start
        samples = row.pop("size")
        if valid is not None and complete:
            found = measure(self.model, valid, self.loss, self.metrics)
            row.update({f"val_{name}": value for name, value in found.items()})
        row["lr"] = row.pop("lr")  # behind what was measured
        row["seconds"] = time.perf_counter() - start
        row["samples_per_second"] = samples / spent
        row = {"epoch": number, **row}
        self.history.append(row)
        if not complete:
            return
        if self.scheduler is not None and self.schedule_every == "epoch":
            self._step_scheduler(row)
        self.epoch = number
        self.callbacks_in_use("on_epoch_end", number, row)

    def _train_epoch(self, loader: Any) -> tuple[dict[str, float], bool]:
        """Go through the data once; return the means, and whether it was not ended early."""
        where, lr, number = device_of(self.model), self._lr(), 0
        interval = self.log_interval or (1 if where.type == "cpu" else 25)
        meter = Meter(["loss", *self.metrics])
        logs: dict[str, float] = {}
        self.model.train()
        batches = on_device(loader, where)
        while not self.stop_training:
            batch = next(batches, None)
            if batch is None:
                break
            number += 1
            inputs, target = split(batch, where, "fit")
            self.callbacks_in_use("on_train_batch_begin", number)
            output = self.model(*inputs)
            loss = scalar(self.loss(output, target))
            meter.add(len(target), scores(self.loss, loss, self.metrics, output, target))
            if number % interval == 0:
                logs = self._read(meter)
            lr = self._lr()
            self._step(loss)
            self.callbacks_in_use(
                "on_train_batch_end", number, {**logs, "lr": lr, "size": len(target)}
            )
        if number == 0 and not self.stop_training:
            raise ArgumentError(
                f"fit: there was no batch in epoch {self.epoch + 1}: the data is empty, or "
                "smaller than one batch with drop_last=True, or an iterator that can be read only "
                "once (pass a DataLoader)"
            )
        complete = not self.stop_training or next(batches, None) is None
        return {**self._read(meter), "lr": lr, "size": meter.count}, complete

    def _step(self, loss: Tensor) -> None:
        """Make one step of the optimizer."""
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.optimizer.step()
        if self.scheduler is not None and self.schedule_every == "batch":
            self.scheduler.step()

    def _read(self, meter: Meter) -> dict[str, float]:
        """Read the means so far; raise if a loss was no number."""
        means = meter.read()
        if meter.first_bad is not None:
            batch, value = meter.first_bad
            raise AnomalyError(
                f"fit: the loss became {value} in epoch {self.epoch + 1}, batch {batch}, at "
                f"learning rate {self._lr():g}. Try a smaller learning rate, clip_grad_norm=1.0, "
                "and inputs of mean 0 and standard deviation 1; look for NaN in the data; `with "
                "minicnn.detect_anomaly():` around fit names the operation"
            )
        return means

    def _lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _step_scheduler(self, row: dict[str, float]) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(row.get("val_loss", row["loss"]))
        else:
            self.scheduler.step()

    # ------------------------------------------------------------------ evaluate, predict

    def evaluate(
        self, data: Any, *, batch_size: int = 256, num_workers: int = 0
    ) -> dict[str, float]:
        """Return the mean loss and metrics over `data`, with the model in evaluation mode.

        Args:
            data: a DataLoader, a data set, or a tuple of tensors or arrays (images, labels).
            batch_size, num_workers: how a data set is read.
        """
        loader = loader_of(data, batch_size, False, num_workers, "evaluate")
        return measure(self.model, loader, self.loss, self.metrics)

    def predict(self, data: Any, *, batch_size: int = 256, num_workers: int = 0) -> Tensor:
        """Return the model's outputs for all samples, in their order, in evaluation mode.

        Args:
            data: a tensor or array of inputs (N, ...), or what `evaluate` takes; targets are not
                used.
            batch_size, num_workers: how a data set is read.
        """
        return outputs_of(self.model, loader_of(data, batch_size, False, num_workers, "predict"))

    # ------------------------------------------------------------------ checkpoints

    def save_checkpoint(self, path: str | os.PathLike[str], extra: Any = None) -> None:
        """Write all that `fit(resume=path)` needs, atomically; `extra` is kept beside it."""
        save_checkpoint(self, path, extra)

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint: weights, optimizer, scheduler, history, random numbers."""
        restore(self, read_checkpoint(path))
