"""Transforms of images, with torchvision's names: ``from minicnn.data import transforms``.

A transform is a callable from image to image. Images come in two forms, and every transform takes
both:

    array     a NumPy array (H, W) or (H, W, C), as data sets hand them out: uint8 in 0 ... 255, or
    floats Tensor    (C, H, W), or (N, C, H, W) for a batch that is to be treated alike; `ToTensor`
    makes one

Pillow images are taken as arrays. The random transforms draw from minicnn's default generator,
which a `DataLoader` sets anew for every sample, so that the same seed gives the same pictures
however many workers there are (`minicnn.data.streams`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..ops.from_data import from_numpy
from ..tensor import Tensor
from .geometry import CenterCrop, Pad, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from .resampling import InterpolationMode, RandomRotation, Resize

__all__ = [
    "CenterCrop",
    "Compose",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
]


def to_tensor(pic: Any) -> Tensor:
    """Return an (H, W) or (H, W, C) image as a tensor (C, H, W), bytes as float32 in [0, 1]."""
    array = np.asarray(pic)
    if isinstance(pic, Tensor) or array.ndim not in (2, 3):
        raise ShapeError(
            "ToTensor: expected an (H, W) or (H, W, C) array or a Pillow image, got "
            f"{type(pic).__name__} of shape {array.shape}"
        )
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)  # (C, H, W)
    if array.dtype == np.uint8:
        return from_numpy(np.divide(planes, np.float32(255), order="C", dtype=np.float32))
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"ToTensor: an image of dtype {array.dtype} has no numbers")
    return from_numpy(np.array(planes, order="C"))


class Compose:
    """Several transforms, one after another."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"Compose({lines}\n)"


class Lambda:
    """A function of the user's. (Workers that are spawned need one that can be pickled.)"""

    def __init__(self, lambd: Callable[[Any], Any]):
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class ToTensor:
    """An image as a tensor (C, H, W); bytes are divided by 255, other numbers stay as they are."""

    def __call__(self, pic: Any) -> Tensor:
        return to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """``(x - mean) / std``, channel by channel, of a float tensor (..., C, H, W).

    Args:
        mean: one number for each channel.
        std: one number, not zero, for each channel.
        inplace: change the given tensor instead of making a new one (unless it needs a gradient).
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False):
        if not np.all(std):
            raise ArgumentError(f"Normalize: std must not be zero, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace
        self._made: tuple[tuple, tuple[Any, Any]] | None = None

    def _columns(self, xp: Any, dtype: Any) -> tuple[Any, Any]:
        """Return mean and std as arrays (C, 1, 1); made anew only when they or the dtype change."""
        made_for = (self.mean, self.std, xp, dtype)
        if self._made is None or not all(map(operator.is_, self._made[0], made_for)):
            mean, std = (xp.array(v, dtype=dtype).reshape(-1, 1, 1) for v in (self.mean, self.std))
            self._made = made_for, (mean, std)
        return self._made[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": None}  # arrays of one process

    def __call__(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"Normalize: expected a Tensor, got {type(tensor).__name__}. Put ToTensor() before "
                "Normalize."
            )
        if tensor.dtype.kind != "f":
            raise DTypeError(f"Normalize: expected a float tensor, got {tensor.dtype}")
        xp = array_module(tensor.array)
        mean, std = self._columns(xp, tensor.dtype)
        channels = tensor.shape[-3] if tensor.ndim >= 3 else 0
        if not channels or {len(mean), len(std)} - {1, channels}:
            raise ShapeError(
                f"Normalize: {len(mean)} means and {len(std)} stds do not fit a tensor (..., C, H, "
                f"W) of shape {tensor.shape}"
            )
        if tensor.requires_grad:
            return (tensor - wrap(mean)) / wrap(std)
        x = xp.subtract(tensor.array, mean, out=tensor.array if self.inplace else None)
        x /= std
        if not self.inplace:
            return wrap(x)
        tensor.bump()
        return tensor

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
