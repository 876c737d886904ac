"""``python -m benchmarks``: minicnn beside other engines, side by side in one run.

Every engine runs each workload in a process of its own, in turns; outputs and first losses are
compared before anything is timed. Engines that are not installed are left out and named.
"""

from __future__ import annotations

import argparse
import sys

from . import measure, report
from .engines import ENGINES, describe_machine
from .workloads import WORKLOADS

KNOWN = ", ".join(WORKLOADS) + " (default: all of these); or operations, alone"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=KNOWN)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=2, help="for every engine (default: 2)")
    parser.add_argument("--steps", type=int, default=20, help="timed at least (default: 20)")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw the ratios here (PNG or SVG)")
    options = parser.parse_args()
    unknown = [w for w in options.workloads if w not in WORKLOADS]
    if unknown and options.workloads != ["operations"]:
        parser.error(f"unknown workload {unknown[0]}; known are {KNOWN}")
    engines, missing = measure.available(options.engines)
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")

    machine = describe_machine()
    machine["threads"] = options.threads
    print(f"{machine['processor']}, {machine['cores']} cores, {options.threads} threads")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    if options.workloads == ["operations"]:
        report.print_operations(machine, options)
        return 0
    results = {}
    for workload in options.workloads or WORKLOADS:
        able = [e for e in engines if e != "dezero" or workload in ("lenet5", "cifar")]
        found = measure.measure(workload, able, options.threads, options.steps)
        results[workload] = measure.summarise(found)
        print(f"\n{report.table(workload, results[workload])}", flush=True)
    mean = report.geometric_mean(results)
    if mean is not None:
        print(f"\ngeometric mean of minicnn's training-step times over PyTorch's: {mean:.2f}")
    if options.json:
        report.save_json(options.json, machine, results)
    if options.plot:
        report.save_plot(options.plot, machine, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
