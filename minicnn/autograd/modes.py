"""What a thread is doing: recording operations, looking for NaN and infinity, casting ...

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, ClassVar


class Mode(threading.local):
    """What this thread is doing: recording or not, looking for anomalies or not, casting or not."""

    recording = True
    anomaly = False
    autocast: Any = None  # the open context's `autocast.Region`, or None
    recorder: Any = None  # of a step that is about to be captured, or is being
    casts: Any = None  # a dictionary of weights in float16, kept until the outermost context ends


thread = Mode()


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return thread.recording


class Switch:
    """A context and a decorator that sets one attribute of the mode while it is active."""

    attribute: ClassVar[str]
    value: Any
    before: tuple[Any, ...] = ()  # a stack, so that one switch may be entered twice

    def __enter__(self) -> Any:
        self.before = (*self.before, getattr(thread, self.attribute))
        setattr(thread, self.attribute, self.value)

    def __exit__(self, *exception: Any) -> None:
        setattr(thread, self.attribute, self.before[-1])
        self.before = self.before[:-1]

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def within(*arguments: Any, **keywords: Any) -> Any:
            with self._again():
                return function(*arguments, **keywords)

        return within

    def _around_generator(self, function: Callable) -> Callable:
        """Switch while the generator runs, and back while its caller does."""

        @functools.wraps(function)
        def within(*arguments: Any, **keywords: Any) -> Any:
            generator = function(*arguments, **keywords)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self._again():
                        produced = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(generator.send, (yield produced))
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return within

    def _again(self) -> Switch:
        switch = object.__new__(type(self))
        switch.value = self.value
        return switch


class no_grad(Switch):
    """Record nothing inside: ``with no_grad():`` or ``@no_grad()``."""

    attribute, value = "recording", False

    def __new__(cls, function: Callable | None = None) -> Any:
        # PyTorch allows the decorator without parentheses as well.
        switch = super().__new__(cls)
        return switch if function is None else switch(function)


class enable_grad(no_grad):
    """Record inside, even within `no_grad`."""

    value = True


class inference_mode(no_grad):
    """Record nothing inside; in minicnn the same as `no_grad`."""

    def __new__(cls, mode: Any = True) -> Any:
        switch = object.__new__(cls)
        if callable(mode):
            return switch(mode)
        switch.value = not mode
        return switch


class set_grad_enabled(Switch):
    """Record or not, from here on; as a context, until its end."""

    attribute = "recording"

    def __init__(self, mode: bool):
        self.value = bool(mode)
        self.outside = thread.recording
        thread.recording = self.value

    def __enter__(self) -> None:
        thread.recording = self.outside  # so that leaving goes back to before this switch was made
        super().__enter__()

    def __call__(self, function: Callable) -> Callable:
        thread.recording = self.outside  # it was made to decorate, not to switch
        return super().__call__(function)

    def _again(self) -> Switch:
        switch = enable_grad() if self.value else no_grad()
        assert isinstance(switch, Switch)
        return switch


class without_autocast(Switch):
    """Let functions run in the dtypes they are given: a backward pass follows its forward pass."""

    attribute, value = "autocast", None


class detect_anomaly(Switch):
    """Check every result, forward and backward; name the operation that made NaN or infinity."""

    attribute, value = "anomaly", True

    def __init__(self, check_nan: bool = True):
        self.value = bool(check_nan)


class set_detect_anomaly(detect_anomaly):
    """Check every result or not, from here on; as a context, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.value = bool(mode and check_nan)
        self.outside = thread.anomaly
        thread.anomaly = self.value

    def __enter__(self) -> None:
        thread.anomaly = self.outside
        super().__enter__()
