"""What is measured beside the workloads: operations, scaling, the input pipeline, importing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from .measure import Case, engines_side_by_side, in_turns, measure, summarise
from .operations import OPERATIONS, OPTIMIZERS, PARAMETERS, machine_peaks

THREADED = ("cifar", "resnet20", "vgg11")
BATCHES = (32, 64, 128, 256)


def operations(engines: list[str], threads: int, steps: int) -> dict[str, Any]:
    """Print every operation's time in minicnn and PyTorch, their ratio, and the rate reached."""
    engines = [e for e in engines if e in ("minicnn", "pytorch")]
    peaks = machine_peaks()
    print(
        f"\nOperations, float32. Measured peaks: {peaks['gflops']:.0f} GFLOP/s in products, ",
        end="",
    )
    print(f"{peaks['gbytes']:.0f} GB/s copied")
    print(f"  {'':47}{'minicnn':>11}{'PyTorch':>11}{'ratio':>8}   minicnn reaches")
    found: dict[str, Any] = {"peaks": peaks}
    for name, operation in OPERATIONS.items():
        for direction in ("forward", "backward"):
            work = (operation.flops or operation.bytes) * (3 if direction == "backward" else 1)
            unit = "GFLOP/s" if operation.flops else "GB/s"
            title = f"{operation.title:36}{'+ ' * (direction == 'backward') + direction:11}"
            case = f"{name}:{direction}"
            found[case] = engines_side_by_side(case, engines, threads, steps)
            _print_operation(title, found[case], engines, work, unit)
    for name, (title, _, _, bytes_each) in OPTIMIZERS.items():
        work = bytes_each * PARAMETERS[0] * PARAMETERS[1]
        found[name] = engines_side_by_side(f"{name}:step", engines, threads, steps)
        title = f"{title}, {PARAMETERS[0] * PARAMETERS[1] / 1e6:.1f} million parameters"
        _print_operation(f"{title:47}", found[name], engines, work, "GB/s")
    return found


def _print_operation(
    title: str, summary: dict[str, Any], engines: list[str], work: float, unit: str
) -> None:
    times = [f"{summary[e]['median_s'] * 1e3:.2f} ms" if e in summary else "-" for e in engines]
    ratio = summary["minicnn"].get("time_over_pytorch")
    rate = work / summary["minicnn"]["median_s"] / 1e9
    cells = "".join(f"{t:>11}" for t in times)
    print(
        f"  {title}{cells}{'-' if ratio is None else f'{ratio:.2f}':>8}{rate:>9.0f} {unit}",
        flush=True,
    )


def scaling(engines: list[str], steps: int) -> dict[str, Any]:
    """Print how much faster two threads are than one, and the time for each image of a batch."""
    engines = [e for e in engines if e in ("minicnn", "pytorch")]
    found: dict[str, Any] = {}
    print("\nTraining step with one thread, with two, and how many times as fast that is")
    for workload in THREADED:
        cases = {f"{e}, {t} threads": Case(e, workload, t) for e in engines for t in (1, 2)}
        found[workload] = s = summarise(measure(cases, steps))
        cells = []
        for engine in engines:
            one, two = (s[f"{engine}, {t} threads"]["median_s"] * 1e3 for t in (1, 2))
            cells.append(f"{engine}{one:>9.1f} ms{two:>9.1f} ms{one / two:>7.2f}")
        print(f"  {workload:10}{'    '.join(cells)}", flush=True)
    print("\nTime for each image of a batch of the CIFAR network, training step")
    cases = {f"{e}, {n}": Case(e, f"cifar@{n}", 2) for e in engines for n in BATCHES}
    found["batches"] = s = summarise(measure(cases, steps, compare=False))
    for n in BATCHES:
        cells = []
        for engine in engines:
            each, largest = (s[f"{engine}, {m}"]["median_s"] / m for m in (n, BATCHES[-1]))
            cells.append(f"{engine}{each * 1e3:>9.3f} ms{each / largest:>7.2f} of the last")
        print(f"  batch {n:4}  {'    '.join(cells)}")
    return found


def pipeline(threads: int, steps: int) -> dict[str, Any]:
    """Print what a loader with augmentation adds to the training step that it feeds."""
    print("\nCIFAR network fed by a loader that pads, crops, mirrors and normalises 128 images,")
    print("in turns with the same steps on one batch in memory")
    found: dict[str, Any] = {}
    for workers in (0, 1, 2):
        case = Case("minicnn", f"cifar+{workers}", threads)
        found[f"{workers} workers"] = s = in_turns(
            case, {"memory": "feed 0", "fed": "feed 1"}, steps
        )
        memory, fed = (s[label]["median_s"] * 1e3 for label in ("memory", "fed"))
        print(
            f"  {workers} workers{memory:>9.1f} ms in memory{fed:>9.1f} ms fed{fed / memory:>9.3f}",
            flush=True,
        )
    return found


def importing(times: int = 15) -> dict[str, float]:
    """Print how long a new interpreter takes to import minicnn, and NumPy alone, without itself."""
    statements = {"nothing": "pass", "numpy": "import numpy", "minicnn": "import minicnn"}
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(times):
        for name, statement in statements.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    found = {name: medians[name] - medians["nothing"] for name in ("numpy", "minicnn")}
    print(f"\nimport minicnn: {found['minicnn']:.3f} s, of which NumPy {found['numpy']:.3f} s")
    return found
