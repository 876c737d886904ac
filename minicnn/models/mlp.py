"""A network without convolutions: what the others are to be compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import nn


def mlp(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 10,
    hidden: Sequence[int] = (256, 128),
) -> nn.Sequential:
    """Dense layers only. To them an image is a list of numbers, and neighbouring pixels strangers.

    Args:
        input_shape: (C, H, W) of one image.
        num_classes: the length of the output.
        hidden: the lengths of the layers in between.

    Shape: input (N, C, H, W), output (N, num_classes).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    features = math.prod(input_shape)
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, num_classes))
