"""New tensors: of zeros, ones, ranges and grids. Random ones are in `minicnn.ops.draw`.

*Conventions.* Sizes are given as separate numbers or as one sequence. Without `dtype`, floats are
float32 (see `minicnn.set_default_dtype`) and whole numbers int64; without `device`, tensors are
made on the default one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import make, to_device
from ..deferred import refuse
from ..errors import ArgumentError, DTypeError, LabelError, ShapeError
from ..promotion import as_dtype, get_default_dtype, result_type, scalar_dtype
from ..tensor import Tensor, check_tensor, method
from .from_data import tensor
from .operands import as_shape, fitting, promote


def finished(array: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """Return a tensor of `array` in `dtype` (None: its own) on `device` (None: the default)."""
    array = np.asarray(array, None if dtype is None else as_dtype(dtype))
    return wrap(to_device(array, device)).requires_grad_(requires_grad)


def sizes(name: str, given: tuple, keyword: Any = None) -> tuple[int, ...]:
    """Return a shape given as separate numbers, as one sequence, or by keyword."""
    shape = as_shape(name, given, keyword)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: sizes must not be negative, got {shape}")
    return shape


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of shape `size` full of `fill_value`, by default in the value's dtype."""
    shape = sizes("full", (size,))
    fill_value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    dtype = scalar_dtype(fill_value) if dtype is None else as_dtype(dtype)
    array = make("full", device, shape, fitting("full", fill_value, dtype), dtype=dtype)
    return wrap(array).requires_grad_(requires_grad)


