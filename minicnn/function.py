"""Operations of your own, with a forward and a backward pass written by hand.

A subclass of `Function` has two static methods, in which tensors are used as anywhere else::

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            return dy * y

    y = Exp.apply(x)

`forward` is not recorded: `backward` is its derivative, whatever it says. It returns one gradient
for each argument of `forward`, None where there is none, and is itself recorded when second
derivatives are asked for. Check it with `minicnn.gradcheck(Exp.apply, x)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from . import autograd
from .autograd import Op, is_grad_enabled, needs_grad, no_grad, wrap
from .backend import array_module
from .errors import DTypeError, GraphError, UnsupportedError
from .tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: saved tensors, and anything else as an attribute.

    Attributes:
        needs_input_grad: for each argument of `forward`, whether its gradient is wanted.
        saved_tensors: in `backward`, the saved tensors, with their place in the graph.
    """

    def __init__(self, inputs: Sequence[Any]):
        self.needs_input_grad = tuple(isinstance(x, Tensor) and needs_grad(x) for x in inputs)
        self.saved_tensors: tuple[Any, ...] = ()
        self._constant: set[int] = set()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other tensors (or None) for `backward`."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self._constant = {id(y) for y in outputs}

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Not covered: a `Function` may not change its inputs."""
        raise UnsupportedError(
            "mark_dirty: a Function that changes its input in place is not covered"
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Not covered, except True: outputs that were not used have a gradient of zeros."""
        if not value:
            raise UnsupportedError(
                "set_materialize_grads: False is not covered; unused outputs get zeros"
            )


class Function:
    """The base of operations with a hand-written derivative; see above. Call `apply`."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    setup_context: Callable[..., None] | None = None

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Run `forward` on `inputs` and record it as one operation."""
        ctx = Context(inputs)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *inputs)
            else:  # PyTorch's second form: forward without ctx, keeping apart
                result = cls.forward(*inputs)
                cls.setup_context(ctx, inputs, result)
        outputs = list(result) if isinstance(result, tuple) else [result]
        # An input that is returned becomes a tensor of its own, so that it can have a past of its
        # own.
        fresh = [wrap(y.array) if any(y is x for x in inputs) else y for y in outputs]
        if is_grad_enabled() and any(ctx.needs_input_grad):
            _record(cls, ctx, inputs, outputs, fresh)
        return tuple(fresh) if isinstance(result, tuple) else fresh[0]


def _record(
    cls: type[Function], ctx: Context, inputs: Sequence[Any], outputs: list[Any], fresh: list[Any]
) -> None:
    """Give each differentiable output its past.

    An op of the engine has one result. Several are laid end to end in one array, and each is a
    part of that.
    """
    tracked = [
        i for i, y in enumerate(outputs)
        if isinstance(y, Tensor) and y.dtype.kind == "f" and id(y) not in ctx._constant
    ]  # fmt: skip
    if not tracked:
        return
    if len({outputs[i].dtype for i in tracked}) > 1:
        raise DTypeError(f"{cls.__name__}: all outputs with a gradient must have one dtype")
    op = Applied(cls, ctx, inputs, outputs, tracked)
    if len(tracked) == 1:
        (i,) = tracked
        fresh[i]._node = op.record(inputs, fresh[i].array)._node
        return
    arrays = [fresh[i].array for i in tracked]
    joined = op.record(inputs, array_module(arrays[0]).concatenate([a.ravel() for a in arrays]))
    for i, part in zip(tracked, op.parts(joined), strict=True):
        fresh[i] = part


class Applied(Op):
    """One application of a `Function`: the node of the graph that calls its `backward`."""

    def __init__(
        self,
        cls: type[Function],
        ctx: Context,
        inputs: Sequence[Any],
        outputs: list[Any],
        tracked: list[int],
    ):
        self.cls, self.ctx = cls, ctx
        self.out_shapes = [outputs[i].shape for i in tracked]
        # What `backward` is given for the outputs without a gradient: zeros, as in PyTorch.
        self.constants = {
            i: y.new_zeros(y.shape) if isinstance(y, Tensor) else None
            for i, y in enumerate(outputs)
            if i not in tracked
        }
        self._inputs = tuple(f"input {i}" for i in range(len(inputs)))  # type: ignore[misc]
        differentiable = [outputs[i] for i in tracked]
        self.saved = [self._place_of(x, inputs, differentiable) for x in ctx.saved_tensors]
        ctx.saved_tensors = ()

    def _place_of(self, x: Any, inputs: Sequence[Any], outputs: list[Any]) -> Any:
        """Return where a saved tensor is found later: by name, by number, or by itself.

        An input has a name, an output a number: keeping the output itself would make a circle,
        since it knows the node that knows this op.
        """
        for name, candidate in zip(self._inputs, inputs, strict=True):
            if x is candidate and isinstance(x, Tensor):
                return name
        return next((i for i, y in enumerate(outputs) if y is x), x)

    @property
    def name(self) -> str:
        """The name of the user's class."""
        return self.cls.__name__

    def differentiates(self, i: int) -> bool:
        """Every input may have a gradient; `backward` decides."""
        return True

    def saves(self, edges: Sequence[Any]) -> set[str]:
        """The inputs that were saved by name, and the result if an output was."""
        names = {place for place in self.saved if isinstance(place, str)}
        return names | ({"y"} if any(isinstance(place, int) for place in self.saved) else set())

    def parts(self, joined: Any) -> list[Any]:
        """Return the outputs (or their gradients) that lie end to end in `joined`."""
        if len(self.out_shapes) == 1:
            return [joined]
        sizes = [math.prod(shape) for shape in self.out_shapes]
        return [p.reshape(s) for p, s in zip(joined.split(sizes), self.out_shapes, strict=True)]

    def _found(self, place: Any, values: dict[str, Any]) -> Any:
        if isinstance(place, int):
            return self.parts(values["y"])[place]
        return values[place] if isinstance(place, str) else place

    def gradients(self, dy: Any, edges: Sequence[Any], values: dict[str, Any]) -> list[Any]:
        """Call the user's `backward`, and check what it returns."""
        dys = self.parts(dy)
        for i, zeros in sorted(self.constants.items()):
            dys.insert(i, zeros)
        self.ctx.saved_tensors = tuple(self._found(place, values) for place in self.saved)
        try:
            found = self.cls.backward(self.ctx, *dys)
        finally:
            self.ctx.saved_tensors = ()
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        if any(g is not None for g in found[len(edges) :]) or len(found) < len(edges):
            raise GraphError(
                f"{self.name}: backward must return a gradient (or None) for each of the"
                f" {len(edges)} arguments of forward; it returned {len(found)}"
            )
        for g in found:
            if g is not None and not isinstance(g, Tensor):
                raise GraphError(
                    f"{self.name}: backward must return Tensors or None, not {type(g).__name__}"
                )
        return found[: len(edges)]


# PyTorch's place for it. autograd.py cannot import it: imports point one way only.
autograd.Function = Function  # type: ignore[attr-defined]
__all__ = ["Function"]
