"""The steps of the optimizers on a GPU: one launch for some 60 to 80 parameters; see `steps.cu`.

*In a captured step.* A CUDA graph repeats its launches with the arguments they were recorded with.
So what changes from step to step (the learning rate, the number of the step) lies on the device
then, in arrays (). The kernels take what follows from it from an array, in place of the numbers
that they are else launched with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import array_module
from . import steps
from .cuda import BLOCK, kernel, launch, one_run, wide
from .steps import Group, Tensors

ROOM, ELEMENTS = 3840, 4096  # as in steps.cu
COUNTS = ROOM // 12
_COUNTS = np.dtype([("at", np.uint64, COUNTS), ("value", np.float32, COUNTS)])
Numbers = Callable[[Any], tuple[Any, Any, Any]]  # what changes with the number of the step


def sgd_step(tensors: Tensors, begins: Sequence[bool], group: Group) -> None:
    """See `steps.sgd_step`."""
    if not _fit(tensors):
        return steps.sgd_step(tensors, begins, group)
    momentum, gain = group["momentum"], 1 - group["dampening"]
    constants = (momentum, group["weight_decay"])
    flags = (momentum != 0, group["nesterov"], group["maximize"])

    def numbers(first: Any) -> tuple[Any, Any, Any]:
        return group["lr"], (1 - first) * momentum, first + (1 - first) * gain

    return _step("sgd", 1, tensors, begins, numbers, constants, flags, group)


def adam_step(tensors: Tensors, counts: Sequence[Any], group: Group) -> None:
    """See `steps.adam_step`."""
    if not _fit(tensors):
        return steps.adam_step(tensors, counts, group)
    lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
    left = 1 - lr * decay if group["decoupled"] else 1.0
    constants = (1 - beta1, beta2, 1 - beta2, group["eps"], 0 if group["decoupled"] else decay)
    name, states = ("amsgrad", 3) if group["amsgrad"] else ("adam", 2)

    def numbers(t: Any) -> tuple[Any, Any, Any]:
        return lr / (1 - beta1**t), (1 - beta2**t) ** 0.5, left

    return _step(name, states, tensors, counts, numbers, constants, (group["maximize"],), group)


def adagrad_step(tensors: Tensors, counts: Sequence[Any], group: Group) -> None:
    """See `steps.adagrad_step`."""
    if not _fit(tensors):
        return steps.adagrad_step(tensors, counts, group)
    constants = (group["eps"], group["weight_decay"])

    def numbers(t: Any) -> tuple[Any, Any, Any]:
        return group["lr"] / (1 + (t - 1) * group["lr_decay"]), 0.0, 0.0

    return _step("adagrad", 1, tensors, counts, numbers, constants, (group["maximize"],), group)


def rmsprop_step(tensors: Tensors, group: Group) -> None:
    """See `steps.rmsprop_step`."""
    if not _fit(tensors):
        return steps.rmsprop_step(tensors, group)
    alpha, eps = group["alpha"], group["eps"]
    constants = (alpha, 1 - alpha, eps, group["weight_decay"], group["momentum"])
    flags = (group["centered"], group["maximize"])
    counts = [0] * len(tensors)  # of no consequence
    return _step(
        "rmsprop", 3, tensors, counts, lambda t: (group["lr"], 0.0, 0.0), constants, flags, group
    )


def _fit(tensors: Tensors) -> bool:
    """Whether all arrays of each parameter are laid out alike, and no parameter is there twice."""
    return all(one_run(*arrays) for arrays in tensors) and len({id(p) for p, *_ in tensors}) == len(
        tensors
    )


@functools.cache
def _table(states: int, number: str) -> np.dtype:
    """Return the dtype of the struct ``Table<states>`` of steps.cu, with numbers of this dtype."""
    tensor = np.dtype(
        [
            *(("p", np.uint64), ("g", np.uint64), ("state", np.uint64, states)),
            *(("numbers", number, 3), ("size", np.int32), ("first_block", np.int32)),
        ],
        align=True,
    )
    fields = [("at", tensor, ROOM // tensor.itemsize), ("count", np.int32), ("aligned", np.int32)]
    return np.dtype(fields, align=True)


def _step(
    name: str, states: int, tensors: Tensors, counts: Sequence[Any], numbers: Numbers,
    constants: tuple[float, ...], flags: tuple[bool, ...], group: Group,
) -> None:  # fmt: skip
    """Launch the step `name` as often as it takes for all tensors to find room in its tables.

    `numbers` gives, for each of the `counts`, what changes from step to step.
    """
    dtype = tensors[0][0].dtype
    number = wide(dtype)
    scalars = (*map(number, constants), *map(np.bool_, flags))
    struct = _table(states, np.dtype(number).char)
    room = struct["at"].shape[0]
    on_host = all(isinstance(value, (int, float)) for value in (group["lr"], *counts))
    rows = None if on_host else _on_device(numbers, counts, tensors[0][0])
    for start in range(0, len(tensors), room):
        part = slice(start, start + room)
        table, blocks = _filled(struct, tensors[part])
        if rows is None:
            table["at"]["numbers"][0, : len(counts[part])] = [numbers(t) for t in counts[part]]
        device = None if rows is None else rows[part]
        pointers = device, group.get("found_inf")
        launch(_kernel(name, dtype), (blocks,), (BLOCK,), table, *pointers, *scalars)


def _on_device(numbers: Numbers, counts: Sequence[Any], p: Any) -> Any:
    """Return the numbers for each count in an array (len(counts), 3) on the device."""
    xp = array_module(p)
    t = xp.empty(len(counts), dtype="float64")
    for start in range(0, len(counts), COUNTS):
        part, table = counts[start : start + COUNTS], np.zeros(1, _COUNTS)
        for i, count in enumerate(part):
            if isinstance(count, (int, float)):
                table["value"][0, i] = count
            else:
                table["at"][0, i] = count.data.ptr
        to = t[start : start + COUNTS]
        launch(_kernel("gather", p.dtype), (1,), (BLOCK,), table, to, len(part))
    found = xp.empty((len(counts), 3), dtype=wide(p.dtype))
    for k, column in enumerate(numbers(t)):
        found[:, k] = column
    return found


def _filled(dtype: np.dtype, tensors: Tensors) -> tuple[np.ndarray, int]:
    """Return the table of these tensors, and how many blocks work on it."""
    table = np.zeros(1, dtype)
    addresses = [[0 if a is None else a.data.ptr for a in arrays] for arrays in tensors]
    sizes = np.array([p.size for p, *_ in tensors])
    ends = np.cumsum(-(-sizes // ELEMENTS))
    rows, count = table["at"][0], len(tensors)
    states = rows["state"].shape[1]
    pointers = np.array(addresses, np.uint64)
    rows["p"][:count], rows["g"][:count] = pointers[:, 0], pointers[:, 1]
    rows["state"][:count] = pointers[:, 2 : 2 + states]
    rows["size"][:count], rows["first_block"][1:count] = sizes, ends[:-1]
    table["count"], table["aligned"] = count, not (pointers % 16).any()
    return table, int(ends[-1])


def _kernel(name: str, dtype: Any) -> Any:
    return kernel("steps.cu", name, dtype.char, f"LANES={16 // dtype.itemsize}")
