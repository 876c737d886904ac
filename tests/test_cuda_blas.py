"""Matrix products through cuBLAS: what it is asked for, on a cuBLAS of a few lines of NumPy."""

import sys
import types

import numpy as np
import pytest
from cuda_on_cpu.cublas import Cublas, gemm
from cuda_on_cpu.cublas import cuda as fake_cuda
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.errors import ArgumentError, DeviceError
from minicnn.kernels import cuda_blas
from minicnn.kernels.cuda import settings as switches
from minicnn.kernels.cuda_blas import Call, lies, plan

pytestmark = pytest.mark.host

SIZE = st.integers(1, 4)


@st.composite
def operands(draw):
    """(A, B), each a view of memory of its own, in all kinds of strides."""
    m, k, n, batch = draw(SIZE), draw(SIZE), draw(SIZE), draw(st.lists(SIZE, max_size=3))
    views = []
    for matrix in ((m, k), (k, n)):
        own = [draw(st.sampled_from([size, 1])) for size in batch]
        shape = [*own[draw(st.integers(0, len(own))) :], *matrix]
        order = draw(st.permutations(range(len(shape))))
        gaps = [draw(st.integers(1, 2)) for _ in shape]
        memory = np.arange(np.prod([n * g for n, g in zip(shape, gaps, strict=True)]), dtype=float)
        laid = memory.reshape([shape[axis] * gaps[axis] for axis in order])
        views.append(laid.transpose(np.argsort(order))[tuple(slice(None, None, g) for g in gaps)])
    return views


def planned(a, b):
    return plan(
        a.shape, tuple(s // 8 for s in a.strides), b.shape, tuple(s // 8 for s in b.strides)
    )


def memory_of(view):
    """The memory from a view's first element on."""
    return view if view.base is None else view.base.reshape(-1)


@given(operands())
@settings(max_examples=400)
def test_the_call_gives_the_product_whatever_the_strides(views):
    a, b = views
    call = planned(a, b)
    if not isinstance(call, Call):
        assert any(call)
        dense = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (
            np.ascontiguousarray(np.broadcast_to(x, (*dense, *x.shape[-2:]))) if copy else x
            for x, copy in zip((a, b), call, strict=True)
        )
        call = planned(a, b)
        assert isinstance(call, Call)  # a copy of what was named is always enough
    expected = a @ b
    memory = [x.reshape(-1) if x.base is None else memory_of(x) for x in (b, a)]
    y = np.full(expected.size, np.nan)
    gemm(call, *memory, y)
    np.testing.assert_allclose(y.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (np.zeros((3, 5)), (False, 5)),
        (np.zeros((5, 3)).T, (True, 3)),
        (np.zeros((3, 8))[:, :5], (False, 8)),
        (np.zeros((8, 3))[:5].T, (True, 3)),
        (np.zeros((3, 8))[:, ::2], None),
        (np.zeros((3, 5))[::-1], None),
        (np.broadcast_to(np.zeros((1, 5)), (3, 5)), None),
        (np.zeros((1, 5)), (False, 5)),
        (np.zeros((5, 2))[:, :1], (False, 2)),
        (np.zeros((1, 9))[:, ::2], (True, 2)),
    ],
    ids=["rows", "columns", "cut", "cut-turned", "gaps", "reversed", "repeated", "row", "column",
         "row-with-gaps"],
)  # fmt: skip
def test_what_blas_can_read_without_a_copy(view, expected):
    assert lies(view.shape, tuple(s // 8 for s in view.strides)) == expected


def test_a_batch_that_shares_a_matrix_repeats_it_without_a_copy():
    call = planned(np.zeros((6, 2, 3)), np.zeros((3, 4)))
    assert (call.step_b, call.step_a, call.batch) == (6, 0, 6)


# ------------------------------------------------------------------------------ the library


class Array(np.ndarray):
    """An array on the host that tells what cuBLAS is told of one on a GPU."""

    device = types.SimpleNamespace(id=0)
    data = property(lambda self: types.SimpleNamespace(ptr=self.ctypes.data))


def on_gpu(x):
    return np.asarray(x).view(Array)


@pytest.fixture
def cublas(monkeypatch):
    library, cuda = Cublas(), fake_cuda()
    xp = types.SimpleNamespace(
        empty=lambda shape, dtype: on_gpu(np.empty(shape, dtype)),
        ascontiguousarray=lambda x: on_gpu(np.ascontiguousarray(x)),
        broadcast_to=np.broadcast_to,
    )
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(cuda_blas, "_library", lambda: library)
    monkeypatch.setattr(cuda_blas, "array_module", lambda x: xp)
    cuda_blas.forget()
    library.stream = cuda.get_current_stream()
    yield library
    cuda_blas.forget()


def numbers(*shape, dtype="float32"):
    return on_gpu(np.random.default_rng(0).integers(-4, 5, shape).astype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 1)), ((1, 1), (1, 1))],
    ids=["matrices", "batch", "broadcast", "numbers"],
)
def test_products_are_those_of_the_reference(cublas, a, b, dtype):
    a, b = numbers(*a, dtype=dtype), numbers(*b, dtype=dtype)
    y = cuda_blas.matmul(a, b)
    assert y.dtype == a.dtype and y.flags.c_contiguous
    assert np.array_equal(y, np.matmul(np.asarray(a), np.asarray(b)))


