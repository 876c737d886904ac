"""Operands: what every public function settles before an op sees arrays.

*dtypes* promote as in PyTorch (`minicnn.promotion`), and a Python number stays a number, so it never changes a
tensor's precision. *Shapes* broadcast from the right, as in NumPy. *Dimensions* may be counted from the
end. Whatever does not fit is refused here, once, with the name of the function that the user called; the ops
themselves check nothing.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import DimensionError, DTypeError, ShapeError
from ..promotion import get_default_dtype, result_type
from ..tensor import Tensor, check_tensor

Number = (int, float)  # bool is an int
Dims = tuple[int, ...]


# ----------------------------------------------------------------------------------------------
# dtypes


def number(x: Any) -> Any:
    """Return a NumPy scalar as the Python number it is; anything else unchanged."""
    return x.item() if isinstance(x, np.generic) else x


def promote(name: str, *operands: Any) -> list[Any]:
    """Return the operands with tensors cast to PyTorch's result dtype, and plain Python numbers."""
    operands = tuple(number(x) for x in operands)
    for x in operands:
        if not isinstance(x, (Tensor, Number)):
            raise TypeError(f"{name}: expected Tensors or numbers, got {type(x).__name__}: {x!r}")
    dtype = result_type(*operands)
    return [cast(x, dtype) for x in operands]


def cast(x: Any, dtype: np.dtype) -> Any:
    if isinstance(x, Tensor):
        return x if x.array.dtype == dtype else x.to(dtype)
    if dtype.kind == "f":
        return float(x)
    # A Python integer wraps round in a narrow integer dtype, as it does in PyTorch.
    return np.asarray(x).astype(dtype).item()


def binary(op: type[Op], name: str, a: Any, b: Any, floating: bool = False) -> Tensor:
    """Promote the two operands and apply `op`; `floating` turns integers into floats first."""
    quick = (
        isinstance(a, Tensor)
        and a.array.dtype.kind == "f"
        and (type(b) is float or (isinstance(b, Tensor) and a.array.dtype == b.array.dtype))
    )
    if not quick:
        a, b = promote(name, a, b)
        if floating and result_type(a, b).kind != "f":
            a, b = (cast(x, get_default_dtype()) for x in (a, b))
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            raise TypeError(f"{name}: at least one operand must be a Tensor")
    return broadcasting(name, op(), a, b)


def promoted_list(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: expected a list or tuple of Tensors, got one Tensor")
    tensors = [check_tensor(x, name, f"tensors[{i}]") for i, x in enumerate(tensors)]
    if not tensors:
        raise ShapeError(f"{name}: expected at least one tensor, got an empty list")
    if all(x.dtype == tensors[0].dtype for x in tensors):
        return tensors
    dtype = result_type(*tensors)
    return [x.to(dtype) for x in tensors]


def as_tensor_of(x: Any, like: Tensor) -> Tensor:
    """Return `x`, a tensor or a number, as a tensor with the dtype and device of `like`."""
    if isinstance(x, Tensor):
        return x
    return wrap(array_module(like.array).full((), x, dtype=like.dtype))


def no_bools(name: str, instead: str, *operands: Any) -> None:
    if any(isinstance(x, Tensor) and x.dtype == bool for x in operands):
        raise DTypeError(f"{name}: not defined for bool tensors; use {instead}")


# ----------------------------------------------------------------------------------------------
# Shapes and dimensions


def broadcasting(name: str, op: Op, *operands: Any) -> Tensor:
    """Apply `op`; where the shapes do not broadcast, say so with the shapes."""
    try:
        return op(*operands)
    except ValueError as error:
        shapes = [x.shape for x in operands if isinstance(x, Tensor)]
        if isinstance(error, ShapeError) or broadcastable(*shapes):
            raise
        raise ShapeError(
            f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast; counted from the right, "
            "sizes must be equal or one of them 1"
        ) from None


def broadcastable(*shapes: tuple[int, ...]) -> bool:
    """Whether the shapes broadcast together."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def as_shape(name: str, size: tuple) -> Dims:
    """Return sizes given as separate numbers or as one sequence, as a tuple of ints."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    try:
        return tuple(n.__index__() for n in size)
    except AttributeError:
        raise TypeError(f"{name}: sizes must be integers, got {size}") from None


def one_dim(name: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; a 0-d tensor counts as having one dimension."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an integer, not {type(dim).__name__}: {dim!r}")
    limit = builtins.max(ndim, 1)
    if not -limit <= dim < limit:
        raise DimensionError(
            f"{name}: dim {dim} is out of range for a tensor of {ndim} dimensions; use {-limit} to {limit - 1}"
        )
    return int(dim) % limit


def many_dims(name: str, dim: Any, ndim: int) -> Dims:
    """Return `dim` (a number, a sequence, or None for all) as sorted numbers from the front."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = [one_dim(name, d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else [dim])]
    if len(set(dims)) != len(dims):
        raise DimensionError(f"{name}: a dimension appears twice in dim={dim}")
    return tuple(sorted(dims)) if ndim else ()
