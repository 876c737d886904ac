"""Losses for numbers: how far a prediction is from its target.

*Reduction.* Each loss gives one number per element. `reduction` says what becomes of them: "mean"
(the default), "sum", or "none" to keep them all. A mean makes the gradient's size independent of
the batch size, and so the learning rate.

*Which one.* The squared error is the likelihood of a normal error: large errors dominate. The
absolute error ignores how large an outlier is, but has a kink at 0. The Huber loss is the first
near 0 and the second far away.

Losses for classes are in `classification`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor
from .activation import Hardtanh, only_floating
from .choose import clamp_min, where
from .elementwise import abs as abs_
from .elementwise import exp, log, square
from .norms import norm
from .operands import broadcastable, promote
from .reduce import mean
from .reduce import sum as sum_
from .shape import broadcast_tensors

__all__ = [
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "cosine_similarity",
    "normalize",
]  # fmt: skip


@dataclass(eq=False, repr=False)
class Huber(Op):
    """y = z^2 / 2 where |z| <= delta, else delta (|z| - delta / 2).   dz = dy c.

    c is z limited to [-delta, delta]; with it both cases are y = c (z - c / 2).
    Source: Huber 1964, "Robust estimation of a location parameter", section 4.
    """

    delta: float

    def forward(self, z: Any) -> Any:
        xp = array_module(z)
        c = xp.minimum(xp.maximum(z, -self.delta), self.delta)
        return c * (z - 0.5 * c)

    def dz(self, dy: Tensor, z: Tensor) -> Tensor:
        return dy * Hardtanh(-self.delta, self.delta)(z)


# ----------------------------------------------------------------------------------------------
# What all losses share


def which_reduction(name: str, size_average: Any, reduce: Any, reduction: str) -> str:
    """Return the reduction, also from the two flags that PyTorch had before."""
    if size_average is not None or reduce is not None:
        kept = reduce is None or reduce
        average = size_average is None or size_average
        reduction = "none" if not kept else "mean" if average else "sum"
        message = f"{name}: size_average and reduce are deprecated; use reduction={reduction!r}"
        warnings.warn(message, UserWarning, stacklevel=4)
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(
            f"{name}: {reduction!r} is not a reduction; use 'none', 'mean' or 'sum'"
        )
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean of the losses, their sum, or themselves."""
    return {"mean": mean, "sum": sum_, "none": lambda x: x}[reduction](loss)


