"""Changing tensors in place: assignment, `x += y`, and the methods whose names end in "_".

*What happens to the graph.* After x[i] = v, the tensor x has a new past: it was made from the old x
and from v. The op is `Overwrite`: the old x gets the gradient of what it still contributes, v that
of the places it filled. When x is a view, its base is what changes, and every other view of that
base finds its own new past when it is next asked (`autograd.node_of`). Every change also advances
the version of the memory, by which a pending backward pass that needs the old values notices, and
raises.

*What is not done.* In-place operations save no memory here: the old values are kept where a
derivative may need them, and the new ones are computed first and then written. They exist because
programs use them.

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import UNTRACKED, Op, is_grad_enabled, needs_grad, node_of, shares_memory, wrap
from ..backend import array_module, to_device
from ..errors import DimensionError, DTypeError, InPlaceError, ShapeError
from ..promotion import can_cast
from ..tensor import Tensor, check_tensor, method
from . import (
    arithmetic,
    choose,
    compare,
    diagonal,
    division,
    elementwise,
    gather,
    rounding,
)
from .index import Index, as_index, check_places, is_basic, is_trivial, read
from .operands import broadcastable, fitting


@dataclass(eq=False, repr=False)
class Overwrite(Op):
    """y = x, except v in the region that a chain of view ops names.

    dx = dy with zeros in the region,  dv = the region of dy.
    """

    chain: tuple[Op, ...]

    def forward(self, x: Any, v: Any) -> Any:
        y = x.copy("K")  # K: keep channels-last memory as it is
        write(y, self.chain, v)
        return y

    def dx(self, dy: Tensor) -> Tensor:
        return Overwrite(self.chain)(dy, 0.0)

    def dv(self, dy: Tensor) -> Tensor:
        for op in self.chain:
            dy = op.again()(dy)
        return dy


def write(array: Any, chain: tuple[Any, ...], value: Any) -> None:
    """Write `value` in place into the region of `array` that the chain of view ops names."""
    region = array
    for op in chain:
        if not is_a_view(op):  # the last may be an index with arrays
            region[op.index] = value
            break
        region = op.forward(region)
    else:
        region[...] = value
    if shares_memory(region, array) or not array.size:
        return
    # In this array's layout the region is a copy. Find its elements by number instead.
    xp = array_module(array)
    numbers = xp.arange(array.size).reshape(array.shape)
    for op in chain:
        numbers = op.forward(numbers)
    array[xp.unravel_index(numbers, array.shape)] = value


def is_a_view(op: Op) -> bool:
    """Whether the result of a view op shares memory: always, except for an index with arrays."""
    return not isinstance(op, Index) or is_basic(op.index)


def overwrite(x: Tensor, place: Index | None, value: Any, name: str) -> Tensor:
    """Write `value`, a tensor or a number, into x (at `place`), with its history; return x."""
    root = x if x._base is None else x._base
    recording = is_grad_enabled() and (
        needs_grad(root) or needs_grad(x) or (isinstance(value, Tensor) and needs_grad(value))
    )
    _check_may_change(x, root, recording, name)
    array = getattr(value, "array", value)
    write(x.array, () if place is None else (place,), array)
    if recording:
        chain = x._chain if x._base is not None else ()
        op = Overwrite((*chain, place) if place is not None else chain)
        # Where nothing of the old value is left, and the new one was made from it, zeros need not
        # go back.
        old = wrap(root.array) if not op.chain and _made_from(root, value) else root
        _give_past(root, op.record((old, value), root.array)._node)
    x.bump()
    return x


def _made_from(x: Any, value: Any) -> bool:
    node = value._node if isinstance(value, Tensor) else None
    return node is not None and x._node is not None and x._node in node.edges


def _give_past(root: Any, node: Any) -> None:
    """Make `node` the past of `root`; what was asked to keep its gradient goes on to."""
    old = root._node
    if old is not None and old.retain is not None and old.retain() is root:
        node.retain, old.retain = old.retain, None
    root._node = node


def _check_may_change(x: Tensor, root: Any, recording: bool, name: str) -> None:
    if not getattr(x.array.flags, "writeable", True) or _overlaps(x.array):
        raise InPlaceError(
            f"{name}: elements of this tensor {x.shape} share one place in memory (it was "
            "expanded), or the memory "
            "is read-only, so it cannot be changed in place; change a clone()"
        )
    if recording and x._requires_grad and x._base is not None and x._node is None:
        root = x  # a view that was made a leaf of its own
    if recording and root._requires_grad and root._node is None:
        what = "a leaf tensor" if root is x else "a view of a leaf tensor"
        raise InPlaceError(
            f"{name}: {what} that requires a gradient cannot be changed in place while recording; "
            "wrap the change in `with minicnn.no_grad():`, or work on a copy"
        )
    if recording and x._base is not None and x._seen == UNTRACKED:
        raise InPlaceError(
            f"{name}: this view was made under no_grad, so its change in place cannot be recorded; "
            "make the view while recording, or change a copy"
        )
    for twin in (ref() for ref in root._twins):
        if twin is not None:
            raise InPlaceError(
                f"{name}: this tensor {x.shape} and a view of it {twin.shape} do not share memory "
                "here, because "
                "the images are kept channels-last; change a clone() instead"
            )


def _overlaps(array: Any) -> bool:
    steps = zip(array.strides, array.shape, strict=True)
    return array.size > 0 and any(step == 0 and n > 1 for step, n in steps)


@method("__setitem__")
def setitem(x: Tensor, where: Any, value: Any) -> None:
    """Write `value` (a number, tensor or array) into x[where]."""
    basic, arrays = as_index(x, where)
    if arrays is not None and not is_trivial(basic):
        x = read(x, basic)  # a view of the part that the arrays choose from
    check_places("setitem", x, arrays or ())
    place = Index(basic if arrays is None else arrays)
    try:
        overwrite(x, place, _fitted(x, place, value), "setitem")
    except IndexError as error:
        raise DimensionError(f"setitem: {error}; the tensor has shape {x.shape}") from None


def _fitted(x: Tensor, place: Index, value: Any) -> Any:
    """Return `value` in the dtype of x, after checking that it fits; sizes of 1 may lead."""
    if isinstance(value, (int, float, np.generic)):
        return fitting("setitem", value, x.dtype)
    if not isinstance(value, Tensor):
        value = wrap(to_device(np.asarray(value), x.device))
        if value.dtype.kind not in "biuf":
            raise TypeError(f"setitem: cannot write {value.dtype} into a tensor of {x.dtype}")
    value = value.to(x.dtype)
    if value.device != x.device and value.ndim == 0:
        value = value.to(x.device)
    region = np.broadcast_to(np.int8(0), x.shape)[_on_host(place.index)].shape
    while value.ndim > len(region) and value.shape[0] == 1:
        value = value.squeeze(0)
    if not broadcastable(value.shape, region) or (
        np.broadcast_shapes(value.shape, region) != region
    ):
        raise ShapeError(
            f"setitem: a value of shape {value.shape} does not fit a region of {region}"
        )
    return value


def _on_host(parts: tuple) -> tuple:
    return tuple(to_device(p, "cpu") if hasattr(p, "dtype") else p for p in parts)


def assign(x: Tensor, value: Any, name: str) -> Tensor:
    """Make `value`, of x's shape or broadcast to it, the content of x; return x."""
    if isinstance(value, Tensor):
        if not can_cast(value.dtype, x.dtype):
            raise DTypeError(
                f"{name}: the result is {value.dtype} and cannot be stored in {x.dtype}; "
                "use the operation that is not in place"
            )
        if value.shape != x.shape:
            fits = broadcastable(value.shape, x.shape)
            if not fits or np.broadcast_shapes(value.shape, x.shape) != x.shape:
                raise ShapeError(f"{name}: the result {value.shape} does not fit into {x.shape}")
        value = value if value.dtype == x.dtype else value.to(x.dtype)
    return overwrite(x, None, value, name)


