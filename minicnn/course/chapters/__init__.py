"""The chapters of the course, one folder each: ``solution.py``, and the exercises made of it."""

from __future__ import annotations

import importlib
from functools import cache

from ...errors import UnknownNameError, nearest
from ..exercise import Chapter, Exercise

NAMES = (
    "tape",
    "gradient_checking",
    "convolution",
    "pooling",
    "batch_norm",
    "cross_entropy",
    "optimizers",
    "initialisation",
    "lenet",
)


@cache
def all_chapters() -> tuple[Chapter, ...]:
    """Return the chapters in their order."""
    return tuple(importlib.import_module(f".{name}", __name__).CHAPTER for name in NAMES)


def find_chapter(number: str) -> Chapter:
    """Return a chapter by its number: "03", or "3"."""
    for chapter in all_chapters():
        if chapter.number == number.zfill(2):
            return chapter
    known = ", ".join(chapter.number for chapter in all_chapters())
    raise UnknownNameError(f"course: there is no chapter '{number}'; there are {known}")


def find_exercise(name: str) -> tuple[Chapter, Exercise]:
    """Return a chapter and its exercise, by a name such as "03.conv2d"."""
    number, _, function = name.partition(".")
    chapter = find_chapter(number)
    names = [exercise.name for exercise in chapter.exercises]
    if function not in names:
        raise UnknownNameError(
            f"course: there is no exercise '{name}'; chapter {chapter.number} has "
            f"{', '.join(names)}.{nearest(function, names)}"
        )
    return chapter, chapter.find(function)
