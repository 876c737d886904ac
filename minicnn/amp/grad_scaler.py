"""Scaling of the loss, so that small gradients survive float16.

float16 ends at 6e-8 below and at 65,504 above, and the gradients of a network mostly lie at its
lower end: many would become 0. The loss is therefore multiplied by a large factor, and with it, by
the chain rule, every gradient; before the optimizer sees them they are divided by it again, in
float32. The best factor is the largest that lets nothing overflow, and it changes as training goes
on. So it is found by trial: doubled after 2,000 steps without an overflow, halved after one with
it, and that step is not taken.

*Nothing waits for a GPU.* Whether a gradient overflowed is known on the device only. PyTorch's
`step` reads it, and so waits for the whole backward pass before it can hand out the next work.
Here the flag stays there: the optimizer computes its step in any case, and the device then keeps
either the new or the old values. The factor, too, is updated where it lies. That costs a copy of
the parameters and their state, and lets a whole step be captured (`minicnn.cuda.graph`). An
optimizer that overrides `step` is asked as in PyTorch, with one read. On the CPU nothing has to be
waited for, and a step that overflowed is not computed.

Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module, cuda
from ..errors import ScalerError, UnsupportedError
from ..optim import Optimizer
from ..tensor import Tensor
from .unscale import gradients_of, unscaled

READY, UNSCALED, STEPPED = "ready", "unscaled", "stepped"


class _Progress:
    """How far this iteration has come with one optimizer."""

    def __init__(self) -> None:
        self.stage = READY
        self.found_inf: Any = None  # a bool array (): whether a gradient is infinite or NaN


class GradScaler:
    """Scale a loss, undo it in the gradients, and skip the steps in which one overflowed.

    Args:
        device: where the losses are, "cuda" or "cpu".
        init_scale: the factor to begin with.
        growth_factor: what the factor is multiplied by after `growth_interval` steps taken.
        backoff_factor: what it is multiplied by after a step that was skipped.
        growth_interval: how many steps in a row must be taken before it grows.
        enabled: False makes `scale` return its argument and `step` the optimizer's own step.

    Raises:
        ScalerError: methods called in an order that makes no sense.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        if enabled and device == "cuda" and not cuda.is_available():
            warnings.warn(
                f"GradScaler: disabled, because CUDA is not available. {cuda.why_not()}",
                stacklevel=2,
            )
            enabled = False
        if enabled and not (growth_factor > 1.0 and backoff_factor < 1.0):
            raise ScalerError(
                "GradScaler: growth_factor must be more than 1 and backoff_factor less; got "
                f"{growth_factor} and {backoff_factor}"
            )
        self.device, self._enabled = device, bool(enabled)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._scale: Tensor | None = None  # both are made beside the first loss
        self._growth_tracker: Tensor | None = None
        self._progress: dict[Any, _Progress] = {}

    # ---- one iteration

    def scale(self, outputs: Any) -> Any:
        """Return a tensor, or the tensors in a sequence of any depth, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._begin(outputs)
            return outputs * self._scale.to(outputs.device)  # type: ignore[union-attr]
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise TypeError(
            f"GradScaler.scale: expected a Tensor or several, got {type(outputs).__name__}"
        )

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the optimizer's gradients by the factor: call it before clipping them.

        `step` does so itself where it was not called.
        """
        if not self._enabled:
            return
        scale = self._begun("unscale_")
        progress = self._progress.setdefault(optimizer, _Progress())
        if progress.stage == UNSCALED:
            raise ScalerError(
                "GradScaler.unscale_: has already been called on this optimizer since the last "
                "update(); call it once per step"
            )
        if progress.stage == STEPPED:
            raise ScalerError("GradScaler.unscale_: is being called after step(); call it before")
        progress.found_inf = unscaled(gradients_of(optimizer), scale.array)
        progress.stage = UNSCALED

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Take the optimizer's step, unless one of its gradients is infinite or NaN.

        Returns:
            What ``optimizer.step(*args, **kwargs)`` returned; None where it was not called.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise UnsupportedError("GradScaler.step: a closure is not supported; call it yourself")
        self._begun("step")
        progress = self._progress.setdefault(optimizer, _Progress())
        if progress.stage == STEPPED:
            raise ScalerError(
                "GradScaler.step: has already been called since the last update(); call update() "
                "once at the end of each iteration"
            )
        if progress.stage == READY:
            self.unscale_(optimizer)
        if progress.found_inf is None:
            raise ScalerError(
                "GradScaler.step: no inf checks were recorded, because no parameter of this "
                "optimizer has a gradient; call backward() first"
            )
        progress.stage = STEPPED
        found = progress.found_inf
        if isinstance(found, np.ndarray) or type(optimizer).step is not Optimizer.step:
            return None if bool(found) else optimizer.step(*args, **kwargs)
        optimizer.found_inf = found
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            optimizer.found_inf = None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the factor to what the steps of this iteration have found, or set it.

        Call it once, after the steps of all optimizers.
        """
        if not self._enabled:
            return
        scale = self._begun("update").array
        if new_scale is not None:
            self._set_scale(new_scale)
        else:
            found = [p.found_inf for p in self._progress.values() if p.found_inf is not None]
            if not found:
                raise ScalerError(
                    "GradScaler.update: no inf checks were recorded; call step(optimizer) before"
                )
            overflow = found[0]
            for one in found[1:]:
                overflow = overflow | one
            self._adapt(scale, overflow)
        self._progress = {}

    @np.errstate(all="ignore")  # a factor that would be infinite is not taken
    def _adapt(self, scale: Any, overflow: Any) -> None:
        """Write the next factor and the next count over the present ones, on their device."""
        assert self._growth_tracker is not None
        xp, tracker = array_module(scale), self._growth_tracker.array
        wide = scale.astype("float64")
        grown, count = (wide * self._growth_factor).astype(scale.dtype), tracker + 1
        due = count == self._growth_interval
        larger = xp.where(due & xp.isfinite(grown), grown, scale)
        smaller = (wide * self._backoff_factor).astype(scale.dtype)
        scale[...] = xp.where(overflow, smaller, larger)
        tracker[...] = xp.where(overflow | due, 0, count)

    def _set_scale(self, new_scale: float | Tensor) -> None:
        assert self._scale is not None
        if isinstance(new_scale, Tensor):
            if new_scale.numel() != 1 or new_scale.requires_grad:
                raise ScalerError(
                    "GradScaler.update: new_scale should be a float, or a tensor of one element "
                    f"without gradient; got shape {new_scale.shape}"
                )
            new_scale = new_scale.detach().to(self._scale.device).reshape(()).array
        self._scale.array[...] = new_scale

    # ---- what the factor is

    def _begin(self, loss: Tensor) -> None:
        xp = array_module(loss.array)
        self._scale = wrap(xp.full((), self._init_scale, dtype="float32"))
        self._growth_tracker = wrap(xp.full((), self._init_growth_tracker, dtype="int32"))

    def _begun(self, method: str) -> Tensor:
        if self._scale is None:
            raise ScalerError(
                f"GradScaler.{method}: there is no scale yet; call scale(loss).backward() earlier "
                "in the iteration"
            )
        return self._scale

    def is_enabled(self) -> bool:
        """Return whether this scaler does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """Return the factor, 1.0 if not enabled. Reads it from the device, and so waits for it."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """Return what the factor grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the factor grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """Return what the factor shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the factor shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Return how many steps in a row let the factor grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many steps in a row let the factor grow."""
        self._growth_interval = new_interval

    # ---- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the factor, the count and the options as numbers, in PyTorch's form."""
        if not self._enabled:
            return {}
        tracker = self._growth_tracker
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth_tracker if tracker is None else tracker.item(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned, be it here or in PyTorch."""
        if not self._enabled:
            return
        if not state_dict:
            raise ScalerError(
                "GradScaler.load_state_dict: the state dict is empty; was it saved from a scaler "
                "that was not enabled?"
            )
        self._init_scale = state_dict["scale"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.array[...] = self._init_scale
            self._growth_tracker.array[...] = self._init_growth_tracker
