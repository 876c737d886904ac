"""Layers as functions: what has parameters is given them as arguments.

>>> import minicnn.nn.functional as F
>>> F.relu(F.conv2d(x, weight, bias, padding=1))

The functions live in `minicnn.ops`, each with its equation, derivative and source; here are their
names, as in ``torch.nn.functional``.
"""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedNameError, nearest
from ..ops.activation import (
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    relu_,
    threshold,
)
from ..ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from ..ops.batch_norm import batch_norm
from ..ops.binary_loss import binary_cross_entropy, binary_cross_entropy_with_logits
from ..ops.classification import cross_entropy, nll_loss
from ..ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ..ops.creation import one_hot
from ..ops.dropout import dropout, dropout1d, dropout2d
from ..ops.elementwise import sigmoid, tanh
from ..ops.embedding import embedding
from ..ops.linear import linear
from ..ops.loss import (
    cosine_similarity,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    normalize,
    smooth_l1_loss,
)
from ..ops.norm import group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from ..ops.pad import pad
from ..ops.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from ..ops.resample import interpolate, upsample
from ..ops.smooth import celu, elu, gelu, logsigmoid, mish, selu, silu, softplus, softsign
from ..ops.softmax import log_softmax, softmax, softmin

__all__ = [
    "linear", "embedding", "one_hot",
    "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d",
    "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "interpolate", "upsample", "pad",
    "batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm",
    "normalize",
    "dropout", "dropout1d", "dropout2d",
    "relu", "relu_", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardtanh", "hardsigmoid", "hardswish", "threshold", "sigmoid", "logsigmoid", "tanh",
    "softsign",
    "softplus", "softmax", "log_softmax", "softmin",
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "cosine_similarity",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedNameError(
        f"nn.functional.{name}: minicnn has no such function, though PyTorch "
        f"may.{nearest(name, __all__)}"
    )
