"""What passes between host and device: counted where CuPy would copy, or wait for the GPU."""

from __future__ import annotations

import contextlib
import traceback

_listeners: list[Traffic] = []


class Traffic:
    """What was noted: `reads` made the host wait for the device, `copies` sent a host array to it.

    `ahead` are copies from pinned memory on another stream, which nothing waits for. Each entry
    says what was called, and from where in minicnn.
    """

    def __init__(self):
        self.reads, self.copies, self.ahead = [], [], []

    def __repr__(self):
        lines = (f"{kind}: {entry}" for kind, found in vars(self).items() for entry in found)
        return "\n".join(["Traffic", *lines])


def note(kind, what):
    """Note one event for everyone who listens."""
    if not _listeners:
        return
    places = [f for f in traceback.extract_stack() if "/minicnn/" in f.filename]
    where = " < ".join(f"{f.filename.rpartition('/minicnn/')[2]}:{f.lineno}" for f in places[-3:])
    for traffic in _listeners:
        getattr(traffic, kind).append(f"{what} at {where}")


@contextlib.contextmanager
def watched():
    """Give a `Traffic` that notes what passes within the `with` block."""
    traffic = Traffic()
    _listeners.append(traffic)
    try:
        yield traffic
    finally:
        _listeners.remove(traffic)
