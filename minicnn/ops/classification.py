"""Losses for classes: how surprised a model is by the right answer.

*Cross entropy* is -log p of the right class: 0 for a sure and right answer, without limit for a
sure and wrong one. Its derivative with respect to the scores is p - q, the probabilities minus the
truth, so learning does not stall as it does with a squared error behind a saturated softmax.

*Scores, not probabilities.* `cross_entropy` takes the raw outputs of the last layer and has softmax
inside, where log and exp cancel exactly. For two classes see `binary_loss`.

*Targets* are class labels (N, ...), int64, or probabilities with the shape of the scores, which is
(N, C, ...).

Tutorial: tutorials/06_dense_softmax_cross_entropy.ipynb
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import FusedOp, is_grad_enabled, runs_in
from ..deferred import refuse
from ..errors import ArgumentError, DTypeError, GraphError, LabelError, ShapeError
from ..tensor import Tensor, check_tensor
from .activation import only_floating
from .choose import where
from .gather import gather
from .loss import reduced, which_reduction, widened
from .reduce import sum as sum_
from .softmax import log_softmax

__all__ = ["cross_entropy", "nll_loss"]


@dataclass(eq=False, repr=False)
class CrossEntropy(FusedOp):
    """loss_i = -sum_c q_ic log p_ic,  p = softmax(x).   dx_ic = dloss_i (p_ic sum_k q_ik - q_ic).

    q_i = (1 - s) w_t e_t + (s / C) w, for label t, smoothing s and class weights w (all 1 if None);
    q_i = 0 where t is `ignore_index`. The mean divides by the sum of w_t over what is not ignored.
    Shapes: x (M, C), target (M,), weight (C,) or None; loss (M,), or () when reduced.
    Source: smoothing is Szegedy et al. 2016, "Rethinking the Inception architecture", section 7.
    """

    ignore_index: int
    reduction: str
    smoothing: float

    def forward(self, x: Any, target: Any, weight: Any) -> Any:
        options = (self.ignore_index, self.reduction, self.smoothing)
        kernel = kernels.get("cross_entropy", x)
        loss, self.log_p, self.total = kernel(x, target, weight, *options)
        return loss.astype(x.dtype, copy=False)

    def fast_backward(self, needs: Any, dy: Any, target: Any, weight: Any) -> tuple:
        options = (self.ignore_index, self.reduction, self.smoothing)
        kernel = kernels.get("cross_entropy_grad", self.log_p)
        return kernel(dy, self.log_p, target, weight, self.total, *options), None, None

    def reference(self, x: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        (wide,) = widened(x)
        log_p = log_softmax(wide, 1)
        loss = _nll(log_p, target, weight, self.ignore_index, self.reduction)
        if self.smoothing:
            kept = target != self.ignore_index
            every = -sum_(log_p if weight is None else log_p * weight, 1)
            every = where(kept, every, 0.0)
            if self.reduction != "none":
                every = sum_(every)
            if self.reduction == "mean":
                every = every / sum_(_label_weights(target, kept, weight, every))
            loss = (1.0 - self.smoothing) * loss + self.smoothing / x.shape[1] * every
        return loss.to(x.dtype)


# ----------------------------------------------------------------------------------------------
# Labels


def _count_classes(name: str, input: Tensor) -> int:
    """Return C of an input (N, C, ...) or (C)."""
    classes = input.shape[1 if input.ndim > 1 else 0] if input.ndim else 0
    if classes == 0:
        raise ShapeError(f"{name}: input must be scores (N, C, ...) or (C), got {input.shape}")
    return classes


def _check_labels(name: str, input: Tensor, target: Tensor, ignored: int, reduction: str) -> None:
    """Raise if `target` is not one label for each place of `input` (N, C, ...) or (C)."""
    places = (input.shape[0], *input.shape[2:]) if input.ndim > 1 else ()
    if target.shape != places and not (input.ndim == 1 and target.shape == (1,)):
        raise ShapeError(
            f"{name}: input {input.shape} needs labels of shape {places}; got {target.shape}"
            f"{_shape_hint(places, target.shape)}"
        )
    if target.dtype not in (np.dtype("int64"), np.dtype("uint8")):
        raise LabelError(
            f"{name}: labels are whole numbers, int64, but target {target.shape} is "
            f"{target.dtype}. Convert them with target.long()"
        )
    labels, classes = target.array, _count_classes(name, input)
    wrong = ((labels < 0) | (labels >= classes)) & (labels != ignored)
    refuse(
        wrong,
        lambda: LabelError(
            f"{name}: labels must lie in 0 to {classes - 1} for input {input.shape}, or be "
            f"ignore_index = {ignored}; found {int(labels[wrong][0])}. Count classes from 0, and "
            "give the last layer as many outputs as there are classes"
        ),
    )
    if target.numel() == 0 and reduction == "mean":
        message = f"{name}: the batch is empty, input {input.shape}; its mean, 0 / 0, is NaN"
        warnings.warn(message, UserWarning, stacklevel=4)


def _shape_hint(places: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if shape == (*places, 1):
        return ". Remove the last dimension with target.squeeze(-1)"
    if places and shape and shape[0] != places[0]:
        return f", so the batches have {places[0]} and {shape[0]} elements"
    return ""


def _check_class_weights(name: str, input: Tensor, weight: Tensor | None) -> None:
    classes = _count_classes(name, input)
    if weight is None:
        return
    if check_tensor(weight, name, "weight").shape != (classes,):
        raise ShapeError(
            f"{name}: weight needs one number for each of the {classes} classes of input "
            f"{input.shape}; got weight {weight.shape}"
        )
    if is_grad_enabled() and weight.requires_grad:
        raise GraphError(f"{name}: weight is a constant, without gradient; use weight.detach()")


def _same_weight_dtype(name: str, input: Tensor, weight: Tensor | None) -> None:
    if weight is not None and weight.dtype != input.dtype:
        raise DTypeError(
            f"{name}: input is {input.dtype} but weight {weight.dtype}; convert one with .to()"
        )


def _as_rows(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return input (N, C, ...) as (M, C) and its labels as (M,), M the number of labels."""
    if input.ndim == 2:
        return input, target.to(np.int64)
    rows = input.movedim(1, -1) if input.ndim > 2 else input
    classes = input.shape[1 if input.ndim > 1 else 0]
    return rows.reshape(target.numel(), classes), target.reshape(-1).to(np.int64)


