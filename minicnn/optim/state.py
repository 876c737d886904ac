"""What the update rules remember of a parameter from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..tensor import Tensor
from .on_device import count_on_device


def buffer(state: dict[str, Any], name: str, param: Tensor) -> Any:
    """Return the array of ``state[name]``: a tensor that begins as zeros shaped like `param`."""
    if state.get(name) is None:
        state[name] = wrap(array_module(param.array).zeros_like(param.array))
    return state[name].array


def next_step(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> Any:
    """Count one more step in ``state["step"]`` and return the count.

    The count is a tensor, as in PyTorch, and lives on the host: no step waits for a GPU to tell it.
    A step that the host does not follow counts on the device (see `on_device`), unless
    ``group["found_inf"]`` is true, and the count returned is an array ().
    """
    found_inf = group["found_inf"]
    if found_inf is not None:
        state.setdefault("step", wrap(np.zeros((), np.float32)))
        count_on_device(state, param)
    step = state.get("step")
    if isinstance(step, Tensor) and not isinstance(step.array, np.ndarray):
        step.array += 1 if found_inf is None else ~found_inf
        return step.array
    t = float(state.get("step", 0.0)) + 1.0
    state["step"] = wrap(np.array(t, np.float32))
    return t
