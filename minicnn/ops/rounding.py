"""Rounding, signs, and what is no number: functions whose derivative is 0 where it exists."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..errors import DTypeError
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .compare import Untracked
from .operands import zeros_of


@dataclass(eq=False, repr=False)
class Rounding(Op):
    """y = floor, ceil, trunc or rint of x.   dx = 0: constant between its jumps."""

    ufunc: str

    def forward(self, x: Any) -> Any:
        return getattr(array_module(x), self.ufunc)(x)

    def dx(self, dy: Tensor) -> Tensor:
        return zeros_of(dy)


class Sign(Op):
    """y = 1 where x > 0, -1 where x < 0, else 0, also for NaN.   dx = 0."""

    def forward(self, x: Any) -> Any:
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)

    def dx(self, dy: Tensor) -> Tensor:
        return zeros_of(dy)


@method("sign", "sgn")
def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1; the derivative is 0 everywhere."""
    return input.clone() if check_tensor(input, "sign").dtype == bool else Sign()(input)


@method()
def floor(input: Tensor) -> Tensor:
    """Return the largest whole number not above input."""
    return _rounded(input, "floor")


@method()
def ceil(input: Tensor) -> Tensor:
    """Return the smallest whole number not below input."""
    return _rounded(input, "ceil")


@method("trunc", "fix")
def trunc(input: Tensor) -> Tensor:
    """Return input without its fraction."""
    return _rounded(input, "trunc")


@method()
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return the nearest number with `decimals` decimals; halves go to the even one."""
    if decimals == 0:
        return _rounded(input, "rint", "round")
    if check_tensor(input, "round").dtype.kind != "f":
        raise DTypeError(f"round: decimals={decimals} needs a floating tensor, got {input.dtype}")
    if input.dtype == "float16":  # which could not hold the scaled values
        return round(input.to(np.float32), decimals=decimals).to(input.dtype)
    scale = 10.0 ** math.fabs(decimals)
    if decimals > 0:
        return Rounding("rint")(input * scale) / scale
    return Rounding("rint")(input / scale) * scale


def _rounded(input: Tensor, ufunc: str, name: str | None = None) -> Tensor:
    if check_tensor(input, name or ufunc).dtype == bool:
        raise DTypeError(f"{name or ufunc}: not defined for bool tensors; convert with .int()")
    return Rounding(ufunc)(input) if input.dtype.kind == "f" else input.clone()


@method()
def isnan(input: Tensor) -> Tensor:
    """Return whether each element is NaN."""
    return Untracked("isnan")(check_tensor(input, "isnan"))


@method()
def isinf(input: Tensor) -> Tensor:
    """Return whether each element is infinite."""
    return Untracked("isinf")(check_tensor(input, "isinf"))


@method()
def isfinite(input: Tensor) -> Tensor:
    """Return whether each element is a finite number."""
    return Untracked("isfinite")(check_tensor(input, "isfinite"))


@method()
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return input with NaN and the infinities replaced (by default 0 and the dtype's extremes)."""
    if check_tensor(input, "nan_to_num").dtype.kind != "f":
        return input.clone()
    limits = array_module(input.array).finfo(input.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    nan = 0.0 if nan is None else nan
    y = where(isnan(input), nan, input)
    y = where(y == math.inf, high, y)
    return where(y == -math.inf, low, y)


sgn, fix = sign, trunc
__all__ = [
    "sign", "sgn", "floor", "ceil", "trunc", "fix", "round", "isnan", "isinf", "isfinite",
    "nan_to_num",
]  # fmt: skip
