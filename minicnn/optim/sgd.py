"""Stochastic gradient descent: step downhill, with or without momentum.

Tutorial: tutorials/07_optimizers.ipynb
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import kernels
from ..errors import ArgumentError
from ..tensor import Tensor
from .optimizer import Group, Optimizer
from .state import buffer


class SGD(Optimizer):
    """Stochastic gradient descent.

    At every step, with g the gradient of the loss with respect to the parameter p::

        g <- -g                                 maximize
        g <- g + weight_decay p                 weight_decay: the gradient of weight_decay/2 |p|^2
        b <- momentum b + (1 - dampening) g     momentum; b <- g at the first step
        g <- g + momentum b                     nesterov; with plain momentum g <- b
        p <- p - lr g

    The velocity b is a sum of past gradients, each weighted by `momentum` to the power of its age:
    directions that agree from step to step add up to 1 / (1 - momentum) times the step, those that
    alternate cancel. Nesterov's form looks ahead to where the velocity is about to carry p.

    The learning rate multiplies b when it is used, not when it is summed (as Sutskever et al. have
    it), so that a change of `lr` takes effect at once.

    Sources: Robbins and Monro 1951, "A stochastic approximation method"; Polyak 1964 for momentum;
    Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep
    learning", for Nesterov's momentum in this form.

    Args:
        params: tensors, (name, tensor) pairs, or parameter groups.
        lr: learning rate.
        momentum: weight of the past in the velocity, 0 for none; 0.9 is usual.
        dampening: how much less than its whole each new gradient counts.
        weight_decay: strength of the L2 penalty.
        nesterov: use Nesterov's momentum; needs a momentum and no dampening.
        maximize: climb instead of descend.

    State:
        momentum_buffer: b, if there is momentum.

    Example:
        >>> optimizer = minicnn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> optimizer.zero_grad()
        >>> loss(model(x), target).backward()
        >>> optimizer.step()
    """

    non_negative = ("lr", "momentum", "weight_decay")
    buffers = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError(
                "SGD: Nesterov momentum requires a momentum and zero dampening; got "
                f"momentum={momentum}, dampening={dampening}"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def update_all(self, params: list[Tensor], group: Group) -> None:
        tensors, begins = [], []
        for p in params:
            velocity = None
            if group["momentum"] != 0:
                state = self.state[p]
                begins.append(state.get("momentum_buffer") is None)
                velocity = buffer(state, "momentum_buffer", p)
            else:
                begins.append(False)
            tensors.append((p.array, p.grad.array, velocity))
        kernels.get("sgd_step", *(p.array for p in params))(tensors, begins, group)
