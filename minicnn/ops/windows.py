"""What convolution and pooling ask of their arguments, checked once and in one way.

Public functions take PyTorch's spellings: a number for all axes or one number an axis. Kernels take pairs.
One-dimensional operations are two-dimensional ones on images of one row, which `as_image` makes.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..kernels.geometry import Padding, Pair
from ..tensor import Tensor

__all__: list[str] = []


def per_axis(name: str, option: str, value: Any, axes: int, least: int) -> Pair:
    """Return `value`, a number or one number an axis, as (rows, columns), each at least `least`.

    With one axis, rows get what does nothing: the smallest kernel, stride or padding there is.
    """
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(numbers) == 1:
        numbers *= axes
    if len(numbers) != axes:
        raise ShapeError(f"{name}: {option} must be a number or {axes} of them, got {value!r}")
    for number in numbers:
        if not hasattr(number, "__index__") or isinstance(number, bool):
            raise TypeError(f"{name}: {option} must be an integer, got {value!r}")
        if number < least:
            raise ShapeError(f"{name}: {option} must be at least {least}, got {value!r}")
    rows, columns = (least, *numbers)[-2:]
    return int(rows), int(columns)


def symmetric(padding: Pair) -> Padding:
    """Return ((top, bottom), (left, right)) with as much padding after as before."""
    rows, columns = padding
    return (rows, rows), (columns, columns)


def as_image(name: str, input: Tensor, axes: int) -> Tensor:
    """Return `input` as (N, C, H, W): a batch axis is added if there is none, and H = 1 if axes = 1."""
    if input.ndim not in (axes + 1, axes + 2):
        letters = "C, H, W" if axes == 2 else "C, L"
        raise ShapeError(
            f"{name}: expected an input of shape (N, {letters}) or ({letters}), got {input.shape}"
        )
    shape = input.shape if input.ndim == axes + 2 else (1, *input.shape)
    if axes == 1:
        shape = (*shape[:2], 1, shape[2])
    return input if shape == input.shape else input.reshape(shape)


def like_input(y: Tensor, input: Tensor, axes: int) -> Tensor:
    """Return result `y` (N, C, H, W) with the rank that `input` had: undoes `as_image`."""
    shape = (y.shape[:2] if input.ndim == axes + 2 else y.shape[1:2]) + y.shape[-axes:]
    return y if shape == y.shape else y.reshape(shape)
