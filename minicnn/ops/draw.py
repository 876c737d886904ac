"""Random draws: uniform, normal, whole numbers, permutations, choices.

All are drawn on the host from a `Generator`, so that one seed gives the same numbers on every
device; and drawn in float64 and rounded, so that every dtype sees the same values. Methods that end
in "_" fill a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from ..autograd import wrap
from ..backend import to_device
from ..errors import ArgumentError, DTypeError, ShapeError
from ..promotion import as_dtype, get_default_dtype
from ..tensor import Tensor, check_tensor, method
from .creation import finished, like, sizes
from .inplace import assign
from .operands import broadcasting_shape


def _stream(generator: Any) -> np.random.Generator:
    return (generator or random.default_generator).numpy


def _random(name: str, draw: Callable, doc: str) -> Callable:
    def function(
        *numbers: Any, size: Any = None, generator: Any = None, dtype: Any = None,
        device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        shape = sizes(name, numbers, size)
        dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
        _check_floating(name, dtype)
        return finished(draw(_stream(generator), shape, dtype), dtype, device, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _check_floating(name: str, dtype: np.dtype) -> None:
    if dtype.kind != "f":
        raise DTypeError(f"{name}: only floating dtypes can be drawn, not {dtype}; use randint")


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # Rounded down to the dtype's steps: rounding to nearest could give 1.0 itself.
    bits = {"float16": 11, "float32": 24, "float64": 53}[dtype.name]
    return np.floor(rng.random(shape) * 2.0**bits) * 2.0**-bits


def _normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.asarray(rng.standard_normal(shape))


rand = _random("rand", _uniform, "Return uniform draws from [0, 1).")
randn = _random("randn", _normal, "Return standard normal draws.")
rand_like, randn_like = like("rand_like", rand), like("randn_like", randn)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return whole numbers drawn from low to high - 1; randint(high, size) draws from 0."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)) or high is None:
        raise TypeError(
            "randint: call it as randint(low, high, size) or randint(high, size), size a tuple"
        )
    if high <= low:
        raise ArgumentError(f"randint: high must be above low, got low={low}, high={high}")
    dtype = as_dtype(np.int64 if dtype is None else dtype)
    if dtype.kind != "f":
        limits = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if low < limits[0] or high > limits[1] + 1:
            raise ArgumentError(f"randint: {low} to {high} is out of the range of {dtype}")
    values = _stream(generator).integers(low, high, sizes("randint", (size,)))
    return finished(values, dtype, device, requires_grad)


def randint_like(input: Tensor, low: int, high: int | None = None, **options: Any) -> Tensor:
    """Return whole numbers from low to high - 1 with the shape, dtype and device of `input`."""
    low, high = (0, low) if high is None else (low, high)
    options = {"dtype": input.dtype, "device": input.device, **options}
    return randint(low, high, input.shape, **options)


def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers 0 to n - 1 in random order."""
    if n < 0:
        raise ArgumentError(f"randperm: n must not be negative, got {n}")
    return finished(_stream(generator).permutation(n), dtype or np.int64, device, requires_grad)


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return normal draws with the given mean and standard deviation, numbers or tensors."""
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors and size is None:
        raise TypeError(
            "normal: size is missing; it may be left out only when mean or std is a Tensor"
        )
    if tensors:
        size = broadcasting_shape("normal", *(x.shape for x in tensors))
        dtype, device = tensors[0].dtype, tensors[0].device
        _check_floating("normal", dtype)
    low = min(std.reshape(-1).tolist(), default=0) if isinstance(std, Tensor) else std
    if low < 0:
        raise ArgumentError(f"normal: std must not be negative, got {low}")
    options = {"generator": generator, "dtype": dtype, "device": device}
    mean, std = (x.detach() if isinstance(x, Tensor) else x for x in (mean, std))
    return (randn(size, **options) * std + mean).to(dtype).requires_grad_(requires_grad)


@method()
def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """Return 1 with the probability that each element states (or with probability p), else 0."""
    _check_floating("bernoulli", check_tensor(input, "bernoulli").dtype)
    chance = to_device(input.array, "cpu") if p is None else p
    return finished(
        _coins("bernoulli", chance, input.shape, generator), input.dtype, input.device, False
    )


def _coins(name: str, p: Any, shape: tuple[int, ...], generator: Any) -> np.ndarray:
    p = np.asarray(p)
    if not ((p >= 0) & (p <= 1)).all():
        raise ArgumentError(f"{name}: probabilities must lie between 0 and 1")
    return np.asarray(_stream(generator).random(shape) < p)


@method()
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Return indices drawn with the (unnormalised) probabilities in each row of `input`."""
    _check_floating("multinomial", check_tensor(input, "multinomial").dtype)
    weights = to_device(input.array, "cpu").astype("float64")
    if weights.ndim not in (1, 2):
        raise ShapeError(f"multinomial: expected one or two dimensions, got shape {input.shape}")
    rows = np.atleast_2d(weights)
    if not np.isfinite(rows).all() or (rows < 0).any() or (rows.sum(-1) <= 0).any():
        raise ArgumentError(
            "multinomial: each row needs finite weights, not negative and not all 0"
        )
    available = rows.shape[-1] if replacement is False else num_samples
    if not 0 < num_samples <= available:
        raise ArgumentError(
            f"multinomial: num_samples={num_samples} must be at least 1 and, without replacement,"
            f" at most {available}"
        )
    rng = _stream(generator)
    drawn = [_choose(rng, p / p.sum(), num_samples, replacement) for p in rows]
    return finished(
        np.array(drawn).reshape(*weights.shape[:-1], num_samples), np.int64, input.device, False
    )


