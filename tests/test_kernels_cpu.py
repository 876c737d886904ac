"""Every path of the tuned CPU kernels against the reference in float64, to rounding.

Which path a kernel takes depends on shapes, strides and memory. Small random shapes would seldom
reach the special ones, so each has a test whose draws lead there, and which asserts that they did.
Blocks are made so small that several threads have something to do.

How much rounding is allowed follows from the number of the terms and from their sizes, which the
reference gives when it is run on ones and on absolute values.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import threads
from minicnn.kernels import (
    TABLE,
    cpu,
    cpu_batch_last,
    cpu_columns,
    cpu_depthwise,
    cpu_loss,
    cpu_matmul,
    cpu_norm,
    cpu_pool,
    cpu_relu,
    cpu_sum,
    cpu_taps,
    cpu_winograd,
    layout,
    loss,
    reference,
)

many, some, few = (settings(max_examples=n, deadline=None) for n in (200, 100, 30))

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
KERNEL = st.tuples(st.integers(1, 4), st.integers(1, 4))
PADDING = st.tuples(*[st.tuples(st.integers(-1, 2), st.integers(-1, 3))] * 2)
DTYPE = st.sampled_from(("float32", "float64", "float16"))


@pytest.fixture(autouse=True)
def usual_number_of_threads_and_ways():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)
    cpu._way.cache_clear()  # what was chosen with other constants


# ----------------------------------------------------------------------------- memory layouts


def in_order(x, *axes):
    """Return the values of `x` in memory whose slowest axis is axes[0]."""
    return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))


def channels_last(x):
    return in_order(x, 0, *range(2, x.ndim), 1) if x.ndim > 1 else x


def batch_last(x):
    return in_order(x, *range(1, x.ndim), 0)


def filters_last(x):
    """The memory order of filters; see `layout.filters_last`."""
    if x.ndim != 4:
        return np.asfortranarray(x)
    w = layout.filters_last(x.shape, x.dtype)
    w[...] = x
    return w


def stepped(x, *axes):
    """Return a view of every second element along `axes` of an array; between them is NaN."""
    order = np.argsort([-abs(s) for s in x.strides], kind="stable")
    shape = [2 * n + 1 if axis in axes else n for axis, n in enumerate(x.shape)]
    whole = in_order(np.full(shape, np.nan, x.dtype), *order)
    view = whole[tuple(slice(1, None, 2) if a in axes else slice(None) for a in range(x.ndim))]
    view[...] = x
    return view


def inside(x):
    """Return a view of the middle of larger images, channels last, with NaN around it."""
    outer = range(min(x.ndim, 2))
    widths = [(0, 0) if axis in outer else (1, 2) for axis in range(x.ndim)]
    whole = channels_last(np.pad(x, widths, constant_values=np.nan))
    return whole[tuple(slice(None) if axis in outer else slice(1, -2) for axis in range(x.ndim))]


def turned(x, *axes):
    """Return the values of `x` by way of negative strides along `axes`."""
    back = tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim))
    memory = np.empty_like(x)
    memory[...] = x[back]
    return memory[back]


LAYOUTS = {
    "row-major": np.ascontiguousarray,
    "channels-last": channels_last,
    "batch-last": batch_last,
    "filters-last": filters_last,
    "steps": lambda x: stepped(x, *range(x.ndim)),
    "steps in channels-last": lambda x: stepped(channels_last(x), 0, *range(2, x.ndim)),
    "steps in batch-last": lambda x: stepped(batch_last(x), *range(1, x.ndim)),
    "inside": inside,
    "images reversed": lambda x: turned(x, 0),
    "columns reversed": lambda x: turned(x, x.ndim - 1),
    "reversed": lambda x: turned(x, *range(x.ndim)),
    "channels-last, pixels reversed": lambda x: turned(channels_last(x), *range(2, x.ndim)),
    # These three change values: they repeat one image, one pixel, one number.
    "one image": lambda x: np.broadcast_to(channels_last(x[:1]), x.shape),
    "one pixel": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "one number": lambda x: np.broadcast_to(x[(slice(0, 1),) * x.ndim], x.shape),
}
LAYOUT = st.sampled_from(tuple(LAYOUTS))
# float16 becomes float32 in dense memory of the same order, and so may be batch-last only then.
NOT_BATCH_LAST = st.sampled_from(
    tuple(kind for kind in LAYOUTS if "batch-last" not in kind and kind != "filters-last")
)


def lay_out(x, kind):
    """Return `x` in memory of another kind, not to be written to."""
    view = LAYOUTS[kind](x)
    assert view.shape == x.shape
    view = view.view()
    view.flags.writeable = False
    return view


def numbers(draw, shape, dtype, kinds=LAYOUT):
    """Return normal numbers of a drawn seed in a drawn layout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return lay_out(rng.standard_normal(shape).astype(dtype), draw(kinds))


# ----------------------------------------------------------------- threads, blocks and checks


