"""A plain convolutional network for small colour images."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..errors import ShapeError


def cifar_cnn(input_shape: Sequence[int] = (3, 32, 32), num_classes: int = 10) -> nn.Sequential:
    """Three 3x3 convolutions, two dense layers: 2,159,114 parameters for 32x32 colour images.

    Nearly all parameters are in the first dense layer, and nearly all multiply-adds in the
    convolutions; `minicnn.summary` shows it.

    Args:
        input_shape: (C, H, W) with H and W at least 4.
        num_classes: the length of the output.

    Shape: input (N, C, H, W), output (N, num_classes).
    """
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise ShapeError(
            f"cifar_cnn: halves height and width twice, so it needs at least 4x4 pixels, got "
            f"{height}x{width}"
        )
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * (height // 4) * (width // 4), 512),
        nn.ReLU(),
        nn.Linear(512, num_classes),
    )
