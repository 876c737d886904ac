"""Single operations: forward, and forward with backward, with the rate they reach.

Each case is written once for every engine with PyTorch's functions. `flops` counts the
multiply-adds of the forward pass twice; the backward pass of a convolution or product does twice as
many again. Cases without arithmetic worth counting state the bytes they must move instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Operation:
    """`run(F, *inputs)` on float32 inputs of `shapes`; work in flops or bytes, forward only."""

    title: str
    shapes: tuple[tuple[int, ...], ...]
    run: Callable[..., Any]
    flops: float = 0.0
    bytes: float = 0.0


def _conv(title: str, n: int, c: int, f: int, hw: int, k: int, **options: Any) -> Operation:
    stride, groups = options.get("stride", 1), options.get("groups", 1)
    dilation = options.get("dilation", 1)
    options["padding"] = dilation * (k - 1) // 2
    out = (hw - 1) // stride + 1
    return Operation(
        f"conv {title} {c}->{f} at {hw}x{hw}",
        ((n, c, hw, hw), (f, c // groups, k, k), (f,)),
        lambda F, x, w, b: F.conv2d(x, w, b, **options),
        flops=2.0 * n * out * out * f * (c // groups) * k * k,
    )


def _batch_norm(F: Any, x: Any, w: Any, b: Any) -> Any:
    return F.batch_norm(x, None, None, w, b, training=True)


_IMAGES = (64, 64, 32, 32)
_SIZE = 4.0 * 64 * 64 * 32 * 32

OPERATIONS = {
    "conv1x1": _conv("1x1", 64, 64, 64, 32, 1),
    "conv3x3-3": _conv("3x3", 64, 3, 32, 32, 3),
    "conv3x3-16": _conv("3x3", 128, 16, 16, 32, 3),
    "conv3x3": _conv("3x3", 64, 64, 64, 32, 3),
    "conv3x3-512": _conv("3x3", 32, 512, 512, 4, 3),
    "conv5x5": _conv("5x5", 64, 32, 32, 32, 5),
    "conv-strided": _conv("3x3 stride 2", 64, 64, 128, 32, 3, stride=2),
    "conv-grouped": _conv("3x3 groups 4", 64, 64, 64, 32, 3, groups=4),
    "conv-depthwise": _conv("3x3 depthwise", 64, 64, 64, 32, 3, groups=64),
    "conv-dilated": _conv("3x3 dilation 2", 64, 64, 64, 32, 3, dilation=2),
    "max-pool": Operation(
        "max pool 2x2", (_IMAGES,), lambda F, x: F.max_pool2d(x, 2), bytes=1.25 * _SIZE
    ),
    "avg-pool": Operation(
        "average pool 2x2", (_IMAGES,), lambda F, x: F.avg_pool2d(x, 2), bytes=1.25 * _SIZE
    ),
    "batch-norm": Operation(
        "batch norm, training", (_IMAGES, (64,), (64,)), _batch_norm, bytes=2 * _SIZE
    ),
    "relu": Operation("ReLU", (_IMAGES,), lambda F, x: F.relu(x), bytes=2 * _SIZE),
    "cross-entropy": Operation(
        "softmax cross-entropy, 1024 x 1000",
        ((1024, 1000),),
        lambda F, x: F.cross_entropy(x, F.labels),
        bytes=4.0 * 1024 * 1000,
    ),
    "linear": Operation(
        "linear 4096->512, batch 128",
        ((128, 4096), (512, 4096), (512,)),
        lambda F, x, w, b: F.linear(x, w, b),
        flops=2.0 * 128 * 4096 * 512,
    ),
    "matmul": Operation(
        "matmul 1024 x 1024",
        ((1024, 1024), (1024, 1024)),
        lambda F, a, b: a @ b,
        flops=2.0 * 1024**3,
    ),
}


# Elements and bytes for each of them that a step must move: reads of p, g and the state, writes.
OPTIMIZERS = {
    "sgd": ("SGD with momentum", "SGD", {"lr": 1e-3, "momentum": 0.9}, 20.0),
    "adam": ("Adam", "Adam", {"lr": 1e-3}, 28.0),
}
PARAMETERS = (512, 4096)


class TimedOptimizer:
    """One step of an optimizer for a matrix of PARAMETERS."""

    def __init__(self, lib: Any, optim: Any, name: str):
        rng = np.random.default_rng(0)
        _, kind, options, _ = OPTIMIZERS[name]
        self.p = lib.from_numpy(rng.standard_normal(PARAMETERS, dtype=np.float32))
        self.p.requires_grad_(True)
        self.p.grad = lib.from_numpy(rng.standard_normal(PARAMETERS, dtype=np.float32))
        self.optimizer = getattr(optim, kind)([self.p], **options)

    def step(self) -> None:
        """Do once what is timed."""
        self.optimizer.step()

    def check(self) -> list[float]:
        """Return a sum to compare between engines, after three steps."""
        for _ in range(3):
            self.step()
        return [float(np.abs(self.p.detach().numpy().astype(np.float64)).mean())]


class Functions:
    """`nn.functional` of an engine, with the labels that the cross-entropy case needs."""

    def __init__(self, lib: Any, functional: Any):
        self._functional = functional
        self.labels = lib.from_numpy(np.random.default_rng(1).integers(0, 1000, 1024))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._functional, name)


class Timed:
    """One operation on one engine; `step` runs it forward, and backward too if asked."""

    def __init__(self, lib: Any, functional: Any, operation: Operation, backward: bool):
        rng = np.random.default_rng(0)
        self.lib, self.operation, self.backward = lib, operation, backward
        self.functions = Functions(lib, functional)
        arrays = [rng.standard_normal(s, dtype=np.float32) for s in operation.shapes]
        self.inputs = [lib.from_numpy(a).requires_grad_(backward) for a in arrays]
        y = operation.run(self.functions, *self.inputs)
        # Not ones: batch norm's gradient of them is zero, and its rounding nobody's agreement.
        self.dy = lib.from_numpy(rng.standard_normal(tuple(y.shape), dtype=np.float32))

    def step(self) -> None:
        """Do once what is timed."""
        if not self.backward:
            with self.lib.no_grad():
                self.operation.run(self.functions, *self.inputs)
            return
        for x in self.inputs:
            x.grad = None
        self.operation.run(self.functions, *self.inputs).backward(self.dy)

    def check(self) -> list[float]:
        """Return sums to compare between engines: of the result, and of every gradient."""
        y = self.operation.run(self.functions, *self.inputs)
        found = [float(np.abs(y.detach().numpy().astype(np.float64)).sum())]
        if self.backward:
            self.step()
            found += [float(np.abs(x.grad.numpy().astype(np.float64)).sum()) for x in self.inputs]
        return found


def machine_peaks() -> dict[str, float]:
    """Return the machine's measured peaks: float32 products in GFLOP/s, copying in GB/s."""
    import time

    a = np.ones((2048, 2048), np.float32)
    source, target = np.ones(2**24, np.float32), np.ones(2**24, np.float32)
    best = {"gflops": 0.0, "gbytes": 0.0}
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best["gflops"] = max(best["gflops"], 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
        start = time.perf_counter()
        target[...] = source
        best["gbytes"] = max(
            best["gbytes"], 2 * source.nbytes / (time.perf_counter() - start) / 1e9
        )
    return best
