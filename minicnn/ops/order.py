"""Order: the largest, the smallest, the middle, and sorting.

Functions that pick elements return PyTorch's pair (values, indices). The values are gathered at the indices, so the
gradient of each goes to the one element it came from. `amax` and `amin` return no index, and equal elements share
the gradient.
"""

from __future__ import annotations

import builtins
import math
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import DimensionError, DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .compare import maximum, minimum
from .gather import gather
from .operands import Dims, many_dims, one_dim

ValuesIndices = namedtuple("ValuesIndices", ("values", "indices"))


def stretch(dy: Tensor, shape: Dims, dim: Dims, keepdim: bool) -> Tensor:
    """Return a reduction's output (or its gradient) expanded to the shape of the input."""
    if not keepdim and dim:
        dy = dy.reshape(tuple(1 if d in dim else n for d, n in enumerate(shape)))
    return dy.expand(shape)


@dataclass(eq=False, repr=False)
class Extremum(Op):
    """y = the largest (or smallest) x over `dim`.   dx = dy at the extremum; ties share it equally."""

    which: str
    dim: Dims
    keepdim: bool

    def forward(self, x: Any) -> Any:
        y = getattr(x, self.which)(self.dim, keepdims=True)
        self.share = x == y
        if x.dtype.kind == "f":
            self.share = self.share | array_module(x).isnan(x)  # NaN wins, as in NumPy
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
def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`; equal ones share the gradient."""
    return _extremum("amax", "max", input, dim, keepdim)


@method()
def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`; equal ones share the gradient."""
    return _extremum("amin", "min", input, dim, keepdim)


def _extremum(name: str, which: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = many_dims(name, dim, check_tensor(input, name).ndim)
    _not_empty(name, input, dims)
    return Extremum(which, dims, keepdim)(input)


@method()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the largest element; along `dim`, (values, indices); with another tensor, `maximum`.

    Along `dim` the gradient goes to the first of equal elements, whose index is returned.
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(input) if dim is None else _along("max", "argmax", input, dim, keepdim)


@method()
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the smallest element; along `dim`, (values, indices); with another tensor, `minimum`."""
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(input) if dim is None else _along("min", "argmin", input, dim, keepdim)


def _along(name: str, arg: str, input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    d = one_dim(name, dim, check_tensor(input, name).ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), wrap(array_module(input.array).zeros((), "int64")))
    _not_empty(name, input, (d,))
    indices = wrap(getattr(input.array, arg)(d, keepdims=True))
    values = gather(input, d, indices)
    if not keepdim:
        values, indices = values.squeeze(d), indices.squeeze(d)
    return ValuesIndices(values, indices)


@method()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmax", input, dim, keepdim)


@method()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element along `dim` (None: in the flattened tensor)."""
    return _arg("argmin", input, dim, keepdim)


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    xp = array_module(check_tensor(input, name).array)
    if input.dtype == bool:
        raise DTypeError(f"{name}: not defined for bool tensors; convert with .int()")
    if dim is None:
        _not_empty(name, input, tuple(range(input.ndim)))
        index = xp.asarray(getattr(input.array, name)(), dtype="int64")
        return wrap(index.reshape((1,) * input.ndim) if keepdim else index)
    d = one_dim(name, dim, input.ndim)
    if input.ndim == 0:
        return wrap(xp.zeros((), "int64"))
    _not_empty(name, input, (d,))
    return wrap(xp.asarray(getattr(input.array, name)(d, keepdims=keepdim), dtype="int64"))


# ----------------------------------------------------------------------------------------------
# Sorting


@method()
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """Return the indices that sort `input` along `dim`; equal elements keep their order."""
    xp = array_module(check_tensor(input, "argsort").array)
    d = one_dim("argsort", dim, input.ndim)
    if input.ndim == 0:
        return wrap(xp.zeros((), "int64"))
    x = input.array
    if not descending:
        return wrap(xp.argsort(x, axis=d, kind="stable"))
    # Reversed, sorted, and reversed back: equal elements then still keep their order.
    order = xp.flip(xp.argsort(xp.flip(x, d), axis=d, kind="stable"), d)
    return wrap(x.shape[d] - 1 - order)


@method()
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> ValuesIndices:
    """Return (values, indices), sorted along `dim`; equal elements keep their order."""
    indices = argsort(input, dim, descending)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), indices)
    return ValuesIndices(gather(input, dim, indices), indices)


@method()
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """Return (values, indices) of the k largest (or smallest) elements along `dim`, in order."""
    d = one_dim("topk", dim, check_tensor(input, "topk").ndim)
    available = input.shape[d] if input.ndim else 1
    if not 0 <= k <= available:
        raise ShapeError(f"topk: k={k} is not between 0 and {available}, the size along dim {dim}")
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    indices = argsort(input, d, descending=largest).narrow(d, 0, k)
    return ValuesIndices(gather(input, d, indices), indices)


@method()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, the lower of two middle elements; along `dim`, (values, indices)."""
    if dim is None:
        flat = check_tensor(input, "median").reshape(-1)
        if flat.numel() == 0:
            return wrap(array_module(flat.array).full((), math.nan, dtype=flat.dtype))
        return median(flat, 0).values
    d = one_dim("median", dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    _not_empty("median", input, (d,))
    xp = array_module(input.array)
    order = argsort(input, d).array
    count = input.shape[d]
    middle = order.take((count - 1) // 2, d)
    if input.dtype.kind == "f":  # NaN anywhere makes the median NaN
        nan = xp.isnan(input.array)
        middle = xp.where(nan.any(d), nan.argmax(d), middle)
    indices = wrap(xp.expand_dims(middle, d))
    values = gather(input, d, indices)
    if not keepdim:
        values, indices = values.squeeze(d), indices.squeeze(d)
    return ValuesIndices(values, indices)


__all__ = [
    "amax", "amin", "max", "min", "argmax", "argmin", "argsort", "sort", "topk", "median",
]  # fmt: skip