def _filled(name: str, maker: str) -> Callable:
    def function(
        *numbers: Any, size: Any = None, dtype: Any = None, device: Any = None,
        requires_grad: bool = False, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        shape = sizes(name, numbers, size)
        dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
        return wrap(make(maker, device, shape, dtype=dtype)).requires_grad_(requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return {name} of the given size, float32 unless `dtype` says otherwise."
    return function


zeros, ones = _filled("zeros", "zeros"), _filled("ones", "ones")
empty = _filled("empty", "zeros")  # what memory happened to hold would not be reproducible


def _plain(*values: Any) -> list[Any]:
    return [x.item() if isinstance(x, (Tensor, np.generic)) else x for x in values]


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return start, start + step, ... up to but not including `end`; arange(n) counts from 0."""
    start, end, step = _plain(*((0, start) if end is None else (start, end)), step)
    if dtype is None:
        dtype = (
            np.int64 if all(isinstance(x, int) for x in (start, end, step)) else get_default_dtype()
        )
    dtype = as_dtype(dtype)
    if dtype.kind == "b":
        raise DTypeError("arange: dtype=bool is not defined")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ArgumentError(f"arange: the range from {start} to {end} has no end")
    if step == 0 or (end - start) / step < 0:
        raise ArgumentError(f"arange: no step of {step} leads from {start} to {end}")
    whole = dtype.kind != "f"
    if dtype == np.int64:  # PyTorch counts with whole numbers then, which no rounding can disturb
        start, end, step = int(start), int(end), int(step)
    count = math.ceil((end - start) / step) if step else 0
    first, stride = (int(start), int(step)) if whole else (start, step)
    counted = first + stride * make("arange", device, count)
    return wrap(counted.astype(dtype)).requires_grad_(requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return `steps` numbers evenly spaced from `start` to `end`, both included."""
    steps = operator.index(steps)
    if steps < 0:
        raise ArgumentError(f"linspace: steps must not be negative, got {steps}")
    start, end = _plain(start, end)
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if dtype.kind == "b":
        raise DTypeError("linspace: dtype=bool is not defined")
    if dtype.kind != "f":  # PyTorch rounds the ends first, and each value then towards its end
        start, end = int(start), int(end)
    forwards = start + np.arange(steps) * ((end - start) / max(steps - 1, 1))
    backwards = end - np.arange(steps)[::-1] * ((end - start) / max(steps - 1, 1))
    near_start = np.arange(steps) < steps / 2
    values = np.where(near_start, forwards, backwards) if steps > 1 else forwards
    return finished(values.astype(dtype), None, device, requires_grad)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return base to the power of `steps` numbers evenly spaced from `start` to `end`."""
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if dtype.kind != "f":
        raise DTypeError(f"logspace: expected a floating dtype, got {dtype}; convert the result")
    powers = base ** linspace(start, end, steps, dtype=np.float64, device="cpu").array
    return finished(powers.astype(dtype), None, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a matrix of n rows and m columns (default n) with ones on its diagonal."""
    if n < 0 or (m or 0) < 0:
        raise ShapeError(f"eye: sizes must not be negative, got n={n}, m={m}")
    return finished(np.eye(n, m), dtype or get_default_dtype(), device, requires_grad)


# ----------------------------------------------------------------------------------------------
# Like another tensor


def like(name: str, maker: Callable) -> Callable:
    """Return `maker` as a function that takes shape, dtype and device from its first argument."""

    def function(input: Tensor, *arguments: Any, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False, **keywords: Any) -> Tensor:  # fmt: skip
        check_tensor(input, name)
        dtype = input.dtype if dtype is None else dtype
        device = input.device if device is None else device
        options = dict(dtype=dtype, device=device, requires_grad=requires_grad, **keywords)
        return maker(input.shape, *arguments, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return `{name[:-5]}` with the shape, dtype and device of `input`."
    return function


zeros_like, ones_like, empty_like = (like(f"{f.__name__}_like", f) for f in (zeros, ones, empty))
full_like = like("full_like", full)


def _new(name: str, maker: Callable) -> None:
    def function(self: Tensor, *arguments: Any, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False, **keywords: Any) -> Tensor:  # fmt: skip
        options = {"dtype": dtype or self.dtype, "device": device or self.device}
        return maker(*arguments, requires_grad=requires_grad, **options, **keywords)

    function.__name__ = function.__qualname__ = "new_" + name
    function.__doc__ = f"Return `{name}` with the dtype and device of this tensor."
    method("new_" + name)(function)


_MAKERS: dict[str, Callable] = {
    "zeros": zeros, "ones": ones, "empty": empty, "full": full, "tensor": tensor
}  # fmt: skip
for _name, _maker in _MAKERS.items():
    _new(_name, _maker)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 zeros of shape (*, num_classes) with a 1 at each label (-1: largest + 1)."""
    labels = check_tensor(tensor, "one_hot", "tensor")
    if labels.dtype != np.int64:
        raise DTypeError(f"one_hot: labels must be int64, not {labels.dtype}; use .long()")
    if labels.numel() == 0 and num_classes <= 0:
        raise LabelError("one_hot: num_classes must be given for an empty tensor")
    classes = int(labels.max().item()) + 1 if num_classes == -1 else num_classes
    array = labels.array
    wrong = (array < 0) | (array >= classes)
    refuse(
        wrong,
        lambda: LabelError(
            f"one_hot: labels must lie in 0 to {classes - 1}; found {int(array[wrong][0])}"
        ),
    )
    every = arange(classes, device=labels.device)
    return (labels.unsqueeze(-1) == every).to(np.int64)


# ----------------------------------------------------------------------------------------------
# Comparing whole tensors


@method()
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Return whether |input - other| <= atol + rtol |other| everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


@method()
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Return where |input - other| <= atol + rtol |other|."""
    a, b = check_tensor(input, "isclose"), check_tensor(other, "isclose", "other")
    if a.dtype != b.dtype:
        raise DTypeError(f"isclose: {a.dtype} and {b.dtype} differ; convert one with .to()")
    if rtol < 0 or atol < 0:
        raise ArgumentError(f"isclose: rtol={rtol} and atol={atol} must not be negative")
    x, y = (to_device(t.array, "cpu") for t in promote("isclose", a, b))
    return wrap(to_device(np.asarray(np.isclose(x, y, rtol, atol, equal_nan)), a.device))


@method()
def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether both have the same shape and equal elements."""
    a, b = check_tensor(input, "equal"), check_tensor(other, "equal", "other")
    return a.shape == b.shape and bool((a.array == b.array).all())


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return grids of coordinates from one-dimensional tensors."""
    xs = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy', not {indexing!r}")
    if any(x.ndim > 1 for x in xs) or not xs:
        raise ShapeError(
            f"meshgrid: expected tensors of one dimension, got {[x.shape for x in xs]}"
        )
    if len({x.dtype for x in xs}) > 1:
        raise DTypeError(f"meshgrid: expected one dtype, got {result_type(*xs)} and others")
    n = len(xs)
    shape = tuple(x.numel() for x in xs)
    grids = [
        x.reshape([-1 if d == i else 1 for d in range(n)]).expand(shape) for i, x in enumerate(xs)
    ]
    return tuple(g.transpose(0, 1) if indexing == "xy" and n > 1 else g for g in grids)


__all__ = [
    "full", "zeros", "ones", "empty", "arange", "linspace", "logspace", "eye", "zeros_like",
    "ones_like", "empty_like", "full_like", "allclose", "isclose", "equal", "meshgrid",
]  # fmt: skip
