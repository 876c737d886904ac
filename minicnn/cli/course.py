"""``minicnn course``: exercises that check themselves."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

EPILOG = """\
examples:
  minicnn course start                   write the exercises into the folder exercises
  minicnn course check 03                what is right, what is wrong, and why
  minicnn course check 03.im2col         only this function
  minicnn course hint 03.im2col --more   all hints for it
  minicnn course progress                what is done
  minicnn course grade --format gradescope --out results.json

The functions run in a process of their own, with limits on time and memory, and with all rights of
the user. Check the code of others in a container.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define what may follow ``minicnn course``."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)

    def action(name: str, help: str) -> Any:
        sub = actions.add_parser(name, help=help, description=help + ".")
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS,
                         help="show the traceback of an error")  # fmt: skip
        return sub

    start = action("start", "write the exercises into a folder; files that are there stay")
    start.add_argument("folder", nargs="?", metavar="DIR", type=Path, default=Path("exercises"),
                       help="default: exercises")  # fmt: skip
    check = action("check", "check what was written")
    check.add_argument(
        "names", nargs="*", metavar="NN", help="chapters such as 03, or functions such as 03.im2col"
    )
    progress = action("progress", "show what is done")
    grade = action("grade", "write a grade, for instructors")
    grade.add_argument("names", nargs="*", metavar="NN", help="chapters that count (default: all)")
    grade.add_argument(
        "--format", default="json", metavar="NAME", help="gradescope, or json (default)"
    )
    grade.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: printed)")
    for sub in (check, progress, grade):
        place = "where the exercises are (default: here, or in exercises)"
        sub.add_argument("--dir", type=Path, metavar="DIR", help=place)
        sub.add_argument("--seed", type=int, default=0, metavar="N", help="of the drawn inputs")
        sub.add_argument("--limit", type=float, default=10.0, metavar="SECONDS",
                         help="for one function (default: 10)")  # fmt: skip
    hint = action("hint", "give a hint")
    hint.add_argument("name", metavar="NN.FUNCTION", help="such as 03.im2col")
    hint.add_argument("--more", action="store_true", help="all hints, not only the first")


def run(arguments: Any) -> int:
    """Do what follows ``minicnn course``; return 1 if something that was checked is wrong."""
    return ACTIONS[arguments.action](arguments)


def start(arguments: Any) -> int:
    """Write the exercises."""
    from ..course.workspace import start

    started = start(arguments.folder)
    if started.kept:
        print(f"kept as they are: {', '.join(path.name for path in started.kept)}")
    if started.written:
        print(f"written: {', '.join(path.name for path in started.written)}")
        print(f"next: read {arguments.folder / 'README.md'}")
    return 0


def check(arguments: Any) -> int:
    """Print what is right and what is wrong."""
    from ..course.judge import PASSED, TODO
    from ..course.report import describe

    code = 0
    asked = bool(arguments.names)
    for chapter, only in _chosen(arguments.names):
        result = _check(chapter, arguments)
        findings = [f for f in result.findings if not only or f.name == only]
        # Without being asked for, what is not written yet is no failure.
        fine = (PASSED,) if asked else (PASSED, TODO)
        code = code if all(f.status in fine for f in findings) else 1
        if asked or result.begun:
            print(describe(result, only), flush=True)
        else:
            print(f"{chapter.number} {chapter.title}: not begun", flush=True)
    return code


def progress(arguments: Any) -> int:
    """Print a bar for each chapter."""
    from ..course.report import progress

    print(progress(_check(chapter, arguments) for chapter, _ in _chosen([])))
    return 0


def grade(arguments: Any) -> int:
    """Write a grade."""
    from ..course.grading import FORMATS, grade
    from ..errors import UnknownNameError, nearest
    from ..serialization import atomic_write

    if arguments.format not in FORMATS:
        raise UnknownNameError(
            f"course grade: --format is {' or '.join(FORMATS)}, got '{arguments.format}'."
            f"{nearest(arguments.format, FORMATS)}"
        )
    begin = time.perf_counter()
    results = [_check(chapter, arguments) for chapter, _ in _chosen(arguments.names)]
    seconds = time.perf_counter() - begin
    text = json.dumps(grade(results, arguments.format, arguments.seed, seconds), indent=2) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        with atomic_write(arguments.out) as file:
            file.write(text.encode())
    return 0


def hint(arguments: Any) -> int:
    """Print a hint, or all of them."""
    from ..course.chapters import find_exercise

    _, exercise = find_exercise(arguments.name)
    shown = exercise.hints if arguments.more else exercise.hints[:1]
    for number, text in enumerate(shown, 1):
        print(f"{number}. {text}")
    if len(shown) < len(exercise.hints):
        print(f"({len(exercise.hints) - 1} more with --more)")
    return 0


ACTIONS = {"start": start, "check": check, "progress": progress, "grade": grade, "hint": hint}


def _check(chapter: Any, arguments: Any) -> Any:
    from ..course.check import check
    from ..course.workspace import find_folder

    return check(chapter, find_folder(arguments.dir), arguments.seed, arguments.limit)


def _chosen(names: list[str]) -> list[tuple[Any, str]]:
    """Return chapters with the name of a function, or "" for all of them."""
    from ..course.chapters import all_chapters, find_chapter, find_exercise

    if not names:
        return [(chapter, "") for chapter in all_chapters()]
    found = []
    for name in names:
        if "." in name:
            chapter, exercise = find_exercise(name)
            found.append((chapter, exercise.name))
        else:
            found.append((find_chapter(name), ""))
    return found
