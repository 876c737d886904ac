"""Dropout: what stays, how often, and from which seed. Embedding: rows and where gradients go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from agreement import agree, same_error
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn.functional as F
from minicnn.autograd import grad
from minicnn.deferred import settle
from minicnn.errors import (
    ArgumentError,
    DimensionError,
    DTypeError,
    InPlaceError,
    ShapeError,
    UnsupportedError,
)
from minicnn.ops.embedding import Rows, RowSums

few = settings(max_examples=60)


# ----------------------------------------------------------------------------------------------
# Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_a_share_p_and_scales_the_rest(p):
    minicnn.manual_seed(0)
    y = F.dropout(minicnn.ones(300, 400), p).numpy()
    kept = y != 0
    np.testing.assert_array_equal(y[kept], np.float32(1 / (1 - p)))
    assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / y.size)  # five deviations
    assert abs(y.mean() - 1) < 0.02


def test_one_seed_gives_one_mask_whatever_the_dtype_and_the_memory_layout():
    masks = []
    for dtype, last in [
        ("float32", False),
        ("float32", True),
        ("float64", False),
        ("float16", True),
    ]:
        minicnn.manual_seed(3)
        x = np.ones((2, 3, 4, 5), dtype)
        if last:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        masks.append(F.dropout(minicnn.from_numpy(x)).numpy() != 0)
    assert all((m == masks[0]).all() for m in masks)
    assert 0 < masks[0].sum() < masks[0].size


def test_successive_masks_differ():
    x = minicnn.ones(100)
    assert (F.dropout(x).numpy() != F.dropout(x).numpy()).any()


def test_dropout_keeps_channels_last_memory():
    x = np.ones((2, 5, 4, 3), "float32").transpose(0, 3, 1, 2)
    assert F.dropout(minicnn.from_numpy(x)).array.strides == x.strides


@pytest.mark.parametrize("function", [F.dropout, F.dropout1d, F.dropout2d])
def test_evaluation_and_p_0_return_the_input_itself(function):
    x = minicnn.ones((2, 3, 4) if function is F.dropout1d else (2, 3, 4, 5))
    assert function(x, 0.5, training=False) is x
    assert function(x, 0.0) is x


def test_p_1_drops_everything():
    x = minicnn.ones(4, 5).requires_grad_()
    y = F.dropout(x, 1.0)
    assert not y.detach().numpy().any() and not grad(y.sum(), x)[0].numpy().any()


def test_the_gradient_goes_through_what_stayed():
    x = minicnn.tensor(np.arange(1.0, 41.0), requires_grad=True)
    y = F.dropout(x, 0.25)
    (dx,) = grad((y * y).sum(), x, create_graph=True)
    mask = y.detach().numpy() / np.arange(1.0, 41.0)
    np.testing.assert_allclose(dx.detach().numpy(), 2 * mask**2 * np.arange(1.0, 41.0))
    np.testing.assert_allclose(grad(dx.sum(), x)[0].numpy(), 2 * mask**2)


@pytest.mark.parametrize("name, shape", [("dropout2d", (6, 5, 3, 4)), ("dropout1d", (6, 5, 7))])
def test_channel_dropout_drops_whole_channels(name, shape):
    minicnn.manual_seed(0)
    y = getattr(F, name)(minicnn.ones(shape), 0.5).numpy().reshape(*shape[:2], -1)
    assert ((y == 0).all(2) | (y == 2).all(2)).all()
    assert 0 < (y[:, :, 0] == 0).sum() < 30


def test_dropout1d_takes_a_sequence_without_a_batch():
    y = F.dropout1d(minicnn.ones(40, 3), 0.5).numpy()
    assert ((y == 0).all(1) | (y == 2).all(1)).all()


def test_dropout2d_warns_of_other_ranks_and_reads_them_as_torch_does():
    with pytest.warns(UserWarning, match=r"dropout2d: expected images .* got \(3, 40, 2\)"):
        y = F.dropout2d(minicnn.ones(3, 40, 2), 0.5).numpy()
    assert ((y == 0).all(2) | (y == 2).all(2)).all()


def test_dropout_in_place_writes_the_input():
    a = minicnn.ones(50).requires_grad_()
    b = a * 2.0
    y = F.dropout(b, 0.5, inplace=True)
    assert y is b and set(b.detach().tolist()) == {0.0, 4.0}
    np.testing.assert_array_equal(grad(b.sum(), a)[0].numpy(), b.detach().numpy())
    with pytest.raises(InPlaceError, match="dropout_: a leaf tensor"):
        F.dropout(a, 0.5, inplace=True)


def test_infinite_values_that_are_dropped_become_nan_as_in_torch():
    y = F.dropout(minicnn.full((100,), math.inf), 0.5)
    assert bool(y.isnan().any()) and bool(y.isinf().any())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_keeps_the_dtype(dtype):
    x = minicnn.ones(3, 4, dtype=dtype).requires_grad_()
    y = F.dropout(x, 0.3)
    assert y.dtype == grad(y.sum(), x)[0].dtype == dtype


def test_dropout_of_a_single_number_drops_it_or_not():
    assert {F.dropout(minicnn.tensor(1.0)).item() for _ in range(20)} == {0.0, 2.0}


def test_dropout_of_nothing_is_nothing():
    assert F.dropout(minicnn.ones(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (lambda x: F.dropout(x, 1.5), ArgumentError, "dropout: .* between 0 and 1, but got 1.5"),
        (
            lambda x: F.dropout2d(x, -0.1),
            ArgumentError,
            "dropout2d: .* between 0 and 1, but got -0.1",
        ),
        (
            lambda x: F.dropout(x.long()),
            DTypeError,
            "dropout: expected a floating tensor, got int64",
        ),
        (
            lambda x: F.dropout1d(x),
            ShapeError,
            r"dropout1d: Expected 2D or 3D input, .* got \(2, 3, 4, 5\)",
        ),
        (lambda x: F.dropout(3.0), TypeError, "dropout: input must be a Tensor, not float"),
    ],
)
def test_bad_arguments_of_dropout_are_named(call, kind, match):
    with pytest.raises(kind, match=match):
        call(minicnn.ones(2, 3, 4, 5))


@pytest.mark.filterwarnings("ignore:dropout2d")
def test_dropout2d_of_a_vector_is_named():
    with pytest.raises(
        ShapeError, match=r"dropout2d: input must be \(N, C, H, W\), got shape \(3,\)"
    ):
        F.dropout2d(minicnn.ones(3))


# ----------------------------------------------------------------------------------------------
# Embedding


@st.composite
def lookups(draw):
    """Draw (indices, table, options)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, width = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    shape = draw(st.sampled_from([(), (0,), (5,), (2, 3), (2, 1, 4)]))
    options = {
        "padding_idx": draw(st.sampled_from([None, 0, rows - 1, -rows])),
        "scale_grad_by_freq": draw(st.booleans()),
    }
    kind = draw(st.sampled_from(["int64", "int32"]))
    return (
        np.asarray(rng.integers(0, rows, shape)).astype(kind),
        rng.standard_normal((rows, width)),
        options,
    )


