"""Measuring: several cases side by side, each in a process of its own, in turns."""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

from .engines import ENGINES, is_installed

PAUSE = 0.03  # seconds between turns, so that the last engine's idle threads have stopped spinning
WARM_UP = 0.5  # seconds of steps, at least three, before anything counts
PATIENCE = 150  # seconds that a process may take for one answer

# How far outputs and the first loss, and later losses, may lie from the first engine's, relative to
# the larger of its value and 1. TF32 and float16 keep 11 bits, float32 keeps 24. After a step Adam
# has turned a rounding error of a gradient near zero into a whole step; by the sixth, where the
# precisions of a GPU are compared, ResNet-20's losses lie up to 0.3 apart in float16.
TOLERANCES = {"": (1e-3, 2e-2), "fp32": (1e-3, 0.1), "tf32": (1e-2, 0.5), "mixed": (1e-2, 0.5)}


@dataclass(frozen=True)
class Case:
    """What one process runs: an engine and a workload (see `engines.make`), where, and how."""

    engine: str
    workload: str
    threads: int
    device: str = "cpu"
    precision: str = ""


class Failed(Exception):
    """An engine could not do what it was asked."""


class Disagreement(Failed):
    """Two engines gave different results for the same workload, so timing them means nothing."""


class Process:
    """An engine's process, spoken to through its standard input and output."""

    def __init__(self, case: Case):
        variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **{name: str(case.threads) for name in variables}}
        self.case = case
        arguments = [str(value) for value in astuple(case)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.turn = 1  # steps
        self.seconds: list[float] = []
        self.memory = 0  # bytes

    def started(self) -> None:
        """Wait until the process has started."""
        self._answer()

    def make(self) -> None:
        """Have the process make its engine."""
        self.ask("make")

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, and `_answer` says so
            print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            code = self.process.wait()
            raise Failed(f"its process ended with code {code}, or gave no answer in {PATIENCE} s")
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    def warm_up(self) -> None:
        """Run the engine until it is warm, and note how many steps make a turn of some 0.2 s."""
        seconds: list[float] = []
        while sum(seconds) < WARM_UP or len(seconds) < 5:
            seconds += self.ask("steps 1" if len(seconds) < 5 else "steps 5")["seconds"]
        self.turn = max(1, min(50, round(0.2 / statistics.median(seconds))))

    def measure(self) -> None:
        """Take one turn."""
        time.sleep(PAUSE)
        self.ask("steps 1")  # the first after a pause finds cold caches; it does not count
        answer = self.ask(f"steps {self.turn}")
        self.seconds += answer["seconds"]
        self.memory = answer["memory"]

    def close(self) -> None:
        """End the process."""
        self.process.communicate("quit\n")


def measure(
    cases: dict[str, Case],
    steps: int,
    compare: bool = True,
    until: float = math.inf,
    failed: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return {label: {"seconds": [...], "memory": bytes}} for at least `steps` steps each.

    With `compare`, all cases must be of one workload; they start from the same weights, and their
    outputs and first losses must agree. After `time.monotonic()` has reached `until`, no turns are
    added to the first two. What fails raises `Failed`; with `failed`, it is left out, and the
    reason put there.
    """
    processes: dict[str, Process] = {}
    try:
        for label, case in cases.items():  # all start at once, and from then on take turns
            processes[label] = Process(case)
        _each(processes, Process.started, failed)  # all: on a GPU, it counts as memory taken
        _each(processes, Process.make, failed)
        if compare:
            _agree(processes, failed)
        _each(processes, Process.warm_up, failed)
        while any(_too_few(p.seconds, steps, until) for p in processes.values()):
            _each(processes, Process.measure, failed)
        return {n: {"seconds": p.seconds, "memory": p.memory} for n, p in processes.items()}
    finally:
        for p in processes.values():
            p.close()


def _too_few(seconds: list[float], steps: int, until: float) -> bool:
    return len(seconds) < 2 or (len(seconds) < steps and time.monotonic() < until)


def _each(
    processes: dict[str, Process], do: Callable[[Process], Any], failed: dict[str, str] | None
) -> None:
    """Have each process do something; with `failed`, those that cannot are ended and noted."""
    for label, p in list(processes.items()):
        try:
            do(p)
        except Failed as reason:
            if failed is None:
                raise
            failed[label] = str(reason)
            processes.pop(label).close()


@contextlib.contextmanager
def running(case: Case) -> Iterator[Process]:
    """Give the process of one case, warm; end it behind the block."""
    process = Process(case)
    try:
        for do in (Process.started, Process.make, Process.warm_up):
            do(process)
        yield process
    finally:
        process.close()


def in_turns(case: Case, settings: dict[str, str], steps: int) -> dict[str, dict[str, float]]:
    """Return the summary of one process's steps after each of some commands, {label: command}.

    Two processes of the same program differ by some per cent, as their memory lies differently.
    """
    found: dict[str, list[float]] = {label: [] for label in settings}
    with running(case) as process:
        while min(map(len, found.values())) < steps:
            for label, command in settings.items():
                process.ask(command)
                process.seconds = found[label]
                process.measure()
    return summarise({n: {"seconds": s, "memory": process.memory} for n, s in found.items()})


def engines_side_by_side(
    workload: str, engines: list[str], threads: int, steps: int
) -> dict[str, dict[str, float]]:
    """Return the summary of one workload on each engine."""
    cases = {engine: Case(engine, workload, threads) for engine in engines}
    return summarise(measure(cases, steps))


def _agree(processes: dict[str, Process], failed: dict[str, str] | None = None) -> None:
    """Give all engines the first one's weights, and compare outputs and first losses.

    The first four values are of the outputs, and the first loss.
    """
    if any(":" not in p.case.workload for p in processes.values()):
        _share_weights(processes, failed)
    first: list[Any] = []

    def compare(p: Process) -> None:
        found = p.ask("check")["values"]
        first[:] = first or [p.case.engine, found]
        near, far = TOLERANCES[p.case.precision]
        for i, (a, b) in enumerate(zip(first[1], found, strict=True)):
            if not abs(a - b) <= (near if i < 4 else far) * max(1.0, abs(a)):  # nor is NaN near
                raise Disagreement(
                    f"{p.case.engine} and {first[0]} disagree on {p.case.workload}: "
                    f"{found} and {first[1]}"
                )

    _each(processes, compare, failed)


def _share_weights(processes: dict[str, Process], failed: dict[str, str] | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weights.npz")

        def share(p: Process) -> None:
            if not os.path.exists(path):
                p.ask(f"weights {path}")
            p.ask(f"load {path}")

        _each(processes, share, failed)


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
            if base["memory_bytes"]:
                values["memory_over_pytorch"] = values["memory_bytes"] / base["memory_bytes"]
    return summary


def available(wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return the engines of `wanted` that are installed, and those that are not."""
    known = [e for e in ENGINES if e in wanted]
    return [e for e in known if is_installed(e)], [e for e in known if not is_installed(e)]
