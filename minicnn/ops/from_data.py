"""Tensors from data: numbers, nested lists, NumPy arrays, other libraries' arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import wrap
from ..backend import as_array, cuda, to_device
from ..errors import DTypeError, ShapeError, UnsupportedError
from ..promotion import as_dtype, get_default_dtype, promote_types, scalar_dtype
from ..tensor import Tensor, method


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a new tensor that holds a copy of `data`: numbers, nested lists, arrays or tensors.

    Python floats become the default dtype (float32), Python integers int64; arrays keep theirs.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(data, Tensor):
        array = data.array.copy()
    elif hasattr(data, "dtype") and hasattr(data, "shape"):
        array = as_array(data) if isinstance(data, np.generic) else data.copy()
    else:
        array = _from_python(data, wanted)
    as_dtype(array.dtype)  # raises for complex numbers, strings, objects
    if wanted is not None and array.dtype != wanted:
        with np.errstate(all="ignore"):
            array = array.astype(wanted)
    stays = device is None and not isinstance(array, np.ndarray)
    x = wrap(array if stays else to_device(array, device))
    return x.requires_grad_(requires_grad)


def _from_python(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """Return nested sequences of numbers, tensors or arrays as one array, in `dtype` if given."""
    plain, found = _untensored(data)
    try:
        array = np.array(plain)
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"tensor: the nested sequences do not form an array: {error}") from None
    if array.dtype.kind not in "biuf":
        odd = _first_odd(plain)
        kind = TypeError if isinstance(odd, str) else DTypeError
        raise kind(f"tensor: cannot make an array of {type(odd).__name__}: {odd!r}")
    if dtype is not None:
        if dtype.kind in "iu" and array.size and not np.isin(array, array.astype(dtype)).all():
            _check_range(array, dtype)
        return array.astype(dtype)
    if found is None:
        return (
            array.astype(get_default_dtype())
            if array.dtype.kind == "f" or not array.size
            else array
        )
    return array.astype(found)


def _check_range(array: np.ndarray, dtype: np.dtype) -> None:
    limits = np.iinfo(dtype)
    low = limits.min or -limits.max  # a negative number wraps round in uint8
    inside = np.isfinite(array) & (array > low - 1) & (array < limits.max + 1)
    if not inside.all():
        raise DTypeError(f"tensor: {array[~inside].flat[0]} is out of the range of {dtype}")


def _untensored(data: Any) -> tuple[Any, np.dtype | None]:
    """Return nested sequences with numbers for tensors, and the dtype those ask for, if any."""
    if isinstance(data, Tensor):
        return data.item(), data.dtype
    if isinstance(data, (np.ndarray, np.generic)):
        return data, data.dtype
    if isinstance(data, (list, tuple, range)):
        parts = [_untensored(part) for part in data]
        found = None
        for value, dtype in parts:
            if dtype is not None:
                found = dtype if found is None else promote_types(found, dtype)
            elif found is not None and isinstance(value, (bool, int, float)):
                found = promote_types(found, scalar_dtype(value))
        return [value for value, _ in parts], found
    return data, None


def _first_odd(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = next((d for d in data if not isinstance(d, (bool, int, float))), data[0])
    return data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor, sharing its memory where dtype and device allow."""
    if isinstance(data, Tensor):
        wanted = [w for w in (device, dtype) if w is not None]
        return data.to(*wanted) if wanted else data
    if isinstance(data, np.ndarray):
        x = wrap(to_device(data, device))
        as_dtype(data.dtype)
        return x if dtype is None else x.to(as_dtype(dtype))
    if hasattr(data, "__cuda_array_interface__"):  # an array of CuPy, PyTorch, Numba ... on a GPU
        return as_tensor(wrap(cuda.module().asarray(data)), dtype, device)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(ndarray).__name__}")
    as_dtype(ndarray.dtype)
    return wrap(ndarray)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor that shares the memory of any array that speaks DLPack."""
    kind = ext_tensor.__dlpack_device__()[0]
    if int(kind) not in (1, 2, 3):
        raise UnsupportedError(f"from_dlpack: device type {kind} is not supported")
    if int(kind) == 2:
        return wrap(cuda.module().from_dlpack(ext_tensor))
    return wrap(np.from_dlpack(ext_tensor))


@method("__init__")
def _constructor(self: Tensor, *data: Any) -> None:
    """Tensor(2, 3) has that size; Tensor([1, 2]) holds those numbers; both in the default dtype."""
    if len(data) == 1 and isinstance(data[0], Tensor):
        array = data[0].array
    elif len(data) == 1 and isinstance(data[0], (np.ndarray, list, tuple)):
        array = _from_python(data[0], get_default_dtype())
    elif all(hasattr(n, "__index__") for n in data):
        array = np.zeros(data or (0,), dtype=get_default_dtype())
    else:
        raise TypeError(
            f"Tensor: expected sizes or a sequence of numbers, got {data}; use minicnn.tensor"
        )
    self._start(to_device(array.astype(get_default_dtype()), None))


__all__ = ["tensor", "as_tensor", "from_numpy", "from_dlpack"]
