"""Layers that give images a border. The operation is in `minicnn.ops.pad`."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Pad2d(Module):
    """What the layers share: the widths (left, right, top, bottom), or one number for all sides."""

    mode: str

    def __init__(self, padding: Any):
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * 4
        if len(self.padding) != 4:
            raise ShapeError(
                f"{type(self).__name__}: padding must be a number or (left, right, top, bottom), "
                f"got {padding}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad2d(_Pad2d):
    """A border of the number `value`."""

    mode = "constant"

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad2d(ConstantPad2d):
    """A border of zeros."""

    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad2d(_Pad2d):
    """A border that mirrors the image; the edge itself is not repeated."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """A border that repeats the edge."""

    mode = "replicate"


class CircularPad2d(_Pad2d):
    """A border that continues the image on the other side."""

    mode = "circular"


__all__ = ["CircularPad2d", "ConstantPad2d", "ReflectionPad2d", "ReplicationPad2d", "ZeroPad2d"]
