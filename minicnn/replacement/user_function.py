"""The functions that users write: what they are called with, and what they may return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import ReplacementError
from ..tensor import Tensor

REQUIRED = object()  # the default of an argument that every function must take


class Argument(NamedTuple):
    """One argument: its name, its value, and the value with which it may be left out."""

    name: str
    value: Any
    default: Any = REQUIRED


class UserFunction:
    """A function written by a user, with its name, its place and the arguments that it takes.

    Args:
        place: what it is put in the place of, for messages.
        role: "forward", "backward" or "step".
        function: any callable.
        names: what it may be called with, in order; the first `required` of them it must take.
    """

    def __init__(self, place: str, role: str, function: Any, names: Sequence[str], required: int):
        if not callable(function):
            raise ReplacementError(
                f"replace: {role} of '{place}' must be a function, got {function!r}"
            )
        self.place, self.role, self.function = place, role, function
        self.label = f"{getattr(function, '__name__', repr(function))} ({_where(function)})"
        taken = _positional(function)
        self.wants_y = role == "backward" and "y" in taken
        # Which place `y` has among the arguments; the others keep their order.
        self.y_at = taken.index("y") if self.wants_y else 0
        others = [name for name in taken if name != "y" or not self.wants_y]
        self.count = len(names) if "*" in others else min(len(others), len(names))
        needed = _without_default(function) - self.wants_y
        least = 1 if self.wants_y else required  # backward(dy, y) may need nothing else
        if self.count < least or needed > len(names):
            raise ReplacementError(
                f"replace: the {role} of '{place}' is called as {role}({', '.join(names)}), but "
                f"{self.label} takes {inspect.signature(function)}"
            )

    def __call__(self, arguments: Sequence[Argument], y: Any = None) -> Any:
        """Call the function with as many of the arguments as it takes."""
        for name, value, default in arguments[self.count :]:
            if default is not REQUIRED and not _same(value, default):
                shown = f"an array {value.shape}" if hasattr(value, "shape") else repr(value)
                raise ReplacementError(
                    f"{self.place}: {self.label} takes no {name}, but is needed with {name}="
                    f"{shown}; add that argument, or use {name}={default!r}"
                )
        values = [argument.value for argument in arguments[: self.count]]
        if self.wants_y:
            values.insert(self.y_at, y)
        # NumPy's warnings, which operations switch off, are on here: they help to find mistakes.
        with np.errstate(divide="warn", over="warn", invalid="warn"):
            return self.function(*values)

    def check(self, what: str, found: Any, like: Any, inputs: Sequence[Any]) -> Any:
        """Return the result `found` if it has the shape and dtype of `like`, or raise."""
        if like.shape == () and isinstance(found, (int, float, np.number)):
            found = np.asarray(found, dtype=like.dtype)
        expected = Tensor if isinstance(like, Tensor) else np.ndarray
        if not isinstance(found, expected):
            got = "None" if found is None else f"a {type(found).__name__}"
            hint = " (is its 'return' missing?)" if found is None else ""
            self.fail(
                f"{what} must be a {expected.__name__} of shape {like.shape}; got {got}{hint}"
            )
        if tuple(found.shape) != tuple(like.shape):
            self.fail(f"{what} must have shape {tuple(like.shape)}; got {tuple(found.shape)}")
        if found.dtype != like.dtype:
            self.fail(
                f"{what} must be {like.dtype}, as what it is computed from; got {found.dtype}. "
                "Make arrays with dtype=x.dtype, or return it with .astype(x.dtype)"
            )
        if isinstance(found, Tensor):
            return found
        if not np.isfinite(found).all():
            self._explain(what, found, inputs)
        # A result that is (a part of) an input would change with it.
        shared = any(np.may_share_memory(found, x) for x in inputs if isinstance(x, np.ndarray))
        return found.copy() if shared or not found.flags.writeable else found

    def _explain(self, what: str, found: Any, inputs: Sequence[Any]) -> None:
        """Raise for NaN or infinity, unless they were there before."""
        floats = [x for x in inputs if isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size]
        if all(np.isfinite(x).all() for x in floats):
            kind = "NaN" if np.isnan(found).any() else "infinity"
            first = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
            largest = max((float(np.abs(x).max()) for x in floats), default=0.0)
            self.fail(
                f"{what} has {kind}, first at {first}, though all inputs are finite (the largest "
                f"is {largest:.3g})"
            )

    def fail(self, message: str) -> NoReturn:
        """Raise an error that names the function and where it is."""
        raise ReplacementError(f"{self.place}: {self.role} {self.label}: {message}")

    def __repr__(self) -> str:
        return self.label


def _same(value: Any, default: Any) -> bool:
    return value is default or (not hasattr(value, "shape") and value == default)


def _where(function: Any) -> str:
    """Return the file and line of a function, as editors understand it."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:  # an object that can be called, or a function written in C
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "built in"


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # functions written in C may have no signature
        return [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]


def _positional(function: Callable[..., Any]) -> list[str]:
    """Return the names that can be given by position; "*" stands for any number."""
    parameters = _parameters(function)
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*found, "*"] if any(p.kind is p.VAR_POSITIONAL for p in parameters) else found


def _without_default(function: Callable[..., Any]) -> int:
    """Return how many parameters must be given."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return sum(p.default is p.empty and p.kind not in variable for p in _parameters(function))
