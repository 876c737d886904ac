"""Ctrl-C as a polite request: finish this step, keep what was trained, then end."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from ..training import Callback

GIVE_UP = 3  # the third signal ends the program at once


class Interrupts(Callback):
    """Within ``with Interrupts() as stop:`` a signal sets ``stop.signal`` and ends the training.

    A `KeyboardInterrupt` could come between any two instructions, in the middle of an optimizer's
    step or of writing a file. Here the training ends after the batch it is at, and all files get
    written.

    Attributes:
        signal: the number of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.count = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # others get no signals
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # Whoever starts us with nohup wants SIGHUP to be ignored.
                if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                    self.before[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """What shells report for a program that a signal ended."""
        return 0 if self.signal is None else 128 + self.signal

    def handle(self, number: int, frame: Any) -> None:
        """Take note of a signal."""
        self.count += 1
        if self.count >= GIVE_UP:
            raise KeyboardInterrupt
        if self.count == 1:
            self.signal = number
            tell("minicnn: interrupted; ending this step, then saving what was trained")
        else:
            tell("minicnn: still saving; once more ends it at once")
        if self.trainer is not None:
            self.trainer.stop_training = True

    def on_train_begin(self) -> None:
        if self.signal is not None:
            self.trainer.stop_training = True


def tell(message: str) -> None:
    """Write to standard error from a signal handler, where `print` may be in use already."""
    os.write(2, f"\n{message}\n".encode())
