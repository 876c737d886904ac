"""`RawModule` of the stand-in: CUDA source to a shared library, and its functions to call."""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from .arrays import ndarray

COMPILER = shutil.which("g++")
INCLUDE = Path(__file__).parent / "include"
FLAGS = (
    "-fno-gnu-unique",  # two libraries have variables of one name: they must stay two
    *("-shared", "-fPIC", "-O1", "-g1", "-std=c++20", "-U_FORTIFY_SOURCE", "-w", "-fwrapv"),
    *(
        "-fsanitize=alignment,bounds,integer-divide-by-zero,shift",
        "-fsanitize-undefined-trap-on-error",
    ),
)
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")
_DYNAMIC = re.compile(r"extern\s+__shared__\s+([\w\s]+?)\s*(\w+)\s*\[\s*\]\s*;")
_coin = random.Random(0)


def translated(code, names):
    """Return `code` as C++, with functions to call its kernels `names` and to ask what they take.

    Two words of CUDA have no meaning that a macro could give: an array of dynamic shared memory
    becomes a pointer, and a kernel is launched through a function that takes its grid.
    """
    code = _DYNAMIC.sub(r"\1* \2 = (\1*)cuda_on_cpu::dynamic_shared();", code)
    launchers = "".join(
        f"""
static void call_{i}(void** given) {{ cuda_on_cpu::call({name}, given); }}
extern "C" const char* launch_{i}(const unsigned* grid, const unsigned* block, size_t shared,
                                  void** given, int reversed) {{
    return cuda_on_cpu::launch(call_{i}, grid, block, shared, given, reversed);
}}
extern "C" const char* takes_{i}() {{
    static const std::string text = cuda_on_cpu::signature({name});
    return text.c_str();
}}
"""
        for i, name in enumerate(names)
    )
    return f'#include "cuda_on_cpu.h"\n{code}\n#line 1 "launchers"\n{launchers}'


def build(code, options):
    """Return the path of the shared library of this C++ code, built unless it is there already."""
    headers = "".join(path.read_text() for path in sorted(INCLUDE.iterdir()))
    macros = [option for option in options if option.startswith("-D")]
    key = hashlib.sha256(repr((code, headers, macros, FLAGS)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minicnn-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        new = folder / f"{key}.{os.getpid()}.so"
        command = [COMPILER, *FLAGS, *macros, f"-I{INCLUDE}", "-x", "c++", "-", "-o", new]
        done = subprocess.run(command, input=code, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"g++ cannot compile the kernels:\n{done.stderr[:4000]}")
        new.replace(library)
    return library


class RawModule:
    """The part of ``cupy.RawModule`` that kernels need."""

    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None):
        self.names = list(name_expressions or dict.fromkeys(_KERNEL.findall(code)))
        self.library = ctypes.CDLL(str(build(translated(code, self.names), options)))

    def get_function(self, name):
        return RawKernel(self.library, self.names.index(name), name)


class RawKernel:
    """A kernel, called as CuPy's: ``kernel(grid, block, arguments, shared_mem=0)``."""

    max_dynamic_shared_size_bytes = 0

    def __init__(self, library, number, name):
        self.name = name
        self.run = getattr(library, f"launch_{number}")
        self.run.restype = ctypes.c_char_p
        takes = getattr(library, f"takes_{number}")
        takes.restype = ctypes.c_char_p
        self.takes = takes().decode().split()

    def __call__(self, grid, block, args, *, shared_mem=0):
        grid, block = (tuple(map(int, size)) + (1,) * (3 - len(size)) for size in (grid, block))
        assert min(grid) > 0 and max(grid[1:]) < 1 << 16, f"{self.name}: grid {grid}"
        assert 0 < np.prod(block) <= 1024, f"{self.name}: block {block}"
        assert shared_mem <= max(48 << 10, self.max_dynamic_shared_size_bytes), shared_mem
        assert len(args) == len(self.takes), f"{self.name} takes {self.takes}, got {len(args)}"
        values = [self._value(*pair) for pair in zip(args, self.takes, strict=True)]
        pointers = (ctypes.c_void_p * len(values))(*(v.ctypes.data for v in values))
        sizes = [(ctypes.c_uint * 3)(*size) for size in (grid, block)]
        turn = _coin.random() < 0.5
        trouble = self.run(*sizes, ctypes.c_size_t(shared_mem), pointers, ctypes.c_int(turn))
        if trouble:
            raise RuntimeError(f"{self.name}: {trouble.decode()}")

    def _value(self, argument, taken):
        """Return an array of one element, the bytes that the kernel reads for `argument`."""
        if isinstance(argument, ndarray):
            given, value = "P" + _code(argument.dtype), np.array([argument.data.ptr], np.uint64)
        elif isinstance(argument, np.ndarray) and argument.size == 1:  # a struct
            given, value = f"S{argument.itemsize}", argument
        elif isinstance(argument, np.generic):
            given, value = _code(argument.dtype), np.array([argument])
        else:
            raise TypeError(f"{self.name}: {argument!r} has no exact type; give a NumPy scalar")
        address = given == "u8" and value[0] == 0 and taken[0] == "P"
        anything = taken in ("Pv", "Pi1", "Pu1") and given[0] == "P"
        if not (given == taken or address or anything):
            raise TypeError(f"{self.name} takes {taken} where it was given {given}; {self.takes}")
        return value


def _code(dtype):
    named = dtype.kind in "fb" or dtype.char == "E"  # bfloat16
    return dtype.char if named else f"{dtype.kind}{dtype.itemsize}"