def _shaped(loss: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """Return losses (M,) with the shape of the labels; a reduced loss as it is."""
    return loss.reshape(target.shape if input.ndim > 1 else ()) if loss.ndim else loss


def _label_weights(target: Tensor, kept: Tensor, weight: Tensor | None, like: Tensor) -> Tensor:
    """Return the weight of each label, 0 for ignored ones."""
    if weight is None:
        return kept.to(like.dtype)
    return where(kept, weight[where(kept, target, 0)], 0.0)


def _nll(
    log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """Return -w_t log_p_t, reduced, of rows (M, C) with labels (M,)."""
    kept = target != ignore_index
    w = _label_weights(target, kept, weight, log_p)
    picked = gather(log_p, 1, where(kept, target, 0).unsqueeze(1)).squeeze(1)  # (M,)
    loss = where(kept, -picked * w, 0.0)
    if reduction == "none":
        return loss
    return sum_(loss) / sum_(w) if reduction == "mean" else sum_(loss)


# ----------------------------------------------------------------------------------------------
# Public functions


@runs_in("float32")
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Return -log softmax(input) at the target class, its mean by default.

    Args:
        input: scores before softmax, (N, C), (N, C, d1, ...) or (C).
        target: labels (N, d1, ...), int64, from 0 to C - 1; or probabilities with the shape of
            input.
        weight: one factor for each class, (C,). The mean is then divided by the labels' weights.
        ignore_index: the label of places that do not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: how much of the truth to spread evenly over all classes, from 0 to 1.

    Raises:
        ShapeError: target has neither of these shapes.
        LabelError: labels out of range, not integers, or one-hot.
    """
    reduction = which_reduction("cross_entropy", size_average, reduce, reduction)
    only_floating(input, "cross_entropy"), check_tensor(target, "cross_entropy", "target")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(
            f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}"
        )
    _check_class_weights("cross_entropy", input, weight)
    if input.shape == target.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    _check_labels("cross_entropy", input, target, ignore_index, reduction)
    _same_weight_dtype("cross_entropy", input, weight)
    op = CrossEntropy(int(ignore_index), reduction, float(label_smoothing))
    return _shaped(op(*_as_rows(input, target), weight), input, target)


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
    smoothing: float,
) -> Tensor:  # fmt: skip
    """Return -sum_c w_c q_c log p_c, where the truth is a distribution q over the classes."""
    if target.dtype.kind != "f":
        raise LabelError(
            f"cross_entropy: target {target.shape} has the shape of input, so it must hold "
            f"probabilities, but it is {target.dtype}. For one-hot rows use the labels, "
            "target.argmax(1), or target.float()"
        )
    if ignore_index >= 0:
        raise ArgumentError(
            f"cross_entropy: ignore_index={ignore_index} needs labels, but target is "
            f"{target.dtype} with the shape of input, so it holds probabilities"
        )
    dim = 1 if input.ndim > 1 else 0
    classes = input.shape[dim]
    x, q = widened(input, target)
    if smoothing:
        q = q * (1.0 - smoothing) + smoothing / classes
    loss = log_softmax(x, dim) * q
    if weight is not None:
        loss = loss * weight.reshape(classes, *(1,) * (input.ndim - 2))
    loss = reduced(-sum_(loss, dim), reduction)
    return loss.to(input.dtype) if input.dtype == target.dtype else loss


@runs_in("float32")
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return -input at the target class: the negative log likelihood, if input is log_softmax.

    The arguments are those of `cross_entropy`, with labels as target.
    """
    reduction = which_reduction("nll_loss", size_average, reduce, reduction)
    only_floating(input, "nll_loss"), check_tensor(target, "nll_loss", "target")
    _check_class_weights("nll_loss", input, weight)
    _check_labels("nll_loss", input, target, ignore_index, reduction)
    _same_weight_dtype("nll_loss", input, weight)
    loss = _nll(*_as_rows(input, target), weight, int(ignore_index), reduction)
    return _shaped(loss, input, target)
