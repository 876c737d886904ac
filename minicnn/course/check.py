"""Checking a student's file in a process of its own, which may end or hang without harm."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from .conduct import LIMIT_GIB
from .exercise import Chapter
from .judge import FAILED, PASSED, SEED, TODO, Finding

LIMIT = 10.0  # seconds for one function; a right one takes a tenth
GRACE = 30.0  # seconds more, after which a process is ended that did not end itself
KILLED = -9  # the exit code after SIGKILL
PACKAGE = str(Path(__file__).parents[2])


class Result(NamedTuple):
    """What was found in a chapter's file.

    Attributes:
        chapter: the chapter.
        findings: one for each of its exercises.
        problem: why the file cannot be run at all, or "".
    """

    chapter: Chapter
    findings: list[Finding]
    problem: str = ""

    @property
    def done(self) -> int:
        """How many exercises are right."""
        return sum(finding.status == PASSED for finding in self.findings)

    @property
    def begun(self) -> bool:
        """Whether anything was written yet."""
        return bool(self.problem) or any(f.status != TODO for f in self.findings)


def check(chapter: Chapter, folder: Path, seed: int = SEED, limit: float = LIMIT) -> Result:
    """Check all functions of a chapter.

    Args:
        chapter: whose file is looked for in `folder`.
        folder: the student's.
        seed: of the drawn inputs.
        limit: seconds for one function, after which it is ended.
    """
    file = folder / chapter.file
    if not file.exists():
        return _hopeless(chapter, f"There is no file {chapter.file}; write it anew with: "
                         f"minicnn course start {folder}")  # fmt: skip
    job = {"chapter": chapter.number, "file": str(file.resolve()), "seed": seed, "limit": limit}
    left = [exercise.name for exercise in chapter.exercises]
    found: dict[str, Finding] = {}
    while left:
        wrong = [finding.name for finding in found.values() if finding.status != PASSED]
        part = _run(file, {**job, "functions": left, "wrong": wrong})
        if part.problem:
            return _hopeless(chapter, part.problem)
        found |= {finding.name: finding for finding in part.findings}
        left = [name for name in left if name not in found]
    return Result(chapter, _with_needs(chapter, found))


def _hopeless(chapter: Chapter, problem: str) -> Result:
    return Result(chapter, [Finding(e.name, FAILED, problem) for e in chapter.exercises], problem)


def _with_needs(chapter: Chapter, found: dict[str, Finding]) -> list[Finding]:
    """Say of functions what they were judged with."""
    for exercise in chapter.exercises:
        finding = found[exercise.name]
        wrong = [name for name in exercise.needs if found[name].status != PASSED]
        if finding.status != TODO and wrong:
            finding.message = (
                f"{finding.message} (Judged with the course's own {' and '.join(wrong)}, since "
                f"yours {'is' if len(wrong) == 1 else 'are'} not right yet.)"
            ).strip()
    return [found[exercise.name] for exercise in chapter.exercises]


class _Round(NamedTuple):
    findings: list[Finding]
    problem: str


def _run(file: Path, job: dict[str, Any]) -> _Round:
    """Run one process, until it is done or ends at some function, which then has its finding."""
    with tempfile.TemporaryDirectory() as place:
        report, log, task = (Path(place, name) for name in ("report", "log", "job"))
        job = {**job, "report": str(report), "log": str(log)}
        task.write_text(json.dumps(job), encoding="utf-8")
        report.touch()
        code = _wait(_start(task, file.parent), report, job["limit"])
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        traceback = log.read_text() if log.exists() else ""
    findings = [Finding(**line["finding"]) for line in lines if "finding" in line]
    problems = [line["problem"] for line in lines if "problem" in line]
    if problems:
        return _Round(findings, problems[0])
    unfinished = [name for name in job["functions"] if name not in {f.name for f in findings}]
    if not unfinished:
        return _Round(findings, "")
    sentence = _end_of(code, traceback, file, job["limit"])
    if not lines or lines[-1].get("begin") == "":
        return _Round(findings, sentence)  # the file itself
    return _Round([*findings, Finding(unfinished[0], FAILED, sentence)], "")


def _start(job: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")])),
        "MINICNN_DEVICE": "cpu",  # the functions take NumPy's arrays
        "OMP_NUM_THREADS": "1",  # so that speeds compare
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "minicnn.course.worker", str(job)],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def _wait(process: subprocess.Popen[Any], report: Path, limit: float) -> int:
    """Wait for the end of a process, or end it when it reports nothing for too long."""
    size, since = -1, time.monotonic()
    try:
        while True:
            try:
                return process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                pass
            if report.stat().st_size != size:
                size, since = report.stat().st_size, time.monotonic()
            elif time.monotonic() - since > limit + GRACE:
                return KILLED
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    """End a process and all that it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    else:
        process.kill()
    process.wait()


def _end_of(code: int, traceback: str, file: Path, limit: float) -> str:
    """Return a sentence about how a process ended that should not have."""
    if traceback.startswith("Timeout") or code == KILLED:
        lines = re.findall(rf'File ".*{re.escape(file.name)}", line (\d+)', traceback)
        where = f", at line {lines[0]}" if lines else ""
        return (
            f"It was still running after {limit:g} seconds{where}: does a loop ever end, or does "
            "a loop over pixels take the place of an array operation?"
        )
    how = f"with signal {-code}" if code < 0 else f"with exit code {code}"
    return (
        f"It ended the whole Python process, {how}: by os._exit(), by a crash inside a library, or "
        f"by using more than {LIMIT_GIB} GiB of memory."
    )
