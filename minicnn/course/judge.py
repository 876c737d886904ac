"""Judging one function: drawn inputs first, then its gradient and its speed where they matter."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import GradcheckError
from ..gradcheck import gradcheck
from . import conduct
from .evidence import Evidence, gather
from .exercise import Exercise, Speed
from .explain import explain
from .nearest import nearest_mistake
from .outcome import call
from .show import difference, show_case

PASSED, FAILED, TODO = "passed", "failed", "to do"
SEED = 0
UNKNOWN = (
    "It gives other results than the definition, and they follow no known pattern. Compute the "
    "case below by hand."
)


@dataclass
class Finding:
    """The verdict on one function.

    Attributes:
        name: of the function.
        status: "passed", "failed" or "to do".
        message: what is wrong, or a remark on what is right.
        lines: the smallest input that fails, what was expected, what came.
        mistake: the name of the known mistake, if it is one.
    """

    name: str
    status: str
    message: str = ""
    lines: list[str] = field(default_factory=list)
    mistake: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict, for JSON."""
        return asdict(self)


def judge(
    exercise: Exercise, function: Callable[..., Any], seed: int = SEED, timed: bool = True
) -> Finding:
    """Return the verdict on a function.

    Args:
        exercise: what the function should be.
        function: the student's.
        seed: of the drawn inputs.
        timed: whether its speed counts.
    """
    evidence = gather(exercise, function, seed)
    if any(isinstance(o.error, NotImplementedError) for o in evidence.got):
        return Finding(exercise.name, TODO)
    if evidence.wrong:
        return _wrong(evidence, function, seed)
    for check in (_unsteady, _gradient, _slow if timed else None):
        failure = check and check(evidence, function, seed)
        if failure:
            return Finding(exercise.name, FAILED, failure)
    return Finding(exercise.name, PASSED, conduct.printing(evidence) or "")


def _wrong(evidence: Evidence, function: Callable[..., Any], seed: int) -> Finding:
    exercise, i = evidence.exercise, evidence.wrong[0]
    match = nearest_mistake(evidence, seed)
    if match is not None:
        message = match.sentence
        if evidence.got[i].error is not None:
            message += " " + conduct.describe(evidence, evidence.got[i])
    else:
        message = explain(evidence) or _gradient(evidence, function, seed) or UNKNOWN
    lines = [f"smallest input that fails: {show_case(evidence.cases[i])}"]
    if evidence.got[i].error is None:
        lines += difference(exercise, evidence.expected[i].value, evidence.got[i].value)
    name = match.mistake.name if match is not None else ""
    return Finding(exercise.name, FAILED, message, lines, name)


def _unsteady(evidence: Evidence, function: Callable[..., Any], seed: int) -> str | None:
    """Say that a second call with the same arguments gives another result."""
    for case, first in zip(evidence.cases, evidence.got, strict=True):
        if not call(evidence.exercise, function, case).like(first, evidence.exercise.rtol):
            return (
                "Called again with the same arguments it gives another result: something is kept "
                "between calls, such as a global variable or a list as default value."
            )
    return None


def _gradient(evidence: Evidence, function: Callable[..., Any], seed: int) -> str | None:
    """Say how a gradient disagrees with finite differences."""
    if evidence.exercise.gradient is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gradcheck(*evidence.exercise.gradient(function))
    except GradcheckError as error:
        return str(error)
    except Exception as error:
        return f"The gradient check cannot run it: {type(error).__name__}: {error}."
    return None


def _slow(evidence: Evidence, function: Callable[..., Any], seed: int) -> str | None:
    """Say that a function is right but too slow."""
    speed = evidence.exercise.speed
    if speed is None:
        return None
    ratio = ratio_of(evidence.exercise, speed, function, seed)
    if ratio >= speed.times:
        return None
    return (
        f"It is right, but only {ratio:.1f} times as fast as {speed.than}; {speed.times:g} times "
        f"is the least that is asked. {speed.advice}"
    )


def ratio_of(exercise: Exercise, speed: Speed, function: Callable[..., Any], seed: int) -> float:
    """Return how many times as fast the function is as the slower one.

    The two take turns, and the best time of each counts: what else the machine does makes a run
    slower, never faster. A ratio that is too low is measured again, up to three times.
    """
    case = speed.case(np.random.default_rng(seed))
    slower = exercise.solution.__globals__[speed.than]
    ratio = 0.0
    for _ in range(3):
        times = [(_seconds(slower, case), _seconds(function, case)) for _ in range(3)]
        ratio = max(ratio, min(t for t, _ in times) / max(min(t for _, t in times), 1e-9))
        if ratio >= speed.times:
            break
    return ratio


def _seconds(function: Callable[..., Any], case: dict[str, Any]) -> float:
    start = time.perf_counter()
    function(*case.values())
    return time.perf_counter() - start
