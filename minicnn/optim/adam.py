"""Adam: momentum, divided by the root mean square of the gradients.

Tutorial: tutorials/07_optimizers.ipynb
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import kernels
from ..errors import ArgumentError
from ..tensor import Tensor
from .optimizer import Group, Optimizer
from .state import buffer, next_step


class Adam(Optimizer):
    """Adam.

    At step t = 1, 2, ..., with g the gradient of the loss with respect to the parameter p::

        g <- -g                                 maximize
        g <- g + weight_decay p                 weight_decay
        m <- m + (1 - beta1) (g - m)            the same as beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        v_max <- max(v_max, v)                  amsgrad: then v_max stands for v in the next line
        d <- sqrt(v / (1 - beta2^t)) + eps
        p <- p - lr (m / (1 - beta1^t)) / d

    m and v are moving averages of the gradient and of its square. They begin at zero and are
    therefore too small at first, by exactly the factors 1 - beta^t, which the last two lines
    divide out. With AMSGrad the denominator never shrinks, which repairs the proof of convergence.

    The weight decay here passes through m and v like any gradient, so that weights with large
    gradients decay less; `AdamW` decays them all alike.

    Sources: Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; Reddi,
    Kale, Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.

    Args:
        params: tensors, (name, tensor) pairs, or parameter groups.
        lr: learning rate.
        betas: weights of the past in m and in v.
        eps: added to the denominator, so that an element that never had a gradient is not 0 / 0.
        weight_decay: strength of the L2 penalty.
        amsgrad: use the AMSGrad variant.
        maximize: climb instead of descend.

    State:
        step: t.  exp_avg: m.  exp_avg_sq: v.  max_exp_avg_sq: v_max.
    """

    non_negative = ("lr", "eps", "weight_decay")
    buffers = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    decoupled = False  # whether the weight decay stays out of the gradient: AdamW

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        super().check_options(options)
        beta1, beta2 = options["betas"]
        if not (0.0 <= beta1 < 1.0 and 0.0 <= beta2 < 1.0):
            raise ArgumentError(f"{self._name}: betas must be in [0, 1), got {options['betas']}")

    def update_all(self, params: list[Tensor], group: Group) -> None:
        tensors, steps = [], []
        for p in params:
            state = self.state[p]
            steps.append(next_step(state, p, group))
            exp_avg = buffer(state, "exp_avg", p)
            exp_avg_sq = buffer(state, "exp_avg_sq", p)
            max_exp_avg_sq = buffer(state, "max_exp_avg_sq", p) if group["amsgrad"] else None
            tensors.append((p.array, p.grad.array, exp_avg, exp_avg_sq, max_exp_avg_sq))
        group = {**group, "decoupled": self.decoupled}
        kernels.get("adam_step", *(p.array for p in params))(tensors, steps, group)