@few
@given(lookups())
def test_embedding_agrees_with_torch(case):
    torch = pytest.importorskip("torch")
    index, table, options = case
    agree(
        lambda i, w: F.embedding(i, w, **options),
        lambda i, w: torch.nn.functional.embedding(i, w, **options),
        index, table, second=False,
    )  # fmt: skip


def test_second_derivatives_go_through_the_table():
    torch = pytest.importorskip("torch")
    index, table = np.array([[0, 2], [2, 2]]), np.random.default_rng(0).standard_normal((4, 3))
    agree(
        lambda i, w: F.embedding(i, w, padding_idx=0) ** 3,
        lambda i, w: torch.nn.functional.embedding(i, w, padding_idx=0) ** 3,
        index, table,
    )  # fmt: skip


def test_embedding_passes_gradcheck_to_second_order():
    index = minicnn.tensor([[0, 2], [2, 1]])
    table = minicnn.tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True)

    def function(w):
        return F.embedding(index, w).sin()

    assert minicnn.gradcheck(function, (table,), fast_mode=False)
    assert minicnn.gradgradcheck(function, (table,))


def test_a_row_read_twice_gets_both_gradients_and_padding_none():
    table = minicnn.ones(3, 2).requires_grad_()
    y = F.embedding(minicnn.tensor([1, 1, 0, 2]), table, padding_idx=2)
    assert grad(y.sum(), table)[0].tolist() == [[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_embedding_keeps_the_dtype_and_sums_float16_finely(dtype):
    table = minicnn.ones(2, 1, dtype=dtype).requires_grad_()
    y = F.embedding(minicnn.zeros(3000, dtype="int64"), table)
    (dw,) = grad(y.sum(), table)
    assert y.dtype == dw.dtype == dtype
    assert dw.tolist() == [[3000.0], [0.0]]  # in float16, 2048 + 1 is 2048


@few
@given(st.integers(0, 99), st.integers(1, 5))
def test_rows_and_row_sums_are_adjoint(seed, rows):
    rng = np.random.default_rng(seed)
    w, v = (
        minicnn.tensor(rng.standard_normal((rows, 3))),
        minicnn.tensor(rng.standard_normal((2, 4, 3))),
    )
    index = minicnn.tensor(rng.integers(0, rows, (2, 4)))
    a, b = (Rows()(w, index) * v).sum(), (w * RowSums(rows)(v, index)).sum()
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-10)


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (
            lambda w: F.embedding(minicnn.tensor([0, 5]), w),
            DimensionError,
            r"embedding: indices must lie in 0 to 4 for weight \(5, 3\); found 5",
        ),
        (lambda w: F.embedding(minicnn.tensor([-1]), w), DimensionError, "found -1"),
        (
            lambda w: F.embedding(minicnn.tensor([1.0]), w),
            DTypeError,
            "indices must be int64, not float32",
        ),
        (
            lambda w: F.embedding(minicnn.tensor([1]), w[0]),
            ShapeError,
            r"weight must be 2-D, \(V, D\), got shape \(3,\)",
        ),
        (
            lambda w: F.embedding(minicnn.tensor([1]), w, padding_idx=7),
            ArgumentError,
            "within the 5 rows of weight, got 7",
        ),
        (
            lambda w: F.embedding(minicnn.tensor([1]), w, max_norm=1.0),
            UnsupportedError,
            "max_norm and sparse",
        ),
        (
            lambda w: F.embedding(minicnn.tensor([1]), w, sparse=True),
            UnsupportedError,
            "max_norm and sparse",
        ),
        (lambda w: F.embedding([1], w), TypeError, "embedding: input must be a Tensor, not list"),
    ],
)
def test_bad_arguments_of_embedding_are_named(call, kind, match):
    with pytest.raises(kind, match=match):
        call(minicnn.ones(5, 3))
        settle()  # on a GPU, indices out of range are found later


def test_errors_are_caught_by_the_classes_of_torch():
    torch = pytest.importorskip("torch")
    calls = [
        (lambda F, i, x: F.embedding(i + 5, x), "indices"),
        (lambda F, i, x: F.embedding(i - 1, x), "indices"),
        (lambda F, i, x: F.embedding(x, x), "indices"),
        (lambda F, i, x: F.embedding(i, x[0]), "weight"),
        (lambda F, i, x: F.dropout(x, 1.5), "between 0 and 1"),
        (lambda F, i, x: F.dropout(i, 0.5), "floating"),
        (lambda F, i, x: F.dropout1d(x[0], 0.5), "Expected 2D or 3D"),
    ]
    for call, match in calls:
        same_error(
            lambda call=call: call(F, minicnn.tensor([0, 2]), minicnn.ones(5, 3)),
            lambda call=call: call(torch.nn.functional, torch.tensor([0, 2]), torch.ones(5, 3)),
            match,
        )
