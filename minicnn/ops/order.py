"""Order: the largest, the smallest, the middle, and sorting.

Functions that pick elements return PyTorch's pair (values, indices). The values are read at the
indices, so the gradient of each goes to the one element it came from. `amax` and `amin` return no
index, and equal elements share the gradient. NaN counts as larger than every number when sorting,
and wins every contest.
"""

from __future__ import annotations

import builtins
import math
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, wrap
from ..backend import array_module, as_array
from ..errors import DimensionError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .choose import maximum, minimum
from .gather import along
from .index import Index
from .operands import Dims, many_dims, numpy_names, one_dim

ValuesIndices = namedtuple("ValuesIndices", ("values", "indices"))


def stretch(dy: Tensor, shape: Dims, dim: Dims, keepdim: bool) -> Tensor:
    """Return a reduction's output (or its gradient) expanded to the shape of the input."""
    if not keepdim and dim:
        dy = dy.reshape(tuple(1 if d in dim else n for d, n in enumerate(shape)))
    return dy.expand(shape)


@dataclass(eq=False, repr=False)
class Extremum(Op):
    """y = the largest (or smallest) x over `dim`.   dx = dy there; ties share it equally."""

    which: str
    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        y = getattr(x, self.which)(self.dim, keepdims=True)
        share = x == y
        if x.dtype.kind == "f":
            share = share | array_module(x).isnan(x)  # NaN wins, as in NumPy
        self.share = as_array(share)
        return y if self.keepdim else y.squeeze(self.dim)

    def dx(self, dy: Tensor) -> Tensor:
        share = wrap(self.share).to(dy.dtype)
        share = share / share.sum(self.dim, keepdim=True)
        return stretch(dy, self.shapes[0], self.dim, self.keepdim) * share


# ----------------------------------------------------------------------------------------------
# Extrema


def _not_empty(name: str, input: Tensor, dims: Dims) -> None:
    if builtins.any(input.shape[d] == 0 for d in dims):
        raise DimensionError(
            f"{name}: there is nothing to choose from along dim {dims} of shape {input.shape}; "
            "an empty selection has no extremum"
        )


@method()
@numpy_names
def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`; equal ones share the gradient."""
    return _extremum("amax", "max", input, dim, keepdim)


@method()
@numpy_names
def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`; equal ones share the gradient."""
    return _extremum("amin", "min", input, dim, keepdim)


def _extremum(name: str, which: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = many_dims(name, dim, check_tensor(input, name).ndim)
    _not_empty(name, input, dims)
    return Extremum(which, dims, keepdim)(input)


@method()
@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the largest element; along `dim`, (values, indices); with another tensor, `maximum`.

    Along `dim` the gradient goes to the first of equal elements, whose index is returned.
    """
    if isinstance(dim, Tensor) or other is not None:
        return maximum(input, dim if other is None else other)
    return amax(input) if dim is None else _along("max", "argmax", input, dim, keepdim)


