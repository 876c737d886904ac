"""Shapes, views, joining, ordering, reducing: facts that need no other library but NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sharing import shares_memory

import minicnn
import minicnn.nn.functional as F
from minicnn import linalg

X = np.arange(24.0).reshape(2, 3, 4)


def t(array):
    return minicnn.from_numpy(np.array(array))


def shares(y, x):
    return shares_memory(y.array, x.array)


# ------------------------------------------------------------------------------- views

VIEWS = {
    "reshape": lambda x: x.reshape(6, 4),
    "view": lambda x: x.view(-1),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(-1, (2, -1)),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "movedim": lambda x: x.movedim(0, 2),
    "T": lambda x: x[0].T,
    "mT": lambda x: x.mT,
    "t": lambda x: x[0].t(),
    "expand": lambda x: x[:1].expand(5, 3, 4),
    "broadcast_to": lambda x: x.broadcast_to((2, 2, 3, 4)),
    "expand_as": lambda x: x[:1].expand_as(x),
    "narrow": lambda x: x.narrow(1, 0, 2),
    "select": lambda x: x.select(1, 0),
    "split": lambda x: x.split(2, 1)[0],
    "chunk": lambda x: x.chunk(2, 2)[1],
    "unbind": lambda x: x.unbind(2)[0],
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "slice": lambda x: x[:, 1:, ::2],
    "number": lambda x: x[0, -1],
    "detach": lambda x: x.detach(),
    "ravel": lambda x: x.ravel(),
    "view_as": lambda x: x.view_as(x.reshape(4, 6)),
}
COPIES = {
    "clone": lambda x: x.clone(),
    "repeat": lambda x: x.repeat(1, 1, 1),
    "tile": lambda x: x.tile(1),
    "cat": lambda x: minicnn.cat([x]),
    "flip": lambda x: x.flip(0),
    "index": lambda x: x[[0]],
    "mask": lambda x: x[x > 3],
    "diag": lambda x: x[0, :, :3].diag(),
    "contiguous-of-strided": lambda x: x.mT.contiguous(),
    "ravel-of-strided": lambda x: x.mT.ravel(),
    "repeat-number": lambda x: x[0, 0, 0].repeat(3),
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_shares_memory_and_shows_later_changes(name):
    x = t(X)
    y = VIEWS[name](x)
    assert shares(y, x)
    x.mul_(2)
    assert np.array_equal(y.numpy(), VIEWS[name](t(X * 2)).numpy())


@pytest.mark.parametrize("name", COPIES)
def test_copy_does_not_share_memory(name):
    x = t(X)
    assert not shares(COPIES[name](x), x)


def test_view_refuses_where_reshape_copies():
    x = t(X).transpose(0, 1)
    assert not shares(x.reshape(-1), x)
    with pytest.raises(RuntimeError, match="cannot be seen as"):
        x.view(-1)
    assert x.contiguous().view(-1).tolist() == x.reshape(-1).tolist()


def test_memory_is_shared_as_if_images_were_row_major():
    channels_last = np.zeros((2, 4, 5, 3), np.float32)
    x = t(channels_last).permute(0, 3, 1, 2) * 1.0  # (2, 3, 4, 5), the channels last in memory
    assert x.is_contiguous() and x.stride() == (60, 20, 5, 1)
    flat = x.view(2, -1)  # a copy, though a view in PyTorch: the two are not to be changed
    assert not shares(flat, x)
    with pytest.raises(RuntimeError, match="change a clone"):
        flat.zero_()
    rows = x.permute(0, 2, 3, 1).reshape(2, -1)  # could be a view, but is a copy in PyTorch
    assert not shares(rows, x)
    rows.zero_()
    with pytest.raises(RuntimeError, match="cannot be seen as"):
        x.permute(0, 2, 3, 1).view(2, -1)


@st.composite
def viewed(draw):
    """A tensor made by a few view operations, and a size that its elements could have."""
    x = t(np.arange(math.prod(shape := draw(st.lists(st.sampled_from([1, 2, 3]), max_size=3)))))
    x = x.reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        step = draw(st.sampled_from(["permute", "slice", "unsqueeze", "expand"]))
        if step == "permute":
            x = x.permute(draw(st.permutations(range(x.ndim))))
        elif step == "slice" and x.ndim and x.shape[-1] > 1:
            x = x[..., draw(st.integers(0, 1)) :: draw(st.integers(1, 2))]
        else:
            x = x[None] if step == "unsqueeze" else x[None].expand(2, *x.shape)
    factors, left = [], x.numel()
    for p in (2, 2, 2, 3, 3):
        if left % p == 0:
            factors, left = [*factors, p], left // p
    factors = draw(st.permutations([*factors, left]))
    cut = draw(st.integers(0, len(factors)))
    return x, (math.prod(factors[:cut]), math.prod(factors[cut:]))


@given(viewed())
def test_a_view_exists_exactly_where_no_copy_is_needed(case):
    x, size = case
    y = x.reshape(size)
    assert np.array_equal(y.numpy(), x.numpy().reshape(size))
    if shares(y, x):
        assert np.array_equal(x.view(size).numpy(), y.numpy())
    else:
        with pytest.raises(RuntimeError):
            x.view(size)
    assert x.contiguous().is_contiguous()
    assert x.is_contiguous() == x.array.flags.c_contiguous


def test_strides_are_counted_in_elements():
    x = t(X)
    assert x.stride() == (12, 4, 1)
    assert x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.stride(-1) == 1 and x[:, ::2].stride(1) == 8


# ------------------------------------------------------------------------------- joining


def test_joining_and_splitting_undo_each_other():
    x = t(X)
    assert np.array_equal(minicnn.cat(x.split([1, 2], 1), 1).numpy(), X)
    assert np.array_equal(minicnn.stack(x.unbind(2), 2).numpy(), X)
    assert np.array_equal(minicnn.cat(x.chunk(3, -1), -1).numpy(), X)
    assert [c.shape[0] for c in minicnn.arange(10).chunk(4)] == [3, 3, 3, 1]


def test_cat_promotes_and_skips_empty_vectors():
    y = minicnn.cat([minicnn.tensor([1]), minicnn.tensor([]), minicnn.tensor([2.5])])
    assert y.tolist() == [1, 2.5] and y.dtype == "float32"
    wide = minicnn.cat([minicnn.ones(1, 2), minicnn.tensor([])])
    assert wide.shape == (1, 2)


@pytest.mark.parametrize(
    ("ours", "numpys"),
    [
        (lambda x: x.repeat(2, 1, 2), lambda x: np.tile(x, (2, 1, 2))),
        (lambda x: x.tile(2, 2), lambda x: np.tile(x, (2, 2))),
        (lambda x: x.repeat_interleave(2, 1), lambda x: np.repeat(x, 2, 1)),
        (lambda x: x.repeat_interleave(2), lambda x: np.repeat(x, 2)),
        (
            lambda x: x.repeat_interleave(minicnn.tensor([0, 2, 1]), 1),
            lambda x: np.repeat(x, [0, 2, 1], 1),
        ),
        (lambda x: x.flip(0, 2), lambda x: np.flip(x, (0, 2))),
        (lambda x: x.fliplr(), np.fliplr),
        (lambda x: x.flipud(), np.flipud),
        (lambda x: x.roll((1, -2), (0, 2)), lambda x: np.roll(x, (1, -2), (0, 2))),
        (lambda x: x.roll(5), lambda x: np.roll(x, 5)),
        (lambda x: minicnn.hstack([x, x]), lambda x: np.hstack([x, x])),
        (lambda x: minicnn.vstack([x, x]), lambda x: np.vstack([x, x])),
        (lambda x: x.tril(1), lambda x: np.tril(x, 1)),
        (lambda x: x.triu(), np.triu),
        (lambda x: x[0].trace(), lambda x: np.trace(x[0])),
        (lambda x: x[0, 0].diag(1), lambda x: np.diag(x[0, 0], 1)),
        (lambda x: x.diagonal(1, 2, 0), lambda x: np.diagonal(x, 1, 2, 0)),
        (lambda x: F.pad(x, (1, 2, 0, 1)), lambda x: np.pad(x, [(0, 0), (0, 1), (1, 2)])),
        (lambda x: F.pad(x, (-1, 1)), lambda x: np.pad(x[..., 1:], [(0, 0), (0, 0), (0, 1)])),
        (
            lambda x: F.pad(x, (2, 1), "reflect"),
            lambda x: np.pad(x, [(0, 0), (0, 0), (2, 1)], "reflect"),
        ),
        (
            lambda x: F.pad(x, (2, 5), "replicate"),
            lambda x: np.pad(x, [(0, 0), (0, 0), (2, 5)], "edge"),
        ),
        (
            lambda x: F.pad(x, (2, 1), "circular"),
            lambda x: np.pad(x, [(0, 0), (0, 0), (2, 1)], "wrap"),
        ),
        (lambda x: minicnn.meshgrid(x[0, 0], x[0, :, 0])[1], lambda x: np.tile(x[0, :, 0], (4, 1))),
    ],
)
def test_rearranging_is_numpys(ours, numpys):
    assert np.array_equal(ours(t(X)).numpy(), numpys(X))


# ------------------------------------------------------------------------------- reducing

RNG = np.random.default_rng(0).standard_normal((3, 4, 5))
REDUCTIONS = {
    "sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min,
    "var": lambda x, axis, keepdims: np.var(x, axis=axis, keepdims=keepdims, ddof=1),
    "std": lambda x, axis, keepdims: np.std(x, axis=axis, keepdims=keepdims, ddof=1),
    "logsumexp": lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "norm": lambda x, axis, keepdims: np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)),
    "all": np.all, "any": np.any,
}  # fmt: skip


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1, (0, 2), (1,)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_is_numpys(name, dim, keepdim):
    expected = REDUCTIONS[name](RNG, axis=dim, keepdims=keepdim)
    found = getattr(minicnn, name)(t(RNG), dim=dim, keepdim=keepdim)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "argmax", "prod", "median", "all"])
def test_numpys_names_for_a_dimension_are_understood(name):
    function = getattr(minicnn, name)
    ours, theirs = function(t(RNG), axis=1, keepdims=True), function(t(RNG), dim=1, keepdim=True)
    for a, b in zip(
        *([y] if isinstance(y, minicnn.Tensor) else y for y in (ours, theirs)), strict=True
    ):
        assert np.array_equal(a.numpy(), b.numpy())


def test_integers_and_bools_add_up_in_int64():
    x = minicnn.full((300,), 100, dtype=minicnn.int8)
    assert x.sum().item() == 30000 and x.sum().dtype == "int64"
    assert minicnn.ones(5).bool().sum().item() == 5
    assert x[:3].prod().item() == 10**6 and x.cumsum(0)[-1].item() == 30000


def test_a_long_sum_in_float16_keeps_its_small_terms():
    x = minicnn.ones(10000, dtype=minicnn.float16)
    assert x.sum().item() == 10000 and x.mean().item() == 1
    assert (x * 100).var().item() == 0


def test_reductions_of_nothing():
    empty = minicnn.zeros(0, 3)
    assert empty.sum().item() == 0 and empty.prod().item() == 1 and bool(empty.all())
    assert math.isnan(empty.mean().item())
    assert empty.sum(1).shape == (0,) and empty.logsumexp(0).tolist() == [-math.inf] * 3


def test_logsumexp_neither_overflows_nor_loses_infinity():
    x = minicnn.tensor([[1000.0, 1000.0], [-math.inf, -math.inf], [math.inf, 0.0]])
    assert x.logsumexp(1).tolist() == [pytest.approx(1000 + math.log(2)), -math.inf, math.inf]


def test_the_gradient_of_a_product_is_right_with_zeros():
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 5.0, 3.0]):
        for product in (lambda x: x.prod(), lambda x: x.cumprod(0)[-1]):
            x = minicnn.tensor(values, requires_grad=True)
            product(x).backward()
            others = [math.prod(values[:i] + values[i + 1 :]) for i in range(3)]
            assert x.grad.tolist() == others


def test_running_sums_and_products():
    assert np.allclose(t(RNG).cumsum(1).numpy(), RNG.cumsum(1))
    assert np.allclose(t(RNG).cumprod(-1).numpy(), RNG.cumprod(-1))


def test_variance_and_mean_come_together():
    v, m = minicnn.var_mean(t(RNG), dim=1, keepdim=True)
    assert np.allclose(v.numpy(), RNG.var(1, ddof=1, keepdims=True))
    assert np.allclose(m.numpy(), RNG.mean(1, keepdims=True))
    s, _ = minicnn.std_mean(t(RNG), unbiased=False)
    assert s.item() == pytest.approx(RNG.std())


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, math.inf, -math.inf, -1])
def test_vector_norm_is_numpys(order):
    x = RNG[0, 0]
    found = linalg.vector_norm(t(x), order).item()
    assert found == pytest.approx(np.linalg.norm(x, order))
    assert t(x).norm(order).item() == pytest.approx(found)


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2, 3])
def test_the_gradient_of_a_norm_is_zero_where_the_element_is(order):
    for values, expected in (([0.0, 0.0], [0, 0]), ([0.0, -2.0], [0, -1])):
        x = minicnn.tensor(values, requires_grad=True)
        x.norm(order).backward()
        assert x.grad.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("order", ["fro", 1, -1, math.inf, -math.inf])
def test_matrix_norm_is_numpys(order):
    expected = np.linalg.norm(RNG, order, axis=(1, 2))
    assert np.allclose(linalg.matrix_norm(t(RNG), order).numpy(), expected)
    assert np.allclose(linalg.norm(t(RNG[0]), order).item(), expected[0])


# ------------------------------------------------------------------------------- order


def test_equal_elements_keep_their_order_in_both_directions():
    x = minicnn.tensor([1, 0, 1, 0, 1])
    assert x.argsort().tolist() == [1, 3, 0, 2, 4]
    assert x.argsort(descending=True).tolist() == [0, 2, 4, 1, 3]
    assert x.sort(descending=True).indices.tolist() == [0, 2, 4, 1, 3]
    assert x.topk(2).indices.tolist() == [0, 2]
    assert x.topk(2, largest=False).indices.tolist() == [1, 3]


def test_nan_is_the_largest_when_sorting_and_wins_every_contest():
    x = minicnn.tensor([1.0, float("nan"), 0.0])
    assert x.argsort().tolist() == [2, 0, 1]
    assert x.argsort(descending=True).tolist() == [1, 0, 2]
    assert math.isnan(x.max().item()) and math.isnan(x.amin().item())
    assert x.argmax().item() == 1 and math.isnan(x.median().item())


def test_extrema_name_values_and_indices():
    x = t(RNG)
    found = x.max(1)
    assert np.array_equal(found.values.numpy(), RNG.max(1))
    assert np.array_equal(found.indices.numpy(), RNG.argmax(1))
    values, indices = x.min(dim=-1, keepdim=True)
    assert values.shape == indices.shape == (3, 4, 1)
    assert minicnn.max(x, minicnn.zeros_like(x)).numpy().min() == 0


def test_the_median_is_the_lower_of_two_middle_elements():
    assert minicnn.tensor([4, 1, 3, 2]).median().item() == 2
    found = minicnn.tensor([[4, 1, 3], [9, 7, 8]]).median(1)
    assert (found.values.tolist(), found.indices.tolist()) == ([3, 8], [2, 2])


# ------------------------------------------------------------------------------- places


def test_gather_and_scatter_add_are_adjoint():
    index = minicnn.tensor([[0, 2, 2], [1, 0, 1]])
    x, y = t(RNG[:, 0, :3]), t(RNG[:2, 1, :3])
    left = (x.gather(0, index) * y).sum()
    right = (x * minicnn.zeros_like(x).scatter_add(0, index, y)).sum()
    assert left.item() == pytest.approx(right.item())


def test_writing_at_places():
    x = minicnn.zeros(3)
    i = minicnn.tensor([2, 0])
    v = minicnn.tensor([5.0, 6.0])
    assert x.scatter(0, i, v).tolist() == [6, 0, 5]
    assert x.scatter(0, i, 1.5).tolist() == x.scatter(0, i, value=1.5).tolist() == [1.5, 0, 1.5]
    assert x.scatter(0, i, v, reduce="add").tolist() == [6, 0, 5]
    assert x.index_add(0, minicnn.tensor([1, 1]), v, alpha=2).tolist() == [0, 22, 0]
    assert x.index_fill(0, i, 7).tolist() == [7, 0, 7]
    assert x.masked_fill(x == 0, 1).tolist() == [1, 1, 1]
    assert x.tolist() == [0, 0, 0]
    x.scatter_(0, i, v)
    assert x.tolist() == [6, 0, 5]


def test_reading_at_places():
    x = t(X[0])
    assert np.array_equal(x.index_select(1, minicnn.tensor([3, 0])).numpy(), X[0][:, [3, 0]])
    assert x.take(minicnn.tensor([[0, -1]])).tolist() == [[0, 11]]
    order = np.argsort(-X[0], 1)
    assert np.array_equal(
        x.take_along_dim(minicnn.from_numpy(order), 1).numpy(), np.take_along_axis(X[0], order, 1)
    )
    assert x.masked_select(x > 9).tolist() == [10, 11]


def test_finding_and_counting():
    x = minicnn.tensor([[0, 3], [3, 1]])
    assert x.nonzero().tolist() == x.argwhere().tolist() == [[0, 1], [1, 0], [1, 1]]
    assert [i.tolist() for i in x.nonzero(as_tuple=True)] == [[0, 1, 1], [1, 0, 1]]
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([0, 1, 3], [1, 1, 2])
    assert values[inverse].tolist() == x.tolist()
    assert minicnn.unique(minicnn.tensor([[1, 2], [1, 2]]), dim=0).tolist() == [[1, 2]]
    assert x.reshape(-1).bincount(minlength=5).tolist() == [1, 1, 0, 2, 0]
    assert x.count_nonzero().item() == 3 and x.count_nonzero(0).tolist() == [1, 2]


# ------------------------------------------------------------------------------- products

A, B = RNG, np.random.default_rng(1).standard_normal((3, 5, 2))


@pytest.mark.parametrize(
    ("ours", "numpys"),
    [
        (lambda a, b: a @ b, lambda a, b: a @ b),
        (lambda a, b: a @ b[0], lambda a, b: a @ b[0]),
        (lambda a, b: a[0] @ b, lambda a, b: a[0] @ b),
        (lambda a, b: a[0, 0] @ b, lambda a, b: a[0, 0] @ b),
        (lambda a, b: a @ b[0, :, 0], lambda a, b: a @ b[0, :, 0]),
        (lambda a, b: a[:, None] @ b[None], lambda a, b: a[:, None] @ b[None]),
        (lambda a, b: a[0, 0].dot(b[0, :, 0]), lambda a, b: a[0, 0] @ b[0, :, 0]),
        (lambda a, b: a.bmm(b), lambda a, b: a @ b),
        (lambda a, b: a[0].mm(b[0]), lambda a, b: a[0] @ b[0]),
        (lambda a, b: a[0].mv(b[0, :, 0]), lambda a, b: a[0] @ b[0, :, 0]),
        (lambda a, b: a[0, 0].outer(b[0, 0]), lambda a, b: np.outer(a[0, 0], b[0, 0])),
        (lambda a, b: a.inner(a[0]), lambda a, b: np.inner(a, a[0])),
        (lambda a, b: minicnn.tensordot(a, b[0], 1), lambda a, b: a @ b[0]),
        (
            lambda a, b: minicnn.tensordot(a, b, ([0, 2], [0, 1])),
            lambda a, b: np.tensordot(a, b, ([0, 2], [0, 1])),
        ),
        (lambda a, b: linalg.multi_dot([a[0].T, a[0], b[0]]), lambda a, b: a[0].T @ a[0] @ b[0]),
        (lambda a, b: linalg.vecdot(a, a), lambda a, b: (a * a).sum(-1)),
        (lambda a, b: minicnn.einsum("bij,bjk->bik", a, b), lambda a, b: a @ b),
        (lambda a, b: minicnn.einsum("...ij->...ji", a), lambda a, b: a.swapaxes(1, 2)),
        (lambda a, b: minicnn.einsum("bij,bjk->k", a, b), lambda a, b: (a @ b).sum((0, 1))),
        (
            lambda a, b: minicnn.einsum("iij->j", a[:, :3]),
            lambda a, b: np.einsum("iij->j", a[:, :3]),
        ),
        (
            lambda a, b: a[0, :2, :2].addmm(a[0, :2], b[0], beta=0.5, alpha=2),
            lambda a, b: 0.5 * a[0, :2, :2] + 2 * a[0, :2] @ b[0],
        ),
        (lambda a, b: a[:, :, :2].baddbmm(a, b, beta=0), lambda a, b: a @ b),
        (lambda a, b: F.linear(a, b[0].T), lambda a, b: a @ b[0]),
    ],
)
def test_product_is_numpys(ours, numpys):
    np.testing.assert_allclose(ours(t(A), t(B)).numpy(), numpys(A, B), rtol=1e-12)


def test_float16_products_are_summed_in_float32():
    x = minicnn.full((1, 4096), 0.25, dtype=minicnn.float16)
    assert (x @ x.T).item() == 256
