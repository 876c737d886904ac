"""What `minicnn course check` and `minicnn course progress` print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from .check import Result
from .judge import FAILED, PASSED, TODO, Finding

WORDS = {PASSED: "ok", FAILED: "WRONG", TODO: "to do"}
WIDTH = 96
BAR = 20


def describe(result: Result, only: str = "") -> str:
    """Return the lines about a chapter, or about one of its functions."""
    chapter = result.chapter
    lines = [f"{chapter.number} {chapter.title}: {result.done} of {len(result.findings)} right"]
    if result.problem:
        return "\n".join([*lines, *_wrap(f"{chapter.file}: {result.problem}", 2)])
    width = max(len(finding.name) for finding in result.findings)
    for finding in result.findings:
        if not only or finding.name == only:
            lines += _lines(finding, width)
    return "\n".join(lines)


def progress(results: Iterable[Result]) -> str:
    """Return a bar for each chapter, and one for all."""
    results = list(results)
    rows = [
        (f"{r.chapter.number} {r.chapter.title}", r.done, len(r.findings), _state(r))
        for r in results
    ]
    done, total = sum(row[1] for row in rows), sum(row[2] for row in rows)
    width = max(len(row[0]) for row in rows)
    lines = [
        f"{name:<{width}}  {_bar(part, whole)}  {part:>2} of {whole:>2}  {state}".rstrip()
        for name, part, whole, state in rows
    ]
    share = 100 * done // total
    return "\n".join(
        [*lines, f"{'all':<{width}}  {_bar(done, total)}  {share} % ({done} of {total})"]
    )


def _lines(finding: Finding, width: int) -> list[str]:
    lines = [f"  {finding.name:<{width}}  {WORDS[finding.status]}"]
    if finding.message:
        lines += _wrap(finding.message, 6)
    for line in finding.lines:
        lines += _wrap(line, 6)
    return lines


def _wrap(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(
        text, WIDTH, initial_indent=space, subsequent_indent=space, break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip


def _bar(done: int, total: int) -> str:
    full = BAR * done // total
    return "[" + "#" * full + "." * (BAR - full) + "]"


def _state(result: Result) -> str:
    if result.problem:
        return "the file cannot be run"
    wrong = sum(finding.status == FAILED for finding in result.findings)
    if wrong:
        return f"{wrong} wrong"
    return "" if result.begun else "not begun"
