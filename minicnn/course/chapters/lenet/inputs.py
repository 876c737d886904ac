"""The inputs that exercises about LeNet-5 are judged on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .... import nn
from ....autograd import no_grad
from ....ops.from_data import tensor
from ....optim import SGD
from ....tensor import Tensor
from ...draws import Rng, whole
from ...exercise import Case

CONVOLUTIONS = (  # shape, filters, size, stride, padding
    ((1, 1, 1), 1, 1, 1, 0),
    ((1, 3, 3), 1, 2, 1, 0),
    ((1, 3, 3), 2, 3, 1, 1),
    ((2, 3, 4), 1, 2, 1, 0),
    ((3, 5, 4), 2, 3, 2, 0),
    ((3, 6, 9), 4, 3, 2, 1),
    ((1, 28, 28), 6, 5, 1, 2),
    ((6, 14, 14), 16, 5, 1, 0),
)

LENET = [
    ("conv", 6, 5, 1, 2),
    ("relu",),
    ("pool", 2, 2),
    ("conv", 16, 5, 1, 0),
    ("relu",),
    ("pool", 2, 2),
    ("flatten",),
    ("dense", 120),
    ("relu",),
    ("dense", 84),
    ("relu",),
    ("dense", 10),
]

NETWORKS: tuple[tuple[tuple[int, int, int], list[tuple[Any, ...]]], ...] = (
    ((1, 2, 3), [("flatten",)]),
    ((2, 2, 3), [("relu",), ("flatten",)]),
    ((1, 1, 2), [("flatten",), ("dense", 1)]),
    ((2, 2, 3), [("flatten",), ("dense", 3), ("relu",), ("dense", 2)]),
    ((3, 4, 5), [("conv", 2, 3, 1, 0), ("relu",)]),
    ((3, 7, 5), [("pool", 3, 2)]),
    ((3, 6, 5), [("conv", 4, 3, 2, 1), ("pool", 2, 1), ("flatten",), ("dense", 2)]),
    ((1, 28, 28), LENET),
    ((3, 32, 32), LENET),
)


def convolutions(rng: Rng) -> Iterator[Case]:
    """Yield shape, filters, size, stride and padding."""
    for values in CONVOLUTIONS:
        yield dict(zip(("shape", "filters", "size", "stride", "padding"), values, strict=True))


def networks(rng: Rng) -> Iterator[Case]:
    """Yield shape and layers."""
    for shape, layers in NETWORKS:
        yield {"shape": shape, "layers": layers}


def image_sets(rng: Rng) -> Iterator[Case]:
    """Yield train and test: channels of different means, one that is constant, all dtypes."""
    for n, m, c, h, w, dtype in (
        (2, 1, 1, 1, 1, np.float64),
        (1, 1, 1, 1, 2, np.float64),
        (2, 2, 2, 1, 1, np.float32),
        (2, 3, 2, 2, 2, np.uint8),
        (3, 3, 3, 3, 3, np.uint8),
        (4, 2, 3, 2, 5, np.float32),
    ):
        means = 10 * np.arange(1, c + 1)[:, None, None]
        train, test = (whole(rng, count, c, h, w) + means for count in (n, m))
        train.flat[0] += 2  # never all equal
        test += 1  # nor of the same mean
        yield {"train": train.astype(dtype), "test": test.astype(dtype)}
        if c > 1:
            constant = train.copy()
            constant[:, -1] = 7
            yield {"train": constant.astype(dtype), "test": test.astype(dtype)}


class Stream(np.random.Generator):
    """A generator of random numbers that a message can show."""

    def __init__(self, seed: int):
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        copy = Stream(self.seed)
        copy.bit_generator.state = self.bit_generator.state
        return copy

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"


def orders(rng: Rng) -> Iterator[Case]:
    """Yield n, batch_size and rng."""
    for n, size in ((1, 1), (2, 3), (3, 1), (4, 2), (5, 2), (7, 3), (9, 3), (10, 4), (6, 6)):
        yield {"n": n, "batch_size": size, "rng": Stream(int(rng.integers(1, 1000)))}


class Network(nn.Sequential):
    """Layers in float64, with drawn weights, in evaluation."""

    def __init__(self, rng: Rng, *layers: nn.Module):
        super().__init__(*layers)
        self.double().eval()
        with no_grad():
            for parameter in self.parameters():
                parameter.copy_(tensor(whole(rng, *parameter.shape) / 4))

    def __repr__(self) -> str:
        return f"network of {', '.join(type(layer).__name__ for layer in self)}"


class Descent(SGD):
    """SGD in few words."""

    def __repr__(self) -> str:
        return f"SGD(lr={self.param_groups[0]['lr']})"


def epochs(rng: Rng) -> Iterator[Case]:
    """Yield model, optimizer, loss_fn and batches."""
    for sizes in ((2,), (1, 1), (2, 2, 2), (3, 1), (3, 3, 2)):
        yield training(Network(rng, nn.Linear(2, 1)), pairs(rng, sizes))
    for sizes in ((3, 2), (4, 4, 2)):
        layers = nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)
        yield training(Network(rng, *layers), pairs(rng, sizes))


def training(model: Network, batches: list[tuple[Tensor, Tensor]]) -> Case:
    """Return the arguments of a training of `model`."""
    optimizer = Descent(model.parameters(), lr=0.05)
    return {"model": model, "optimizer": optimizer, "loss_fn": nn.MSELoss(), "batches": batches}


def pairs(rng: Rng, sizes: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """Return batches of these sizes: features (N, 2) and targets (N, 1)."""
    return [(tensor(whole(rng, n, 2)), tensor(whole(rng, n, 1))) for n in sizes]


def scored(rng: Rng) -> Iterator[Case]:
    """Yield scores and labels; about half of the answers are right."""
    for n, c in ((1, 2), (2, 2), (2, 3), (3, 3), (4, 3), (5, 5), (8, 4), (9, 3), (20, 10), (60, 5)):
        scores = rng.permutation(n * c).reshape(n, c) - n * c / 2
        right = rng.random(n) < 0.5
        right[: n // 3] = True
        labels = np.where(right, scores.argmax(axis=1), rng.integers(0, c, n))
        yield {"scores": scores, "labels": labels}


def guesses(rng: Rng) -> Iterator[Case]:
    """Yield labels, predictions and classes: pairs that repeat, and classes that do not occur."""
    for labels, predictions, classes in (
        ([0], [0], 1),
        ([0], [1], 2),
        ([0, 0, 1], [0, 0, 1], 2),
        ([1, 1, 0, 0], [0, 0, 1, 0], 2),
        ([0, 1, 1], [0, 0, 1], 3),
        ([2, 0, 2, 2], [0, 0, 1, 1], 4),
    ):
        yield {
            "labels": np.array(labels, dtype=np.int64),
            "predictions": np.array(predictions, dtype=np.int64),
            "classes": classes,
        }
    for n, classes in ((8, 3), (30, 4)):
        labels, predictions = rng.integers(0, classes, (2, n))
        yield {"labels": labels, "predictions": predictions, "classes": classes}
