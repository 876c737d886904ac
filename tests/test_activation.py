"""Activations: values and derivatives, at kinks and far out, in every dtype and memory layout."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from agreement import agree, same_error
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn.functional as F
from minicnn.autograd import grad
from minicnn.errors import ArgumentError, DTypeError, InPlaceError, ShapeError
from minicnn.ops import activation, smooth

few = settings(max_examples=40)

# name, arguments after the input, where the derivative jumps
CASES = [
    ("relu", {}, [0.0]),
    ("relu6", {}, [0.0, 6.0]),
    ("leaky_relu", {}, [0.0]),
    ("leaky_relu", {"negative_slope": 1.7}, [0.0]),
    ("leaky_relu", {"negative_slope": -0.3}, [0.0]),
    ("leaky_relu", {"negative_slope": 0.0}, [0.0]),
    ("hardtanh", {}, [-1.0, 1.0]),
    ("hardtanh", {"min_val": 0.5, "max_val": 2.0}, [0.5, 2.0]),
    ("hardsigmoid", {}, [-3.0, 3.0]),
    ("hardswish", {}, [-3.0, 3.0]),
    ("threshold", {"threshold": 0.3, "value": 2.0}, [0.3]),
    ("elu", {}, [0.0]),
    ("elu", {"alpha": 2.5}, [0.0]),
    ("selu", {}, [0.0]),
    ("celu", {"alpha": 0.7}, [0.0]),
    ("gelu", {}, []),
    ("gelu", {"approximate": "tanh"}, []),
    ("silu", {}, []),
    ("mish", {}, []),
    ("softplus", {}, [20.0]),
    ("softplus", {"beta": 2.0, "threshold": 3.0}, [1.5]),
    ("softsign", {}, [0.0]),
    ("logsigmoid", {}, []),
    ("sigmoid", {}, []),
    ("tanh", {}, []),
]
IDS = ["-".join([name, *map(str, options.values())]) for name, options, _ in CASES]
EVERY = pytest.mark.parametrize("name, options, kinks", CASES, ids=IDS)
IN_PLACE = [
    "relu", "relu6", "leaky_relu", "hardtanh", "hardsigmoid", "hardswish", "elu", "selu", "celu",
    "silu", "mish",
]  # fmt: skip
FLAT = ("relu", "relu6", "hardtanh", "threshold")
ROUNDED, COARSE = ("hardsigmoid", "celu"), 1e-6  # PyTorch has 1 / 6 and 1 / alpha in float32
FAR = np.array([-1e4, -300.0, -88.0, -20.0, -1e-3, 1e-3, 20.5, 88.0, 300.0, 1e4])


def points(shape=(3, 50), seed=0):
    return np.random.default_rng(seed).standard_normal(shape) * 3


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


# ----------------------------------------------------------------------------------------------
# By hand


@pytest.mark.parametrize(
    "name, options, x, y, dx",
    [
        ("relu", {}, [-2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
        ("relu6", {}, [-2.0, 3.0, 7.0], [0.0, 3.0, 6.0], [0.0, 1.0, 0.0]),
        (
            "leaky_relu",
            {"negative_slope": 0.5},
            [-2.0, 0.0, 3.0],
            [-1.0, 0.0, 3.0],
            [0.5, 0.5, 1.0],
        ),
        ("hardtanh", {}, [-2.0, -1.0, 0.5], [-1.0, -1.0, 0.5], [0.0, 0.0, 1.0]),
        ("hardsigmoid", {}, [-4.0, 0.0, 3.0], [0.0, 0.5, 1.0], [0.0, 1 / 6, 0.0]),
        ("hardswish", {}, [-4.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.5, 1.0]),
        ("elu", {}, [-1.0, 0.0, 3.0], [math.exp(-1) - 1, 0.0, 3.0], [math.exp(-1), 1.0, 1.0]),
        ("celu", {"alpha": 2.0}, [-2.0, 3.0], [2 * math.exp(-1) - 2, 3.0], [math.exp(-1), 1.0]),
        (
            "selu",
            {},
            [0.0, 1.0],
            [0.0, 1.0507009873554805],
            [1.7580993408473769, 1.0507009873554805],
        ),
        ("gelu", {}, [0.0, 1.0], [0.0, 0.8413447460685429], [0.5, 1.0833154705876864]),
        ("silu", {}, [0.0, 1.0], [0.0, 0.7310585786300049], [0.5, 0.9276705118714869]),
        ("softplus", {}, [0.0, 30.0], [math.log(2), 30.0], [0.5, 1.0]),
        ("softsign", {}, [-1.0, 3.0], [-0.5, 0.75], [0.25, 1 / 16]),
        ("logsigmoid", {}, [0.0], [-math.log(2)], [0.5]),
        ("threshold", {"threshold": 1.0, "value": 7.0}, [1.0, 2.0], [7.0, 2.0], [0.0, 1.0]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_value_and_slope_are_those_worked_out_by_hand(name, options, x, y, dx):
    x = minicnn.tensor(x, dtype="float64", requires_grad=True)
    found = getattr(F, name)(x, **options)
    np.testing.assert_allclose(found.detach().numpy(), y, rtol=1e-12)
    np.testing.assert_allclose(grad(found.sum(), x)[0].numpy(), dx, rtol=1e-12)


def test_mish_is_x_times_tanh_of_softplus():
    x = points()
    y = F.mish(minicnn.tensor(x)).numpy()
    np.testing.assert_allclose(y, x * np.tanh(np.log1p(np.exp(x))), rtol=1e-12)


# ----------------------------------------------------------------------------------------------
# Like PyTorch


@EVERY
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_agrees_with_torch(name, options, kinks, dtype):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    x, second = points().astype(dtype), name != "hardsigmoid"  # whose second PyTorch lacks
    agree(
        lambda x: ours(x, **options), lambda x: theirs(x, **options), x,
        second=second, tolerance=COARSE if name in ROUNDED else None,
    )  # fmt: skip


@EVERY
def test_kinks_have_the_slopes_of_torch(name, options, kinks):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    x = np.array([0.0, -0.0, *kinks, *(k + 1e-7 for k in kinks), *(k - 1e-7 for k in kinks)])
    agree(
        lambda x: ours(x, **options), lambda x: theirs(x, **options), x,
        second=False, tolerance=COARSE,
    )  # fmt: skip


@EVERY
def test_far_values_agree_with_torch_and_nothing_overflows(name, options, kinks):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    for dtype in ("float64", "float32"):
        x = FAR.astype(dtype)
        agree(
            lambda x: ours(x, **options), lambda x: theirs(x, **options), x,
            second=False, tolerance=COARSE if name in ROUNDED else None,
        )  # fmt: skip
        x = minicnn.tensor(x, requires_grad=True)
        (dx,) = grad(ours(x, **options).sum(), x, create_graph=True)
        assert bool(dx.isfinite().all())
        if dx.requires_grad:
            assert bool(grad(dx.sum(), x)[0].isfinite().all())


@EVERY
def test_float16_agrees_with_torch(name, options, kinks):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    x = points().astype("float16")
    agree(lambda x: ours(x, **options), lambda x: theirs(x, **options), x, second=False)


@EVERY
def test_infinities_and_nan_agree_with_torch(name, options, kinks):
    torch = pytest.importorskip("torch")
    # PyTorch's gelu of infinity is NaN on some processors.
    x = np.array([0.0 if name == "gelu" else np.inf, -np.inf, np.nan], "float32")
    y = getattr(F, name)(minicnn.tensor(x), **options).numpy()
    expected = getattr(torch.nn.functional, name)(torch.tensor(x), **options).numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@EVERY
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_empty_and_zero_dimensional_inputs_keep_their_shape(name, options, kinks, shape):
    x = minicnn.ones(shape).requires_grad_()
    y = getattr(F, name)(x, **options)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert type(x.grad.array) is type(x.array)


@EVERY
@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_and_bools_do_as_in_torch(name, options, kinks, dtype):
    torch = pytest.importorskip("torch")
    x = np.array([-2, 0, 9]).astype(dtype)

    def ours():
        return getattr(F, name)(minicnn.tensor(x), **options)

    def theirs():
        return getattr(torch.nn.functional, name)(torch.tensor(x), **options)

    try:
        expected = theirs()
    except (RuntimeError, TypeError):
        with pytest.raises((DTypeError, NotImplementedError)):
            ours()
    else:
        np.testing.assert_allclose(ours().numpy(), expected.numpy(), rtol=1e-6)
        assert ours().dtype == expected.numpy().dtype


@few
@given(
    st.integers(0, 2**32), st.sampled_from([(), (1,), (4,)]), st.sampled_from([(2, 4), (4, 4, 3)])
)
def test_prelu_agrees_with_torch(seed, weight_shape, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(shape), np.asarray(rng.standard_normal(weight_shape))
    agree(F.prelu, torch.nn.functional.prelu, x, w)
    agree(F.prelu, torch.nn.functional.prelu, x * 0.0, w, second=False)


def test_prelu_of_a_vector_has_one_weight():
    torch = pytest.importorskip("torch")
    agree(F.prelu, torch.nn.functional.prelu, points((5,)), np.array([0.3]))


# ----------------------------------------------------------------------------------------------
# Derivatives


@EVERY
def test_gradcheck_to_second_order(name, options, kinks):
    x = points((40,), seed=3)
    for kink in [0.0, *kinks]:
        x = np.where(abs(x - kink) < 0.05, kink + 0.1, x)
    x = minicnn.tensor(x, requires_grad=True)

    def function(x):
        return getattr(F, name)(x, **options)

    assert minicnn.gradcheck(function, (x,), fast_mode=False)
    assert minicnn.gradgradcheck(function, (x,))


@pytest.mark.parametrize("op", [smooth.GELU, smooth.GELUTanh, smooth.SiLU])
def test_fused_equals_reference_in_both_passes(op):
    x = minicnn.tensor(points(), requires_grad=True)
    dy = minicnn.tensor(points(seed=1))
    y, defined = op()(x), op().reference(x)
    np.testing.assert_allclose(y.detach().numpy(), defined.detach().numpy(), rtol=1e-12)
    fast, slow = grad(y, x, dy)[0], grad(defined, x, dy)[0]
    np.testing.assert_allclose(fast.numpy(), slow.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name, options", [(n, o) for n, o, _ in CASES if n in FLAT], ids=str)
def test_infinite_gradients_stop_where_the_slope_is_zero(name, options):
    # sqrt(relu(x)) has slope inf at y = 0: PyTorch's gradient there is 0, not 0 * inf = NaN.
    x = minicnn.tensor([-9.0, -9.0, 0.4], requires_grad=True)
    dy = minicnn.tensor([math.inf, math.nan, 1.0])
    y = getattr(F, name)(x, **options)
    assert grad(y, x, dy, retain_graph=True)[0].tolist()[:2] == [0.0, 0.0]
    assert grad(y, x, dy, create_graph=True)[0].tolist()[:2] == [0.0, 0.0]


# ----------------------------------------------------------------------------------------------
# Memory and places


@EVERY
def test_channels_last_memory_is_kept(name, options, kinks):
    x = channels_last(points((2, 3, 4, 5)).astype("float32"))
    x = minicnn.from_numpy(x).requires_grad_()
    y = getattr(F, name)(x, **options)
    (dx,) = grad(y, x, minicnn.from_numpy(channels_last(np.ones(x.shape, "float32"))))
    assert y.array.strides == x.array.strides == dx.array.strides


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_writes_the_input_and_has_the_same_gradient(name):
    function = getattr(F, name)
    a = minicnn.tensor(points(), requires_grad=True)
    b = a * 1.5
    y = function(b, inplace=True)
    assert y is b
    expected = function(a * 1.5)
    np.testing.assert_array_equal(b.detach().numpy(), expected.detach().numpy())
    np.testing.assert_allclose(
        grad(b.square().sum(), a)[0].numpy(), grad(expected.square().sum(), a)[0].numpy()
    )


def test_relu_in_place_on_a_leaf_raises():
    x = minicnn.ones(3).requires_grad_()
    with pytest.raises(InPlaceError, match="relu_: a leaf tensor that requires a gradient"):
        F.relu(x, inplace=True)


def test_relu_is_a_method_with_and_without_underscore():
    x = minicnn.tensor([-1.0, 2.0])
    assert x.relu().tolist() == [0.0, 2.0] and x.tolist() == [-1.0, 2.0]
    assert x.relu_() is x and x.tolist() == [0.0, 2.0]


# ----------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (lambda: F.relu(minicnn.tensor([True])), DTypeError, "relu: not defined for bool"),
        (lambda: F.relu6(minicnn.tensor([True])), DTypeError, "relu6: not defined for bool"),
        (
            lambda: F.threshold(minicnn.tensor([True]), 0, 0),
            DTypeError,
            "threshold: not defined for",
        ),
        (
            lambda: F.elu(minicnn.tensor([1])),
            DTypeError,
            "elu: expected a floating tensor, got int64",
        ),
        (lambda: F.relu([1.0]), TypeError, "relu: input must be a Tensor, not list"),
        (
            lambda: F.hardtanh(minicnn.ones(2), 1, -1),
            ArgumentError,
            "min_val 1 is greater than max_val -1",
        ),
        (lambda: F.celu(minicnn.ones(2), 0), ArgumentError, "celu: alpha cannot be 0"),
        (
            lambda: F.gelu(minicnn.ones(2), "erf"),
            ArgumentError,
            "gelu: approximate must be .* not 'erf'",
        ),
        (
            lambda: F.prelu(minicnn.ones(2, 3), minicnn.ones(4)),
            ShapeError,
            re.escape("each of the 3 channels; got weight (4,), input (2, 3)"),
        ),
        (
            lambda: F.prelu(minicnn.ones(2, 3), minicnn.ones(1, 3)),
            ShapeError,
            "weight must have one",
        ),
        (
            lambda: F.prelu(minicnn.ones(2, 3), minicnn.ones(3, dtype="float64")),
            DTypeError,
            "input is float32 but weight float64",
        ),
    ],
)
def test_bad_input_is_named(call, kind, match):
    with pytest.raises(kind, match=match):
        call()


def test_errors_are_caught_by_the_classes_of_torch():
    torch = pytest.importorskip("torch")
    T = torch.nn.functional
    one, three = minicnn.ones(2, 3), minicnn.ones(3)
    t_one, t_three = torch.ones(2, 3), torch.ones(3)
    same_error(lambda: F.relu(one.bool()), lambda: T.relu(t_one.bool()), "relu")
    same_error(lambda: F.hardtanh(one, 1, -1), lambda: T.hardtanh(t_one, 1, -1), "hardtanh")
    same_error(lambda: F.celu(one, 0.0), lambda: T.celu(t_one, 0.0), "celu")
    same_error(lambda: F.gelu(one, "x"), lambda: T.gelu(t_one, approximate="x"), "gelu")
    same_error(lambda: F.silu(one.long()), lambda: T.silu(t_one.long()), "silu")
    same_error(lambda: F.prelu(one, three[:2]), lambda: T.prelu(t_one, t_three[:2]), "prelu")
    same_error(
        lambda: F.prelu(one, three.double()), lambda: T.prelu(t_one, t_three.double()), "prelu"
    )


def test_gate_multiplies_bits():
    dy = np.array([np.inf, np.nan, 2.0, -3.0], "float32")
    assert activation.gate(dy, np.array([False, False, True, False])).tolist() == [0, 0, 2, 0]
