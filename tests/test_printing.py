"""Printed tensors: the same text as PyTorch's."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minicnn
from minicnn.errors import UnknownNameError

OPTIONS = {
    "default": {},
    "precision": {"precision": 2},
    "short-summary": {"edgeitems": 1, "threshold": 5},
    "scientific": {"sci_mode": True},
    "never-scientific": {"sci_mode": False},
    "narrow": {"linewidth": 40},
    "short": {"profile": "short"},
    "full": {"profile": "full"},
}
SHAPES = [(), (1,), (0,), (2, 0), (3,), (30,), (2, 3), (4, 20), (3, 2, 4), (1100,), (2, 3, 300)]


@pytest.fixture
def options(request):
    """Set printing options in both libraries, and take them back."""
    torch = pytest.importorskip("torch")
    for library in (minicnn, torch):
        library.set_printoptions(profile="default")
        library.set_printoptions(**OPTIONS[request.param])
    yield torch
    for library in (minicnn, torch):
        library.set_printoptions(profile="default")


def as_pytorch_prints(x, torch):
    y = torch.from_numpy(x.detach().numpy().copy())
    return on_one_line(repr(y.requires_grad_(x.requires_grad)).replace("dtype=torch.", "dtype="))


def on_one_line(text):
    """Join the remarks after the elements: the longer "dtype=torch.float64" breaks lines sooner."""
    return re.sub(r",\s+(dtype|requires_grad|size)=", r", \1=", text)


def variety(shape, dtype, rng):
    """Arrays of one shape that call for different notations."""
    if np.dtype(dtype).kind != "f":
        yield rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
        return
    with np.errstate(over="ignore"):
        for scale in (1, 1e-6, 1e3, 1e9, 0):
            x = np.asarray(rng.standard_normal(shape) * scale).astype(dtype)
            yield x
            yield np.round(x)
    if x.size > 3:
        x = np.asarray(rng.standard_normal(shape)).astype(dtype)
        x.flat[1:4] = np.nan, np.inf, -np.inf
        yield x
        yield np.round(x)


@pytest.mark.parametrize("options", OPTIONS, indirect=True)
def test_repr_is_pytorchs_text(options):
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64", "float16", "int64", "int32", "uint8", "bool"):
        for shape in SHAPES:
            for array in variety(shape, dtype, rng):
                x = minicnn.tensor(array)
                assert on_one_line(repr(x)) == as_pytorch_prints(x, options)


def test_a_gradient_is_mentioned_as_in_pytorch():
    torch = pytest.importorskip("torch")
    x = minicnn.ones(3, 30, requires_grad=True)
    assert on_one_line(repr(x)) == as_pytorch_prints(x, torch)
    y, z = x * 2, torch.ones(3, 30, requires_grad=True) * 2
    assert repr(y).partition("grad_fn")[0] == repr(z).partition("grad_fn")[0]
    assert "grad_fn=<Mul" in repr(y)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (minicnn.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (minicnn.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (minicnn.tensor(3), "tensor(3)"),
        (minicnn.tensor([True, False]), "tensor([ True, False])"),
        (minicnn.zeros(2, dtype=minicnn.float64), "tensor([0., 0.], dtype=float64)"),
        (minicnn.zeros(0, 3), "tensor([], size=(0, 3))"),
        (minicnn.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (minicnn.tensor([1e-6, 1.0]), "tensor([1.0000e-06, 1.0000e+00])"),
        (
            minicnn.arange(2000),
            "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_repr(x, text):
    assert repr(x) == text
    assert str(x) == text


def test_a_number_formats_as_a_number():
    assert f"{minicnn.tensor(2 / 3):.3f}" == "0.667"
    assert f"{minicnn.tensor(0.5, requires_grad=True)}" == "0.5"
    assert f"{minicnn.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError):
        f"{minicnn.tensor([1.0]):.3f}"


def test_printing_options_are_kept_and_returned():
    minicnn.set_printoptions(precision=7)
    try:
        assert minicnn.get_printoptions()["precision"] == 7
        assert repr(minicnn.tensor(0.5)) == "tensor(0.5000000)"
    finally:
        minicnn.set_printoptions(profile="default")


def test_an_unknown_profile_raises():
    with pytest.raises(UnknownNameError, match=r"profile 'shrt' is not known.*mean 'short'"):
        minicnn.set_printoptions(profile="shrt")
