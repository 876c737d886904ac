"""The operation that calls a user's functions instead of the library's.

An `Op` is applied by calling it, and Python looks ``__call__`` up in its class. So to replace an
operation is to give its class a ``__call__`` of its own, and to undo that is to delete it: what is
not replaced never asks whether it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import Op, Variable, is_grad_enabled, no_grad, wrap
from ..backend import device_of, to_device
from ..errors import GraphError
from .places import OpPlace
from .user_function import Argument

if TYPE_CHECKING:
    from .replaced import Replaced


def calling(place: OpPlace, current: Callable[[], Replaced | None]) -> Callable[..., Any]:
    """Return the ``__call__`` that the class of a replaced operation is given."""

    def __call__(self: Op, *inputs: Any) -> Any:
        replaced = current()
        if replaced is None:  # it is the user's own function that calls the library's
            return Op.__call__(self, *inputs)
        op, inputs = place.prepare(self, inputs)
        if place.in_place:
            inputs = tuple(x * 1 for x in inputs)
        return _apply(place, replaced, op, inputs)

    return __call__


def _apply(place: OpPlace, replaced: Replaced, op: Any, inputs: tuple) -> Any:
    """Run forward, the user's or the library's, and record whose backward belongs to it."""
    theirs, ours = replaced.forward is not None, replaced.backward is None
    if place.leaves or ours or not theirs:  # ours: its backward needs what its forward leaves
        with no_grad():
            y = Op.__call__(op, *inputs).array
    if theirs:
        y = _forward(place, replaced, op, inputs)
    return (op if ours else Substitute(place, replaced, op)).record(inputs, y)


def _forward(place: OpPlace, replaced: Replaced, op: Any, inputs: tuple) -> Any:
    arrays = hosted(inputs[: len(place.inputs)])
    like = np.broadcast_to(arrays[0].dtype.type(0), place.shape(op, [np.shape(a) for a in arrays]))
    arguments = place.arguments(op, arrays)
    with no_grad(), replaced.running("forward"):
        y = replaced.forward(arguments)
    y = replaced.forward.check("the result", y, like, arrays)
    return to_device(y, device_of(inputs[0].array))


class Substitute(Op):
    """One application of an operation whose backward is a user's function.

    It keeps all inputs of forward and its result, because nobody knows which of them that needs.
    """

    def __init__(self, place: OpPlace, replaced: Replaced, op: Any):
        self.place, self.replaced, self.op = place, replaced, op
        self._inputs = op._inputs  # type: ignore[misc]

    @property
    def name(self) -> str:
        """The name of the operation in whose place it stands."""
        return self.op.name

    def __repr__(self) -> str:
        return f"{self.op!r} replaced by {self.replaced.backward!r}"

    def differentiates(self, i: int) -> bool:
        """Whether the operation has a derivative for input `i`."""
        return i < self.place.gradients

    def saves(self, edges: Sequence[Any]) -> set[str]:
        """All inputs; the result only if backward asks for it."""
        return {*self._inputs, *(["y"] if self.replaced.backward.wants_y else [])}

    def gradients(self, dy: Any, edges: Sequence[Any], values: dict[str, Any]) -> list[Any]:
        """Call the user's backward, with arrays or with tensors, and check what it returns."""
        backward, place = self.replaced.backward, self.place
        inputs = [values[name] for name in self._inputs if name in values][: len(place.inputs)]
        y = values.get("y")
        if self.replaced.tensors:
            given = [dy, *inputs]
        elif is_grad_enabled():
            raise GraphError(
                f"{place.name}: second derivatives need a backward that can be differentiated, but "
                f"{backward!r} computes with arrays. Write it with tensors and say so: "
                "replace(..., tensors=True)"
            )
        else:
            given, y = hosted([dy, *inputs]), hosted([y])[0]
        arguments = [Argument("dy", given[0]), *place.arguments(self.op, given[1:])]
        with self.replaced.running("backward"):
            found = backward(arguments, y)
        return self._checked(found, given, edges, dy)

    def _checked(self, found: Any, given: list[Any], edges: Sequence[Any], dy: Any) -> list[Any]:
        """Return the gradients along `edges` as tensors on the device of `dy`."""
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        backward, names = self.replaced.backward, self.place.inputs[: self.place.gradients]
        gradients: list[Any] = [None] * len(edges)
        wanted = [i for i, name in enumerate(names[: len(edges)]) if edges[i] is not None]
        if len(found) <= wanted[-1]:
            of = ", ".join(names[: wanted[-1] + 1])
            backward.fail(f"must return a gradient for each of {of}; it returned {len(found)}")
        for i in wanted:
            g = backward.check(f"the gradient of {names[i]}", found[i], given[i + 1], given)
            known = isinstance(g, Variable)
            gradients[i] = g if known else wrap(to_device(g, device_of(dy.array)))
        return gradients


def hosted(values: Sequence[Any]) -> list[Any]:
    """Return tensors as NumPy arrays that are contiguous and cannot be written to.

    Contiguous, because images lie in memory channels last: there `zeros_like(x).reshape(...)` is a
    copy, and what is written to it is lost.
    """
    arrays: list[Any] = []
    for value in values:
        if isinstance(value, Variable):
            array = np.ascontiguousarray(to_device(value.array, "cpu")).reshape(value.array.shape)
            value = array.view()
            value.flags.writeable = False
        arrays.append(value)
    return arrays
