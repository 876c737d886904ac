"""New tensors: of zeros, ones, ranges and random draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from ..autograd import wrap
from ..backend import to_device
from ..errors import ArgumentError, DTypeError, ShapeError
from ..promotion import as_dtype, get_default_dtype, scalar_dtype
from ..tensor import Tensor, check_tensor, method, tensor
from .operands import as_shape, promote


def _finish(array: np.ndarray, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    if dtype is not None:
        array = array.astype(as_dtype(dtype), copy=False)
    return wrap(to_device(array, device)).requires_grad_(requires_grad)


def _sizes(name: str, size: tuple, keywords: dict) -> tuple[int, ...]:
    if "size" in keywords:
        size = (keywords.pop("size"),)
    shape = as_shape(name, size)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: sizes must not be negative, got {shape}")
    return shape


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of shape `size` with every element `fill_value`; its dtype follows the value's."""
    shape = _sizes("full", (size if isinstance(size, (tuple, list)) else (size,),), {})
    fill_value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    dtype = scalar_dtype(fill_value) if dtype is None else as_dtype(dtype)
    return _finish(np.full(shape, fill_value, dtype), None, device, requires_grad)


def _filled(name: str, maker: Callable) -> Callable:
    def function(
        *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **keywords: Any
    ) -> Tensor:
        shape = _sizes(name, size, keywords)
        _nothing_else(name, keywords)
        array = maker(shape, get_default_dtype() if dtype is None else as_dtype(dtype))
        return _finish(array, None, device, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return a tensor of {name} of the given size, float32 unless `dtype` says otherwise."
    return function


def _nothing_else(name: str, keywords: dict) -> None:
    keywords.pop("generator", None)
    keywords.pop("pin_memory", None)
    if keywords:
        raise TypeError(f"{name}: unexpected argument {', '.join(keywords)}")


zeros, ones = _filled("zeros", np.zeros), _filled("ones", np.ones)
empty = _filled("empty", np.zeros)  # zeros too: what memory happened to hold would not be reproducible


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return start, start + step, ... up to but not including `end`; arange(n) counts from 0."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if step == 0 or (end - start) / step < 0:
        raise ArgumentError(f"arange: no step of {step} leads from {start} to {end}")
    whole = all(isinstance(x, (int, np.integer)) for x in (start, end, step))
    dtype = as_dtype(dtype) if dtype is not None else np.dtype("int64") if whole else get_default_dtype()
    count = math.ceil((end - start) / step)
    values = start + step * np.arange(count)
    return _finish(values, dtype, device, requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return `steps` numbers evenly spaced from `start` to `end`, both included."""
    if steps < 0:
        raise ArgumentError(f"linspace: steps must not be negative, got {steps}")
    start, end = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    return _finish(np.linspace(start, end, steps), dtype or get_default_dtype(), device, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a matrix of n rows and m columns (default n) with ones on its diagonal."""
    if n < 0 or (m or 0) < 0:
        raise ShapeError(f"eye: sizes must not be negative, got n={n}, m={m}")
    return _finish(np.eye(n, m), dtype or get_default_dtype(), device, requires_grad)


# ----------------------------------------------------------------------------------------------
# Random draws, all on the host, so that one seed gives the same numbers on every device


def _random(name: str, draw: Callable, doc: str) -> Callable:
    def function(
        *size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
        requires_grad: bool = False, **keywords: Any,
    ) -> Tensor:  # fmt: skip
        shape = _sizes(name, size, keywords)
        _nothing_else(name, keywords)
        dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
        if dtype.kind != "f":
            raise DTypeError(f"{name}: only floating dtypes can be drawn, not {dtype}; use randint")
        # float64 is drawn and rounded, so that every dtype sees the same values.
        values = draw((generator or random.default_generator).numpy, shape, dtype)
        return _finish(values, dtype, device, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _uniform(rng: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # Rounded down to the dtype's steps: rounding to nearest could give 1.0 itself.
    bits = {"float16": 11, "float32": 24, "float64": 53}[dtype.name]
    return np.floor(rng.random(shape) * 2.0**bits) * 2.0**-bits


rand = _random("rand", _uniform, "Return uniform draws from [0, 1).")
randn = _random(
    "randn", lambda rng, shape, dtype: rng.standard_normal(shape), "Return standard normal draws."
)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return whole numbers drawn from low to high - 1; randint(high, size) draws from 0."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if high is None or size is None:
        raise TypeError("randint: call it as randint(low, high, size) or randint(high, size)")
    if high <= low:
        raise ArgumentError(f"randint: high must be above low, got low={low}, high={high}")
    rng = (generator or random.default_generator).numpy
    values = rng.integers(low, high, _sizes("randint", (size,), {}))
    return _finish(values, dtype or np.int64, device, requires_grad)


def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return the numbers 0 to n - 1 in random order."""
    rng = (generator or random.default_generator).numpy
    return _finish(rng.permutation(n), dtype or np.int64, device, requires_grad)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, **options: Any) -> Tensor:
    """Return normal draws with the given mean and standard deviation, numbers or tensors."""
    if size is None:
        shapes = [x.shape for x in (mean, std) if isinstance(x, Tensor)]
        size = np.broadcast_shapes(*shapes)
    return randn(size, generator=generator, **options) * std + mean


@method()
def bernoulli(input: Tensor, *, generator: Any = None) -> Tensor:
    """Return 1 with the probability that each element states, else 0."""
    drawn = rand(input.shape, generator=generator, dtype=input.dtype, device=input.device)
    return (drawn < input.detach()).to(input.dtype)


@method()
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Return indices drawn with the (unnormalised) probabilities in each row of `input`."""
    weights = to_device(input.array, "cpu").astype("float64")
    rows = np.atleast_2d(weights)
    if (rows < 0).any() or (rows.sum(-1) <= 0).any():
        raise ArgumentError("multinomial: each row needs weights that are not negative and not all 0")
    rng = (generator or random.default_generator).numpy
    drawn = [rng.choice(len(p), num_samples, replacement, p / p.sum()) for p in rows]
    return _finish(np.array(drawn).reshape(*weights.shape[:-1], num_samples), np.int64, input.device, False)


# ----------------------------------------------------------------------------------------------
# Like another tensor


def _like(name: str, maker: Callable) -> Callable:
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


zeros_like, ones_like, empty_like = (_like(f"{f.__name__}_like", f) for f in (zeros, ones, empty))
full_like, rand_like, randn_like = (_like(f"{f.__name__}_like", f) for f in (full, rand, randn))


def randint_like(input: Tensor, low: int, high: int | None = None, **options: Any) -> Tensor:
    """Return whole numbers from low to high - 1 with the shape, dtype and device of `input`."""
    low, high = (0, low) if high is None else (low, high)
    options = {"dtype": input.dtype, "device": input.device, **options}
    return randint(low, high, input.shape, **options)


def _new(name: str, maker: Callable) -> None:
    def function(self: Tensor, *arguments: Any, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False) -> Tensor:  # fmt: skip
        options = dict(dtype=dtype or self.dtype, device=device or self.device)
        return maker(*arguments, requires_grad=requires_grad, **options)

    function.__doc__ = f"Return `{name}` with the dtype and device of this tensor."
    method("new_" + name)(function)


for _name, _maker in {
    "zeros": zeros, "ones": ones, "empty": empty, "full": full, "tensor": tensor
}.items():  # fmt: skip
    _new(_name, _maker)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 zeros of shape (*, num_classes) with a 1 at each label (-1: largest label + 1)."""
    from ..errors import LabelError

    labels = check_tensor(tensor, "one_hot", "tensor")
    if labels.dtype != np.int64:
        raise DTypeError(f"one_hot: labels must be int64, not {labels.dtype}; use .long()")
    if labels.numel() == 0 and num_classes <= 0:
        raise LabelError("one_hot: num_classes must be given for an empty tensor")
    low, high = (int(labels.array.min()), int(labels.array.max())) if labels.numel() else (0, -1)
    classes = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= classes:
        raise LabelError(
            f"one_hot: labels must lie in 0 to {classes - 1}; found {low if low < 0 else high}"
        )
    every = arange(classes, device=labels.device)
    return (labels.unsqueeze(-1) == every).to(np.int64)


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
    x, y = (to_device(t.array, "cpu") for t in promote("isclose", a, b))
    return wrap(to_device(np.asarray(np.isclose(x, y, rtol, atol, equal_nan)), a.device))


method("allclose")(allclose)


@method()
def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether both have the same shape and equal elements."""
    return input.shape == other.shape and bool((input.array == other.array).all())


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return grids of coordinates from one-dimensional tensors."""
    xs = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy', not {indexing!r}")
    n = len(xs)
    shape = tuple(x.numel() for x in xs)
    grids = [x.reshape([-1 if d == i else 1 for d in range(n)]).expand(shape) for i, x in enumerate(xs)]
    return tuple(g.transpose(0, 1) if indexing == "xy" and n > 1 else g for g in grids)


__all__ = [
    "full", "zeros", "ones", "empty", "arange", "linspace", "eye", "rand", "randn", "randint", "randperm",
    "normal", "bernoulli", "multinomial", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like",
    "randn_like", "randint_like", "allclose", "isclose", "equal", "meshgrid",
]  # fmt: skip
