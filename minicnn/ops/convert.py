"""Conversions: to another dtype, to another device, to a copy of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import device as Device
from ..backend import to_device
from ..promotion import as_dtype
from ..tensor import Tensor, check_tensor, method


class Clone(Op):
    """y = a copy of x, in memory of its own.   dx = dy."""

    def forward(self, x: Any) -> Any:
        return x.copy()

    def dx(self, dy: Tensor) -> Tensor:
        return dy


@dataclass(eq=False, repr=False)
class Cast(Op):
    """y = x in another dtype.   dx = dy in the dtype of x (the engine converts it)."""

    dtype: np.dtype

    def forward(self, x: Any) -> Any:
        return x.astype(self.dtype)

    def dx(self, dy: Tensor) -> Tensor:
        return dy


@dataclass(eq=False, repr=False)
class Move(Op):
    """y = x on another device.   dx = dy on the device of x."""

    device: Device
    source: Device

    def forward(self, x: Any) -> Any:
        return to_device(x, self.device)

    def dx(self, dy: Tensor) -> Tensor:
        return Move(self.source, self.device)(dy)


@method()
def clone(input: Tensor) -> Tensor:
    """Return a copy that remembers where it came from."""
    return Clone()(check_tensor(input, "clone"))


@method()
def to(self: Tensor, *where: Any, dtype: Any = None, device: Any = None, copy: bool = False,
       non_blocking: bool = False) -> Tensor:  # fmt: skip
    """Return this tensor with another dtype, on another device, or as `other` is.

    Call as to(dtype), to(device), to(device, dtype) or to(other). Returns self where nothing
    changes, unless `copy`. After those, `non_blocking` (which means nothing here) and `copy` may
    follow.
    """
    flags: list[bool] = []
    for argument in where:
        if isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, Device) or _names_device(argument):
            device = argument
        elif isinstance(argument, bool):
            flags.append(argument)
        elif argument is not None:
            dtype = argument
    non_blocking, copy = (*flags, *(non_blocking, copy)[len(flags) :])
    y = self
    if dtype is not None and as_dtype(dtype) != y.array.dtype:
        y = Cast(as_dtype(dtype))(y)
    if device is not None and _is_elsewhere(y, Device(device)):
        y = Move(Device(device), y.device)(y)
    return clone(self) if copy and y is self else y


def _names_device(argument: Any) -> bool:
    return isinstance(argument, str) and argument.partition(":")[0] in ("cpu", "cuda")


def _is_elsewhere(x: Tensor, wanted: Device) -> bool:
    here = x.device
    return here.type != wanted.type or wanted.index not in (None, here.index)


@method()
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return this tensor in the dtype of `other`."""
    return self.to(other.dtype)


@method()
def cpu(self: Tensor) -> Tensor:
    """Return this tensor in the computer's own memory."""
    return self.to("cpu")


@method()
def cuda(self: Tensor, device: Any = None) -> Tensor:
    """Return this tensor on a CUDA GPU (number `device`; default: the current one)."""
    return self.to(Device("cuda", device) if isinstance(device, int) else device or "cuda")


def _converter(name: str, dtype: str) -> Callable:
    def convert(self: Tensor) -> Tensor:
        return self.to(dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Return this tensor as {dtype}."
    return method(name)(convert)


for _name, _dtype in {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
    "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool",
}.items():  # fmt: skip
    _converter(_name, _dtype)

__all__ = ["clone"]
