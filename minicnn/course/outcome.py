"""One call of a function: what it returned or raised, and what it did besides."""

from __future__ import annotations

import contextlib
import copy
import io
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .exercise import Case, Exercise

ATOL = {8: 1e-12, 4: 1e-7}  # by item size: what is 0 may come out as that much


@dataclass
class Outcome:
    """What a call did.

    Attributes:
        value: what it returned (a copy), if it did not raise.
        error: what it raised, or None.
        line: where it was raised, in the file that defines the function; None if elsewhere.
        printed: what it printed.
        changed: the names of the arguments that it changed.
        shared: the names of the arguments that share memory with the result, where they must not.
    """

    value: Any = None
    error: BaseException | None = None
    line: int | None = None
    printed: str = ""
    changed: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def like(self, other: Outcome, rtol: float) -> bool:
        """Whether both calls did the same."""
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error)
        conduct = (self.changed, self.shared) == (other.changed, other.shared)
        return conduct and same(other.value, self.value, rtol)


def call(exercise: Exercise, function: Callable[..., Any], case: Case) -> Outcome:
    """Call `function` with copies of a case's values. Nothing that it raises gets out."""
    given = copy.deepcopy(case)
    outcome, printed = Outcome(), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = function(*given.values())
        if not exercise.may_share:
            outcome.shared = tuple(name for name, x in given.items() if _overlap(x, value))
        outcome.value = _kept(value)
    except BaseException as error:  # also SystemExit: the student's code must not end the check
        outcome.error, outcome.line = error, _line(error, function)
    outcome.printed = printed.getvalue()
    outcome.changed = tuple(name for name, x in case.items() if not _unchanged(x, given[name]))
    return outcome


def same(expected: Any, got: Any, rtol: float) -> bool:
    """Whether two results are the same: type, shape and dtype; numbers up to rounding."""
    if isinstance(expected, (tuple, list)):
        return (
            isinstance(got, (tuple, list))
            and len(expected) == len(got)
            and all(same(e, g, rtol) for e, g in zip(expected, got, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and expected.keys() == got.keys()
            and all(same(e, got[key], rtol) for key, e in expected.items())
        )
    if isinstance(expected, (bool, str, type(None))):
        return type(got) in (type(expected), np.bool_) and expected == got
    if isinstance(expected, (int, float)) or np.ndim(expected) == 0:
        return _same_number(expected, got, rtol)
    if not isinstance(got, np.ndarray) or (got.shape, got.dtype) != (
        expected.shape,
        expected.dtype,
    ):
        return False
    return bool(np.all(close(expected, got, rtol)))


def close(expected: Any, got: Any, rtol: float) -> Any:
    """Whether numbers agree, element by element: up to `rtol` times the largest of them."""
    expected, got = np.asarray(expected), np.asarray(got)
    if got.dtype.kind not in "fiubc":
        return np.zeros(expected.shape, dtype=bool)
    if expected.dtype.kind != "f":
        return expected == got
    if expected.itemsize == 4:
        rtol = max(rtol, 1e-4)
    finite = np.abs(expected[np.isfinite(expected)])
    slack = rtol * np.max(finite, initial=0.0) + ATOL.get(expected.itemsize, 1e-3)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(expected - got) <= slack
        return near | (expected == got) | (np.isnan(expected) & np.isnan(got))


def _same_number(expected: Any, got: Any, rtol: float) -> bool:
    if not isinstance(got, (int, float, np.generic, np.ndarray)) or np.ndim(got) != 0:
        return False
    kind = np.asarray(got).dtype.kind
    if isinstance(expected, (int, np.integer)):
        return kind in "iu" and int(got) == int(expected)
    if kind not in "fiu" or isinstance(got, bool):
        return False
    return bool(close(np.float64(expected), np.float64(got), rtol))


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays in nested containers."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from arrays_in(part)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))


def _kept(value: Any) -> Any:
    """Return a result whose arrays nobody can change any more."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(_kept(part) for part in value)
    if type(value) is dict:
        return {name: _kept(part) for name, part in value.items()}
    return value


def _overlap(x: Any, value: Any) -> bool:
    return any(np.may_share_memory(a, b) for a in arrays_in(x) for b in arrays_in(value))


def _unchanged(before: Any, after: Any) -> bool:
    if not isinstance(before, (np.ndarray, list, dict, tuple)):
        return True
    return same(before, after, 0.0)


def _line(error: BaseException, function: Callable[..., Any]) -> int | None:
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__)
             if frame.f_code.co_filename == file]  # fmt: skip
    return lines[-1] if lines else None
