"""Binary cross entropy: the loss of yes or no, for one output or many independent ones.

It is the cross entropy of two classes of which only one has an output: yes has the probability
p = sigmoid(x), no has 1 - p. Given probabilities, log(p) breaks down where p rounds to 0 or 1;
given the scores x, nothing does. Prefer `binary_cross_entropy_with_logits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor
from .activation import only_floating
from .choose import clamp
from .elementwise import log, log1p
from .loss import reduced, which_reduction, widened
from .operands import broadcastable, promote
from .smooth import logsigmoid

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


class BinaryCrossEntropy(Op):
    """y = -(t log x + (1 - t) log(1 - x)).

    dx = dy (x - t) / (x (1 - x)),  dt = dy (log(1 - x) - log x). Shapes: all equal.
    The logarithms are at least -100, and x (1 - x) at least 1e-12, because a probability of
    exactly 0 or 1 would make the loss infinite, and NaN where it is multiplied by 0.
    """

    def forward(self, x: Any, t: Any) -> Any:
        xp = array_module(x)
        return (t - 1.0) * xp.maximum(xp.log1p(-x), -100.0) - t * xp.maximum(xp.log(x), -100.0)

    def dx(self, dy: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return dy * ((x - t) / clamp(x * (1.0 - x), min=1e-12))

    def dt(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * (clamp(log1p(-x), min=-100.0) - clamp(log(x), min=-100.0))


def _check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: target must have the shape of input; got input {input.shape}, target "
            f"{target.shape}. Use e.g. target.reshape(input.shape)"
        )


def _check_probabilities(name: str, what: str, x: Tensor, way_out: str) -> None:
    inside = (x.array >= 0) & (x.array <= 1)  # False for NaN too
    if not bool(inside.all()):
        raise ArgumentError(
            f"{name}: {what} must be between 0 and 1, but it holds {float(x.array[~inside][0]):g}"
            f"{way_out}"
        )


def _fitting(name: str, what: str, weight: Tensor, input: Tensor) -> Tensor:
    """Return `weight`, after checking that it broadcasts to the shape of `input`."""
    shape = check_tensor(weight, name, what).shape
    fits = broadcastable(shape, input.shape)
    if not fits or np.broadcast_shapes(shape, input.shape) != input.shape:
        raise ShapeError(
            f"{name}: {what} {shape} does not broadcast to the shape of input, {input.shape}"
        )
    return weight


@runs_in("banned")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return -(target log(input) + (1 - target) log(1 - input)), its mean by default.

    Args:
        input: probabilities, as `sigmoid` gives them. `binary_cross_entropy_with_logits` on the
            scores before sigmoid is more accurate.
        target: probabilities with the shape of input, usually 0.0 and 1.0.
        weight: a factor for each element; broadcasts.
    """
    name = "binary_cross_entropy"
    reduction = which_reduction(name, size_average, reduce, reduction)
    only_floating(input, name), check_tensor(target, name, "target")
    if target.dtype != input.dtype:
        raise DTypeError(
            f"{name}: target must be {input.dtype}, the dtype of input, not {target.dtype}; use "
            "target.to(input.dtype)"
        )
    _check_same_shape(name, input, target)
    _check_probabilities(name, "input", input, "; apply sigmoid, or use the loss with logits")
    _check_probabilities(name, "target", target, "")
    x, t = widened(input, target)
    loss = BinaryCrossEntropy()(x, t)
    if weight is not None:
        loss = loss * _fitting(name, "weight", weight, input)
    return reduced(loss, reduction).to(input.dtype)


@runs_in("float32")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the binary cross entropy of sigmoid(input), exact for scores of any size.

    loss = (1 - t) x - (1 + (p - 1) t) log sigmoid(x), for scores x, targets t and p = pos_weight.

    Args:
        input: scores before sigmoid.
        target: probabilities with the shape of input, usually 0.0 and 1.0.
        weight: a factor for each element; broadcasts.
        pos_weight: a factor for the positive part, above 1 where positives are rare; broadcasts.
    """
    name = "binary_cross_entropy_with_logits"
    reduction = which_reduction(name, size_average, reduce, reduction)
    only_floating(input, name), check_tensor(target, name, "target")
    if target.dtype.kind != "f":
        raise DTypeError(f"{name}: target must be floating, not {target.dtype}; use target.float()")
    _check_same_shape(name, input, target)
    x, t = widened(*promote(name, input, target))
    log_p = logsigmoid(x)
    if pos_weight is not None:
        log_p = log_p * ((_fitting(name, "pos_weight", pos_weight, input) - 1.0) * t + 1.0)
    loss = (1.0 - t) * x - log_p
    if weight is not None:
        loss = loss * _fitting(name, "weight", weight, input)
    loss = reduced(loss, reduction)
    return loss.to(input.dtype) if input.dtype == target.dtype else loss