def test_turned_and_uneven_operands_give_the_same(cublas):
    a, b = numbers(6, 3, 8), numbers(6, 8, 5)
    for left in (a, numbers(6, 8, 3).mT, numbers(6, 3, 16)[:, :, ::2], numbers(12, 3, 8)[::-2]):
        y = cuda_blas.matmul(left, b)
        assert np.array_equal(y, np.matmul(np.asarray(left), np.asarray(b)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_product_is_written_between_other_columns(cublas, dtype):
    a, b, whole = numbers(3, 4, dtype=dtype), numbers(4, 5, dtype=dtype), numbers(3, 9, dtype=dtype)
    before = np.asarray(whole).copy()
    for rows in (slice(None), slice(1, 2)):
        cuda_blas.multiply_into(whole[rows, 2:7], a[rows], b)
        before[rows, 2:7] = np.matmul(np.asarray(a)[rows], np.asarray(b))
        assert np.array_equal(whole, before)
    uneven = numbers(6, 8, dtype=dtype)[::2, ::2]
    cuda_blas.multiply_into(whole[:, :5], uneven, b)  # read from a copy
    assert np.array_equal(whole[:, :5], np.matmul(np.asarray(uneven), np.asarray(b)))


def asked(library, name):
    return [arguments for called, *arguments in library.asked if called == name]


def test_float32_is_rounded_to_tf32_only_where_that_is_allowed(cublas, monkeypatch):
    a = numbers(2, 2)
    cuda_blas.matmul(a, a)
    monkeypatch.setattr(switches, "allow_tf32", True)
    cuda_blas.matmul(a, a)
    half, double = numbers(2, 2, dtype="float16"), numbers(2, 2, dtype="float64")
    cuda_blas.matmul(half, half)
    cuda_blas.matmul(double, double)
    assert [compute for compute, *_ in asked(cublas, "Gemm")] == [68, 77, 68, 70]
    assert asked(cublas, "SetMathMode") == [[16]]


def test_products_of_convolutions_can_be_kept_out_of_tf32(cublas, monkeypatch):
    a = numbers(2, 2)
    for products, convolutions in ((False, True), (True, True), (True, False)):
        monkeypatch.setattr(switches, "allow_tf32", products)
        monkeypatch.setattr(switches, "convolutions_too", convolutions)
        cuda_blas.multiply_into(a.copy(), a, a)
    assert [compute for compute, *_ in asked(cublas, "Gemm")] == [68, 77, 68]


def test_the_handle_follows_the_stream_and_keeps_a_workspace_for_each(cublas):
    a = numbers(2, 2)
    for stream in (7, 7, 8, 7):
        cublas.stream.ptr = stream
        cuda_blas.matmul(a, a)
    assert asked(cublas, "SetStream_v2") == [[7], [8], [7]]
    # Setting the stream takes the workspace away, so it is given again each time.
    assert asked(cublas, "SetWorkspace_v2") == [[1000 + s, 32 << 20] for s in (7, 8, 7)]
    order = [name for name, *_ in cublas.asked if name != "Gemm"]
    assert order[2:4] == ["SetStream_v2", "SetWorkspace_v2"]


def test_a_failure_names_the_function_and_the_status(cublas):
    cublas.status = 13
    with pytest.raises(DeviceError, match="cublasGemmStridedBatchedEx failed with status 13"):
        cuda_blas.matmul(numbers(2, 2), numbers(2, 2))


# ------------------------------------------------------------------------------ the switches


@pytest.fixture
def fresh_switches():
    before = switches.allow_tf32, switches.convolutions_too
    yield
    switches.allow_tf32, switches.convolutions_too = before


def test_tf32_is_off_until_it_is_switched_on(fresh_switches):
    products = minicnn.backends.cuda.matmul
    assert products.allow_tf32 is False and minicnn.backends.cuda.is_built()
    assert minicnn.get_float32_matmul_precision() == "highest"
    products.allow_tf32 = True
    assert switches.allow_tf32 and minicnn.get_float32_matmul_precision() == "high"
    for precision, allowed in (("highest", False), ("medium", True), ("high", True)):
        minicnn.set_float32_matmul_precision(precision)
        assert products.allow_tf32 is allowed
    with pytest.raises(ArgumentError, match="'low' is not known; use 'highest', 'high' or"):
        minicnn.set_float32_matmul_precision("low")


def test_convolutions_can_be_kept_out_of_tf32(fresh_switches):
    assert minicnn.backends.cudnn.allow_tf32 is True
    minicnn.backends.cudnn.allow_tf32 = False
    assert switches.convolutions_too is False


# ------------------------------------------------------------------------------ on a GPU


def cupy_on_gpu():
    if not minicnn.cuda.is_available():
        pytest.skip("needs a GPU")
    return minicnn.cuda.module()


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "near"), [("float16", 2e-3), ("float32", 1e-5), ("float64", 0)])
@pytest.mark.parametrize("shape", [(64, 48, 80), (1, 48, 1), (5, 64, 48, 80)], ids=str)
def test_on_a_gpu_products_are_those_of_the_host(dtype, near, shape):
    cupy = cupy_on_gpu()
    *batch, m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((*batch, *s)).astype(dtype) for s in ((m, k), (k, n)))
    expected = a.astype("float64") @ b.astype("float64")
    near = near or 1e-12
    for left in (
        cupy.asarray(a),
        cupy.asarray(np.ascontiguousarray(a.swapaxes(-1, -2))).swapaxes(-1, -2),
    ):
        y = cuda_blas.matmul(left, cupy.asarray(b))
        np.testing.assert_allclose(y.get(), expected, rtol=near, atol=near * np.sqrt(k) * 4)


@pytest.mark.gpu
def test_on_a_gpu_tf32_rounds_and_its_absence_does_not(fresh_switches):
    cupy = cupy_on_gpu()
    if cupy.cuda.Device().compute_capability < "80":
        pytest.skip("no TF32 before Ampere")
    a = cupy.asarray(np.random.default_rng(0).standard_normal((256, 256)).astype("float32"))
    exact = a.get().astype("float64") @ a.get().astype("float64")
    errors = []
    for allowed in (False, True):
        minicnn.backends.cuda.matmul.allow_tf32 = allowed
        errors.append(np.abs(cuda_blas.matmul(a, a).get() - exact).max())
    assert errors[0] < 1e-4 < errors[1] < 1e-1
