"""Operands: what every public function settles before an op sees arrays.

*dtypes* promote as in PyTorch (`minicnn.promotion`), and a Python number stays a number, so it
never changes a tensor's precision. *Shapes* broadcast from the right, as in NumPy. *Dimensions* may
be counted from the end, and NumPy's names for them (`axis`, `keepdims`) are understood. What does
not fit is refused here, once, in the name of the function that the user called; the ops themselves
check nothing.
"""

from __future__ import annotations

import functools
import math
import operator
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import Op, wrap
from ..backend import array_module, to_device
from ..errors import DimensionError, DTypeError, ShapeError
from ..promotion import get_default_dtype, result_type
from ..tensor import Tensor, check_tensor

Number = (int, float)  # bool is an int
Dims = tuple[int, ...]
HALF = np.dtype("float16")


# ----------------------------------------------------------------------------------------------
# dtypes


def number(x: Any) -> Any:
    """Return a NumPy scalar as the Python number it is, and an array as a tensor."""
    if isinstance(x, np.generic):
        return x.item()
    return wrap(x) if isinstance(x, np.ndarray) and x.dtype.kind in "biuf" else x


def _settled(a: Any, b: Any) -> bool:
    """Whether nothing is left to promote: floating tensors of one dtype, or one and a number."""
    if not isinstance(a, Tensor) or a.array.dtype.kind != "f":
        return False
    return a.array.dtype == b.array.dtype if isinstance(b, Tensor) else type(b) in Number


def promote(name: str, *operands: Any) -> list[Any]:
    """Return the operands with tensors cast to PyTorch's result dtype, and plain Python numbers."""
    if len(operands) == 2 and _settled(*operands):
        return list(operands)
    operands = tuple(number(x) for x in operands)
    for x in operands:
        if not isinstance(x, (Tensor, Number)):
            raise TypeError(
                f"{name}: expected Tensors or numbers, got {type(x).__name__}: {reprlib.repr(x)}; "
                "make a Tensor of it with minicnn.tensor"
            )
    dtype = result_type(*operands)
    return [cast(x, dtype) for x in operands]


def promote_to_float(name: str, *operands: Any) -> list[Any]:
    """Promote, and turn integers and bools into the default floating dtype."""
    promoted = promote(name, *operands)
    if result_type(*promoted).kind == "f":
        return promoted
    return [cast(x, get_default_dtype()) for x in promoted]


def cast(x: Any, dtype: np.dtype) -> Any:
    """Return a tensor in `dtype`; a number as one that does not change the dtype of a tensor."""
    if isinstance(x, Tensor):
        return x if x.array.dtype == dtype else x.to(dtype)
    if dtype.kind == "f":
        return float(x)
    # A Python integer wraps round in a narrow integer dtype, as it does in PyTorch.
    return np.asarray(x).astype(dtype).item()


def fitting(name: str, value: Any, dtype: np.dtype) -> Any:
    """Return a Python number as an element of `dtype`; raise if it is out of range."""
    value = number(value)
    if not isinstance(value, Number):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}: {value!r}")
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind == "f":
        lost = math.isfinite(value) and abs(value) > _largest(dtype)
        value = float(value)
    else:
        limits = np.iinfo(dtype)
        low = limits.min or -limits.max  # a negative number wraps round in uint8
        lost = not (math.isfinite(value) and low <= int(value) <= limits.max)
        value = value if lost else np.asarray(int(value)).astype(dtype).item()
    if lost:
        raise DTypeError(f"{name}: {value} is out of the range of {dtype}")
    return value


@functools.cache
def _largest(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).max)


def binary(
    op: Callable[[], Op], name: str, a: Any, b: Any, prepare: Callable[..., list[Any]] = promote
) -> Tensor:
    """Promote the two operands with `prepare`, and apply the op that `op` makes to them."""
    if not _settled(a, b):
        a, b = prepare(name, a, b)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return broadcasting(name, op(), a, b)
    return _with_number(op, name, a, b)


def _with_number(op: Callable[[], Op], name: str, a: Any, b: Any) -> Tensor:
    tensor = a if isinstance(a, Tensor) else b
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: at least one operand must be a Tensor")
    if tensor.array.dtype != HALF:
        return op()(a, b)
    # As in PyTorch, float16 meets a number in float32 and is rounded once: float16 cannot hold
    # every number (x * 65536.0, which scales a loss, would be infinite).
    a, b = (x.to(np.float32) if x is tensor else x for x in (a, b))
    return op()(a, b).to(HALF)


def promoted_list(name: str, tensors: Any) -> list[Tensor]:
    """Return a sequence of tensors in their common dtype."""
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


def zeros_of(x: Tensor) -> Tensor:
    """Return zeros in the shape and dtype of `x`."""
    return wrap(array_module(x.array).zeros_like(x.array))


def constants(values: Sequence[Any], like: Tensor, dtype: Any) -> Any:
    """Return an array of fixed numbers where `like` is; a GPU is sent it once. Only for reading."""
    return _constants(tuple(values), np.dtype(dtype), str(like.device))


@functools.lru_cache(maxsize=256)
def _constants(values: tuple[Any, ...], dtype: np.dtype, device: str) -> Any:
    return to_device(np.array(values, dtype), device)


def no_bools(name: str, instead: str, *operands: Any) -> None:
    """Raise if an operand is a bool or a tensor of bools."""
    if any(isinstance(x, bool) or (isinstance(x, Tensor) and x.dtype == bool) for x in operands):
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
            f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast; counted from the"
            " right, sizes must be equal or one of them 1"
        ) from None


def broadcastable(*shapes: Dims) -> bool:
    """Whether the shapes broadcast together."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def broadcasting_shape(name: str, *shapes: Dims) -> Dims:
    """Return the shape that `shapes` broadcast to."""
    if not broadcastable(*shapes):
        raise ShapeError(f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast")
    return np.broadcast_shapes(*shapes)


def as_shape(name: str, given: tuple, keyword: Any = None) -> Dims:
    """Return sizes, given as separate numbers, a sequence or by keyword, as a tuple."""
    if keyword is not None:
        given = (keyword,)
    sizes = tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    try:
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise TypeError(f"{name}: sizes must be integers, got {sizes}") from None


def one_dim(name: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; a 0-d tensor counts as having one dimension."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an integer, not {type(dim).__name__}: {dim!r}")
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise DimensionError(
            f"{name}: dim {dim} is out of range for a tensor of {ndim} dimensions; use {-limit} to"
            f" {limit - 1}"
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


def numpy_names(function: Callable) -> Callable:
    """Let a function be called with NumPy's `axis` and `keepdims` for `dim` and `keepdim`."""

    @functools.wraps(function)
    def renamed(*arguments: Any, **keywords: Any) -> Any:
        if keywords:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in keywords:
                    if ours in keywords:
                        raise TypeError(f"{function.__name__}: got both {theirs}= and {ours}=")
                    keywords[ours] = keywords.pop(theirs)
        return function(*arguments, **keywords)

    return renamed
