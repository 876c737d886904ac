"""``python -m benchmarks``: minicnn beside other engines, side by side in one run.

Every engine runs each workload in a process of its own, in turns; outputs and first losses are
compared before anything is timed. Engines that are not installed are left out and named. Close
other programs first, and compare ratios of one run, never times of two. ``--device cuda`` measures
training steps on a GPU (`benchmarks.on_gpu`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from . import kernel_times, measure, more, on_gpu, report
from .engines import ENGINES, ON_GPU, describe_machine
from .precision_engine import PRECISIONS
from .workloads import WORKLOADS

MORE = ("operations", "scaling", "pipeline", "import", "kernels")
KNOWN = ", ".join((*WORKLOADS, *MORE)) + " (default: all of these)"
KNOWN_ON_GPU = f"on a GPU: {', '.join(on_gpu.PARTS)}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    both = tuple(dict.fromkeys((*ENGINES, *ON_GPU)))
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{KNOWN}; {KNOWN_ON_GPU}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--engines", nargs="+", choices=both, help=f"of: {', '.join(both)}")
    parser.add_argument("--threads", type=int, default=2, help="for every engine (default: 2)")
    parser.add_argument(
        "--steps", type=int, help=f"timed at least (default: 20; on a GPU {on_gpu.STEPS})"
    )
    parser.add_argument(
        "--precisions", nargs="+", choices=PRECISIONS, help="on a GPU only (default: all)"
    )
    parser.add_argument(
        "--budget",
        type=float,
        help=f"seconds after which no case begins, on a GPU only (default: {on_gpu.BUDGET})",
    )
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw the ratios here (PNG or SVG)")
    options = parser.parse_args()
    known = ON_GPU if options.device == "cuda" else ENGINES
    for engine in options.engines or ():
        if engine not in known:
            parser.error(f"{engine} does not run on {options.device}; there are {', '.join(known)}")
    if options.device == "cpu":
        if options.precisions or options.budget:
            parser.error("--precisions and --budget go with --device cuda")
        return on_cpu(parser, options)
    try:
        cases = on_gpu.plan(options.what, options.precisions or list(PRECISIONS))
    except ValueError as error:
        parser.error(str(error))
    engines = [e for e in ON_GPU if e in (options.engines or on_gpu.ENGINES)]
    return on_gpu.run(
        cases, engines, options.steps or on_gpu.STEPS, options.budget or on_gpu.BUDGET, options
    )


def on_cpu(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Measure what was asked for on the CPU, and return the exit status."""
    what = options.what or [*WORKLOADS, *MORE]
    unknown = [w for w in what if w not in WORKLOADS and w not in MORE]
    if unknown:
        parser.error(f"{unknown[0]} is not known; known are {KNOWN}")
    steps = options.steps or 20
    engines, missing = measure.available(options.engines or list(ENGINES))
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
        results[workload] = measure.engines_side_by_side(workload, able, options.threads, steps)
        print(f"\n{report.table(workload, results[workload])}", flush=True)
        save()
    mean = report.geometric_mean(results)
    if mean is not None:
        print(f"\ngeometric mean of minicnn's training-step times over PyTorch's: {mean:.2f}")
    parts: dict[str, Callable[[], Any]] = {
        "pipeline": lambda: more.pipeline(options.threads, steps),
        "import": more.importing,
        "kernels": lambda: kernel_times.kernels(steps),
        "scaling": lambda: more.scaling(engines, steps),
        "operations": lambda: more.operations(engines, options.threads, steps),
    }
    for name in (name for name in parts if name in what):
        found[name] = parts[name]()
        save()
    if options.plot:
        rows = {WORKLOADS[n].title: summary for n, summary in results.items()}
        report.save_plot(options.plot, f"{machine['processor']}, {machine['cores']} cores", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
