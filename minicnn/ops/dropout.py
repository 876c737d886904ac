"""Dropout: in training, switch off a random part of the activations.

*Why it helps.* A unit that may miss any of its inputs cannot rely on one of them. In evaluation
all are there. So that their sum is the same on average, those that stay in training are divided by
1 - p, the share that stays.

A random mask is a constant: y = x * mask, and dx = dy * mask follows.

Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, "Dropout: a simple way to
prevent neural networks from overfitting"; by channels: Tompson et al. 2015, "Efficient object
localization using convolutional networks", section 3.2.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import kernels, random
from ..autograd import from_host, wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor
from .inplace import assign

__all__ = ["dropout", "dropout1d", "dropout2d"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return input with each element set to 0 with probability p and the others divided by 1 - p.

    In evaluation, and for p = 0, returns the input itself.
    """
    return _drop("dropout", input, p, training, inplace, check_tensor(input, "dropout").shape)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return sequences (N, C, L) or (C, L) with whole channels set to 0 with probability p."""
    shape = check_tensor(input, "dropout1d").shape
    if len(shape) not in (2, 3):
        raise ShapeError(f"dropout1d: Expected 2D or 3D input, (N, C, L) or (C, L), got {shape}")
    return _drop("dropout1d", input, p, training, inplace, (*shape[:-1], 1))


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return images (N, C, H, W) with whole channels set to 0 with probability p.

    Neighbouring pixels are much alike, so dropping single ones would take away little.
    """
    shape = check_tensor(input, "dropout2d").shape
    if len(shape) != 4:
        message = (
            f"dropout2d: expected images (N, C, H, W), got {shape}; its first two dimensions are "
            "taken as batch and channels. For sequences use dropout1d, else dropout"
        )
        warnings.warn(message, UserWarning, stacklevel=2)
    if len(shape) < 2:
        raise ShapeError(f"dropout2d: input must be (N, C, H, W), got shape {shape}")
    return _drop("dropout2d", input, p, training, inplace, shape[:2] + (1,) * (len(shape) - 2))


def _drop(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]
) -> Tensor:
    """Return input times a random mask of `shape`, which broadcasts."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0.0:
        return input
    if input.dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating tensor, got {input.dtype}; use .float()")
    y = input * wrap(draw_mask(input.array, shape, p))
    return assign(input, y, name + "_") if inplace else y


def draw_mask(x: Any, shape: tuple[int, ...], p: float) -> Any:
    """Return 0 with probability p and else 1 / (1 - p), where the array `x` is and in its dtype.

    It is numbered and lies in memory with channels last, as images do: `x * mask` is one run.
    """
    key = from_host(lambda: np.array(random.default_generator.key(), np.uint32))
    order = (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape
    mask = kernels.get("dropout_mask", x)(x, order, p, key)
    return array_module(x).moveaxis(mask, -1, 1) if len(shape) > 2 else mask
