"""Normalisation layers: numbers are given mean 0 and variance 1 before they go on.

They differ in what the mean and the variance are taken over. For images (N, C, H, W):

    BatchNorm      N, H, W: each channel, over the batch. An image's result depends on the others
    InstanceNorm   H, W: each channel of each image
    GroupNorm      H, W and the channels of a group
    LayerNorm      the last dimensions, as many as are named

RMSNorm is LayerNorm without the mean, and LocalResponseNorm only divides, by a sum over
neighbouring channels. All but the last then multiply by a weight and add a bias, which are learned.
The equations are in `minicnn.ops`. The first two, which may keep statistics, are in `batch_norm`.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Affine(Module):
    """What the layers share: a weight, first 1, and a bias, first 0; either may be missing."""

    weight: Parameter | None
    bias: Parameter | None

    def _register(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", weight and bias)):
            value = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(Affine):
    """y = (x - mean) / sqrt(var + eps) weight + bias, over the last dimensions of each sample.

    Args:
        normalized_shape: the sizes of those dimensions; a number for the last one alone.
        eps: added to the variance.
        elementwise_affine: whether there is a weight and a bias, of that shape.
        bias: False: a weight alone.
        device, dtype: of the parameters.

    Shape:
        x and y (..., *normalized_shape).

    Source: Ba, Kiros, Hinton 2016, "Layer normalization".
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._register(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """y = x / sqrt(mean(x^2) + eps) weight, over the last dimensions of each sample.

    Args:
        normalized_shape: the sizes of those dimensions; a number for the last one alone.
        eps: added to the mean. Default: the dtype's machine epsilon.
        elementwise_affine: whether there is a weight, of that shape.
        device, dtype: of the parameter.

    Source: Zhang and Sennrich 2019, "Root mean square layer normalization".
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = None
        if elementwise_affine:
            weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Affine):
    """y = (x - mean) / sqrt(var + eps) weight + bias, over groups of the channels of each sample.

    Args:
        num_groups: how many groups the channels are split into.
        num_channels: C.
        eps: added to the variance.
        affine: whether there is a weight and a bias, one number for each channel.
        device, dtype: of the parameters.
        bias: False: a weight alone.

    Shape:
        x and y (N, C, ...).

    Source: Wu and He 2018, "Group normalization".
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups "
                f"({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._register(num_channels, affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """y = x / (k + alpha / size * sum over neighbouring channels of x^2)^beta.

    Args:
        size: how many channels are summed over, the number's own in the middle.
        alpha, beta, k: as in the equation.

    Shape:
        x and y (N, C, ...).

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3 (where alpha is not divided by the
    size).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _as_shape(size: Any) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]
