"""CUDA convolutions against the reference, run on the CPU through `cuda_on_cpu`, and compiled.

Each way through the tables of `cuda_conv` is tried by itself. What is compiled depends on dtype,
channels and filters, so these are given; everything else is drawn.

How much rounding is allowed follows from the sizes of the terms: the reference on absolute values.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from unittest import mock

import cuda_on_cpu
import numpy as np
import pytest
from cuda_conv_cases import CASES, GROUPED, LAYOUTS, Case, convolutions, lie
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.kernels import (
    cuda,
    cuda_conv,
    cuda_conv_columns,
    cuda_conv_depthwise,
    cuda_conv_memory,
    cuda_conv_tiles,
    reference,
)
from minicnn.kernels.layout import Convolution, Windows

NVCC = shutil.which("nvcc")


@pytest.fixture(scope="module", autouse=True)
def cupy():
    if cuda_on_cpu.COMPILER is None:
        pytest.skip("needs g++")
    with cuda_on_cpu.installed() as xp:
        yield xp


def on_gpu(xp, x):
    """Return `x` as an array of the stand-in that lies in memory as it does."""
    if x is None:
        return None
    order = np.argsort([-s for s in x.strides], kind="stable")
    dense = xp.asarray(np.ascontiguousarray(x.transpose(order)))
    return dense.transpose([int(axis) for axis in np.argsort(order)])


def by_reference(x, w, dy, b, t):
    """Return (y, dx, dw) in float64."""
    x, w, dy = (np.asarray(a, "float64") for a in (x, w, dy))
    windows = t.windows
    options = windows.stride, windows.padding, windows.dilation, t.groups
    y = reference.conv2d(x, w, *options, b if b is None else b.astype("float64"))
    dx = reference.conv2d_input_grad(dy, w, t.input_hw, *options)
    return y, dx, reference.conv2d_weight_grad(dy, x, windows.kernel, *options)


def by_way(xp, way, x, w, dy, b, t):
    """Return (y, dx, dw) as a module of kernels computes them for arrays of the stand-in."""
    x, w, dy, b = (on_gpu(xp, a) for a in (x, w, dy, b))
    return way.convolve(x, w, b, t), way.input_grad(dy, w, t), way.weight_grad(dy, x, t)


def check(xp, way, case, x, w, dy, b, t):
    """Compare the results of a way with the reference, to rounding."""
    with mock.patch.object(cuda.settings, "allow_tf32", case.tf32):
        got = by_way(xp, way, x, w, dy, b, t)
    exact = by_reference(x, w, dy, b, t)
    sizes = by_reference(*(a if a is None else np.abs(a) for a in (x, w, dy, b)), t)
    # A sum of n terms is off by n eps of their sizes at most; so is each factor, if it is rounded.
    terms = max(t.k, t.f * t.k // t.c, t.n * np.prod(t.windows.out_hw)) + 2
    each = terms * np.finfo("float64" if case.dtype == "float64" else "float32").eps
    each += 2.0**-10 if case.tf32 else np.finfo(case.dtype).eps
    for result, right, size in zip(got, exact, sizes, strict=True):
        assert type(result) is xp.ndarray
        assert (result.shape, result.dtype) == (right.shape, case.dtype)
        error = np.abs(xp.asnumpy(result).astype("float64") - right)
        assert np.all(error <= each * size + np.finfo(case.dtype).tiny)


def splitting():
    """Let blocks share the sums of a tile wherever there are two steps to share."""
    return mock.patch.multiple(cuda_conv_tiles, LEAST_STEPS=1, BLOCKS=20, BLOCKS_OF_WEIGHT_GRAD=20)


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=10)
@given(data=st.data())
def test_tiles_compute_convolution_and_both_gradients(cupy, case, data):
    drawn = data.draw(convolutions(case))
    shared = splitting() if data.draw(st.booleans()) else contextlib.nullcontext()
    with mock.patch.object(cuda_conv_tiles, "HEIGHTS", (case.height,)), shared:
        check(cupy, cuda_conv_tiles, case, *drawn)


@pytest.mark.parametrize("case", GROUPED, ids=str)
@settings(max_examples=10)
@given(data=st.data())
def test_columns_compute_convolution_and_both_gradients(cupy, case, data):
    drawn = data.draw(convolutions(case))
    limit = data.draw(st.sampled_from((1, cuda_conv_columns.BLOCK_BYTES)))
    with mock.patch.object(cuda_conv_columns, "BLOCK_BYTES", limit):
        check(cupy, cuda_conv_columns, case, *drawn)


@pytest.mark.parametrize("filters", (1, 3))
@pytest.mark.parametrize("dtype", ("float16", "float32", "float64"))
@settings(max_examples=10)
@given(data=st.data())
def test_depthwise_computes_convolution_and_both_gradients(cupy, dtype, filters, data):
    case = Case(dtype, 1, filters, data.draw(st.sampled_from(sorted(LAYOUTS))))
    drawn = data.draw(convolutions(case, st.sampled_from((2, 7, 40))))
    with mock.patch.object(
        cuda_conv_depthwise, "LEAST_PIXELS", data.draw(st.sampled_from((1, 64)))
    ):
        check(cupy, cuda_conv_depthwise, case, *drawn)


@pytest.mark.parametrize("way", (cuda_conv_tiles, cuda_conv_columns))
def test_tiles_and_columns_multiply_bfloat16(cupy, way):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    t = a_convolution(c=8, f=16)
    given = [a.astype(ml_dtypes.bfloat16) for a in arrays(t)]
    rights = by_reference(*given, t)
    for result, right in zip(by_way(cupy, way, *given, t), rights, strict=True):
        assert result.dtype == given[0].dtype
        error = np.abs(cupy.asnumpy(result).astype("float64") - right)
        assert error.max() <= np.abs(right).max() * 2.0**-8


@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
@pytest.mark.parametrize("dtype", ("e", "E", "f", "d"), ids=("fp16", "bf16", "tf32", "fp64"))
@pytest.mark.parametrize("name", ("conv_forward", "conv_input_grad", "conv_weight_grad"))
def test_the_largest_tiles_compile_and_keep_their_sums_in_registers(tmp_path, name, dtype):
    vector = {"e": 8, "E": 8, "f": 4, "d": 2}[dtype]
    width = (cuda_conv_tiles.WIDTHS_OF_DOUBLES if dtype == "d" else cuda_conv_tiles.WIDTHS)[-1]
    defines = f"TILE_M=128 TILE_N={width} TENSOR={int(dtype != 'd')}".split()
    defines += [f"IMAGE_VECTOR={vector}", f"MATRIX_VECTOR={vector}"]
    source = tmp_path / f"{name}.cu"
    source.write_text(cuda.source(source.name))
    command = [NVCC, "-cubin", "-arch=sm_90", "-Xptxas=-v", *cuda.options(dtype, *defines)]
    done = subprocess.run([*command, source, "-o", tmp_path / "cubin"], capture_output=True)
    report = done.stderr.decode()
    assert done.returncode == 0, report
    assert "0 bytes spill stores" in report


def a_convolution(c=3, f=5, groups=1, stride=(1, 1), n=2, hw=(6, 7)):
    """Return the `Convolution` of a 3 x 3 kernel with padding 1."""
    out = reference.output_hw(hw, (3, 3), stride, ((1, 1), (1, 1)), (1, 1))
    windows = Windows(out, (3, 3), stride, ((1, 1), (1, 1)), (1, 1))
    return Convolution(n, c, f, groups, hw, windows, False)


def arrays(t, dtype="float32"):
    """Return (x, w, dy, b) for a convolution."""
    rng = np.random.default_rng(1)
    shapes = t.x_shape, t.w_shape, t.y_shape, (t.f,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("t", "ways"),
    [
        (a_convolution(c=1, f=8, groups=8), [cuda_conv_depthwise] * 3),
        (a_convolution(c=1, f=8, groups=1), [cuda_conv_tiles] * 3),
        (a_convolution(c=64, f=64), [cuda_conv_tiles] * 3),
        (a_convolution(c=256, f=256), [cuda_conv_columns] * 3),
        (a_convolution(c=3, f=256), [cuda_conv_columns, cuda_conv_tiles, cuda_conv_columns]),
        (a_convolution(c=256, f=512, groups=4), [cuda_conv_tiles] * 3),
        (a_convolution(c=2, f=40000, groups=20000, stride=(2, 2)), [cuda_conv_columns] * 3),
    ],
    ids=("depthwise", "one channel", "64", "256", "to 256", "groups of 128", "20000 groups"),
)
def test_tables_choose_by_channels_and_filters(t, ways):
    tables = cuda_conv.CONVOLVE, cuda_conv.INPUT_GRAD, cuda_conv.WEIGHT_GRAD
    names = "convolve", "input_grad", "weight_grad"
    chosen = [cuda_conv._first(table, t) for table in tables]
    assert chosen == [getattr(way, name) for way, name in zip(ways, names, strict=True)]


def by_table(xp, x, w, dy, b, t):
    """Return (y, dx, dw) of the functions in the table of kernels."""
    x, w, dy, b = (on_gpu(xp, a) for a in (x, w, dy, b))
    windows = t.windows
    options = windows.stride, windows.padding, windows.dilation, t.groups
    return (
        cuda_conv.conv2d(x, w, *options, b),
        cuda_conv.conv2d_input_grad(dy, w, t.input_hw, *options),
        cuda_conv.conv2d_weight_grad(dy, x, windows.kernel, *options),
    )


@pytest.mark.parametrize("limit", (cuda.MOST_ELEMENTS, 100), ids=("tiles", "reference"))
def test_arrays_too_large_to_count_are_left_to_the_reference(cupy, limit):
    t = a_convolution(stride=(2, 1))
    x, w, dy, b = arrays(t)
    with (
        mock.patch.object(cuda, "MOST_ELEMENTS", limit),
        mock.patch.object(cuda, "kernel", side_effect=cuda.kernel) as compiled,
    ):
        got = by_table(cupy, x, w, dy, b, t)
    assert compiled.called == (limit > 100)
    for result, right in zip(got, by_reference(x, w, dy, b, t), strict=True):
        np.testing.assert_allclose(cupy.asnumpy(result), right, rtol=1e-4, atol=1e-4)


def test_images_that_span_too_much_memory_are_copied(cupy):
    wide = cupy.asarray(np.arange(2 * 3 * 4 * 50.0).reshape(2, 3, 4, 50))
    view = wide[..., ::25]
    assert cuda_conv_memory.countable(view) is view
    with mock.patch.object(cuda, "MOST_ELEMENTS", 1000):
        copy = cuda_conv_memory.countable(view)
    assert copy.strides == (3 * 4 * 2 * 8, 4 * 2 * 8, 2 * 8, 8)
    assert np.array_equal(cupy.asnumpy(copy), cupy.asnumpy(view))


@pytest.mark.parametrize("way", (cuda_conv_tiles, cuda_conv_columns, cuda_conv_depthwise))
def test_results_lie_channels_last_and_own_their_memory(cupy, way):
    t = a_convolution(c=1, f=6, groups=3)
    x, w, dy, b = arrays(t)
    y, dx, dw = by_way(cupy, way, x, w, dy, b, t)
    for images in (y, dx):
        assert images.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dw.transpose(2, 3, 1, 0).flags.c_contiguous


@pytest.mark.parametrize("way", (cuda_conv_tiles, cuda_conv_columns, cuda_conv_depthwise))
def test_results_are_the_same_at_every_run(cupy, way):
    t = a_convolution(c=1, f=6, groups=3, n=9)
    given = arrays(t)
    with splitting(), mock.patch.object(cuda_conv_depthwise, "LEAST_PIXELS", 1):
        first, second = (by_way(cupy, way, *given, t) for _ in "12")  # in two orders of threads
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(cupy.asnumpy(one), cupy.asnumpy(other))


def test_a_pointwise_convolution_needs_no_columns(cupy):
    windows = Windows((4, 5), (1, 1), (1, 1), ((0, 0), (0, 0)))
    t = Convolution(2, 8, 6, 1, (4, 5), windows, False)
    x, w, dy, b = arrays(t)
    case = Case("float32", 8, 6, "channels last")
    with mock.patch.object(cuda_conv_columns, "_launch", side_effect=AssertionError) as launch:
        y = cuda_conv_columns.convolve(
            on_gpu(cupy, lie(x, case.layout)), *(on_gpu(cupy, a) for a in (w, b)), t
        )
    assert not launch.called
    np.testing.assert_allclose(
        cupy.asnumpy(y), by_reference(x, w, dy, b, t)[0], rtol=1e-4, atol=1e-5
    )


def test_few_tiles_are_shared_by_several_blocks():
    cut = cuda_conv_tiles._cut(128, (128 * 2 * 2, 512, 4608), 1, 4, 264)
    assert (cut.down, cut.across, cut.splits, cut.threads) == (4, 8, 8, 128)
    cut = cuda_conv_tiles._cut(64, (144, 16, 128 * 32 * 32), 1, 2, 528)
    assert (cut.down, cut.across, cut.splits, cut.threads) == (3, 1, 176, 64)
    cut = cuda_conv_tiles._cut(128, (128 * 32 * 32, 16, 144), 1, 2, 264)
    assert (cut.down, cut.across, cut.splits, cut.threads) == (1024, 1, 1, 128)


@pytest.mark.parametrize(("rows", "height"), [(1, 32), (27, 32), (144, 64), (150, 64), (576, 128)])
def test_tiles_of_weight_gradients_waste_little(rows, height):
    assert cuda_conv_tiles._height(rows) == height
