"""The linear layer's product, y = x w^T + b, and what to say when the shapes do not fit.

Tutorial: tutorials/06_dense_softmax_cross_entropy.ipynb
"""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op, runs_in
from ..errors import ShapeError
from ..tensor import Tensor, check_tensor
from .linalg import MatMul, matmul, one_dtype, product


class Linear(Op):
    """y = x w^T + b.   dx = dy w,  dw = dy^T x,  db = dy, both summed over the batch.

    Shapes: x (..., I), w (O, I), b (O), y (..., O). The engine sums db over what was broadcast.
    """

    def forward(self, x: Any, w: Any, b: Any = None) -> Any:
        y = product(x.reshape(-1, x.shape[-1]), w.T)  # (batch, O)
        if b is not None:
            y += b
        return y.reshape(*x.shape[:-1], w.shape[0])

    def dx(self, dy: Tensor, w: Tensor) -> Tensor:
        return matmul(dy, w)

    def dw(self, dy: Tensor, x: Tensor) -> Tensor:
        return MatMul()(_rows(dy).T, _rows(x))

    def db(self, dy: Tensor) -> Tensor:
        return dy


def _rows(x: Tensor) -> Tensor:
    """Return x (..., I) as a matrix."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


@runs_in("lower")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input @ weight.T + bias. Shapes: input (..., I), weight (O, I), bias (O)."""
    x, w = check_tensor(input, "linear"), check_tensor(weight, "linear", "weight")
    if x.ndim == 0 or w.ndim not in (1, 2) or x.shape[-1] != w.shape[-1]:
        raise ShapeError(_linear_misfit(x.shape, w.shape))
    one_dtype("linear", x, w)
    if w.ndim == 1:
        y = matmul(x, w)
        return y if bias is None else y + bias
    if bias is None:
        return Linear()(x, w)
    one_dtype("linear", x, bias)
    if bias.shape not in ((w.shape[0],), (1,), ()):
        raise ShapeError(
            f"linear: bias {bias.shape} does not fit weight {w.shape}; expected ({w.shape[0]},)"
        )
    return Linear()(x, w, bias)


def _linear_misfit(x: tuple[int, ...], w: tuple[int, ...]) -> str:
    """Say what is wrong with a linear layer's input, and what the user probably meant."""
    message = f"linear: input {x} must end in in_features={w[-1] if w else 0} of weight {w}"
    features = math.prod(x[1:])
    if len(x) > 2 and w and features == w[-1]:
        return f"{message}. Flatten it first: x.flatten(1) gives ({x[0]}, {features})"
    if len(x) > 2:
        return f"{message}. Flattened with x.flatten(1) it needs in_features={features}"
    if len(x) == 2 and w and x[1] % w[-1] == 0 and x[1]:
        batch = x[0] * (x[1] // w[-1])
        return (
            f"{message}. Set in_features={x[1]}; or, if the batch has {batch} samples, a reshape"
            " before has moved part of the batch axis into the features: use x.flatten(1)"
        )
    if len(x) == 2 and w and x[1] and w[-1] % x[1] == 0:
        return (
            f"{message}. Set in_features={x[1]}; or a reshape before has moved features into the"
            " batch axis: use x.flatten(1)"
        )
    return f"{message}. Set in_features={x[-1] if x else 1}"


__all__: list[str] = []
