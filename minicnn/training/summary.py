"""`summary`: what a network consists of, layer by layer, and what it costs.

Shapes and costs are not computed from the definition of the network but observed while it runs
once on an empty image. So a layer that is used twice counts twice, one that is not used does not
count, and whatever the network's `forward` does between its layers is allowed.

Multiply-adds are those of one forward pass in evaluation mode. For an output y, of an input x:

    convolution            elements of y times KH KW C / groups    (its bias is not counted)
    transposed convolution elements of x times KH KW F / groups
    dense                  elements of y times in_features
    pooling                elements of y times KH KW               additions or comparisons
    adaptive pooling       elements of x
    batch norm             elements of y                           it is a x + b then
    layer and group norm   three times the elements of y           mean, variance, a x + b
    all others             nothing

Functions that `forward` calls by itself (``F.conv2d(x, self.w)``) are not seen: only modules are.

Tutorial: tutorials/09_lenet.ipynb
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..errors import ArgumentError
from ..ops.from_data import tensor
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from .evaluation import evaluating


class Row(NamedTuple):
    """One call of a module: a line of the table."""

    name: str  # its path in the network, such as "features.0"; "" is the network itself
    type: str
    depth: int  # how many modules it runs inside of
    output_shape: Any  # a tuple, or a list of tuples for several outputs
    parameters: int  # its own, without those of modules inside; 0 when it ran before
    multiply_adds: int
    memory: int  # bytes of its output; 0 for one that another row has counted
    reused: bool  # it ran before: its parameters are counted there


class Summary:
    """What `summary` found. Printing it shows the table.

    Attributes:
        rows: a `Row` for each call of a module, in the order in which the calls begin.
        total_params: the numbers in all parameters, shared ones once, those that did not run too.
        trainable_params: those of them that require a gradient.
        unused_params: those of them whose modules did not run.
        multiply_adds: of the whole forward pass.
        param_memory, activation_memory, input_memory: in bytes.
    """

    def __init__(self, model: nn.Module, rows: list[Row], inputs: Sequence[Tensor], ran: set[int]):
        parameters = list(model.parameters())
        own = [p for m in model.modules() if id(m) in ran for p in m.parameters(recurse=False)]
        self.model_name = type(model).__name__
        self.rows = rows
        self.input_shapes = [x.shape for x in inputs]
        self.total_params = sum(p.numel() for p in parameters)
        self.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
        used = {id(p): p.numel() for p in own}
        self.unused_params = self.total_params - sum(used.values())
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.param_memory = sum(_bytes(p) for p in parameters)
        self.activation_memory = sum(row.memory for row in rows)
        self.input_memory = sum(_bytes(x) for x in inputs)

    def __str__(self) -> str:
        head = ("layer", "type", "output shape", "parameters", "multiply-adds", "memory")
        lines = [head, *(_cells(row, self.model_name) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        table = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "-" * max(map(len, table))
        shapes = ", ".join(map(str, self.input_shapes))
        frozen = self.total_params - self.trainable_params
        notes = [f", {frozen:,} of them frozen"] if frozen else []
        notes += [f", {self.unused_params:,} of them not used"] if self.unused_params else []
        totals = [
            f"parameters     {self.total_params:,}{''.join(notes)} "
            f"({size_text(self.param_memory)})",
            f"multiply-adds  {self.multiply_adds:,}",
            f"activations    {size_text(self.activation_memory)}, for an input {shapes}",
        ]
        return "\n".join([table[0], rule, *table[1:], rule, *totals])

    __repr__ = __str__


def summary(
    model: nn.Module, input_shape: Any, *, batch_size: int = 1, dtype: Any = None
) -> Summary:
    """Return a printable table of a network: output shapes, parameters, multiply-adds, memory.

    >>> print(minicnn.summary(model, (1, 28, 28)))

    The network runs once, in evaluation mode and without a graph; its parameters, buffers, modes,
    hooks and minicnn's random numbers are afterwards what they were before.

    Args:
        model: the network.
        input_shape: the shape of one sample, without the batch, such as (C, H, W); four numbers are
            taken as (N, C, H, W) and fix the batch. A list of shapes for a network with several
            inputs. Tensors may stand in place of shapes: they are then the inputs themselves.
        batch_size: how many samples; multiply-adds and memory grow with it.
        dtype: of the inputs; default: that of the first parameter.
    """
    inputs = _inputs(model, input_shape, batch_size, dtype)
    recorder = _Recorder(model)
    with _untouched(model):
        recorder.run(inputs)
    return Summary(model, recorder.rows, inputs, recorder.ran)


class _Recorder:
    """Runs a model once, with hooks on every module that write down a `Row` for each call."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.names = {id(module): name for name, module in model.named_modules()}
        self.rows: list[Any] = []
        self.ran: set[int] = set()
        self.counted: set[int] = set()  # parameters that have been counted
        self.owners: list[
            Tensor
        ] = []  # whose memory has been counted; kept, so that ids stay theirs
        self.stack: list[int] = []

    def run(self, inputs: Sequence[Tensor]) -> None:
        handles = []
        try:
            for module in self.model.modules():
                handles.append(module.register_forward_pre_hook(self.enter))
                handles.append(module.register_forward_hook(self.leave))
            self.owners.extend(map(_owner, inputs))
            self.model(*inputs)
        finally:
            for handle in handles:
                handle.remove()

    def enter(self, module: nn.Module, args: Any) -> None:
        self.stack.append(len(self.rows))
        self.rows.append(None)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        place = self.stack.pop()
        outputs = [y for y in _flat(output) if isinstance(y, Tensor)]
        shapes = [y.shape for y in outputs]
        fresh = [p for p in module.parameters(recurse=False) if id(p) not in self.counted]
        self.counted.update(map(id, fresh))
        self.rows[place] = Row(
            self.names[id(module)],
            type(module).__name__,
            len(self.stack),
            shapes[0] if len(shapes) == 1 else shapes,
            sum(p.numel() for p in fresh),
            multiply_adds(module, args[0], outputs[0]) if args and outputs else 0,
            sum(map(self.new_memory, outputs)),
            id(module) in self.ran,
        )
        self.ran.add(id(module))

    def new_memory(self, y: Tensor) -> int:
        """Return the bytes of `y`, or 0 if it shares them with something that has been counted."""
        owner = _owner(y)
        if any(owner.array is known.array for known in self.owners):
            return 0
        self.owners.append(owner)
        return _bytes(owner)


