"""Normalisation over groups of channels: each group gets mean 0 and variance 1.

Arrays are (B, P, C): P pixels of C channels in each of B parts, with own statistics for each part
and each of G groups of neighbouring channels. Batch norm is one part that holds all images, and G
= C; group norm has one part for each image; instance norm has one part for each image, and G = C.

This is the reference, for the arrays of any module. Sums are made in float64: added one after
another, 100,000 float32 numbers would lose three digits. Images of float16 are normalised in
float32, which is the dtype of all that belongs to a channel or a group.

Tutorial: tutorials/05_batch_normalisation.ipynb
"""

from __future__ import annotations

from typing import Any

from ..backend import array_module
from .layout import in_float32

Arrays = tuple[Any, Any, Any]


@in_float32
def channel_norm(x: Any, w: Any, b: Any, groups: int, eps: float) -> Arrays:
    """Return y = w (x - mean) / sqrt(var + eps) + b, and the mean and (biased) variance, (B, G).

    Shapes: x, y (B, P, C), w, b (C,).
    """
    parts = x.reshape(*x.shape[:2], groups, -1)  # (B, P, G, C / G)
    mean = parts.mean((1, 3), dtype="float64", keepdims=True).astype(x.dtype)  # (B, 1, G, 1)
    centred = parts - mean
    var = (centred * centred).mean((1, 3), dtype="float64", keepdims=True).astype(x.dtype)
    y = (centred / array_module(x).sqrt(var + eps)).reshape(x.shape) * w + b
    return y, mean[:, 0, :, 0], var[:, 0, :, 0]


@in_float32
def channel_norm_grad(dy: Any, x: Any, w: Any, mean: Any, inv_std: Any) -> Arrays:
    """Return (dx, dw, db) for the mean and 1 / sqrt(var + eps), (B, G), of the forward pass."""
    shape = (*x.shape[:2], mean.shape[1], -1)  # (B, P, G, C / G)
    r = inv_std[:, None, :, None]
    x_hat = (x.reshape(shape) - mean[:, None, :, None]) * r
    dx_hat = (dy * w).reshape(shape)
    along_one = dx_hat.mean((1, 3), dtype="float64", keepdims=True).astype(x.dtype)
    along_x = (dx_hat * x_hat).mean((1, 3), dtype="float64", keepdims=True).astype(x.dtype)
    dx = r * (dx_hat - along_one - x_hat * along_x)
    dw = (dy * x_hat.reshape(x.shape)).sum((0, 1), dtype="float64").astype(x.dtype)  # (C,)
    db = dy.sum((0, 1), dtype="float64").astype(x.dtype)  # (C,)
    return dx.reshape(x.shape), dw, db


def scale_shift(x: Any, scale: Any, shift: Any) -> Any:
    """Return x scale + shift, one scale and one shift for every channel: (B, P, C) and (C,)."""
    return x * scale + shift
