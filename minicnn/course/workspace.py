"""The folder in which a student works: a file for each chapter, and a README."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import CourseError
from ..serialization import atomic_write
from .chapters import all_chapters

USUAL = Path("exercises")  # where they are if nothing is said
README = """\
# Exercises

Each file goes with the notebook of the same number. Fill in the functions: their docstrings say
what they compute. NumPy is all that is needed.

    minicnn course check 03                 is what I wrote right?
    minicnn course check 03.im2col          only this function
    minicnn course hint 03.im2col           a nudge; --more for all hints
    minicnn course progress                 what is done

Run them in this folder, or name it with --dir. (A folder called exercises is found from the one
above it.) A function that is not written yet raises NotImplementedError.

To begin a file anew, rename or delete it, and run `minicnn course start .`: it writes the files
that are not there, and changes none that is.
"""


class Started(NamedTuple):
    """The files that were written, and those that were there already."""

    written: list[Path]
    kept: list[Path]


def start(folder: Path) -> Started:
    """Write the exercises into a folder. Files that are there already stay as they are."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CourseError(f"course start: '{folder}' is a file; name a folder") from None
    texts = {"README.md": lambda: README}
    texts |= {chapter.file: chapter.write for chapter in all_chapters()}
    started = Started([], [])
    for name, text in texts.items():
        path = folder / name
        if path.exists():
            started.kept.append(path)
            continue
        with atomic_write(path) as file:
            file.write(text().encode())
        started.written.append(path)
    return started


def find_folder(folder: Path | None = None) -> Path:
    """Return the folder of the exercises; by default the current one, or ``exercises`` in it."""
    places = [Path("."), USUAL] if folder is None else [folder]
    for place in places:
        if any((place / chapter.file).exists() for chapter in all_chapters()):
            return place
    raise CourseError(
        f"course: there are no exercises in {' or '.join(repr(str(p)) for p in places)}. Name "
        "their folder with --dir, or write them with 'minicnn course start DIR'"
    )
