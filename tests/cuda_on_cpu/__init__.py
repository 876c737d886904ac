"""A stand-in for CuPy that runs CUDA kernels on the CPU: the real `.cu` files, the real host code.

`RawModule` hands a `.cu` source to g++, with a header that gives CUDA's words a meaning in plain
C++ (`include/cuda_on_cpu.h`), and its functions are called with a grid, a block and arguments like
CuPy's. Arrays are NumPy's, in a wrapper that does not mix with NumPy (`arrays`).

It can prove that a kernel computes what it should for the shapes tried: its indices, its bounds,
its sums, the number, order and types of its arguments. Every array lies against a page that may not
be touched, at its end or at its beginning as a coin falls: an address beyond it is an error.
Misaligned vectors, indices outside arrays of a fixed size, and divisions by zero are errors too.
Threads run first to last or last to first, by a coin as well, and so do blocks.

It cannot prove that a kernel is free of races: threads switch only where they wait, so two orders
are tried of many. It rounds as the CPU does, without fused multiply-adds, and a tensor core's own
rounding is not in it. It says nothing of speed, registers, or what a GPU's memory holds beyond an
array. The tests marked `gpu` are for that.

`cublas` stands in for the library that is called from the host.
"""

from __future__ import annotations

import contextlib
import sys
from unittest import mock

from . import cublas
from .arrays import asarray, asnumpy, ndarray
from .module import COMPILER, RawModule

cuda = cublas.cuda()


def __getattr__(name):
    """Return NumPy's function of this name, from and to arrays of the stand-in."""
    from .arrays import delegated

    return delegated(name)


@contextlib.contextmanager
def installed():
    """Be ``cupy`` for minicnn inside a `with` block."""
    from minicnn.kernels import cuda, cuda_blas

    here, library = sys.modules[__name__], cublas.Cublas()
    cuda.forget()
    cuda_blas.forget()
    try:
        with (
            mock.patch.dict(sys.modules, cupy=here),
            mock.patch.object(cuda_blas, "_library", lambda: library),
        ):
            yield here
    finally:
        cuda.forget()
        cuda_blas.forget()


__all__ = ["COMPILER", "RawModule", "asarray", "asnumpy", "installed", "ndarray"]
