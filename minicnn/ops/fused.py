"""A layer's bias and the activation after it, in one operation.

Each of the two reads all numbers of an image and writes them again, and hardly computes; what they
cost is the way to memory and back. Together they go there once. Backward, the gradient of the bias
is the sum of dx, and is added up while dx is being written. (Some kernels of convolution add the
bias to what they are about to write; beside those, only the backward pass has something to gain.)

`nn.intrinsic` has the layers that use it.
"""

from __future__ import annotations

import math
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in
from ..errors import ShapeError
from ..tensor import Tensor, check_tensor
from .choose import where
from .linalg import one_dtype

__all__: list[str] = []


class BiasReLU(Op):
    """y = max(x + b, 0).   dx = dy where x + b > 0, else 0,  db = sum of dx, but for the channels.

    Shapes: x, y (N, C, ...), b (C,). The mask is y != 0, as for `ReLU`.
    """

    def forward(self, x: Any, b: Any) -> Any:
        return kernels.get("bias_relu", x, b)(x, b)

    def dx(self, dy: Tensor, y: Tensor) -> Tensor:
        return where(y != 0, dy, 0.0)

    def db(self, dy: Tensor, y: Tensor) -> Tensor:
        return self.dx(dy, y).sum((0, *range(2, y.ndim)))

    def fast_backward(self, needs: Any, dy: Any, y: Any) -> tuple:
        if not needs[1]:
            return kernels.get("relu_grad", dy, y)(dy, y), None
        return kernels.get("bias_relu_grad", dy, y)(dy, y)


@runs_in("lower")
def bias_relu(input: Tensor, bias: Tensor, dim: int = 1) -> Tensor:
    """Return max(input + bias, 0), with one number of `bias` for each channel.

    Args:
        input: (..., C, ...), with its channels along `dim`.
        bias: (C,).
        dim: the axis of the channels: 1 in batches of images, -1 in rows.
    """
    x, b = check_tensor(input, "bias_relu"), check_tensor(bias, "bias_relu", "bias")
    one_dtype("bias_relu", x, b)
    shape, axis = x.shape, dim % x.ndim if x.ndim else 0
    if not x.ndim or b.shape != shape[axis : axis + 1]:
        raise ShapeError(
            f"bias_relu: bias must have one number for each channel along dim {dim}; got input "
            f"{shape}, bias {b.shape}"
        )
    if axis == 1:
        return BiasReLU()(x, b)
    rows = x.reshape(math.prod(shape[:axis]), *shape[axis:])  # (N, C, ...)
    return BiasReLU()(rows, b).reshape(shape)
