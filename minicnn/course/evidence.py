"""What is known about a function: the answers it gave, and the right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .exercise import Case, Exercise, Mistake
from .outcome import Outcome, arrays_in, call


@dataclass
class Evidence:
    """The calls of a student's function, beside those of the solution.

    Attributes:
        cases: the arguments of the calls.
        expected, got: what the solution and what the student's function did.
    """

    exercise: Exercise
    cases: list[Case]
    expected: list[Outcome]
    got: list[Outcome]

    @cached_property
    def wrong(self) -> list[int]:
        """The numbers of the cases that went wrong, the smallest arguments first."""
        pairs = enumerate(zip(self.got, self.expected, strict=True))
        found = [i for i, (g, e) in pairs if not g.like(e, self.exercise.rtol)]
        return sorted(found, key=lambda i: size_of(self.cases[i]))

    @cached_property
    def right(self) -> list[int]:
        """The numbers of the cases that went right."""
        return [i for i in range(len(self.cases)) if i not in self.wrong]


def gather(exercise: Exercise, function: Callable[..., Any], seed: int) -> Evidence:
    """Call a student's function on all cases."""
    cases = cases_of(exercise, seed)
    got = [call(exercise, function, case) for case in cases]
    return Evidence(exercise, cases, solved(exercise, seed), got)


@lru_cache(None)
def cases_of(exercise: Exercise, seed: int) -> list[Case]:
    """Return the cases of an exercise."""
    return list(exercise.cases(np.random.default_rng(seed)))


@lru_cache(None)
def solved(exercise: Exercise, seed: int) -> list[Outcome]:
    """Return the solution's answers."""
    return [call(exercise, exercise.solution, case) for case in cases_of(exercise, seed)]


@lru_cache(None)
def mistaken(exercise: Exercise, wrong: Mistake, seed: int) -> list[Outcome]:
    """Return the answers of a mistake."""
    function = exercise.function_of(wrong)
    return [call(exercise, function, case) for case in cases_of(exercise, seed)]


def size_of(case: Case) -> int:
    """Return how many numbers the arguments are made of."""
    return sum(x.size for x in arrays_in(case))
