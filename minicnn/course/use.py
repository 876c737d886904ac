"""A student's functions in the place of minicnn's own: networks train on what the student wrote."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from ..errors import CourseError
from ..replacement import Calls, Replaced, replace
from .chapters import find_chapter
from .check import check
from .judge import PASSED
from .worker import load
from .workspace import find_folder


class Student:
    """The exercises of a student, made by `minicnn.course.student`."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = find_folder(Path(folder))

    def use(self, number: str) -> Used:
        """Check a chapter, and put its functions in the place of minicnn's operations.

        It takes effect at once, in the whole process; ``with ...use("03") as used:`` ends it with
        the block, ``used.undo()`` at any time.

        Args:
            number: of the chapter, such as "03".

        Raises:
            CourseError: a function that is needed is not right yet, or the chapter has none that
                could be used.
        """
        chapter = find_chapter(number)
        library = chapter.library
        if library is None:
            raise CourseError(
                f"course: minicnn uses nothing of chapter {chapter.number} ({chapter.title})"
            )
        needed = {name for used in library.functions for name in chapter.needed_by(used)}
        for finding in check(chapter, self.folder).findings:
            if finding.name in needed and finding.status != PASSED:
                raise CourseError(
                    f"course: {chapter.number}.{finding.name} in '{self.folder / chapter.file}' is "
                    f"{finding.status}, so it cannot be used: {finding.message or 'write it first'}"
                )
        names, problem = load(self.folder / chapter.file)
        if problem:  # a file that ran a moment ago, in another process
            raise CourseError(f"course: {chapter.file}: {problem}")
        functions = library.build(*(names[name] for name in library.functions))
        return Used({name: replace(name, **given) for name, given in functions.items()})


class Used:
    """Functions of a student that are in use.

    Attributes:
        replaced: name of an operation -> its replacement.
    """

    def __init__(self, replaced: dict[str, Replaced]):
        self.replaced = replaced

    @property
    def calls(self) -> dict[str, Calls]:
        """How often each was called: name of the operation -> counts of forward and backward."""
        return {name: replaced.calls for name, replaced in self.replaced.items()}

    def undo(self) -> None:
        """Use minicnn's own operations again."""
        for replaced in self.replaced.values():
            replaced.undo()

    def __enter__(self) -> Used:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()
