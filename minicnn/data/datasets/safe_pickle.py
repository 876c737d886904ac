"""Reading arrays out of a pickle without running anything that it says.

A pickle is a program: its instruction GLOBAL fetches any function by name and REDUCE calls it, so that
opening a stranger's pickle means running a stranger's program. The published batches of
CIFAR-10 need only three names to describe an array,

    numpy.core.multiarray._reconstruct   make an empty array (of class numpy.ndarray)
    numpy.ndarray                        the class that _reconstruct is told
    numpy.dtype                          the type of its elements

and this reader knows no others. Nor does it hand out NumPy's functions even for these: each
name stands for a small recorder defined here, which notes what an array of plain numbers needs
and refuses all else. The worst a hostile file can do is to describe an array.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

PLAIN = {"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"}


class _Dtype:
    """Notes a dtype: the call ``dtype('u1', 0, 1)`` and the state that follows it."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any):
        self.code = _text(code)
        self.order = "|"
        if self.code not in PLAIN:
            raise pickle.UnpicklingError(f"an array of dtype {code!r} is not an array of numbers")

    def __setstate__(self, state: Any) -> None:
        _, order, subarray, names, fields, *_ = state
        self.order = _text(order)
        if (subarray, names, fields) != (None, None, None) or self.order not in ("<", ">", "|"):
            raise pickle.UnpicklingError(f"the dtype {self.code} has an unusual state")

    def resolve(self) -> np.dtype:
        return np.dtype(self.order + self.code)


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class _Array:
    """Notes an array: what ``_reconstruct`` makes, filled by the state that follows it."""

    __slots__ = ("value",)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array must consist of a dtype and bytes")
        values = np.frombuffer(content, dtype=dtype.resolve())
        self.value = values.reshape(shape, order="F" if fortran else "C")


class _Name:
    """Stands for a name that the pickle may use. Not a class: nothing can be made of it but by a call."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "_reconstruct" and len(arguments) == 3:
            kind = arguments[0]
            if isinstance(kind, _Name) and kind.name == "ndarray":
                return _Array()
        if self.name == "dtype" and len(arguments) == 3:
            return _Dtype(arguments[0])
        raise pickle.UnpicklingError(f"numpy's {self.name} is called in an unusual way")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"numpy's {self.name} cannot be given a state")


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",  # as NumPy 2 writes it
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no part of an array")
        return _Name(_NAMES[module, name])

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def loads(content: bytes) -> Any:
    """Return what a pickle holds: numbers, strings, lists, tuples, dicts and NumPy arrays of numbers.

    Strings that Python 2 wrote come as bytes. Raises `pickle.UnpicklingError` for everything else.
    """
    try:
        return _arrays_in(_Reader(io.BytesIO(content), encoding="bytes").load())
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle fails in as many ways as there are instructions
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def _arrays_in(found: Any) -> Any:
    """Return the finished arrays in place of the recorders, at the top level and in one container."""
    if isinstance(found, _Array):
        return found.value
    if isinstance(found, dict):
        return {key: _arrays_in(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(_arrays_in(value) for value in found)
    if isinstance(found, (_Name, _Dtype)):
        raise pickle.UnpicklingError("it holds a part of NumPy instead of an array")
    return found
