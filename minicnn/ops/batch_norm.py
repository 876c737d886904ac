"""Batch normalisation: each channel of a batch gets mean 0 and variance 1, then scale and shift.

*In training* the mean and variance are those of the batch, so each example depends on its
neighbours, and the gradient goes through both. *In evaluation* they are running averages collected
during training, constants; the whole layer is then one scale and one shift for each channel.

*Two variances.* The batch is divided by its own standard deviation, so there the sum of squares is
divided by n. The running average estimates that of all data, so there by n - 1, which is unbiased.

Source: Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training by reducing
internal covariate shift", algorithms 1 and 2.

Tutorial: tutorials/05_batch_normalisation.ipynb
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import FusedOp, Op, is_grad_enabled, wrap
from ..backend import array_module
from ..errors import ArgumentError, DimensionError, DTypeError, GraphError, ShapeError
from ..kernels.layout import at_least_float32
from ..tensor import Tensor, check_tensor
from .activation import only_floating
from .elementwise import rsqrt, square
from .loss import widened
from .reduce import mean
from .reduce import sum as sum_

__all__ = ["batch_norm"]


def as_parts(x: Any, parts: int) -> Any:
    """Return the array (N, C, ...) as (parts, P, C), a view if its channels are last in memory."""
    pixels = x.shape[0] * math.prod(x.shape[2:])
    last = x.transpose(0, *range(2, x.ndim), 1)
    return last.reshape(parts, pixels // max(parts, 1), x.shape[1])


def from_parts(y: Any, shape: tuple[int, ...]) -> Any:
    """Return (parts, P, C) with `shape` (N, C, ...); its channels are last in memory."""
    last = y.reshape(shape[0], *shape[2:], shape[1])
    return last.transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def wide_dtype(x: Any) -> Any:
    """Return the dtype of what belongs to a channel: that of x, but at least float32."""
    return "float32" if x.dtype == "float16" else x.dtype


def per_channel(v: Tensor, ndim: int) -> Tensor:
    """Return (C,) as (C, 1, ...), which broadcasts over (N, C, ...) of `ndim` dimensions."""
    return v.reshape(v.shape[0], *(1,) * (ndim - 2))


class ChannelNorm(FusedOp):
    """What batch norm and group norm share: all but what the means are taken over."""

    eps: float

    def normalize(self, x: Any, w: Any, b: Any, parts: int, groups: int) -> Any:
        """Return the array x normalised in `parts`, and keep their statistics."""
        pieces = as_parts(x, parts)  # (B, P, C)
        ones = array_module(x).ones(x.shape[1], dtype=wide_dtype(x))
        w = ones if w is None else w.astype(ones.dtype, copy=False)
        b = ones * 0.0 if b is None else b.astype(ones.dtype, copy=False)
        kernel = kernels.get("channel_norm", pieces)
        y, self.mean, self.var = kernel(pieces, w, b, groups, self.eps)
        return from_parts(y, x.shape)

    def fast_backward(self, needs: Any, dy: Any, x: Any, w: Any) -> tuple:
        xp, parts = array_module(x), len(self.mean)
        x_parts, dy_parts = as_parts(x, parts), as_parts(dy, parts)
        ones = xp.ones(x.shape[1], dtype=wide_dtype(x))
        w = ones if w is None else w.astype(ones.dtype, copy=False)
        inv_std = 1.0 / xp.sqrt(self.var + self.eps)
        kernel = kernels.get("channel_norm_grad", dy_parts, x_parts)
        dx, dw, db = kernel(dy_parts, x_parts, w, self.mean, inv_std)
        return from_parts(dx, x.shape), dw, db


def standardized(x: Tensor, dim: tuple[int, ...], eps: float) -> Tensor:
    """Return (x - mean) / sqrt(var + eps) over `dim`, in differentiable operations."""
    centred = x - mean(x, dim, keepdim=True)
    return centred * rsqrt(mean(square(centred), dim, keepdim=True) + eps)


def affine(y: Tensor, w: Tensor | None, b: Tensor | None) -> Tensor:
    """Return y w + b, for y (N, C, ...) and w, b (C,) or None."""
    y = y if w is None else y * per_channel(w, y.ndim)
    return y if b is None else y + per_channel(b, y.ndim)


@dataclass(eq=False, repr=False)
class BatchNorm(ChannelNorm):
    """y = w x_hat + b,  x_hat = (x - m) r,  m = mean x,  r = 1 / sqrt(mean (x - m)^2 + eps).

    dx = w r (dy - mean dy - x_hat mean(dy x_hat)),  dw = sum dy x_hat,  db = sum dy, all means and
    sums over everything but the channels. Shapes: x, y (N, C, ...), w and b (C,) or None.

    The two means in dx are what is lost because m and r depend on x too: dx has no part along 1 and
    none along x_hat, since adding a constant to x, or stretching it, does not change y.
    """

    eps: float

    def forward(self, x: Any, w: Any, b: Any) -> Any:
        return self.normalize(x, w, b, parts=1, groups=x.shape[1])

    def reference(self, x: Tensor, w: Tensor | None, b: Tensor | None) -> Tensor:
        (wide,) = widened(x)
        over = (0, *range(2, x.ndim))
        return affine(standardized(wide, over, self.eps), w, b).to(x.dtype)


class ScaleShift(Op):
    """y = x s + t, one s and one t for each channel.   dx = dy s,  ds = sum dy x,  dt = sum dy.

    Shapes: x, y (N, C, ...), s and t (C,); the sums are over everything but the channels.
    """

    def forward(self, x: Any, s: Any, t: Any) -> Any:
        parts = as_parts(x, 1)  # (1, P, C)
        return from_parts(kernels.get("scale_shift", parts, s, t)(parts, s, t), x.shape)

    def dx(self, dy: Tensor, s: Tensor) -> Tensor:
        return ScaleShift()(dy, s, wrap(array_module(s.array).zeros_like(s.array)))

    def ds(self, dy: Tensor, x: Tensor) -> Tensor:
        return sum_(dy * x, (0, *range(2, x.ndim)))

    def dt(self, dy: Tensor) -> Tensor:
        return sum_(dy, (0, *range(2, dy.ndim)))


@dataclass(eq=False, repr=False)
class KnownNorm(FusedOp):
    """y = w (x - m) r + b with known m and r: evaluation.

    dx = dy w r,  dw = sum dy (x - m) r,  db = sum dy, over everything but the channels.

    Shapes: x, y (N, C, ...), the others (C,); w and b may be None.
    """

    m: Any
    r: Any

    def forward(self, x: Any, w: Any, b: Any) -> Any:
        s = self.r if w is None else self.r * w
        t = -self.m * s if b is None else b - self.m * s
        return ScaleShift().forward(at_least_float32(x), s, t).astype(x.dtype, copy=False)

    def fast_backward(self, needs: Any, dy: Any, x: Any, w: Any) -> tuple:
        s = self.r if w is None else self.r * w
        dx = ScaleShift().forward(at_least_float32(dy), s, 0.0 * s)
        if not any(needs[1:]):
            return dx, None, None
        dy, x = (as_parts(at_least_float32(a), 1)[0] for a in (dy, x))  # (P, C)
        db = dy.sum(0)
        return dx, ((dy * x).sum(0) - self.m * db) * self.r, db

    def reference(self, x: Tensor, w: Tensor | None, b: Tensor | None) -> Tensor:
        (wide,) = widened(x)
        s = wrap(self.r) if w is None else wrap(self.r) * w
        t = wrap(-self.m) * s if b is None else b - wrap(self.m) * s
        return ScaleShift()(wide, s, t).to(x.dtype)


# ----------------------------------------------------------------------------------------------
# Public function


def check_parameter(name: str, what: str, p: Tensor | None, size: tuple, input: Tensor) -> None:
    """Raise unless `p`, a weight, bias or statistic, has this size and a dtype that fits input."""
    if p is None:
        return
    if check_tensor(p, name, what).shape != size:
        raise ShapeError(
            f"{name}: {what} should have shape {size} for input {input.shape}, but it has {p.shape}"
        )
    if p.dtype != input.dtype and not (input.dtype == "float16" and p.dtype == "float32"):
        raise DTypeError(
            f"{name}: input is {input.dtype} but {what} {p.dtype}; convert one with .to()"
        )


def check_statistics(name: str, mean: Tensor | None, var: Tensor | None, input: Tensor) -> None:
    """Raise unless the running statistics, if there are any, fit the channels of `input`."""
    if (mean is None) != (var is None):
        raise ShapeError(f"{name}: running_mean and running_var must be given both or neither")
    for what, p in (("running_mean", mean), ("running_var", var)):
        check_parameter(name, what, p, (input.shape[1],), input)
        if p is not None and p.requires_grad and is_grad_enabled():
            raise GraphError(f"{name}: {what} is a statistic and must not require a gradient")


def update(running: Tensor, new: Any, momentum: float) -> None:
    """running = (1 - momentum) running + momentum new, in place and outside the graph."""
    running.array[...] = running.array * (1.0 - momentum) + momentum * new
    running.bump()


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return input normalised for each channel, times `weight` plus `bias`.

    Args:
        input: (N, C) or (N, C, ...).
        running_mean, running_var: (C,), what evaluation normalises with; training updates them in
            place. May be None in training.
        weight, bias: (C,) or None.
        training: normalise with the mean and variance of this batch.
        momentum: how much of a running statistic each batch replaces.
        eps: added to the variance, because a constant channel has none to divide by.

    Raises:
        ShapeError: sizes that do not fit; in training, channels with fewer than two values.
    """
    if only_floating(input, "batch_norm").ndim < 2:
        raise DimensionError(f"batch_norm: input must be (N, C, ...), got shape {input.shape}")
    if eps < 0:
        raise ArgumentError(f"batch_norm: eps must not be negative, got {eps}")
    check_parameter("batch_norm", "weight", weight, (input.shape[1],), input)
    check_parameter("batch_norm", "bias", bias, (input.shape[1],), input)
    check_statistics("batch_norm", running_mean, running_var, input)
    if not training:
        return _evaluate(input, running_mean, running_var, weight, bias, eps)
    n = input.shape[0] * math.prod(input.shape[2:])
    if n < 2:
        raise ShapeError(
            "batch_norm: Expected more than 1 value per channel when training, got input size "
            f"{input.shape}, which is {n} a channel and has no variance. Use a larger batch, or "
            "model.eval()"
        )
    op = BatchNorm(float(eps))
    y = op(input, weight, bias)
    if running_mean is not None and running_var is not None:
        update(running_mean, op.mean[0], float(momentum))
        update(running_var, op.var[0] * (n / (n - 1)), float(momentum))
    return y


def _evaluate(
    input: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, eps: float,
) -> Tensor:  # fmt: skip
    if mean is None or var is None:
        raise ShapeError(
            "batch_norm: running_mean must be defined in evaluation mode; pass it, or training=True"
        )
    # Copies, because a training pass may change the statistics before this graph is differentiated.
    xp, dtype = array_module(input.array), wide_dtype(input.array)
    r = 1.0 / xp.sqrt(var.array.astype(dtype) + eps)
    return KnownNorm(mean.array.astype(dtype), r)(input, weight, bias)
