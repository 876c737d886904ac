"""dtypes of results: every pair of operands, as PyTorch promotes them."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest

import minicnn
from minicnn.promotion import SUPPORTED

NUMBERS = [True, 3, 2.5]
KINDS = ["dim", "zero-dim"]
OPERATORS = {
    "add": operator.add,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "lt": operator.lt,
}
IN_PLACE = {"iadd": operator.iadd, "imul": operator.imul, "itruediv": operator.itruediv}


def operands(library, default="float32"):
    """All kinds of operand, strong to weak: tensors, 0-d tensors, numbers."""
    dtypes = [getattr(library, name) for name in SUPPORTED]
    shapes = {"dim": (2,), "zero-dim": ()}
    return [library.ones(shapes[k], dtype=d) for k in KINDS for d in dtypes] + NUMBERS


def name(dtype):
    return str(dtype).removeprefix("torch.")


@pytest.fixture(params=["float32", "float64"])
def default_dtype(request):
    """Both libraries with this default dtype, for a while."""
    torch = pytest.importorskip("torch")
    minicnn.set_default_dtype(request.param)
    torch.set_default_dtype(getattr(torch, request.param))
    yield torch
    minicnn.set_default_dtype("float32")
    torch.set_default_dtype(torch.float32)


def pairs(torch):
    ours, theirs = operands(minicnn), operands(torch)
    both = zip(itertools.product(ours, ours), itertools.product(theirs, theirs), strict=True)
    for (a, b), (c, d) in both:
        if isinstance(c, torch.Tensor) or isinstance(d, torch.Tensor):
            yield a, b, c, d


def test_result_type_agrees_with_pytorch_for_every_pair(default_dtype):
    torch = default_dtype
    count = 0
    for a, b, c, d in pairs(torch):
        assert name(minicnn.result_type(a, b)) == name(torch.result_type(c, d)), (c, d)
        count += 1
    assert count == 21 * 21 - 9


def test_promote_types_and_can_cast_agree_with_pytorch_for_every_pair():
    torch = pytest.importorskip("torch")
    for a, b in itertools.product(SUPPORTED, repeat=2):
        ours = getattr(minicnn, a), getattr(minicnn, b)
        theirs = getattr(torch, a), getattr(torch, b)
        assert name(minicnn.promote_types(*ours)) == name(torch.promote_types(*theirs))
        assert minicnn.can_cast(*ours) == torch.can_cast(*theirs)


def outcome(function, *arguments):
    try:
        y = function(*arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        return type(error), None
    return name(y.dtype), y


@pytest.mark.parametrize("operation", OPERATORS)
def test_operators_agree_with_pytorch_for_every_pair(operation, default_dtype):
    torch = default_dtype
    for a, b, c, d in pairs(torch):
        ours, y = outcome(OPERATORS[operation], a, b)
        theirs, z = outcome(OPERATORS[operation], c, d)
        if isinstance(theirs, type):
            assert issubclass(ours, theirs), (c, d)
        elif operation == "pow" and theirs == "bool":
            assert issubclass(ours, TypeError)  # PyTorch has True to the power of True alone
        else:
            assert ours == theirs, (c, d)
            assert np.array_equal(y.numpy(), z.numpy())


@pytest.mark.parametrize("operation", IN_PLACE)
def test_in_place_operators_agree_with_pytorch_for_every_pair(operation, default_dtype):
    torch = default_dtype
    for a, b, c, d in pairs(torch):
        if not isinstance(c, torch.Tensor):
            continue
        ours, _ = outcome(IN_PLACE[operation], a.clone(), b)
        theirs, _ = outcome(IN_PLACE[operation], c.clone(), d)
        assert ours == theirs or issubclass(ours, theirs), (c, d)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (minicnn.ones(2), 2.0, "float32"),
        (minicnn.ones(2), np.float64(2.0), "float32"),
        (minicnn.ones(2, dtype=minicnn.int64), 2.0, "float32"),
        (minicnn.ones(2, dtype=minicnn.int64), minicnn.ones(2), "float32"),
        (minicnn.ones(2), minicnn.ones((), dtype=minicnn.float64), "float32"),
        (minicnn.ones(2, dtype=minicnn.float16), minicnn.ones(2), "float32"),
        (minicnn.ones(2, dtype=minicnn.uint8), minicnn.ones(2, dtype=minicnn.int8), "int16"),
        (minicnn.ones(2, dtype=minicnn.bool), 1, "int64"),
        pytest.param(minicnn.ones(2), np.ones(2), "float64", marks=pytest.mark.host),
    ],
)
def test_a_weaker_operand_does_not_change_the_precision(a, b, expected):
    assert (a + b).dtype == expected
    assert (b + a).dtype == expected


def test_a_number_wraps_round_in_narrow_integers_as_in_pytorch():
    x = minicnn.tensor([1, 100], dtype=minicnn.int8)
    assert (x * 1000).tolist() == [-24, -96]
    assert (minicnn.zeros(1, dtype=minicnn.uint8) - 1).tolist() == [255]


def test_float16_meets_a_number_in_float32_and_is_rounded_once():
    x = minicnn.tensor([1e-3], dtype=minicnn.float16)
    assert (x * 65536.0).item() == pytest.approx(65.56, rel=1e-3)  # 65536 itself is inf in float16
    assert (x * 65536.0).dtype == minicnn.float16


@pytest.mark.parametrize(
    ("alias", "expected"),
    [(float, "float64"), (int, "int64"), (bool, "bool"), ("float", "float32"), ("half", "float16")],
)
def test_python_types_and_names_stand_for_pytorchs_dtypes(alias, expected):
    assert minicnn.zeros(1, dtype=alias).dtype == expected
