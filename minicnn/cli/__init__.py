"""The command ``minicnn``: train, predict, summary, gradcheck, compare, course, info.

Exit codes: 0 for success; 1 if something went wrong; 2 if the command line was wrong; 130 after
Ctrl-C (143 after SIGTERM). Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import ArgumentError, UnknownNameError
from .parser import build_parser

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv`, or those of the process; return its exit code."""
    debug = False
    try:
        try:
            arguments = build_parser().parse_args(argv)  # exits with 2 if they are wrong
            debug = arguments.debug
            return arguments.run(arguments) or 0
        finally:
            sys.stdout.flush()  # here, where a closed pipe can be answered
    except BrokenPipeError:
        # Whoever read our output has gone, as in `minicnn summary | head -3`. Python flushes once
        # more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        return fail(describe(error), 2 if is_usage(error) else 1)


def is_usage(error: Exception) -> bool:
    """Whether it is the command line that is wrong."""
    return isinstance(error, (UnknownNameError, ArgumentError))


def describe(error: Exception) -> str:
    """Return an error as one line."""
    from ..errors import MinicnnError

    if isinstance(error, MinicnnError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: '{error.filename}'" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = f"out of memory {error}; try a smaller --batch-size"
    else:
        text = f"{type(error).__name__}: {error} (--debug shows where)"
    return " ".join(text.split())


def fail(message: str, code: int) -> int:
    """Say on standard error what went wrong, and return `code`."""
    print(f"minicnn: {'error: ' if code != INTERRUPTED else ''}{message}", file=sys.stderr)
    return code