def widened(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors, those in float16 as float32: its squares overflow from 256 on."""
    return [x.to("float32") if x.dtype == "float16" else x for x in tensors]


def _difference(name: str, input: Tensor, target: Tensor, floating: bool = True) -> Tensor:
    """Return input - target, after the checks that the losses for numbers share."""
    check_tensor(input, name), check_tensor(target, name, "target")
    x, t = promote(name, input, target)
    if x.dtype.kind != "f" and floating:
        raise DTypeError(f"{name}: expected floating tensors, got {x.dtype}; use .float()")
    if input.shape != target.shape:
        if not broadcastable(input.shape, target.shape):
            raise ShapeError(
                f"{name}: input and target must have the same shape; got input {input.shape}, "
                f"target {target.shape}"
            )
        message = (
            f"{name}: target {target.shape} has another shape than input {input.shape}, so they "
            "broadcast, which is seldom what is meant. Reshape one of them, e.g. with "
            "target.reshape(input.shape)"
        )
        warnings.warn(message, UserWarning, stacklevel=4)
    x, t = widened(x, t)
    return x - t


def _weighted(
    name: str, loss: Tensor, weight: Tensor | None, reduction: str, input: Tensor, by_weight: bool
) -> Tensor:
    """Reduce `loss` times `weight`; `by_weight`, its mean is divided by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    if check_tensor(weight, name, "weight").shape != input.shape:
        raise ShapeError(
            f"{name}: weight must have the shape of input; got weight {weight.shape}, input "
            f"{input.shape}"
        )
    if reduction == "mean" and by_weight:
        return sum_(loss * weight) / sum_(weight)
    return reduced(loss * weight, reduction)


# ----------------------------------------------------------------------------------------------
# Public functions


@runs_in("float32")
def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return (input - target)^2, its mean by default; with `weight`, the weighted mean."""
    reduction = which_reduction("mse_loss", size_average, reduce, reduction)
    z = _difference("mse_loss", input, target)
    return _as(input, target, _weighted("mse_loss", square(z), weight, reduction, input, True))


@runs_in("float32")
def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return |input - target|, its mean by default; with `weight`, the weighted mean."""
    reduction = which_reduction("l1_loss", size_average, reduce, reduction)
    z = _difference("l1_loss", input, target, floating=reduction == "mean")
    return _as(input, target, _weighted("l1_loss", abs_(z), weight, reduction, input, True))


@runs_in("float32")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return z^2 / 2 where |z| <= delta, else delta * (|z| - delta / 2), for z = input - target.

    With `weight` the losses are multiplied by it, but the mean is divided by their number.
    """
    reduction = which_reduction("huber_loss", None, None, reduction)
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta}")
    z = _difference("huber_loss", only_floating(input, "huber_loss"), target)
    y = _weighted("huber_loss", Huber(float(delta))(z), weight, reduction, input, False)
    return y.to(input.dtype) if weight is None else _as(input, target, y)


@runs_in("float32")
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """Return z^2 / (2 beta) where |z| < beta and |z| - beta / 2 elsewhere, z = input - target.

    That is huber_loss(delta=beta) / beta, and l1_loss for beta = 0 (Girshick 2015, "Fast R-CNN",
    equation 3).
    """
    reduction = which_reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    z = _difference("smooth_l1_loss", input, target)
    y = Huber(float(beta))(z) / float(beta) if beta > 0 else abs_(z)
    return _as(input, target, reduced(y, reduction))


def _as(input: Tensor, target: Tensor, loss: Tensor) -> Tensor:
    """Return `loss` in float16 where both operands were: it was computed in float32."""
    return loss.to(input.dtype) if input.dtype == target.dtype == "float16" else loss


@runs_in("float32")
def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """Return target * (log(target) - input): the Kullback-Leibler divergence of two distributions.

    Args:
        input: logarithms of probabilities, as `log_softmax` gives them.
        target: probabilities, or their logarithms if `log_target`.
        reduction: "batchmean" gives the divergence itself, summed over all but the batch; "mean",
            the default, divides by the number of elements.
    """
    check_tensor(input, "kl_div"), check_tensor(target, "kl_div", "target")
    batchmean = reduction == "batchmean"
    if reduction == "mean" and size_average is None and reduce is None:
        message = "kl_div: reduction='mean' divides by all elements; 'batchmean' is the divergence"
        warnings.warn(message, UserWarning, stacklevel=3)
    reduction = which_reduction("kl_div", size_average, reduce, "sum" if batchmean else reduction)
    if not broadcastable(input.shape, target.shape):
        raise ShapeError(
            f"kl_div: input and target must have the same shape; got input {input.shape}, target "
            f"{target.shape}"
        )
    x, t = widened(*promote("kl_div", input, target))
    if log_target:
        loss = exp(t) * (t - x)
    else:  # t log t is 0 at t = 0, its limit
        loss = t * log(where(t == 0, 1.0, t)) - t * x
    loss = reduced(loss, reduction)
    return _as(input, target, loss / input.shape[0] if batchmean and input.ndim else loss)


@runs_in("float32")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return x1 . x2 / (|x1| |x2|) along `dim`; norms below `eps` count as `eps`."""
    check_tensor(x1, "cosine_similarity", "x1"), check_tensor(x2, "cosine_similarity", "x2")
    if not broadcastable(x1.shape, x2.shape):
        raise ShapeError(f"cosine_similarity: x1 {x1.shape} and x2 {x2.shape} do not broadcast")
    # `dim` counts in the shape that both have after broadcasting.
    x1, x2 = broadcast_tensors(*promote("cosine_similarity", x1, x2))
    return sum_(normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps), dim)


@runs_in("float32")
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return input / max(its p-norm along `dim`, eps)."""
    return input / clamp_min(norm(check_tensor(input, "normalize"), p, dim, keepdim=True), eps)
