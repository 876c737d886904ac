"""Pooling as users call it: values, gradients, sizes and errors, also against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import autograd
from minicnn.errors import ShapeError, UnsupportedError
from minicnn.ops import adaptive_pool, pool
from minicnn.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from minicnn.ops.from_data import tensor
from minicnn.ops.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from minicnn.tensor import Tensor


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def find(name):
    """Return the pooling function called `name`."""
    return getattr(adaptive_pool if name.startswith("adaptive") else pool, name)


def rand(*shape, dtype="float64", seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def both(torch, name, x, *arguments, **options):
    """Compare a function's values, indices, gradients and second derivatives with PyTorch's."""
    a, b = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = find(name)(a, *arguments, **options)
    z = getattr(torch.nn.functional, name)(b, *arguments, **options)
    if isinstance(z, tuple):
        assert y[1].dtype == np.int64
        np.testing.assert_array_equal(y[1].numpy(), z[1].numpy())
        y, z = y[0], z[0]
    assert y.shape == tuple(z.shape)
    assert str(y.dtype) == str(z.dtype).removeprefix("torch.")
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
    seed = rand(*y.shape, seed=1)
    g, h = tensor(seed, requires_grad=True), torch.tensor(seed, requires_grad=True)
    (da,) = autograd.grad(y, [a], g, create_graph=True)
    (db,) = torch.autograd.grad(z, [b], h, create_graph=True)
    np.testing.assert_allclose(da.detach().numpy(), db.detach().numpy(), atol=1e-12)
    (dda,) = autograd.grad((da * da).sum(), [g])
    (ddb,) = torch.autograd.grad((db * db).sum(), [h])
    np.testing.assert_allclose(dda.numpy(), ddb.numpy(), atol=1e-11)


# ------------------------------------------------------------------------ without PyTorch


def test_max_pool_routes_gradient_to_first_of_ties():
    x = Tensor([[[1.0, 3.0, 3.0], [3.0, 2.0, 0.0]]]).requires_grad_()
    max_pool2d(x, (2, 3)).backward(Tensor([[[5.0]]]))
    assert x.grad.tolist() == [[[0, 5, 0], [0, 0, 0]]]


def test_max_pool_adds_the_gradients_of_windows_that_share_a_winner():
    x = Tensor([[[0.0, 9.0, 1.0]]]).requires_grad_()
    max_pool2d(x, (1, 2), 1).sum().backward()
    assert x.grad.tolist() == [[[0, 2, 0]]]


def test_max_pool_passes_nan_on():
    x = Tensor([[[1.0, float("nan"), 3.0, 4.0]]]).requires_grad_()
    y = max_pool2d(x, (1, 2))
    assert math.isnan(y[0, 0, 0].item())
    assert y[0, 0, 1].item() == 4
    y.sum().backward()
    assert x.grad.tolist() == [[[0, 1, 0, 1]]]


def test_padding_never_wins_a_maximum():
    x = Tensor(np.full((1, 2, 2), -np.inf)).requires_grad_()
    y, indices = max_pool2d(x, 2, padding=1, return_indices=True)
    assert indices.tolist() == [[[0, 1], [2, 3]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[1, 1], [1, 1]]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_average_pool_counts_pixels_and_padding_as_asked(data):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, ceil_mode = data.draw(pair), data.draw(pair), data.draw(st.booleans())
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    hw = tuple(data.draw(st.integers(k, k + 4)) for k in kernel)
    include = data.draw(st.booleans())
    divisor = data.draw(st.sampled_from((None, 3)))
    sides = tuple((p, p) for p in padding)
    out = tuple(
        oracles.pooled_size(hw[a], kernel[a], stride[a], sides[a], 1, ceil_mode) for a in (0, 1)
    )
    x = rand(2, 2, *hw)
    y = avg_pool2d(tensor(x), kernel, stride, padding, ceil_mode, include, divisor)
    expected = oracles.avg_pool2d(x, kernel, stride, sides, out, include, divisor)
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_adaptive_pools_cover_the_image_with_the_windows_of_their_definition(data):
    pair = st.tuples(st.integers(1, 7), st.integers(1, 7))
    hw, out = data.draw(pair), data.draw(pair)
    x = rand(2, 3, *hw)
    y = adaptive_avg_pool2d(tensor(x), out)
    np.testing.assert_allclose(
        y.numpy(), oracles.adaptive_pool2d(x, out, lambda v: sum(v) / len(v)), atol=1e-12
    )
    y = adaptive_max_pool2d(tensor(x), out)
    np.testing.assert_array_equal(y.numpy(), oracles.adaptive_pool2d(x, out, max))


def test_the_mean_of_equal_pixels_is_exact():
    x = Tensor(np.full((1, 3, 7, 7), 0.1))
    for y in (avg_pool2d(x, 3, 2, 1, count_include_pad=False), adaptive_avg_pool2d(x, 5)):
        np.testing.assert_allclose(y.numpy(), np.float32(0.1), rtol=2e-7)
    assert (avg_pool2d(Tensor(np.ones((1, 1, 7, 7))), 3, 1) == 1).all()
    assert (adaptive_avg_pool2d(Tensor(np.ones((1, 1, 7, 7))), 5) == 1).all()


def test_pooling_of_empty_batches_is_empty():
    x = tensor(rand(0, 3, 6, 6), requires_grad=True)
    for y in (
        max_pool2d(x, 2), avg_pool2d(x, 2), adaptive_avg_pool2d(x, 3), adaptive_max_pool2d(x, 3),
    ):  # fmt: skip
        assert y.shape == (0, 3, 3, 3)
        y.sum().backward()
    assert adaptive_avg_pool2d(x, 4).shape == adaptive_max_pool2d(x, 4).shape == (0, 3, 4, 4)


def test_global_average_of_any_size_is_the_mean():
    x = rand(2, 3, 5, 7)
    y = adaptive_avg_pool2d(tensor(x), 1)
    np.testing.assert_allclose(y.numpy(), x.mean((2, 3), keepdims=True), atol=1e-12)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_results_and_gradients_keep_the_dtype(name, dtype):
    for size in (2, 3):
        x = tensor(rand(1, 3, 6, 7, dtype=dtype), requires_grad=True)
        y = find(name)(x, size)
        y.sum().backward()
        assert str(y.dtype) == str(x.grad.dtype) == dtype


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_max_pool_takes_integers(dtype):
    x = tensor(np.arange(16, dtype=dtype).reshape(1, 1, 4, 4))
    y, indices = max_pool2d(x, 2, return_indices=True)
    assert str(y.dtype) == dtype
    assert y.tolist() == indices.tolist() == [[[[5, 7], [13, 15]]]]


SHAPES = [
    ("max_pool2d", (2, 3, 7, 8), (3, 1, 2), r"max_pool2d: padding must be at most half the kernel"),
    ("avg_pool2d", (2, 3, 7, 8), (3, 1, 2), r"avg_pool2d: padding must be at most half the kernel"),
    ("max_pool1d", (2, 3, 7), (3, 1, 2), r"got padding 2, kernel_size 3"),
    ("max_pool2d", (2, 3, 7, 8), (3, 1, -1), r"padding must be at least 0, got -1"),
    ("max_pool2d", (2, 3, 2, 8), (3,), r"kernel \(3, 3\) is larger .*input size \(2, 8\)"),
    ("avg_pool2d", (2, 3, 2, 8), (3,), r"kernel \(3, 3\) is larger than the padded input"),
    ("max_pool1d", (2, 3, 2), (3,), r"got input size \(2,\), padding 0"),
    ("avg_pool1d", (2, 3, 2), (3,), r"avg_pool1d: the kernel 3 is larger"),
    ("max_pool2d", (7, 8), (3,), r"expected an input of shape \(N, C, H, W\) or \(C, H, W\)"),
    ("avg_pool2d", (1, 1, 1, 7, 8), (3,), r"got \(1, 1, 1, 7, 8\)"),
    ("max_pool1d", (1, 2, 3, 9), (3,), r"max_pool1d: expected an input of shape \(N, C, L\)"),
    ("avg_pool1d", (1, 2, 3, 9), (3,), r"avg_pool1d: expected an input of shape \(N, C, L\)"),
    ("max_pool2d", (2, 0, 7, 8), (3,), r"only the batch may be empty; got \(2, 0, 7, 8\)"),
    ("avg_pool2d", (2, 3, 0, 8), (3,), r"only the batch may be empty"),
    ("max_pool2d", (1, 1, 8, 8), (2, 0), r"stride must be at least 1, got 0"),
    ("avg_pool2d", (1, 1, 8, 8), (0,), r"kernel_size must be at least 1, got 0"),
    ("max_pool2d", (1, 1, 8, 8), ((1, 2, 3),), r"kernel_size must be a number or 2 of them"),
    ("max_pool2d", (1, 1, 8, 8), (2, 2, 0, 0), r"dilation must be at least 1"),
    ("avg_pool2d", (1, 1, 8, 8), (2, 2, 0, False, True, 0), r"divisor_override must not be 0"),
    ("adaptive_avg_pool2d", (1, 1, 2, 2), (-1,), r"output_size must be at least 0, got \[-1, -1\]"),
    ("adaptive_avg_pool2d", (2, 1, 0, 2), (2,), r"only the batch may be empty"),
    ("adaptive_avg_pool2d", (2, 2), (2,), r"adaptive_avg_pool2d: expected an input of shape"),
    ("adaptive_avg_pool2d", (1, 1, 2, 2), ((1, 1, 1),), r"output_size must be a number or 2"),
    ("adaptive_avg_pool1d", (1, 1, 2, 2), (1,), r"adaptive_avg_pool1d: expected an input"),
    ("adaptive_max_pool2d", (1, 1, 2, 2), (-1,), r"output_size must be at least 0"),
    ("adaptive_max_pool2d", (1, 1, 0, 2), (2,), r"only the batch may be empty"),
]  # fmt: skip


@pytest.mark.parametrize("name, shape, arguments, message", SHAPES)
def test_sizes_that_do_not_fit_are_named(name, shape, arguments, message):
    with pytest.raises(ShapeError, match=message):
        find(name)(tensor(rand(*shape)), *arguments)


@pytest.mark.parametrize("name, shape, arguments, message", SHAPES)
def test_pytorch_refuses_the_same_with_a_base_of_our_exception(
    torch, name, shape, arguments, message
):
    with pytest.raises(RuntimeError) as error:
        getattr(torch.nn.functional, name)(torch.rand(shape), *arguments)
    assert issubclass(ShapeError, error.type)


def test_dtypes_and_types_that_do_not_fit_are_named():
    x = tensor(np.arange(16).reshape(1, 1, 4, 4))
    with pytest.raises(UnsupportedError, match=r"avg_pool2d: not available for int64; use input"):
        avg_pool2d(x, 2)
    for function in (adaptive_avg_pool2d, adaptive_max_pool2d):
        with pytest.raises(UnsupportedError, match=r"adaptive_.*_pool2d: not available for int64"):
            function(x, 2)
    with pytest.raises(UnsupportedError, match="max_pool2d: not available for bool"):
        max_pool2d(x > 3, 2)
    with pytest.raises(TypeError, match=r"divisor_override must be an integer, got 2\.5"):
        avg_pool2d(x.to("float32"), 2, divisor_override=2.5)
    with pytest.raises(TypeError, match="max_pool2d: input must be a Tensor, not ndarray"):
        max_pool2d(x.numpy(), 2)
    with pytest.raises(TypeError, match=r"kernel_size must be an integer, got 2\.0"):
        max_pool2d(x, 2.0)


# ------------------------------------------------------------------------ against PyTorch


WINDOWS = {
    "2": (2,),
    "3-stride2-pad1": (3, 2, 1),
    "pairs": ((3, 2), (2, 1), (1, 0)),
    "gaps": (2, 3, 1),
    "overlapping": (4, 1, 2),
    "stride-empty-list": (2, []),
}


@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
def test_max_and_average_pool_agree_with_pytorch_to_second_order(torch, window, ceil_mode):
    x = rand(2, 3, 9, 8)
    for image in (x, x[0], np.round(x)):
        both(torch, "max_pool2d", image, *window, ceil_mode=ceil_mode, return_indices=True)
        both(torch, "max_pool2d", image, *window, ceil_mode=ceil_mode)
        both(torch, "avg_pool2d", image, *window, ceil_mode=ceil_mode)
        for options in ({"count_include_pad": False}, {"divisor_override": 3}):
            both(torch, "avg_pool2d", image, *window, ceil_mode=ceil_mode, **options)


@pytest.mark.parametrize("dilation", [2, (1, 3)])
@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
def test_dilated_max_pool_agrees_with_pytorch(torch, dilation, ceil_mode):
    both(torch, "max_pool2d", rand(2, 3, 9, 8), 3, 2, 1, dilation, ceil_mode, True)


def test_ceil_mode_agrees_with_pytorch_for_all_small_sizes(torch):
    for size in range(3, 9):
        for kernel in (1, 2, 3):
            for stride in (1, 2, 3, 4):
                for padding in range(kernel // 2 + 1):
                    x = rand(1, 1, size, size)
                    y = avg_pool2d(tensor(x), kernel, stride, padding, True)
                    z = torch.nn.functional.avg_pool2d(
                        torch.tensor(x), kernel, stride, padding, True
                    )
                    np.testing.assert_allclose(y.numpy(), z.numpy(), atol=1e-12)


def test_one_dimensional_pools_agree_with_pytorch(torch):
    x = rand(2, 3, 9)
    for sequence in (x, x[0]):
        both(torch, "max_pool1d", sequence, 3, 2, 1, 1, True, return_indices=True)
        both(torch, "max_pool1d", sequence, 2)
        both(torch, "avg_pool1d", sequence, 3, 2, 1, True, False)
        both(torch, "avg_pool1d", sequence, 2)


@pytest.mark.parametrize("size", [1, 3, (3, 2), (4, 3), (12, 8), (None, 5), (None, None)])
def test_adaptive_pools_agree_with_pytorch_to_second_order(torch, size):
    x = rand(2, 3, 9, 8)
    for image in (x, x[0]):
        both(torch, "adaptive_avg_pool2d", image, size)
        both(torch, "adaptive_max_pool2d", image, size, True)
        if isinstance(size, int):
            both(torch, "adaptive_avg_pool1d", image[..., 0], size)
            both(torch, "adaptive_max_pool1d", image[..., 0], size, return_indices=True)


def test_adaptive_max_pool_of_nan_agrees_with_pytorch(torch):
    x = np.array([[[[1, np.nan, 3, np.nan, 5]]]])
    for size in ((1, 2), (1, 5), (1, 1)):
        y, indices = adaptive_max_pool2d(tensor(x), size, return_indices=True)
        z, expected = torch.nn.functional.adaptive_max_pool2d(torch.tensor(x), size, True)
        np.testing.assert_array_equal(y.numpy(), z.numpy())
        np.testing.assert_array_equal(indices.numpy(), expected.numpy())


def test_empty_outputs_agree_with_pytorch(torch):
    x = rand(2, 3, 4, 4)
    for name, function in (
        ("adaptive_avg_pool2d", adaptive_avg_pool2d), ("adaptive_max_pool2d", adaptive_max_pool2d),
    ):  # fmt: skip
        z = getattr(torch.nn.functional, name)(torch.tensor(x), (0, 2))
        assert function(tensor(x), (0, 2)).shape == tuple(z.shape)
    assert adaptive_avg_pool1d(tensor(x[0]), 0).shape == (3, 4, 0)
    assert adaptive_max_pool1d(tensor(x[0]), 0).shape == (3, 4, 0)
    assert max_pool1d(tensor(x[0]), 2).shape == avg_pool1d(tensor(x[0]), 2).shape == (3, 4, 2)