_IN_PLACE = {
    arithmetic: (
        "add", "sub", "mul", "div", "pow", "neg", "addcmul", "addcdiv", "lerp", "subtract",
        "multiply", "divide", "true_divide", "negative",
    ),
    division: ("remainder", "floor_divide"),
    choose: ("clamp", "clip", "clamp_min", "clamp_max"),
    compare: (
        "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor",
        "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
    ),
    elementwise: (
        "abs", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2",
        "log10",
        "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf",
    ),
    rounding: ("sign", "floor", "ceil", "trunc", "round", "nan_to_num"),
    gather: ("masked_fill", "scatter", "scatter_add", "index_add", "index_fill"),
    diagonal: ("tril", "triu"),
}  # fmt: skip
_OPERATORS = {
    "add": "__iadd__", "sub": "__isub__", "mul": "__imul__", "div": "__itruediv__",
    "pow": "__ipow__",
    "remainder": "__imod__", "floor_divide": "__ifloordiv__", "bitwise_and": "__iand__",
    "bitwise_or": "__ior__", "bitwise_xor": "__ixor__",
}  # fmt: skip


def _as_it_was(x: Tensor, others: tuple[Any, ...]) -> Tensor:
    """Return the value and the past of x, for derivatives that need them after the change."""
    wanted = any(isinstance(t, Tensor) and needs_grad(t) for t in (x, *others))
    return wrap(x.array.copy(), node_of(x)) if wanted and is_grad_enabled() else x


def _attach(function: Any, name: str) -> None:
    def in_place(self: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        old = _as_it_was(self, (*arguments, *keywords.values()))
        arguments = tuple(old if a is self else a for a in arguments)
        return assign(self, function(old, *arguments, **keywords), name + "_")

    in_place.__name__ = in_place.__qualname__ = name + "_"
    in_place.__doc__ = f"Write the result of `{name}` into this tensor, and return it."
    method(name + "_", *([_OPERATORS[name]] if name in _OPERATORS else []))(in_place)


for _module, _names in _IN_PLACE.items():
    for _name in _names:
        _attach(getattr(_module, _name), _name)


@method()
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the elements of `src`, broadcast and converted, into this tensor."""
    src = check_tensor(src, "copy_", "src").to(self.device)
    return assign(self, src.to(self.dtype), "copy_")


@method()
def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value`."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"fill_: value must be a number or 0-d, not shape {value.shape}")
        return assign(self, value.to(self.dtype), "fill_")
    return overwrite(self, None, fitting("fill_", value, self.dtype), "fill_")


@method()
def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return overwrite(self, None, 0, "zero_")


__all__: list[str] = []
