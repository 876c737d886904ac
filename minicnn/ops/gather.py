"""Gathering and scattering: reading and writing along a dimension at computed places.

`gather` picks one element at each place, `scatter_add` is its adjoint (and the derivative of each
is made of the other). `index_select` picks whole slices; a mask picks wherever it holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import runs_in, wrap
from ..backend import array_module
from ..deferred import refuse
from ..errors import (
    ArgumentError,
    DeviceError,
    DimensionError,
    DTypeError,
    ShapeError,
    UnsupportedError,
)
from ..tensor import Tensor, check_tensor, method
from .choose import where
from .index import Index, IndexAdd, getitem
from .operands import Dims, broadcasting_shape, fitting, numpy_names, one_dim


def along(dim: int, index: Any) -> tuple:
    """Return the tuple that names, for each place in `index`, index[place] along `dim` and
    elsewhere the place.
    """
    xp = array_module(index)
    parts = []
    for d, n in enumerate(index.shape):
        ones = [1] * index.ndim
        ones[d] = n
        parts.append(index if d == dim else xp.arange(n).reshape(ones))
    return tuple(parts)


def _checked(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[int, Any]:
    """Return `dim` from the front, and the index as an array, after checking that they fit."""
    check_tensor(input, name), check_tensor(index, name, "index")
    _check_device(name, input, index)
    d = one_dim(name, dim, input.ndim)
    array = index.array
    if array.size == 0:
        return d, array.astype(np.int64)
    if array.dtype not in (np.dtype("int64"), np.dtype("int32")):
        raise DTypeError(f"{name}: index must be int64, not {index.dtype}; use .long()")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise ShapeError(
            f"{name}: index must have as many dimensions as input; got index {index.shape}, input"
            f" {input.shape}"
        )
    for k, (i, n) in enumerate(zip(index.shape, input.shape, strict=False)):
        if k != d and i > n:
            raise ShapeError(
                f"{name}: index {index.shape} is larger than input {input.shape} along dim {k};"
                f" only dim {dim} may be"
            )
    size = input.shape[d] if input.ndim else 1
    _check_range(name, array, dim, size)
    return d, array.copy()  # the backward pass needs it as it is now


@method()
@numpy_names
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return y with y[i][j][k] = input[i][index[i][j][k]][k] for dim = 1, and so on."""
    d, array = _checked("gather", input, dim, index)
    if sparse_grad:
        raise UnsupportedError("gather: sparse_grad=True is not covered; gradients are dense")
    if array.size == 0:
        return input.reshape(-1)[:0].reshape(array.shape)
    if input.ndim == 0 or index.ndim == 0:
        return Index((array.reshape(-1),))(input.reshape(-1)).reshape(index.shape)
    return Index(along(d, array))(input)


@method()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements of `input` at `indices` along `dim`, as np.take_along_axis."""
    check_tensor(input, "take_along_dim"), check_tensor(indices, "take_along_dim", "indices")
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: input {input.shape} and indices {indices.shape} must have equally"
            " many dimensions"
        )
    d = one_dim("take_along_dim", dim, input.ndim)
    size = input.shape[d]
    wide = broadcasting_shape(
        "take_along_dim", _with(input.shape, d, 1), _with(indices.shape, d, 1)
    )
    places = indices.expand(_with(wide, d, indices.shape[d]))
    places = where(places < 0, places + size, places)  # counted from the end
    return gather(input.expand(_with(wide, d, size)), d, places)


def _with(shape: Dims, dim: int, n: int) -> Dims:
    return (*shape[:dim], n, *shape[dim + 1 :])


@method()
@numpy_names
@runs_in("widest")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return `input` with src[i][j] added at input[i][index[i][j]] for dim = 1, and so on."""
    d, array = _check_scatter(
        "scatter_add", input, dim, index, check_tensor(src, "scatter_add", "src")
    )
    if array.size == 0:
        return input.clone()
    if input.ndim == 0:
        return scatter_add(input.reshape(1), 0, index.reshape(-1), src.reshape(-1)).reshape(())
    src = src[tuple(slice(n) for n in array.shape)]
    return input + IndexAdd(along(d, array), input.shape)(src)


@method()
@numpy_names
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """Return `input` with src[i][j] written at input[i][index[i][j]] for dim = 1, and so on.

    `src` (or `value`) may be a number. reduce="add" adds instead.
    """
    src = value if src is None else src
    if reduce not in (None, "add"):
        raise UnsupportedError(f"scatter: reduce={reduce!r} is not covered; only 'add' is")
    d, array = _check_scatter("scatter", input, dim, index, src)
    if not isinstance(src, Tensor):
        filled = array_module(array).full(
            array.shape, fitting("scatter", src, input.dtype), input.dtype
        )
        src = wrap(filled)
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    result = input.clone()
    if array.size:
        places = along(d, array) if input.ndim else (array.reshape(-1),)
        flat = result if input.ndim else result.reshape(-1)
        src = src[tuple(slice(n) for n in array.shape)] if input.ndim else src.reshape(-1)
        flat[tuple(wrap(part) for part in places)] = src
    return result


