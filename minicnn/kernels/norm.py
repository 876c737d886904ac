"""Batch normalisation on matrices of one pixel a row, (R, C): every column gets mean 0 and
variance 1.

The reference, for the arrays of any module. Sums over rows are made in float64: added one after
another, 100,000 float32 numbers would lose three digits.
"""

from __future__ import annotations

from typing import Any

from ..backend import array_module

Arrays = tuple[Any, Any, Any]


def batch_norm(x: Any, w: Any, b: Any, eps: float) -> Arrays:
    """Return y = w (x - mean) / sqrt(var + eps) + b, and the columns' mean and (biased)
    variance."""
    mean = x.mean(0, dtype="float64").astype(x.dtype)  # (C,)
    centred = x - mean  # (R, C)
    var = (centred * centred).mean(0, dtype="float64").astype(x.dtype)  # (C,)
    return centred * (w / array_module(x).sqrt(var + eps)) + b, mean, var


def batch_norm_grad(dy: Any, x: Any, w: Any, mean: Any, inv_std: Any) -> Arrays:
    """Return (dx, dw, db) for the mean and 1 / sqrt(var + eps) that the forward pass found."""
    x_hat = (x - mean) * inv_std
    db = dy.sum(0, dtype="float64").astype(x.dtype)  # (C,)
    dw = (dy * x_hat).sum(0, dtype="float64").astype(x.dtype)  # (C,)
    return w * inv_std * (dy - db / len(x) - x_hat * (dw / len(x))), dw, db


def scale_shift(x: Any, scale: Any, shift: Any) -> Any:
    """Return x scale + shift, one scale and one shift for every column."""
    return x * scale + shift
