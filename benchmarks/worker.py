"""One engine in a process of its own. It obeys lines on standard input and answers in JSON.

``python -m benchmarks.worker ENGINE WORKLOAD THREADS``, and then, a line each:
weights PATH, load PATH, check, steps N, quit.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from . import engines


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    name, workload, threads = sys.argv[1:]
    engine = engines.make(name, workload, int(threads))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "quit":
            break
        print(json.dumps(obey(engine, command, argument)), flush=True)


def obey(engine: Any, command: str, argument: str) -> dict[str, Any]:
    """Carry out one command and return its answer."""
    if command == "weights":
        np.savez(argument, **engine.weights())
        return {}
    if command == "load":
        with np.load(argument) as file:
            engine.load(dict(file))
        return {}
    if command == "check":
        return {"values": engine.check()}
    seconds = []
    for _ in range(int(argument)):
        start = time.perf_counter()
        engine.step()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "memory": peak_memory()}


if __name__ == "__main__":
    main()
