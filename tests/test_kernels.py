"""Kernels against naive loops, and the tuned ones against the reference, in every memory layout."""

from __future__ import annotations

import threading

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import kernels
from minicnn.errors import UnknownNameError
from minicnn.kernels import cpu, cpu_pool, geometry, layout, reference

pytestmark = pytest.mark.host

few = settings(max_examples=200, deadline=None)
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
LAYOUTS = ("rows last", "channels last", "fortran", "reversed", "every second", "broadcast")
TUNED = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")


def lay_out(x, kind):
    """Return `x` with other strides; the values stay, except that "broadcast" repeats one image."""
    if kind == "channels last":
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if kind == "fortran":
        return np.asfortranarray(x)
    if kind == "reversed":
        return np.ascontiguousarray(x[:, ::-1, ::-1, ::-1])[:, ::-1, ::-1, ::-1]
    if kind == "every second":
        return np.repeat(np.repeat(x, 2, 1), 2, 3)[:, ::2, :, ::2]
    if kind == "broadcast":
        return np.broadcast_to(x[:1, :, :, :1], x.shape)
    return x


@st.composite
def convolutions(draw):
    """Draw (x, w, dy, arguments) of a convolution that has at least one output."""
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    channels = draw(st.sampled_from((1, 2, 3, 8)))  # 8 and more take the other path
    filters = draw(st.sampled_from((1, 2)))
    kernel, stride, dilation = draw(PAIR), draw(PAIR), draw(PAIR)
    stride = draw(st.sampled_from(((1, 1), stride)))
    padding = draw(st.tuples(*[st.tuples(st.integers(-1, 2), st.integers(-1, 3))] * 2))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = [max(r - sum(p), 1 - sum(p), 2) for r, p in zip(reach, padding, strict=True)]
    hw = [draw(st.integers(n, n + 4)) for n in least]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.standard_normal((draw(st.integers(1, 3)), groups * channels, *hw))
    w = rng.standard_normal((groups * filters, channels, *kernel))
    out = [(n + sum(p) - r) // s + 1 for n, p, r, s in zip(hw, padding, reach, stride, strict=True)]
    dy = rng.standard_normal((len(x), groups * filters, *out))
    return x, w, dy, (stride, padding, dilation, groups)


@st.composite
def poolings(draw):
    """Draw (x, dy, kernel, stride, padding, dilation, out_hw) of a pooling."""
    kernel, stride, dilation = draw(PAIR), draw(PAIR), draw(PAIR)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple((p, p) for p in (draw(st.integers(0, r // 2)) for r in reach))
    hw = [draw(st.integers(r, r + 5)) for r in reach]
    ceil_mode = draw(st.booleans())
    out = tuple(
        oracles.pooled_size(hw[a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode)
        for a in (0, 1)
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *hw)
    x = rng.integers(-4, 4, shape).astype(float)  # few values, many ties
    if draw(st.booleans()):
        x = np.where(rng.random(shape) < 0.2, rng.choice([np.nan, np.inf, -np.inf], shape), x)
    dy = rng.standard_normal((*shape[:2], *out))
    return x, dy, (kernel, stride, padding, dilation, out)


def in_small_blocks(function, *arguments):
    """Run with a cache that makes every row a block, with a small one, and with the usual one."""
    usual = layout.CACHE_BYTES
    try:
        layout.CACHE_BYTES = 1
        one = function(*arguments)
        layout.CACHE_BYTES = 3000
        two = function(*arguments)
    finally:
        layout.CACHE_BYTES = usual
    return one, two, function(*arguments)


def calls(x, w, dy, arguments):
    """Yield (kernel name, arguments) for the three kernels of a convolution."""
    yield "conv2d", (x, w, *arguments)
    yield "conv2d_input_grad", (dy, w, x.shape[2:], *arguments)
    yield "conv2d_weight_grad", (dy, x, w.shape[2:], *arguments)


# ------------------------------------------------------------------------------ convolution


@few
@given(convolutions())
def test_reference_convolution_and_its_gradients_are_the_naive_loops(drawn):
    for name, arguments in calls(*drawn):
        expected = getattr(oracles, name)(*arguments)
        np.testing.assert_allclose(getattr(reference, name)(*arguments), expected, atol=1e-12)


@few
@given(convolutions(), st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS))
def test_tuned_convolution_equals_the_reference_in_any_memory_layout(drawn, x_kind, dy_kind):
    x, w, dy, options = drawn
    x, w, dy = lay_out(x, x_kind), lay_out(w, dy_kind), lay_out(dy, dy_kind)
    for name, arguments in calls(x, w, dy, options):
        expected = getattr(reference, name)(*arguments)
        for got in in_small_blocks(getattr(cpu, name), *arguments):
            assert got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, atol=1e-12)


@few
@given(convolutions())
def test_convolution_and_its_gradients_are_transposes_of_each_other(drawn):
    x, w, dy, arguments = drawn
    for module in (reference, cpu):
        y = module.conv2d(x, w, *arguments)
        dx = module.conv2d_input_grad(dy, w, x.shape[2:], *arguments)
        dw = module.conv2d_weight_grad(dy, x, w.shape[2:], *arguments)
        assert np.vdot(y, dy) == pytest.approx(np.vdot(x, dx), abs=1e-10)
        assert np.vdot(y, dy) == pytest.approx(np.vdot(w, dw), abs=1e-10)


@pytest.mark.parametrize("name", TUNED)
def test_tuned_convolution_in_float16_rounds_once(name):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 6, 6)), rng.standard_normal((4, 9, 3, 3))
    dy = rng.standard_normal((2, 4, 4, 4))
    half = [a.astype("float16") for a in (x, w, dy)]
    arguments = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    got = getattr(cpu, name)(*dict(calls(*half, arguments))[name])
    exact = getattr(cpu, name)(*dict(calls(*[a.astype("float64") for a in half], arguments))[name])
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, exact, rtol=2**-10, atol=1e-4)


def test_tuned_convolution_returns_channels_last_memory():
    x, w = np.ones((2, 9, 6, 6), "float32"), np.ones((4, 9, 3, 3), "float32")
    y = cpu.conv2d(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert y.shape == (2, 4, 6, 6)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_empty_batches_give_empty_results_and_zero_weight_gradients():
    x, w = np.ones((0, 3, 5, 5)), np.ones((4, 3, 3, 3))
    arguments = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    y = kernels.get("conv2d", x, w)(x, w, *arguments)
    assert y.shape == (0, 4, 3, 3)
    assert kernels.get("conv2d_input_grad", y, w)(y, w, (5, 5), *arguments).shape == x.shape
    dw = kernels.get("conv2d_weight_grad", y, x)(y, x, (3, 3), *arguments)
    assert dw.shape == w.shape
    assert not dw.any()


def test_reference_convolution_takes_integers():
    x, w = np.arange(16).reshape(1, 1, 4, 4), np.ones((1, 1, 2, 2), dtype=int)
    y = kernels.get("conv2d", x, w)(x, w, (2, 2), ((0, 0), (0, 0)), (1, 1), 1)
    assert y.dtype == x.dtype
    assert y.tolist() == [[[[10, 18], [42, 50]]]]


def test_kernels_may_run_in_several_threads_at_once():
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((8, 9, 12, 12)) for _ in range(4)]
    w, arguments = rng.standard_normal((5, 9, 3, 3)), ((2, 2), ((1, 1), (1, 1)), (1, 1), 1)
    pool = ((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), (6, 6))

    def work(x):
        y = cpu.conv2d(x, w, *arguments)
        z, winner = cpu_pool.max_pool2d(x, *pool)
        dx = cpu.conv2d_input_grad(y, w, (12, 12), *arguments)
        return [y, z, dx + cpu_pool.max_pool2d_input_grad(z, winner, (12, 12), *pool[:4])]

    expected = [work(x) for x in inputs]
    results: dict = {}

    def repeat(i):
        results[i] = [work(inputs[i]) for _ in range(20)]

    threads = [threading.Thread(target=repeat, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, runs in results.items():
        for run in runs:
            for got, want in zip(run, expected[i], strict=True):
                np.testing.assert_array_equal(got, want)


# ---------------------------------------------------------------------------------- pooling


@few
@given(poolings())
def test_max_pool_finds_the_first_of_equals_and_the_last_nan(drawn):
    x, _, arguments = drawn
    expected, positions = oracles.max_pool2d(x, *arguments)
    for module in (reference, cpu_pool):
        y, winner = module.max_pool2d(x, *arguments)
        np.testing.assert_array_equal(y, expected)
        found = reference.max_pool2d_positions(winner, x.shape[2:], *arguments[:4])
        np.testing.assert_array_equal(found, positions)
        assert found.dtype == np.int64


@few
@given(poolings(), st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS))
def test_tuned_pooling_equals_the_reference_in_any_memory_layout(drawn, x_kind, dy_kind):
    x, dy, arguments = drawn
    x, dy = lay_out(x, x_kind), lay_out(dy, dy_kind)
    kernel, stride, padding, dilation, out = arguments
    y, winner = reference.max_pool2d(x, *arguments)
    for got, won in in_small_blocks(cpu_pool.max_pool2d, x, *arguments):
        np.testing.assert_array_equal(got, y)
        np.testing.assert_array_equal(won, winner)
    back = (dy, winner, x.shape[2:], kernel, stride, padding, dilation)
    for got in in_small_blocks(cpu_pool.max_pool2d_input_grad, *back):
        np.testing.assert_allclose(got, reference.max_pool2d_input_grad(*back), atol=1e-12)
    if dilation != (1, 1):
        return
    x = np.nan_to_num(x, posinf=1, neginf=2)
    forward = (x, kernel, stride, padding, out, np.linspace(1, 2, out[1]))
    for got in in_small_blocks(cpu_pool.avg_pool2d, *forward):
        np.testing.assert_allclose(got, reference.avg_pool2d(*forward), atol=1e-12)
    back = (dy, x.shape[2:], kernel, stride, padding, 3)
    for got in in_small_blocks(cpu_pool.avg_pool2d_input_grad, *back):
        np.testing.assert_allclose(got, reference.avg_pool2d_input_grad(*back), atol=1e-12)


@few
@given(poolings())
def test_selecting_winners_is_the_transpose_of_putting_gradients_back(drawn):
    x, dy, arguments = drawn
    _, winner = reference.max_pool2d(x, *arguments)
    z = np.random.default_rng(0).standard_normal(x.shape)
    selected = reference.max_pool2d_select(z, winner, *arguments[:4])
    dx = reference.max_pool2d_input_grad(dy, winner, x.shape[2:], *arguments[:4])
    assert np.vdot(selected, dy) == pytest.approx(np.vdot(z, dx), abs=1e-10)


@few
@given(poolings())
def test_average_pool_is_the_mean_of_each_window_and_its_gradient_the_transpose(drawn):
    x, dy, (kernel, stride, padding, _, _) = drawn
    x = np.nan_to_num(x, posinf=1, neginf=2)
    out = tuple(
        geometry.output_size(x.shape[2 + a], kernel[a], stride[a], padding[a], 1) for a in (0, 1)
    )
    dy = np.resize(dy, (*dy.shape[:2], *out))
    divisor = kernel[0] * kernel[1]
    expected = oracles.avg_pool2d(x, kernel, stride, padding, out)
    for module in (reference, cpu_pool):
        y = module.avg_pool2d(x, kernel, stride, padding, out, divisor)
        np.testing.assert_allclose(y, expected, atol=1e-12)
        dx = module.avg_pool2d_input_grad(dy, x.shape[2:], kernel, stride, padding, divisor)
        assert np.vdot(y, dy) == pytest.approx(np.vdot(x, dx), abs=1e-10)


def test_an_infinite_gradient_reaches_the_winner_alone():
    x = np.arange(16.0, dtype="float32").reshape(1, 1, 4, 4)
    arguments = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), (2, 2))
    for module in (reference, cpu_pool):
        _, winner = module.max_pool2d(x, *arguments)
        dy = np.full((1, 1, 2, 2), np.inf, "float32")
        dx = module.max_pool2d_input_grad(dy, winner, (4, 4), *arguments[:4])
        assert np.isinf(dx).sum() == 4
        assert (dx == 0).sum() == 12


