"""Normalisation within one example: layer, group, instance, RMS and local response norm.

*One idea, several extents.* Subtract a mean and divide by a standard deviation. Layer norm takes
them over all features of an example, group norm over some channels and all pixels, instance norm
over the pixels of one channel. Batch norm (`batch_norm`) alone mixes examples. A scale and a shift
follow.

Sources: Ba, Kiros, Hinton 2016, "Layer normalization"; Wu and He 2018, "Group normalization";
Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization"; Zhang and Sennrich 2019, "Root mean
square layer normalization".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor
from .activation import only_floating
from .batch_norm import (
    ChannelNorm,
    affine,
    batch_norm,
    check_parameter,
    check_statistics,
    standardized,
    update,
)
from .elementwise import rsqrt, square
from .loss import widened
from .reduce import mean, var

__all__ = ["layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"]

Dims = tuple[int, ...]


@dataclass(eq=False, repr=False)
class Standardize(Op):
    """y = (x - m) r,  m = mean x,  r = 1 / sqrt(mean (x - m)^2 + eps).

    dx = r (dy - mean dy - y mean(dy y)). All means are over the dimensions `dim`; see `BatchNorm`
    for what the two in dx are. Shapes: x, y equal.
    """

    dim: Dims
    eps: float

    def forward(self, x: Any) -> Any:
        y = x - x.mean(self.dim, keepdims=True)
        self.r = 1.0 / array_module(x).sqrt((y * y).mean(self.dim, keepdims=True) + self.eps)
        y *= self.r
        return y

    def dx(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        r = rsqrt(var(x, self.dim, correction=0, keepdim=True) + self.eps)
        return r * (dy - mean(dy, self.dim, True) - y * mean(dy * y, self.dim, True))

    def fast_backward(self, needs: Any, dy: Any, y: Any) -> tuple:
        dx = y * -(dy * y).mean(self.dim, keepdims=True)
        dx += dy
        dx -= dy.mean(self.dim, keepdims=True)
        dx *= self.r
        return (dx,)


@dataclass(eq=False, repr=False)
class GroupNorm(ChannelNorm):
    """y = w x_hat + b,  x_hat = (x - m) r,  m = mean x,  r = 1 / sqrt(mean (x - m)^2 + eps).

    dx = r (w dy - mean(w dy) - x_hat mean(w dy x_hat)),  dw = sum dy x_hat,  db = sum dy. The
    means are over the channels of a group and the pixels of one image, the sums over everything
    but the channels. Shapes: x, y (N, C, ...), w and b (C,) or None.
    """

    groups: int
    eps: float

    def forward(self, x: Any, w: Any, b: Any) -> Any:
        return self.normalize(x, w, b, parts=x.shape[0], groups=self.groups)

    def reference(self, x: Tensor, w: Tensor | None, b: Tensor | None) -> Tensor:
        (wide,) = widened(x)
        shape = (x.shape[0], self.groups, x.shape[1] // self.groups, *x.shape[2:])
        x_hat = standardized(wide.reshape(shape), tuple(range(2, len(shape))), self.eps)
        return affine(x_hat.reshape(x.shape), w, b).to(x.dtype)


@dataclass(eq=False, repr=False)
class ChannelSum(Op):
    """y_c = sum of x_k for k from c - before to c + after, where there is such a channel.

    dx_k = sum of dy_c for c from k - after to k + before: the same op with both exchanged.
    Shapes: x, y (N, C, ...).
    """

    before: int
    after: int

    def forward(self, x: Any) -> Any:
        y, channels = x.copy("K"), x.shape[1]  # K: keep channels-last memory as it is
        for step in range(1, min(self.before + 1, channels)):
            y[:, step:] += x[:, :-step]
        for step in range(1, min(self.after + 1, channels)):
            y[:, :-step] += x[:, step:]
        return y

    def dx(self, dy: Tensor) -> Tensor:
        return ChannelSum(self.after, self.before)(dy)


# ----------------------------------------------------------------------------------------------
# Public functions


def _trailing(name: str, input: Tensor, normalized_shape: Any) -> tuple[Dims, Dims]:
    """Return normalized_shape and the dimensions of `input` that it stands for, its last ones."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"{name}: normalized_shape must be a tuple, not {normalized_shape!r}")
    size = tuple(int(n) for n in normalized_shape)
    only_floating(input, name)
    if not size or len(size) > input.ndim or input.shape[-len(size) :] != size:
        raise ShapeError(
            f"{name}: normalized_shape {size} must be the last sizes of input, one or more; got "
            f"input {input.shape}"
        )
    return size, tuple(range(input.ndim - len(size), input.ndim))


