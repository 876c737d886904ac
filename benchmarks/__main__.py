"""``python -m benchmarks``: minicnn beside other engines, side by side in one run.

Every engine runs each workload in a process of its own, in turns; outputs and first losses are
compared before anything is timed. Engines that are not installed are left out and named. Close
other programs first, and compare ratios of one run, never times of two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from . import measure, more, report
from .engines import ENGINES, describe_machine
from .workloads import WORKLOADS

MORE = ("operations", "scaling", "pipeline", "import")
KNOWN = ", ".join((*WORKLOADS, *MORE)) + " (default: all of these)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=KNOWN)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=2, help="for every engine (default: 2)")
    parser.add_argument("--steps", type=int, default=20, help="timed at least (default: 20)")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw the ratios here (PNG or SVG)")
    options = parser.parse_args()
    what = options.what or [*WORKLOADS, *MORE]
    unknown = [w for w in what if w not in WORKLOADS and w not in MORE]
    if unknown:
        parser.error(f"{unknown[0]} is not known; known are {KNOWN}")
    engines, missing = measure.available(options.engines)
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")

    machine = describe_machine()
    machine["threads"] = options.threads
    print(f"{machine['processor']}, {machine['cores']} cores, {options.threads} threads")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    results: dict[str, Any] = {}
    found: dict[str, Any] = {"workloads": results}

    def save() -> None:  # after every part, so that an interruption loses nothing
        if options.json:
            report.save_json(options.json, machine, found)

    for workload in (w for w in what if w in WORKLOADS):
        able = [e for e in engines if e != "dezero" or workload in ("lenet5", "cifar")]
        results[workload] = measure.engines_side_by_side(
            workload, able, options.threads, options.steps
        )
        print(f"\n{report.table(workload, results[workload])}", flush=True)
        save()
    mean = report.geometric_mean(results)
    if mean is not None:
        print(f"\ngeometric mean of minicnn's training-step times over PyTorch's: {mean:.2f}")
    parts: dict[str, Callable[[], Any]] = {
        "pipeline": lambda: more.pipeline(options.threads, options.steps),
        "import": more.importing,
        "scaling": lambda: more.scaling(options.steps),
        "operations": lambda: more.operations(engines, options.threads, options.steps),
    }
    for name in (name for name in parts if name in what):
        found[name] = parts[name]()
        save()
    if options.plot:
        report.save_plot(options.plot, machine, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
