"""What an exercise is: a solution, the inputs it is judged on, and the mistakes that people make.

A *mistake* is the solution with a few words of its source changed. So each mistake shows what it
is, and a student's answer that equals a mistake's answer on every input has that mistake.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import CourseError

Case = dict[str, Any]  # name of an argument -> its value, in the order of the parameters
TODO = "    raise NotImplementedError\n"


@dataclass(frozen=True)
class Mistake:
    """A solution that is wrong in one way, and the sentence that tells a student so.

    Attributes:
        name: two to five words, for statistics: "kernel flipped".
        sentence: what is wrong and what would be right, as said to the student.
        edits: pairs (old, new): `old` stands exactly once in the solution's source.
        body: or else a whole new body, where editing words would not do.
    """

    name: str
    sentence: str
    edits: tuple[tuple[str, str], ...] = ()
    body: str = ""


def mistake(name: str, sentence: str, *edits: tuple[str, str], body: str = "") -> Mistake:
    """Return a `Mistake`; `edits` are pairs (old, new)."""
    return Mistake(name, sentence, edits, body)


@dataclass(frozen=True)
class Speed:
    """A function must be `times` as fast as `than` (both are timed in the same process).

    Attributes:
        than: the name of the slower function in the chapter's solution.
        times: how many times as fast, at least. Ask for much less than a good solution reaches.
        case: a seeded generator -> the arguments; `than` should take some 10 ms with them.
        advice: what makes it slow, and what to do instead.
    """

    than: str
    times: float
    case: Callable[[np.random.Generator], Case]
    advice: str


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function that a student writes.

    Attributes:
        solution: the reference solution, a function of the chapter's ``solution.py``.
        cases: a seeded generator -> the inputs that the function is judged on, edge cases among
            them, small ones first.
        hints: from a nudge to nearly the answer.
        mistakes: at least five; no two give the same answers on all cases.
        returns: the names of what it returns: "y", or "dx, dw, db".
        size: the formula of the result's shape, quoted when the shape is wrong.
        gradient: the student's function -> (function of tensors, inputs), for `minicnn.gradcheck`.
        speed: how fast it must be, where that is the point.
        needs: names of the chapter's functions, all before this one, that it may call.
        may_share: whether the result may share memory with an argument.
        rtol: relative tolerance in float64; in float32 it is at least 1e-4.
        points: for a grade.
    """

    solution: Callable[..., Any]
    cases: Callable[[np.random.Generator], Iterator[Case]]
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    returns: str = "y"
    size: str = ""
    gradient: Callable[[Callable[..., Any]], tuple[Callable[..., Any], Any]] | None = None
    speed: Speed | None = None
    needs: tuple[str, ...] = ()
    may_share: bool = False
    rtol: float = 1e-7
    points: int = 1

    @property
    def name(self) -> str:
        """The function's name."""
        return self.solution.__name__

    @cached_property
    def source(self) -> str:
        """The solution's source."""
        return inspect.getsource(self.solution)

    @property
    def blank(self) -> str:
        """The source with the body left out: what the student starts from."""
        return self._head() + TODO

    def source_of(self, wrong: Mistake) -> str:
        """Return the solution's source with a mistake in it."""
        if wrong.body:
            return self._head() + textwrap.indent(textwrap.dedent(wrong.body).strip("\n"), "    ")
        text = self.source
        for old, new in wrong.edits:
            if text.count(old) != 1:
                raise CourseError(
                    f"{self.name}, mistake '{wrong.name}': {old!r} must stand in the solution's "
                    f"source once, and stands there {text.count(old)} times"
                )
            text = text.replace(old, new)
        return text

    def function_of(self, wrong: Mistake) -> Callable[..., Any]:
        """Return the solution with a mistake in it, as a function."""
        names = dict(self.solution.__globals__)
        exec(compile(self.source_of(wrong), f"<{self.name}: {wrong.name}>", "exec"), names)
        return names[self.name]

    def _head(self) -> str:
        """Return the lines up to the end of the docstring."""
        import ast

        function = ast.parse(self.source).body[0]
        assert isinstance(function, ast.FunctionDef)
        last = function.body[0].end_lineno
        return "".join(self.source.splitlines(keepends=True)[:last])


@dataclass(frozen=True)
class Library:
    """How a chapter's functions take the place of the library's own.

    Attributes:
        functions: names of the functions that are needed.
        build: these functions -> name of an operation -> the arguments of `minicnn.replace`.
    """

    functions: tuple[str, ...]
    build: Callable[..., dict[str, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Chapter:
    """The exercises that go with one notebook.

    Attributes:
        number: "03", as in the notebook's name.
        title: a few words.
        solution: the module with the reference solutions; from it the student's file is made.
        exercises: in the order of the solution.
        library: how its functions are put under minicnn, where that is possible.
    """

    number: str
    title: str
    solution: ModuleType
    exercises: tuple[Exercise, ...]
    library: Library | None = None

    @property
    def file(self) -> str:
        """The name of the student's file."""
        return f"{self.number}_{self.title.replace('-', '_').replace(' ', '_')}.py"

    def find(self, name: str) -> Exercise:
        """Return an exercise by its name."""
        return next(e for e in self.exercises if e.name == name)

    def needed_by(self, name: str) -> set[str]:
        """Return the function's name, and those of all that it may call."""
        return {name}.union(*(self.needed_by(other) for other in self.find(name).needs))

    def write(self, answers: dict[str, str] | None = None) -> str:
        """Return the text of a student's file.

        Args:
            answers: name of a function -> its source. Those not named are left blank.
        """
        text = inspect.getsource(self.solution)
        for exercise in self.exercises:
            answer = (answers or {}).get(exercise.name, exercise.blank)
            text = text.replace(exercise.source, answer.rstrip("\n") + "\n")
        return text
