"""A function, the tensors it is differentiated by, and the two ways to its derivative.

Both ways are here side by side: the *backward pass*, exact if the code is right, and *finite
differences*, which need nothing but the function's values. Numbers that two such different roads
agree on are right.

Tutorial: tutorials/02_gradient_checking.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..autograd import enable_grad, grad, needs_grad, wrap
from ..backend import array_module, as_array, to_device
from ..errors import GradcheckError
from ..tensor import Tensor


class Problem:
    """What is being checked: `evaluate()` gives the outputs, `targets` are what it depends on.

    Attributes:
        targets: name -> tensor, all that require a gradient: inputs, and a module's parameters.
        names: what messages call each output.
    """

    def __init__(
        self, evaluate: Callable[[], Any], targets: dict[str, Tensor], name: str = "output"
    ):
        self.evaluate = evaluate
        self.targets = targets
        self.name = name
        self.names: list[str] = []

    def outputs(self) -> list[Tensor]:
        """Return the floating outputs, with their graph; those that have one, if any has."""
        with enable_grad():
            found = self.evaluate()
        results = list(found) if isinstance(found, (tuple, list)) else [found]
        for y in results:
            if not isinstance(y, Tensor):
                raise GradcheckError(
                    "gradcheck: the function must return a Tensor or a tuple of Tensors, not "
                    f"{type(y).__name__}. Wrap it: lambda *inputs: function(*inputs).loss"
                )
        floating = [(i, y) for i, y in enumerate(results) if y.dtype.kind == "f"]
        recorded = [(i, y) for i, y in floating if needs_grad(y)] or floating
        self.names = [f"{self.name} {i}" if len(results) > 1 else self.name for i, _ in recorded]
        return [y for _, y in recorded]

    def values(self) -> np.ndarray:
        """Return all outputs, computed afresh, as one long vector."""
        return _flat([y.array for y in self.outputs()])

    def moved(self, target: str, step: np.ndarray) -> np.ndarray:
        """Return the outputs with the tensor `target` moved by `step` (of its shape)."""
        x = self.targets[target]
        here = x.array
        try:
            move = array_module(here).asarray(step.reshape(here.shape), dtype=here.dtype)
            x.array = as_array(here + move)
            return self.values()
        finally:
            x.array = here

    def gradients(self, seed: np.ndarray) -> dict[str, np.ndarray | None]:
        """Return for each target the gradient of <seed, outputs>, as a vector, or None."""
        outputs = self.outputs()
        seeds = [wrap(s) for s in _split(seed, outputs)]
        if not any(needs_grad(y) for y in outputs):
            return dict.fromkeys(self.targets)
        wanted = list(self.targets.values())
        found = grad(outputs, wanted, seeds, allow_unused=True)
        self.forms = dict(zip(self.targets, found, strict=True))
        pairs = zip(self.targets, found, strict=True)
        return {name: None if g is None else _flat([g.array]) for name, g in pairs}

    def where(self, position: int) -> str:
        """Return the name and the index of the element at `position` of all outputs in a row."""
        for name, y in zip(self.names, self.outputs(), strict=True):
            if position < y.numel():
                return f"{name}{at(position, y.shape)}"
            position -= y.numel()
        raise IndexError(position)


def at(position: int, shape: tuple[int, ...]) -> str:
    """Return a flat position as an index: 5 in shape (2, 3) is "[1, 2]"."""
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(position, shape))}]" if shape else ""


def tensors_in(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) for the tensors in nested containers that require a gradient."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            yield name, value
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from tensors_in(part, f"{name}[{i}]")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from tensors_in(part, f"{name}[{key!r}]")


def problem_of(func: Callable, inputs: Any) -> Problem:
    """Return the problem of func(*inputs), by its inputs and, for a module, by its parameters."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    targets = dict(tensors_in(inputs, "inputs"))
    if hasattr(func, "named_parameters"):
        parameters = func.named_parameters()
        targets |= {f"parameter {n}": p for n, p in parameters if p.requires_grad}
    return Problem(lambda: func(*inputs), targets)


def _flat(arrays: list[Any]) -> np.ndarray:
    """Return arrays as one float64 vector on the host."""
    parts = [to_device(a, "cpu").astype(np.float64).reshape(-1) for a in arrays]
    return np.concatenate(parts) if parts else np.zeros(0)


def _split(vector: np.ndarray, like: list[Tensor]) -> list[Any]:
    """Return a long vector as arrays with the shapes, dtypes and devices of `like`."""
    ends = np.cumsum([y.numel() for y in like])[:-1]
    parts = np.split(vector, ends) if like else []
    return [
        array_module(y.array).asarray(part.reshape(y.shape), dtype=y.dtype)
        for part, y in zip(parts, like, strict=True)
    ]
