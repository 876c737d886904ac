"""What can be replaced: the one table of operations and optimizers, and how each is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..autograd import Op
from ..errors import ReplacementError
from ..kernels.geometry import output_size
from ..ops.activation import ReLU
from ..ops.batch_norm import BatchNorm
from ..ops.classification import CrossEntropy
from ..ops.conv import Conv2d
from ..ops.elementwise import Sigmoid, Tanh
from ..ops.linalg import MatMul
from ..ops.linear import Linear
from ..ops.operands import broadcasting_shape
from ..ops.pad import pad
from ..ops.pool import AvgPool2d, MaxPool2d
from ..ops.softmax import LogSoftmax, Softmax
from ..optim import SGD, Adagrad, Adam, Optimizer, RMSprop
from .user_function import REQUIRED, Argument

Shape = tuple[int, ...]


def _no_options(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return []


def _shape_of_x(op: Any, shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _unchanged(op: Any, inputs: tuple) -> tuple[Any, tuple]:
    return op, inputs


@dataclass(frozen=True)
class OpPlace:
    """An operation that can be replaced.

    Attributes:
        name: as in `nn.functional`.
        op: the class whose every application is replaced.
        inputs: the names of its arrays; those without a value are None.
        required: how many of them a function must take.
        gradients: how many of them have a gradient.
        options: the arguments after the arrays, given the op and the shapes of its inputs.
        option_names: their names.
        shape: the shape of the result.
        prepare: what happens to the op and its tensors before, recorded as anything is.
        leaves: the op's caller reads more of it than its result (winners, statistics), so its own
            forward runs besides.
        in_place: it may be told to write over its input, so that backward needs a copy of that.
    """

    name: str
    op: type[Op]
    inputs: tuple[str, ...]
    required: int
    gradients: int
    shape: Callable[[Any, Sequence[Shape]], Shape] = _shape_of_x
    options: Callable[[Any, Sequence[Shape]], list[Argument]] = _no_options
    option_names: tuple[str, ...] = ()
    prepare: Callable[[Any, tuple], tuple[Any, tuple]] = _unchanged
    leaves: bool = False
    in_place: bool = False

    def arguments(self, op: Any, arrays: Sequence[Any]) -> list[Argument]:
        """Return what a function is called with."""
        shapes = [getattr(a, "shape", ()) for a in arrays]
        values = [*arrays, *[None] * (len(self.inputs) - len(arrays))]
        given = [
            Argument(name, values[i], REQUIRED if i < self.required else None)
            for i, name in enumerate(self.inputs)
        ]
        return [*given, *self.options(op, shapes)]


@dataclass(frozen=True)
class StepPlace:
    """The update rule of an optimizer.

    Attributes:
        name: as above.
        optimizer: the class that has it.
        state: the optimizer's names for the state, in the order in which a step is given it.
        options: what a step is given after the state, from the number of the step and the group.
        option_names: their names.
        short: the names of the state in a step's arguments.
        covers: whether the rule is the one that a group asks for.
        plain: the options that must have these values, because a step knows nothing of them.
        counts: whether the number of the step is a part of the state.
    """

    name: str
    optimizer: type[Optimizer]
    state: tuple[str, ...]
    short: tuple[str, ...]
    options: Callable[[float, dict[str, Any]], tuple]
    option_names: tuple[str, ...]
    plain: dict[str, Any]
    covers: Callable[[dict[str, Any]], bool] = lambda group: True
    counts: bool = True


# ------------------------------------------------------------------------------- the geometry


def _number(pair: Sequence[int]) -> Any:
    """Return a pair as `F.conv2d` would be given it: one number if both agree."""
    return pair[0] if pair[0] == pair[1] else tuple(pair)


def _one_padding(op: Any, inputs: tuple) -> tuple[Any, tuple]:
    """Pad beforehand where the sides differ ("same", with an even kernel)."""
    (top, bottom), (left, right) = op.padding
    if top == bottom and left == right:
        return op, inputs
    x, *others = inputs
    unpadded = Conv2d(op.stride, ((0, 0), (0, 0)), op.dilation, op.groups)
    return unpadded, (pad(x, (left, right, top, bottom)), *others)


def _conv_options(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    padding = _number([side[0] for side in op.padding])
    return [
        Argument("stride", _number(op.stride), 1),
        Argument("padding", padding, 0),
        Argument("dilation", _number(op.dilation), 1),
        Argument("groups", op.groups, 1),
    ]


def _conv_shape(op: Any, shapes: Sequence[Shape]) -> Shape:
    x, w = shapes[:2]
    sizes = (
        output_size(x[2 + a], w[2 + a], op.stride[a], op.padding[a], op.dilation[a]) for a in (0, 1)
    )
    return x[0], w[0], *sizes


def _ceil_mode(op: Any, x: Shape, dilation: Sequence[int]) -> bool:
    """Whether the op was asked for windows that hang over the edge, and has any."""
    floor = tuple(
        output_size(x[2 + a], op.kernel[a], op.stride[a], op.padding[a], dilation[a])
        for a in (0, 1)
    )
    return floor != tuple(op.out_hw)


def _max_pool_options(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return [
        Argument("kernel_size", _number(op.kernel)),
        Argument("stride", _number(op.stride), _number(op.kernel)),
        Argument("padding", _number([side[0] for side in op.padding]), 0),
        Argument("dilation", _number(op.dilation), 1),
        Argument("ceil_mode", _ceil_mode(op, shapes[0], op.dilation), False),
    ]


def _avg_pool_options(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return [
        Argument("kernel_size", _number(op.kernel)),
        Argument("stride", _number(op.stride), _number(op.kernel)),
        Argument("padding", _number([side[0] for side in op.padding]), 0),
        Argument("ceil_mode", _ceil_mode(op, shapes[0], (1, 1)), False),
    ]


def _whole_windows(op: Any, inputs: tuple) -> tuple[Any, tuple]:
    x, divisor = inputs
    if not isinstance(divisor, int) or divisor != op.kernel[0] * op.kernel[1]:
        raise ReplacementError(
            f"avg_pool2d: a replaced one divides by all {op.kernel[0]} x {op.kernel[1]} pixels of "
            "a window; count_include_pad=False, divisor_override and windows beyond the padding "
            "are not covered"
        )
    return op, (x, divisor)


def _pool_shape(op: Any, shapes: Sequence[Shape]) -> Shape:
    return *shapes[0][:2], *op.out_hw


# ------------------------------------------------------------------------------- the others


def _dim(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return [Argument("dim", op.dim, len(shapes[0]) - 1)]


def _eps(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return [Argument("eps", op.eps, 1e-5)]


def _loss_options(op: Any, shapes: Sequence[Shape]) -> list[Argument]:
    return [
        Argument("ignore_index", op.ignore_index, -100),
        Argument("reduction", op.reduction, "mean"),
        Argument("label_smoothing", op.smoothing, 0.0),
    ]


def _loss_shape(op: Any, shapes: Sequence[Shape]) -> Shape:
    return shapes[1] if op.reduction == "none" else ()


def _linear_shape(op: Any, shapes: Sequence[Shape]) -> Shape:
    return *shapes[0][:-1], shapes[1][0]


def _matmul_shape(op: Any, shapes: Sequence[Shape]) -> Shape:
    a, b = shapes
    return *broadcasting_shape("matmul", a[:-2], b[:-2]), a[-2], b[-1]


_GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_LOSS = ("ignore_index", "reduction", "label_smoothing")
_XWB = ("x", "w", "b")

OPS = {
    place.name: place
    for place in [
        OpPlace("conv2d", Conv2d, _XWB, 2, 3, _conv_shape, _conv_options,
                ("stride", "padding", "dilation", "groups"), _one_padding),
        OpPlace("max_pool2d", MaxPool2d, ("x",), 1, 1, _pool_shape, _max_pool_options, _GEOMETRY,
                leaves=True),
        OpPlace("avg_pool2d", AvgPool2d, ("x",), 1, 1, _pool_shape, _avg_pool_options,
                ("kernel_size", "stride", "padding", "ceil_mode"), _whole_windows),
        OpPlace("batch_norm", BatchNorm, _XWB, 1, 3, options=_eps, option_names=("eps",),
                leaves=True),
        OpPlace("linear", Linear, _XWB, 2, 3, _linear_shape),
        OpPlace("matmul", MatMul, ("a", "b"), 2, 2, _matmul_shape),
        OpPlace("relu", ReLU, ("x",), 1, 1, in_place=True),
        OpPlace("sigmoid", Sigmoid, ("x",), 1, 1, in_place=True),
        OpPlace("tanh", Tanh, ("x",), 1, 1, in_place=True),
        OpPlace("softmax", Softmax, ("x",), 1, 1, options=_dim, option_names=("dim",)),
        OpPlace("log_softmax", LogSoftmax, ("x",), 1, 1, options=_dim, option_names=("dim",)),
        OpPlace("cross_entropy", CrossEntropy, ("x", "target", "weight"), 2, 1, _loss_shape,
                _loss_options, _LOSS),
    ]
}  # fmt: skip

_SGD_ONLY = {"dampening": 0, "nesterov": False}

STEPS = {
    place.name: place
    for place in [
        StepPlace("sgd", SGD, (), (), lambda t, o: (o["lr"],), ("lr",), {},
                  lambda o: o["momentum"] == 0, counts=False),
        StepPlace("momentum", SGD, ("momentum_buffer",), ("v",),
                  lambda t, o: (o["lr"], o["momentum"]), ("lr", "momentum"), _SGD_ONLY,
                  lambda o: o["momentum"] != 0, counts=False),
        StepPlace("adagrad", Adagrad, ("sum",), ("s",), lambda t, o: (o["lr"], o["eps"]),
                  ("lr", "eps"), {"lr_decay": 0}),
        StepPlace("rmsprop", RMSprop, ("square_avg",), ("s",),
                  lambda t, o: (o["lr"], o["alpha"], o["eps"]), ("lr", "alpha", "eps"),
                  {"momentum": 0, "centered": False}),
        StepPlace("adam", Adam, ("exp_avg", "exp_avg_sq"), ("m", "v"),
                  lambda t, o: (int(t), o["lr"], *o["betas"], o["eps"]),
                  ("t", "lr", "beta1", "beta2", "eps"), {"amsgrad": False}),
    ]
}  # fmt: skip
