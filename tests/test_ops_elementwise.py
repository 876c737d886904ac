"""Arithmetic, comparison and functions of one number, with NumPy as the witness."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minicnn

SMALL = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
NUMBERS = st.floats(-4, 4, width=32)


@st.composite
def broadcastable_pairs(draw):
    """Two float64 arrays whose shapes broadcast."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4))
    return [draw(hnp.arrays(np.float64, s, elements=NUMBERS)) for s in shapes.input_shapes]


BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "maximum": np.maximum, "minimum": np.minimum, "floor_divide": np.floor_divide,
    "remainder": np.remainder, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
OPERATORS = {
    operator.add: np.add, operator.sub: np.subtract, operator.mul: np.multiply,
    operator.truediv: np.true_divide, operator.mod: np.remainder,
    operator.floordiv: np.floor_divide, operator.lt: np.less, operator.ge: np.greater_equal,
}  # fmt: skip
UNARY = {
    "abs": np.abs, "square": np.square, "sqrt": np.sqrt, "exp": np.exp, "exp2": np.exp2,
    "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "sign": np.sign, "neg": np.negative,
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": np.vectorize(math.erf, otypes=[float]),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=25)
@given(broadcastable_pairs())
def test_binary_function_is_numpys(name, pair):
    a, b = pair
    with np.errstate(all="ignore"):
        expected = BINARY[name](a, b)
    x, y = minicnn.from_numpy(a), minicnn.from_numpy(b)
    found = getattr(minicnn, name)(x, y)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(getattr(x, name)(y).numpy(), expected)


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
@settings(max_examples=25)
@given(x=hnp.arrays(np.float64, SMALL, elements=NUMBERS), number=st.sampled_from([2, -1.5, True]))
def test_operators_take_numbers_on_both_sides(function, x, number):
    if number is True and function is operator.sub:
        number = 1  # PyTorch refuses bools here
    with np.errstate(all="ignore"):
        expected = OPERATORS[function](x, number), OPERATORS[function](number, x)
    t = minicnn.from_numpy(x)
    np.testing.assert_array_equal(function(t, number).numpy(), expected[0])
    np.testing.assert_array_equal(function(number, t).numpy(), expected[1])


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=25)
@given(hnp.arrays(np.float64, SMALL, elements=NUMBERS | st.sampled_from([np.inf, np.nan])))
def test_function_of_one_number_is_numpys(name, x):
    with np.errstate(all="ignore"):
        expected = UNARY[name](np.where(np.isnan(x), 0, x) if name == "sign" else x)
    for found in (getattr(minicnn, name)(minicnn.from_numpy(x)), *_as_method(name, x)):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


def _as_method(name, x):
    yield getattr(minicnn.from_numpy(x), name)()
    if hasattr(minicnn.Tensor, name + "_"):
        yield getattr(minicnn.from_numpy(x.copy()), name + "_")()


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid", "erf", "log1p", "tanh"])
def test_integers_become_floats_and_float32_stays(name):
    function = getattr(minicnn, name)
    assert function(minicnn.tensor([1, 2])).dtype == "float32"
    assert function(minicnn.tensor([True, False])).dtype == "float32"
    assert function(minicnn.tensor(1.0)).dtype == "float32"


def test_sigmoid_neither_overflows_nor_loses_precision():
    x = minicnn.tensor([-800.0, -40.0, 0.0, 40.0, 800.0], dtype=minicnn.float64)
    expected = [0.0, math.exp(-40) / (1 + math.exp(-40)), 0.5, 1.0, 1.0]
    np.testing.assert_allclose(x.sigmoid().numpy(), expected, rtol=1e-15)


def test_division_rounds_down_or_towards_zero():
    a, b = minicnn.tensor([-7, 7, -7, 2**62 + 1]), minicnn.tensor([2, -2, -2, 1])
    assert a.div(b, rounding_mode="floor").tolist() == [-4, -4, 3, 2**62 + 1]
    assert a.div(b, rounding_mode="trunc").tolist() == [-3, -3, 3, 2**62 + 1]
    assert (a % b).tolist() == [1, -1, -1, 0]
    assert minicnn.tensor([-7.0]).div(2.0, rounding_mode="trunc").tolist() == [-3.0]