@method()
@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the smallest element; along `dim`, (values, indices); of two tensors, `minimum`."""
    if isinstance(dim, Tensor) or other is not None:
        return minimum(input, dim if other is None else other)
    return amin(input) if dim is None else _along("min", "argmin", input, dim, keepdim)


def _along(name: str, arg: str, input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    d = one_dim(name, dim, check_tensor(input, name).ndim)
    _not_empty(name, input, (d,) if input.ndim else ())
    return picked(
        input,
        d,
        getattr(input.array.reshape(-1) if input.ndim == 0 else input.array, arg)(d),
        keepdim,
    )


def picked(x: Tensor, dim: int, places: Any, keepdim: bool) -> ValuesIndices:
    """Return the elements of x at `places` along `dim`, one for each place elsewhere, and those."""
    xp = array_module(x.array)
    places = xp.asarray(places, dtype="int64")
    if x.ndim == 0:
        return ValuesIndices(x.clone(), wrap(places.reshape(())))
    rest = [n for d, n in enumerate(x.shape) if d != dim]
    grid = [
        xp.arange(n).reshape([-1 if k == d else 1 for d in range(len(rest))])
        for k, n in enumerate(rest)
    ]
    values = Index((*grid[:dim], places, *grid[dim:]))(x)
    indices = wrap(places.copy())  # users may change them; the backward pass needs them as they are
    if keepdim:
        values, indices = values.unsqueeze(dim), indices.unsqueeze(dim)
    return ValuesIndices(values, indices)


@method()
@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmax", input, dim, keepdim)


@method()
@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmin", input, dim, keepdim)


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if check_tensor(input, name).dtype == bool:
        raise DTypeError(f"{name}: not defined for bool tensors; convert with .int()")
    x, shape = input.array, input.shape
    if dim is None:
        _not_empty(name, input, tuple(range(input.ndim)))
        index, out = (
            x.argmax() if name == "argmax" else x.argmin(),
            (1,) * input.ndim if keepdim else (),
        )
    else:
        d = one_dim(name, dim, input.ndim)
        _not_empty(name, input, (d,) if shape else ())
        index = getattr(x if shape else x.reshape(1), name)(d)
        out = (*shape[:d], *((1,) if keepdim and shape else ()), *shape[d + 1 :])
    return wrap(array_module(x).asarray(index, dtype="int64").reshape(out))


# ----------------------------------------------------------------------------------------------
# Sorting


@method()
@numpy_names
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """Return the indices that sort `input` along `dim`; equal elements keep their order."""
    d = one_dim("argsort", dim, check_tensor(input, "argsort").ndim)
    return wrap(_sorting(input, d, descending))


def _sorting(input: Tensor, dim: int, descending: bool) -> Any:
    xp, x = array_module(input.array), input.array
    if x.ndim == 0:
        return xp.zeros((), "int64")
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    # Reversed, sorted, and reversed back: equal elements then still keep their order.
    order = xp.flip(xp.argsort(xp.flip(x, dim), axis=dim, kind="stable"), dim)
    return x.shape[dim] - 1 - order


def _in_order(input: Tensor, dim: int, order: Any) -> ValuesIndices:
    if input.ndim == 0:
        return ValuesIndices(input.clone(), wrap(order))
    return ValuesIndices(Index(along(dim, order))(input), wrap(order.copy()))


@method()
@numpy_names
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> ValuesIndices:
    """Return (values, indices), sorted along `dim`; equal elements keep their order."""
    d = one_dim("sort", dim, check_tensor(input, "sort").ndim)
    return _in_order(input, d, _sorting(input, d, descending))


@method()
@numpy_names
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """Return (values, indices) of the k largest (or smallest) elements along `dim`, in order."""
    d = one_dim("topk", dim, check_tensor(input, "topk").ndim)
    if input.dtype == bool:
        raise DTypeError("topk: not defined for bool tensors; convert with .int()")
    available = input.shape[d] if input.ndim else 1
    if not 0 <= k <= available:
        raise ShapeError(f"topk: k={k} is not between 0 and {available}, the size along dim {dim}")
    if input.ndim == 0:
        input = input.expand(1)[:k] if k == 0 else input
    order = _sorting(input, d, descending=largest)
    if order.ndim:
        order = order[(slice(None),) * d + (slice(k),)]
    return _in_order(input, d, order)


@method()
@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, the lower of two middle elements; along `dim`, (values, indices)."""
    if check_tensor(input, "median").dtype == bool:
        raise DTypeError("median: not defined for bool tensors; convert with .int()")
    if dim is None:
        flat = input.reshape(-1)
        if flat.numel() == 0:
            return wrap(array_module(flat.array).full((), math.nan, dtype=flat.dtype))
        return median(flat, 0).values
    d = one_dim("median", dim, input.ndim)
    if input.ndim == 0:
        return picked(input, 0, 0, keepdim)
    _not_empty("median", input, (d,))
    xp, x = array_module(input.array), input.array
    middle = _sorting(input, d, False).take((x.shape[d] - 1) // 2, d)
    if x.dtype.kind == "f":  # NaN anywhere makes the median NaN
        nan = xp.isnan(x)
        middle = xp.where(nan.any(d), nan.argmax(d), middle)
    return picked(input, d, as_array(middle), keepdim)


__all__ = [
    "amax", "amin", "max", "min", "argmax", "argmin", "argsort", "sort", "topk", "median",
]  # fmt: skip
