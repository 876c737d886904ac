"""Dropout layers: in training, some of the numbers are left out, others each time.

No unit can then rely on another being there (Srivastava et al. 2014). What is left is divided by
1 - p, so that in evaluation, where the layers do nothing, all means are the same.
"""

from __future__ import annotations

from ..errors import ArgumentError
from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(
                f"{type(self).__name__}: the probability p has to be between 0 and 1, but got {p}"
            )
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Set each number to zero with probability `p` in training.

    Args:
        p: the probability. Default: 0.5.
        inplace: write the result into the input.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Set each channel of sequences (N, C, L) to zero with probability `p` in training."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Set each channel of images (N, C, H, W) to zero with probability `p` in training.

    Neighbouring pixels say nearly the same, so that leaving out single ones would change little
    (Tompson et al. 2015).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


__all__ = ["Dropout", "Dropout1d", "Dropout2d"]
