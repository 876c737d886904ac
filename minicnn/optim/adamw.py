"""AdamW: Adam with a weight decay that its averages never see.

Tutorial: tutorials/07_optimizers.ipynb
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .adam import Adam


class AdamW(Adam):
    """AdamW: Adam whose weight decay acts on the parameter itself.

    Before Adam's step, with g left as it is::

        p <- p - lr weight_decay p

    For plain gradient descent an L2 penalty and a decay of the weights are the same. For Adam they
    are not: the penalty's gradient is divided by sqrt(v) with the rest. Here every weight decays
    at one rate.

    Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2; as in
    PyTorch the decay is multiplied by `lr`.

    Args:
        params: tensors, (name, tensor) pairs, or parameter groups.
        lr: learning rate.
        betas: weights of the past in m and in v.
        eps: added to the denominator, so that an element that never had a gradient is not 0 / 0.
        weight_decay: the decay rate; its default is 0.01, not Adam's 0.
        amsgrad: use the AMSGrad variant.
        maximize: climb instead of descend.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