def _choose(rng: np.random.Generator, p: np.ndarray, count: int, replacement: bool) -> np.ndarray:
    if replacement:
        return rng.choice(len(p), count, True, p)
    # The largest of p_i^(1/u_i) win: choosing one after the other (Efraimidis, Spirakis 2006).
    # Where p is 0 the key is -inf, so such an element comes last of all.
    with np.errstate(divide="ignore"):
        keys = np.log(rng.random(len(p))) / p
    return np.argsort(-keys, kind="stable")[:count]


# ----------------------------------------------------------------------------------------------
# Filling a tensor


def _fill(self: Tensor, values: Any, name: str) -> Tensor:
    return assign(self, wrap(to_device(np.asarray(values, self.dtype), self.device)), name)


@method()
def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with draws from the normal distribution."""
    _check_floating("normal_", self.dtype)
    if std < 0:
        raise ArgumentError(f"normal_: std must not be negative, got {std}")
    return _fill(self, mean + std * _stream(generator).standard_normal(self.shape), "normal_")


@method()
def uniform_(self: Tensor, *bounds: float, generator: Any = None, **named: float) -> Tensor:
    """Fill with draws from the uniform distribution on [from, to), by default [0, 1)."""
    given = dict(zip(("from", "to"), bounds, strict=False)) | named  # `from` is no name in Python
    low, high = given.pop("from", 0.0), given.pop("to", 1.0)
    if given or len(bounds) > 2:
        raise TypeError(f"uniform_: expected at most from and to, got {bounds} and {named}")
    _check_floating("uniform_", self.dtype)
    if low > high:
        raise ArgumentError(f"uniform_: expected from <= to, got from={low}, to={high}")
    values = low + (high - low) * _stream(generator).random(self.shape)
    return _fill(self, values, "uniform_")


@method()
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with ones, each with probability p (a number or a tensor), and zeros."""
    chance = to_device(p.array, "cpu") if isinstance(p, Tensor) else p
    return _fill(self, _coins("bernoulli_", chance, self.shape, generator), "bernoulli_")


@method()
def random_(self: Tensor, *bounds: int, generator: Any = None) -> Tensor:
    """Fill with whole numbers from `from` to `to` - 1: random_(from, to), random_(to), random_().

    `from` defaults to 0, `to` to what the dtype can hold.
    """
    if self.dtype.kind == "f":
        most = 2 ** (np.finfo(self.dtype).nmant + 1) + 1
    else:
        most = 2 if self.dtype == bool else np.iinfo(self.dtype).max
    low, high = {0: (0, most), 1: (0, *bounds), 2: bounds}[len(bounds)]
    if low >= high:
        raise ArgumentError(f"random_: expected from < to, got from={low}, to={high}")
    return _fill(self, _stream(generator).integers(low, high, self.shape), "random_")


__all__ = [
    "rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like",
    "randn_like", "randint_like",
]  # fmt: skip
