"""RMSprop: divide every gradient by the recent root mean square of its kind.

Tutorial: tutorials/07_optimizers.ipynb
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import kernels
from ..tensor import Tensor
from .optimizer import Group, Optimizer
from .state import buffer, next_step


class RMSprop(Optimizer):
    """RMSprop.

    At every step, with g the gradient of the loss with respect to the parameter p::

        g <- -g                                 maximize
        g <- g + weight_decay p                 weight_decay
        v <- alpha v + (1 - alpha) g^2          moving average of the squares
        a <- alpha a + (1 - alpha) g            centered: of the gradients, too
        d <- sqrt(v) + eps                      centered: sqrt(v - a^2) + eps, the deviation
        b <- momentum b + g / d                 momentum; otherwise b = g / d
        p <- p - lr b

    Averages and velocity begin at zero. Every element moves by about `lr`, however large its
    gradient; only its sign and its steadiness count.

    Sources: Tieleman and Hinton 2012, COURSERA "Neural networks for machine learning", lecture
    6.5; the centered form is Graves 2013, "Generating sequences with recurrent neural networks",
    equations 38 to 41. As in PyTorch eps is added after the root; TensorFlow adds it before.

    Args:
        params: tensors, (name, tensor) pairs, or parameter groups.
        lr: learning rate.
        alpha: weight of the past in the averages.
        eps: added to the denominator, so that an element that never had a gradient is not 0 / 0.
        weight_decay: strength of the L2 penalty.
        momentum: weight of the past in the velocity b, 0 for none.
        centered: divide by an estimate of the standard deviation.
        maximize: climb instead of descend.

    State:
        step: the number of steps.  square_avg: v.  grad_avg: a.  momentum_buffer: b.
    """

    non_negative = ("lr", "alpha", "eps", "weight_decay", "momentum")
    buffers = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def update_all(self, params: list[Tensor], group: Group) -> None:
        tensors = []
        for p in params:
            state = self.state[p]
            next_step(state, p, group)
            square_avg = buffer(state, "square_avg", p)
            velocity = buffer(state, "momentum_buffer", p) if group["momentum"] > 0 else None
            grad_avg = buffer(state, "grad_avg", p) if group["centered"] else None
            tensors.append((p.array, p.grad.array, square_avg, grad_avg, velocity))
        kernels.get("rmsprop_step", *(p.array for p in params))(tensors, group)
