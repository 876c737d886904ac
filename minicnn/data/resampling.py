"""Transforms that compute new pixels from the old: resizing and turning images, with Pillow."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, DTypeError, UnsupportedError
from ..random import default_generator
from .geometry import ImageTransform, height_width


class InterpolationMode(str, Enum):
    """How new pixels are made from old ones; the plain strings do as well."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


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
            raise UnsupportedError(
                "Resize: antialias=False is not covered; use interpolation='nearest'"
            )
        if max_size is not None and not isinstance(size, int):
            raise ArgumentError("Resize: max_size needs one number as size")
        self.size = size if isinstance(size, int) else height_width("Resize", size)
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
                raise ArgumentError(
                    f"RandomRotation: one angle must not be negative, got {degrees}"
                )
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
