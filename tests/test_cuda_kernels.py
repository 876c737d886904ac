"""CUDA kernels: compiled for several GPUs, run on the CPU through `cuda_on_cpu`, and on a GPU.

On a GPU: ``pytest -m gpu tests/test_cuda_kernels.py``. Run as a program, this file runs every
kernel on a few arguments: for compute-sanitizer.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cuda_on_cpu
import numpy as np
import pytest
from cuda_cases import CASES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minicnn import backend, kernels, optim
from minicnn.autograd import wrap
from minicnn.autograd.modes import thread
from minicnn.kernels import TABLE, cuda

FOLDER = Path(cuda.__file__).parent
FILES = sorted(path.name for path in FOLDER.glob("*.cu"))
NAMES = sorted(name for name, kinds in TABLE.items() if "cuda" in kinds)
NAMES.remove("matmul")  # calls a library; see test_cuda_blas.py


def moved(value, xp):
    """Return NumPy arrays, also in lists, as arrays of `xp` with the same layout in memory."""
    if isinstance(value, (list, tuple)):
        return type(value)(moved(item, xp) for item in value)
    if not isinstance(value, np.ndarray):
        return value
    order = sorted(range(value.ndim), key=lambda axis: -value.strides[axis])
    dense = xp.asarray(value.transpose(order).copy())
    return dense.transpose(sorted(range(value.ndim), key=order.__getitem__))


def assert_close(got, expected, exact, scale, xp):
    """Compare with the reference in float64, to a few roundings of terms as large as `scale`."""
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for parts in zip(got, expected, exact, scale, strict=True):
            assert_close(*parts, xp)
    elif expected is not None:
        expected, exact, scale = (np.asarray(a) for a in (expected, exact, scale))
        assert type(got) is xp.ndarray
        assert got.shape == expected.shape
        if got.dtype.kind in "iu":  # a winner, whose size depends on the kernel
            exact = exact.astype(got.dtype)
        else:
            assert got.dtype == expected.dtype
        eps = np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0
        largest = np.max(np.abs(scale), initial=1.0, where=np.isfinite(scale))
        got = xp.asnumpy(got).astype("float64")
        np.testing.assert_allclose(got, exact, rtol=8 * eps, atol=16 * eps * largest)


def changed(value, change):
    """Return float arrays, also in lists, changed."""
    if isinstance(value, (list, tuple)):
        return type(value)(changed(item, change) for item in value)
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return np.asarray(change(value)) if is_float else value


def run(function, arguments):
    """Return the function's result, or of an optimizer's step the tensors that it changed."""
    with np.errstate(all="ignore"):
        result = function(*arguments)
    return arguments[0] if result is None else result


def check(xp, name, arguments):
    """Run the CUDA kernel `name` on arrays of `xp` and its reference on NumPy's; compare."""
    reference = TABLE[name]["reference"]
    wide = changed(arguments, lambda a: a.astype("float64"))
    got = run(TABLE[name]["cuda"], moved(arguments, xp))
    expected, exact, scale = (
        run(reference, given)
        for given in (changed(arguments, np.copy), wide, changed(wide, np.abs))
    )
    assert_close(got, expected, exact, scale, xp)


@pytest.fixture(scope="module")
def stand_in():
    if cuda_on_cpu.COMPILER is None:
        pytest.skip("needs g++")
    with cuda_on_cpu.installed() as xp:
        yield xp


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(st.data())
def test_cuda_kernel_equals_its_reference_when_run_on_the_cpu(stand_in, name, data):
    check(stand_in, name, data.draw(CASES[name]))


def test_every_cuda_kernel_has_arguments_to_be_tried_on_and_a_reference():
    assert set(NAMES) == set(CASES)
    assert all("reference" in kinds for kinds in TABLE.values())


@pytest.mark.parametrize("name", ["relu", "sum", "max_pool2d", "cross_entropy"])
def test_arrays_of_a_gpu_that_qualify_get_the_cuda_kernel_and_others_the_reference(stand_in, name):
    x = stand_in.asarray(np.ones((2, 3), "float32"))
    assert kernels.get(name, x) is TABLE[name]["cuda"]
    for other in (x.astype("int32"), x[:0], x.host):
        assert kernels.get(name, other) is not TABLE[name]["cuda"]
    with kernels.use("reference"):
        assert kernels.get(name, x) is TABLE[name]["reference"]


# ---- optimizers whose step the host does not follow


def optimizer_of_three(name, xp):
    """Return an optimizer with three parameters and their gradients."""
    values = [np.arange(1, n + 1, dtype="float32") for n in (3, 8, 5000)]
    params = [wrap(moved(v, xp)) for v in values]
    for p, v in zip(params, values, strict=True):
        p.grad = wrap(moved(v / 10, xp))
    options = {"momentum": 0.9, "dampening": 0.5} if name == "SGD" else {}
    options = {"initial_accumulator_value": 0.1} if name == "Adagrad" else options
    return getattr(optim, name)(params, lr=0.1, **options)


