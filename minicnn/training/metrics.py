"""Measures of how good predictions are, as plain functions.

A loss is made to be differentiated, a metric to be read: accuracy says what one wants to know, and
has no useful gradient, since it stays the same when a logit moves a little. Training therefore
follows the loss, and people follow the metric.

`accuracy` and `top_k_accuracy` return a tensor where the outputs are, so that on a GPU nothing has
to wait for them; the functions on confusion matrices are for afterwards, and work in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..backend import to_device
from ..errors import ArgumentError, LabelError, ShapeError
from ..ops.compare import eq
from ..ops.order import topk
from ..tensor import Tensor


@no_grad()
def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of samples whose largest output is that of their class, a float tensor ().

    Args:
        output: logits or probabilities (N, K), or (N, K, ...) for one decision per pixel.
        target: class numbers (N,) or (N, ...); or probabilities in the shape of `output`, whose
            largest entry counts.
    """
    predicted = output.argmax(1)
    truth = target.argmax(1) if target.shape == output.shape else target
    if truth.shape != predicted.shape:
        raise ShapeError(
            f"accuracy: output {output.shape} makes decisions of shape {predicted.shape}, but "
            f"target has shape {target.shape}"
        )
    return (predicted == truth).float().mean()


@no_grad()
def top_k_accuracy(output: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """Return the share of samples whose class is among the `k` largest outputs, a float tensor ().

    Args:
        output: logits or probabilities (N, K).
        target: class numbers (N,).
        k: at most K.
    """
    if output.ndim != 2 or target.shape != output.shape[:1]:
        raise ShapeError(
            "top_k_accuracy: expected output (N, K) and target (N,), got "
            f"{output.shape} and {target.shape}"
        )
    if not 1 <= k <= output.shape[1]:
        raise ArgumentError(
            f"top_k_accuracy: k must be between 1 and the {output.shape[1]} classes, got {k}"
        )
    best = topk(output, k, dim=1).indices  # (N, k)
    return (best == target.reshape(-1, 1)).float().sum(1).mean()


@no_grad()
def binary_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of logits whose sign is right: above zero where the target is 1.

    Args:
        output: logits of any shape, as `BCEWithLogitsLoss` takes them.
        target: zeros and ones in the same shape.
    """
    if output.shape != target.shape:
        raise ShapeError(
            "binary_accuracy: output and target must have one shape, got "
            f"{output.shape} and {target.shape}"
        )
    return eq(output > 0, target > 0.5).float().mean()


def confusion_matrix(predicted: Any, target: Any, num_classes: int | None = None) -> np.ndarray:
    """Return how often each class was taken for each: an int64 array (K, K).

    Row i, column j counts the samples of class i that were called j; right answers are on the
    diagonal.

    Args:
        predicted: class numbers (N,), or outputs (N, K) whose largest entry counts.
        target: the true class numbers (N,).
        num_classes: K; default: the width of the outputs, or the largest number that occurs, plus
            1.
    """
    predicted, target = _host(predicted), _host(target)
    if predicted.ndim == 2:
        num_classes = predicted.shape[1] if num_classes is None else num_classes
        predicted = predicted.argmax(1)
    if predicted.shape != target.shape or target.ndim != 1:
        raise ShapeError(
            "confusion_matrix: expected as many predictions as targets, got shapes "
            f"{predicted.shape} and {target.shape}"
        )
    largest = int(max(predicted.max(initial=-1), target.max(initial=-1)))
    smallest = int(min(predicted.min(initial=0), target.min(initial=0)))
    count = largest + 1 if num_classes is None else num_classes
    if largest >= count or smallest < 0:
        raise LabelError(
            f"confusion_matrix: class numbers must be between 0 and {count - 1}, got {smallest} "
            f"to {largest}"
        )
    pairs = target.astype(np.int64) * count + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


class ClassScores(NamedTuple):
    """How well each class was recognised: three float arrays (K,) and an integer one."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def class_scores(confusion: np.ndarray) -> ClassScores:
    """Return precision, recall, F1 and the number of samples of each class.

    Precision is the share of right answers among those that named the class; recall the share of
    the class's samples that were found; F1 their harmonic mean. NaN where there is nothing to take
    a share of.

    Args:
        confusion: what `confusion_matrix` returned.
    """
    right = np.diagonal(confusion).astype(np.float64)
    named, support = confusion.sum(0), confusion.sum(1)
    with np.errstate(invalid="ignore"):
        precision, recall, f1 = right / named, right / support, 2 * right / (named + support)
    return ClassScores(precision, recall, f1, support)


def class_report(confusion: np.ndarray, classes: Sequence[str] | None = None) -> str:
    """Return `class_scores` as a table to be printed.

    Args:
        confusion: what `confusion_matrix` returned.
        classes: the names of the classes; default: their numbers.
    """
    names = [str(i) for i in range(len(confusion))] if classes is None else list(classes)
    width = max(len("class"), *map(len, names))
    lines = [f"{'class':<{width}}  precision  recall     f1  samples"]
    for name, p, r, f, n in zip(names, *class_scores(confusion), strict=True):
        lines.append(f"{name:<{width}}  {p:9.3f}  {r:6.3f}  {f:5.3f}  {n:7d}")
    return "\n".join(lines)


def _host(x: Any) -> np.ndarray:
    return to_device(x.array, "cpu") if isinstance(x, Tensor) else np.asarray(x)