def _check_scatter(name: str, input: Tensor, dim: int, index: Tensor, src: Any) -> tuple[int, Any]:
    d, array = _checked(name, input, dim, index)
    if isinstance(src, Tensor):
        if src.dtype != input.dtype:
            raise DTypeError(
                f"{name}: src is {src.dtype} but input {input.dtype}; convert one of them"
            )
        small = any(i > s for i, s in zip(index.shape, src.shape, strict=False))
        if array.size and (small or max(src.ndim, 1) != max(index.ndim, 1)):
            raise ShapeError(f"{name}: index {index.shape} does not fit into src {src.shape}")
    return d, array


@method()
@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices of `input` along `dim` that `index` (one-dimensional) names."""
    d, places = _slices_named("index_select", input, dim, index)
    if input.ndim == 0:
        return Index((places,))(input.reshape(1)).reshape(())
    return Index((*(slice(None),) * d, places))(input)


@method()
@numpy_names
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """Return `input` with slices of alpha * source added where `index` says along `dim`."""
    d, places = _slices_named("index_add", input, dim, index)
    if source.dtype != input.dtype:
        raise DTypeError(f"index_add: source is {source.dtype} but input {input.dtype}")
    expected = _with(input.shape, d, len(places)) if input.ndim else ()
    if source.shape != expected and not (input.ndim == 0 and source.shape == (1,)):
        raise ShapeError(f"index_add: source must have shape {expected}, got {source.shape}")
    flat, d = (input, d) if input.ndim else (input.reshape(1), 0)
    added = IndexAdd((*(slice(None),) * d, places), flat.shape)(
        source.reshape(_with(flat.shape, d, len(places)))
    )
    return input + (added if alpha == 1 else added * alpha).reshape(input.shape)


@method()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return `input` with `value` in the slices along `dim` that `index` names."""
    d, places = _slices_named("index_fill", input, dim, index)
    mask = array_module(places).zeros(input.shape[d] if input.ndim else 1, dtype=bool)
    mask[places] = True
    return masked_fill(
        input, wrap(mask.reshape([-1 if k == d else 1 for k in range(input.ndim)])), value
    )


def _slices_named(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[int, Any]:
    d = one_dim(name, dim, check_tensor(input, name).ndim)
    if check_tensor(index, name, "index").ndim > 1:
        raise ShapeError(f"{name}: index must have one dimension, not shape {index.shape}")
    _check_device(name, input, index)
    if index.dtype not in (np.dtype("int64"), np.dtype("int32")):
        raise DTypeError(f"{name}: index must be int64 or int32, not {index.dtype}; use .long()")
    size = input.shape[d] if input.ndim else 1
    places = index.array.reshape(-1).copy()  # the backward pass needs it as it is now
    _check_range(name, places, dim, size)
    return d, places


def _check_device(name: str, input: Tensor, index: Tensor) -> None:
    if type(input.array) is not type(index.array):
        raise DeviceError(
            f"{name}: input and index must be on one device; got {input.shape} on {input.device}, "
            f"{index.shape} on {index.device}. Move them with .to(device)."
        )


def _check_range(name: str, index: Any, dim: int, size: int) -> None:
    outside = (index < 0) | (index >= size)
    refuse(
        outside,
        lambda: DimensionError(
            f"{name}: index {int(index[outside][0])} is out of bounds along dim {dim} of size"
            f" {size}"
        ),
    )


@method()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where `mask` holds, in one dimension."""
    _check_mask("masked_select", check_tensor(input, "masked_select"), mask)
    shape = broadcasting_shape("masked_select", input.shape, mask.shape)
    return getitem(input.expand(shape), mask.expand(shape)).reshape(-1)


@method()
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return `input` with `value` wherever `mask` holds."""
    _check_mask("masked_fill", check_tensor(input, "masked_fill"), mask)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"masked_fill: value must be a number or 0-d, not shape {value.shape}")
        value = value.to(input.dtype)
    elif isinstance(value, float) and input.dtype.kind != "f":
        raise DTypeError(f"masked_fill: {value} cannot be written into {input.dtype}")
    else:
        value = fitting("masked_fill", value, input.dtype)
    return where(mask, value, input)


def _check_mask(name: str, input: Tensor, mask: Tensor) -> None:
    if check_tensor(mask, name, "mask").dtype != bool:
        raise DTypeError(f"{name}: mask must be a bool tensor, not {mask.dtype}")


@method()
def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at `index` of the flattened tensor, in the shape of `index`."""
    check_tensor(input, "take")
    if check_tensor(index, "take", "index").dtype != np.int64:
        raise DTypeError(f"take: index must be int64, not {index.dtype}; use .long()")
    size, places = input.numel(), index.array.copy()
    refuse(
        (places < -size) | (places >= size),
        lambda: ArgumentError(f"take: index out of range for a tensor of {size} elements"),
    )
    return Index((places.reshape(-1),))(input.reshape(-1)).reshape(index.shape)


__all__ = [
    "gather", "take_along_dim", "scatter_add", "scatter", "index_select", "index_add",
    "index_fill", "masked_select", "masked_fill", "take",
]  # fmt: skip