def test_integer_powers_stay_integers():
    x = minicnn.tensor([-2, -1, 1, 2])
    assert (x**3).tolist() == [-8, -1, 1, 8]
    assert (x ** minicnn.tensor([-1, -1, -3, -1])).tolist() == [0, -1, 1, 0]
    assert (2 ** minicnn.tensor([0, 3, -1])).tolist() == [1, 8, 0]
    assert (x**0.5).dtype == "float32"


def test_the_gradient_of_a_power_is_zero_where_the_exponent_is():
    x = minicnn.tensor([0.0, 2.0], requires_grad=True)
    (x ** minicnn.tensor([0.0, 0.0])).sum().backward()
    assert x.grad.tolist() == [0, 0]
    e = minicnn.tensor([0.0, 2.0], requires_grad=True)
    (minicnn.tensor([0.0, 0.0]) ** e).sum().backward()
    assert e.grad.tolist() == [0, 0]


def test_equal_elements_share_the_gradient_of_a_maximum():
    a = minicnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = minicnn.tensor([2.0, 2.0, 2.0], requires_grad=True)
    minicnn.maximum(a, b).sum().backward()
    assert a.grad.tolist() == [0, 0.5, 1]
    assert b.grad.tolist() == [1, 0.5, 0]


def test_clamp_limits_by_numbers_or_tensors():
    x = minicnn.tensor([-2.0, 0.5, 3.0])
    assert x.clamp(-1, 1).tolist() == [-1, 0.5, 1]
    assert x.clamp(max=minicnn.tensor([0.0, 0.0, 4.0])).tolist() == [-2, 0, 3]
    assert x.clip(min=0).tolist() == x.clamp_min(0).tolist() == [0, 0.5, 3]
    assert x.clamp(2, 1).tolist() == [1, 1, 1]  # where the limits cross, the upper one holds


def test_where_chooses_and_finds():
    c = minicnn.tensor([True, False])
    assert minicnn.where(c, 1, 2).tolist() == [1, 2]
    assert minicnn.where(c, minicnn.tensor([1, 2]), 0.5).tolist() == [1, 0.5]
    assert minicnn.tensor([5, 6]).where(c, 0).tolist() == [5, 0]
    assert [i.tolist() for i in minicnn.where(c)] == [[0]]


def test_bits_are_combined_and_flipped():
    a, b = minicnn.tensor([12]), minicnn.tensor([10])
    assert [(a & b).item(), (a | b).item(), (a ^ b).item(), (~a).item()] == [8, 14, 6, -13]
    mask = minicnn.tensor([True, False])
    assert (~mask).tolist() == mask.logical_not().tolist() == [False, True]
    mask &= minicnn.tensor([False, True])
    assert mask.tolist() == [False, False]


@pytest.mark.host
def test_comparing_with_what_is_no_number():
    x = minicnn.tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert x != "a"
    assert (x == np.array([1.0, 3.0])).tolist() == [True, False]
    with pytest.raises(TypeError):
        x < "a"  # noqa: B015
    assert 2.0 in x and 3 not in x


def test_rounding_to_decimals():
    x = minicnn.tensor([1.2345, -1.2355, 1250.0], dtype=minicnn.float64)
    assert x.round(decimals=2).tolist() == [1.23, -1.24, 1250.0]
    assert x.round(decimals=-2).tolist() == [0.0, 0.0, 1200.0]
    assert minicnn.tensor([5.0], dtype=minicnn.float16).round(decimals=4).tolist() == [5.0]


def test_nan_to_num_replaces_what_is_no_number():
    x = minicnn.tensor([float("nan"), float("inf"), -float("inf"), 1.0])
    assert x.nan_to_num(1, 2, 3).tolist() == [1, 2, 3, 1]
    limits = np.finfo(np.float32)
    assert x.nan_to_num().tolist() == [0, limits.max, limits.min, 1]


def test_combined_functions_scale_one_part():
    a, b, c = (minicnn.tensor([v]) for v in (1.0, 2.0, 4.0))
    assert a.add(b, alpha=3).item() == 7 and a.sub(b, alpha=3).item() == -5
    assert a.addcmul(b, c, value=0.5).item() == 5 and a.addcdiv(b, c, value=2).item() == 2
    assert a.lerp(c, 0.5).item() == 2.5 and minicnn.rsub(a, b).item() == 1
