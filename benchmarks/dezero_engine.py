"""DeZero 0.0.13, as its registry package has it, on the two workloads that it is compared on.

One patch, because the package was written for an older NumPy: ``numpy.int``, which it names when it
is imported, is set to ``int``. Nothing of its computation changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .workloads import Workload

np.int = int  # type: ignore[attr-defined]

import dezero  # noqa: E402
import dezero.functions as F  # noqa: E402
import dezero.layers as L  # noqa: E402


class Network(dezero.Model):
    """The stages of a `Sequential` of convolution, ReLU, max pooling, flatten and linear layers."""

    def __init__(self, stages: list[tuple[str, Any]]):
        super().__init__()
        self.stages = stages
        for i, (kind, layer) in enumerate(stages):
            if kind in ("conv", "linear"):
                setattr(self, f"l{i}", layer)

    def forward(self, x: Any) -> Any:
        for kind, layer in self.stages:
            if kind == "relu":
                x = F.relu(x)
            elif kind == "pool":
                x = F.pooling(x, 2, 2)
            elif kind == "flatten":
                x = F.reshape(x, (x.shape[0], -1))
            else:
                x = layer(x)
        return x


def lenet5() -> list[tuple[str, Any]]:
    """The stages of `networks.lenet5`."""
    relu, pool = ("relu", None), ("pool", None)
    return [
        ("conv", L.Conv2d(6, 5, pad=2, in_channels=1)), relu, pool,
        ("conv", L.Conv2d(16, 5, in_channels=6)), relu, pool, ("flatten", None),
        ("linear", L.Linear(120, in_size=400)), relu, ("linear", L.Linear(84, in_size=120)), relu,
        ("linear", L.Linear(10, in_size=84)),
    ]  # fmt: skip


def cifar() -> list[tuple[str, Any]]:
    """The stages of `networks.cifar`."""
    relu, pool = ("relu", None), ("pool", None)
    return [
        ("conv", L.Conv2d(32, 3, pad=1, in_channels=3)), relu, pool,
        ("conv", L.Conv2d(64, 3, pad=1, in_channels=32)), relu, pool,
        ("conv", L.Conv2d(64, 3, pad=1, in_channels=64)), relu, ("flatten", None),
        ("linear", L.Linear(512, in_size=4096)), relu, ("linear", L.Linear(10, in_size=512)),
    ]  # fmt: skip


STAGES = {"LeNet-5": lenet5, "CIFAR network": cifar}


class DeZero:
    """The four calls of an engine, for DeZero."""

    def __init__(self, workload: Workload, threads: int):
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
        self.workload = workload
        self.model = Network(STAGES[workload.title]())
        self.x, self.target = workload.data()
        name, options = workload.optimizer
        make = dezero.optimizers.Adam if name == "Adam" else dezero.optimizers.MomentumSGD
        self.optimizer = make(options["lr"], *([options["momentum"]] if name == "SGD" else []))
        self.optimizer.setup(self.model)

    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Take over another engine's state; DeZero keeps a linear layer's matrix transposed."""
        for i, (kind, layer) in enumerate(self.model.stages):
            if kind in ("conv", "linear"):
                w = weights[f"{i}.weight"]
                layer.W.data = w.copy() if kind == "conv" else np.ascontiguousarray(w.T)
                layer.b.data = weights[f"{i}.bias"].copy()

    def check(self) -> list[float]:
        """Return values to compare: sums of the output, and the losses of three steps."""
        with dezero.no_grad():
            y = self.model(self.x).data.astype(np.float64)
        outputs = [float(np.abs(y).sum()), float(y[0, 0]), float(y[-1, -1])]
        return outputs + [self.step() for _ in range(3)]

    def step(self) -> float:
        """Do one training step; return the loss."""
        self.model.cleargrads()
        loss = F.softmax_cross_entropy(self.model(self.x), self.target)
        loss.backward()
        self.optimizer.update()
        return float(loss.data)
