"""Normalisation layers: numbers are given mean 0 and variance 1 before they go on.

They differ in what the mean and the variance are taken over. For images (N, C, H, W):

    BatchNorm      N, H, W     each channel, over the batch: an image's result depends on the others
    LayerNorm      the last dimensions, whichever are named
    GroupNorm      H, W and the channels of a group
    InstanceNorm   H, W

and LocalResponseNorm only divides, by a sum over neighbouring channels. All but the last then multiply
by a weight and add a bias, which are learned. The equations are in `minicnn.ops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..ops.creation import empty, ones, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _Affine(Module):
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


class _BatchNorm(_Affine):
    """What `BatchNorm1d` and `BatchNorm2d` share."""

    _version = 2  # since when there is num_batches_tracked
    ranks: tuple[int, ...]
    letters: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._register(num_features, affine, bias, device, dtype)
        statistics: list[Tensor | None] = [None, None, None]
        if track_running_stats:
            statistics = [
                zeros(num_features, device=device, dtype=dtype),
                ones(num_features, device=device, dtype=dtype),
                zeros((), device=device, dtype=np.int64),
            ]
        names = ("running_mean", "running_var", "num_batches_tracked")
        for name, value in zip(names, statistics, strict=True):
            self.register_buffer(name, value)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what was seen: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the statistics and give the parameters their first values."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.ranks:
            raise ShapeError(f"{self._get_name()}: expected {self.letters} input, got shape {input.shape}")
        update = self.training and self.track_running_stats
        momentum = self.momentum
        if update and self.num_batches_tracked is not None:
            self.num_batches_tracked.array += 1
            self.num_batches_tracked.bump()
        if momentum is None:  # a plain mean over all batches
            momentum = 1.0 / float(self.num_batches_tracked) if update else 0.0
        # In training the statistics are only there to be updated; in evaluation they are used, if there are any.
        known = (self.running_mean, self.running_var) if update or not self.training else (None, None)
        from_batch = self.training or self.running_mean is None
        return F.batch_norm(input, *known, self.weight, self.bias, from_batch, momentum, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any
    ) -> None:
        key = f"{prefix}num_batches_tracked"
        if local_metadata.get("version", 1) < 2 and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). Arguments as for `BatchNorm2d`."""

    ranks, letters = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) weight + bias, for each channel of images, over the batch.

    In evaluation the mean and variance are running averages of those seen in training, so that an image's
    result does not depend on its neighbours.

    Args:
        num_features: the number of channels, C.
        eps: added to the variance.
        momentum: how much of a new batch's statistics enters the running ones: running = (1 - momentum) running +
            momentum new, with the unbiased variance. None: the plain mean of all batches.
        affine: whether there is a weight and a bias.
        track_running_stats: False: use the batch's statistics always.
        device, dtype: of the parameters and statistics.
        bias: False: a weight alone.

    Shape:
        x and y (N, C, H, W); weight, bias, running_mean and running_var (C).

    Source: Ioffe and Szegedy 2015, "Batch normalization".
    """

    ranks, letters = (4,), "(N, C, H, W)"


class InstanceNorm2d(_Affine):
    """Normalise each channel of each image by itself.

    Args:
        num_features: the number of channels, C.
        eps: added to the variance.
        momentum, track_running_stats: running statistics are not covered.
        affine: whether there is a weight and a bias. Default: False.
        device, dtype: of the parameters.
        bias: False: a weight alone.

    Shape:
        x and y (N, C, H, W) or (C, H, W).
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if track_running_stats:
            raise UnsupportedError(
                "InstanceNorm2d: track_running_stats=True is not covered; leave it out, or use BatchNorm2d"
            )
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._register(num_features, affine, bias, device, dtype)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, None)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(
                f"InstanceNorm2d: expected (N, C, H, W) or (C, H, W) input, got shape {input.shape}"
            )
        channels, h, w = input.shape[-3:]
        if self.affine and channels != self.num_features:
            raise ShapeError(
                f"InstanceNorm2d: input has {channels} channels but num_features is {self.num_features}; got "
                f"input {input.shape}"
            )
        if h * w == 1:
            raise ShapeError(
                f"InstanceNorm2d: expected more than 1 spatial element, since one alone has no variance; got "
                f"input {input.shape}"
            )
        x = input if input.ndim == 4 else input.unsqueeze(0)
        y = F.group_norm(x, channels, self.weight, self.bias, self.eps)
        return y if input.ndim == 4 else y.squeeze(0)

    extra_repr = _BatchNorm.extra_repr


class LayerNorm(_Affine):
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
        whole = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._register(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
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
                f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
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

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3 (where alpha is not divided by the size).
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


__all__ = [
    "BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm", "LocalResponseNorm",
]  # fmt: skip
