"""Interpolation: values, gradients, sizes and errors, also against PyTorch."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import autograd
from minicnn.errors import ArgumentError, ShapeError, UnsupportedError
from minicnn.kernels import resample as kernel
from minicnn.ops.from_data import tensor
from minicnn.ops.resample import interpolate, upsample


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def rand(*shape, dtype="float64", seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


SIZE = st.integers(1, 9)


# ------------------------------------------------------------------------ without PyTorch


@settings(max_examples=80, deadline=None)
@given(SIZE, SIZE, SIZE, SIZE, st.booleans())
def test_interpolation_is_the_naive_loop(height, width, oh, ow, align_corners):
    x = rand(2, 2, height, width)
    y = interpolate(tensor(x), (oh, ow))
    np.testing.assert_array_equal(y.numpy(), oracles.nearest(x, (oh, ow)))
    y = interpolate(tensor(x), (oh, ow), mode="bilinear", align_corners=align_corners)
    np.testing.assert_allclose(y.numpy(), oracles.bilinear(x, (oh, ow), align_corners), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(SIZE, SIZE, SIZE, st.sampled_from(("nearest", "bilinear")))
def test_the_gradient_of_interpolation_is_its_transpose(height, width, oh, mode):
    x = tensor(rand(2, 2, height, width), requires_grad=True)
    y = interpolate(x, (oh, 3), mode=mode)
    dy = tensor(rand(*y.shape, seed=1), requires_grad=True)
    (dx,) = autograd.grad(y, [x], dy, create_graph=True)
    assert np.vdot(y.detach().numpy(), dy.detach().numpy()) == pytest.approx(
        np.vdot(x.detach().numpy(), dx.detach().numpy()), abs=1e-10
    )
    # The transpose of the transpose is the map itself.
    (ddy,) = autograd.grad(dx, [dy], x)
    np.testing.assert_allclose(ddy.numpy(), y.detach().numpy(), atol=1e-12)


def test_an_axis_map_is_its_matrix():
    for matrix in (
        np.array([[0, 2.0, 0], [1, 0, 3], [0, 0, 0], [1, 1, 1]]),
        np.zeros((2, 3)),
        np.zeros((0, 3)),
        np.eye(3),
    ):
        given_map = kernel.AxisMap(matrix)
        x = rand(2, 3, 4)
        np.testing.assert_allclose(given_map.apply(x, 1), np.matmul(matrix, x), atol=1e-12)
        y = rand(2, len(matrix))
        np.testing.assert_allclose(given_map.T.apply(y, 1), y @ matrix, atol=1e-12)
        assert given_map.T.T is given_map
    assert repr(given_map) == "AxisMap(3 -> 3)"


def test_infinite_pixels_stay_where_they_are():
    x = np.ones((1, 1, 3, 3), dtype="float32")
    x[0, 0, 1, 1] = np.inf
    y = interpolate(tensor(x), scale_factor=2).numpy()
    assert np.isinf(y).sum() == 4
    assert not np.isnan(y).any()


def test_aligned_corners_keep_their_values():
    x = rand(1, 1, 3, 4)
    y = interpolate(tensor(x), (7, 9), mode="bilinear", align_corners=True).numpy()
    corners = np.ix_([0], [0], [0, -1], [0, -1])
    np.testing.assert_allclose(y[corners], x[corners], atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_results_and_gradients_keep_the_dtype(mode, dtype):
    x = tensor(rand(1, 2, 3, 4, dtype=dtype), requires_grad=True)
    y = upsample(x, scale_factor=2, mode=mode)
    y.sum().backward()
    assert y.shape == (1, 2, 6, 8)
    assert str(y.dtype) == str(x.grad.dtype) == dtype


def test_nearest_takes_bytes_and_empty_batches():
    x = tensor(np.arange(4, dtype="uint8").reshape(1, 1, 2, 2))
    assert interpolate(x, 3).tolist() == [[[[0, 0, 1], [0, 0, 1], [2, 2, 3]]]]
    assert str(interpolate(x, 3).dtype) == "uint8"
    assert interpolate(tensor(rand(0, 3, 2, 2)), 4).shape == (0, 3, 4, 4)


MISTAKES = [
    ((2, 3, 4, 5), {}, ArgumentError, "give either size or scale_factor, and not both"),
    ((2, 3, 4, 5), {"size": 8, "scale_factor": 2}, ArgumentError, "give either size or scale"),
    ((2, 3, 4, 5), {"size": (8, 9, 2)}, ShapeError, r"size must be a number or 2 of them"),
    ((2, 3, 4, 5), {"scale_factor": (1, 2, 3)}, ShapeError, r"scale_factor must be a number or 2"),
    ((2, 3, 4, 5), {"size": (8, 2.5)}, TypeError, r"size must be int, got \(8, 2.5\)"),
    ((2, 3, 4, 5), {"scale_factor": 0.1}, ShapeError, r"at least 1; .* output size \(0, 0\)"),
    ((2, 3, 4, 5), {"scale_factor": -1}, ShapeError, r"output size \(-4, -5\)"),
    ((2, 3, 4, 5), {"size": 0}, ShapeError, r"sizes must be at least 1"),
    ((1, 0, 4, 4), {"scale_factor": 2}, ShapeError, r"got input \(1, 0, 4, 4\)"),
    ((1, 1, 0, 4), {"size": 2}, ShapeError, r"got input \(1, 1, 0, 4\)"),
    ((2, 3, 4, 5), {"scale_factor": 2, "align_corners": False}, ArgumentError, "align_corners has"),
    ((2, 3, 4, 5), {"size": 7, "recompute_scale_factor": True}, ArgumentError, "means nothing"),
    ((2, 3, 4, 5), {"scale_factor": 2, "mode": "foo"}, UnsupportedError, "mode 'foo' is not known"),
    ((2, 3, 4, 5), {"scale_factor": 2, "mode": "linear"}, UnsupportedError, "PyTorch has it"),
    ((3, 4), {"scale_factor": 2}, UnsupportedError, r"expected images .*, got \(3, 4\)"),
    ((2, 3, 4), {"scale_factor": 2, "mode": "bilinear"}, UnsupportedError, r"unsqueeze\(0\)"),
]  # fmt: skip


@pytest.mark.parametrize("shape, options, error, message", MISTAKES)
def test_mistakes_are_named(shape, options, error, message):
    with pytest.raises(error, match=f"interpolate: .*{message}"):
        interpolate(tensor(rand(*shape)), **options)


@pytest.mark.parametrize("shape, options, error, message", MISTAKES)
def test_pytorch_refuses_the_same_with_a_base_of_our_exception(
    torch, shape, options, error, message
):
    with pytest.raises((RuntimeError, ValueError, TypeError)) as theirs:
        torch.nn.functional.interpolate(torch.rand(shape), **options)
    assert issubclass(error, theirs.type)


def test_what_is_not_covered_says_so():
    x = tensor(rand(1, 1, 4, 4))
    for mode in ("bicubic", "area", "nearest-exact", "trilinear"):
        with pytest.raises(UnsupportedError, match=f"mode '{mode}' is .* use nearest or bilinear"):
            interpolate(x, 8, mode=mode)
    with pytest.raises(UnsupportedError, match="antialias=True is not covered"):
        interpolate(x, 2, mode="bilinear", antialias=True)
    with pytest.raises(UnsupportedError, match=r"bilinear is not available for int64; use \.float"):
        interpolate(tensor(np.ones((1, 1, 2, 2), int)), 4, mode="bilinear")
    with pytest.raises(TypeError, match="interpolate: input must be a Tensor, not ndarray"):
        interpolate(x.numpy(), 2)
    with pytest.raises(TypeError, match="scale_factor must be float, got 'two'"):
        interpolate(x, scale_factor="two")


# ------------------------------------------------------------------------ against PyTorch


SIZES = {
    "smaller-and-larger": {"size": (5, 11)},
    "to-one": {"size": 1},
    "same": {"size": (9, 8)},
    "double": {"scale_factor": 2},
    "fractions": {"scale_factor": (1.7, 0.6)},
    "nearly-same": {"scale_factor": 1.05},
    "recomputed": {"scale_factor": 1.7, "recompute_scale_factor": True},
    "not-recomputed": {"scale_factor": 1.7, "recompute_scale_factor": False},
}


@pytest.mark.parametrize("align_corners", [None, False, True])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_interpolation_agrees_with_pytorch(torch, mode, sizes, align_corners):
    if mode == "nearest" and align_corners is not None:
        return
    options = {**sizes, "mode": mode, "align_corners": align_corners}
    x = rand(2, 3, 9, 8)
    a, b = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = interpolate(a, **options), torch.nn.functional.interpolate(b, **options)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
    dy = rand(*y.shape, seed=1)
    y.backward(tensor(dy))
    z.backward(torch.tensor(dy))
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)


def test_nearest_picks_the_pixels_that_pytorch_picks(torch):
    for size in (3, 7, 10, 49):
        x = np.arange(size, dtype="float32").reshape(1, 1, 1, size)
        for scale in (0.3, 0.7, 1.1, 1.4, 2.05, 2.5, 3, 1 / 3, 49 / 3):
            if int(size * scale) < 1:
                continue
            y = interpolate(tensor(x), scale_factor=(1, scale))
            z = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=(1, scale))
            np.testing.assert_array_equal(y.numpy(), z.numpy())
        for out in (*range(1, 30), 3 * size, 49 * size):
            y = interpolate(tensor(x), (1, out))
            z = torch.nn.functional.interpolate(torch.tensor(x), (1, out))
            np.testing.assert_array_equal(y.numpy(), z.numpy())
