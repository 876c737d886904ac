"""The course: exercises that check themselves.

`chapters/` holds the exercises, `README.md` says how to write one. The way of a student's function:

- `workspace.py` writes the files that students fill in, `check.py` starts a process for each file
  (`worker.py`) with limits on time and memory, and reads what it finds;
- in there, `judge.py` calls each function on drawn inputs (`evidence.py`, `outcome.py`);
- where it is wrong, `nearest.py` looks for a known mistake that gives the same wrong answers, and
  otherwise `explain.py` for a pattern (`conduct.py`, `form.py`, `patterns.py`);
- `report.py` prints, `grading.py` writes what an instructor's machine reads;
- `use.py` puts what is right under minicnn itself.

The student's code runs in a process of its own, so that it cannot take the checker down, but with
all rights of the user: whoever checks the code of others does so in a container, such as
Gradescope's.

    with minicnn.course.student("exercises").use("03") as used:
        trainer.fit(train_data)          # on the student's convolution
    print(used.calls)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .use import Student


def student(folder: str | os.PathLike[str]) -> Student:
    """Return a student's exercises, to be used in the place of minicnn's own operations.

    Args:
        folder: where ``minicnn course start`` wrote them.

    Raises:
        CourseError: there are no exercises in the folder.
    """
    from .use import Student

    return Student(folder)
