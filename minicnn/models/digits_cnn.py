"""A small network for the 8x8 digits that come with minicnn."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..errors import ShapeError


def conv_bn_relu(in_channels: int, out_channels: int) -> list[nn.Module]:
    """A 3x3 convolution that keeps height and width, normalised and rectified.

    It has no bias, because batch normalisation subtracts the mean and adds a bias of its own.
    """
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def digits_cnn(
    input_shape: Sequence[int] = (1, 8, 8), num_classes: int = 10, dropout: float = 0.25
) -> nn.Sequential:
    """Three 3x3 convolutions with batch normalisation, two poolings, dropout, one dense layer.

    The images are so small that LeNet's 5x5 filters would see most of one at once; two 3x3 filters
    in a row see as far, with fewer weights and one more nonlinearity (Simonyan and Zisserman 2015,
    "Very deep convolutional networks for large-scale image recognition", section 2.3).

    Args:
        input_shape: (C, H, W) with H and W at least 4.
        num_classes: the length of the output.
        dropout: the share of the features that training leaves out at random.

    Shape: input (N, C, H, W), output (N, num_classes).
    """
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise ShapeError(
            f"digits_cnn: halves height and width twice, so it needs at least 4x4 pixels, got "
            f"{height}x{width}"
        )
    return nn.Sequential(
        *conv_bn_relu(channels, 32),
        *conv_bn_relu(32, 32),
        nn.MaxPool2d(2),
        *conv_bn_relu(32, 64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(64 * (height // 4) * (width // 4), num_classes),
    )
