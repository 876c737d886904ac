"""Where a training step of minicnn spends its time: in each kernel, with one and two threads."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from .measure import Case, running
from .workloads import WORKLOADS

LEAST = 0.01  # of a step; what takes less is not printed


@contextlib.contextmanager
def timed(found: dict[str, list[float]]) -> Iterator[None]:
    """Note how long each call of a kernel takes, without the kernels that it calls itself."""
    from minicnn.kernels import TABLE

    inside = False

    def around(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal inside
            if inside:
                return kernel(*arguments, **keywords)
            inside, start = True, time.perf_counter()
            try:
                return kernel(*arguments, **keywords)
            finally:
                inside = False
                found[name].append(time.perf_counter() - start)

        return call

    before = {name: dict(kinds) for name, kinds in TABLE.items()}
    for name, kinds in TABLE.items():
        kinds.update({kind: around(name, kernel) for kind, kernel in kinds.items()})
    try:
        yield
    finally:
        for name, kinds in TABLE.items():
            kinds.update(before[name])


def profile(step: Callable[[], Any], steps: int) -> dict[str, list[float]]:
    """Return {kernel: [calls of a step, their seconds]}, medians over some steps; "step" is all."""
    runs: list[dict[str, list[float]]] = []
    for _ in range(steps):
        found: dict[str, list[float]] = defaultdict(list)
        with timed(found):
            start = time.perf_counter()
            step()
        found["step"] = [time.perf_counter() - start]
        runs.append(found)
    return {
        name: [len(calls), statistics.median(sum(run.get(name, [])) for run in runs)]
        for name, calls in runs[-1].items()
    }


def kernels(steps: int) -> dict[str, Any]:
    """Print, for each network, the time in each kernel with one thread and with two."""
    results: dict[str, Any] = {}
    for workload, settings in WORKLOADS.items():
        if settings.training:
            found = {
                threads: _profile(Case("minicnn", workload, threads), steps) for threads in (1, 2)
            }
            results[workload] = found
            _print(settings.title, found)
    return results


def _profile(case: Case, steps: int) -> dict[str, list[float]]:
    with running(case) as process:
        return process.ask(f"profile {steps}")["kernels"]


def _print(title: str, found: dict[int, dict[str, list[float]]]) -> None:
    one, two = found[1], found[2]
    whole = two["step"][1]
    print(f"\n{title}, training step{'':10}calls   one thread   two threads   faster   of the step")
    rest = {
        t: f["step"][1] - sum(s for name, (_, s) in f.items() if name != "step")
        for t, f in found.items()
    }
    rows = [(name, calls, one[name][1], seconds) for name, (calls, seconds) in two.items()]
    rows.append(("outside of kernels", "", rest[1], rest[2]))
    for name, calls, first, second in sorted(rows, key=lambda row: -row[3]):
        if second >= LEAST * whole:
            print(
                f"  {name:34}{calls:>5}{first * 1e3:>10.2f} ms{second * 1e3:>11.2f} ms"
                f"{first / second:>9.2f}{second / whole:>12.0%}",
                flush=True,
            )
