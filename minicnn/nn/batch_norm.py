"""Batch norm and instance norm: layers that may keep running statistics of their channels.

In training, batch norm makes an image's result depend on the other images of its batch. That must
not be so when the network is used, so it keeps running averages of the means and variances that
it saw, as buffers, and uses those in evaluation. Forgetting ``model.eval()`` is therefore a
classic mistake.

The equations are in `minicnn.ops.batch_norm` and `minicnn.ops.norm`.

Tutorial: tutorials/05_batch_normalisation.ipynb
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops.creation import ones, zeros
from ..tensor import Tensor
from . import functional as F
from .normalization import Affine


class _Statistics(Affine):
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


__all__ = ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d"]