def assert_same_values(optimizer, expected, xp):
    """Compare all that a step changes: the parameters and the state."""
    pairs = zip(*(o.param_groups[0]["params"] for o in (optimizer, expected)), strict=True)
    for p, q in pairs:
        ours, theirs = {"p": p, **optimizer.state[p]}, {"p": q, **expected.state[q]}
        assert ours.keys() == theirs.keys()
        for name, x in ours.items():
            got = xp.asnumpy(x.array) if type(x.array) is xp.ndarray else x.array
            np.testing.assert_allclose(got, theirs[name].array, rtol=1e-5, atol=1e-6, err_msg=name)


class Recorder:
    """Of a step that is captured: it hands out the learning rate on the device."""

    def __init__(self, xp):
        self.xp = xp

    def assume(self, read):
        pass

    def number(self, read):
        return self.xp.asarray(np.asarray(read(), "float64"))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_a_step_follows_a_learning_rate_and_a_number_of_steps_on_the_device(
    stand_in, name, monkeypatch
):
    eager = optimizer_of_three(name, np)
    captured = optimizer_of_three(name, stand_in)
    for lr in (0.1, 0.05, 0.05, 0.01):
        eager.param_groups[0]["lr"] = captured.param_groups[0]["lr"] = lr
        eager.step()
        with monkeypatch.context() as patch:
            patch.setattr(thread, "recorder", Recorder(stand_in))
            captured.step()
    assert_same_values(captured, eager, stand_in)
    counts = [state["step"] for state in captured.state.values() if "step" in state]
    assert all(type(count.array) is stand_in.ndarray for count in counts)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_a_step_in_which_infinity_was_found_changes_nothing(stand_in, name):
    eager = optimizer_of_three(name, np)
    scaled = optimizer_of_three(name, stand_in)
    for found_inf in (False, True, False):
        scaled.found_inf = stand_in.asarray(np.asarray(found_inf))
        scaled.step()
        if not found_inf:
            eager.step()
        assert_same_values(scaled, eager, stand_in)


# ---- compiled for GPUs

_TILES = ("TILE_M=64", "TILE_N=64", "TENSOR={tensor}", "IMAGE_VECTOR=1", "MATRIX_VECTOR={pack}")
VARIANTS = {  # macros, besides the dtypes, that a file is compiled with; see its Python file
    "columns.cu": ("LANES={pack}",),
    "conv_columns.cu": ("AT_ONCE={pack}",),
    "conv_depthwise.cu": (),
    "conv_forward.cu": _TILES,
    "conv_input_grad.cu": _TILES,
    "conv_sum.cu": (),
    "conv_weight_grad.cu": _TILES,
    "loss.cu": (),
    "pool.cu": ("LANES={pack}", "WINNER=unsigned char"),
    "relu.cu": ("LANES={pack}",),
    "steps.cu": ("LANES={pack}",),
}


@functools.cache
def architectures():
    """What nvcc can compile for, like {"sm_80", ...}; empty without nvcc."""
    if shutil.which("nvcc") is None:
        return set()
    done = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "architecture, dtype",
    [("sm_70", "float32"), ("sm_80", "float16"), ("sm_90", "float32"), ("sm_90", "float64")],
)
@pytest.mark.parametrize("file", FILES)
def test_cuda_source_compiles(file, architecture, dtype, tmp_path):
    if architecture not in architectures():
        pytest.skip(f"no nvcc that compiles for {architecture}")
    pack, tensor = 16 // np.dtype(dtype).itemsize, int(dtype != "float64")
    macros = [macro.format(pack=pack, tensor=tensor) for macro in VARIANTS[file]]
    path = tmp_path / file
    path.write_text(cuda.source(file))
    command = ["nvcc", "-cubin", f"-arch={architecture}", "-Werror=all-warnings", path.name]
    command += [*cuda.options(np.dtype(dtype).char, *macros), "-o", "out.cubin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- on a GPU


@pytest.fixture(scope="module")
def gpu():
    if not backend.cuda.is_available():
        pytest.skip(backend.cuda.why_not())
    return backend.cuda.module()


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(st.data())
def test_cuda_kernel_equals_its_reference_on_a_gpu(gpu, name, data):
    check(gpu, name, data.draw(CASES[name]))


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_compute_sanitizer_finds_nothing(gpu, tool):
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("no compute-sanitizer")
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9"]
    if tool == "memcheck":  # libraries try calls that an older driver lacks, and take the error
        command += ["--report-api-errors", "no"]
    command += [sys.executable, __file__]
    paths = os.environ | {"PYTHONPATH": str(FOLDER.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=paths)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def main():
    """Run every CUDA kernel on a few arguments, each array in an allocation of its own."""
    xp = backend.cuda.module()
    xp.cuda.set_allocator(None)
    every_check = list(HealthCheck)
    for name in NAMES:

        @settings(max_examples=10, deadline=None, database=None, suppress_health_check=every_check)
        @given(CASES[name])
        def tried(arguments, name=name):
            check(xp, name, arguments)

        tried()
    xp.cuda.Device().synchronize()


if __name__ == "__main__":
    main()
