"""Cases for convolution, pooling, resampling, normalisation, dropout and embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..nn import functional as F
from ..ops.batch_norm import ScaleShift
from ..ops.conv import Conv2d, Conv2dInputGrad, Conv2dWeightGrad
from ..ops.embedding import RowSums
from ..ops.from_data import tensor
from ..ops.fused import bias_relu
from ..ops.pool import AvgPool2d, AvgPool2dInputGrad, MaxPool2dInputGrad, MaxPool2dSelect
from ..random import get_rng_state, manual_seed, set_rng_state
from ..tensor import Tensor
from .case import Case, Recipe, constant, distinct, labels, normal, positive

CASES: list[Case] = []


def case(name: str, function: Callable, *recipes: Recipe) -> None:
    """Add a case."""
    CASES.append(Case(name, function, recipes))


def seeded(function: Callable) -> Callable:
    """Return a function that makes the same draws at every call, and leaves no trace of them."""

    def call(*inputs: Any) -> Any:
        state = get_rng_state()
        try:
            manual_seed(1)
            return function(*inputs)
        finally:
            set_rng_state(state)

    return call


NO_PADDING = ((0, 0), (0, 0))
PADDING = ((1, 0), (2, 1))

# ------------------------------------------------------------------------------ convolution
case("conv2d", F.conv2d, normal(2, 3, 5, 4), normal(4, 3, 3, 2), normal(4))
case("conv2d-no-bias", F.conv2d, normal(1, 2, 4, 4), normal(2, 2, 2, 2))
case("conv2d-1x1", F.conv2d, normal(2, 3, 3, 3), normal(2, 3, 1, 1), normal(2))
case(
    "conv2d-stride-padding",
    lambda x, w: F.conv2d(x, w, None, (2, 3), (1, 2)),
    normal(2, 2, 6, 5),
    normal(3, 2, 3, 3),
)
case(
    "conv2d-dilation",
    lambda x, w: F.conv2d(x, w, dilation=(2, 1)),
    normal(1, 2, 6, 5),
    normal(2, 2, 2, 3),
)
case(
    "conv2d-groups",
    lambda x, w, b: F.conv2d(x, w, b, groups=2),
    normal(2, 4, 4, 4),
    normal(6, 2, 3, 2),
    normal(6),
)
case(
    "conv2d-depthwise",
    lambda x, w: F.conv2d(x, w, padding=1, groups=3),
    normal(2, 3, 4, 4),
    normal(3, 1, 3, 3),
)
case(
    "conv2d-same",
    lambda x, w: F.conv2d(x, w, padding="same", dilation=2),
    normal(1, 2, 5, 4),
    normal(2, 2, 2, 3),
)
case("conv2d-one-image", F.conv2d, normal(2, 4, 4), normal(3, 2, 2, 2), normal(3))
case("conv1d", lambda x, w, b: F.conv1d(x, w, b, 2, 1), normal(2, 3, 7), normal(4, 3, 3), normal(4))
case("conv_transpose2d", F.conv_transpose2d, normal(2, 3, 3, 4), normal(3, 2, 2, 3), normal(2))
case("conv_transpose2d-all",
     lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 0), 2, (1, 2)),
     normal(1, 4, 3, 3), normal(4, 2, 3, 2), normal(4))  # fmt: skip
case(
    "conv_transpose1d",
    lambda x, w: F.conv_transpose1d(x, w, None, 2, 1, 1),
    normal(2, 3, 4),
    normal(3, 2, 3),
)
case(
    "Conv2d-uneven-padding",
    lambda x, w: Conv2d((2, 1), PADDING, (1, 2), 1)(x, w),
    normal(2, 2, 5, 5),
    normal(2, 2, 3, 2),
)
case("Conv2dInputGrad", lambda g, w: Conv2dInputGrad((6, 5), (2, 1), PADDING, (1, 2), 1)(g, w),
     normal(2, 3, 3, 6), normal(3, 2, 3, 2))  # fmt: skip
case("Conv2dWeightGrad", lambda g, x: Conv2dWeightGrad((3, 2), (2, 1), PADDING, (1, 2), 1)(g, x),
     normal(2, 3, 3, 6), normal(2, 2, 6, 5))  # fmt: skip

case("bias_relu", bias_relu, normal(2, 3, 2, 2), normal(3))
case("bias_relu-rows", lambda x, b: bias_relu(x, b, -1), normal(2, 2, 3), normal(3))

# ---------------------------------------------------------------------------------- pooling
TAPS = constant(tensor([[[[0, 3], [1, 2]]], [[[2, 2], [0, 1]]]], dtype="uint8"))
POOL = ((2, 2), (1, 2), NO_PADDING)
case("max_pool2d", lambda x: F.max_pool2d(x, 2), distinct(2, 2, 4, 4))
case("max_pool2d-overlap", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), distinct(1, 2, 6, 5))
case("max_pool2d-dilation", lambda x: F.max_pool2d(x, 2, 1, 0, (2, 1)), distinct(1, 2, 4, 4))
case("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), distinct(2, 2, 7))
case(
    "MaxPool2dInputGrad",
    lambda g, taps: MaxPool2dInputGrad((3, 4), *POOL, (1, 1))(g, taps),
    normal(2, 1, 2, 2),
    TAPS,
)
case(
    "MaxPool2dSelect",
    lambda x, taps: MaxPool2dSelect(*POOL, (1, 1))(x, taps),
    normal(2, 1, 3, 4),
    TAPS,
)
case("avg_pool2d", lambda x: F.avg_pool2d(x, 2), normal(2, 2, 4, 4))
case("avg_pool2d-overlap", lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), normal(1, 2, 6, 5))
case(
    "avg_pool2d-divisor",
    lambda x: F.avg_pool2d(x, (2, 3), 1, divisor_override=5),
    normal(1, 2, 4, 4),
)
case("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), normal(2, 2, 7))
case("AvgPool2d-op", lambda x: AvgPool2d(*POOL, (2, 2))(x, 4.0), normal(2, 1, 3, 4))
case("AvgPool2dInputGrad", lambda g: AvgPool2dInputGrad((3, 4), *POOL)(g, 4.0), normal(2, 1, 2, 2))
case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 3)), normal(1, 2, 5, 4))
case("adaptive_avg_pool2d-even", lambda x: F.adaptive_avg_pool2d(x, 2), normal(2, 1, 4, 6))
case("adaptive_avg_pool2d-global", lambda x: F.adaptive_avg_pool2d(x, 1), normal(2, 2, 3, 4))
case("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (2, 3)), distinct(1, 2, 5, 4))
case("adaptive_max_pool2d-even", lambda x: F.adaptive_max_pool2d(x, 2), distinct(1, 2, 4, 6))
case("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 3), normal(2, 2, 7))
case("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 3), distinct(2, 2, 7))

# ------------------------------------------------------------------------------- resampling
case("interpolate-nearest", lambda x: F.interpolate(x, (5, 3)), normal(1, 2, 3, 4))
case(
    "interpolate-bilinear",
    lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    normal(1, 2, 3, 2),
)
case(
    "interpolate-corners",
    lambda x: F.interpolate(x, (5, 3), mode="bilinear", align_corners=True),
    normal(1, 2, 3, 4),
)

# ---------------------------------------------------------------------------- normalisation
MEAN = constant(tensor([0.2, -0.1], dtype="float64"))
VARIANCE = constant(tensor([0.7, 1.3], dtype="float64"))
case(
    "batch_norm",
    lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
    normal(3, 2, 2, 3),
    normal(2),
    normal(2),
)
case("batch_norm-plain", lambda x: F.batch_norm(x, None, None, training=True), normal(5, 3))
case("scale-shift", lambda x, s, t: ScaleShift()(x, s, t), normal(3, 2, 4), normal(2), normal(2))
case("batch_norm-evaluation", F.batch_norm, normal(3, 2, 4), MEAN, VARIANCE, normal(2), normal(2))
case(
    "layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), normal(2, 3, 4), normal(4), normal(4)
)
case("layer_norm-image", lambda x: F.layer_norm(x, (2, 3)), normal(2, 2, 2, 3))
case(
    "group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), normal(2, 4, 2, 2), normal(4), normal(4)
)
case("group_norm-plain", lambda x: F.group_norm(x, 1), normal(2, 2, 3))
case(
    "local_response_norm", lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0), normal(2, 5, 2, 2)
)
case("normalize", lambda x: F.normalize(x, dim=1), normal(3, 4))
case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b), normal(3, 4), normal(3, 4))

# ------------------------------------------------------------------- dropout and embeddings
case("dropout", seeded(lambda x: F.dropout(x, 0.4)), normal(3, 4))
case("dropout1d", seeded(lambda x: F.dropout1d(x, 0.4)), normal(3, 4, 2))
case("dropout2d", seeded(lambda x: F.dropout2d(x, 0.4)), normal(3, 4, 2, 2))
case("embedding", F.embedding, labels(2, 3, classes=5), normal(5, 2))
case(
    "embedding-padding",
    lambda i, w: F.embedding(i, w, padding_idx=1),
    constant(tensor([[0, 2], [3, 0]])),
    normal(5, 2),
)
case("RowSums", lambda x, i: RowSums(4)(x, i), normal(2, 3, 2), labels(2, 3, classes=4))


# ------------------------------------------------------------------------ a network, by hand
def network(x: Tensor, w: Tensor, gain: Tensor, v: Tensor) -> Tensor:
    """Convolution, normalisation, tanh, pooling and a dense layer: each fits into the next."""
    h = F.batch_norm(F.conv2d(x, w, padding=1), None, None, gain, None, True)
    return F.linear(F.avg_pool2d(h.tanh(), 2).flatten(1), v)


case("network", network, normal(3, 1, 4, 4), normal(2, 1, 3, 3), positive(2), normal(3, 8))
