"""Matrix products on a GPU: NVIDIA's cuBLAS, called directly.

CuPy multiplies two matrices with cuBLAS as well, but copies both operands of a batch of products
and turns float16 into float32 for them; it reads whether TF32 is wanted once, from the environment;
and it gives cuBLAS no memory of its own, which a captured step needs (`minicnn.cuda.graph`). So the
library that CuPy loads is called here through `ctypes`.

*Columns and rows.* BLAS was written for Fortran: a matrix lies column after column, and `ld`, the
leading dimension, is how far one column begins after the other. One that lies row after row is,
read so, its own transpose. The product's transpose is the product of the transposes in the other
order, so Y = A B, wanted row after row, is asked for as Y^T = B^T A^T, and nothing is copied:

    x[i, j] at i ld + j     rows one after another:     BLAS sees x^T, as needed; flag "N"
    x[i, j] at i + j ld     columns one after another:  BLAS sees x, and must turn it; flag "T"

*Precision.* float16 and float32 are added up in float32, float64 in float64. float32 is rounded to
TF32, with 10 bits instead of 23, only if `cuda.settings` says so.

Source: NVIDIA, "cuBLAS", sections 2.1.4 (streams), 2.4.8 (workspace) and 2.8.13
(cublasGemmStridedBatchedEx).
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from typing import Any, NamedTuple

import numpy as np

from ..backend import array_module
from ..errors import DeviceError
from .cuda import settings

Array = Any  # a CuPy array
Sizes = tuple[int, ...]

WORKSPACE = 32 << 20  # bytes, as NVIDIA advises for the H100; less than a default of cuBLAS's own
STRICT = 16  # CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: float16 adds up in float32 alone
ANY_ALGORITHM = -1
_TYPES = {"e": 2, "f": 0, "d": 1, "E": 14}  # cudaDataType: CUDA_R_16F, _32F, _64F, _16BF
_COMPUTE_32F, _COMPUTE_32F_TF32, _COMPUTE_64F = 68, 77, 70
_SCALARS = {t: (t(1.0), t(0.0)) for t in (ctypes.c_float, ctypes.c_double)}


class Call(NamedTuple):
    """The numbers of a cublasGemmStridedBatchedEx: C = op(A) op(B), all in Fortran's order.

    A is the *second* operand here and B the first; see the top of this file.
    """

    turn_a: bool
    turn_b: bool
    m: int
    n: int
    k: int
    ld_a: int
    step_a: int
    ld_b: int
    step_b: int
    ld_c: int
    step_c: int
    batch: int


def lies(shape: tuple[int, int], strides: tuple[int, int]) -> tuple[bool, int] | None:
    """Return (turned, ld) of a matrix, or None if neither its rows nor its columns are dense.

    `strides` count elements. Along an axis of size 1 nothing is ever added, so its stride is free.
    """
    (rows, columns), (down, right) = shape, strides
    if columns == 1 or right == 1:
        ld = down if rows > 1 else columns
        if ld >= columns:
            return False, ld
    if rows == 1 or down == 1:
        ld = right if columns > 1 else rows
        if ld >= rows:
            return True, ld
    return None


def step_of(batch: Sizes, shape: Sizes, strides: Sizes) -> int | None:
    """Return how far the matrices of a batch lie apart, or None if not evenly.

    `shape` and `strides` (in elements) are the operand's own leading ones, which broadcast to
    `batch`: a matrix that is used again lies 0 apart from itself.
    """
    missing = len(batch) - len(shape)
    own = [0] * missing + [s if n > 1 else 0 for n, s in zip(shape, strides, strict=True)]
    pairs = [(n, s) for n, s in zip(batch, own, strict=True) if n > 1]
    for (_, outer), (n, inner) in itertools.pairwise(pairs):
        if outer != n * inner:
            return None
    step = pairs[-1][1] if pairs else 0
    return step if step >= 0 else None


@functools.lru_cache(maxsize=4096)
def plan(
    a_shape: Sizes, a_strides: Sizes, b_shape: Sizes, b_strides: Sizes
) -> Call | tuple[bool, bool]:
    """Return the call for Y = A B, Y dense and row after row; or which operands must be copied.

    Shapes: A (..., M, K), B (..., K, N), Y (..., M, N); the leading ones broadcast. Strides count
    elements.
    """
    batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    a, b = lies(a_shape[-2:], a_strides[-2:]), lies(b_shape[-2:], b_strides[-2:])  # type: ignore[arg-type]
    step_a = step_of(batch, a_shape[:-2], a_strides[:-2])
    step_b = step_of(batch, b_shape[:-2], b_strides[:-2])
    if a is None or b is None or step_a is None or step_b is None:
        return a is None or step_a is None, b is None or step_b is None
    (m, k), n = a_shape[-2:], b_shape[-1]
    count = int(np.prod(batch, dtype=int))
    return Call(b[0], a[0], n, m, k, b[1], step_b, a[1], step_a, n, m * n, count)


def matmul(a: Array, b: Array) -> Array:
    """y = a b for matrices (..., M, K) and (..., K, N), those before broadcast; y is C-contiguous.

    Operands are copied only where neither their rows nor their columns are dense, or the matrices
    of a batch do not lie evenly.
    """
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = array_module(a).empty((*batch, a.shape[-2], b.shape[-1]), dtype=a.dtype)
    a, b, call = _planned(a, b)
    _handle(a.device.id).multiply(call, b, a, y, settings.allow_tf32)
    return y


def multiply_into(y: Array, a: Array, b: Array) -> None:
    """y = a b, a convolution's product of two matrices, into memory that is there.

    The numbers of a row of y must be side by side; its rows may lie apart.
    """
    a, b, call = _planned(a, b)
    apart = y.strides[0] // y.itemsize  # of a single row it may be anything
    call = call._replace(ld_c=max(call.ld_c, apart))
    _handle(a.device.id).multiply(call, b, a, y, settings.tf32_in_convolutions())


def _planned(a: Array, b: Array) -> tuple[Array, Array, Call]:
    """Return the call for a b, and both operands, copied where cuBLAS cannot read them."""
    call = plan(a.shape, _in_elements(a), b.shape, _in_elements(b))
    if isinstance(call, Call):
        return a, b, call
    xp, batch = array_module(a), np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (
        xp.ascontiguousarray(xp.broadcast_to(x, (*batch, *x.shape[-2:]))) if copy else x
        for x, copy in zip((a, b), call, strict=True)
    )
    return _planned(a, b)


def _in_elements(x: Array) -> Sizes:
    return tuple(s // x.itemsize for s in x.strides)


# ----------------------------------------------------------------------------------------------
# The library


def _library() -> Any:
    """Return cuBLAS: the one that CuPy uses too, found in the same way."""
    from cuda import pathfinder

    return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)


@functools.cache
def _functions() -> Any:
    """Return cuBLAS with the types of the arguments that are passed to it."""
    library = _library()
    pointer, number, long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
    operand = [pointer, number, number, long]
    library.cublasCreate_v2.argtypes = [ctypes.POINTER(pointer)]
    library.cublasSetMathMode.argtypes = [pointer, number]
    library.cublasSetStream_v2.argtypes = [pointer, pointer]
    library.cublasSetWorkspace_v2.argtypes = [pointer, pointer, ctypes.c_size_t]
    library.cublasGemmStridedBatchedEx.argtypes = [
        pointer, number, number, number, number, number, pointer, *operand, *operand, pointer,
        *operand, number, number, number,
    ]  # fmt: skip
    return library


class Handle:
    """A thread's access to cuBLAS on one GPU: the stream it works on, and its memory there."""

    def __init__(self) -> None:
        self.library, self.pointer = _functions(), ctypes.c_void_p()
        self.stream: int | None = None
        self.workspaces: dict[int, Any] = {}  # one for each stream, since they run side by side
        self._do("cublasCreate_v2", ctypes.byref(self.pointer))
        self._do("cublasSetMathMode", self.pointer, STRICT)

    def _do(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise DeviceError(f"matmul: cuBLAS's {name} failed with status {status}")

    def follow(self, stream: int) -> None:
        """Work on `stream` from here on, in memory that stays where it is.

        cuBLAS would else take memory of its own, which a captured step cannot keep for it.
        """
        if stream == self.stream:
            return
        import cupy

        if stream not in self.workspaces:
            self.workspaces[stream] = cupy.cuda.alloc(WORKSPACE)
        self._do("cublasSetStream_v2", self.pointer, stream)  # takes the workspace away: set it now
        memory = self.workspaces[stream]
        self._do("cublasSetWorkspace_v2", self.pointer, memory.ptr, WORKSPACE)
        self.stream = stream

    def multiply(self, call: Call, a: Array, b: Array, c: Array, tf32: bool) -> None:
        """Start C = op(A) op(B) on the current stream, with A, B and C in Fortran's order.

        `tf32`: round factors of float32 to TF32.
        """
        import cupy

        self.follow(cupy.cuda.get_current_stream().ptr)
        kind = a.dtype.char
        compute = _COMPUTE_64F if kind == "d" else _COMPUTE_32F
        if kind == "f" and tf32:
            compute = _COMPUTE_32F_TF32
        one, zero = _SCALARS[ctypes.c_double if kind == "d" else ctypes.c_float]
        self._do(
            "cublasGemmStridedBatchedEx",
            self.pointer, int(call.turn_a), int(call.turn_b), call.m, call.n, call.k,
            ctypes.addressof(one), a.data.ptr, _TYPES[kind], call.ld_a, call.step_a,
            b.data.ptr, _TYPES[kind], call.ld_b, call.step_b,
            ctypes.addressof(zero), c.data.ptr, _TYPES[kind], call.ld_c, call.step_c,
            call.batch, compute, ANY_ALGORITHM,
        )  # fmt: skip


class _Handles(threading.local):  # cuBLAS: a handle must not be used by two threads at a time
    def __init__(self) -> None:
        self.of_device: dict[int, Handle] = {}


_handles = _Handles()


def _handle(device: int) -> Handle:
    known = _handles.of_device
    if device not in known:
        import cupy

        with cupy.cuda.Device(device):
            known[device] = Handle()
    return known[device]


def forget() -> None:
    """Look for cuBLAS anew when it is next needed."""
    _functions.cache_clear()
    _handles.of_device.clear()
