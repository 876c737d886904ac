"""One engine in a process of its own. It obeys lines on standard input and answers in JSON.

``python -m benchmarks.worker ENGINE WORKLOAD THREADS DEVICE PRECISION``, and then, a line each:
make, weights PATH, load PATH, check, feed 0 or 1, profile N, steps N, quit. What fails is answered
with the reason.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import engines, kernel_times


class Host:
    """The computer: its clock, and the largest resident memory of this process so far."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Do nothing: the system notes the largest memory itself."""
        yield

    def memory(self) -> int:
        """Return the largest resident memory of this process so far, in bytes."""
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def seconds(self, step: Callable[[], Any], steps: int) -> list[float]:
        """Return how long each of some steps takes."""
        found = []
        for _ in range(steps):
            start = time.perf_counter()
            step()
            found.append(time.perf_counter() - start)
        return found


class Gpu:
    """A GPU: its own events, and what this process has taken of its memory.

    Engines keep what they free, so what the driver counts as taken after a command is the most that
    was needed. That it is this process's own, the others' resting meanwhile sees to.
    """

    def __init__(self, engine: str):
        self.cuda = importlib.import_module(f"{engines.package_of(engine)}.cuda")
        self.cuda.mem_get_info()  # makes the context, which does not count
        self.taken = self.most = 0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count what is taken inside."""
        before, _ = self.cuda.mem_get_info()
        yield
        self.cuda.synchronize()
        self.taken += before - self.cuda.mem_get_info()[0]
        self.most = max(self.most, self.taken)

    def memory(self) -> int:
        """Return the most that this process had taken after a command, in bytes."""
        return self.most

    def seconds(self, step: Callable[[], Any], steps: int) -> list[float]:
        """Return how long the GPU takes from the end of each step to the end of the next."""
        marks = [self.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
        self.cuda.synchronize()
        marks[0].record()
        for mark in marks[1:]:
            step()
            mark.record()
        marks[-1].synchronize()
        return [a.elapsed_time(b) / 1e3 for a, b in itertools.pairwise(marks)]


class Worker:
    """What carries the commands out."""

    def __init__(self, engine: str, workload: str, threads: str, device: str, precision: str):
        self.machine = Gpu(engine) if device == "cuda" else Host()
        self.case = (engine, workload, int(threads), device, precision)
        self.engine: Any = None

    def obey(self, command: str, argument: str) -> dict[str, Any]:
        """Carry out one command and return its answer."""
        with self.machine.watched():
            answer = self._do(command, argument)
        return {**answer, "memory": self.machine.memory()}

    def _do(self, command: str, argument: str) -> dict[str, Any]:
        if command == "make":
            self.engine = engines.make(*self.case)
        elif command == "weights":
            np.savez(argument, **self.engine.weights())
        elif command == "load":
            with np.load(argument) as file:
                self.engine.load(dict(file))
        elif command == "check":
            return {"values": self.engine.check()}
        elif command == "feed":
            self.engine.fed = argument == "1"
        elif command == "profile":
            return {"kernels": kernel_times.profile(self.engine.step, int(argument))}
        else:
            return {"seconds": self.machine.seconds(self.engine.step, int(argument))}
        return {}


def main() -> None:
    worker = Worker(*sys.argv[1:])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "quit":
            break
        try:
            answer = worker.obey(command, argument)
        except Exception as error:
            traceback.print_exc()
            answer = {"failed": f"{command}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
