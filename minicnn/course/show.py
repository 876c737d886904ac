"""Values in a message: whole if they are small, and otherwise what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .exercise import Case, Exercise
from .outcome import close, same

WHOLE = 18  # arrays of so many elements are shown whole


def show(value: Any) -> str:
    """Return a value as one line."""
    if isinstance(value, np.ndarray) and value.ndim:
        kind = "" if value.dtype == np.float64 else f" {value.dtype}"
        if value.size > WHOLE:
            return f"array of shape {value.shape}{kind}"
        return _nested(value.tolist()) + kind
    if isinstance(value, tuple):
        return "(" + ", ".join(map(show, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (float, np.generic, np.ndarray)):
        return _number(value)
    text = " ".join(repr(value).split())  # of several lines one
    return text if len(text) <= 60 else text[:57] + "..."


def show_case(case: Case) -> str:
    """Return the arguments of a call as one line."""
    return ", ".join(f"{name}={show(value)}" for name, value in case.items())


def parts(exercise: Exercise, expected: Any, got: Any) -> list[tuple[str, Any, Any]]:
    """Return (name, expected, got) of each thing that the function returns."""
    names = exercise.returns.split(", ")
    if isinstance(expected, tuple) and isinstance(got, (tuple, list)):
        if len(expected) == len(got) == len(names):
            return list(zip(names, expected, got, strict=True))
    return [(exercise.returns, expected, got)]


def difference(exercise: Exercise, expected: Any, got: Any) -> list[str]:
    """Return lines that show where a result is not the expected one."""
    lines = []
    for name, e, g in parts(exercise, expected, got):
        if same(e, g, exercise.rtol):
            continue
        if _comparable(e, g) and e.size > WHOLE:
            wrong = ~close(e, g, exercise.rtol)
            place = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0,) * e.ndim
            spot = f"{name}[{', '.join(map(str, place))}]"
            lines.append(f"expected {spot} = {_number(e[place])}, got {_number(g[place])}; "
                         f"{int(wrong.sum())} of {e.size} elements are wrong")  # fmt: skip
        else:
            lines += [f"expected {name} = {show(e)}", f"got      {name} = {show(g)}"]
    return lines


def _comparable(e: Any, g: Any) -> bool:
    return isinstance(e, np.ndarray) and isinstance(g, np.ndarray) and e.shape == g.shape


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    return _number(value)


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
