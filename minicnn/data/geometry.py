"""Transforms that move pixels: padding, cropping, flipping, turning and resizing images.

Each is written once, for arrays (..., H, W, C); `ImageTransform` brings every form of image into that
layout and the result back into the form it came in.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..errors import ArgumentError, DeviceError, DTypeError, ShapeError, UnsupportedError
from ..random import default_generator
from ..tensor import Tensor


class InterpolationMode(str, Enum):
    """How new pixels are made from old ones; the plain strings do as well."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


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
                    f"{name}: expected an image (H, W) or (H, W, C), got an array of shape {array.shape}"
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
        padding: one number for all sides; (left and right, top and bottom); or (left, top, right, bottom).
        fill: the value of the new pixels, or one value for each channel.
        padding_mode: "constant", "edge" (repeat the outermost pixel), "reflect" (mirror without repeating
            it) or "symmetric" (mirror and repeat it).
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
        self.size = _height_width("CenterCrop", size)

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
        self.size = _height_width("RandomCrop", size)
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
                f"RandomCrop: size {self.size} is larger than the (padded) image {image.shape[-3:-1]}; "
                "use padding or pad_if_needed=True"
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


class RandomRotation(ImageTransform):
    """An image turned counter-clockwise by a random angle.

    Args:
        degrees: (least, most), or one number d for (-d, d).
        interpolation: "nearest", "bilinear" or "bicubic".
        expand: make the result large enough to hold all of the turned image.
        center: (x, y) of the point to turn around; default: the middle.
        fill: the value of pixels that come from outside.
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: str = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: float = 0,
    ):
        if isinstance(degrees, numbers.Number):
            if degrees < 0:  # type: ignore[operator]
                raise ArgumentError(f"RandomRotation: one angle must not be negative, got {degrees}")
            degrees = (-degrees, degrees)  # type: ignore[operator]
        if len(degrees) != 2:
            raise ArgumentError(f"RandomRotation: degrees must be one number or two, got {degrees}")
        _resampling("RandomRotation", interpolation, ("nearest", "bilinear", "bicubic"))
        self.degrees = tuple(degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    def apply(self, image: Any) -> Any:
        angle = float(default_generator.numpy.uniform(*self.degrees))
        method = _resampling("RandomRotation", self.interpolation)
        return _with_pillow(
            "RandomRotation",
            image,
            lambda plane: plane.rotate(
                angle, method, expand=self.expand, center=self.center, fillcolor=self.fill
            ),
        )


class Resize(ImageTransform):
    """An image scaled to another size, smoothed where it shrinks (antialiasing).

    Args:
        size: (height, width), or one number for the shorter side, which keeps the proportions.
        interpolation: "nearest", "bilinear", "bicubic", "box", "hamming" or "lanczos".
        max_size: with one number as `size`: the most that the longer side may get.
        antialias: must be true unless interpolation is "nearest": Pillow always smooths.
    """

    def __init__(
        self,
        size: Any,
        interpolation: str = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        _resampling("Resize", interpolation)
        if antialias is False and _name(interpolation) != "nearest":
            raise UnsupportedError("Resize: antialias=False is not covered; use interpolation='nearest'")
        if max_size is not None and not isinstance(size, int):
            raise ArgumentError("Resize: max_size needs one number as size")
        self.size = size if isinstance(size, int) else _height_width("Resize", size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def apply(self, image: Any) -> Any:
        height, width = self._target(image.shape[-3], image.shape[-2])
        method = _resampling("Resize", self.interpolation)
        return _with_pillow("Resize", image, lambda plane: plane.resize((width, height), method))

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size
        short, long = sorted((height, width))
        new_short, new_long = self.size, int(self.size * long / short)
        if self.max_size is not None and new_long > self.max_size:
            new_short, new_long = int(self.max_size * new_short / new_long), self.max_size
        return (new_short, new_long) if height <= width else (new_long, new_short)


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


def _with_pillow(who: str, image: Any, change: Callable[[Any], Any]) -> Any:
    """Return a (..., H, W, C) image whose planes Pillow has changed, with its dtype."""
    from PIL import Image

    if not isinstance(image, np.ndarray):
        raise DeviceError(f"{who}: works on the CPU; use it in the data set or after .cpu()")
    if image.dtype.kind not in "fu" or (image.dtype.kind == "u" and image.dtype != np.uint8):
        raise DTypeError(f"{who}: expected a uint8 or float image, got {image.dtype}")
    planes = np.moveaxis(image, -1, -3)  # (..., C, H, W)
    flat = planes.reshape(-1, *planes.shape[-2:])
    if image.dtype != np.uint8:
        flat = flat.astype(np.float32, copy=False)  # Pillow's mode F
    done = [np.asarray(change(Image.fromarray(np.ascontiguousarray(plane)))) for plane in flat]
    stacked = np.stack(done).astype(image.dtype, copy=False)
    return np.moveaxis(stacked.reshape(*planes.shape[:-2], *stacked.shape[-2:]), -3, -1)


def _name(interpolation: Any) -> str:
    return str(getattr(interpolation, "value", interpolation))


def _resampling(who: str, interpolation: Any, known: Sequence[str] = ()) -> Any:
    """Return Pillow's constant for a way of interpolation."""
    from PIL import Image

    name, known = _name(interpolation), known or [mode.value for mode in InterpolationMode]
    if name not in known:
        raise ArgumentError(f"{who}: interpolation must be one of {list(known)}, got {name!r}")
    return getattr(Image.Resampling, name.upper())


def _four_sides(padding: Any) -> tuple[int, int, int, int]:
    """Return a padding as (left, top, right, bottom)."""
    sides = (padding,) if isinstance(padding, numbers.Number) else tuple(padding)
    if len(sides) not in (1, 2, 4) or any(side != int(side) or side < 0 for side in sides):
        raise ArgumentError(
            f"padding must be 1, 2 or 4 whole numbers that are not negative, got {padding}"
        )
    return sides * 4 if len(sides) == 1 else sides * 2 if len(sides) == 2 else sides  # type: ignore[return-value]


def _check_mode(who: str, mode: str) -> None:
    known = ("constant", "edge", "reflect", "symmetric")
    if mode not in known:
        raise ArgumentError(f"{who}: padding_mode must be one of {list(known)}, got {mode!r}")


def _height_width(who: str, size: Any) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, numbers.Number) else tuple(size)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or any(n != int(n) or n <= 0 for n in pair):
        raise ArgumentError(f"{who}: size must be one positive integer or two, got {size}")
    return int(pair[0]), int(pair[1])


def _probability(who: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{who}: p must lie in [0, 1], got {p}")
    return p
