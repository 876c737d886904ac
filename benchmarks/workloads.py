"""What is measured: one training step of each network, and inference on a single image.

A training step is zero_grad, forward, loss, backward and the optimizer's step, in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import networks


@dataclass(frozen=True)
class Workload:
    """One network with its batch and optimizer; `optimizer` is (class name, options)."""

    title: str
    network: Callable[[Any], Any]
    image: tuple[int, int, int]
    batch: int
    optimizer: tuple[str, dict[str, Any]]
    training: bool = True

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch: images (N, C, H, W) in float32 and labels (N,)."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, *self.image), dtype=np.float32)
        return x, rng.integers(0, 10, self.batch)


ADAM = ("Adam", {"lr": 1e-3})
MOMENTUM = ("SGD", {"lr": 0.01, "momentum": 0.9})
NESTEROV = ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4})

WORKLOADS = {
    "lenet5": Workload("LeNet-5", networks.lenet5, (1, 28, 28), 64, ADAM),
    "cifar": Workload("CIFAR network", networks.cifar, (3, 32, 32), 128, MOMENTUM),
    "keras": Workload("Keras-style network", networks.keras_style, (3, 32, 32), 64, ADAM),
    "resnet20": Workload("ResNet-20", networks.resnet20, (3, 32, 32), 128, NESTEROV),
    "vgg11": Workload(
        "VGG-11 with batch norm", networks.vgg11, (3, 32, 32), 32, ("SGD", {"lr": 0.01})
    ),
    "large": Workload("224 x 224 network", networks.large_images, (3, 224, 224), 16, ADAM),
    "lenet5-latency": Workload("LeNet-5, batch 1", networks.lenet5, (1, 28, 28), 1, ADAM, False),
    "resnet20-latency": Workload(
        "ResNet-20, batch 1", networks.resnet20, (3, 32, 32), 1, ADAM, False
    ),
}


def named(name: str) -> Workload:
    """Return a workload by its name; "cifar@256" is one with another batch size."""
    name, _, batch = name.partition("@")
    return replace(WORKLOADS[name], batch=int(batch)) if batch else WORKLOADS[name]
