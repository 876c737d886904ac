"""The tape: nodes that say which operation made a value, and keep what its derivative needs.

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import GraphError, InPlaceError
from .variable import Variable, node_of, wrap

if TYPE_CHECKING:
    from .op import Op


_order = itertools.count()


class Node:
    """One recorded operation: the op, where its inputs came from, and the values it keeps.

    `edges[i]` is the node that made input i, or the tensor itself when it is a leaf, or None when
    no gradient is wanted. The result is kept as a bare array, never as its tensor, so that nothing
    refers to itself and memory goes as soon as the last name goes.
    """

    __slots__ = (
        "dtypes",
        "edges",
        "hooks",
        "name",
        "op",
        "order",
        "retain",
        "saved",
        "y",
        "y_like",
    )

    def __init__(self, op: Op, inputs: Sequence[Any], edges: list[Any], y: Variable):
        self.op: Op | None = op
        self.name = op.name
        self.edges = edges
        pairs = zip(inputs, edges)  # noqa: B905
        self.dtypes = [x.array.dtype if edge is not None else None for x, edge in pairs]
        op.shapes = tuple(x.array.shape if isinstance(x, Variable) else () for x in inputs)
        names = op.saves(edges)
        self.saved: dict[str, Any] = {}
        if names:
            if op._variadic:
                if op._inputs[0] in names:
                    self.saved[op._inputs[0]] = [keep(x) for x in inputs]
            else:
                for name, x in zip(op._inputs, inputs):  # noqa: B905
                    if name in names:
                        self.saved[name] = keep(x)
        self.y = Kept(y.array, None, y._version, y._version[0]) if "y" in names else None
        self.y_like = (y.array.shape, y.array.dtype)
        self.order = next(_order)
        self.hooks: dict[int, Callable] | None = None
        self.retain: weakref.ref | None = None

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The edges under PyTorch's name, each with the number of a result: here always 0."""
        return tuple((edge, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name}Backward>"

    def values(self, create_graph: bool) -> dict[str, Any]:
        """Return the kept values by name, after checking that nobody changed them since."""
        if self.op is None:
            raise GraphError(
                f"backward: the graph of {self.name} was already freed by an earlier backward "
                "pass. "
                "Pass retain_graph=True to the first one to go through it a second time."
            )
        found: dict[str, Any] = {}
        for name, kept in self.saved.items():
            if isinstance(kept, list):
                found[name] = [self._restore(name, one) for one in kept]
            else:
                found[name] = self._restore(name, kept)
        if self.y is not None:
            found["y"] = self._restore("its result", self.y)
            found["y"]._node = self if create_graph else None
        return found

    def _restore(self, name: str, kept: Any) -> Any:
        """Return a kept value as a tensor with its place in the graph."""
        if not isinstance(kept, Kept):
            return kept
        value, node, version, then = kept
        array = value.array if isinstance(value, Variable) else value
        if version[0] != then:
            raise InPlaceError(
                f"backward: {self.name} needs the value of {name} {array.shape}, but it was "
                "changed in "
                "place after the forward pass (an operation whose name ends in '_', an indexed "
                "assignment, or an optimizer step). Change a copy instead: x = x + 1, not x += 1."
            )
        return value if array is not value else wrap(array, node)

    def release(self) -> None:
        """Forget the operation and its values; the memory goes with them."""
        self.op, self.y, self.saved = None, None, {}


class Kept(NamedTuple):
    """A value kept for the backward pass, and the version that its memory had then."""

    value: Any  # a leaf as itself, any other tensor as its array
    node: Node | None
    version: list[int]
    then: int


def keep(x: Any) -> Any:
    """Return `x`, if it is a tensor, as what a node may keep of it.

    That is never a tensor that has a past: changed in place later, it would get a new one, which
    leads back to the node that keeps it, and the circle would not be freed.
    """
    if not isinstance(x, Variable):
        return x
    node = node_of(x)
    leaf = node is None and x._requires_grad
    return Kept(x if leaf else x.array, node, x._version, x._version[0])
