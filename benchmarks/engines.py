"""The engines, each behind the same four calls; a process imports one of them only."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np

from .operations import OPERATIONS, Timed, TimedOptimizer
from .workloads import Workload, named

ENGINES = ("minicnn", "minicnn-reference", "pytorch", "pytorch-channels-last", "dezero")
ON_GPU = ("pytorch", "minicnn", "minicnn-captured", "pytorch-channels-last")
_PACKAGE = {"minicnn": "minicnn", "pytorch": "torch", "dezero": "dezero"}


def package_of(engine: str) -> str:
    """Return the name of the package that an engine needs."""
    return _PACKAGE[engine.partition("-")[0]]


def is_installed(engine: str) -> bool:
    """Return whether the package that an engine needs can be found."""
    return importlib.util.find_spec(package_of(engine)) is not None


class TorchLike:
    """minicnn or PyTorch: the very same code runs on both, which is the point of sharing an API."""

    losses = 3  # steps whose losses are compared

    def __init__(self, engine: str, workload: Workload, threads: int, device: str = "cpu"):
        self.engine, self.workload = engine, workload
        self.lib = importlib.import_module(package_of(engine))
        self.nn = importlib.import_module(f"{package_of(engine)}.nn")
        optim = importlib.import_module(f"{package_of(engine)}.optim")
        self.lib.set_num_threads(threads)
        self.lib.manual_seed(0)
        self.model = workload.network(self.nn).to(device)
        self.loss = self.nn.CrossEntropyLoss()
        x, target = workload.data()
        self.x, self.target = (self.lib.from_numpy(a).to(device) for a in (x, target))
        if engine == "pytorch-channels-last":
            self.model = self.model.to(memory_format=self.lib.channels_last)
            self.x = self.x.to(memory_format=self.lib.channels_last)
        name, options = workload.optimizer
        self.optimizer = getattr(optim, name)(self.model.parameters(), **options)
        if not workload.training:
            self.model.eval()

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of the model's state by name."""
        return {name: v.cpu().numpy().copy() for name, v in self.model.state_dict().items()}

    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Take over another engine's state."""
        self.model.load_state_dict({n: self.lib.from_numpy(w) for n, w in weights.items()})

    def check(self) -> list[float]:
        """Return values to compare: of the output, and some steps' losses without dropout."""
        with self.without_dropout():
            steps = self.losses if self.workload.training else 0
            return [*self.output(), *(float(self.step()) for _ in range(steps))]

    def output(self) -> list[float]:
        """Return values of the output to compare."""
        with self.lib.no_grad():
            y = self.model(self.x).cpu().numpy().astype(np.float64)
        return [float(np.abs(y).sum()), float(y[0, 0]), float(y[-1, -1])]

    def dropouts(self) -> list[Any]:
        """Return the model's dropout layers."""
        return [m for m in self.model.modules() if isinstance(m, self.nn.Dropout)]

    @contextlib.contextmanager
    def without_dropout(self) -> Iterator[None]:
        """Drop nothing inside: each engine draws its own masks."""
        rates = [(m, m.p) for m in self.dropouts()]
        for m, _ in rates:
            m.p = 0.0
        yield
        for m, p in rates:
            m.p = p

    def step(self) -> float:
        """Do once what is timed; return the loss."""
        if not self.workload.training:
            with self.lib.no_grad():
                return self.model(self.x)[0, 0].item()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x), self.target)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Reference(TorchLike):
    """minicnn with every kernel replaced by the readable one."""

    def check(self) -> list[float]:
        from minicnn import kernels

        with kernels.use("reference"):
            return super().check()

    def step(self) -> float:
        from minicnn import kernels

        with kernels.use("reference"):
            return super().step()


class Images:
    """Random colour images of bytes, with the usual augmentation: padded, cropped, mirrored."""

    def __init__(self, size: int):
        from minicnn.data import transforms

        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
        self.labels = rng.integers(0, 10, size)
        self.transform = transforms.Compose([
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.transform(self.images[i]), int(self.labels[i])


class Fed(TorchLike):
    """minicnn, with every batch from a `DataLoader`, or the last one again where not `fed`."""

    fed = True

    def __init__(self, workload: Workload, threads: int, workers: int):
        from minicnn.data import DataLoader

        super().__init__("minicnn", workload, threads)
        data = Images(64 * workload.batch)
        self.loader = DataLoader(
            data, workload.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        self.batches = iter(self.loader)

    def step(self) -> float:
        """Take the next batch and do a step; an epoch's end counts too."""
        if self.fed:
            batch = next(self.batches, None)
            if batch is None:
                self.batches = iter(self.loader)
                batch = next(self.batches)
            self.x, self.target = batch
        return super().step()


def make(engine: str, name: str, threads: int, device: str = "cpu", precision: str = "") -> Any:
    """Return the engine, ready for a workload, or for an operation ("operation:forward").

    "cifar@256" is a workload with another batch size; "cifar+2" is fed by a loader with
    augmentation and two workers, "cifar+0" by one without workers. With a precision, the engine is
    one of `ON_GPU`.
    """
    case, colon, direction = name.partition(":")
    if colon:
        lib = importlib.import_module(package_of(engine))
        functional = importlib.import_module(f"{package_of(engine)}.nn.functional")
        lib.set_num_threads(threads)
        if direction == "step":
            optim = importlib.import_module(f"{package_of(engine)}.optim")
            return TimedOptimizer(lib, optim, case)
        return Timed(lib, functional, OPERATIONS[case], direction == "backward")
    name, _, workers = name.partition("+")
    workload = named(name)
    if precision:
        from .precision_engine import Precise

        return Precise(engine, workload, device, precision)
    if workers:
        return Fed(workload, threads, int(workers))
    if engine == "dezero":
        from .dezero_engine import DeZero

        return DeZero(workload, threads)
    kind = Reference if engine == "minicnn-reference" else TorchLike
    return kind(engine, workload, threads)


def describe_machine() -> dict[str, Any]:
    """Return what a reader needs to judge the figures: processor, cores, versions."""
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next(
                (line.split(":")[1].strip() for line in file if "model name" in line), model
            )
    versions = {}
    for name in ("numpy", "minicnn", "torch", "dezero"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }
