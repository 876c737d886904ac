"""Comparing the backward pass with finite differences: one number first, then all elements.

*The projection.* Let J be the Jacobian, u a random step of the input and v a random weighting of
the outputs. The backward pass gives J^T v, a central difference gives J u, and <J^T v, u> = <v, J
u>: one comparison sees every element of J, at the price of two evaluations. If the numbers differ,
the disagreement is followed into ever smaller halves of the input and the output, and the elements
left are compared one by one.

The projection is the dot-product test of Claerbout 1992, "Earth soundings analysis".

Tutorial: tutorials/02_gradient_checking.ipynb
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .causes import likely_cause
from .jacobian import Block, Tolerance, block_of
from .problem import Problem, at

SHARP = 1e-3  # a projection sums many elements, so it must agree better than each of them
LARGEST_BLOCK = 128  # inputs, and outputs, that are compared one by one after a failed projection


class Verdict:
    """What an examination found: the largest relative error, kinks, and the failure, if any."""

    def __init__(self) -> None:
        self.error = 0.0
        self.kinks: list[str] = []
        self.failure: str | None = None

    def saw(self, analytic: Any, numeric: Any) -> None:
        """Note the error of two numbers (or arrays) that agree."""
        errors = np.abs(analytic - numeric) / np.maximum(1.0, np.abs(numeric))
        self.error = max(self.error, float(np.max(errors, initial=0.0)))


def examine(problem: Problem, tolerance: Tolerance, fast: bool, order: int = 1) -> Verdict:
    """Check all targets; `fast` projects, otherwise every element of every Jacobian is compared."""
    verdict = Verdict()
    verdict.failure = _unsteady(problem, tolerance)
    for name in problem.targets if verdict.failure is None else ():
        for block in _suspects(problem, name, tolerance, fast, verdict):
            wrong = ~tolerance.allows(block.analytic, block.numeric)
            for place in block.kinks:
                wrong[place] = False
            good = tolerance.allows(block.analytic, block.numeric)
            verdict.saw(block.analytic[good], block.numeric[good])
            for (row, column), what in list(block.kinks.items())[:1]:
                spot = at(block.rows[row], problem.targets[name].shape)
                verdict.kinks.append(
                    f"{problem.where(block.columns[column])} has {what} at {name}{spot}"
                )
            if wrong.any():
                verdict.failure = _describe(problem, name, block, wrong, tolerance, order)
                return verdict
    return verdict


def _unsteady(problem: Problem, tolerance: Tolerance) -> str | None:
    """Say whether the function changes its inputs or gives different results for the same ones."""
    before = {name: x.array.copy() for name, x in problem.targets.items()}
    first, second = problem.values(), problem.values()
    for name, x in problem.targets.items():
        if not bool((x.array == before[name]).all()) and not bool(
            (before[name] != before[name]).any()
        ):
            return (
                f"the function changes {name} in place, so that it is another function at each "
                "call. "
                "Likely cause: an operation whose name ends in '_' on .data, or under no_grad; use "
                "a clone()"
            )
    random = "Likely cause: dropout or another random draw; call manual_seed inside, or use eval()"
    if first.shape != second.shape or _apart(first, second) > tolerance.nondet_tol:
        gap = _apart(first, second)
        return f"the function is not deterministic: two calls differ by {gap:.3g}. {random}"
    if not np.isfinite(first).all():
        return (
            f"{problem.where(int(np.argmin(np.isfinite(first))))} is NaN or infinite at this point"
        )
    v = _draw(np.random.default_rng(0), first.size)
    passes = [problem.gradients(v), problem.gradients(v)]
    for name in problem.targets:
        g, again = (p[name] for p in passes)
        if g is not None and again is not None and _apart(g, again) > tolerance.nondet_tol:
            gap = _apart(g, again)
            return f"the backward pass is not deterministic: two differ by {gap:.3g}. {random}"
    return None


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.max(np.where(same, 0.0, np.abs(a - b)), initial=0.0))


def _draw(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return random numbers of either sign, none near 0, so that no element is overlooked."""
    return rng.uniform(0.5, 1.5, size) * rng.choice([-1.0, 1.0], size)


