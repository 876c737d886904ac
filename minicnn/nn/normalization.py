"""Normalisation layers: numbers are given mean 0 and variance 1 before they go on.

They differ in what the mean and the variance are taken over. For images (N, C, H, W):

    BatchNorm      N, H, W     each channel, over the batch: an image's result depends on the others
    LayerNorm      the last dimensions, whichever are named
    GroupNorm      H, W and the channels of a group
    InstanceNorm   H, W

RMSNorm leaves the mean as it is, and LocalResponseNorm only divides, by a sum over neighbouring
channels. All but the last then multiply by a weight and add a bias, which are learned. The equations are in `minicnn.ops`.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
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

    def _register(
        self, shape: Any, weight: bool, bias: bool | None, device: Any, dtype: Any
    ) -> None:
        """Make the parameters; `bias` None: this layer never has one."""
        for name, wanted in (("weight", weight), ("bias", weight and bias)):
            value = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            if name == "weight" or bias is not None:
                self.register_parameter(name, value)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


class _Statistics(_Affine):
    """What batch and instance norm share: each may keep running statistics of its channels."""

    _version = 2  # since when there is num_batches_tracked
    ranks: tuple[int, ...]
    letters: str

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
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
                zeros((), device=device, dtype="int64"),
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

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.ranks:
            raise ShapeError(
                f"{self._get_name()}: expected {self.letters} input, got shape {input.shape}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any
    ) -> None:
        key, old = f"{prefix}num_batches_tracked", local_metadata.get("version", 1) < 2
        if old and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_Statistics):
    """What `BatchNorm1d` and `BatchNorm2d` share."""

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
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = self.momentum
        update = self.training and self.track_running_stats
        if update:
            self.num_batches_tracked.array += 1
            self.num_batches_tracked.bump()
        if momentum is None:  # a plain mean over all batches
            momentum = 1.0 / float(self.num_batches_tracked) if update else 0.0
        # In training the statistics are only updated; in evaluation they are used, if there are.
        known = (self.running_mean, self.running_var)
        if self.training and not update:
            known = (None, None)
        from_batch = self.training or self.running_mean is None
        return F.batch_norm(input, *known, self.weight, self.bias, from_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). Arguments as for `BatchNorm2d`."""

    ranks, letters = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) weight + bias, for each channel of images, over the batch.

    In evaluation the mean and variance are running averages of those seen in training, so that an
    image's result does not depend on its neighbours.

    Args:
        num_features: the number of channels, C.
        eps: added to the variance.
        momentum: how much of a new batch's statistics enters the running ones: running =
            (1 - momentum) running + momentum new, with the unbiased variance. None: the plain
            mean of all batches.
        affine: whether there is a weight and a bias.
        track_running_stats: False: use the batch's statistics always.
        device, dtype: of the parameters and statistics.
        bias: False: a weight alone.

    Shape:
        x and y (N, C, H, W); weight, bias, running_mean and running_var (C).

    Source: Ioffe and Szegedy 2015, "Batch normalization".
    """

    ranks, letters = (4,), "(N, C, H, W)"


class _InstanceNorm(_Statistics):
    """What `InstanceNorm1d` and `InstanceNorm2d` share."""

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
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        x = input if input.ndim == self.ranks[1] else input.unsqueeze(0)
        if x.shape[1] != self.num_features:
            raise ShapeError(
                f"{self._get_name()}: input has {x.shape[1]} channels but num_features is "
                f"{self.num_features}; got input {input.shape}"
            )
        from_image = self.training or not self.track_running_stats
        y = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, from_image,
            self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return y if x is input else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sequence by itself. Arguments as for `InstanceNorm2d`."""

    ranks, letters = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image by itself.

    Arguments as for `BatchNorm2d`, but by default there are no parameters and no statistics.

    Shape:
        x and y (N, C, H, W) or (C, H, W).

    Source: Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization".
    """

    ranks, letters = (3, 4), "(N, C, H, W) or (C, H, W)"


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


class RMSNorm(_Affine):
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
        self._register(self.normalized_shape, elementwise_affine, None, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
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


__all__ = [
    "BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm",
    "LocalResponseNorm", "RMSNorm",
]  # fmt: skip
