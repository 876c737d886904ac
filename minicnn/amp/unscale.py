"""Gradients of a scaled loss, divided by the factor again, and whether they are finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import array_module, as_array, device_of
from ..errors import DeviceError, ScalerError
from ..optim import Optimizer


def gradients_of(optimizer: Optimizer) -> list[Any]:
    """Return the arrays of the gradients that the optimizer will use."""
    params = (p for group in optimizer.param_groups for p in group["params"])
    gradients = [p.grad for p in params if p.grad is not None]
    for g in gradients:
        if g.dtype == "float16":
            raise ScalerError(
                "GradScaler.unscale_: attempting to unscale float16 gradients; keep the "
                "parameters in float32 and use autocast, not model.half()"
            )
        g.bump()
    return [g.array for g in gradients]


@np.errstate(all="ignore")
def unscaled(gradients: list[Any], scale: Any) -> Any:
    """Divide the arrays by `scale` in place; return whether one then holds infinity or NaN."""
    if not gradients:
        return None
    xp = array_module(scale)
    inverse = (1.0 / scale.astype("float64")).astype("float32")
    finite = xp.empty(len(gradients), dtype=bool)
    for i, g in enumerate(gradients):
        if type(g) is not type(scale):
            raise DeviceError(
                f"GradScaler: the loss is on {device_of(scale)} but a gradient of shape {g.shape} "
                f"on {device_of(g)}; scale the loss there, with .to(device)"
            )
        g *= inverse.astype(g.dtype, copy=False)
        xp.isfinite(g).all(out=finite[i, ...])
    return as_array(~finite.all())
