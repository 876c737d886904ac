"""Which dtype the result of an operation has: PyTorch's rules of promotion.

Three kinds of operand, from strong to weak: tensors with dimensions, 0-d tensors, Python numbers.
A weaker operand changes the result only when it is of a higher *category* (bool < integer <
floating). So ``float32_tensor * 2.0`` stays float32, and ``int64_tensor * 2.0`` becomes the default
floating dtype. NumPy differs in two ways that matter here: it makes float64 of int64 with float32,
and its 0-d arrays are as strong as any.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError

FLOATS = ("float16", "float32", "float64")
SUPPORTED = (*FLOATS, "bool", "uint8", "int8", "int16", "int32", "int64")
_SUPPORTED = {np.dtype(name) for name in SUPPORTED}
_ALIASES: dict[Any, np.dtype] = {
    float: np.dtype("float64"),
    int: np.dtype("int64"),
    bool: np.dtype("bool"),
}
_ALIASES |= {"float": np.dtype("float32"), "double": np.dtype("float64")}
_ALIASES |= {"half": np.dtype("float16"), "long": np.dtype("int64"), "int": np.dtype("int32")}
_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2}
BOOL, INT64 = np.dtype("bool"), np.dtype("int64")
_default = np.dtype("float32")


def get_default_dtype() -> np.dtype:
    """Return the dtype of new floating tensors: float32 unless `set_default_dtype` changed it."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Make `d` (float16, float32 or float64) the dtype of new floating tensors."""
    global _default
    new = as_dtype(d)
    if new.kind != "f":
        raise DTypeError(f"set_default_dtype: expected a floating dtype, got {new}")
    _default = new


def as_dtype(dtype: Any) -> np.dtype:
    """Return `dtype` as one of the supported NumPy dtypes."""
    found: np.dtype | None = _ALIASES.get(dtype) if isinstance(dtype, (str, type)) else None
    if found is None:
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = None
    if found not in _SUPPORTED:
        raise DTypeError(f"dtype: {dtype} is not supported; use one of {', '.join(SUPPORTED)}")
    return found


def promote_types(type1: Any, type2: Any) -> np.dtype:
    """Return the smallest dtype that holds both, as PyTorch defines it."""
    a, b = as_dtype(type1), as_dtype(type2)
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def scalar_dtype(value: Any) -> np.dtype:
    """Return the dtype that a Python number stands for."""
    if isinstance(value, (bool, np.bool_)):
        return BOOL
    if isinstance(value, (int, np.integer)):
        return INT64
    if isinstance(value, (float, np.floating)):
        return _default
    raise DTypeError(f"expected a Tensor or a number, got {type(value).__name__}: {value!r}")


def result_type(*operands: Any) -> np.dtype:
    """Return the dtype of an operation on tensors and Python numbers."""
    strengths: list[np.dtype | None] = [None, None, None]
    for operand in operands:
        shape = getattr(operand, "shape", None)
        if shape is None or isinstance(operand, np.generic):
            strength, dtype = 2, scalar_dtype(operand)
        else:
            strength, dtype = (0 if len(shape) else 1), operand.dtype
        known = strengths[strength]
        strengths[strength] = dtype if known is None else promote_types(known, dtype)
    result: np.dtype | None = None
    for weaker in strengths:
        if result is None:
            result = weaker
        elif weaker is not None and _CATEGORY[weaker.kind] > _CATEGORY[result.kind]:
            # Bool is no number: it gives way wholly. An integer gives way to any float.
            result = weaker
    assert result is not None
    return result


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a result of dtype `from_` may be written into a tensor of dtype `to` in place."""
    return _CATEGORY[as_dtype(from_).kind] <= _CATEGORY[as_dtype(to).kind]
