"""Reverse-mode differentiation: how `minicnn` knows the derivative of what you computed.

*The idea.* While a program runs forward, every operation that touches a value whose gradient is
wanted leaves a `Node` behind: which operation it was, and which nodes made its inputs. That is the
tape. A function of a million parameters and one output needs one walk over the tape, from the
output back: each node is handed the gradient of the output with respect to its own result, `dy`,
and turns it into the gradients of its inputs. Where a value was used twice, its gradients add up.

*An operation* is a subclass of `Op`: `forward` on arrays, and one method per input for the
derivative, `d<name of the input>`, written with tensors. It is one method per input, not one
`backward` for all, for three reasons: a gradient that nobody needs is never computed; each line of
the mathematics is one method; and an operation states, by the parameters it names, which values it
needs. Only those are kept in memory, and only those must stay unchanged until the backward pass::

    class Mul(Op):
        \"\"\"y = a b.   da = dy b,  db = dy a.\"\"\"

        def forward(self, a, b):
            return a * b

        def da(self, dy, b):
            return dy * b

        def db(self, dy, a):
            return dy * a

Because derivatives are written in operations that are themselves differentiable, the backward pass
can be recorded too (`create_graph=True`), and second and higher derivatives need no further code.

Broadcasting needs no thought in an op: the engine sums a gradient over the axes that were
broadcast.

Reference: Baydin, Pearlmutter, Radul, Siskind 2018, "Automatic differentiation in machine
learning: a survey", section 3.2. Tutorial: `tutorials/01_tensors_and_the_tape`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .backend import array_module, as_array, device_of
from .errors import (
    AnomalyError,
    DeviceError,
    GraphError,
    InPlaceError,
    ShapeError,
    UnsupportedError,
)

_order = itertools.count()


class _Mode(threading.local):
    """What this thread is doing: recording or not, looking for anomalies or not."""

    recording = True
    anomaly = False


_mode = _Mode()


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
        y = as_array(self.forward(*arrays))
        if _mode.anomaly:
            _check_finite(y, f"{self.name}: the forward pass made {{}}", self)
        return self.record(inputs, y)

    def record(self, inputs: Sequence[Any], array: Any) -> Any:
        """Wrap `array`, the result for `inputs`; leave a node if a gradient is wanted."""
        y = wrap(array)
        if self.is_view and shares_memory(array, inputs[0].array):
            _become_view(y, inputs[0], self)
        if not _mode.recording:
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


def shares_memory(y: Any, x: Any) -> bool:
    return y is x or (y.base is not None and (y.base is x or y.base is x.base))


def _become_view(y: Variable, x: Variable, op: Op) -> None:
    base = x if x._base is None else x._base
    y._base, y._version = base, base._version
    y._seen = (
        base._version[0]
        if _mode.recording and (x._base is None or x._seen != UNTRACKED)
        else UNTRACKED
    )
    y._chain = (op,) if x._base is None else (*x._chain, op)


def _mixed(name: str, inputs: Sequence[Any]) -> str:
    places = [f"{x.array.shape} on {device_of(x.array)}" for x in inputs if isinstance(x, Variable)]
    return (
        f"{name}: all tensors must be on one device; got {', '.join(places)}. "
        "Move them with .to(device)."
    )


def _check_finite(array: Any, message: str, op: Any) -> None:
    if array.dtype.kind != "f":
        return
    xp = array_module(array)
    if not bool(xp.isfinite(array).all()):
        what = "NaN" if bool(xp.isnan(array).any()) else "infinity"
        raise AnomalyError(f"{message.format(what)} (shape {array.shape}); the operation is {op!r}")


# ----------------------------------------------------------------------------------------------
# The backward pass


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add to ``x.grad``, for every leaf x the `tensors` depend on, the gradient of their sum.

    Args:
        tensors: a tensor or a sequence of them.
        grad_tensors: the gradient each is seeded with; may be None for tensors of one element.
        retain_graph: keep the graph for another pass. Default: the value of `create_graph`.
        create_graph: record this pass, so that its results can be differentiated again.
        inputs: accumulate into these tensors only.
    """
    tensors = _as_list(tensors)
    seeds = _seeds(tensors, _as_list(grad_tensors, len(tensors)))
    targets = None if inputs is None else _as_list(inputs)
    if targets == []:
        raise GraphError("backward: inputs is empty; name at least one tensor, or pass None")
    found = _run(tensors, seeds, targets, retain_graph, create_graph)
    for leaf, dleaf in found:
        if dleaf is not None:
            _accumulate(leaf, dleaf, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of the sum of `outputs` with respect to `inputs`, as a tuple.

    Nothing is added to any ``.grad``. An input that the outputs do not depend on raises, unless
    `allow_unused` (its gradient is then None) or `materialize_grads` (then zeros).
    """
    if is_grads_batched:
        raise UnsupportedError("grad: is_grads_batched=True is not covered; call grad in a loop")
    outputs, inputs = _as_list(outputs), _as_list(inputs)
    for x in inputs:
        if not needs_grad(x):
            raise GraphError(
                "grad: one of the inputs does not require a gradient; call requires_grad_()"
            )
    seeds = _seeds(outputs, _as_list(grad_outputs, len(outputs)))
    found = [g for _, g in _run(outputs, seeds, inputs, retain_graph, create_graph)]
    for i, x in enumerate(inputs):
        if found[i] is None and materialize_grads:
            found[i] = wrap(array_module(x.array).zeros_like(x.array))
        elif found[i] is None and not allow_unused:
            raise GraphError(
                f"grad: the outputs do not depend on inputs[{i}], of shape {x.array.shape}. "
                "Pass allow_unused=True to get None for it."
            )
    return tuple(found)


def _as_list(x: Any, length: int | None = None) -> list[Any]:
    if x is None:
        return [None] * (length or 0)
    result = list(x) if isinstance(x, (list, tuple)) or hasattr(x, "__next__") else [x]
    if length is not None and len(result) != length:
        raise GraphError(f"backward: {length} tensors but {len(result)} gradients for them")
    return result


def _seeds(tensors: list[Any], gradients: list[Any]) -> list[Any]:
    """Check the gradients to begin from; a tensor of one element begins with 1."""
    seeds = []
    for y, dy in zip(tensors, gradients, strict=True):
        if not needs_grad(y):
            raise GraphError(
                "backward: the tensor does not require a gradient and was not made from one that "
                "does. "
                "Set requires_grad=True on an input, and check that no_grad() is not active."
            )
        if dy is None:
            if y.array.size != 1:
                raise GraphError(
                    "backward: a gradient is implied only for a tensor of one element; this has "
                    "shape "
                    f"{y.array.shape}. Reduce it first, e.g. with .sum(), or pass gradient=."
                )
            dy = wrap(array_module(y.array).ones_like(y.array))
        elif not isinstance(dy, Variable):
            raise TypeError(
                f"backward: gradient must be a Tensor or None, not {type(dy).__name__}: {dy!r}"
            )
        elif dy.array.shape != y.array.shape:
            raise ShapeError(
                f"backward: gradient has shape {dy.array.shape} but the tensor {y.array.shape}"
            )
        seeds.append(dy if dy.array.dtype == y.array.dtype else dy.to(y.array.dtype))
    return seeds


def _run(
    outputs: list[Any],
    seeds: list[Any],
    targets: list[Any] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> list[tuple[Any, Any]]:
    """Walk the tape back from `outputs`; return pairs of a target (or a leaf) and its gradient."""
    retain = create_graph if retain_graph is None else retain_graph
    pending: dict[Any, Any] = {}
    for y, dy in zip(outputs, seeds, strict=True):
        _add(pending, node_of(y) or y, dy)
    nodes = _reachable([key for key in pending if isinstance(key, Node)])
    keys = [] if targets is None else [node_of(x) or x for x in targets]
    # Everything that gradients must reach; None stands for all.
    wanted = None if targets is None else _leading_to(nodes, keys)
    captured: dict[Any, Any] = {}

    with set_grad_enabled(create_graph), np.errstate(all="ignore"):
        for node in nodes:
            dy = pending.pop(node, None)
            if dy is None:
                continue
            dy = _apply_hooks(node.hooks, dy)
            kept = node.retain() if node.retain is not None else None
            if kept is not None:
                kept.grad = dy.clone() if kept.grad is None else kept.grad + dy
            if node in keys:
                captured[node] = dy
            edges = node.edges
            if wanted is not None:
                edges = [edge if edge in wanted else None for edge in edges]
                if edges.count(None) == len(edges):
                    continue
            for edge, g in zip(edges, _differentiate(node, edges, dy, create_graph), strict=True):
                if g is not None:
                    _add(pending, edge, g)
            if not retain:
                node.release()
        for leaf, dleaf in pending.items():
            if wanted is None or leaf in wanted:
                captured[leaf] = _apply_hooks(leaf._hooks, dleaf)
    if targets is None:
        return [(leaf, captured[leaf]) for leaf in pending]
    return [(x, captured.get(key)) for x, key in zip(targets, keys, strict=True)]


def _reachable(roots: list[Node]) -> list[Node]:
    """Return all nodes that `roots` were made from, newest first: every node after its users."""
    seen = set(roots)
    stack = list(roots)
    while stack:
        for edge in stack.pop().edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=lambda node: node.order, reverse=True)


def _leading_to(nodes: list[Node], keys: list[Any]) -> set[Any]:
    """Return `keys` and those of `nodes` through which a gradient reaches one of them."""
    wanted = set(keys)
    for node in reversed(nodes):
        if any(edge is not None and edge in wanted for edge in node.edges):
            wanted.add(node)
    return wanted


def _differentiate(node: Node, edges: list[Any], dy: Any, create_graph: bool) -> Sequence[Any]:
    """Return the gradients along `edges`, each with its input's shape and dtype."""
    op = node.op
    if not _mode.anomaly:
        gradients = _gradients(node, edges, dy, create_graph)
    else:
        with detect_anomaly(
            check_nan=False
        ):  # what is named is this node, not the parts of its derivative
            gradients = _gradients(node, edges, dy, create_graph)
    assert op is not None
    for i, g in enumerate(gradients):
        if g is None:
            continue
        if _mode.anomaly:
            _check_finite(g.array, f"{node.name}: its derivative for input {i} made {{}}", op)
        if g.array.shape != op.shapes[i]:
            g = _sum_to(g, op.shapes[i], node.name)
        if g.array.dtype != node.dtypes[i]:
            g = g.to(node.dtypes[i])
        gradients[i] = g
    return gradients


def _gradients(node: Node, edges: list[Any], dy: Any, create_graph: bool) -> list[Any]:
    """Return the gradients along `edges` as the op gives them, by its fast way where it can."""
    values = node.values(create_graph)
    op = node.op
    assert op is not None
    if create_graph or op.fast_backward is None:
        return op.gradients(dy, edges, values)
    arrays = [values[name] for name in op._fast_names]
    arrays = [a.array if isinstance(a, Variable) else a for a in arrays]
    needs = tuple(edge is not None for edge in edges)
    result = op.fast_backward(needs, dy.array, *arrays)
    return [
        wrap(as_array(g)) if need and g is not None else None
        for g, need in zip(result, needs, strict=True)
    ]


def _sum_to(g: Any, shape: tuple[int, ...], name: str) -> Any:
    """Sum `g` over the axes along which an input of `shape` was broadcast."""
    padded = (1,) * (g.array.ndim - len(shape)) + shape
    pairs = zip(padded, g.array.shape)  # noqa: B905
    if len(padded) != g.array.ndim or any(n not in (1, m) for n, m in pairs):
        raise ShapeError(
            f"backward: a derivative of {name} has shape {g.array.shape}, which cannot belong to "
            "an input "
            f"of shape {shape}"
        )
    axes = tuple(i for i, n in enumerate(padded) if n == 1 and g.array.shape[i] != 1)
    return (g.sum(axes, keepdim=True) if axes else g).reshape(shape)


def _add(pending: dict[Any, Any], key: Any, g: Any) -> None:
    """Add gradient `g` to what has already arrived for `key`: a value used twice gets both."""
    known = pending.get(key)
    pending[key] = g if known is None else known + g


def _accumulate(x: Any, dx: Any, create_graph: bool) -> None:
    """Add `dx` to ``x.grad``."""
    if x.grad is not None:
        if create_graph:
            x.grad = x.grad + dx
        else:
            # In place and without a temporary; the tensor that users hold as x.grad is the same.
            x.grad.array += dx.array
            x.grad.bump()
    elif create_graph:
        x.grad = dx.clone()
    else:
        # A copy, because two leaves may have been handed one and the same array (y = a + b).
        x.grad = wrap(dx.array.copy())


def _apply_hooks(hooks: dict[int, Callable] | None, dy: Any) -> Any:
    for hook in list((hooks or {}).values()):
        changed = hook(dy)
        if changed is None:
            continue
        if not isinstance(changed, Variable) or changed.array.shape != dy.array.shape:
            raise GraphError(
                "register_hook: a hook must return None or a Tensor of the gradient's shape "
                f"{dy.array.shape}, "
                f"not {getattr(changed, 'shape', type(changed).__name__)}"
            )
        dy = changed
    return dy


# ----------------------------------------------------------------------------------------------
# Modes


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return _mode.recording


class _Switch:
    """A context and a decorator that sets one attribute of the mode while it is active."""

    attribute: ClassVar[str]
    value: Any
    before: tuple[Any, ...] = ()  # a stack, so that one switch may be entered twice

    def __enter__(self) -> None:
        self.before = (*self.before, getattr(_mode, self.attribute))
        setattr(_mode, self.attribute, self.value)

    def __exit__(self, *exception: Any) -> None:
        setattr(_mode, self.attribute, self.before[-1])
        self.before = self.before[:-1]

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def within(*arguments: Any, **keywords: Any) -> Any:
            with self._again():
                return function(*arguments, **keywords)

        return within

    def _around_generator(self, function: Callable) -> Callable:
        """Switch while the generator runs, and back while its caller does."""

        @functools.wraps(function)
        def within(*arguments: Any, **keywords: Any) -> Any:
            generator = function(*arguments, **keywords)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self._again():
                        produced = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(generator.send, (yield produced))
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return within

    def _again(self) -> _Switch:
        switch = object.__new__(type(self))
        switch.value = self.value
        return switch


class no_grad(_Switch):
    """Record nothing inside: ``with no_grad():`` or ``@no_grad()``."""

    attribute, value = "recording", False

    def __new__(cls, function: Callable | None = None) -> Any:
        # PyTorch allows the decorator without parentheses as well.
        switch = super().__new__(cls)
        return switch if function is None else switch(function)


class enable_grad(no_grad):
    """Record inside, even within `no_grad`."""

    value = True


class inference_mode(no_grad):
    """Record nothing inside; in minicnn the same as `no_grad`."""

    def __new__(cls, mode: Any = True) -> Any:
        switch = object.__new__(cls)
        if callable(mode):
            return switch(mode)
        switch.value = not mode
        return switch


class set_grad_enabled(_Switch):
    """Record or not, from here on; as a context, until its end."""

    attribute = "recording"

    def __init__(self, mode: bool):
        self.value = bool(mode)
        self.outside = _mode.recording
        _mode.recording = self.value

    def __enter__(self) -> None:
        _mode.recording = self.outside  # so that leaving goes back to before this switch was made
        super().__enter__()

    def __call__(self, function: Callable) -> Callable:
        _mode.recording = self.outside  # it was made to decorate, not to switch
        return super().__call__(function)

    def _again(self) -> _Switch:
        switch = enable_grad() if self.value else no_grad()
        assert isinstance(switch, _Switch)
        return switch


class detect_anomaly(_Switch):
    """Check every result, forward and backward; name the operation that made NaN or infinity."""

    attribute, value = "anomaly", True

    def __init__(self, check_nan: bool = True):
        self.value = bool(check_nan)


class set_detect_anomaly(detect_anomaly):
    """Check every result or not, from here on; as a context, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.value = bool(mode and check_nan)
        self.outside = _mode.anomaly
        _mode.anomaly = self.value

    def __enter__(self) -> None:
        _mode.anomaly = self.outside
        super().__enter__()


__all__: list[str] = [
    "Op", "FusedOp", "backward", "grad", "no_grad", "enable_grad", "set_grad_enabled",
    "is_grad_enabled", "inference_mode", "detect_anomaly", "set_detect_anomaly",
]  # fmt: skip
