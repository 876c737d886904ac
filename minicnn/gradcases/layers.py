"""Cases for every layer of `minicnn.nn`: its inputs and its parameters are checked together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nn
from ..ops.from_data import tensor
from ..tensor import Tensor
from .case import Case, Recipe, apart, constant, distinct, labels, normal, positive, probabilities
from .images import seeded

CASES: list[Case] = []

# Layers without a case, and why.
NO_DERIVATIVE: dict[str, str] = {"Module": "the base of all layers: it computes nothing itself"}


def layer(name: str, make: Callable[[], Any], *recipes: Recipe) -> None:
    """Add the case of a layer that `make()` returns."""
    CASES.append(Case(name, make, recipes, layer=True))


def simple(recipe: Recipe, *names: str) -> None:
    """Add layers that are made without arguments and called with one tensor."""
    for name in names:
        layer(name, getattr(nn, name), recipe)


class Seeded(nn.Module):
    """A layer that makes the same random draws at every call."""

    def __init__(self, inner: Any):
        super().__init__()
        self.inner = inner

    def forward(self, input: Tensor) -> Tensor:
        return seeded(self.inner)(input)


class Holder(nn.Module):
    """A module that uses what the containers without a forward of their own hold."""

    def __init__(self) -> None:
        super().__init__()
        self.list = nn.ModuleList([nn.Linear(3, 3), nn.Tanh()])
        self.dict = nn.ModuleDict({"out": nn.Linear(3, 2)})
        self.factors = nn.ParameterList([nn.Parameter(tensor([1.0, 2.0]))])
        self.named = nn.ParameterDict({"shift": nn.Parameter(tensor([0.5, 1.0]))})

    def forward(self, input: Tensor) -> Tensor:
        for inner in self.list:
            input = inner(input)
        return self.dict["out"](input) * self.factors[0] + self.named["shift"]


def evaluating(layer: Any) -> Any:
    """Return the layer in evaluation mode."""
    return layer.eval()


# ---------------------------------------------------------------------- dense and structural
layer("Linear", lambda: nn.Linear(3, 4), normal(2, 3))
layer("Linear-no-bias", lambda: nn.Linear(3, 4, bias=False), normal(2, 2, 3))
layer("Dense", lambda: nn.Dense(3, 4), normal(2, 3))
layer("Identity", lambda: nn.Identity(), normal(2, 3))
layer("Flatten", lambda: nn.Flatten(), normal(2, 3, 2))
layer("Unflatten", lambda: nn.Unflatten(1, (2, 2)), normal(2, 4))
layer("Embedding", lambda: nn.Embedding(5, 3), labels(2, 3, classes=5))
layer(
    "Embedding-padding",
    lambda: nn.Embedding(5, 3, padding_idx=0),
    constant(tensor([[1, 4], [2, 2]])),
)
layer(
    "Sequential",
    lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)),
    normal(2, 1, 4, 4),
)
layer("containers", Holder, normal(4, 3))

# ------------------------------------------------------------------------------ convolution
layer("Conv1d", lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), normal(2, 2, 6))
layer(
    "Conv2d",
    lambda: nn.Conv2d(2, 3, 3, stride=(2, 1), padding=1, dilation=(1, 2)),
    normal(2, 2, 5, 6),
)
layer("Conv2d-groups", lambda: nn.Conv2d(4, 4, 2, groups=2, bias=False), normal(2, 4, 3, 3))
layer("Conv2d-same", lambda: nn.Conv2d(1, 2, (3, 2), padding="same"), normal(2, 1, 4, 3))
layer(
    "Conv2d-reflect",
    lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
    normal(2, 1, 4, 3),
)
layer("ConvTranspose1d", lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), normal(2, 2, 4))
layer("ConvTranspose2d", lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, groups=2), normal(2, 2, 3, 3))

layer(
    "ConvReLU1d",
    lambda: nn.intrinsic.ConvReLU1d(nn.Conv1d(2, 3, 3, stride=2), nn.ReLU()),
    normal(2, 2, 6),
)
layer(
    "ConvReLU2d",
    lambda: nn.intrinsic.ConvReLU2d(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU()),
    normal(2, 2, 4, 3),
)
layer("LinearReLU", lambda: nn.intrinsic.LinearReLU(nn.Linear(3, 4), nn.ReLU()), normal(2, 2, 3))

# ------------------------------------------------------------------- pooling and resampling
layer("MaxPool1d", lambda: nn.MaxPool1d(3, 2, 1), distinct(2, 2, 7))
layer("MaxPool2d", lambda: nn.MaxPool2d(2), distinct(2, 2, 4, 4))
layer("AvgPool1d", lambda: nn.AvgPool1d(3, 2, 1), normal(2, 2, 7))
layer("AvgPool2d", lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), normal(1, 2, 5, 5))
layer("AdaptiveAvgPool1d", lambda: nn.AdaptiveAvgPool1d(3), normal(2, 2, 7))
layer("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d((2, 3)), normal(1, 2, 5, 4))
layer("AdaptiveMaxPool1d", lambda: nn.AdaptiveMaxPool1d(3), distinct(2, 2, 7))
layer("AdaptiveMaxPool2d", lambda: nn.AdaptiveMaxPool2d((2, 3)), distinct(1, 2, 5, 4))
layer("Upsample-nearest", lambda: nn.Upsample(scale_factor=2), normal(1, 2, 3, 2))
layer("Upsample-bilinear", lambda: nn.Upsample(size=(5, 3), mode="bilinear"), normal(1, 2, 3, 2))
layer("UpsamplingNearest2d", lambda: nn.UpsamplingNearest2d(scale_factor=2), normal(1, 2, 3, 2))
layer("UpsamplingBilinear2d", lambda: nn.UpsamplingBilinear2d(scale_factor=2), normal(1, 2, 3, 2))
layer("ConstantPad2d", lambda: nn.ConstantPad2d((1, 0, 2, 1), 3.0), normal(1, 2, 3, 2))
layer("ZeroPad2d", lambda: nn.ZeroPad2d(1), normal(1, 2, 3, 2))
layer("ReflectionPad2d", lambda: nn.ReflectionPad2d(1), normal(1, 2, 3, 2))
layer("ReplicationPad2d", lambda: nn.ReplicationPad2d(2), normal(1, 2, 3, 2))
layer("CircularPad2d", lambda: nn.CircularPad2d(1), normal(1, 2, 3, 2))

# ---------------------------------------------------------------- normalisation and dropout
layer("BatchNorm1d", lambda: nn.BatchNorm1d(3), normal(4, 3))
layer("BatchNorm1d-sequence", lambda: nn.BatchNorm1d(2, momentum=None), normal(3, 2, 3))
layer("BatchNorm2d", lambda: nn.BatchNorm2d(2), normal(3, 2, 2, 3))
layer("BatchNorm2d-evaluation", lambda: evaluating(nn.BatchNorm2d(2)), normal(2, 2, 2, 2))
layer(
    "BatchNorm2d-plain",
    lambda: nn.BatchNorm2d(2, affine=False, track_running_stats=False),
    normal(3, 2, 2, 2),
)
layer("InstanceNorm1d", lambda: nn.InstanceNorm1d(2), normal(2, 2, 5))
layer("RMSNorm", lambda: nn.RMSNorm(4), normal(2, 3, 4))
layer("InstanceNorm2d", lambda: nn.InstanceNorm2d(2, affine=True), normal(2, 2, 3, 2))
layer("LayerNorm", lambda: nn.LayerNorm((2, 3)), normal(2, 2, 3))
layer("GroupNorm", lambda: nn.GroupNorm(2, 4), normal(2, 4, 2, 2))
layer("LocalResponseNorm", lambda: nn.LocalResponseNorm(3, 0.5, 0.75, 2.0), normal(2, 5, 2, 2))
layer("Dropout", lambda: Seeded(nn.Dropout(0.4)), normal(3, 4))
layer("Dropout1d", lambda: Seeded(nn.Dropout1d(0.4)), normal(3, 4, 2))
layer("Dropout2d", lambda: Seeded(nn.Dropout2d(0.4)), normal(3, 4, 2, 2))

# ------------------------------------------------------------------------------ activations
simple(apart(3, 4), "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "Hardtanh",
       "Hardsigmoid", "Hardswish", "Softsign")  # fmt: skip
simple(normal(3, 4), "Sigmoid", "Tanh", "GELU", "SiLU", "Mish", "Softplus", "LogSigmoid")
layer("Threshold", lambda: nn.Threshold(0.1, 2.0), apart(3, 4))
layer("PReLU-channels", lambda: nn.PReLU(3), apart(2, 3, 2))
layer("Softmax", lambda: nn.Softmax(1), normal(3, 4))
layer("Softmin", lambda: nn.Softmin(1), normal(3, 4))
layer("LogSoftmax", lambda: nn.LogSoftmax(1), normal(3, 4))
layer("Softmax2d", lambda: nn.Softmax2d(), normal(2, 3, 2, 2))

# ----------------------------------------------------------------------------------- losses
CHANCES = positive(3, 4, low=0.1, high=0.9)
layer("MSELoss", lambda: nn.MSELoss(), normal(3, 4), normal(3, 4))
layer(
    "L1Loss",
    lambda: nn.L1Loss(),
    distinct(3, 4),
    constant(tensor([5.0], dtype="float64").expand(3, 4)),
)
layer("HuberLoss", lambda: nn.HuberLoss(delta=9.0), normal(3, 4), normal(3, 4))
layer("SmoothL1Loss", lambda: nn.SmoothL1Loss(beta=9.0), normal(3, 4), normal(3, 4))
layer(
    "CrossEntropyLoss",
    lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
    normal(3, 4),
    labels(3, classes=4),
)
layer("NLLLoss", lambda: nn.NLLLoss(), normal(3, 4), labels(3, classes=4))
layer("BCELoss", lambda: nn.BCELoss(), CHANCES, CHANCES)
layer("BCEWithLogitsLoss", lambda: nn.BCEWithLogitsLoss(), normal(3, 4), CHANCES)
layer("KLDivLoss", lambda: nn.KLDivLoss(reduction="batchmean"), normal(3, 4), probabilities(3, 4))
