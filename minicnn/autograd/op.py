"""Operations: a forward on arrays, and a derivative for each input in terms of other operations.

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..backend import as_array, device_of
from ..errors import DeviceError, OutOfMemoryError
from ..gpu import full_memory, is_full
from .engine import check_finite, grad
from .modes import enable_grad, thread
from .node import Node
from .variable import Variable, become_view, node_of, shares_memory, wrap


def _parameters(function: Callable) -> tuple[tuple[str, ...], bool]:
    """Return the parameter names of a method after `self`, and whether they are one starred one."""
    code = function.__code__
    count = code.co_argcount
    starred = bool(code.co_flags & 0x04)
    return code.co_varnames[1 : count + starred], starred


class Op:
    """One application of an operation: its parameters, its forward and its derivatives.

    Subclasses write `forward(self, *arrays)` and, for each input that has a derivative,
    `d<input>(self, dy, ...)`. After `dy`, a derivative may ask by name for any input of `forward`
    and for `y`, the result. `self.shapes` holds the shapes of the inputs. An input without such a
    method is a constant. What `forward` leaves on `self` for a derivative must be piecewise
    constant (a mask, an argmax): anything else would make the second derivative wrong without a
    word.

    `fast_backward(self, needs, dy, ...)`, if there is one, computes the gradients of all inputs at
    once on arrays; it runs when the backward pass is not itself recorded. `needs[i]` says whether
    input i needs its gradient.
    """

    registry: ClassVar[list[type[Op]]] = []
    is_view: ClassVar[bool] = False
    fast_backward: ClassVar[Any] = None
    _inputs: ClassVar[tuple[str, ...]] = ()
    _variadic: ClassVar[bool] = False
    _derivatives: ClassVar[dict[int, tuple[str, tuple[str, ...]]]] = {}
    _fast_names: ClassVar[tuple[str, ...]] = ()

    shapes: tuple[tuple[int, ...], ...]
    forward: Callable[..., Any]

    def __init_subclass__(cls, **keywords: Any):
        super().__init_subclass__(**keywords)
        if "forward" not in cls.__dict__:
            return
        names, starred = _parameters(cls.forward)
        cls._inputs, cls._variadic = names, starred
        cls._derivatives = {}
        for i, name in enumerate(names):
            method = getattr(cls, "d" + name, None)
            if method is not None:
                wanted = _parameters(method)[0][1:]
                cls._derivatives[i] = ("d" + name, wanted[1:] if starred else wanted)
        cls._fast_names = ()
        if cls.fast_backward is not None:
            cls._fast_names = _parameters(cls.fast_backward)[0][2:]
        Op.registry.append(cls)

    @property
    def name(self) -> str:
        """The name that messages use."""
        return type(self).__name__

    def __repr__(self) -> str:
        fields = getattr(self, "__dataclass_fields__", ())
        return f"{self.name}({', '.join(f'{f}={getattr(self, f)!r}' for f in fields)})"

    def again(self) -> Op:
        """Return a new application of the same operation with the same parameters."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    @np.errstate(all="ignore")  # PyTorch's arithmetic is silent too; `detect_anomaly` speaks up
    def __call__(self, *inputs: Any) -> Any:
        arrays, kind = [], None
        for x in inputs:
            if isinstance(x, Variable):
                x = x.array
                if kind is not type(x):
                    if kind is not None:
                        raise DeviceError(_mixed(self.name, inputs))
                    kind = type(x)
            arrays.append(x)
        if kind is not np.ndarray and _on_several(inputs):
            raise DeviceError(_mixed(self.name, inputs))
        try:
            y = as_array(self.forward(*arrays))
        except MemoryError as error:
            if is_full(error):
                raise OutOfMemoryError(full_memory(self.name, error)) from error
            raise
        if thread.anomaly:
            check_finite(y, f"{self.name}: the forward pass made {{}}", self)
        return self.record(inputs, y)

    def record(self, inputs: Sequence[Any], array: Any) -> Any:
        """Wrap `array`, the result for `inputs`; leave a node if a gradient is wanted."""
        y = wrap(array)
        if self.is_view and shares_memory(array, inputs[0].array):
            become_view(y, inputs[0], self)
        if not thread.recording:
            return y
        edges: list[Any] = []
        wanted = False
        for i, x in enumerate(inputs):
            edge: Any = None
            if isinstance(x, Variable) and self.differentiates(i):
                edge = x._node if x._base is None else node_of(x)
                if edge is None and x._requires_grad:
                    edge = x
            edges.append(edge)
            wanted = wanted or edge is not None
        if wanted and array.dtype.kind == "f":
            y._node = Node(self, inputs, edges, y)
        return y

    def differentiates(self, i: int) -> bool:
        """Whether this operation has a derivative with respect to input `i`."""
        return (0 if self._variadic else i) in self._derivatives

    def saves(self, edges: Sequence[Any]) -> set[str]:
        """The names of the values that the derivatives along `edges` ask for."""
        names = set(self._fast_names)
        if self._variadic:
            return names.union(*(wanted for _, wanted in self._derivatives.values()))
        for i, (_, wanted) in self._derivatives.items():
            if i < len(edges) and edges[i] is not None:
                names.update(wanted)
        return names

    def gradients(self, dy: Variable, edges: Sequence[Any], values: dict[str, Any]) -> list[Any]:
        """Return the gradient for every input that has an edge, in tensors."""
        result: list[Any] = [None] * len(edges)
        for i, edge in enumerate(edges):
            if edge is not None:
                name, wanted = self._derivatives[0 if self._variadic else i]
                arguments = [values[w] for w in wanted]
                if self._variadic:
                    arguments.insert(0, i)
                result[i] = getattr(self, name)(dy, *arguments)
        return result


class FusedOp(Op):
    """An operation computed in one pass for speed, with the composition that defines it.

    `forward` and `fast_backward` work on arrays and may keep on `self` whatever helps.
    `reference(self, *tensors)` is the same function written in differentiable operations: a
    backward pass that is itself recorded differentiates it instead, so that second derivatives are
    right.
    """

    reference: Callable[..., Any]

    def differentiates(self, i: int) -> bool:
        return True

    def saves(self, edges: Sequence[Any]) -> set[str]:
        return {*self._inputs, *self._fast_names}

    def gradients(self, dy: Variable, edges: Sequence[Any], values: dict[str, Any]) -> list[Any]:
        with enable_grad():
            inputs = [values[name] for name in self._inputs[: len(edges)]]
            # Aliases, because an input may depend on another: these derivatives are partial ones.
            aliases = [
                Alias()(x) if edge is not None else x for x, edge in zip(inputs, edges, strict=True)
            ]
            wanted = [a for a, edge in zip(aliases, edges, strict=True) if edge is not None]
            y = self.reference(*aliases)
            found = iter(grad(y, wanted, dy, create_graph=True, allow_unused=True))
        return [None if edge is None else next(found) for edge in edges]


class Alias(Op):
    """y = x, as a value of its own.   dx = dy."""

    def forward(self, x: Any) -> Any:
        return x

    def dx(self, dy: Any) -> Any:
        return dy


def _on_several(inputs: Sequence[Any]) -> bool:
    """Whether the tensors among `inputs`, all on GPUs, are on more than one."""
    return len({x.array.device.id for x in inputs if isinstance(x, Variable)}) > 1


def _mixed(name: str, inputs: Sequence[Any]) -> str:
    places = [f"{x.array.shape} on {device_of(x.array)}" for x in inputs if isinstance(x, Variable)]
    return (
        f"{name}: all tensors must be on one device; got {', '.join(places)}. "
        "Move them with .to(device)."
    )
