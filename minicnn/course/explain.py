"""From a wrong function to one sentence that says what is wrong with it.

The sentence of the nearest known mistake comes first. Where none fits, general patterns are tried
from the plainest to the vaguest; the last of them compares the arguments of the cases that went
wrong with those of the cases that went right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import conduct, form, patterns
from .evidence import Evidence
from .outcome import same
from .show import parts

CONDUCT = (conduct.raises, conduct.returns_nothing, form.wrong_number)
LATE_CONDUCT = (conduct.changes_input, conduct.returns_view)
FORM = (form.wrong_type, form.wrong_shape, form.wrong_dtype)
NUMBERS = (
    form.not_finite,
    patterns.all_zero,
    patterns.factor,
    patterns.offset,
    patterns.flipped,
    patterns.shifted,
    patterns.first_sample_only,
)


def explain(evidence: Evidence) -> str | None:
    """Return a sentence about what is wrong, or None if nothing fits.

    What the function does comes before what it returns: numbers that were computed from arguments
    changed by an earlier step say nothing.
    """
    for detector in (*CONDUCT, *LATE_CONDUCT):
        found = detector(evidence)
        if found:
            only_wrong = only_when(evidence)
            return f"{found} {only_wrong}" if only_wrong else found
    return _of_values(evidence) or only_when(evidence)


def _of_values(evidence: Evidence) -> str | None:
    """Describe the first of the results that is wrong."""
    returned = [i for i in evidence.wrong if evidence.got[i].error is None]
    listed: dict[str, list[tuple[Any, Any]]] = {}
    for i in returned:
        e, g = evidence.expected[i].value, evidence.got[i].value
        for name, one, other in parts(evidence.exercise, e, g):
            pairs = listed.setdefault(name, [])
            if not same(one, other, evidence.exercise.rtol):
                pairs.append((one, other))
    for name, pairs in listed.items():
        found = _of_pairs(name, evidence, pairs) if pairs else None
        if found:
            right = [other for other, wrong in listed.items() if not wrong]
            return f"{' and '.join(right)} {'is' if len(right) == 1 else 'are'} right. {found}" \
                if right else found  # fmt: skip
    return None


def _of_pairs(name: str, evidence: Evidence, pairs: list[tuple[Any, Any]]) -> str | None:
    for detector in FORM:
        found = detector(name, evidence, pairs)
        if found:
            return found
    if any(isinstance(e, (dict, list, str, bool, type(None))) for e, _ in pairs):
        return None
    numbers = [(np.asarray(e), np.asarray(g)) for e, g in pairs]
    if any(g.dtype.kind not in "fiub" for _, g in numbers):
        return f"{name} holds {numbers[0][1].dtype}, which are no numbers to compute with."
    for detector in NUMBERS:
        found = detector(name, evidence, numbers)
        if found:
            return found
    return only_when(evidence) or patterns.border_only(name, evidence, numbers)


def only_when(evidence: Evidence) -> str | None:
    """Say what distinguishes the arguments that go wrong: stride other than 1, several samples."""
    if not evidence.right or len(evidence.cases) < 3:
        return None
    traits = [_traits(case) for case in evidence.cases]
    for trait in traits[evidence.wrong[0]]:
        if all(trait in traits[i] for i in evidence.wrong) and not any(
            trait in traits[i] for i in evidence.right
        ):
            return f"It goes wrong in just the cases with {trait}."
    return None


def _traits(case: dict[str, Any]) -> list[str]:
    """Return what is special about the arguments of a call."""
    found = []
    for name, x in case.items():
        if isinstance(x, np.ndarray):
            found += _array_traits(name, x)
        elif isinstance(x, (bool, str, type(None))):
            found.append(f"{name} = {x!r}")
        elif isinstance(x, (int, tuple)) and x not in (0, 1, (0, 0), (1, 1)):
            plain = 0 if name == "padding" else 1
            found.append(f"{name} other than {plain}")
    return found


def _array_traits(name: str, x: np.ndarray) -> list[str]:
    found = []
    if x.ndim and x.shape[0] > 1:
        many = " (several samples)" if name in ("x", "dy") else ""
        found.append(f"axis 0 of {name} larger than 1{many}")
    if x.ndim == 4 and x.shape[1] > 1:
        found.append(f"more than one channel (axis 1 of {name})")
    if x.ndim >= 2 and x.shape[-1] != x.shape[-2]:
        found.append(f"a {name} that is not square")
    if x.dtype != np.float64:
        found.append(f"{name} in {x.dtype}")
    if x.size == 0:
        found.append(f"an empty {name}")
    return found
