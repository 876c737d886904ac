"""Cross entropy on a GPU; the kernels are in `loss.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import array_module
from .cuda import BLOCK, kernel, launch, wide

ROWS = BLOCK // 32  # of a block: a warp for each


def cross_entropy(
    x: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float
) -> tuple[Any, Any, Any]:
    """See `loss.cross_entropy`."""
    xp, number = array_module(x), wide(x.dtype)
    x = xp.ascontiguousarray(x)
    target, weight = _operands(target, weight, number)
    count, classes = x.shape
    log_p = xp.empty(x.shape, dtype=number)
    losses, weights = xp.empty(count, dtype=number), xp.empty(count, dtype=number)
    y, total = xp.empty((), dtype=number), xp.empty((), dtype=number)
    sizes = (count, classes, np.int64(ignored), number(smoothing))
    grid = (-(-count // ROWS),)
    rows, reduce = (kernel("loss.cu", name, x.dtype.char) for name in ("rows", "reduce"))
    launch(rows, grid, (BLOCK,), x, target, weight, log_p, losses, weights, *sizes)
    launch(reduce, (1,), (BLOCK,), losses, weights, y, total, count, np.bool_(reduction == "mean"))
    return (losses if reduction == "none" else y), log_p, total


def cross_entropy_grad(
    dy: Any, log_p: Any, target: Any, weight: Any, total: Any, ignored: int, reduction: str,
    smoothing: float,
) -> Any:  # fmt: skip
    """See `loss.cross_entropy_grad`."""
    xp, number = array_module(log_p), log_p.dtype.type
    log_p = xp.ascontiguousarray(log_p)
    dy = dy.astype(number, order="C", copy=False)
    target, weight = _operands(target, weight, number)
    (count, classes), dx = log_p.shape, xp.empty(log_p.shape, dtype=number)
    function = kernel("loss.cu", "gradient", log_p.dtype.char)
    arrays = (dy, log_p, target, weight, total if reduction == "mean" else None, dx)
    sizes = (count, classes, np.int64(ignored), number(smoothing), np.bool_(dy.ndim > 0))
    launch(function, (-(-count // ROWS),), (BLOCK,), *arrays, *sizes)
    return dx


def _operands(target: Any, weight: Any, number: Any) -> tuple[Any, Any]:
    """Return the labels and the class weights, if there are any, as the kernels read them."""
    if weight is not None:
        weight = weight.astype(number, order="C", copy=False)
    return array_module(target).ascontiguousarray(target), weight
