"""Kernels: the inner loops of minicnn, on arrays only, and the table that says which one runs.

Every kernel has a reference implementation, written to be read, for the arrays of any module. Some
have a tuned one besides, for arrays that qualify. `get` picks; nothing else in minicnn knows that
there is more than one. ``with use("reference"):`` runs everything on the reference, to see whether
a strange result comes from a tuned kernel, or to step through one that can be read.

Conventions: images (N, C, H, W), filters (F, C / groups, KH, KW), cross-correlation; ``stride`` and
``dilation`` are pairs, ``padding`` is ((top, bottom), (left, right)).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import UnknownNameError, nearest
from . import (
    cpu,
    cpu_loss,
    cpu_matmul,
    cpu_norm,
    cpu_pool,
    cpu_relu,
    cpu_sum,
    cuda,
    cuda_blas,
    cuda_columns,
    cuda_conv,
    cuda_loss,
    cuda_pool,
    cuda_relu,
    cuda_steps,
    loss,
    noise,
    norm,
    reference,
    resample,
    steps,
)

TABLE: dict[str, dict[str, Callable[..., Any]]] = {
    "conv2d": {
        "reference": reference.conv2d,
        "cpu": cpu.conv2d,
        "cuda": cuda_conv.conv2d,
    },
    "conv2d_input_grad": {
        "reference": reference.conv2d_input_grad,
        "cpu": cpu.conv2d_input_grad,
        "cuda": cuda_conv.conv2d_input_grad,
    },
    "conv2d_weight_grad": {
        "reference": reference.conv2d_weight_grad,
        "cpu": cpu.conv2d_weight_grad,
        "cuda": cuda_conv.conv2d_weight_grad,
    },
    "max_pool2d": {
        "reference": reference.max_pool2d,
        "cpu": cpu_pool.max_pool2d,
        "cuda": cuda_pool.max_pool2d,
    },
    "max_pool2d_input_grad": {
        "reference": reference.max_pool2d_input_grad,
        "cpu": cpu_pool.max_pool2d_input_grad,
        "cuda": cuda_pool.max_pool2d_input_grad,
    },
    "max_pool2d_select": {"reference": reference.max_pool2d_select},
    "avg_pool2d": {
        "reference": reference.avg_pool2d,
        "cpu": cpu_pool.avg_pool2d,
        "cuda": cuda_pool.avg_pool2d,
    },
    "avg_pool2d_input_grad": {
        "reference": reference.avg_pool2d_input_grad,
        "cpu": cpu_pool.avg_pool2d_input_grad,
        "cuda": cuda_pool.avg_pool2d_input_grad,
    },
    "matmul": {
        "reference": reference.matmul,
        "cpu": cpu_matmul.matmul,
        "cuda": cuda_blas.matmul,
    },
    "relu": {"reference": reference.relu, "cpu": cpu_relu.relu, "cuda": cuda_relu.relu},
    "relu_grad": {
        "reference": reference.relu_grad,
        "cpu": cpu_relu.relu_grad,
        "cuda": cuda_relu.relu_grad,
    },
    "bias_relu": {
        "reference": reference.bias_relu,
        "cpu": cpu_relu.bias_relu,
        "cuda": cuda_relu.bias_relu,
    },
    "bias_relu_grad": {
        "reference": reference.bias_relu_grad,
        "cpu": cpu_relu.bias_relu_grad,
        "cuda": cuda_columns.bias_relu_grad,
    },
    "sum": {"reference": reference.sum, "cpu": cpu_sum.sum, "cuda": cuda_columns.sum},
    "cross_entropy": {
        "reference": loss.cross_entropy,
        "cpu": cpu_loss.cross_entropy,
        "cuda": cuda_loss.cross_entropy,
    },
    "cross_entropy_grad": {
        "reference": loss.cross_entropy_grad,
        "cuda": cuda_loss.cross_entropy_grad,
    },
    "resample": {"reference": resample.resample},
    "channel_norm": {
        "reference": norm.channel_norm,
        "cpu": cpu_norm.channel_norm,
        "cuda": cuda_columns.channel_norm,
    },
    "channel_norm_grad": {
        "reference": norm.channel_norm_grad,
        "cpu": cpu_norm.channel_norm_grad,
        "cuda": cuda_columns.channel_norm_grad,
    },
    "dropout_mask": {"reference": noise.dropout_mask, "cpu": noise.dropout_mask_in_pieces},
    "scale_shift": {
        "reference": norm.scale_shift,
        "cpu": cpu_norm.scale_shift,
        "cuda": cuda_columns.scale_shift,
    },
    "sgd_step": {"reference": steps.sgd_step, "cuda": cuda_steps.sgd_step},
    "adam_step": {"reference": steps.adam_step, "cuda": cuda_steps.adam_step},
    "adagrad_step": {"reference": steps.adagrad_step, "cuda": cuda_steps.adagrad_step},
    "rmsprop_step": {"reference": steps.rmsprop_step, "cuda": cuda_steps.rmsprop_step},
}


def _fits_cpu(*arrays: Any) -> bool:
    """Floating NumPy arrays of one dtype (the winners' integers aside), none of them empty."""
    dtype = arrays[0].dtype
    if dtype.kind != "f":
        return False
    for a in arrays:  # `all` of a generator takes twice as long
        if type(a) is not np.ndarray or a.size == 0:
            return False
        if a.dtype is not dtype and a.dtype != dtype and a.dtype.kind not in "iu":
            return False
    return True


QUALIFIES: dict[str, Callable[..., bool]] = {"cpu": _fits_cpu, "cuda": cuda.fits}


class _Choice(threading.local):
    forced: str | None = None


_choice = _Choice()


def get(name: str, *arrays: Any) -> Callable[..., Any]:
    """Return the kernel `name` for these arrays: a tuned one if they qualify, or the reference."""
    implementations = TABLE[name]
    if _choice.forced != "reference":
        for kind, qualifies in QUALIFIES.items():
            if kind in implementations and qualifies(*arrays):
                return implementations[kind]
    return implementations["reference"]


@contextlib.contextmanager
def use(kind: str) -> Iterator[None]:
    """Run every kernel of this thread on the ``"reference"`` inside a `with` block.

    ``use("tuned")`` goes back to the usual choice.
    """
    if kind not in ("reference", "tuned"):
        raise UnknownNameError(
            f"kernels.use: '{kind}' is not known; use 'reference' or 'tuned'."
            + nearest(kind, ("reference", "tuned"))
        )
    before, _choice.forced = _choice.forced, kind
    try:
        yield
    finally:
        _choice.forced = before
