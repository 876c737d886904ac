"""Softmax and its logarithm: sums of 1, scores of any size, every dimension, both derivatives."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from agreement import agree, same_error
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn.functional as F
from minicnn.autograd import grad
from minicnn.errors import DimensionError, DTypeError

few = settings(max_examples=40)
NAMES = ["softmax", "log_softmax", "softmin"]
EVERY = pytest.mark.parametrize("name", NAMES)


@st.composite
def arrays(draw):
    """Draw an array of any rank and one of its dimensions."""
    shape = draw(st.sampled_from([(), (1,), (4,), (3, 5), (2, 3, 4), (2, 3, 1, 2)]))
    limit = max(len(shape), 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return np.asarray(rng.standard_normal(shape) * 4), draw(st.integers(-limit, limit - 1))


@EVERY
@few
@given(case=arrays())
def test_agrees_with_torch_along_every_dimension(name, case):
    torch = pytest.importorskip("torch")
    x, dim = case
    agree(
        lambda x: getattr(F, name)(x, dim),
        lambda x: getattr(torch.nn.functional, name)(x, dim),
        x,
    )


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_dtypes_agree_with_torch(name, dtype):
    torch = pytest.importorskip("torch")
    x = (np.random.default_rng(0).standard_normal((5, 300)) * 3).astype(dtype)
    agree(
        lambda x: getattr(F, name)(x, 1),
        lambda x: getattr(torch.nn.functional, name)(x, 1),
        x, second=False, tolerance=1e-2 if dtype == "float16" else None,
    )  # fmt: skip


def test_by_hand():
    x = minicnn.tensor([0.0, math.log(3.0)], dtype="float64", requires_grad=True)
    y = F.softmax(x, 0)
    np.testing.assert_allclose(y.detach().numpy(), [0.25, 0.75])
    np.testing.assert_allclose(grad(y[0], x)[0].numpy(), [0.1875, -0.1875])
    np.testing.assert_allclose(F.log_softmax(x, 0).detach().numpy(), np.log([0.25, 0.75]))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scores_of_any_size_give_probabilities(dtype):
    x = minicnn.tensor(np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]]).astype(dtype))
    np.testing.assert_allclose(F.softmax(x, 1).numpy(), [[1, 0, 0], [1 / 3] * 3], rtol=1e-3)
    y = F.log_softmax(x, 1)
    np.testing.assert_allclose(y.numpy(), [[0, -1e4, -2e4], [-math.log(3)] * 3], rtol=1e-3)
    assert y.dtype == dtype


@EVERY
def test_infinities_and_nan_agree_with_torch(name):
    torch = pytest.importorskip("torch")
    inf = np.inf
    x = np.array([[-inf, 0.0, 1.0], [inf, 0.0, 1.0], [-inf] * 3, [np.nan, 0.0, 1.0]], "float32")
    found = getattr(F, name)(minicnn.tensor(x), 1).numpy()
    expected = getattr(torch.nn.functional, name)(torch.tensor(x), 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@EVERY
def test_gradcheck_to_second_order(name):
    x = minicnn.tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)

    def function(x):
        return getattr(F, name)(x, 1)

    assert minicnn.gradcheck(function, (x,), fast_mode=False)
    assert minicnn.gradgradcheck(function, (x,))


@EVERY
def test_channels_last_memory_is_kept(name):
    x = np.ones((2, 4, 5, 3), "float32").transpose(0, 3, 1, 2)
    x = minicnn.from_numpy(x).requires_grad_()
    y = getattr(F, name)(x, 1)
    (dx,) = grad(y, x, y.detach())
    assert y.array.strides == x.array.strides == dx.array.strides


@EVERY
@pytest.mark.parametrize("shape, dim", [((0, 3), 1), ((3, 0), 1), ((3, 0), 0), ((0,), 0)])
def test_empty_inputs_stay_empty(name, shape, dim):
    x = minicnn.ones(shape).requires_grad_()
    y = getattr(F, name)(x, dim)
    assert y.shape == grad(y.sum(), x)[0].shape == shape


@EVERY
def test_dtype_converts_the_input_first(name):
    y = getattr(F, name)(minicnn.tensor([1, 2]), 0, dtype=minicnn.float64)
    expected = getattr(F, name)(minicnn.tensor([1.0, 2.0]).double(), 0)
    assert y.dtype == np.float64 and y.tolist() == expected.tolist()


@EVERY
@pytest.mark.parametrize("shape, dim", [((4,), 0), ((2, 4), 1), ((2, 3, 4), 0), ((2, 3, 4, 5), 1)])
def test_without_a_dimension_the_choice_is_that_of_torch_with_a_warning(name, shape, dim):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal(shape)
    with pytest.warns(UserWarning, match=f"{name}: dim is not given and {dim} is taken"):
        y = getattr(F, name)(minicnn.tensor(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(torch.nn.functional, name)(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), expected.numpy())


def test_they_are_methods_too():
    x = minicnn.tensor([[1.0, 3.0]])
    assert x.softmax(1).tolist() == F.softmax(x, 1).tolist()
    assert x.log_softmax(-1).tolist() == F.log_softmax(x, 1).tolist()
    assert x.long().softmax(1, dtype=minicnn.float32).dtype == np.float32


@EVERY
def test_bad_input_is_named(name):
    function = getattr(F, name)
    with pytest.raises(DTypeError, match=f"{name}: expected a floating tensor, got int64"):
        function(minicnn.tensor([1, 2]), 0)
    with pytest.raises(DimensionError, match=f"{name}: dim 2 is out of range"):
        function(minicnn.ones(2, 3), 2)
    with pytest.raises(TypeError, match=f"{name}: input must be a Tensor, not list"):
        function([1.0], 0)


@EVERY
def test_errors_are_caught_by_the_classes_of_torch(name):
    torch = pytest.importorskip("torch")
    T = torch.nn.functional
    for x, dim in [(np.ones((2, 3)), 2), (np.array([1, 2]), 0)]:
        same_error(
            lambda x=x, dim=dim: getattr(F, name)(minicnn.tensor(x), dim),
            lambda x=x, dim=dim: getattr(T, name)(torch.tensor(x), dim),
            name,
        )
