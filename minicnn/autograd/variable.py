"""The values of a graph: arrays that know how they were made, and views of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .modes import enable_grad, thread

if TYPE_CHECKING:
    from .node import Node
    from .op import Op


class Variable:
    """A value in a graph: an array, and how it was made. `Tensor` adds all that users call."""

    __slots__ = (
        "__weakref__",
        "_base",
        "_chain",
        "_hooks",
        "_node",
        "_requires_grad",
        "_seen",
        "_twins",
        "_version",
        "array",
        "grad",
    )

    array: Any
    grad: Any
    _seen: int  # of a view: the version of the memory for which its node is right
    _chain: tuple[Op, ...]  # of a view: the view operations that lead to it from its base

    def _start(self, array: Any, node: Node | None = None) -> None:
        self.array = array
        self.grad = None
        self._requires_grad = False
        self._node = node
        self._version = [0]  # how often the memory was changed; shared by all views of it
        self._base: Variable | None = None
        self._twins: tuple[weakref.ref, ...] = ()  # see ops/shape.py: views that had to be copies
        self._hooks: dict[int, Callable] | None = None

    def bump(self) -> None:
        """Note that the array was changed in place: a backward pass that needs it objects."""
        self._version[0] += 1


UNTRACKED = -1  # `_seen` of a view made under no_grad: it never joins the graph of its base
_result_class: type[Variable] = Variable


def set_result_class(cls: type[Variable]) -> None:
    """`tensor.py` says here what results are made of: imports point one way only."""
    global _result_class
    _result_class = cls


def wrap(array: Any, node: Node | None = None) -> Any:
    """Return a tensor around `array`, without copying it."""
    x = _result_class.__new__(_result_class)
    x._start(array, node)
    return x


def node_of(x: Variable) -> Node | None:
    """Return the node that made `x`.

    A view of a tensor that was changed in place has a new past: that of the changed tensor, seen
    through the same chain of view operations.
    """
    if x._base is not None and x._seen not in (x._version[0], UNTRACKED):
        x._seen = x._version[0]
        if needs_grad(x._base):
            value: Variable = x._base
            for op in x._chain:
                with enable_grad():
                    value = op.again()(value)
            x._node = value._node
    return x._node


def needs_grad(x: Variable) -> bool:
    return x._requires_grad or node_of(x) is not None


def shares_memory(y: Any, x: Any) -> bool:
    return y is x or (y.base is not None and (y.base is x or y.base is x.base))


def become_view(y: Variable, x: Variable, op: Op) -> None:
    base = x if x._base is None else x._base
    y._base, y._version = base, base._version
    y._seen = (
        base._version[0]
        if thread.recording and (x._base is None or x._seen != UNTRACKED)
        else UNTRACKED
    )
    y._chain = (op,) if x._base is None else (*x._chain, op)
