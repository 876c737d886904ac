"""cuBLAS, as far as minicnn uses it, in NumPy, on the memory that it is pointed to."""

from __future__ import annotations

import ctypes
import types

import numpy as np

from minicnn.kernels.cuda_blas import Call

# cudaDataType -> the dtype, and the one that is added up in
DTYPES = {
    0: ("float32", "float32"),
    1: ("float64", "float64"),
    2: ("float16", "float32"),
    14: ("bfloat16", "float32"),  # known to NumPy by ml_dtypes
}


def gemm(call, a, b, c):
    """C = op(A) op(B) by BLAS's rules, in memory given as flat arrays."""
    rows_a, columns_a = (call.k, call.m) if call.turn_a else (call.m, call.k)
    rows_b, columns_b = (call.n, call.k) if call.turn_b else (call.k, call.n)
    assert call.ld_a >= rows_a and call.ld_b >= rows_b and call.ld_c >= call.m
    assert min(call.step_a, call.step_b, call.step_c) >= 0

    def at(rows, columns, ld, start):  # an index outside the memory raises
        return start + np.arange(rows)[:, None] + ld * np.arange(columns)

    for i in range(call.batch):
        left = a[at(rows_a, columns_a, call.ld_a, i * call.step_a)]
        right = b[at(rows_b, columns_b, call.ld_b, i * call.step_b)]
        product = (left.T if call.turn_a else left) @ (right.T if call.turn_b else right)
        c[at(call.m, call.n, call.ld_c, i * call.step_c)] = product


class Cublas:
    """The library: it notes what it is asked, and multiplies."""

    def __init__(self):
        self.asked, self.status = [], 0
        for name in ("Create_v2", "SetMathMode", "SetStream_v2", "SetWorkspace_v2"):
            setattr(self, f"cublas{name}", self._noting(name))
        self.cublasGemmStridedBatchedEx = lambda *arguments: self._multiply(*arguments)

    def _noting(self, name):
        def called(*arguments):
            self.asked.append((name, *arguments[1:]))
            return 0

        return called

    def _multiply(self, handle, turn_a, turn_b, m, n, k, alpha, a, type_a, ld_a, step_a, b, type_b,
                  ld_b, step_b, beta, c, type_c, ld_c, step_c, count, compute, algo):  # fmt: skip
        self.asked.append(("Gemm", compute, type_a, type_b, type_c, algo))
        dtype, wide = map(np.dtype, DTYPES[type_a])
        scalar = ctypes.c_double if compute == 70 else ctypes.c_float
        assert scalar.from_address(alpha).value == 1 and scalar.from_address(beta).value == 0
        call = Call(turn_a, turn_b, m, n, k, ld_a, step_a, ld_b, step_b, ld_c, step_c, count)

        def memory(pointer, step, ld, columns):
            size = (count - 1) * step + ld * columns
            raw = (ctypes.c_char * (size * dtype.itemsize)).from_address(pointer)
            return np.frombuffer(raw, dtype)

        left = memory(a, step_a, ld_a, m if turn_a else k)
        right = memory(b, step_b, ld_b, k if turn_b else n)
        gemm(call, Widened(left, wide), Widened(right, wide), memory(c, step_c, ld_c, n))
        return self.status


class Widened:
    """Memory whose numbers are read as those of a wider dtype."""

    def __init__(self, memory, dtype):
        self.memory, self.dtype = memory, dtype

    def __getitem__(self, index):
        return self.memory[index].astype(self.dtype)


class Device:
    """The one GPU; a context that makes it the current one."""

    def __init__(self, number=0):
        self.id = number

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def cuda():
    """Return a new ``cupy.cuda``, as far as minicnn needs it to call cuBLAS."""
    stream = types.SimpleNamespace(ptr=7)
    return types.SimpleNamespace(
        get_current_stream=lambda: stream,
        alloc=lambda size: types.SimpleNamespace(ptr=1000 + stream.ptr, size=size),
        Device=Device,
    )
