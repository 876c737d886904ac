"""CUDA kernels: `.cu` files beside this one, compiled by CuPy the first time they are needed.

A kernel written in CUDA C++ is compiled for the arrays' dtype and the GPU that is there; CuPy does
that through NVRTC (which comes with it), and keeps what it compiled in ``~/.cupy/kernel_cache`` for
the next process. A file is compiled once for each dtype. It begins with `common.cuh`, and finds its
dtypes there by name: ``real``, the numbers in memory, and ``wide``, those it computes in.

*Launching.* A launch hands the GPU a grid of blocks of threads and returns at once, before any of
it has run. Nothing here waits for the GPU, and nothing is copied. The compiler on the GPU's side
does not see the types of the arguments: a number of the wrong size would be read as nonsense. So
`launch` passes whole numbers as ``int`` and others as ``float``, and NumPy scalars as they are.

*Limits.* Elements are counted in ``int``, which is faster on a GPU: larger arrays, dtypes
that are not floating, and empty arrays are left to the reference.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 256  # threads of a block, where nothing else decides
WAVES = 32  # blocks of a grid for each multiprocessor of a large GPU
MOST_BLOCKS = 132 * WAVES
MOST_ELEMENTS = 1 << 30
_TYPES = {
    "e": ("__half", "float"),
    "f": ("float", "float"),
    "d": ("double", "double"),
    "E": ("__nv_bfloat16", "float"),  # a dtype of the package ml_dtypes
}


class settings:
    """What users may change: ``allow_tf32``, to round float32 to TF32 in matrix products."""

    allow_tf32 = False
    convolutions_too = True  # so that convolutions can be kept out of it

    @classmethod
    def tf32_in_convolutions(cls) -> bool:
        """Whether float32 is rounded to TF32 in convolutions."""
        return cls.allow_tf32 and cls.convolutions_too


@functools.cache
def source(file: str) -> str:
    """Return the text that is compiled for `file`: the shared header, then the file itself."""
    return "\n".join(map(_text, ("common.cuh", file)))


def _text(name: str) -> str:
    """Return the text of a file, and of the headers beside it in the place of their #include.

    So the compiler needs no path to them, and CuPy's cache notices when one has changed.
    """
    lines = [f'#line 1 "{name}"']
    for number, line in enumerate(Path(__file__).with_name(name).read_text().splitlines(), 1):
        header = re.fullmatch(r'#include "([\w.]+)"', line)
        lines += [_text(header[1]), f'#line {number + 1} "{name}"'] if header else [line]
    return "\n".join(lines)


@functools.cache
def options(dtype: str, *defines: str) -> tuple[str, ...]:
    """Return the compiler's options for arrays whose ``dtype.char`` is `dtype`."""
    real, wide = _TYPES[dtype]
    macros = (f"REAL={real}", f"WIDE={wide}", f"BFLOAT16={int(dtype == 'E')}", *defines)
    return ("-std=c++17", *(f"-D{macro}" for macro in macros))


@functools.cache
def _module(file: str, dtype: str, *defines: str) -> Any:
    import cupy

    return cupy.RawModule(code=source(file), options=options(dtype, *defines))


@functools.cache
def kernel(file: str, name: str, dtype: str, *defines: str) -> Any:
    """Return the function `name` of `file` for arrays whose ``dtype.char`` is `dtype`.

    Args:
        file: the `.cu` file's name.
        name: a function in it, ``extern "C" __global__``.
        dtype: "e" for float16, "f" for float32, "d" for float64, "E" for bfloat16.
        defines: further macros for the file, each ``NAME=value``.
    """
    return _module(file, dtype, *defines).get_function(name)


def forget() -> None:
    """Compile every kernel anew when it is next needed."""
    _module.cache_clear()
    kernel.cache_clear()


def launch(
    function: Any, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any, shared: int = 0
) -> None:
    """Start `function` on the current stream: `grid` blocks of `block` threads.

    Args:
        arguments: arrays, None for a null pointer, numbers (see the module's text), and NumPy
            arrays of one structure, which is passed by value.
        shared: bytes of dynamic shared memory for a block.
    """
    function(grid, block, tuple(map(_argument, arguments)), shared_mem=shared)


def _argument(value: Any) -> Any:
    if type(value) is int:
        return np.int32(value)
    if type(value) is float:
        return np.float32(value)
    return np.uint64(0) if value is None else value


def wide(dtype: np.dtype) -> type[np.floating]:
    """Return the type in which kernels compute with numbers of this dtype, for their arguments."""
    return np.float64 if dtype.char == "d" else np.float32


def blocks_for(threads: int, block: int = BLOCK) -> int:
    """Return how many blocks to launch for so many threads of work; a thread may do several."""
    return max(1, min(-(-threads // block), MOST_BLOCKS))


def lanes(length: int, *arrays: Any) -> int:
    """Return how many neighbours a thread should read at once from runs of `length` numbers.

    16 bytes of the first array's numbers, the most that a GPU reads at once, if the runs are made
    of such pieces and begin where those may; else one number.
    """
    count = 16 // arrays[0].itemsize
    if length % count or any(a.data.ptr % 16 for a in arrays):
        return 1
    return count


def one_run(*arrays: Any) -> bool:
    """Whether each array (None aside) is one run of memory, all with the same order of elements."""
    first, *others = arrays
    return _is_dense(first.shape, first.strides, first.itemsize) and all(
        a is None or (a.strides == first.strides and a.dtype == first.dtype) for a in others
    )


@functools.cache
def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    """Whether elements follow one another in memory without gaps, in the order of some axes."""
    expected = itemsize
    for stride, length in sorted(zip(strides, shape, strict=True)):
        if length > 1:
            if stride != expected:
                return False
            expected *= length
    return True


def _is_cupy(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] == "cupy"


def fits(*arrays: Any) -> bool:
    """Floating CuPy arrays of one dtype (integers aside), none of them empty or giant."""
    if not _is_cupy(arrays[0]):
        return False
    dtype = arrays[0].dtype
    return dtype.char in _TYPES and all(
        _is_cupy(a) and 0 < a.size <= MOST_ELEMENTS and (a.dtype == dtype or a.dtype.kind in "iu")
        for a in arrays
    )
