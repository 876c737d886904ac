"""The first values of the parameters.

*Why they matter.* A layer multiplies the variance of what passes through it by fan_in * var(w),
and the variance of the gradients by fan_out * var(w), where a *fan* is how many numbers one
output (or input) is connected to. Twenty layers that each double it make a million. So weights
are drawn with var(w) near gain^2 / fan; the gain makes up for what the activation that follows
takes away (ReLU takes half: gain^2 = 2).

All draws come from `minicnn.random`, on the host, so that one seed gives the same network on
every device. Functions whose names end in "_" fill the tensor they are given, unrecorded, and
return it.

Sources: Glorot and Bengio 2010 (xavier), "Understanding the difficulty of training deep
feedforward neural networks"; He et al. 2015 (kaiming), "Delving deep into rectifiers"; Saxe et
al. 2013 (orthogonal); Martens 2010 (sparse).

Tutorial: tutorials/08_initialisation.ipynb
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import random
from ..autograd import no_grad, wrap
from ..backend import to_device
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor, check_tensor

_GAIN_ONE = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return what to multiply the weights' standard deviation by, for the activation that follows.

    1 for linear layers, convolutions and sigmoid; 5/3 for tanh; sqrt(2) for relu; 3/4 for selu;
    sqrt(2 / (1 + param^2)) for leaky_relu with slope `param` (default 0.01).
    """
    if nonlinearity in _GAIN_ONE:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity != "leaky_relu":
        raise ArgumentError(
            f"calculate_gain: the nonlinearity {nonlinearity!r} is not known; use one of linear, "
            "conv2d, sigmoid, tanh, relu, leaky_relu, selu"
        )
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise ArgumentError(f"calculate_gain: negative_slope {param!r} is not a valid number")
    return math.sqrt(2.0 / (1 + slope**2))


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs an output has, and how many outputs an input: weights (F, C, ...)."""
    if check_tensor(tensor, "init", "tensor").ndim < 2:
        raise ShapeError(
            "init: fan in and fan out can not be computed for a tensor with fewer than 2 "
            f"dimensions; got shape {tensor.shape}. Biases are usually filled with zeros_."
        )
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


def _fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ArgumentError(f"init: mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Write host values into `tensor`, in its dtype and on its device."""
    with no_grad():
        return tensor.copy_(wrap(to_device(np.asarray(values, dtype=tensor.dtype), tensor.device)))


def _rng(generator: Any) -> np.random.Generator:
    return (generator or random.default_generator).numpy


# ----------------------------------------------------------------------------------------------
# Distributions and constants


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b)."""
    with no_grad():
        return check_tensor(tensor, "uniform_", "tensor").uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from the normal distribution with this mean and standard deviation."""
    with no_grad():
        return check_tensor(tensor, "normal_", "tensor").normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with draws from the normal distribution, those outside of [a, b] drawn again."""
    check_tensor(tensor, "trunc_normal_", "tensor")
    if not (a < b and std > 0):
        raise ArgumentError(f"trunc_normal_: needs a < b and std > 0, got a={a}, b={b}, std={std}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: the mean {mean} is more than 2 std from [{a}, {b}]; the distribution "
            "of the values may be far from what is expected",
            stacklevel=2,
        )
    rng, size = _rng(generator), tensor.numel()
    low, high = (a - mean) / std, (b - mean) / std
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < size:
        if low < 1 and high > -1:
            x = rng.standard_normal(size)
            x = x[(x >= low) & (x <= high)]
        else:  # a tail: draw uniformly, and keep each with the density there over its maximum
            x = rng.uniform(low, high, size)
            peak = low if low > 0 else high
            x = x[rng.random(size) < np.exp((peak**2 - x**2) / 2)]
        kept.append(x)
    values = np.concatenate(kept)[:size] if size else np.zeros(0)
    return _fill(tensor, np.clip(mean + std * values, a, b).reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    with no_grad():
        return check_tensor(tensor, "constant_", "tensor").fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: a linear layer that passes its inputs on."""
    _check_matrix(tensor, "eye_")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill filters with a single 1 in their centre: a convolution that passes its channels on."""
    shape = check_tensor(tensor, "dirac_", "tensor").shape
    if len(shape) not in (3, 4, 5):
        raise ShapeError(
            f"dirac_: only tensors with 3, 4 or 5 dimensions are filters, got shape {shape}"
        )
    if shape[0] % groups:
        raise ShapeError(f"dirac_: dim 0 must be divisible by groups; got {shape[0]} and {groups}")
    values = np.zeros(shape)
    per_group = shape[0] // groups
    centre = tuple(n // 2 for n in shape[2:])
    for channel in range(min(per_group, shape[1])):
        for group in range(groups):
            place = (group * per_group + channel, channel, *centre)
            values[place] = 1
    return _fill(tensor, values)


# ----------------------------------------------------------------------------------------------
# Variances that keep signals alive


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill uniformly on [-a, a], a = gain sqrt(6 / (fan_in + fan_out)).

    A compromise between keeping the variance of the values and that of the gradients.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    a = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal draws, std = gain sqrt(2 / (fan_in + fan_out))."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill uniformly on [-bound, bound], bound = gain sqrt(3 / fan).

    Args:
        a: the slope of the leaky ReLU that follows (0: a ReLU).
        mode: "fan_in" keeps the variance of the values, "fan_out" that of the gradients.
        nonlinearity: the activation that follows, as in `calculate_gain`.
    """
    if _is_empty(tensor, "kaiming_uniform_"):
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill with normal draws, std = gain / sqrt(fan). Arguments as for `kaiming_uniform_`."""
    if _is_empty(tensor, "kaiming_normal_"):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def _is_empty(tensor: Tensor, name: str) -> bool:
    if 0 in check_tensor(tensor, name, "tensor").shape:
        warnings.warn(
            f"{name}: initializing a tensor without elements is a no-op; its shape is "
            f"{tensor.shape}",
            stacklevel=3,
        )
        return True
    return False


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with `gain` times a matrix whose rows (or columns, if fewer) are orthonormal.

    Filters (F, C, ...) are taken as a matrix of F rows. Such a matrix keeps the length of a vector.
    """
    if check_tensor(tensor, "orthogonal_", "tensor").ndim < 2:
        raise ShapeError(
            f"orthogonal_: only tensors with 2 or more dimensions, got shape {tensor.shape}"
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    q, r = np.linalg.qr(_rng(generator).standard_normal((max(rows, columns), min(rows, columns))))
    # With these signs q is uniform over the orthogonal matrices: Mezzadri, arXiv:math-ph/0609050.
    q *= np.sign(np.diag(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix with normal draws, and set a fraction `sparsity` of each column to zero."""
    _check_matrix(tensor, "sparse_")
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparse_: sparsity is a fraction from 0 to 1, got {sparsity}")
    rng, (rows, columns) = _rng(generator), tensor.shape
    values = std * rng.standard_normal((rows, columns))
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[rng.permutation(rows)[:zeros], column] = 0
    return _fill(tensor, values)


def _check_matrix(tensor: Tensor, name: str) -> None:
    if check_tensor(tensor, name, "tensor").ndim != 2:
        raise ShapeError(
            f"{name}: only tensors with 2 dimensions are matrices, got shape {tensor.shape}"
        )


__all__ = [
    "calculate_gain", "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_",
    "eye_", "dirac_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_",
    "orthogonal_", "sparse_",
]  # fmt: skip
