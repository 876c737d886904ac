"""What is kept of a captured step: its graph, its buffers, and what the host feeds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import wrap
from ..autograd.modes import thread
from ..backend import cuda
from ..deferred import set_aside
from ..errors import CaptureError, MinicnnError, OutOfMemoryError
from ..gpu import full_memory, is_full
from ..random import get_rng_state
from ..tensor import Tensor
from .place import Place, why_not


class Recording:
    """A step for inputs of certain shapes: runs before the capture, then the graph."""

    def __init__(self) -> None:
        self.runs = 0
        self.capturing = False
        self.graph: Any = None
        self._begin()

    def _begin(self) -> None:
        self.inputs: list[Any] = []
        self.result: Any = None
        self.assumed: list[tuple[Callable[[], Any], Any]] = []
        self.feeds: list[Feed] = []

    # ---- what the step asks for while it is being prepared or captured

    def assume(self, read: Callable[[], Any]) -> None:
        """Have the step captured again when ``read()`` is no longer what it is now."""
        if self.capturing:
            self.assumed.append((read, read()))

    def number(self, read: Callable[[], float]) -> Any:
        """Return ``read()``; in a capture an array () of float64 that holds it in every run."""
        return self.feed(lambda: np.asarray(read(), np.float64)) if self.capturing else read()

    def feed(self, read: Callable[[], np.ndarray]) -> Any:
        """Return an array on the device that holds ``read()``, asked anew before each run."""
        self._check_draws()
        self.feeds.append(Feed(read))
        self.drawn = get_rng_state()
        return self.feeds[-1].buffer

    def _check_draws(self) -> None:
        """Raise if random numbers were drawn that no later run would draw anew."""
        if self.drawn != get_rng_state():
            raise CaptureError(
                "graph: the step draws random numbers on the host other than those of dropout; "
                "they would be the same in every run. Draw them outside, and pass them to the step"
            )

    # ---- capture and replay

    def capture(self, step: Callable[..., Any], inputs: tuple[Any, ...], place: Place) -> None:
        """Record what `step` does with copies of `inputs`; nothing of it runs yet."""
        self._begin()
        self.inputs = [wrap(x.array.copy("K")) if on_gpu(x) else x for x in inputs]
        self.graph, self.capturing, thread.recorder = None, True, self
        self.drawn = get_rng_state()
        try:
            with place.capturing() as finish, set_aside():
                self.result = _each(Tensor.detach, step(*self.inputs))
                self._check_draws()
                self.graph = finish()
        except MinicnnError:
            raise
        except Exception as error:
            if is_full(error):
                raise OutOfMemoryError(full_memory("graph", error)) from error
            raise CaptureError(why_not(error)) from error
        finally:
            self.capturing, thread.recorder = False, None

    def is_outdated(self) -> bool:
        """Whether there is a graph, and something that was assumed in it no longer holds."""
        return self.graph is not None and any(read() != then for read, then in self.assumed)

    def replay(self, inputs: tuple[Any, ...]) -> Any:
        """Run the graph on `inputs`, and return copies of its results."""
        for buffer, x in zip(self.inputs, inputs, strict=True):
            if on_gpu(x):
                buffer.array[...] = x.array
        for feed in self.feeds:
            feed.renew()
        self.graph.launch()
        return _each(lambda y: wrap(y.array.copy("K")), self.result)


class Feed:
    """An array on the device that is written anew from the host before each run of a graph."""

    def __init__(self, read: Callable[[], np.ndarray]):
        cupy = cuda.module()
        self.read = read
        self.value: np.ndarray | None = read()  # for the first run; the step drew it when it ran
        self.written: np.ndarray | None = None
        # Not in the graph's own memory: a kernel that runs before may have used the same place.
        with cupy.cuda.using_allocator(cupy.get_default_memory_pool().malloc):
            self.buffer = cupy.empty(self.value.shape, dtype=self.value.dtype)

    def renew(self) -> None:
        """Write what `read` gives now, unless it is a number that the device has already."""
        value, self.value = self.read() if self.value is None else self.value, None
        if value.ndim or self.written is None or value != self.written:
            self.buffer[...] = cuda.module().asarray(value)
            self.written = value


def on_gpu(x: Any) -> bool:
    return isinstance(x, Tensor) and not isinstance(x.array, np.ndarray)


def _each(function: Callable[[Tensor], Tensor], result: Any) -> Any:
    """Return the results of a step with `function` applied to each of its tensors."""
    if isinstance(result, Tensor):
        return function(result)
    if isinstance(result, (list, tuple)):
        return type(result)(_each(function, x) for x in result)
    if isinstance(result, dict):
        return {name: _each(function, x) for name, x in result.items()}
    return result
