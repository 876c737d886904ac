"""Reading arrays out of a pickle without running anything that it says.

A pickle is a program: its instruction GLOBAL fetches any function by name and REDUCE calls it, so
that opening a stranger's pickle means running a stranger's program. The published batches of
CIFAR-10 need only three names to describe an array,

    numpy.core.multiarray._reconstruct   make an empty array (of class numpy.ndarray)
    numpy.ndarray                        the class that _reconstruct is told
    numpy.dtype                          the type of its elements

and this reader knows no others. Nor does it hand out NumPy's functions even for these: each
name stands for a small recorder defined here, which notes what an array of plain numbers needs
and refuses all else. Before anything is read, the list of instructions is looked through: those
that plain data and arrays have no use for are refused, and so are tuples by the thousand (nested in
each other, they would overflow Python's stack). The worst a hostile file can do is to describe an
array.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

INSTRUCTIONS = set(
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINSTRING SHORT_BINSTRING BINUNICODE BINBYTES SHORT_BINBYTES "
    "EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD".split()
)
MOST_TUPLES = 1000  # an array needs five
PLAIN = {"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"}


UnpicklingError = pickle.UnpicklingError


class _Dtype:
    """Notes a dtype: the call ``dtype('u1', 0, 1)`` and the state that follows it."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any):
        self.code = _text(code)
        self.order = "|"
        if self.code not in PLAIN:
            raise UnpicklingError(f"an array of dtype {code!r} is not an array of numbers")

    def __setstate__(self, state: Any) -> None:
        _, order, subarray, names, fields, *_ = state
        self.order = _text(order)
        if (subarray, names, fields) != (None, None, None) or self.order not in ("<", ">", "|"):
            raise UnpicklingError(f"the dtype {self.code} has an unusual state")

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
            raise UnpicklingError("an array must consist of a dtype and bytes")
        values = np.frombuffer(content, dtype=dtype.resolve())
        self.value = values.reshape(shape, order="F" if fortran else "C")


class _Name:
    """Stands for a name that the pickle may use. Being no class, it can only be called."""

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
        raise UnpicklingError(f"numpy's {self.name} is called in an unusual way")

    def __setstate__(self, state: Any) -> None:
        raise UnpicklingError(f"numpy's {self.name} cannot be given a state")


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",  # as NumPy 2 writes it
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise UnpicklingError(f"it asks for {module}.{name}, which is no part of an array")
        return _Name(_NAMES[module, name])


def loads(content: bytes) -> Any:
    """Return what a pickle of protocol 2 or 3 holds.

    That may be numbers, strings, lists, tuples, dicts and NumPy arrays of numbers. Strings that
    Python 2 wrote come as bytes. Raises `pickle.UnpicklingError` for everything else.
    """
    try:
        _check_instructions(content)
        return _arrays_in(_Reader(io.BytesIO(content), encoding="bytes").load())
    except UnpicklingError:
        raise
    except Exception as error:  # a broken pickle fails in as many ways as there are instructions
        raise UnpicklingError(f"{type(error).__name__}: {error}") from error


def _check_instructions(content: bytes) -> None:
    """Raise if a pickle (of protocol 2 or 3) has instructions that data and arrays do not need."""
    import pickletools

    tuples = 0
    for instruction, _, _ in pickletools.genops(content):  # lists them and runs none
        if instruction.name not in INSTRUCTIONS:
            raise UnpicklingError(f"it has the instruction {instruction.name}")
        tuples += instruction.name.startswith("TUPLE")
        if tuples > MOST_TUPLES:
            raise UnpicklingError(f"it makes more than {MOST_TUPLES} tuples")


def _arrays_in(found: Any) -> Any:
    """Return `found` with the finished arrays in place of the recorders."""
    if isinstance(found, _Array):
        return found.value
    if isinstance(found, dict):
        return {key: _arrays_in(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(_arrays_in(value) for value in found)
    if isinstance(found, (_Name, _Dtype)):
        raise UnpicklingError("it holds a part of NumPy instead of an array")
    return found
