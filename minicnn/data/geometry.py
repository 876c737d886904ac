"""Transforms that move pixels: padding, cropping and flipping images.

Each is written once, for arrays (..., H, W, C); `ImageTransform` brings every form of image into
that layout and the result back into the form it came in.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..random import default_generator
from ..tensor import Tensor


class ImageTransform:
    """The base of these transforms: subclasses write ``apply``."""

    def apply(self, image: Any) -> Any:
        """Return the transformed (..., H, W, C) array; it may share the memory of `image`."""
        raise NotImplementedError(f"{type(self).__name__}: must define apply(self, image)")

    def __call__(self, img: Any) -> Any:
        name = type(self).__name__
        if not isinstance(img, Tensor):
            array = np.asarray(img)
            if array.ndim not in (2, 3):
                raise ShapeError(
                    f"{name}: expected an image (H, W) or (H, W, C), got an array of shape "
                    f"{array.shape}"
                )
            return self.apply(array) if array.ndim == 3 else self.apply(array[..., None])[..., 0]
        if img.ndim < 3:
            raise ShapeError(f"{name}: expected a tensor (..., C, H, W), got shape {img.shape}")
        if img.requires_grad:
            raise UnsupportedError(f"{name}: passes no gradients on; use img.detach()")
        xp = array_module(img.array)
        moved = self.apply(xp.moveaxis(img.array, -3, -1))  # (..., H, W, C)
        return wrap(xp.ascontiguousarray(xp.moveaxis(moved, -1, -3)))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"


class Pad(ImageTransform):
    """Pixels added around an image.

    Args:
        padding: one number for all sides; (left and right, top and bottom); or (left, top, right,
            bottom).
        fill: the value of the new pixels, or one value for each channel.
        padding_mode: "constant", "edge" (repeat the outermost pixel), "reflect" (mirror without
            repeating it) or "symmetric" (mirror and repeat it).
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        _four_sides(padding)
        _check_mode("Pad", padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def apply(self, image: Any) -> Any:
        return _pad(image, _four_sides(self.padding), self.fill, self.padding_mode)


class CenterCrop(ImageTransform):
    """The middle of an image; smaller images are padded with zeros first.

    Args:
        size: (height, width), or one number for a square.
    """

    def __init__(self, size: Any):
        self.size = height_width("CenterCrop", size)

    def apply(self, image: Any) -> Any:
        height, width = self.size
        rows, columns = max(height - image.shape[-3], 0), max(width - image.shape[-2], 0)
        if rows or columns:
            sides = (columns // 2, rows // 2, (columns + 1) // 2, (rows + 1) // 2)
            image = _pad(image, sides, 0, "constant")
        top = round((image.shape[-3] - height) / 2)
        left = round((image.shape[-2] - width) / 2)
        return image[..., top : top + height, left : left + width, :]


class RandomCrop(ImageTransform):
    """A part of an image at a random place.

    Args:
        size: (height, width), or one number for a square.
        padding: pixels to add around the image first, as in `Pad`; None adds none.
        pad_if_needed: pad images that are smaller than `size`, instead of raising.
        fill, padding_mode: as in `Pad`.
    """

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        _check_mode("RandomCrop", padding_mode)
        self.size = height_width("RandomCrop", size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def apply(self, image: Any) -> Any:
        height, width = self.size
        if self.padding is not None:
            image = _pad(image, _four_sides(self.padding), self.fill, self.padding_mode)
        if self.pad_if_needed:
            rows, columns = max(height - image.shape[-3], 0), max(width - image.shape[-2], 0)
            image = _pad(image, (columns, rows, columns, rows), self.fill, self.padding_mode)
        spare_rows, spare_columns = image.shape[-3] - height, image.shape[-2] - width
        if spare_rows < 0 or spare_columns < 0:
            raise ShapeError(
                f"RandomCrop: size {self.size} is larger than the (padded) image "
                f"{image.shape[-3:-1]}; use padding or pad_if_needed=True"
            )
        rng = default_generator.numpy
        top, left = int(rng.integers(spare_rows + 1)), int(rng.integers(spare_columns + 1))
        return image[..., top : top + height, left : left + width, :]


class RandomHorizontalFlip(ImageTransform):
    """An image mirrored left to right, with probability `p`."""

    def __init__(self, p: float = 0.5):
        self.p = _probability("RandomHorizontalFlip", p)

    def apply(self, image: Any) -> Any:
        return image[..., ::-1, :] if default_generator.numpy.random() < self.p else image


class RandomVerticalFlip(ImageTransform):
    """An image turned upside down by mirroring, with probability `p`."""

    def __init__(self, p: float = 0.5):
        self.p = _probability("RandomVerticalFlip", p)

    def apply(self, image: Any) -> Any:
        return image[..., ::-1, :, :] if default_generator.numpy.random() < self.p else image


# ---------------------------------------------------------------------- helpers


def _pad(image: Any, sides: Sequence[int], fill: Any, mode: str) -> Any:
    """Return a (..., H, W, C) image with (left, top, right, bottom) pixels added."""
    xp = array_module(image)
    left, top, right, bottom = sides
    if mode != "constant":
        widths = [(0, 0)] * (image.ndim - 3) + [(top, bottom), (left, right), (0, 0)]
        return xp.pad(image, widths, mode=mode)
    *batch, height, width, channels = image.shape
    framed = xp.empty(
        (*batch, height + top + bottom, width + left + right, channels), dtype=image.dtype
    )
    framed[...] = xp.asarray(fill, dtype=image.dtype)
    framed[..., top : top + height, left : left + width, :] = image
    return framed


def _four_sides(padding: Any) -> tuple[int, int, int, int]:
    """Return a padding as (left, top, right, bottom)."""
    sides = (padding,) if isinstance(padding, numbers.Number) else tuple(padding)
    if len(sides) not in (1, 2, 4) or any(side != int(side) or side < 0 for side in sides):
        raise ArgumentError(
            f"padding must be 1, 2 or 4 whole numbers that are not negative, got {padding}"
        )
    left, top, right, bottom = sides * (4 // len(sides))
    return left, top, right, bottom


def _check_mode(who: str, mode: str) -> None:
    known = ("constant", "edge", "reflect", "symmetric")
    if mode not in known:
        raise ArgumentError(f"{who}: padding_mode must be one of {list(known)}, got {mode!r}")


def height_width(who: str, size: Any) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, numbers.Number) else tuple(size)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or any(n != int(n) or n <= 0 for n in pair):
        raise ArgumentError(f"{who}: size must be one positive integer or two, got {size}")
    return int(pair[0]), int(pair[1])


def _probability(who: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{who}: p must lie in [0, 1], got {p}")
    return p