def test_max_pool_windows_of_more_than_255_pixels_count_right():
    x = np.random.default_rng(0).standard_normal((1, 2, 20, 20))
    arguments = ((17, 16), (1, 2), ((0, 0), (0, 0)), (1, 1), (4, 3))
    expected, positions = oracles.max_pool2d(x, *arguments)
    y, winner = cpu_pool.max_pool2d(x, *arguments)
    np.testing.assert_array_equal(y, expected)
    found = reference.max_pool2d_positions(winner, (20, 20), *arguments[:4])
    np.testing.assert_array_equal(found, positions)
    dx = cpu_pool.max_pool2d_input_grad(y, winner, (20, 20), *arguments[:4])
    assert dx.sum() == pytest.approx(y.sum())


def test_pooling_takes_float16():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype("float16")
    arguments = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), (3, 3))
    y, winner = cpu_pool.max_pool2d(x, *arguments)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, reference.max_pool2d(x, *arguments)[0])
    assert cpu_pool.max_pool2d_input_grad(y, winner, (6, 6), *arguments[:4]).dtype == np.float16
    assert cpu_pool.avg_pool2d(x, *arguments[:3], (3, 3), 4).dtype == np.float16


# ------------------------------------------------------------------ geometry, memory, table


@few
@given(
    st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.booleans(),
    st.integers(1, 2),
)  # fmt: skip
def test_output_size_counts_the_windows_that_fit(size, kernel, stride, pad, ceil_mode, dilation):
    reach = dilation * (kernel - 1) + 1
    padding = (min(pad, reach // 2),) * 2
    if size + sum(padding) < reach:
        return
    got = geometry.output_size(size, kernel, stride, padding, dilation, ceil_mode)
    assert got == oracles.pooled_size(size, kernel, stride, padding, dilation, ceil_mode)


@few
@given(st.integers(1, 9), st.integers(1, 4), PAIR, st.integers(1, 3))
def test_transposed_size_is_the_smallest_with_the_given_output_size(size, kernel, pads, stride):
    padding, dilation = (pads[0] - 1, pads[1] - 1), pads[1]
    large = geometry.transposed_size(size, kernel, stride, padding, dilation)
    assert geometry.output_size(large, kernel, stride, padding, dilation) == size
    assert geometry.output_size(large - 1, kernel, stride, padding, dilation) == size - 1


def test_same_padding_keeps_the_size_and_puts_the_odd_pixel_last():
    assert geometry.same_padding(3, 1) == (1, 1)
    assert geometry.same_padding(4, 1) == (1, 2)
    assert geometry.same_padding(2, 3) == (1, 2)


def test_pad_crops_where_padding_is_negative_and_is_undone_by_its_negative():
    x = np.arange(12).reshape(1, 1, 3, 4)
    padded = reference.pad(x, ((1, -1), (0, 2)), 7)
    assert padded[0, 0].tolist() == [[7] * 6, [0, 1, 2, 3, 7, 7], [4, 5, 6, 7, 7, 7]]
    padded = reference.pad(x, ((1, 2), (3, 0)))
    assert reference.pad(padded, ((-1, -2), (-3, 0))).tolist() == x.tolist()
    assert reference.pad(x, ((5, -4), (-6, 3))).tolist() == [[[[0]] * 4]]


@pytest.mark.parametrize("images, rows, row_bytes", [(5, 4, 10**5), (3, 7, 10**6), (7, 3, 10**9)])
def test_blocks_cover_every_row_of_every_image_once(images, rows, row_bytes):
    seen = np.zeros((images, rows), dtype=int)
    for block in layout.blocks(images, rows, row_bytes):
        seen[block] += 1
    assert (seen == 1).all()


def test_workspaces_are_reused_and_belong_to_one_thread():
    mine = layout.workspace("a role", (4, 5), np.dtype("float32"))
    assert np.shares_memory(mine, layout.workspace("a role", (20,), np.dtype("float32")))
    other = []
    thread = threading.Thread(
        target=lambda: other.append(layout.workspace("a role", (20,), np.dtype("float32")))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, other[0])


def test_get_picks_tuned_kernels_for_floating_numpy_arrays_only():
    x, w = np.ones((1, 1, 4, 4), "float32"), np.ones((1, 1, 2, 2), "float32")
    assert kernels.get("conv2d", x, w) is cpu.conv2d
    assert kernels.get("conv2d", x, w.astype("float64")) is reference.conv2d
    assert kernels.get("conv2d", x.astype(int), w.astype(int)) is reference.conv2d
    assert kernels.get("conv2d", x[:0], w) is reference.conv2d
    assert kernels.get("conv2d", np.ma.array(x), w) is reference.conv2d


def test_use_reference_holds_inside_the_block_and_in_its_thread_only():
    x = np.ones((1, 1, 4, 4))
    elsewhere = []
    with kernels.use("reference"):
        assert kernels.get("max_pool2d", x) is reference.max_pool2d
        thread = threading.Thread(target=lambda: elsewhere.append(kernels.get("max_pool2d", x)))
        thread.start()
        thread.join()
        with kernels.use("tuned"):
            assert kernels.get("max_pool2d", x) is cpu_pool.max_pool2d
        assert kernels.get("max_pool2d", x) is reference.max_pool2d
    assert elsewhere == [cpu_pool.max_pool2d]
    assert kernels.get("max_pool2d", x) is cpu_pool.max_pool2d


def test_use_names_what_it_knows():
    with pytest.raises(UnknownNameError, match=r"'referense' is not known.* Did you mean 'ref"):
        with kernels.use("referense"):
            pass


def test_every_kernel_has_a_reference():
    assert all("reference" in implementations for implementations in kernels.TABLE.values())
