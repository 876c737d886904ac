"""The steps of the optimizers, on all parameters of a group; see `minicnn.optim` for the equations.

This is the reference, for the arrays of any module. `tensors` holds a tuple of arrays of one shape
for each parameter: the parameter p, its gradient g, and its state, of which an array may be None.
All but g change in place. `group` holds the optimizer's options.

The learning rate and the number of a step may be arrays () on the device, in a step that the host
does not follow (see `minicnn.optim.on_device`). And where ``group["found_inf"]``, if there is one,
is true, nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..backend import array_module
from ..threads import each
from .layout import flattened

BLOCK = 1 << 16  # elements: what a step touches of this many stays in a core's cache
WORTH = 1 << 20  # elements: with fewer, other threads are not worth waking
Tensors = Sequence[tuple[Any, ...]]
Group = Mapping[str, Any]


def sgd_step(tensors: Tensors, begins: Sequence[bool], group: Group) -> None:
    """Change (p, g, velocity or None) for each parameter; `begins`: is its velocity new?"""
    for arrays, first in zip(tensors, begins, strict=True):
        _change(group, partial(_sgd, group, first), *arrays)


def _sgd(group: Group, first: bool, p: Any, g: Any, b: Any) -> None:
    momentum, weight_decay = group["momentum"], group["weight_decay"]
    if group["maximize"]:
        g = -g
    if weight_decay != 0:
        g = g + weight_decay * p
    if b is not None:
        if first:
            b[...] = g
        else:
            b *= momentum
            b += g if group["dampening"] == 0 else (1 - group["dampening"]) * g
        g = g + momentum * b if group["nesterov"] else b
    p -= number(group["lr"], p) * g


def adam_step(tensors: Tensors, steps: Sequence[Any], group: Group) -> None:
    """Change (p, g, m, v, v_max or None) for each parameter, at its step t.

    With ``group["decoupled"]`` the weight decay is AdamW's.
    """
    for arrays, t in zip(tensors, steps, strict=True):
        _change(group, partial(_adam, group, in_float64(t)), *arrays)


def _adam(group: Group, t: Any, p: Any, g: Any, m: Any, v: Any, v_max: Any) -> None:
    xp, lr, (beta1, beta2) = array_module(p), group["lr"], group["betas"]
    # The corrections are taken out of the arrays: one number each instead of two passes.
    step_size = number(lr / (1 - beta1**t), p)
    root = number((1 - beta2**t) ** 0.5, p)
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        if group["decoupled"]:
            p *= number(1 - lr * group["weight_decay"], p)
        else:
            g = g + group["weight_decay"] * p
    m += (1 - beta1) * (g - m)
    v *= beta2
    v += (1 - beta2) * g * g
    if v_max is not None:
        xp.maximum(v_max, v, out=v_max)
        v = v_max
    d = xp.sqrt(v) / root + group["eps"]
    p -= step_size * m / d


def adagrad_step(tensors: Tensors, steps: Sequence[Any], group: Group) -> None:
    """Change (p, g, sum of squares) for each parameter, at its step t."""
    for arrays, t in zip(tensors, steps, strict=True):
        _change(group, partial(_adagrad, group, in_float64(t)), *arrays)


def _adagrad(group: Group, t: Any, p: Any, g: Any, s: Any) -> None:
    lr_t = number(group["lr"] / (1 + (t - 1) * group["lr_decay"]), p)
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        g = g + group["weight_decay"] * p
    s += g * g
    p -= lr_t * g / (array_module(p).sqrt(s) + group["eps"])


def rmsprop_step(tensors: Tensors, group: Group) -> None:
    """Change (p, g, v, mean gradient or None, velocity or None) for each parameter."""
    for arrays in tensors:
        _change(group, partial(_rmsprop, group), *arrays)


def _rmsprop(group: Group, p: Any, g: Any, v: Any, a: Any, b: Any) -> None:
    xp, lr, alpha = array_module(p), number(group["lr"], p), group["alpha"]
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        g = g + group["weight_decay"] * p
    v *= alpha
    v += (1 - alpha) * g * g
    if a is not None:
        a += (1 - alpha) * (g - a)
        d = xp.sqrt(v - a * a) + group["eps"]
    else:
        d = xp.sqrt(v) + group["eps"]
    if b is not None:
        b *= group["momentum"]
        b += g / d
        p -= lr * b
    else:
        p -= lr * g / d


def in_float64(value: Any) -> Any:
    """Return a number as it is, and an array as one of float64, for what would cancel in less."""
    return value if isinstance(value, (int, float)) else value.astype("float64")


def number(value: Any, p: Any) -> Any:
    """Return a number as it is, and an array in the dtype of p, which another would promote."""
    return value if isinstance(value, (int, float)) else value.astype(p.dtype)


def _change(group: Group, change: Callable[..., None], p: Any, g: Any, *state: Any) -> None:
    """Call change(p, g, *state); where infinity was found, put back what was there."""
    found_inf = group.get("found_inf")
    if found_inf is None:
        in_blocks(change, p, g, *state)
        return
    arrays = [a for a in (p, *state) if a is not None]
    before = [a.copy("K") for a in arrays]
    change(p, g, *state)
    for a, old in zip(arrays, before, strict=True):
        array_module(a).copyto(a, old, where=found_inf)


def in_blocks(change: Callable[..., None], *arrays: Any) -> None:
    """Call change(*arrays), which changes arrays of one shape in place; None stays None.

    A step goes over its arrays some ten times. In pieces that fit the cache it reads them from
    memory once, and its temporaries are small: 2.6 times faster for a 17-million-element Adam step
    on one core, no difference below 100,000; two cores bring another 1.6. A GPU gets whole arrays,
    because there every launch costs.
    """
    x = arrays[0]
    if x.size <= BLOCK or array_module(x) is not np:
        change(*arrays)
        return
    arrays = tuple(flattened(*arrays) or arrays)
    step = max(1, BLOCK * len(arrays[0]) // x.size)
    starts = range(0, len(arrays[0]), step)
    pieces = [tuple(None if a is None else a[i : i + step] for a in arrays) for i in starts]
    if x.size >= WORTH:
        each(change, pieces)
    else:
        for piece in pieces:
            change(*piece)
