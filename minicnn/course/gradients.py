"""A student's derivative under one of minicnn's functions, for `minicnn.gradcheck`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..function import Function
from ..ops.from_data import tensor
from ..tensor import Tensor


def with_backward(
    forward: Callable[..., Tensor], backward: Callable[..., Any]
) -> Callable[..., Tensor]:
    """Return `forward` with another derivative.

    Args:
        forward: a function of tensors that returns a tensor.
        backward: a function of arrays: of dy and of the arguments of `forward`. Returns the
            gradient of the argument, or a tuple with that of each of them.
    """

    class Written(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            found = backward(dy.array.copy(), *(x.array.copy() for x in ctx.saved_tensors))
            found = found if isinstance(found, tuple) else (found,)
            return tuple(tensor(np.asarray(g)) for g in found)

    return Written.apply


def variable(array: Any) -> Tensor:
    """Return a tensor in float64 that requires a gradient."""
    return tensor(np.asarray(array, dtype=np.float64), requires_grad=True)
