"""Sentences for what a function does besides being wrong: raising, printing, changing its inputs.

Each takes the evidence and returns a sentence, or None.
"""

from __future__ import annotations

from .evidence import Evidence
from .outcome import Outcome

LIMIT_GIB = 2  # memory that a student's functions may use


def raises(evidence: Evidence) -> str | None:
    """Say what the function raises, if it does in the smallest case that fails."""
    outcome = evidence.got[evidence.wrong[0]]
    return None if outcome.error is None else describe(evidence, outcome)


def describe(evidence: Evidence, outcome: Outcome) -> str:
    """Return a sentence about an exception."""
    error = outcome.error
    where = f" in line {outcome.line}" if outcome.line else ""
    names = ", ".join(evidence.cases[0])
    if isinstance(error, SystemExit):
        return f"It ends the program{where}: exit() has no place in a function."
    if isinstance(error, RecursionError):
        return f"It calls itself without end{where}."
    if isinstance(error, MemoryError):
        return (
            f"It needs more memory than {LIMIT_GIB} GiB{where}: is an array far too large, or does "
            "a list grow without end?"
        )
    if isinstance(error, UnboundLocalError):
        return f"It uses a variable before it has a value{where}: {error}."
    if isinstance(error, NameError):
        return f"It uses a name that nothing defines{where}: {error}. Is an import missing?"
    if isinstance(error, ImportError):
        return f"It imports what is not there{where}: {error}. NumPy is all that is needed."
    if isinstance(error, TypeError) and outcome.line is None:
        return (
            f"It cannot be called as {evidence.exercise.name}({names}): {error}. Keep the "
            "parameters that the file came with."
        )
    return f"It raises {type(error).__name__}{where}: {str(error) or 'no message'}."


def changes_input(evidence: Evidence) -> str | None:
    """Say that arguments are changed in place."""
    changed = evidence.got[evidence.wrong[0]].changed
    if not changed:
        return None
    names = " and ".join(changed)
    return (
        f"It changes its argument {names} in place, which belongs to the caller. Work on a copy: "
        f"{changed[0]} = {changed[0]}.copy(); beware of += and of assignments to {changed[0]}[...]."
    )


def returns_view(evidence: Evidence) -> str | None:
    """Say that the result shares memory with an argument."""
    outcome = evidence.got[evidence.wrong[0]]
    if not outcome.shared:
        return None
    name = outcome.shared[0]
    return (
        f"Its result shares memory with its argument {name}: who changes one changes the other. "
        "Return a new array, with .copy() where it must be."
    )


def returns_nothing(evidence: Evidence) -> str | None:
    """Say that there is no result."""
    i = evidence.wrong[0]
    if evidence.got[i].value is not None or evidence.expected[i].value is None:
        return None
    printed = "It prints its result instead" if evidence.got[i].printed else "It returns None"
    return f"{printed}: a function hands its result back with 'return {evidence.exercise.returns}'."


def printing(evidence: Evidence) -> str | None:
    """Return a remark about output that nobody asked for."""
    lines = max((o.printed.count("\n") for o in evidence.got), default=0)
    if not any(o.printed for o in evidence.got):
        return None
    return (
        f"It prints ({max(lines, 1)} line{'s' if lines > 1 else ''} in one call): take the print() "
        "out when you are done."
    )
