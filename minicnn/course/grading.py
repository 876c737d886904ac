"""Grades, for an instructor's machine: as Gradescope's results.json, or as plain JSON.

Gradescope's format: https://gradescope-autograders.readthedocs.io/en/latest/specs/ (a score, a
maximum, an output and a visibility for each test).
"""

from __future__ import annotations

from typing import Any

from .check import Result
from .exercise import Exercise
from .judge import PASSED, TODO, Finding

FORMATS = ("gradescope", "json")


def grade(results: list[Result], form: str, seed: int, seconds: float) -> dict[str, Any]:
    """Return the grade of some chapters.

    Args:
        results: of the chapters that count.
        form: "gradescope" or "json".
        seed: that the inputs were drawn with.
        seconds: that the check took.
    """
    pairs = [pair for result in results for pair in _pairs(result)]
    if form == "gradescope":
        return {
            "execution_time": round(seconds, 3),
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": [_test(*pair) for pair in pairs],
        }
    return {
        "seed": seed,
        "seconds": round(seconds, 3),
        "score": sum(_score(exercise, finding) for _, exercise, finding in pairs),
        "max_score": sum(exercise.points for _, exercise, _ in pairs),
        "exercises": [
            {
                **finding.to_dict(),
                "name": f"{number}.{finding.name}",
                "score": _score(exercise, finding),
                "max_score": exercise.points,
            }
            for number, exercise, finding in pairs
        ],
    }


def _pairs(result: Result) -> list[tuple[str, Exercise, Finding]]:
    exercises = result.chapter.exercises
    pairs = zip(exercises, result.findings, strict=True)
    return [(result.chapter.number, exercise, finding) for exercise, finding in pairs]


def _score(exercise: Exercise, finding: Finding) -> int:
    return exercise.points if finding.status == PASSED else 0


def _test(number: str, exercise: Exercise, finding: Finding) -> dict[str, Any]:
    message = "Not written yet." if finding.status == TODO else finding.message
    return {
        "name": f"{number}.{finding.name}",
        "number": number,
        "score": _score(exercise, finding),
        "max_score": exercise.points,
        "status": "passed" if finding.status == PASSED else "failed",
        "output": "\n".join([message, *finding.lines]).strip() or "Right.",
        "output_format": "text",
        "tags": [finding.mistake] if finding.mistake else [],
        "visibility": "visible",
    }
