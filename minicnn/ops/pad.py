"""Borders and wrapping round: pad, roll, flip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..errors import ShapeError, UnsupportedError
from ..tensor import Tensor, check_tensor, method
from .index import getitem, read
from .join import cat
from .operands import Dims, as_shape, constants, fitting, many_dims, one_dim


@dataclass(eq=False, repr=False)
class Pad(Op):
    """y = x with `value` around it; widths ((before, after), ...).   dx = dy without the border."""

    widths: tuple[tuple[int, int], ...]
    value: float

    def forward(self, x: Any) -> Any:
        size = tuple(b + n + a for (b, a), n in zip(self.widths, x.shape, strict=True))
        y = array_module(x).full_like(x, self.value, shape=size)  # in the layout of x
        y[tuple(slice(b, b + n) for (b, _), n in zip(self.widths, x.shape, strict=True))] = x
        return y

    def dx(self, dy: Tensor) -> Tensor:
        inside = (slice(b, b + n) for (b, _), n in zip(self.widths, self.shapes[0], strict=True))
        return getitem(dy, tuple(inside))


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with a border. `pad` lists (before, after) from the last dimension backwards.

    mode: "constant" (filled with `value`, default 0), "reflect", "replicate" or "circular".
    Negative widths cut away (constant mode only).
    """
    widths = [int(n) for n in pad]
    check_tensor(input, "pad")
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ShapeError(
            f"pad: pad={tuple(pad)} must hold two numbers for each of at most {input.ndim}"
            " dimensions, the last first"
        )
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    if any(n + b + a < 0 for (b, a), n in zip(pairs, input.shape, strict=True)):
        raise ShapeError(
            f"pad: pad={tuple(pad)} cuts away more than there is in shape {input.shape}"
        )
    if mode in ("reflect", "replicate"):
        return _pad_with_itself(input, pairs, mode)
    if any(b < 0 or a < 0 for b, a in pairs):  # negative widths cut away first
        input = getitem(
            input,
            tuple(
                slice(max(0, -b), n - max(0, -a))
                for (b, a), n in zip(pairs, input.shape, strict=True)
            ),
        )
        pairs = [(max(0, b), max(0, a)) for b, a in pairs]
    if mode != "constant":
        return _pad_with_itself(input, pairs, mode)
    return Pad(tuple(pairs), 0 if value is None else fitting("pad", value, input.dtype))(input)


def _pad_with_itself(input: Tensor, pairs: list[tuple[int, int]], mode: str) -> Tensor:
    if mode not in ("reflect", "replicate", "circular"):
        raise UnsupportedError(
            f"pad: mode {mode!r} is not covered; use constant, reflect, replicate or circular"
        )
    for d, ((before, after), n) in enumerate(zip(pairs, input.shape, strict=True)):
        if before == after == 0:
            continue
        limit = {"reflect": n - 1, "circular": n, "replicate": math.inf}[mode]
        if max(before, after) > limit:
            raise ShapeError(
                f"pad: {mode} needs a border of at most {limit} for size {n}; got {(before, after)}"
            )
        places = np.arange(-before, n + after)
        if mode == "replicate":
            places = places.clip(0, n - 1)
        elif mode == "circular":
            places = places % n
        else:
            places = n - 1 - np.abs(n - 1 - np.abs(places))
        index = (*(slice(None),) * d, constants(places.tolist(), input, "int64"))
        input = read(input, index)
    return input


@dataclass(eq=False, repr=False)
class Flip(Op):
    """y = x backwards along `dims`.   dx = dy backwards along `dims`."""

    dims: Dims

    def forward(self, x: Any) -> Any:
        return array_module(x).flip(x, self.dims).copy()

    def dx(self, dy: Tensor) -> Tensor:
        return Flip(self.dims)(dy)


@method()
def flip(input: Tensor, *numbers: Any, dims: Any = None) -> Tensor:
    """Return `input` backwards along `dims`; a copy."""
    wanted = as_shape("flip", numbers, dims)
    found = many_dims("flip", wanted, check_tensor(input, "flip").ndim) if wanted else ()
    return Flip(found)(input)


@method()
def fliplr(input: Tensor) -> Tensor:
    """Return `input` with its second dimension backwards."""
    if check_tensor(input, "fliplr").ndim < 2:
        raise ShapeError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}")
    return flip(input, 1)


@method()
def flipud(input: Tensor) -> Tensor:
    """Return `input` with its first dimension backwards."""
    if check_tensor(input, "flipud").ndim < 1:
        raise ShapeError("flipud: expected at least 1 dimension, got a 0-d tensor")
    return flip(input, 0)


@method()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return `input` with its elements moved by `shifts` along `dims`; what leaves re-enters."""
    if dims is None or (isinstance(dims, (tuple, list)) and not dims and isinstance(shifts, int)):
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    shifts, dims = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, dims))
    if len(shifts) != len(dims) or not shifts:
        raise ShapeError(
            f"roll: shifts={shifts} and dims={dims} must be equally many, at least one"
        )
    for shift, dim in zip(shifts, dims, strict=True):
        d = one_dim("roll", dim, input.ndim)
        n = input.shape[d]
        if n:
            k = -shift % n
            input = cat([input.narrow(d, k, n - k), input.narrow(d, 0, k)], d)
    return input


__all__ = ["flip", "fliplr", "flipud", "roll"]
