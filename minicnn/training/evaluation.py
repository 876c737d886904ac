"""Going through data without learning from it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..autograd import no_grad
from ..backend import device as Device
from ..backend import get_default_device
from ..data.prefetch import on_device
from ..errors import ArgumentError, ShapeError
from ..nn import Module
from ..ops.join import cat
from ..tensor import Tensor
from .batches import inputs_of, split
from .meter import Meter


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Within, the model is in evaluation mode and nothing is recorded; then all is as before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: Module) -> Device:
    """Return where a model's parameters are."""
    first = next(model.parameters(), None)
    return get_default_device() if first is None else first.device


def scalar(loss: Any) -> Tensor:
    """Return `loss` if it is one number; otherwise raise."""
    if not isinstance(loss, Tensor) or loss.shape != ():
        got = f"shape {loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ShapeError(
            f"loss: must be one number, a tensor of shape (), got {got}; use reduction='mean'"
        )
    return loss


@no_grad()
def scores(loss_fn: Any, loss: Tensor, metrics: Mapping[str, Callable], *pair: Any) -> list[Any]:
    """Return the loss per sample, and the metrics of a batch's (output, target)."""
    if getattr(loss_fn, "reduction", "mean") == "sum":
        loss = loss / len(pair[1])
    return [loss, *(metric(*pair) for metric in metrics.values())]


def measure(
    model: Module, loader: Any, loss_fn: Any, metrics: Mapping[str, Callable]
) -> dict[str, float]:
    """Return the means of loss and metrics over all samples of a loader."""
    meter, where, batches = Meter(["loss", *metrics]), device_of(model), 0
    with evaluating(model):
        for batch in on_device(loader, where):
            batches += 1
            inputs, target = split(batch, where, "evaluate")
            output = model(*inputs)
            loss = scalar(loss_fn(output, target))
            meter.add(len(target), scores(loss_fn, loss, metrics, output, target))
    if batches == 0:
        raise ArgumentError("evaluate: the data has no batches")
    return meter.read()


def outputs_of(model: Module, loader: Any) -> Tensor:
    """Return the outputs for all samples of a loader, in their order."""
    outputs, where = [], device_of(model)
    with evaluating(model):
        for batch in on_device(loader, where):
            output = model(*inputs_of(batch, where))
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"predict: the model must return one tensor, got {type(output).__name__}; go "
                    "through the data yourself, under no_grad()"
                )
            outputs.append(output)
    if not outputs:
        raise ArgumentError("predict: the data has no batches")
    return cat(outputs)
