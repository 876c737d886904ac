"""``python -m benchmarks --device cuda``: training steps on a GPU, at each precision.

Every case is a workload at a precision; its engines run in turns, as on the CPU. What fails is left
out of its case, with its reason, and the others are measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
import time
from typing import Any

from . import measure, report
from .engines import describe_machine, package_of
from .precision_engine import PRECISIONS
from .workloads import WORKLOADS, named

PARTS = (*(n for n, w in WORKLOADS.items() if w.training), "cifar@512", "resnet20@512")
ENGINES = ("pytorch", "minicnn", "minicnn-captured")  # unless others are named
STEPS = 200
BUDGET = 420  # seconds

# What is to be reached, over PyTorch's time at the same precision: workload, engines, ratio.
BARS = (
    ("lenet5", ("minicnn-captured",), 1.0),
    ("cifar", ("minicnn-captured",), 1.0),
    *((n, ("minicnn", "minicnn-captured"), 1.5) for n in ("resnet20", "vgg11", "large")),
)
IMAGES = 25_000  # training images a second, ResNet-20 in mixed precision


def plan(what: list[str], precisions: list[str]) -> list[tuple[str, str]]:
    """Return the cases, workload by workload; raise ValueError for what is not measured here."""
    for name in what:
        known, _, batch = name.partition("@")
        if known not in PARTS or (batch and not batch.isdecimal()) or batch == "0":
            raise ValueError(
                f"{name} is not measured on a GPU; known are {', '.join(PARTS)}, and each of them "
                "with another batch size, such as cifar@256"
            )
    return [(name, precision) for name in what or PARTS for precision in precisions]


# ---- what is there


def describe(package: str) -> dict[str, Any]:
    """Return what one package says of itself and of the GPU, or ``why_not``."""
    lib = importlib.import_module(package)
    versions = {package: str(lib.__version__)}
    if package == "torch":
        if not lib.cuda.is_available():
            return {"why_not": f"PyTorch {lib.__version__} finds no GPU that it can use"}
        cudnn = str(lib.backends.cudnn.version())
        return {"versions": {**versions, "cuDNN": cudnn, "PyTorch's CUDA": str(lib.version.cuda)}}
    if not lib.cuda.is_available():
        return {"why_not": f"minicnn: {lib.cuda.why_not()}"}
    cupy = lib.cuda.module()
    runtime = cupy.cuda.runtime
    cuda = _version(runtime.runtimeGetVersion())
    return {"versions": {**versions, "CuPy": cupy.__version__, "CuPy's CUDA": cuda}}


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def inquire(engines: list[str]) -> dict[str, Any]:
    """Return the machine with its GPU, or ``why_not``; each package is asked in its own process."""
    machine = describe_machine()
    for package in dict.fromkeys(map(package_of, engines)):
        if importlib.util.find_spec(package) is None:
            return {"why_not": f"{package} is not installed; leave it out with --engines"}
        command = [sys.executable, "-m", "benchmarks.on_gpu", package]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            last = (answer.stderr.strip() or "no answer").splitlines()[-1]
            return {"why_not": f"{package}: {last}"}
        found = json.loads(answer.stdout.splitlines()[-1])
        if "why_not" in found:
            return found
        machine["versions"] |= found["versions"]
    return {**machine, **_gpu()}


def _gpu() -> dict[str, str]:
    """Return the GPU's name and its driver's version, which CUDA does not tell."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {"gpu": "a GPU that nvidia-smi does not name", "driver": "unknown"}
    name, _, driver = out.partition("\n")[0].partition(", ")
    return {"gpu": name, "driver": driver}


# ---- the run


def run(
    cases: list[tuple[str, str]], engines: list[str], steps: int, budget: float, files: Any
) -> int:
    """Measure and print the cases, and return the exit status; `files` has `json` and `plot`."""
    start = time.monotonic()
    machine = inquire(engines)
    if "why_not" in machine:
        print(f"nothing was measured: {' '.join(machine['why_not'].split())}", file=sys.stderr)
        return 2
    machine["date"] = time.strftime("%Y-%m-%d")
    print(f"{machine['gpu']}, driver {machine['driver']}; {machine['date']}")
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}")
    print(", ".join(f"{name} {v}" for name, v in machine["versions"].items()), flush=True)
    found: list[dict[str, Any]] = []
    for i, (workload, precision) in enumerate(cases):
        now = time.monotonic()
        until = now + (start + budget - now) / (len(cases) - i)
        if now - start < budget:
            case = _measure(workload, precision, engines, steps, until)
        else:
            reason = f"the budget of {budget:.0f} s was spent; run it by its name"
            case = {"engines": {}, "left_out": {"all": reason}}
        found.append({"workload": workload, "precision": precision, **case})
        print(f"\n{describe_case(found[-1])}", flush=True)
        if files.json:  # after every case, so that an interruption loses nothing
            report.save_json(files.json, machine, {"cases": found})
    print("\n" + "\n".join(bars(found)))
    if files.plot:
        rows = {f"{_title(c['workload'])}, {c['precision']}": c["engines"] for c in found}
        report.save_plot(files.plot, machine["gpu"], rows)
    return 0


def _measure(
    workload: str, precision: str, engines: list[str], steps: int, until: float
) -> dict[str, Any]:
    cases = {e: measure.Case(e, workload, 1, "cuda", precision) for e in engines}
    failed: dict[str, str] = {}
    results = measure.measure(cases, steps, until=until, failed=failed)
    return {"engines": measure.summarise(results), "left_out": failed}


def describe_case(case: dict[str, Any]) -> str:
    """Return a case's table, and below it what was left out, and why."""
    lines = [report.table(case["workload"], case["engines"], PRECISIONS[case["precision"]])]
    lines += [f"  {name}: left out. {reason}" for name, reason in case["left_out"].items()]
    return "\n".join(lines)


def _title(workload: str) -> str:
    batch = workload.partition("@")[2]
    return named(workload).title + (f", batch {batch}" if batch else "")


# ---- the bars


def bars(found: list[dict[str, Any]]) -> list[str]:
    """Return a line for each bar and precision: what was reached, and whether it suffices."""
    engines = {(c["workload"], c["precision"]): c["engines"] for c in found}
    lines = ["Bars, over PyTorch's time"]
    for workload, able, bar in BARS:
        for precision in PRECISIONS:
            summary = engines.get((workload, precision), {})
            ratios = {
                e: summary[e]["time_over_pytorch"]
                for e in able
                if "time_over_pytorch" in summary.get(e, {})
            }
            best = min(ratios, key=lambda e: ratios[e], default=None)
            reached = None if best is None else ratios[best]
            verdict = "not measured"
            if reached is not None:
                verdict = f"{reached:.2f} ({best}): {'met' if reached <= bar else 'not met'}"
            lines.append(f"  {_title(workload)}, {precision}: at most {bar}: {verdict}")
    rates = [
        named(workload).batch / values["median_s"]
        for (workload, precision), summary in engines.items()
        for engine, values in summary.items()
        if workload.startswith("resnet20") and precision == "mixed" and "minicnn" in engine
    ]
    verdict = "not measured"
    if rates:
        verdict = f"{max(rates):,.0f}: {'met' if max(rates) >= IMAGES else 'not met'}"
    return [*lines, f"  ResNet-20, mixed: at least {IMAGES:,} images/s: {verdict}"]


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
