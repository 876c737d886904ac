"""Finding and counting: where elements are not zero, which there are, how often each occurs.

The size of these results depends on the values, so they have no derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import array_module
from ..errors import ArgumentError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .operands import one_dim


@method()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the nonzero elements, one row each; or one tensor per dimension."""
    array = check_tensor(input, "nonzero").array
    found = array_module(array).nonzero(array if input.ndim else array.reshape(1))
    if as_tuple:
        return tuple(wrap(i) for i in found)
    rows = array_module(array).stack(found, 1)
    return wrap(rows if input.ndim else rows[:, :0])


@method()
def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the nonzero elements, one row each."""
    return nonzero(input)


@method()
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """Return the distinct elements (or slices along `dim`), sorted.

    If asked, also their inverse (input equals output[inverse]) and counts. `sorted=False` sorts
    as well, since any order will do.
    """
    array, axis = check_tensor(input, "unique").array, None
    if dim is not None:
        axis = one_dim("unique", dim, input.ndim)
    found = array_module(array).unique(
        array, return_inverse=return_inverse, return_counts=return_counts, axis=axis
    )
    if not (return_inverse or return_counts):
        return wrap(found)
    result = list(found)
    if return_inverse:
        result[1] = result[1].reshape(-1 if dim is not None else array.shape)
    return tuple(wrap(part) for part in result)


@method()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2 ... occurs in `input`, integers not below 0.

    With `weights`, the sum of the weights of its occurrences, in float64.
    """
    array = check_tensor(input, "bincount").array
    if array.dtype.kind not in "iu":
        raise DTypeError(f"bincount: expected integers, got {input.dtype}")
    if array.ndim != 1 or (array.size and int(array.min()) < 0) or minlength < 0:
        raise ArgumentError(
            "bincount: expected one dimension of numbers not below 0, and minlength not below 0;"
            f" got {input.shape}, minlength={minlength}"
        )
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(f"bincount: weights {weights.shape} and input {input.shape} differ")
    w = None if weights is None else weights.array
    counts = array_module(array).bincount(array, w, minlength)
    if w is not None:
        return wrap(counts.astype(w.dtype if w.dtype == np.float32 else np.float64))
    return wrap(counts.astype(np.int64))


__all__ = ["nonzero", "argwhere", "unique", "bincount"]
