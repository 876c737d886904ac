"""Cases for the losses, as functions."""

from __future__ import annotations

from collections.abc import Callable

from ..nn import functional as F
from ..ops.from_data import tensor
from .case import Case, Recipe, apart, constant, distinct, labels, normal, positive, probabilities

CASES: list[Case] = []


def case(name: str, function: Callable, *recipes: Recipe) -> None:
    """Add a case."""
    CASES.append(Case(name, function, recipes))


WEIGHT = constant(tensor([0.5, 1.5, 0.7, 1.1], dtype="float64"))
SOME_IGNORED = constant(tensor([1, -100, 3]))

case("mse_loss", F.mse_loss, normal(3, 4), normal(3, 4))
case("mse_loss-none", lambda x, t: F.mse_loss(x, t, reduction="none"), normal(3, 4), normal(3, 4))
case("l1_loss", lambda x, t: F.l1_loss(x, 0.01 * t), distinct(3, 4), normal(3, 4))
case(
    "huber_loss",
    lambda x, d: F.huber_loss(x * 1.1, d * 3, delta=0.7),
    apart(3, 4, low=0.05, high=0.2),
    apart(3, 4),
)
case(
    "huber_loss-near",
    lambda x, d: F.huber_loss(x, d, reduction="sum", delta=2.0),
    apart(3, 4),
    normal(3, 4),
)
case(
    "smooth_l1_loss",
    lambda x, d: F.smooth_l1_loss(x, d * 3, beta=0.3),
    apart(3, 4, low=0.05, high=0.1),
    apart(3, 4),
)
case(
    "smooth_l1_loss-near", lambda x, d: F.smooth_l1_loss(x, d, beta=9.0), normal(3, 4), normal(3, 4)
)
case("cross_entropy", F.cross_entropy, normal(3, 4), labels(3, classes=4))
case(
    "cross_entropy-sum",
    lambda x, t: F.cross_entropy(x, t, reduction="sum"),
    normal(3, 4),
    labels(3, classes=4),
)
case(
    "cross_entropy-none",
    lambda x, t: F.cross_entropy(x, t, reduction="none"),
    normal(3, 4),
    labels(3, classes=4),
)
case("cross_entropy-weight", F.cross_entropy, normal(3, 4), labels(3, classes=4), WEIGHT)
case("cross_entropy-ignore", F.cross_entropy, normal(3, 4), SOME_IGNORED, WEIGHT)
case("cross_entropy-smoothing", lambda x, t, w: F.cross_entropy(x, t, w, label_smoothing=0.2),
     normal(3, 4), SOME_IGNORED, WEIGHT)  # fmt: skip
case("cross_entropy-probabilities", F.cross_entropy, normal(3, 4), probabilities(3, 4))
case("cross_entropy-probabilities-all",
     lambda x, t, w: F.cross_entropy(x, t, w, label_smoothing=0.3),
     normal(3, 4), probabilities(3, 4), WEIGHT)  # fmt: skip
case("cross_entropy-images", F.cross_entropy, normal(2, 3, 2, 2), labels(2, 2, 2, classes=3))
case("cross_entropy-one-sample", F.cross_entropy, normal(4), labels(classes=4))
case("nll_loss", F.nll_loss, normal(3, 4), SOME_IGNORED, WEIGHT)
case(
    "nll_loss-images",
    lambda x, t: F.nll_loss(x, t, reduction="sum"),
    normal(2, 3, 2, 2),
    labels(2, 2, 2, classes=3),
)
case(
    "binary_cross_entropy",
    F.binary_cross_entropy,
    positive(3, 4, low=0.1, high=0.9),
    positive(3, 4, low=0.1, high=0.9),
)
case("binary_cross_entropy-weight",
     lambda x, t, w: F.binary_cross_entropy(x, t, w, reduction="sum"),
     positive(3, 4, low=0.1, high=0.9), positive(3, 4, low=0.1, high=0.9), WEIGHT)  # fmt: skip
case(
    "binary_cross_entropy_with_logits",
    F.binary_cross_entropy_with_logits,
    normal(3, 4),
    positive(3, 4, low=0.1, high=0.9),
)
case("binary_cross_entropy_with_logits-weights",
     lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, w, None, None, "none", w + 1.0),
     normal(3, 4), positive(3, 4, low=0.1, high=0.9), WEIGHT)  # fmt: skip
case(
    "kl_div", lambda x, t: F.kl_div(x, t, reduction="batchmean"), normal(3, 4), probabilities(3, 4)
)
