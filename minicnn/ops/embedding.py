"""Embedding: a table with one learnt vector for each word, class or other symbol.

Reading row i is the product of a one-hot vector with the table, without computing with all its
zeros. Its gradient goes to the rows that were read, once for every time.

Source: Bengio, Ducharme, Vincent, Jauvin 2003, "A neural probabilistic language model", section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..deferred import refuse
from ..errors import ArgumentError, DimensionError, DTypeError, ShapeError, UnsupportedError
from ..kernels.layout import at_least_float32
from ..tensor import Tensor, check_tensor
from .choose import where
from .search import bincount

__all__ = ["embedding"]


class Rows(Op):
    """y = w[index].   dw = zeros, with each row of dy added to the row of w that it came from.

    Shapes: w (V, D), index (...), y (..., D).
    """

    def forward(self, w: Any, index: Any) -> Any:
        return w[index]

    def dw(self, dy: Tensor, index: Tensor) -> Tensor:
        return RowSums(self.shapes[0][0])(dy, index)


@dataclass(eq=False, repr=False)
class RowSums(Op):
    """y_v = sum of the rows of x whose index is v.   dx = dy[index].

    Shapes: x (..., D), index (...), y (rows, D). The two ops are each other's derivative.
    """

    rows: int

    def forward(self, x: Any, index: Any) -> Any:
        xp = array_module(x)
        x, index = x.reshape(-1, x.shape[-1]), index.reshape(-1)  # (M, D), (M,)
        dtype, x = x.dtype, at_least_float32(x)
        y = xp.zeros((self.rows, x.shape[1]), dtype=x.dtype)
        if xp is not np:
            xp.add.at(y, index, x)
        elif len(index):
            # Sorted, equal indices are neighbours, and one reduceat adds up all of them.
            order = index.argsort(kind="stable")
            found, starts = np.unique(index[order], return_index=True)
            y[found] = np.add.reduceat(x[order], starts, 0)
        return y.astype(dtype, copy=False)

    def dx(self, dy: Tensor, index: Tensor) -> Tensor:
        return Rows()(dy, index)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Return the rows of `weight` that `input` names.

    Args:
        input: indices (...), int64 or int32, from 0 to V - 1.
        weight: the table, (V, D).
        padding_idx: a row that gets no gradient.
        max_norm, sparse: not covered.
        scale_grad_by_freq: divide each row's gradient by how often it was read.

    Shape:
        (..., D).
    """
    check_tensor(input, "embedding"), check_tensor(weight, "embedding", "weight")
    if max_norm is not None or sparse:
        raise UnsupportedError("embedding: max_norm and sparse are not covered; leave them out")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be 2-D, (V, D), got shape {weight.shape}")
    if input.dtype not in (np.dtype("int64"), np.dtype("int32")):
        raise DTypeError(f"embedding: indices must be int64, not {input.dtype}; use input.long()")
    size, index = weight.shape[0], input.array
    outside = (index < 0) | (index >= size)
    refuse(
        outside,
        lambda: DimensionError(
            f"embedding: indices must lie in 0 to {size - 1} for weight {weight.shape}; found "
            f"{int(index[outside][0])}"
        ),
    )
    if padding_idx is not None and not -size <= padding_idx < size:
        raise ArgumentError(
            f"embedding: padding_idx must be within the {size} rows of weight, got {padding_idx}"
        )
    y = Rows()(weight, input)
    if scale_grad_by_freq:  # the value of y, and a share of its gradient
        share = (1.0 / bincount(input.reshape(-1))[input].to(y.dtype)).unsqueeze(-1)
        y = y.detach() + (y - y.detach()) * share
    if padding_idx is not None:
        y = where((input == padding_idx % size).unsqueeze(-1), y.detach(), y)
    return y
