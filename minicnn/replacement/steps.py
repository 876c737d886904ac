"""The update of an optimizer that calls a user's step instead of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backend import device_of, to_device
from ..errors import ReplacementError
from ..optim.state import buffer, next_step
from ..tensor import Tensor
from .places import StepPlace
from .user_function import Argument

if TYPE_CHECKING:
    from .replaced import Replaced


def updating(
    places: list[StepPlace],
    original: Callable[..., None],
    current: Callable[[str], Replaced | None],
) -> Callable[..., None]:
    """Return the `update_all` of an optimizer class while one of its `places` is taken."""

    def update_all(self: Any, params: list[Tensor], group: dict[str, Any]) -> None:
        place = next(place for place in places if place.covers(group))
        replaced = current(place.name)
        if replaced is None:
            original(self, params, group)
        elif group["found_inf"] is None or not bool(group["found_inf"]):
            for param in params:
                _step(place, replaced, self, param, {**group, "found_inf": None})

    return update_all


def _step(
    place: StepPlace, replaced: Replaced, optimizer: Any, param: Tensor, group: dict[str, Any]
) -> None:
    for name, value in place.plain.items():
        if group[name] != value:
            raise ReplacementError(
                f"{place.name}: {replaced.step!r} knows nothing of {name}, but the optimizer has "
                f"{name}={group[name]!r}; use {name}={value!r}"
            )
    state = optimizer.state[param] if place.state else {}
    t = next_step(state, param, group) if place.counts else 0.0
    buffers = [buffer(state, name, param) for name in place.state]
    p, g, *kept = (to_device(a, "cpu").copy() for a in (param.array, param.grad.array, *buffers))
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        if getattr(optimizer, "decoupled", False):
            p *= 1 - group["lr"] * group["weight_decay"]
        else:
            g = g + group["weight_decay"] * p
    arrays = [p, g, *kept]
    for array in arrays:
        array.flags.writeable = False
    names = ["p", "g", *place.short, *place.option_names]
    values = [*arrays, *place.options(t, group)]
    with replaced.running("step"):
        found = replaced.step([Argument(n, v) for n, v in zip(names, values, strict=True)])
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(found) != 1 + len(kept):
        wanted = ", ".join(("p", *place.short))
        replaced.step.fail(f"must return {wanted}; it returned {len(found)} values")
    for array, name, new in zip([param.array, *buffers], ["p", *place.short], found, strict=True):
        checked = replaced.step.check(f"the new {name}", new, p, arrays)
        array[...] = to_device(checked, device_of(array))
