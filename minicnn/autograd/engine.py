"""The backward pass: one walk over the tape, from the results back to what they were made of.

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import array_module, as_array, device_of
from ..errors import (
    AnomalyError,
    DeviceError,
    GraphError,
    OutOfMemoryError,
    ShapeError,
    UnsupportedError,
)
from ..gpu import full_memory, is_full
from .modes import detect_anomaly, set_grad_enabled, thread, without_autocast
from .node import Node
from .variable import Variable, needs_grad, node_of, wrap


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
        elif device_of(dy.array) != device_of(y.array):
            raise DeviceError(
                f"backward: gradient is on {device_of(dy.array)} but the tensor on "
                f"{device_of(y.array)}. Move it with .to(device)."
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
    pending: dict[Any, Pending] = {}
    for y, dy in zip(outputs, seeds, strict=True):
        _add(pending, node_of(y) or y, dy, owned=False, create_graph=create_graph)
    nodes = _reachable([key for key in pending if isinstance(key, Node)])
    keys = [] if targets is None else [node_of(x) or x for x in targets]
    # Everything that gradients must reach; None stands for all.
    wanted = None if targets is None else _leading_to(nodes, keys)
    captured: dict[Any, Any] = {}

    with set_grad_enabled(create_graph), without_autocast(), np.errstate(all="ignore"):
        for node in nodes:
            if node not in pending:
                continue
            dy, _ = pending.pop(node)
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
                    owned = g is not dy and g.array.base is None
                    _add(pending, edge, g, owned, create_graph)
            if not retain:
                node.release()
        for leaf, (dleaf, owned) in pending.items():
            if wanted is None or leaf in wanted:
                if not owned and targets is None:
                    # Two leaves may have been handed one and the same array (y = a + b).
                    dleaf = dleaf.clone()
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
    if not thread.anomaly:
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
        if thread.anomaly:
            check_finite(g.array, f"{node.name}: its derivative for input {i} made {{}}", op)
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
    try:
        result = op.fast_backward(needs, dy.array, *arrays)
    except MemoryError as error:
        if is_full(error):
            raise OutOfMemoryError(full_memory(f"{node.name}, backward", error)) from error
        raise
    return [
        wrap(as_array(g)) if need and g is not None else None
        for g, need in zip(result, needs, strict=True)
    ]


def _sum_to(g: Any, shape: tuple[int, ...], name: str) -> Any:
    """Sum `g` over the axes along which an input of `shape` was broadcast."""
    added = g.array.ndim - len(shape)  # dimensions that the input did not have
    kept = g.array.shape[max(added, 0) :]
    if added < 0 or any(n not in (1, m) for n, m in zip(shape, kept, strict=True)):
        raise ShapeError(
            f"backward: a derivative of {name} has shape {g.array.shape}, which cannot belong to "
            f"an input of shape {shape}"
        )
    if added:
        g = g.sum(tuple(range(added)))
    axes = tuple(i for i, n in enumerate(shape) if n != kept[i])
    return g.sum(axes, keepdim=True) if axes else g


# A gradient on its way, and whether its array belongs to it alone, so that it may be added to.
Pending = tuple[Any, bool]


def _add(pending: dict[Any, Pending], key: Any, g: Any, owned: bool, create_graph: bool) -> None:
    """Add gradient `g` to what has already arrived for `key`: a value used twice gets both."""
    if key not in pending:
        pending[key] = g, owned
        return
    known, known_owned = pending[key]
    if known_owned and not create_graph:
        known.array += g.array
    else:
        known = known + g
    pending[key] = known, True


def _accumulate(x: Any, dx: Any, create_graph: bool) -> None:
    """Add `dx` to ``x.grad``."""
    if x.grad is None:
        x.grad = dx
    elif create_graph:
        x.grad = x.grad + dx
    else:
        # In place and without a temporary; the tensor that users hold as x.grad is the same.
        x.grad.array += dx.array
        x.grad.bump()


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


def check_finite(array: Any, message: str, op: Any) -> None:
    if array.dtype.kind != "f":
        return
    xp = array_module(array)
    if not bool(xp.isfinite(array).all()):
        what = "NaN" if bool(xp.isnan(array).any()) else "infinity"
        raise AnomalyError(f"{message.format(what)} (shape {array.shape}); the operation is {op!r}")
