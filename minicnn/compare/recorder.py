"""Writing down what a training script computes, step by step, whatever the library.

Recorded are the batches, the outputs of the innermost modules and the gradients that reach them,
every loss, the gradient of every parameter after a backward pass, and the parameters after each
step. A step ends with `optimizer.step()`; in a script without an optimizer, where the computing
begins again after a backward pass.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..serialization import save
from .library import Library
from .names import Names

INITIAL, INPUT, OUTPUT, LOSS = "initial value", "input", "output", "loss"
OUTPUT_GRADIENT, GRADIENT, UPDATED = "gradient of the output", "gradient", "value after the step"


class Finished(BaseException):
    """As many steps as were asked for are done. (No Exception: scripts catch those.)"""


class Recorder:
    """Watches a library, and writes a file of tensors for every step into `folder`.

    Attributes:
        events: what was recorded, in order: dictionaries with step, kind, name, number (the how
            manyeth of its kind and name in the step), key (in the step's file) and about.
        step: the number of the present step, from 1.
        optimizers: the class and the options of every optimizer.
    """

    def __init__(self, library: Library, folder: Path, steps: int):
        self.library, self.folder, self.steps = library, folder, steps
        self.names = Names(library)
        self.events: list[dict[str, Any]] = []
        self.optimizers: list[dict[str, Any]] = []
        self.step = 1
        self.depth = 0
        self.seen: set[int] = set()  # parameters whose initial value is recorded
        self.by_hand: dict[str, Any] = {}  # the leaves of a backward pass without an optimizer
        self._arrays: dict[str, np.ndarray] = {}
        self._count: Counter = Counter()

    def watch(self) -> None:
        """Record from here on."""
        library = self.library
        _wrap(library.Module, "__call__", self._module_called)
        _wrap(library.Tensor, "backward", self._backward)
        _wrap(library.Optimizer, "__init__", self._optimizer_made)

    def note(self, kind: str, name: str, x: Any, about: str = "", number: int | None = None) -> int:
        """Record the tensor `x`; return its number."""
        if number is None:
            number = self._count[kind, name]
            self._count[kind, name] += 1
        key = f"{len(self._arrays):06d}"
        self._arrays[key] = self.library.array(x)
        event = {"step": self.step, "kind": kind, "name": name, "number": number, "key": key}
        self.events.append({**event, "about": about})
        return number

    def end_step(self) -> None:
        """Write the step's tensors, and raise `Finished` after the last step."""
        if self._arrays:
            save(self._arrays, self.folder / f"step-{self.step:06d}.safetensors")
        self._arrays, self._count = {}, Counter()
        if self.step == self.steps:
            raise Finished
        self.step += 1

    def finish(self) -> None:
        """Write what is left when the script has come to its end."""
        try:
            if self.by_hand:
                self._updated_by_hand()
            elif self._arrays:
                self.end_step()
        except Finished:
            pass

    # ---- what happens in the script

    def _module_called(self, call: Callable[..., Any], module: Any, *args: Any, **kw: Any) -> Any:
        if self.by_hand and self.depth == 0:
            self._updated_by_hand()
        name = self.names.of(module) or type(module).__name__
        if self.depth == 0:
            for x in self.library.tensors([*args, *kw.values()]):
                self.note(INPUT, name, x)
        self.depth += 1
        try:
            result = call(module, *args, **kw)
        finally:
            self.depth -= 1
        if not _children(module):
            for x in self.library.tensors(result):
                self._output(name, x, repr(module))
        return result

    def _output(self, name: str, x: Any, about: str) -> None:
        number = self.note(OUTPUT, name, x, about)
        if x.requires_grad:

            def arrived(g: Any) -> None:
                self.note(OUTPUT_GRADIENT, name, g, about, number)

            x.register_hook(arrived)

    def _backward(self, call: Callable[..., Any], loss: Any, *args: Any, **kw: Any) -> Any:
        if self.by_hand:
            self._updated_by_hand()
        named = {self.names.of(x): x for x in self.library.leaves(loss)}
        leaves = {name: named[name] for name in sorted(filter(None, named))}
        for name, x in leaves.items():
            self._begin(name, x)
        self.note(LOSS, "loss", loss)
        result = call(loss, *args, **kw)
        for name, x in leaves.items():
            if x.grad is not None:
                self.note(GRADIENT, name, x.grad)
        if not self.optimizers:
            self.by_hand = leaves
        return result

    def _begin(self, name: str, x: Any) -> None:
        if id(x) not in self.seen:
            self.seen.add(id(x))
            self.note(INITIAL, name, x)

    def _updated_by_hand(self) -> None:
        leaves, self.by_hand = self.by_hand, {}
        for name, x in leaves.items():
            self.note(UPDATED, name, x)
        self.end_step()

    def _optimizer_made(self, call: Callable[..., Any], optimizer: Any, *a: Any, **kw: Any) -> None:
        call(optimizer, *a, **kw)
        options = [{k: repr(v) for k, v in g.items() if k != "params"}
                   for g in optimizer.param_groups]  # fmt: skip
        self.optimizers.append({"class": type(optimizer).__name__, "groups": options})
        for name, x in self._parameters(optimizer):
            self._begin(name, x)
        if not getattr(type(optimizer).step, "recorded", False):
            _wrap(type(optimizer), "step", self._optimizer_stepped)
            type(optimizer).step.recorded = True

    def _optimizer_stepped(
        self, call: Callable[..., Any], optimizer: Any, *args: Any, **kw: Any
    ) -> Any:
        result = call(optimizer, *args, **kw)
        for name, x in self._parameters(optimizer):
            self.note(UPDATED, name, x, type(optimizer).__name__)
        self.end_step()
        return result

    def _parameters(self, optimizer: Any) -> Iterator[tuple[str, Any]]:
        params = [x for group in optimizer.param_groups for x in group["params"]]
        for i, x in enumerate(params):
            yield self.names.of(x) or f"parameter {i} of {type(optimizer).__name__}", x


def _children(module: Any) -> bool:
    return next(iter(module.children()), None) is not None


def _wrap(cls: type, name: str, around: Callable[..., Any]) -> None:
    """Replace a method by ``around(method, self, ...)``."""
    method = getattr(cls, name)

    @functools.wraps(method)
    def wrapped(*args: Any, **keywords: Any) -> Any:
        return around(method, *args, **keywords)

    setattr(cls, name, wrapped)
