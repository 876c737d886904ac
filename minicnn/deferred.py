"""Checks of values that lie on a GPU: made there, and looked at later.

Whether a label or an index is in range, only its array can tell, and to ask a GPU means to wait for
all the work before it. PyTorch's kernels check for themselves and stop the program some time later.
Here each check leaves one bit on the device, and the bits are read when the next value is read from
it anyway: a loss, once per logging interval. So an error on a GPU may come later than its cause;
`minicnn.cuda.synchronize()` behind an operation asks at once. On the CPU it is raised at once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LIMIT = 64  # so many may wait; each keeps the array that it checks


class _Waiting(threading.local):
    def __init__(self) -> None:
        self.checks: list[tuple[Any, Callable[[], Exception]]] = []


_waiting = _Waiting()


def refuse(wrong: Any, error: Callable[[], Exception]) -> None:
    """Raise ``error()`` if any element of the bool array `wrong` is true: now, or when it is known.

    `error` makes the exception; it may read from the device to say more.
    """
    if isinstance(wrong, (np.ndarray, np.bool_)):
        if wrong.any():
            raise error()
        return
    _waiting.checks.append((wrong.any(), error))
    if len(_waiting.checks) >= LIMIT:
        settle()


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Forget the checks made inside: of a step that is captured nothing has run yet."""
    before, _waiting.checks = _waiting.checks, []
    try:
        yield
    finally:
        _waiting.checks = before


def settle() -> None:
    """Look at the checks that wait, and raise the first error among them."""
    checks = _waiting.checks
    if not checks:
        return
    _waiting.checks = []
    for (_, error), wrong in zip(checks, _read([flag for flag, _ in checks]), strict=True):
        if wrong:
            found = error()
            raise type(found)(f"{found} (on a GPU this is found when a value is next read from it)")


def _read(flags: list[Any]) -> list[bool]:
    """Return bits as Python's, with one reading if they are all on one GPU."""
    if len({flag.device.id for flag in flags}) > 1:
        return [bool(flag) for flag in flags]
    xp = sys.modules[type(flags[0]).__module__.partition(".")[0]]
    return xp.stack(flags).tolist()