@contextlib.contextmanager
def machine(number, cache):
    """Run on `number` threads and, unless it is None, with `cache` bytes to a block.

    Then every block is worth a thread, however small.
    """
    threads.set_num_threads(number)
    cpu._way.cache_clear()
    with contextlib.ExitStack() as stack:
        if cache is not None:
            for module, name, value in (
                (layout, "CACHE_BYTES", cache),
                (layout, "HANDOVER_BYTES", 1),
                (cpu_batch_last, "CACHE_BYTES", cache),
                (cpu_loss, "CACHE_BYTES", cache),
                (cpu_loss, "WORTH", 0),
                (cpu_batch_last, "WORTH", 0),
                (cpu_matmul, "WORTH", 1),
            ):
                stack.enter_context(mock.patch.object(module, name, value))
        yield


MACHINE = st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from((3000, 1, 100_000, None)))


@contextlib.contextmanager
def passing(module, name):
    """Fail unless the function `name` of `module` is called inside the `with` block."""
    with mock.patch.object(module, name, wraps=getattr(module, name)) as spy:
        yield
    assert spy.called, f"{name} did not run"


def widened(arguments):
    return [a.astype("float64") if isinstance(a, np.ndarray) else a for a in arguments]


def run(name, *arguments):
    """Return what the tuned kernel gives: the same bits twice, its inputs as they were."""
    before = [a.copy() for a in arguments if isinstance(a, np.ndarray)]
    results = [TABLE[name]["cpu"](*arguments) for _ in range(2)]
    first, second = (r if isinstance(r, tuple) else (r,) for r in results)
    after = [a for a in arguments if isinstance(a, np.ndarray)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        for other in (*after, b, *layout._memory.roles.values()):
            assert not np.may_share_memory(a, other)
    return results[0]


def assert_close(got, exact, bound, dtype):
    """Assert |got - exact| <= bound, and dtype and shape; an infinite bound allows nothing."""
    assert got.dtype == dtype
    assert got.shape == exact.shape
    assert np.isfinite(bound).all()
    error = np.abs(got - exact)
    worst = np.argmax(error - bound) if error.ndim else 0
    message = f"off by {error.flat[worst]}, allowed {bound.flat[worst]}"
    assert (error <= bound).all(), message


def check(name, *arguments, spread=False):
    """Assert that a linear kernel is right to what rounding can do, and return what it gives.

    A sum of n products is off by n eps / 2 of the sum of their absolute values at most, whatever
    the order (Higham, Accuracy and Stability, section 3.1); float16 is added up in float32 and
    rounded once. The kernel is linear in each array, so that the reference of absolute values adds
    up those of the terms, and that of ones counts them. Winograd's way mixes the terms with those
    of neighbours: `spread` allows all what the largest has.
    """
    got, wide = run(name, *arguments), widened(arguments)
    terms = TABLE[name]["reference"](*[abs(a) if isinstance(a, np.ndarray) else a for a in wide])
    terms = np.full_like(terms, terms.max()) if spread else terms
    ones = [np.ones_like(a) if isinstance(a, np.ndarray) else a for a in wide]
    n = 4 + np.max(TABLE[name]["reference"](*ones), initial=0)  # and what is done with the sum
    of = np.finfo(arguments[0].dtype)
    added = min(float(of.eps), float(np.finfo("float32").eps))
    off = n * added / 2 + (float(of.eps) if of.bits == 16 else 0)
    bound = np.asarray(off * terms + float(of.smallest_subnormal))
    exact = np.asarray(TABLE[name]["reference"](*wide))
    assert_close(got, exact, bound, arguments[0].dtype)
    return got


# -------------------------------------------------------------------------------- convolution


class Convolution(NamedTuple):
    x: Any
    w: Any
    dy: Any
    b: Any
    options: tuple  # stride, padding, dilation, groups

    def forward(self):
        return "conv2d", self.x, self.w, *self.options, self.b

    def input_grad(self):
        return "conv2d_input_grad", self.dy, self.w, self.x.shape[2:], *self.options

    def weight_grad(self):
        return "conv2d_weight_grad", self.dy, self.x, self.w.shape[2:], *self.options


def convolution(
    draw, n, c, f, kernel, out, stride=(1, 1), dilation=(1, 1), groups=1, padding=PADDING,
    dtype=DTYPE, dy_kinds=LAYOUT, x_kinds=LAYOUT,
):  # fmt: skip
    """Draw the rest of a convolution of at least `out` outputs, c and f for each group."""
    padding, dtype = draw(padding), draw(dtype)
    hw = tuple(
        max(
            (out[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1 - sum(padding[a])
            + draw(st.integers(0, stride[a] - 1)),  # pixels that no window reaches
            1,
        )
        for a in (0, 1)
    )  # fmt: skip
    out = reference.output_hw(hw, kernel, stride, padding, dilation)
    x = numbers(draw, (n, groups * c, *hw), dtype, x_kinds)
    w = numbers(draw, (groups * f, c, *kernel), dtype)
    dy = numbers(draw, (n, groups * f, *out), dtype, dy_kinds)
    b = draw(st.none() | st.just(dtype))
    b = None if b is None else numbers(draw, (groups * f,), b, st.just("row-major"))
    return Convolution(x, w, dy, b, (stride, padding, dilation, groups))


@many
@given(st.data(), MACHINE)
def test_convolution_equals_the_reference_for_any_window_and_memory(data, on):
    draw = data.draw
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    c, f = draw(st.sampled_from((1, 2, 3, 8, 17))), draw(st.sampled_from((1, 2, 5)))
    n, out = draw(st.sampled_from((1, 2, 5, 17))), draw(st.tuples(*[st.integers(1, 9)] * 2))
    conv = convolution(draw, n, c, f, draw(KERNEL), out, draw(PAIR), draw(PAIR), groups)
    with machine(*on):
        check(*conv.forward())
        check(*conv.input_grad())
        check(*conv.weight_grad())


@some
@given(st.data(), MACHINE)
def test_strips_equal_the_reference(data, on):
    draw = data.draw
    kernel = draw(st.integers(2, 4)), draw(st.integers(1, 4))
    stride = draw(st.integers(1, kernel[0] - 1)), draw(st.integers(1, 2))
    c, f, groups = draw(st.integers(2, 20)), draw(st.integers(9, 12)), draw(st.integers(1, 2))
    out = draw(st.integers(1, 6)), draw(st.integers(8, 20))
    conv = convolution(
        draw, draw(st.integers(1, 7)), c, f, kernel, out, stride, groups=groups,
        dilation=(1, draw(st.integers(1, 2))), dy_kinds=NOT_BATCH_LAST,
    )  # fmt: skip
    least = c * f * kernel[0] * kernel[1]  # multiply-adds for one row of a product
    split = draw(st.booleans())  # into the smallest products that strips are good for
    with machine(*on):
        with mock.patch.object(cpu_columns, "SMALL", 8 * least if split else cpu_columns.SMALL):
            with passing(cpu_columns, "_strip"):
                check(*conv.forward())
            if stride == (1, 1) and conv.x.shape[3] >= 8:
                with passing(cpu_columns, "_strip"):
                    check(*conv.input_grad())


@some
@given(st.data(), MACHINE, st.sampled_from(("dilated", "1x1", "strided", "narrow", "wide")))
def test_columns_equal_the_reference(data, on, why):
    draw = data.draw
    kernel, stride, dilation = draw(st.tuples(*[st.integers(2, 3)] * 2)), (1, 1), (1, 1)
    width, products = draw(st.integers(8, 11)), draw(st.sampled_from((3, 20)))
    if why == "dilated":
        dilation = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    elif why == "1x1":
        kernel, stride = (1, 1), draw(PAIR)
    elif why == "strided":
        stride = kernel[0] + draw(st.integers(0, 1)), draw(st.integers(1, 3))
    elif why == "narrow":
        width, stride = draw(st.integers(1, 3)), draw(st.tuples(st.just(1), st.integers(1, 2)))
    else:  # too many products for a strip, and perhaps for several rows at once
        products = 3
    c, f, groups = draw(st.integers(2, 20)), draw(st.integers(9, 12)), draw(st.integers(1, 2))
    conv = convolution(
        draw, draw(st.integers(1, 5)), c, f, kernel, (draw(st.integers(1, 7)), width), stride,
        dilation, groups, dy_kinds=NOT_BATCH_LAST, padding=st.just(((0, 1), (1, 0))),
    )  # fmt: skip
    tight = products * c * f * kernel[0] * kernel[1]
    small = draw(st.sampled_from((tight, 10**6)))
    with machine(*on), mock.patch.object(cpu_columns, "SMALL", small):
        if why != "wide" or small == tight:
            with passing(cpu_columns, "_columns"):
                check(*conv.forward())
        check(*conv.forward())
        check(*conv.input_grad())


@some
@given(st.data(), MACHINE, st.sampled_from(("rows of taps", "short products", "columns")))
def test_filter_gradients_equal_the_reference_in_products_of_any_length(data, on, way):
    draw = data.draw
    kernel, stride, dilation = (draw(st.tuples(*[st.integers(1, 4)] * 2)) for _ in range(3))
    c, f, groups = draw(st.integers(2, 20)), draw(st.integers(9, 12)), draw(st.integers(1, 2))
    conv = convolution(
        draw, draw(st.integers(1, 7)), c, f, kernel, draw(st.tuples(*[st.integers(1, 9)] * 2)),
        stride, dilation, groups, dy_kinds=NOT_BATCH_LAST,
    )  # fmt: skip
    small = c * f * kernel[1] * draw(st.integers(1, 40)) if way == "short products" else 10**6
    long = {"rows of taps": cpu_columns.LONG, "short products": 1, "columns": 10**6}[way]
    with machine(*on), mock.patch.multiple(cpu_columns, SMALL=small, LONG=long):
        with passing(cpu_columns, "_add_columns" if way == "columns" else "_add_rows_of_taps"):
            check(*conv.weight_grad())


@some
@given(st.data(), MACHINE)
def test_the_gradient_of_strided_images_equals_the_reference(data, on):
    """Phases that nothing saw, phases of one tap, kernels smaller than the stride and dilated."""
    draw = data.draw
    stride = draw(st.sampled_from(((2, 2), (2, 1), (1, 2), (3, 2))))
    c, f, groups = draw(st.integers(2, 20)), draw(st.integers(1, 12)), draw(st.integers(1, 2))
    out = draw(st.tuples(*[st.integers(1, 9)] * 2))
    conv = convolution(
        draw, draw(st.integers(1, 5)), c, f, draw(KERNEL), out, stride, draw(PAIR), groups
    )
    with machine(*on), passing(cpu, "_taps_that_saw"):
        check(*conv.input_grad())


@settings(max_examples=30, deadline=None)
@given(st.data(), MACHINE)
def test_tap_by_tap_equals_the_reference(data, on):
    """Tiny images with a border of zeros: many taps see no pixel, some none in any window."""
    draw = data.draw
    (c, f), n = draw(st.sampled_from(((128, 128), (256, 64), (64, 256)))), draw(st.integers(1, 5))
    size, dilation = draw(st.tuples(*[st.integers(1, 4)] * 2)), draw(st.sampled_from((1, 1, 2)))
    stride = draw(st.sampled_from(((1, 1), (2, 2), (1, 2))))
    kernel, border = draw(st.sampled_from(((3, 1), (3, 1), (5, 2))))
    border *= dilation
    dtype = draw(DTYPE)
    x = numbers(draw, (n, c, *size), dtype)
    w = numbers(draw, (f, c, kernel, kernel), dtype)
    b = draw(st.sampled_from((None, np.arange(f, dtype=dtype))))
    options = stride, ((border, border),) * 2, (dilation, dilation), 1
    out = reference.output_hw(size, (kernel, kernel), *options[:3])
    dy = numbers(draw, (n, f, *out), dtype, NOT_BATCH_LAST)
    conv = Convolution(x, w, dy, b, options)
    with machine(*on):
        with passing(cpu_taps, "_add_products"):
            check(*conv.forward())
        with passing(cpu_taps, "_add_products"):
            check(*conv.input_grad())
        with passing(cpu_taps, "_as_matrix"):
            check(*conv.weight_grad())


@many
@given(st.data(), MACHINE)
def test_depthwise_convolution_equals_the_reference(data, on):
    draw = data.draw
    groups, out = draw(st.integers(2, 20)), draw(st.tuples(*[st.integers(1, 10)] * 2))
    n, stride = draw(st.integers(1, 6)), draw(PAIR)
    conv = convolution(draw, n, 1, 1, draw(KERNEL), out, stride, draw(PAIR), groups)
    with machine(*on):
        with passing(cpu_depthwise, "_per_pixel"):
            check(*conv.forward())
        with passing(cpu_depthwise, "_per_pixel"):
            check(*conv.input_grad())
        with passing(cpu_depthwise, "_slices"):
            check(*conv.weight_grad())


# --------------------------------------------------------------------------------- Winograd


def winograd_convolution(draw, sizes):
    """Draw a convolution with pixels enough for Winograd's way, of even and of odd width."""
    c, f = draw(st.sampled_from(sizes))
    kernel = draw(st.integers(1, 3)), 3
    out = draw(st.integers(5, 12)), draw(st.integers(7, 19))
    n = -(-1024 // (out[0] * out[1]))
    # No padding below -1: the gradient of the images must have pixels enough too.
    border = st.tuples(*[st.tuples(st.integers(-1, 1), st.integers(-1, 1))] * 2)
    return convolution(draw, n, c, f, kernel, out, padding=border, dy_kinds=NOT_BATCH_LAST)


@contextlib.contextmanager
def winograd_in_pieces(conv, split):
    """Let products have four rows at most, if they are to be split."""
    small = 4 * conv.w.size // 3 if split else cpu_winograd.SMALL
    with mock.patch.object(cpu_winograd, "SMALL", small):
        yield


@few
@given(st.data(), MACHINE, st.booleans())
def test_winograd_convolution_equals_the_reference(data, on, split):
    conv = winograd_convolution(data.draw, ((64, 64), (32, 128), (128, 40)))
    with machine(*on), winograd_in_pieces(conv, split), passing(cpu_winograd, "_four_pixels"):
        check(*conv.forward(), spread=True)


@few
@given(st.data(), MACHINE, st.booleans())
def test_winograd_gradient_of_the_images_equals_the_reference(data, on, split):
    conv = winograd_convolution(data.draw, ((64, 64), (32, 128), (128, 40)))
    enough = mock.patch.object(cpu_winograd, "PIXELS", 512)  # cropped images have fewer
    with machine(*on), winograd_in_pieces(conv, split), enough:
        with passing(cpu_winograd, "_four_pixels"):
            check(*conv.input_grad(), spread=True)


@few
@given(st.data(), MACHINE)
def test_winograd_gradient_of_the_filters_equals_the_reference(data, on):
    conv = winograd_convolution(data.draw, ((64, 128), (128, 64)))
    with machine(*on), passing(cpu_winograd, "_four_pixels"):
        check(*conv.weight_grad(), spread=True)


# ------------------------------------------------------------------------------- batch last


BATCH = st.sampled_from((16, 17, 31, 64, 130, 200))


@some
@given(st.data(), MACHINE, st.booleans())
def test_batch_last_convolution_begins_with_few_filters_and_is_kept_with_more(data, on, begins):
    draw = data.draw
    f = draw(st.integers(1, 8) if begins else st.integers(9, 16))
    conv = convolution(
        draw, draw(BATCH), draw(st.integers(1, 6)), f, draw(KERNEL),
        draw(st.tuples(*[st.integers(1, 9)] * 2)), draw(PAIR), (1, draw(st.integers(1, 3))),
        x_kinds=LAYOUT if begins else st.just("batch-last"),
    )  # fmt: skip
    kept = begins or layout.is_batch_last(conv.x)  # one channel of one pixel is both
    with machine(*on):
        with passing(cpu_batch_last, "_padded") if kept else contextlib.nullcontext():
            y = check(*conv.forward())
    assert not kept or y.transpose(1, 2, 3, 0).flags.c_contiguous


@some
@given(st.data(), MACHINE)
def test_batch_last_gradients_equal_the_reference(data, on):
    draw = data.draw
    stride = draw(st.sampled_from(((1, 1), (2, 2), (3, 1), (2, 3))))
    c = draw(st.integers(1, 9))
    conv = convolution(
        draw, draw(BATCH | st.integers(2, 5)), c, draw(st.integers(2, 16)),
        draw(KERNEL), draw(st.tuples(st.integers(1, 9), st.integers(2, 9))), stride,
        (1, draw(st.integers(1, 3))),
        dy_kinds=st.just("batch-last"), x_kinds=st.just("batch-last") | LAYOUT,
    )  # fmt: skip
    with machine(*on), mock.patch.object(cpu_batch_last, "SMALL", 1):  # long products are split
        folded = stride == (1, 1) and c < 8
        with passing(cpu_batch_last, "_multiply") if folded else contextlib.nullcontext():
            check(*conv.input_grad())
        with passing(cpu_batch_last, "_padded"):
            check(*conv.weight_grad())


# ------------------------------------------------------------------------------ bias and relu


@many
@given(st.data(), MACHINE, DTYPE, st.sampled_from((1, cpu_relu.PIECE)))
def test_a_bias_and_relu_and_their_gradients_equal_the_reference(data, on, dtype, piece):
    draw = data.draw
    c = draw(st.integers(1, 20))
    shape = (draw(st.integers(1, 40)), c, *draw(st.lists(st.integers(1, 9), max_size=2)))
    x, b = numbers(draw, shape, dtype), numbers(draw, (c,), dtype)
    with machine(*on), mock.patch.object(cpu_relu, "PIECE", piece):
        y = run("bias_relu", x, b)
        np.testing.assert_array_equal(y, reference.bias_relu(x, b))
        assert y.dtype == dtype
        dy, y = numbers(draw, shape, dtype), lay_out(y, draw(LAYOUT))
        dx, db = run("bias_relu_grad", dy, y)
    exact_dx, exact_db = reference.bias_relu_grad(*widened((dy, y)))
    np.testing.assert_array_equal(dx, exact_dx)
    terms = abs(exact_dx).sum((0, *range(2, x.ndim)))
    wide = np.promote_types(dtype, "float32")
    bound = dx.size // c * np.finfo(wide).eps / 2 * terms
    assert dx.dtype == dtype
    assert_close(db, exact_db, bound, wide)


# ---------------------------------------------------------------------------------- pooling


def pixels(draw, shape, dtype, special, kinds=LAYOUT):
    """Draw images of few values, so that there are ties, perhaps among `special` values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    x = rng.integers(-3, 4, shape).astype(dtype)
    if special:
        x[rng.random(shape) < draw(st.sampled_from((0.02, 0.5, 0.9)))] = draw(
            st.sampled_from(special)
        )
    return lay_out(x, draw(kinds))


def check_max_pool(draw, x, dy, windows):
    """Assert that both directions of max pooling give exactly what the reference does."""
    with np.errstate(invalid="ignore"):
        y, winner = run("max_pool2d", x, *windows)
        expected, won = reference.max_pool2d(x, *windows)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(winner, won)
        assert y.dtype == x.dtype
        if draw(st.booleans()):  # winners of another kind of integer, in memory of its own
            floats = lay_out(won.astype("float64"), draw(LAYOUT))
            winner = np.empty_like(floats, dtype="int32")
            winner[...] = floats
        arguments = (dy, winner, x.shape[2:], *windows[:4])
        dx = run("max_pool2d_input_grad", *arguments)
        expected = reference.max_pool2d_input_grad(*widened([dy])[:1], *arguments[1:])
        bound = reference.max_pool2d_input_grad(abs(dy.astype("float64")), *arguments[1:])
    assert dx.dtype == dy.dtype
    finite = np.isfinite(expected)
    bound = 4 * float(np.finfo(dy.dtype).eps) * bound[finite]
    assert_close(dx[finite], expected[finite], bound, dy.dtype)
    np.testing.assert_array_equal(dx[~finite], expected[~finite])
    return y, dx


SPECIAL = st.sampled_from(((), (-np.inf,), (np.nan,), (np.inf, -np.inf), (np.nan, -np.inf)))


@many
@given(st.data(), MACHINE, DTYPE, SPECIAL)
def test_tournament_pooling_equals_the_reference_exactly(data, on, dtype, special):
    draw = data.draw
    size = draw(st.tuples(*[st.integers(2, 9)] * 2))
    n, c = draw(st.integers(1, 20)), draw(st.sampled_from((1, 2, 3, 17)))
    x = pixels(draw, (n, c, *size), dtype, special)
    out = (size[0] // 2, size[1] // 2)
    dy = pixels(draw, (n, c, *out), dtype, draw(SPECIAL))
    windows = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), out)
    with machine(*on), passing(cpu_pool, "_tournament"), passing(cpu_pool, "_to_winners"):
        y, _ = check_max_pool(draw, x, dy, windows)
    order = (1, 2, 3, 0) if layout.is_batch_last(x) else (0, 2, 3, 1)
    assert dtype == "float16" or y.transpose(order).flags.c_contiguous


@st.composite
def pooling_windows(draw, dilated):
    """Draw (size of the images, (kernel, stride, padding, dilation, output size))."""
    kernel, stride = draw(KERNEL), draw(PAIR)
    dilation = draw(PAIR) if dilated else (1, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.tuples(*[st.integers(0, k // 2)] * 2)) for k in kernel)
    hw = tuple(draw(st.integers(r, r + 5)) for r in reach)
    ceil_mode = draw(st.booleans())
    out = tuple(
        oracles.pooled_size(hw[a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode)
        for a in (0, 1)
    )
    return hw, (kernel, stride, padding, dilation, out)


@many
@given(st.data(), MACHINE, DTYPE, SPECIAL, pooling_windows(dilated=True))
def test_max_pooling_equals_the_reference_for_any_window_and_memory(
    data, on, dtype, special, drawn
):
    (hw, windows), draw = drawn, data.draw
    n, c = draw(st.integers(1, 20)), draw(st.sampled_from((1, 2, 3, 17)))
    x = pixels(draw, (n, c, *hw), dtype, special)
    with machine(*on):
        check_max_pool(draw, x, numbers(draw, (n, c, *windows[4]), dtype), windows)


@many
@given(st.data(), MACHINE, DTYPE, pooling_windows(dilated=False), st.booleans())
def test_average_pooling_equals_the_reference_for_any_window_and_memory(
    data, on, dtype, drawn, one_divisor
):
    (hw, (kernel, stride, padding, _, out)), draw = drawn, data.draw
    shape = (draw(st.integers(1, 20)), draw(st.sampled_from((1, 2, 3, 17))))
    x, dy = numbers(draw, (*shape, *hw), dtype), numbers(draw, (*shape, *out), dtype)
    divisor = 3 if one_divisor else np.linspace(1, 9, out[0] * out[1]).reshape(out).astype(dtype)
    with machine(*on):
        check("avg_pool2d", x, kernel, stride, padding, out, divisor)
        check("avg_pool2d_input_grad", dy, hw, kernel, stride, padding, divisor)


# ---------------------------------------------------------------------------- normalisation


@many
@given(st.data(), MACHINE, st.sampled_from((0.0, 0.5, 3.0, 1000.0)), st.booleans())
def test_normalisation_equals_the_reference_near_and_far_from_zero(data, on, mean, constant):
    """x_hat = (x - m) r cannot be better than m, which is off by eps m; and while m^2 < 16 var, var
    is a difference, (var + m^2) - m^2, in which m^2 / var more eps are lost."""
    draw = data.draw
    groups, width = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    dtype, eps = draw(st.sampled_from(("float32", "float64"))), 1e-5
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from((1, 7, 32, 96, 301))), groups * width)
    kinds = st.just("row-major") | LAYOUT
    x = numbers(draw, shape, dtype, st.just("row-major")) + np.asarray(mean, dtype)
    if constant:
        x[:, :, :width] = mean  # the whole first group
    x = lay_out(x, draw(kinds))
    w, b = (numbers(draw, shape[2:], dtype, st.just("row-major")) for _ in range(2))
    dy = numbers(draw, shape, dtype, kinds)
    run_length = draw(st.sampled_from((1, 40, cpu_norm.RUN)))
    with machine(*on), mock.patch.object(cpu_norm, "RUN", run_length):
        y, m, var = run("channel_norm", x, w, b, groups, eps)
        exact_y, exact_m, exact_var = TABLE["channel_norm"]["reference"](
            *widened((x, w, b)), groups, eps
        )
        stats = (exact_m.astype(dtype), (1 / np.sqrt(exact_var + eps)).astype(dtype))
        gradients = run("channel_norm_grad", dy, x, w, *stats)
        exact = TABLE["channel_norm_grad"]["reference"](*widened((dy, x, w, *stats)))

    # Terms of one sign are added in chains of up to P, and in float64 the exact ones are not exact.
    off = (8 + shape[1]) * float(np.finfo(dtype).eps)
    m1, r1 = abs(exact_m), 1 / np.sqrt(exact_var + eps)  # (B, G)
    size = widened([abs(x)])[0].reshape(*shape[:2], groups, -1).mean((1, 3))
    lost = np.minimum(m1**2, cpu_norm.FAR * exact_var)
    assert_close(m, exact_m, off * size, dtype)
    assert_close(var, exact_var, off * (exact_var + lost) + (off * m1) ** 2, dtype)

    def per_channel(v):
        return np.repeat(v, width, axis=1)[:, None]  # (B, 1, C)

    m, r, lost = per_channel(exact_m), per_channel(r1), per_channel(1 + lost * r1**2)
    d = abs(x - m)
    bound = off * (abs(w) * r * (d * lost + abs(m)) + abs(b))
    # What m differs by also adds to var: half of it, in terms of r.
    bound += abs(w) * r * d * (off * abs(m) * r) ** 2
    assert_close(y, exact_y, bound, dtype)

    m, r = (per_channel(s.astype("float64")) for s in stats)
    d = abs(x - m) + np.minimum(abs(m), cpu_norm.FAR**0.5 / r)  # what is multiplied with dy
    g = abs(w * dy).astype("float64")
    by_group = (*shape[:2], groups, -1)
    g_mean = per_channel(g.reshape(by_group).mean((1, 3)))
    gd_mean = per_channel((g * d).reshape(by_group).mean((1, 3)))
    bounds = (
        off * r * (g + g_mean + r**2 * gd_mean * d),
        off * (abs(dy) * d * r).sum((0, 1)),
        off * abs(dy).astype("float64").sum((0, 1)),
    )
    for got, want, bound in zip(gradients, exact, bounds, strict=True):
        assert_close(got, want, bound, dtype)


@some
@given(st.data(), MACHINE)
def test_scale_and_shift_equal_the_reference(data, on):
    draw, dtype = data.draw, data.draw(st.sampled_from(("float32", "float64")))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 99)), draw(st.integers(1, 20)))
    x = numbers(draw, shape, dtype)
    scale, shift = (numbers(draw, shape[2:], dtype) for _ in range(2))
    with machine(*on):
        check("scale_shift", x, scale, shift)


# ------------------------------------------------------------------------- products and sums


@many
@given(st.data(), MACHINE)
def test_matrix_products_equal_the_reference_for_any_batch_and_memory(data, on):
    draw = data.draw
    m, k, n = (draw(st.integers(1, 12)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 4), max_size=2))
    ones = [[draw(st.sampled_from((size, 1))) for size in batch] for _ in range(2)]
    first, second = (sizes[draw(st.integers(0, len(sizes))) :] for sizes in ones)
    dtype = draw(DTYPE)
    a, b = numbers(draw, (*first, m, k), dtype), numbers(draw, (*second, k, n), dtype)
    with machine(*on):
        check("matmul", a, b)


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize(
    "a, b",
    [
        ((700, 192), (192, 240)),
        ((240, 192), (192, 700)),
        ((5, 120, 180), (5, 180, 250)),
        ((5, 120, 180), (180, 250)),
        ((120, 180), (5, 180, 250)),
        ((3, 1, 120, 180), (2, 180, 250)),
        ((1, 300, 180), (1, 180, 500)),
    ],
    ids=["tall", "wide", "batches", "one-right", "one-left", "broadcast", "batch-of-one"],
)
def test_large_matrix_products_are_split_among_threads(a, b, number):
    rng, transposed = np.random.default_rng(0), itertools.product((False, True), repeat=2)
    shapes = (a, b)
    threads.set_num_threads(number)
    for turns in transposed:
        a, b = (rng.standard_normal(shape).astype("float32") for shape in shapes)
        a, b = (
            np.ascontiguousarray(z.swapaxes(-1, -2)).swapaxes(-1, -2) if turn else z
            for z, turn in zip((a, b), turns, strict=True)
        )
        with mock.patch.object(cpu_matmul, "each", wraps=threads.each) as each:
            check("matmul", a, b)
        assert len(each.call_args.args[1]) > 1


@many
@given(st.data(), MACHINE, st.booleans(), DTYPE)
def test_sums_equal_the_reference_over_any_axes_and_memory(data, on, keepdim, dtype):
    draw = data.draw
    shape = draw(st.lists(st.integers(1, 9), min_size=2, max_size=4))
    dim = tuple(a for a in range(len(shape)) if draw(st.booleans()))
    x = numbers(draw, shape, dtype)
    run_length = draw(st.sampled_from((4, 512)))
    small = mock.patch.multiple(cpu_sum, WORTH=1, RUN=run_length)
    with machine(*on), small:
        got = run("sum", x, dim, keepdim)
    wide = x.astype("float64")
    of = "float32" if dtype == "float16" else dtype
    bound = 8 * float(np.finfo(of).eps) * reference.sum(abs(wide), dim, keepdim)
    assert_close(got, reference.sum(wide, dim, keepdim), np.asarray(bound), of)


@pytest.mark.parametrize("keepdim", [False, True], ids=["dropped", "kept"])
@pytest.mark.parametrize(
    "kind, dim",
    [
        ("channels-last", (0, 2, 3)),
        ("channels-last", (0,)),
        ("channels-last", (2, 0)),
        ("batch-last", (1, 2, 3)),
        ("batch-last", (1,)),
        ("row-major", (0, 1, 2)),
        ("row-major", (1, 0)),
    ],
)
def test_sums_over_the_slowest_axes_are_products(kind, dim, keepdim):
    x = np.random.default_rng(0).standard_normal((9, 12, 17, 19)).astype("float32")
    with passing(cpu_sum, "one_blas_thread"):
        check("sum", lay_out(x, kind), dim, keepdim)


# --------------------------------------------------------------------------------- memory


@some
@given(st.tuples(*[st.integers(1, 4)] * 4), DTYPE)
def test_new_arrays_own_their_memory_and_lie_in_it_as_they_say(shape, dtype):
    for new, order in (
        (layout.channels_last, (0, 2, 3, 1)),
        (layout.batch_last, (1, 2, 3, 0)),
        (layout.filters_last, (2, 3, 1, 0)),
    ):
        x = new(shape, np.dtype(dtype))
        assert x.base is None
        assert x.shape == shape
        assert x.dtype == dtype
        assert x.transpose(order).flags.c_contiguous


@pytest.mark.parametrize(
    "n, c, f, size, stride",
    [(2, 9, 12, 10, 1), (2, 9, 12, 10, 2), (32, 3, 6, 10, 1), (2, 128, 128, 3, 1),
     (8, 64, 128, 12, 1)],
    ids=["strips", "strided", "batch-last", "taps", "winograd"],
)  # fmt: skip
def test_results_of_convolutions_own_their_memory(n, c, f, size, stride):
    x, w = np.ones((n, c, size, size), "float32"), np.ones((f, c, 3, 3), "float32")
    options = ((stride, stride), ((1, 1), (1, 1)), (1, 1), 1)
    y = cpu.conv2d(x, w, *options)
    assert y.base is None
    assert cpu.conv2d_input_grad(y, w, (size, size), *options).base is None
    assert cpu.conv2d_weight_grad(y, x, (3, 3), *options).base is None


@st.composite
def steps(draw):
    """Draw a call of a kernel on images of few sizes: their rectangles share workspaces."""
    kind = draw(st.sampled_from(("conv2d", "max_pool2d", "avg_pool2d", "conv2d_input_grad")))
    n, hw = draw(st.sampled_from((1, 2, 4, 17))), draw(st.tuples(*[st.integers(3, 4)] * 2))
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 1), st.integers(0, 1))] * 2))
    stride = draw(st.sampled_from(((1, 1), (2, 2))))
    spoiled = draw(st.booleans())  # nothing that a later call may see
    seed = draw(st.integers(0, 99))
    return kind, n, hw, padding, stride, draw(st.sampled_from((2, 9))), spoiled, seed


def take(kind, n, hw, padding, stride, c, spoiled, seed):
    """Make the call, and check what it gives unless its images are NaN."""
    rng = np.random.default_rng(seed)
    kernel, out = (3, 3), reference.output_hw(hw, (3, 3), stride, padding, (1, 1))
    large = tuple((hw[a] - 1) * stride[a] + 3 - sum(padding[a]) for a in (0, 1))
    x = rng.standard_normal((n, c, *hw)).astype("float32")
    w = rng.standard_normal((c, c, *kernel)).astype("float32")
    arguments = {
        "conv2d": (x, w, stride, padding, (1, 1), 1),
        "max_pool2d": (x, kernel, stride, padding, (1, 1), out),
        "avg_pool2d": (x, kernel, stride, padding, out, 9),
        "conv2d_input_grad": (x, w, large, stride, padding, (1, 1), 1),
    }[kind]
    if spoiled:
        x[...] = np.nan
        with np.errstate(all="ignore"):
            TABLE[kind]["cpu"](*arguments)
    elif kind == "max_pool2d":
        got, expected = run(kind, *arguments), reference.max_pool2d(*arguments)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    else:
        check(kind, *arguments)


@many
@given(st.lists(steps(), min_size=4, max_size=8), MACHINE)
def test_no_call_leaves_anything_behind_for_the_next(calls, on):
    with machine(*on):
        for call in calls:
            take(*call)


@few
@given(*[st.lists(steps(), min_size=6, max_size=12)] * 2, MACHINE)
def test_threads_that_call_kernels_at_once_do_not_meet(mine, yours, on):
    errors = []

    def work(calls):
        try:
            for call in calls:
                take(*call)
        except BaseException as error:
            errors.append(error)

    with machine(*on):
        others = [threading.Thread(target=work, args=(calls,)) for calls in (mine, yours)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()
    if errors:
        raise errors[0]


# ----------------------------------------------------------------------------- cross entropy


@some
@given(st.data(), MACHINE)
def test_cross_entropy_equals_the_reference(data, on):
    draw = data.draw
    rows, classes = draw(st.integers(1, 200)), draw(st.integers(1, 40))
    dtype = draw(DTYPE)
    x = numbers(draw, (rows, classes), dtype)
    rng = np.random.default_rng(draw(st.integers(0, 5)))
    target = rng.integers(0, classes, rows)
    target[rng.random(rows) < draw(st.sampled_from((0.0, 0.3)))] = -100
    wide = "float32" if dtype == "float16" else dtype
    weight = draw(st.none() | st.just(rng.random(classes).astype(wide)))
    reduction = draw(st.sampled_from(("none", "sum")))
    options = (-100, reduction, draw(st.sampled_from((0.0, 0.1))))
    with machine(*on):
        found = TABLE["cross_entropy"]["cpu"](x, target, weight, *options)
    expected = loss.cross_entropy(x, target, weight, *options)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(wide).eps)
