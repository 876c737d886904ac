"""A strict stand-in for CuPy, to find on any machine what would fail on a GPU.

Its arrays are NumPy's inside, but keep CuPy's manners: they are no `numpy.ndarray`, do not turn
into one unasked, do not mix with NumPy's arrays, give 0-d arrays where NumPy gives scalars, and
have the functions, methods and keywords that CuPy has and no others
(`tests/test_strict_cupy.py` compares them with the real package's). Reading a number from the
device and sending a host array to it are allowed, and counted (`watched`).

What it cannot find: strides that CuPy would choose otherwise, rounding, races. There is no
`ElementwiseKernel` and no `RawModule`, so minicnn's CUDA kernels do not run on it, and their
references do.

``pytest --device cuda-standin`` puts it in the place of CuPy.
"""

from __future__ import annotations

import sys
import types

import numpy as np

from . import arrays as _arrays
from . import cuda
from . import functions as _functions
from .traffic import watched

__version__ = "14.2.0"
__all__ = ["install", "ndarray", "watched"]

ndarray = _arrays.ndarray
asarray, array, asnumpy = _functions.asarray, _functions.array, _functions.asnumpy
matmul, from_dlpack, ufunc = _functions.matmul, _functions.from_dlpack, _functions.ufunc
linalg = types.SimpleNamespace()
lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace())

for _name in _functions.UFUNCS:
    globals()[_name] = ufunc(_name)
for _line in (_functions.FUNCTIONS + _functions.CREATION).split("\n"):
    if _line:
        _make = _functions.creation_of if _line in _functions.CREATION else _functions.function_of
        *_path, _name = _line.partition("(")[0].split(".")
        _place = globals()
        for _part in _path:
            _place = vars(_place[_part])
        _place[_name] = _make(_line)
for _name in (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 generic "
    "number integer floating dtype finfo iinfo inf nan pi newaxis ndindex broadcast_shapes "
    "promote_types result_type can_cast"
).split():
    globals()[_name] = getattr(np, _name)


class _Pool:
    def free_all_blocks(self, stream=None):
        pass

    def used_bytes(self):
        return 0


def get_default_memory_pool():
    return _Pool()


def get_default_pinned_memory_pool():
    return _Pool()


def install():
    """Take CuPy's place: from here on ``import cupy`` gives the stand-in."""
    from minicnn import kernels

    def qualifies(*arrays):
        return type(arrays[0]) is not ndarray and kernels.cuda.fits(*arrays)

    sys.modules["cupy"] = sys.modules[__name__]
    sys.modules["cupy.cuda"] = cuda
    kernels.QUALIFIES["cuda"] = qualifies  # there is nothing that could run a CUDA kernel