@runs_in("float32")
def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Return input standardised over its last dimensions, times `weight` plus `bias`.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: a tuple, the sizes of the last dimensions.
        weight, bias: of shape normalized_shape, or None.
        eps: added to the variance.
    """
    size, dim = _trailing("layer_norm", input, normalized_shape)
    check_parameter("layer_norm", "weight", weight, size, input)
    check_parameter("layer_norm", "bias", bias, size, input)
    (x,) = widened(input)
    y = Standardize(dim, float(eps))(x)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias).to(input.dtype)


@runs_in("float32")
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Return input / sqrt(mean(input^2) + eps) over its last dimensions, times `weight`.

    Layer norm without its mean and bias. `eps` is by default the dtype's machine epsilon.
    """
    size, dim = _trailing("rms_norm", input, normalized_shape)
    check_parameter("rms_norm", "weight", weight, size, input)
    (x,) = widened(input)
    if eps is None:
        eps = float(array_module(x.array).finfo(x.dtype).eps)
    y = x * rsqrt(mean(square(x), dim, keepdim=True) + eps)
    return (y if weight is None else y * weight).to(input.dtype)


@runs_in("float32")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Return input standardised over groups of channels, times `weight` plus `bias`.

    Args:
        input: (N, C, ...); the C channels form `num_groups` groups of neighbours.
        weight, bias: (C,) or None.
        eps: added to the variance.
    """
    if only_floating(input, "group_norm").ndim < 2:
        raise ShapeError(f"group_norm: input must be (N, C, ...), got shape {input.shape}")
    n, c, *rest = input.shape
    if num_groups < 1 or c % num_groups:
        raise ShapeError(
            f"group_norm: the {c} channels of input {input.shape} do not divide into num_groups = "
            f"{num_groups}"
        )
    check_parameter("group_norm", "weight", weight, (c,), input)
    check_parameter("group_norm", "bias", bias, (c,), input)
    if n * math.prod(rest) * (c // num_groups) == 1:
        raise ShapeError(
            "group_norm: Expected more than 1 value per channel when training, got input size "
            f"{input.shape} in {num_groups} groups"
        )
    return GroupNorm(int(num_groups), float(eps))(input, weight, bias)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Return input (N, C, ...) standardised over the pixels of each channel of each image.

    Running statistics, if given, are updated with the batch's average, and take the place of the
    images' own where `use_input_stats` is False.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = math.prod(only_floating(input, "instance_norm").shape[2:])
    if input.ndim < 3 or count < 2:
        raise ShapeError(
            "instance_norm: Expected more than 1 spatial element when training, got input size "
            f"{input.shape}"
        )
    check_parameter("instance_norm", "weight", weight, (input.shape[1],), input)
    check_parameter("instance_norm", "bias", bias, (input.shape[1],), input)
    check_statistics("instance_norm", running_mean, running_var, input)
    op = GroupNorm(input.shape[1], float(eps))
    y = op(input, weight, bias)
    if running_mean is not None and running_var is not None and len(input.array):
        update(running_mean, op.mean.mean(0), float(momentum))
        update(running_var, op.var.mean(0) * (count / (count - 1)), float(momentum))
    return y


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return input / (k + alpha / size * sum of input^2 over `size` neighbouring channels)^beta.

    The channels of a pixel inhibit each other. The window of channel c goes from c - size // 2 to
    c + (size - 1) // 2; beyond the first and last channel there are zeros.
    Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional
    neural networks", section 3.3 (without the division of alpha by size).
    """
    if check_tensor(input, "local_response_norm").ndim < 3:
        raise ShapeError(
            "local_response_norm: Expected 3D or higher dimensionality input, (N, C, ...), got "
            f"shape {input.shape}"
        )
    if input.dtype.kind != "f":
        raise DTypeError(f"local_response_norm: expected a floating tensor, got {input.dtype}")
    if size < 1:
        raise ArgumentError(f"local_response_norm: size must be at least 1, got {size}")
    (x,) = widened(input)
    total = ChannelSum(size // 2, (size - 1) // 2)(square(x))
    return (x / (total * (alpha / size) + k) ** beta).to(input.dtype)
