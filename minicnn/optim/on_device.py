"""Steps that the host does not follow: taken or not by a flag on the GPU, or captured in a graph.

The host hands out work long before a GPU does it. Whether a gradient overflowed (`GradScaler`) it
learns only by waiting; and of a captured step (`minicnn.cuda.graph`) it runs nothing at all. So all
that such a step reads and changes must be on the device, the count of steps and the learning rate
as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..tensor import Tensor


def update_unless(skip: Any, optimizer: Any, param: Tensor, options: dict[str, Any]) -> None:
    """Update a parameter, and put back what was there if `skip`, a bool array (), is true.

    State that begins in this step goes back to zeros, which is how all of it begins. This is for
    rules that know nothing of `skip`; those of minicnn leave it to their kernels.
    """
    xp, state = array_module(param.array), optimizer.state.get(param, {})
    count_on_device(state, param)
    before = {name: x.array.copy("K") for name, x in state.items() if isinstance(x, Tensor)}
    p = param.array.copy("K")
    optimizer.update(param, {**options, "found_inf": None})
    state = optimizer.state.get(param, {})
    count_on_device(state, param)
    xp.copyto(param.array, p, where=skip)
    for name, x in state.items():
        if isinstance(x, Tensor):
            xp.copyto(x.array, before.get(name, 0.0), where=skip)


def count_on_device(state: dict[str, Any], param: Tensor) -> None:
    """Move the count of steps, if there is one on the host, to where the parameter is."""
    step = state.get("step")
    if isinstance(step, Tensor) and isinstance(step.array, np.ndarray):
        xp = array_module(param.array)
        state["step"] = wrap(xp.full((), float(step.array), dtype="float32"))


def recorded_options(
    recorder: Any, optimizer: Any, group: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the options of a step that is to be captured: the learning rate is on the device.

    The graph sets it anew before each run. All other options are part of what was captured, and
    changing one, or loading another state, has the step captured again.
    """

    def fixed() -> Any:
        known = {name: group[name] for name in optimizer.defaults if name != "lr"}
        return optimizer._loads, len(optimizer.param_groups), known

    recorder.assume(fixed)
    if "lr" not in options:
        return options
    return {**options, "lr": recorder.number(lambda: float(group["lr"]))}