def _product(numbers: Sequence[int] | int, both: bool = False) -> int:
    if isinstance(numbers, int):
        return numbers**2 if both else numbers
    return math.prod(numbers)


_COSTS: list[tuple[tuple[type, ...], Callable[[Any, Tensor, Tensor], int]]] = [
    ((nn.ConvTranspose2d,), lambda m, x, y: x.numel() * math.prod(m.weight.shape[1:])),
    ((nn.Conv1d, nn.Conv2d), lambda m, x, y: y.numel() * math.prod(m.weight.shape[1:])),
    ((nn.Linear,), lambda m, x, y: y.numel() * m.in_features),
    ((nn.MaxPool2d, nn.AvgPool2d), lambda m, x, y: y.numel() * _product(m.kernel_size, True)),
    ((nn.MaxPool1d, nn.AvgPool1d), lambda m, x, y: y.numel() * _product(m.kernel_size)),
    ((nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), lambda m, x, y: x.numel()),
    ((nn.BatchNorm1d, nn.BatchNorm2d), lambda m, x, y: y.numel()),
    ((nn.LayerNorm, nn.GroupNorm), lambda m, x, y: 3 * y.numel()),
]


def multiply_adds(module: nn.Module, x: Tensor, y: Tensor) -> int:
    """Return the multiply-adds of one layer that made `y` of `x`; see the top of this file."""
    for classes, cost in _COSTS:
        if isinstance(module, classes):
            return cost(module, x, y)
    return 0


class _untouched:
    """Within, the model evaluates and records nothing; afterwards it is as it was."""

    def __init__(self, model: nn.Module):
        self.model, self.quiet = model, evaluating(model)

    def __enter__(self) -> None:
        self.random = get_rng_state()
        self.buffers = [
            (module, name, x, x.array.copy())
            for module in self.model.modules()
            for name, x in module.named_buffers(recurse=False)
        ]
        self.quiet.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.quiet.__exit__(*exception)
        set_rng_state(self.random)
        for module, name, x, array in self.buffers:
            x.array[...] = array
            module._buffers[name] = x


def _inputs(model: nn.Module, shape: Any, batch_size: int, dtype: Any) -> list[Tensor]:
    """Return inputs of zeros."""
    if isinstance(shape, Tensor):
        return [shape]
    if isinstance(shape, int):
        shape = (shape,)
    if not isinstance(shape, (tuple, list)) or not shape:
        raise ArgumentError(
            f"summary: input_shape must be a shape such as (1, 28, 28), got {shape!r}"
        )
    if not isinstance(shape[0], int):
        return [x for part in shape for x in _inputs(model, part, batch_size, dtype)]
    if any(not isinstance(n, int) or n < 1 for n in shape) or batch_size < 1:
        raise ArgumentError(
            f"summary: all sizes must be positive integers, got input_shape {tuple(shape)}, "
            f"batch_size {batch_size}"
        )
    first = next(model.parameters(), None)
    kind = dtype if dtype is not None else (np.float32 if first is None else first.dtype)
    whole = tuple(shape) if len(shape) == 4 else (batch_size, *shape)
    x = tensor(np.zeros(whole, dtype=kind))
    return [x if first is None else x.to(first.device)]


def _flat(x: Any) -> list[Any]:
    if isinstance(x, dict):
        x = list(x.values())
    return [y for part in x for y in _flat(part)] if isinstance(x, (tuple, list)) else [x]


def _owner(x: Tensor) -> Any:
    return x if x._base is None else x._base


def _bytes(x: Tensor) -> int:
    return x.numel() * x.dtype.itemsize


def _cells(row: Row, model_name: str) -> tuple[str, ...]:
    name = row.name.rpartition(".")[2] if row.name else model_name
    cost = f"{row.multiply_adds:,}" if row.multiply_adds else ""
    parameters = "(reused)" if row.reused else f"{row.parameters:,}" if row.parameters else ""
    memory = size_text(row.memory) if row.memory else ""
    shape = (
        ", ".join(map(str, row.output_shape))
        if isinstance(row.output_shape, list)
        else str(row.output_shape)
    )
    return "  " * row.depth + name, row.type, shape, parameters, cost, memory


def size_text(count: int) -> str:
    """Return a number of bytes as text: 512 B, 18.4 KiB, 1.2 GiB."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


__all__ = ["Row", "Summary", "multiply_adds", "summary"]
