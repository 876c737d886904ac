"""Sentences for wrong numbers of the right form: a factor, a sign, a flip, a shift, a part.

Each takes the name of the result, the evidence, and the pairs (expected, got) of the cases that
fail; it returns a sentence if all of them show the pattern, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from .evidence import Evidence
from .form import Pairs
from .outcome import close


def all_zero(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that nothing was ever written into the result."""
    if any(np.any(g) for _, g in pairs):
        return None
    return f"{name} is zero everywhere: is anything ever written into it?"


def factor(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the result is a multiple of the right one, and of what number."""
    factors = [_factor(e, g, evidence.exercise.rtol) for e, g in pairs]
    if any(f is None for f in factors):
        return None
    numbers = [f for f in factors if f is not None]
    if np.allclose(numbers, -1):
        return f"{name} has the wrong sign: it is -1 times what it should be."
    what = _meaning(evidence, numbers)
    if what:
        return f"{name} is {what}."
    if np.allclose(numbers, numbers[0]):
        return f"{name} is {numbers[0]:.6g} times what it should be, everywhere."
    return None


def offset(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the same number is missing everywhere."""
    gaps = [np.asarray(g - e) for e, g in pairs]
    if any(np.size(gap) < 2 or not np.allclose(gap, gap.flat[0]) for gap in gaps):
        return None
    if not np.allclose([gap.flat[0] for gap in gaps], gaps[0].flat[0]):
        return f"{name} differs from what it should be by one number everywhere: a term is missing."
    return f"{name} is too large by {gaps[0].flat[0]:.6g} everywhere."


def flipped(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that axes run backwards, or that the last two are exchanged."""
    ndim = min(np.ndim(e) for e, _ in pairs)
    if ndim >= 2 and _all(pairs, evidence, lambda g: np.swapaxes(g, -1, -2)):
        return f"{name} is transposed: its last two axes are exchanged."
    for count in (1, 2):
        for axes in combinations(range(ndim), count):
            if _all(pairs, evidence, partial(np.flip, axis=axes)):
                return f"{name} runs backwards along axis {' and '.join(map(str, axes))}."
    return None


def shifted(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the result is shifted by one along an axis."""
    for axis in range(min(np.ndim(e) for e, _ in pairs)):
        for step, where in ((1, "towards the end"), (-1, "towards the start")):
            if all(_is_shifted(e, g, axis, step, evidence.exercise.rtol) for e, g in pairs):
                return (
                    f"{name} is shifted by one {where} along axis {axis}: an index is off by one, "
                    "or the padding is one too large on one side and too small on the other."
                )
    return None


def first_sample_only(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that only the first of several samples is right."""
    rtol = evidence.exercise.rtol
    for e, g in pairs:
        if np.ndim(e) < 2 or len(e) < 2 or not np.all(close(e, g, rtol)[0]):
            return None
        if np.any([np.all(row) for row in close(e, g, rtol)[1:]]):
            return None
    return f"Only the first sample of {name} is right: is there a loop over the batch, to its end?"


def border_only(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the wrong numbers all lie on the border."""
    for e, g in pairs:
        wrong = ~close(e, g, evidence.exercise.rtol)
        if np.ndim(e) != 4 or min(e.shape[2:]) < 3 or wrong[..., 1:-1, 1:-1].any():
            return None
    return f"Only the border of {name} is wrong: look at the padding, and at the ends of the loops."


def _factor(e: Any, g: Any, rtol: float) -> float | None:
    """Return the number that g is e times, or None."""
    e, g = np.asarray(e, dtype=float), np.asarray(g, dtype=float)
    big = np.abs(e) > 1e-6 * np.max(np.abs(e), initial=0.0)
    if not big.any():
        return None
    found = float(np.median(g[big] / e[big]))
    return found if found and np.all(close(found * e, g, max(rtol, 1e-6))) else None


def _meaning(evidence: Evidence, numbers: list[float]) -> str | None:
    """Say which size of the arguments the factors are, if they are one in every case."""
    cases = [evidence.cases[i] for i in evidence.wrong]
    for name, x in cases[0].items():
        shapes = [np.shape(case[name]) for case in cases]
        if not isinstance(x, np.ndarray) or min(map(len, shapes)) != max(map(len, shapes)):
            continue
        sizes = [(f"the size of axis {k} of {name}", [s[k] for s in shapes]) for k in range(x.ndim)]
        for what, size in [*sizes, (f"the size of {name}", [int(np.prod(s)) for s in shapes])]:
            if max(size) > 1 and np.allclose(numbers, size):
                return f"too large by the factor {what} ({size[0]} here): a sum for a mean"
            if max(size) > 1 and np.allclose(np.multiply(numbers, size), 1):
                return f"too small by the factor {what} ({size[0]} here): a mean for a sum"
    return None


def _all(pairs: Pairs, evidence: Evidence, mend: Callable[[Any], Any]) -> bool:
    """Whether `mend` makes every result right."""
    rtol = evidence.exercise.rtol
    mended = [(e, mend(g)) for e, g in pairs]
    return all(e.shape == g.shape and np.all(close(e, g, rtol)) for e, g in mended)


def _is_shifted(e: Any, g: Any, axis: int, step: int, rtol: float) -> bool:
    n = e.shape[axis]
    if n < 2:
        return False
    head, tail = np.arange(n - 1), np.arange(1, n)
    mine, theirs = (tail, head) if step > 0 else (head, tail)
    return bool(np.all(close(e.take(theirs, axis), g.take(mine, axis), rtol)))
