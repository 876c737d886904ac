"""The process in which a student's functions run: ``python -m minicnn.course.worker JOB``.

JOB is a file with a JSON dict (see `check.py`). For each function a line of JSON is appended to the
file that it names, before and after, so that the parent knows at which one the process ended.

Functions are judged in their order, each with the right versions of those before it: who calls a
wrong one is not blamed for that.

A function that does not end is ended by `faulthandler`, which also writes where it was: its clock
is a thread of its own that no loop in Python or C can hold up.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from .chapters import find_chapter
from .conduct import LIMIT_GIB
from .judge import FAILED, PASSED, Finding, judge


def main(job: dict[str, Any]) -> None:
    """Judge the functions that the job names, and report."""
    limit_memory()
    with open(job["report"], "a", encoding="utf-8") as report, open(job["log"], "w") as log:

        def say(**line: Any) -> None:
            faulthandler.dump_traceback_later(job["limit"], exit=True, file=log)
            report.write(json.dumps(line) + "\n")
            report.flush()

        say(begin="")
        sys.stdout = sys.stderr = open(os.devnull, "w")
        names, problem = load(Path(job["file"]))
        if problem:
            say(problem=problem)
            return
        chapter = find_chapter(job["chapter"])
        names |= {name: chapter.find(name).solution for name in job["wrong"]}
        for name in job["functions"]:
            say(begin=name)
            exercise = chapter.find(name)
            finding = judge_named(exercise, names, job["seed"])
            if finding.status != PASSED:
                names[name] = exercise.solution  # so that functions that call it are judged fairly
            say(finding=finding.to_dict())


def judge_named(exercise: Any, names: dict[str, Any], seed: int) -> Finding:
    """Judge a function of the student's file, if it is there."""
    function = names.get(exercise.name)
    if callable(function):
        try:
            return judge(exercise, function, seed)
        except Exception as error:  # objects of the student's own classes may do anything
            kind = type(error).__name__
            sentence = f"Its result cannot be compared with the right one: {kind}: {error}."
            return Finding(exercise.name, FAILED, sentence)
    what = (
        "no such function" if function is None else f"no function but a {type(function).__name__}"
    )
    return Finding(
        exercise.name,
        FAILED,
        f"There is {what} in the file: was it renamed, deleted or overwritten?",
    )


def load(file: Path) -> tuple[dict[str, Any], str]:
    """Run a student's file; return its names, or a sentence about why it cannot be run."""
    module = types.ModuleType(file.stem)
    module.__file__ = str(file)
    sys.modules[file.stem] = module
    sys.path.insert(0, str(file.parent))
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
    except SyntaxError as error:
        text = (error.text or "").strip()
        return (
            {},
            f"Python cannot read line {error.lineno}: {error.msg}{': ' if text else ''}{text}",
        )
    except ImportError as error:
        return {}, f"An import fails{_where(error, file)}: {error}. NumPy is all that is needed."
    except NameError as error:
        return {}, f"A name is not defined{_where(error, file)}: {error}. Is an import missing?"
    except SystemExit as error:
        return {}, f"It ends the program{_where(error, file)}: exit() has no place in it."
    except BaseException as error:
        kind = type(error).__name__
        return {}, f"It raises {kind}{_where(error, file)} as it is read: {error}"
    return module.__dict__, ""


def limit_memory() -> None:
    """Let this process have no more than LIMIT_GIB on top of what it has, where that is known."""
    statm = Path("/proc/self/statm")  # Linux; other systems have no limit that can be relied on
    if statm.exists():
        import resource

        pages = int(statm.read_text().split()[0])
        most = pages * resource.getpagesize() + LIMIT_GIB * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _where(error: BaseException, file: Path) -> str:
    import traceback

    lines = [line for frame, line in traceback.walk_tb(error.__traceback__)
             if frame.f_code.co_filename == str(file)]  # fmt: skip
    return f" in line {lines[-1]}" if lines else ""


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    os._exit(0)  # without waiting for what the student's code may have left running
