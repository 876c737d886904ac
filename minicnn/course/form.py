"""Sentences for results of the wrong form: type, number, shape, dtype, NaN.

Each takes the name of the result, the evidence, and the pairs (expected, got) of the cases that
fail, the smallest first; it returns a sentence, or None.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from .evidence import Evidence
from .outcome import close

Pairs = list[tuple[Any, Any]]


def wrong_number(evidence: Evidence) -> str | None:
    """Say that one result came where several are expected, or too many."""
    i = evidence.wrong[0]
    e, g = evidence.expected[i].value, evidence.got[i].value
    if not isinstance(e, tuple):
        return None
    count = len(g) if isinstance(g, (tuple, list)) else 1
    if isinstance(g, (tuple, list)) and count == len(e):
        return None
    returns = evidence.exercise.returns
    return (
        f"It returns {count} thing{'s' if count != 1 else ''} instead of {len(e)}: end with "
        f"'return {returns}'."
    )


def wrong_type(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the result is a list or the like instead of an array, or a float for an int."""
    e, g = pairs[0]
    if isinstance(e, (int, np.integer)) and isinstance(g, (float, np.floating)):
        return f"{name} is a float ({g}) where a whole number belongs: divide with //, not /."
    wanted = np.ndarray if isinstance(e, np.ndarray) else (int, float, np.generic, np.ndarray)
    if isinstance(e, (np.ndarray, int, float, np.generic)) and not isinstance(g, wanted):
        what = "a NumPy array" if isinstance(e, np.ndarray) else "a number"
        return f"{name} is a {type(g).__name__}; it should be {what}."
    if isinstance(e, (dict, list, str)) and type(e) is not type(g):
        return f"{name} is a {type(g).__name__}; it should be a {type(e).__name__}."
    return None


def wrong_shape(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that the shape is wrong, and how: axes swapped, axes missing, or the formula."""
    found = [(e, g) for e, g in pairs if np.shape(e) != np.shape(g)]
    if not found or isinstance(found[0][0], (list, dict, str)):
        return None
    e, g = found[0]
    says = f"{name} has shape {np.shape(g)} instead of {np.shape(e)}"
    order = _order(found, evidence.exercise.rtol)
    if order:
        return f"{says}. Its axes are in another order: {name}.transpose{order} would be right."
    if np.size(e) == np.size(g):
        return f"{says}, with as many elements: an axis is missing, superfluous or elsewhere."
    size = evidence.exercise.size
    return f"{says}." + (f" The formula: {size}." if size else "")


def wrong_dtype(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that values are right and their dtype is not."""
    found = [(e, g) for e, g in pairs if isinstance(g, np.ndarray) and g.dtype != e.dtype]
    if not found:
        return None
    e, g = found[0]
    if not all(np.all(close(e, g, 1e-4)) for e, g in found):
        return None
    return (
        f"{name} is {g.dtype} where {e.dtype} belongs; its values are right. np.zeros and the like "
        "make float64 unless told otherwise: dtype=x.dtype."
    )


def not_finite(name: str, evidence: Evidence, pairs: Pairs) -> str | None:
    """Say that there is NaN or infinity where there should be a number."""
    for e, g in pairs:
        if np.all(np.isfinite(e)) and not np.all(np.isfinite(g)):
            what = "NaN" if np.isnan(g).any() else "infinity"
            return (
                f"{name} contains {what}: where does it divide by zero, take a logarithm of zero, "
                "or raise e to a large power? np.empty, too, holds anything."
            )
    return None


def _order(pairs: Pairs, rtol: float) -> tuple[int, ...] | None:
    """Return the order of axes that makes all results right."""
    ndim = np.ndim(pairs[0][0])
    if ndim < 2 or any(np.ndim(g) != ndim for _, g in pairs):
        return None
    for order in permutations(range(ndim)):
        turned = [(e, g.transpose(order)) for e, g in pairs]
        if all(e.shape == g.shape and np.all(close(e, g, rtol)) for e, g in turned):
            return order
    return None