# ----------------------------------------------------------------------------------------------
# From the projection to a block of the Jacobian


def _suspects(
    problem: Problem, name: str, tolerance: Tolerance, fast: bool, verdict: Verdict
) -> Iterator[Block]:
    """Yield the blocks that must be looked at: none if the projection agrees."""
    rows = np.arange(problem.targets[name].numel())
    columns = np.arange(problem.values().size)
    if not fast:
        yield block_of(problem, name, rows, columns, tolerance)
        return
    rng = np.random.default_rng(1)
    u, v = _draw(rng, rows.size), _draw(rng, columns.size)
    while True:
        analytic, numeric = _project(problem, name, u, v, tolerance.eps)
        if abs(analytic - numeric) <= tolerance.atol + SHARP * tolerance.rtol * abs(numeric):
            verdict.saw(analytic, numeric)
            return
        part = _halve(problem, name, u, v, tolerance.eps)
        block = block_of(problem, name, *part, tolerance)
        yield block
        everything = part[0].size == np.count_nonzero(u) and part[1].size == columns.size
        u[block.rows[sorted({row for row, _ in block.kinks})]] = 0.0
        if everything or not block.kinks:
            return  # each element agrees, or is explained; a sum of many small errors is no failure


def _project(
    problem: Problem, name: str, u: np.ndarray, v: np.ndarray, eps: float
) -> tuple[float, float]:
    """Return <J^T v, u> by the backward pass and <v, J u> by a central difference."""
    g = problem.gradients(v)[name]
    numeric = (problem.moved(name, eps * u) - problem.moved(name, -eps * u)) / (2 * eps)
    return 0.0 if g is None else float(g @ u), float(v @ numeric)


def _halve(
    problem: Problem, name: str, u: np.ndarray, v: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Follow the larger disagreement into halves of the input, then of the output."""

    def gap(rows: np.ndarray, columns: np.ndarray) -> float:
        part_u, part_v = np.zeros_like(u), np.zeros_like(v)
        part_u[rows], part_v[columns] = u[rows], v[columns]
        analytic, numeric = _project(problem, name, part_u, part_v, eps)
        return float(np.nan_to_num(abs(analytic - numeric), nan=np.inf))

    rows, columns = np.nonzero(u)[0], np.nonzero(v)[0]
    while rows.size > LARGEST_BLOCK:
        rows = max(np.array_split(rows, 2), key=lambda half: gap(half, columns))
    while columns.size > LARGEST_BLOCK:
        columns = max(np.array_split(columns, 2), key=lambda half: gap(rows, half))
    return rows, columns


def _describe(
    problem: Problem, name: str, block: Block, wrong: np.ndarray, tolerance: Tolerance, order: int
) -> str:
    """Say which element is wrong most, both its values, and what the likely cause is."""
    x = problem.targets[name]
    excess = np.abs(block.analytic - block.numeric) / (
        tolerance.atol + tolerance.rtol * np.abs(block.numeric)
    )
    row, column = np.unravel_index(
        np.argmax(np.where(wrong, np.nan_to_num(excess, nan=1e300), -1)), wrong.shape
    )
    spot = at(block.rows[row], x.shape)
    cause = likely_cause(
        block.analytic, block.numeric, wrong, x, block.rows.size == x.numel(), order
    )
    return (
        f"the derivative of {problem.where(block.columns[column])} with respect to {name}{spot} is "
        "wrong: the "
        f"backward pass says {block.analytic[row, column]:.8g}, a central difference "
        f"{block.numeric[row, column]:.8g} (eps={tolerance.eps:g}, atol={tolerance.atol:g}, "
        f"rtol={tolerance.rtol:g}). {name} has shape {x.shape}; {int(wrong.sum())} of the "
        f"{wrong.size} elements "
        f"of the Jacobian that were compared disagree. Likely cause: {cause}"
    )
