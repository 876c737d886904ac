"""A part of the Jacobian, by both roads, and the places where the function has no derivative.

*Kinks.* At a kink (ReLU at 0, a tie in a maximum) the slopes to the left and to the right differ,
and no gradient is the right one. A smooth function looks the same at first when it is strongly
curved; but its two slopes come together as the step shrinks, in proportion to it, and those at a
kink do not.

Tutorial: tutorials/02_gradient_checking.ipynb
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .problem import Problem


class Tolerance(NamedTuple):
    """How far the two numbers may be apart: |difference| <= atol + rtol * |finite difference|."""

    eps: float = 1e-6
    atol: float = 1e-5
    rtol: float = 1e-3
    nondet_tol: float = 0.0

    def allows(self, analytic: Any, numeric: Any) -> Any:
        """Return whether the numbers agree, element by element."""
        return abs(analytic - numeric) <= self.atol + self.rtol * abs(numeric)


class Block(NamedTuple):
    """A part of a Jacobian, both ways: rows are elements of an input, columns of the outputs."""

    rows: np.ndarray
    columns: np.ndarray
    analytic: np.ndarray
    numeric: np.ndarray
    kinks: dict[tuple[int, int], str]  # place in the block -> what is there


def block_of(
    problem: Problem, name: str, rows: np.ndarray, columns: np.ndarray, tolerance: Tolerance
) -> Block:
    """Return both Jacobians of the given elements, and where the function has kinks."""
    analytic = np.zeros((rows.size, columns.size))
    numeric = np.zeros((rows.size, columns.size))
    total = problem.values().size
    for j, column in enumerate(columns):
        g = problem.gradients(np.eye(1, total, column)[0])[name]
        analytic[:, j] = 0.0 if g is None else g[rows]
    kinks: dict[tuple[int, int], str] = {}
    for i, row in enumerate(rows):
        left, right = _slopes(problem, name, row, columns, tolerance.eps)
        numeric[i] = (left + right) / 2
        if not tolerance.allows(analytic[i], numeric[i]).all():
            finer = _slopes(problem, name, row, columns, tolerance.eps / 10)
            for j in range(columns.size):
                places = (left[j], right[j], finer[0][j], finer[1][j])
                what = _kink(analytic[i, j], places, tolerance)
                if what and not tolerance.allows(analytic[i, j], numeric[i, j]):
                    kinks[i, j] = what
    return Block(rows, columns, analytic, numeric, kinks)


def _slopes(
    problem: Problem, name: str, row: int, columns: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of the outputs to the left and to the right, for a step of one element."""
    one = np.zeros(problem.targets[name].numel())
    one[row] = step
    here = problem.values()[columns]
    left = (here - problem.moved(name, -one)[columns]) / step
    right = (problem.moved(name, one)[columns] - here) / step
    return left, right


def _kink(analytic: float, slopes: tuple[float, ...], tolerance: Tolerance) -> str | None:
    """Say what keeps a function from having a derivative here; None if it seems to have one.

    `slopes` are left and right ones, with the step eps and with a tenth of it.
    """
    left, right, fine_left, fine_right = slopes
    if not np.isfinite(slopes).all():
        return (
            "an edge of its domain (NaN or infinity next to it)" if np.isfinite(analytic) else None
        )
    gap, fine_gap = abs(right - left), abs(fine_right - fine_left)
    if tolerance.allows(left, right):
        return None
    if fine_gap > 5 * gap:
        return "a jump"
    if fine_gap > gap / 5:
        low, high = sorted((fine_left, fine_right))
        slack = tolerance.atol + tolerance.rtol * max(abs(low), abs(high))
        return "a kink" if low - slack <= analytic <= high + slack else None
    if fine_gap < gap / 20 and tolerance.allows(analytic, (fine_left + fine_right) / 2):
        return "a kink (within eps)"
    return None
