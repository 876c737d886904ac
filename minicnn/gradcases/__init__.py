"""The gradients of minicnn itself: a case for every operation and layer, and their table.

``minicnn gradcheck`` prints what `gradcheck_report` writes. The tests run the same cases, and one
test fails when an operation or a layer has none.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, TextIO

from ..gradcheck import derivative_of, judge
from ..gradcheck.compare import Verdict
from ..gradcheck.jacobian import Tolerance
from ..gradcheck.problem import problem_of
from .case import Case

FAMILIES = ("elementary", "structure", "images", "losses", "layers")
TOLERANCE = Tolerance(eps=1e-6, atol=1e-6, rtol=1e-5)

# Operations without a case, and why.
NOT_DIFFERENTIABLE = {
    "Untracked": "comparisons, logic and whole numbers: the derivative is zero or does not exist",
    "Floor": "rounds down without a derivative, as PyTorch's // does; div(rounding_mode=) has one",
}


def all_cases() -> list[Case]:
    """Return the cases of all families."""
    modules = [importlib.import_module(f".{family}", __name__) for family in FAMILIES]
    return [case for module in modules for case in module.CASES]


def check(case: Case, tolerance: Tolerance = TOLERANCE, seed: int = 0) -> tuple[Verdict, Verdict]:
    """Return the verdicts on the first and on the second derivatives of a case."""
    function, inputs = case.build(seed)
    first = problem_of(function, inputs)
    return judge(first, tolerance), judge(derivative_of(first), tolerance, order=2)


def gradcheck_report(pattern: str | None = None, file: TextIO | None = None) -> bool:
    """Print a table of the cases whose name contains `pattern`; return whether all are right.

    Columns: the name; the largest relative error of the first and of the second derivatives; the
    time; ok, kink (no derivative to compare with) or FAIL, followed by what is wrong.
    """
    out = file or sys.stdout
    chosen = [
        case for case in all_cases() if pattern is None or pattern.lower() in case.name.lower()
    ]
    width = max((len(case.name) for case in chosen), default=4)
    print(f"{'name':<{width}}  {'1st order':>9}  {'2nd order':>9}  {'time':>7}  result", file=out)
    failures, start = 0, time.perf_counter()
    for case in chosen:
        failures += not _print_row(case, width, out)
    seconds = time.perf_counter() - start
    print(f"{len(chosen)} checked in {seconds:.1f} s, {failures} failed", file=out)
    return bool(chosen) and not failures


def _print_row(case: Case, width: int, out: Any) -> bool:
    start = time.perf_counter()
    verdicts = _verdicts(case)
    milliseconds = 1e3 * (time.perf_counter() - start)
    failure = next((v.failure for v in verdicts if v.failure), None)
    kink = next((note for v in verdicts for note in v.kinks), None)
    errors = "  ".join(f"{v.error:9.1e}" for v in verdicts)
    result = f"FAIL: {failure}" if failure else f"kink: {kink}" if kink else "ok"
    print(f"{case.name:<{width}}  {errors}  {milliseconds:4.0f} ms  {result}", file=out, flush=True)
    return failure is None


def _verdicts(case: Case) -> tuple[Verdict, Verdict]:
    """Return the verdicts on a case; one that cannot even be called has failed."""
    try:
        return check(case)
    except Exception as error:
        verdict = Verdict()
        verdict.failure = f"{type(error).__name__}: {error}"
        return verdict, verdict


__all__ = ["Case", "all_cases", "check", "gradcheck_report"]
