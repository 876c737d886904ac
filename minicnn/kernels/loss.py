"""Cross entropy of scores and labels, with its softmax inside; see `minicnn.ops.classification`.

This is the reference, for the arrays of any module. Scores are x (M, C) and labels (M,), int64; a
label that is `ignored` counts for nothing. Everything is computed in float32 at least.
"""

from __future__ import annotations

from typing import Any

from ..backend import array_module
from .layout import at_least_float32


def cross_entropy(
    x: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float
) -> tuple[Any, Any, Any]:
    """Return the loss, (M,) or (), log softmax(x), (M, C), and the sum of the labels' weights, ().

    loss_i = (1 - s) w_t (-log p_it) + (s / C) sum_c w_c (-log p_ic) for the label t, smoothing s
    and class weights w, all 1 if `weight` is None. The mean divides by the sum of the w_t.
    """
    log_p = log_softmax(at_least_float32(x))
    return of_log_softmax(log_p, target, weight, ignored, reduction, smoothing)


def log_softmax(x: Any, out: Any = None) -> Any:
    """Return log softmax(x), row by row, in `out` if it is given."""
    xp = array_module(x)
    log_p = xp.subtract(x, x.max(1, keepdims=True), out=out)
    log_p -= xp.log(xp.exp(log_p).sum(1, keepdims=True))
    return log_p


def of_log_softmax(
    log_p: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float
) -> tuple[Any, Any, Any]:
    """Return what `cross_entropy` does, from log softmax(x)."""
    xp = array_module(log_p)
    kept, labels, w = _labels(target, weight, ignored, log_p)
    loss = w * -log_p[xp.arange(len(labels)), labels]
    if smoothing:
        every = log_p.sum(1) if weight is None else log_p @ weight
        share = smoothing / log_p.shape[1] * kept.astype(log_p.dtype)
        loss = (1.0 - smoothing) * loss - share * every
    loss = xp.where(kept, loss, 0)  # not a product: what is ignored may be NaN
    total = w.sum()
    if reduction == "none":
        return loss, log_p, total
    return (loss.sum() / total if reduction == "mean" else loss.sum()), log_p, total


def cross_entropy_grad(
    dy: Any, log_p: Any, target: Any, weight: Any, total: Any, ignored: int, reduction: str,
    smoothing: float,
) -> Any:  # fmt: skip
    """Return dx_ic = dloss_i (p_ic sum_k q_ik - q_ic), q_i = (1 - s) w_t e_t + (s / C) w."""
    xp, classes = array_module(log_p), log_p.shape[1]
    kept, labels, w = _labels(target, weight, ignored, log_p)
    dloss = dy / total if reduction == "mean" else dy
    dloss = xp.where(kept, dloss, 0)  # (M,); 0 even where the mean was 0 / 0
    hit = (1.0 - smoothing) * w * dloss  # (M,), q of the label
    share = smoothing / classes * dloss  # (M,), q of every class
    dx = xp.exp(log_p)
    dx *= (hit + share * (classes if weight is None else weight.sum()))[:, None]
    dx[xp.arange(len(labels)), labels] -= hit
    if smoothing:
        dx -= share[:, None] if weight is None else share[:, None] * weight
    return dx


def _labels(target: Any, weight: Any, ignored: int, log_p: Any) -> tuple[Any, Any, Any]:
    """Return which labels count, the labels with 0 for the others, and their weights."""
    kept = target != ignored
    labels = array_module(target).where(kept, target, 0)
    w = kept.astype(log_p.dtype)
    return kept, labels, w if weight is None else weight[labels] * w
