"""Putting a replacement in place, and taking it away again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from ..errors import ReplacementError, UnknownNameError, nearest
from .places import OPS, STEPS
from .steps import updating
from .substitute import calling
from .user_function import UserFunction

_lock = threading.Lock()
_active: dict[str, list[Replaced]] = {}  # by name, the newest last
_originals = {place.optimizer: place.optimizer.update_all for place in STEPS.values()}


class Calls:
    """How often the functions of a replacement were called and returned."""

    def __init__(self) -> None:
        self.forward = 0
        self.backward = 0
        self.step = 0

    def __repr__(self) -> str:
        return f"Calls(forward={self.forward}, backward={self.backward}, step={self.step})"


class Replaced:
    """A replacement. It is made, and takes effect, by `minicnn.replace`.

    Attributes:
        name: of the operation or the optimizer.
        calls: `calls.forward`, `calls.backward` and `calls.step` count the calls of the functions.
        active: whether it is in place.

    ``with replaced:`` ends it with the block, `undo` at once.
    """

    def __init__(self, name: str, functions: dict[str, UserFunction], tensors: bool):
        self.name = name
        self.forward: Any = functions.get("forward")
        self.backward: Any = functions.get("backward")
        self.step: Any = functions.get("step")
        self.tensors = tensors
        self.calls = Calls()
        self._inside = threading.local()

    @property
    def active(self) -> bool:
        """Whether this replacement is in place (perhaps hidden by a later one)."""
        return self in _active.get(self.name, [])

    def undo(self) -> None:
        """Take the replacement away; what it hid is back. Does nothing the second time."""
        with _lock:
            if self.active:
                _active[self.name].remove(self)
                _install(self.name)

    def __enter__(self) -> Replaced:
        with _lock:
            if not self.active:
                _active.setdefault(self.name, []).append(self)
                _install(self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()

    @contextlib.contextmanager
    def running(self, role: str) -> Iterator[None]:
        """While a user's function runs, the same operation is the library's; then count it."""
        self._inside.now = True
        try:
            yield
        finally:
            self._inside.now = False
        with _lock:
            setattr(self.calls, role, getattr(self.calls, role) + 1)

    @property
    def inside(self) -> bool:
        """Whether this thread is inside one of its functions."""
        return getattr(self._inside, "now", False)

    def __repr__(self) -> str:
        roles = {r: getattr(self, r) for r in ("forward", "backward", "step")}
        parts = [f"{r} {f!r} called {getattr(self.calls, r)} times" for r, f in roles.items() if f]
        return f"<{self.name} replaced: {', '.join(parts)}{'' if self.active else '; undone'}>"


def _current(name: str) -> Replaced | None:
    """Return the newest replacement of `name`, unless it is what is calling."""
    stack = _active.get(name)
    return stack[-1] if stack and not stack[-1].inside else None


def _install(name: str) -> None:
    """Make the class that `name` stands for do what the active replacements ask."""
    if name in OPS:
        place = OPS[name]
        if _active[name]:
            place.op.__call__ = calling(place, lambda: _current(name))  # type: ignore[method-assign]
        elif "__call__" in vars(place.op):
            delattr(place.op, "__call__")
        return
    cls = STEPS[name].optimizer
    places = [place for place in STEPS.values() if place.optimizer is cls]
    taken = any(_active.get(place.name) for place in places)
    update_all = updating(places, _originals[cls], _current) if taken else _originals[cls]
    cls.update_all = update_all  # type: ignore[method-assign]


def replace(
    name: str,
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    *,
    step: Callable[..., Any] | None = None,
    tensors: bool = False,
) -> Replaced:
    """Put your own functions in the place of an operation or of an optimizer's update.

    It takes effect at once, in the whole process; ``with minicnn.replace(...) as replaced:`` ends
    it with the block, ``replaced.undo()`` at any time. What the functions are called with, and what
    they must return, is in ``help(minicnn.replacement)``.

    Args:
        name: conv2d, max_pool2d, avg_pool2d, batch_norm, linear, matmul, relu, sigmoid, tanh,
            softmax, log_softmax or cross_entropy; or sgd, momentum, adagrad, rmsprop or adam.
        forward: computes the result from arrays. Default: the library's.
        backward: computes the gradients from dy and the same arrays. Default: the library's.
        step: for an optimizer, computes a new parameter and its new state.
        tensors: `backward` is written with tensors, so that it has derivatives itself.

    Raises:
        UnknownNameError: nothing of that name can be replaced.
        ReplacementError: no function, or one that cannot be called with these arguments; later, a
            result that cannot be right.

    >>> with minicnn.replace("relu", forward=lambda x: x * (x > 0)) as replaced:
    ...     minicnn.relu(minicnn.tensor([-1.0, 2.0]))
    tensor([-0., 2.])
    >>> replaced.calls.forward
    1
    """
    if name not in OPS and name not in STEPS:
        known = [*OPS, *STEPS]
        raise UnknownNameError(
            f"replace: '{name}' cannot be replaced; these can: {', '.join(known)}."
            f"{nearest(name, known)}"
        )
    given = {"forward": forward, "backward": backward, "step": step}
    given = {role: function for role, function in given.items() if function is not None}
    possible = ("forward", "backward") if name in OPS else ("step",)
    if not given or not set(given) <= set(possible):
        raise ReplacementError(
            f"replace: '{name}' is replaced by {' and/or '.join(r + '=' for r in possible)}; got "
            f"{', '.join(r + '=' for r in given) or 'no function'}"
        )
    functions = {role: _user_function(name, role, f) for role, f in given.items()}
    return Replaced(name, functions, tensors).__enter__()


def _user_function(name: str, role: str, function: Any) -> UserFunction:
    if name in STEPS:
        step = STEPS[name]
        names = ["p", "g", *step.short, *step.option_names]
        return UserFunction(name, role, function, names, len(names))
    place = OPS[name]
    names = [*place.inputs, *place.option_names]
    if role == "forward":
        return UserFunction(name, role, function, names, place.required)
    return UserFunction(name, role, function, ["dy", *names], 1 + place.required)


def restore() -> None:
    """Undo all replacements: everything is the library's own again."""
    for stack in list(_active.values()):
        for replaced in list(stack):
            replaced.undo()
