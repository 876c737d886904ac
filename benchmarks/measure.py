"""Measuring: several cases side by side, each in a process of its own, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from .engines import ENGINES, is_installed

PAUSE = 0.03  # seconds between turns, so that the last engine's idle threads have stopped spinning
WARM_UP = 0.5  # seconds of steps, at least three, before anything counts


@dataclass(frozen=True)
class Case:
    """What one process runs: an engine, a workload (see `engines.make`), and how many threads."""

    engine: str
    workload: str
    threads: int


class Disagreement(Exception):
    """Two engines gave different results for the same workload, so timing them means nothing."""


class Process:
    """An engine's process, spoken to through its standard input and output."""

    def __init__(self, case: Case):
        variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **{name: str(case.threads) for name in variables}}
        self.case = case
        arguments = [case.engine, case.workload, str(case.threads)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self.process.stdin is not None
        print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.case}: the process ended with code {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.communicate("quit\n")


def measure(cases: dict[str, Case], steps: int, compare: bool = True) -> dict[str, Any]:
    """Return {label: {"seconds": [...], "memory": bytes}} for at least `steps` steps each.

    With `compare`, all cases must be of one workload; they start from the same weights, and their
    outputs and first losses must agree.
    """
    processes = {label: Process(case) for label, case in cases.items()}
    try:
        if compare:
            _agree(list(processes.values()))
        turns = {label: _warm_up(p) for label, p in processes.items()}
        results: dict[str, Any] = {label: {"seconds": []} for label in processes}
        while any(len(r["seconds"]) < steps for r in results.values()):
            for label, p in processes.items():
                time.sleep(PAUSE)
                p.ask("steps 1")  # the first after a pause finds cold caches; it does not count
                answer = p.ask(f"steps {turns[label]}")
                results[label]["seconds"] += answer["seconds"]
                results[label]["memory"] = answer["memory"]
        return results
    finally:
        for p in processes.values():
            p.close()


def engines_side_by_side(
    workload: str, engines: list[str], threads: int, steps: int
) -> dict[str, dict[str, float]]:
    """Return the summary of one workload on each engine."""
    cases = {engine: Case(engine, workload, threads) for engine in engines}
    return summarise(measure(cases, steps))


def _agree(processes: list[Process]) -> None:
    """Give all engines the first one's weights, and compare outputs and first losses.

    The first four values are of the outputs, and the first loss. After it the optimizer has moved
    the weights, and Adam turns a rounding error of a gradient near zero into a whole step.
    """
    if ":" not in processes[0].case.workload:
        _share_weights(processes)
    expected = processes[0].ask("check")["values"]
    for p in processes[1:]:
        found = p.ask("check")["values"]
        for i, (a, b) in enumerate(zip(expected, found, strict=True)):
            if abs(a - b) > (1e-3 if i < 4 else 2e-2) * max(1.0, abs(a)):
                raise Disagreement(
                    f"{processes[0].case} and {p.case} disagree: {expected} and {found}"
                )


def _share_weights(processes: list[Process]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weights.npz")
        processes[0].ask(f"weights {path}")
        for p in processes:
            p.ask(f"load {path}")


def _warm_up(p: Process) -> int:
    """Run the engine until it is warm; return how many steps make a turn of some 0.2 s."""
    seconds: list[float] = []
    while sum(seconds) < WARM_UP or len(seconds) < 3:
        seconds += p.ask("steps 1" if len(seconds) < 3 else "steps 5")["seconds"]
    return max(1, min(50, round(0.2 / statistics.median(seconds))))


def summarise(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return median, quartiles, and the ratios to PyTorch's median and memory, for every case."""
    summary: dict[str, dict[str, float]] = {}
    for engine, result in results.items():
        q1, median, q3 = statistics.quantiles(result["seconds"], n=4)
        summary[engine] = {
            "median_s": median, "q1_s": q1, "q3_s": q3, "steps": len(result["seconds"]),
            "memory_bytes": result["memory"],
        }  # fmt: skip
    base = summary.get("pytorch")
    for values in summary.values():
        if base:
            values["time_over_pytorch"] = values["median_s"] / base["median_s"]
            values["memory_over_pytorch"] = values["memory_bytes"] / base["memory_bytes"]
    return summary


def available(wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return the engines of `wanted` that are installed, and those that are not."""
    known = [e for e in ENGINES if e in wanted]
    return [e for e in known if is_installed(e)], [e for e in known if not is_installed(e)]
