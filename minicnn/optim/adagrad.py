"""Adagrad: a learning rate for every element, the smaller the larger its gradients have been.

Tutorial: tutorials/07_optimizers.ipynb
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import wrap
from ..tensor import Tensor
from .optimizer import Group, Optimizer
from .state import buffer, next_step


class Adagrad(Optimizer):
    """Adagrad.

    At step t = 1, 2, ..., with g the gradient of the loss with respect to the parameter p::

        g <- -g                                 maximize
        g <- g + weight_decay p                 weight_decay
        s <- s + g^2                            begins at initial_accumulator_value
        p <- p - lr_t g / (sqrt(s) + eps),      lr_t = lr / (1 + (t - 1) lr_decay)

    Elements whose gradients are rare or small keep long steps. Because s only grows, all steps
    shrink towards zero; RMSprop replaces the sum by a moving average for that reason.

    Source: Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and
    stochastic optimization", figure 1 (the diagonal form).

    Args:
        params: tensors, (name, tensor) pairs, or parameter groups.
        lr: learning rate.
        lr_decay: how fast the learning rate falls with t.
        weight_decay: strength of the L2 penalty.
        initial_accumulator_value: where s begins; above zero it tames the first steps. It holds
            for all groups, as in PyTorch.
        eps: added to the denominator, so that an element that never had a gradient is not 0 / 0.
        maximize: climb instead of descend.

    State:
        step: t.  sum: s.
    """

    non_negative = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
    buffers = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )
        for group in self.param_groups:
            for param in group["params"]:
                self._begin(param)

    def _begin(self, param: Tensor) -> None:
        """Make the state of one parameter."""
        state = self.state[param]
        state["step"] = wrap(np.zeros((), np.float32))
        buffer(state, "sum", param).fill(self.defaults["initial_accumulator_value"])

    def update_all(self, params: list[Tensor], group: Group) -> None:
        tensors, steps = [], []
        for p in params:
            if p not in self.state:
                self._begin(p)
            steps.append(next_step(self.state[p], p, group))
            tensors.append((p.array, p.grad.array, buffer(self.state[p], "sum", p)))
        kernels.get("adagrad_step", *(p.array for p in params))(tensors, steps, group)
