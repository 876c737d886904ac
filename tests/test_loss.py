"""Losses: values, derivatives, reductions, and what is said about targets that do not fit."""

from __future__ import annotations

import itertools
import math
import re
import warnings

import numpy as np
import pytest
from agreement import agree, same_error
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn.functional as F
from minicnn.autograd import grad
from minicnn.deferred import settle
from minicnn.errors import ArgumentError, DTypeError, GraphError, LabelError, ShapeError
from minicnn.ops.classification import CrossEntropy

few = settings(max_examples=60)
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
REGRESSION = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 0.3}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.4}),
    ("smooth_l1_loss", {"beta": 0.0}),
]
EVERY = pytest.mark.parametrize("name, options", REGRESSION, ids=lambda v: str(v))


def torch_functional():
    return pytest.importorskip("torch").nn.functional


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# ----------------------------------------------------------------------------------------------
# Numbers


@EVERY
@REDUCTIONS
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_regression_agrees_with_torch(name, options, reduction, dtype):
    T = torch_functional()
    x, t = (draw(4, 5, seed=s).astype(dtype) for s in (0, 1))
    options = {**options, "reduction": reduction}
    second = dtype != "float16"
    agree(
        lambda x, t: getattr(F, name)(x, t, **options),
        lambda x, t: getattr(T, name)(x, t, **options),
        x, t, second=second,
    )  # fmt: skip


@EVERY
def test_regression_corners_have_the_slopes_of_torch(name, options):
    T = torch_functional()
    corner = options.get("delta", options.get("beta", 1.0))
    x = np.array([0.0, corner, -corner, np.nextafter(corner, 9), 1e4])
    options = {**options, "reduction": "none"}
    agree(
        lambda x: getattr(F, name)(x, x.detach() * 0, **options),
        lambda x: getattr(T, name)(x, x.detach() * 0, **options),
        x,
    )


@REDUCTIONS
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_regression_weights_agree_with_torch(name, reduction):
    T = torch_functional()
    x, t, w = draw(4, 5), draw(4, 5, seed=1), abs(draw(4, 5, seed=2))
    agree(
        lambda x, t, w: getattr(F, name)(x, t, weight=w, reduction=reduction),
        lambda x, t, w: getattr(T, name)(x, t, weight=w, reduction=reduction),
        x, t, w,
    )  # fmt: skip


def test_regression_losses_are_those_worked_out_by_hand():
    x, t = minicnn.tensor([1.0, 4.0]), minicnn.tensor([0.0, 1.0])
    assert F.mse_loss(x, t).item() == 5.0
    assert F.l1_loss(x, t).item() == 2.0
    assert F.huber_loss(x, t, delta=2.0).item() == (0.5 + 2 * (3 - 1)) / 2
    assert F.smooth_l1_loss(x, t, reduction="sum").item() == 0.5 + 2.5


@EVERY
def test_regression_passes_gradcheck_to_second_order(name, options):
    x = minicnn.tensor(draw(3, 4), requires_grad=True)
    t = minicnn.tensor(draw(3, 4, seed=5), requires_grad=True)

    def function(x, t):
        return getattr(F, name)(x, t, **options)

    assert minicnn.gradcheck(function, (x, t), fast_mode=False)
    assert minicnn.gradgradcheck(function, (x, t))


@EVERY
@pytest.mark.parametrize(
    "dtypes", list(itertools.permutations(["float32", "float64", "int64"], 2)), ids=str
)
def test_mixed_dtypes_promote_as_in_torch(name, options, dtypes):
    torch = pytest.importorskip("torch")
    x, t = (np.arange(4).astype(d) for d in dtypes)

    def ours():
        return getattr(F, name)(minicnn.tensor(x), minicnn.tensor(t), **options)

    try:
        y = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(t), **options)
    except RuntimeError:
        with pytest.raises(DTypeError, match=f"{name}: expected a floating tensor, got int64"):
            ours()
    else:
        assert ours().dtype == y.numpy().dtype


@EVERY
def test_shapes_that_broadcast_warn_as_in_torch(name, options):
    T = torch_functional()
    with pytest.warns(UserWarning, match=r"target \(3, 1\) has another shape than input \(3, 4\)"):
        y = getattr(F, name)(minicnn.ones(3, 4), minicnn.zeros(3, 1), **options)
    assert y.shape == ()
    with pytest.warns(UserWarning):
        agree(
            lambda x, t: getattr(F, name)(x, t, reduction="none", **options),
            lambda x, t: getattr(T, name)(x, t, reduction="none", **options),
            draw(3, 4), draw(4),
        )  # fmt: skip


@EVERY
def test_bad_regression_targets_are_named(name, options):
    def function(x, t, **more):
        return getattr(F, name)(x, t, **{**options, **more})

    match = re.escape(
        f"{name}: input and target must have the same shape; got input (3, 4), target (2,)"
    )
    with pytest.raises(ShapeError, match=match):
        function(minicnn.ones(3, 4), minicnn.ones(2))
    with pytest.raises(TypeError, match=f"{name}: target must be a Tensor, not float"):
        function(minicnn.ones(3), 1.0)
    with pytest.raises(DTypeError, match=f"{name}: expected .*floating tensor.* got int64"):
        function(minicnn.tensor([1]), minicnn.tensor([2]))
    with pytest.raises(ArgumentError, match=f"{name}: 'avg' is not a reduction"):
        function(minicnn.ones(3), minicnn.ones(3), reduction="avg")


def test_l1_of_integers_stays_whole_as_in_torch():
    y = F.l1_loss(minicnn.tensor([1, 5]), minicnn.tensor([4, 3]), reduction="sum")
    assert y.item() == 5 and y.dtype == np.int64


def test_bad_regression_options_are_named():
    x = minicnn.ones(3)
    with pytest.raises(ArgumentError, match="huber_loss: delta must be positive, got 0"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(ArgumentError, match="smooth_l1_loss: beta must not be negative, got -1"):
        F.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(
        ShapeError, match=r"mse_loss: weight must have the shape of input; got weight \(1,\)"
    ):
        F.mse_loss(x, x, weight=minicnn.ones(1))


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "smooth_l1_loss", "nll_loss", "cross_entropy"]
)
@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_old_flags_mean_what_they_did(name, size_average, reduce):
    torch = pytest.importorskip("torch")
    if size_average is None and reduce is None:
        return
    x, t = (
        draw(3, 4),
        draw(3, 4, seed=1) if name.endswith(("e_loss", "1_loss")) else np.array([0, 3, 1]),
    )
    flags = {"size_average": size_average, "reduce": reduce}
    with pytest.warns(UserWarning, match="deprecated; use reduction="):
        y = getattr(F, name)(minicnn.tensor(x), minicnn.tensor(t), **flags)
    with pytest.warns(UserWarning):
        expected = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(t), **flags)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-9)


# ----------------------------------------------------------------------------------------------
# Classes


@st.composite
def labelled(draw):
    """Draw scores, labels and options of a cross entropy."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    classes = draw(st.integers(1, 6))
    extra = draw(st.sampled_from([(), (), (3,), (2, 3), (2, 1, 2)]))
    n = draw(st.sampled_from([None, 1, 4])) if not extra else draw(st.integers(1, 3))
    shape = (classes,) if n is None else (n, classes, *extra)
    x = rng.standard_normal(shape) * 3
    t = rng.integers(0, classes, () if n is None else (n, *extra))
    ignore = draw(st.sampled_from([-100, -1, 0, classes - 1, 99]))
    t = np.where(rng.random(t.shape) < 0.2, ignore, t)
    weight = rng.random(classes) + 0.1 if draw(st.booleans()) else None
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "ignore_index": ignore,
        "label_smoothing": draw(st.sampled_from([0.0, 0.0, 0.1, 1.0])),
    }
    return x, np.asarray(t), weight, options


def with_weight(function, module, weight, options):
    w = None if weight is None else module.tensor(weight)
    return lambda x, t: function(x, t, w, **options)


@few
@given(labelled())
def test_cross_entropy_agrees_with_torch(case):
    torch = pytest.importorskip("torch")
    x, t, weight, options = case
    agree(
        with_weight(F.cross_entropy, minicnn, weight, options),
        with_weight(torch.nn.functional.cross_entropy, torch, weight, options),
        x, t,
    )  # fmt: skip


@few
@given(labelled())
def test_nll_loss_agrees_with_torch(case):
    torch = pytest.importorskip("torch")
    x, t, weight, options = case
    del options["label_smoothing"]
    agree(
        with_weight(F.nll_loss, minicnn, weight, options),
        with_weight(torch.nn.functional.nll_loss, torch, weight, options),
        x, t,
    )  # fmt: skip


@few
@given(labelled())
def test_cross_entropy_of_probabilities_agrees_with_torch(case):
    torch = pytest.importorskip("torch")
    x, _, weight, options = case
    del options["ignore_index"]
    q = np.random.default_rng(1).random(x.shape)
    agree(
        with_weight(F.cross_entropy, minicnn, weight, options),
        with_weight(torch.nn.functional.cross_entropy, torch, weight, options),
        x, q,
    )  # fmt: skip


@few
@given(labelled())
def test_fused_cross_entropy_equals_its_reference_in_both_passes(case):
    x, t, weight, options = case
    x = minicnn.tensor(x.reshape(len(x), -1) if x.ndim > 1 else x[None], requires_grad=True)
    t = minicnn.tensor(np.resize(t, len(x.array)))
    t = minicnn.where((t >= x.shape[1]) & (t != options["ignore_index"]), 0, t)
    w = minicnn.tensor(np.resize(weight, x.shape[1])) if weight is not None else None
    op = CrossEntropy(options["ignore_index"], options["reduction"], options["label_smoothing"])
    y, defined = op(x, t, w), op.again().reference(x, t, w)
    np.testing.assert_allclose(y.detach().numpy(), defined.detach().numpy(), rtol=1e-10)
    dy = minicnn.tensor(draw(*y.shape))
    fast, slow = grad(y, x, dy)[0], grad(defined, x, dy)[0]
    np.testing.assert_allclose(fast.numpy(), slow.numpy(), rtol=1e-9, atol=1e-13)


def test_cross_entropy_gradient_is_probability_minus_truth():
    x = draw(5, 3)
    t = np.array([0, 2, 1, 1, 0])
    logits = minicnn.tensor(x, requires_grad=True)
    loss = F.cross_entropy(logits, minicnn.tensor(t))
    p, truth = softmax(x), np.eye(3)[t]
    np.testing.assert_allclose(loss.item(), -np.log(p[range(5), t]).mean(), rtol=1e-12)
    np.testing.assert_allclose(grad(loss, logits)[0].numpy(), (p - truth) / 5, rtol=1e-10)


def test_one_hot_probabilities_give_what_labels_give():
    x, t = minicnn.tensor(draw(4, 3)), minicnn.tensor([0, 2, 1, 1])
    rows = F.one_hot(t, 3).double()
    for smoothing in (0.0, 0.2):
        a = F.cross_entropy(x, t, label_smoothing=smoothing)
        b = F.cross_entropy(x, rows, label_smoothing=smoothing)
        assert abs(a.item() - b.item()) < 1e-12


@pytest.mark.parametrize(
    "dtype, tolerance", [("float16", 2e-3), ("float32", 1e-6), ("float64", 1e-9)]
)
def test_cross_entropy_is_finite_for_scores_of_any_size(dtype, tolerance):
    x = minicnn.tensor(
        np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 5.0]]).astype(dtype), requires_grad=True
    )
    loss = F.cross_entropy(x, minicnn.tensor([1, 1]))
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss.item(), 1e4, rtol=tolerance)  # 20000 and 0
    np.testing.assert_allclose(
        grad(loss, x)[0].numpy(), [[0.5, -0.5, 0], [0, 0, 0]], atol=tolerance
    )


def test_float16_loses_nothing_inside():
    x = draw(200, 50).astype("float16")
    t = np.arange(200) % 50
    loss = F.cross_entropy(minicnn.tensor(x), minicnn.tensor(t))
    expected = -np.log(softmax(x.astype(float))[range(200), t]).mean()
    assert loss.dtype == np.float16 and abs(loss.item() - expected) < 2e-3


def test_images_may_be_channels_last_in_memory():
    x, t = draw(2, 3, 4, 5).astype("float32"), np.random.default_rng(0).integers(0, 3, (2, 4, 5))
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    a, b = minicnn.from_numpy(x).requires_grad_(), minicnn.from_numpy(last).requires_grad_()
    la, lb = (F.cross_entropy(v, minicnn.tensor(t)) for v in (a, b))
    assert la.item() == lb.item()
    np.testing.assert_array_equal(grad(la, a)[0].numpy(), grad(lb, b)[0].numpy())


def test_labels_may_be_uint8_as_in_torch():
    x = minicnn.tensor(draw(3, 4))
    t = minicnn.tensor([0, 3, 1])
    assert F.cross_entropy(x, t.byte()).item() == F.cross_entropy(x, t).item()


def test_all_ignored_gives_nan_as_mean_and_zero_as_sum():
    x = minicnn.tensor(draw(3, 4), requires_grad=True)
    t = minicnn.tensor([-100] * 3)
    for smoothing in (0.0, 0.1):
        options = {"label_smoothing": smoothing}
        assert math.isnan(F.cross_entropy(x, t, **options).item())
        assert F.cross_entropy(x, t, reduction="sum", **options).item() == 0.0
        assert F.cross_entropy(x, t, reduction="none", **options).tolist() == [0.0] * 3


def test_ignored_rows_may_hold_nan():
    x = minicnn.tensor([[math.nan, 1.0], [0.0, 0.0]])
    for smoothing in (0.0, 0.1):
        loss = F.cross_entropy(x, minicnn.tensor([-100, 1]), label_smoothing=smoothing)
        np.testing.assert_allclose(loss.item(), math.log(2), rtol=1e-6)


def test_an_empty_batch_is_nan_with_a_warning_or_zero_as_sum():
    x, t = minicnn.ones(0, 4), minicnn.zeros(0, dtype="int64")
    for function in (F.cross_entropy, F.nll_loss):
        with pytest.warns(
            UserWarning, match=r"the batch is empty, input \(0, 4\); its mean, 0 / 0, is NaN"
        ):
            assert math.isnan(function(x, t).item())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert function(x, t, reduction="sum").item() == 0.0
            assert function(x, t, reduction="none").shape == (0,)


@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    "shape, target, kind, match",
    [
        ((3, 4), [0, 4, 1], LabelError, r"labels must lie in 0 to 3 for input \(3, 4\).* found 4"),
        ((3, 4), [0, -1, 1], LabelError, "found -1. Count classes from 0"),
        (
            (3, 4),
            [0.0, 1.0, 2.0],
            LabelError,
            r"target \(3,\) is float32. Convert .* target.long\(\)",
        ),
        ((3, 4), [True, False, True], LabelError, "target .* is bool"),
        (
            (3, 4),
            [0, 1],
            ShapeError,
            r"needs labels of shape \(3,\); got \(2,\), so the batches have 3 and 2",
        ),
        ((3, 4), [[0], [1], [2]], ShapeError, r"got \(3, 1\). Remove the last dimension"),
        ((3, 4), 1, ShapeError, r"needs labels of shape \(3,\); got \(\)"),
        ((4,), [0, 1], ShapeError, r"needs labels of shape \(\); got \(2,\)"),
        ((2, 3, 5), [[0] * 4] * 2, ShapeError, r"needs labels of shape \(2, 5\); got \(2, 4\)"),
        ((), 1, ShapeError, r"input must be scores \(N, C, ...\) or \(C\), got \(\)"),
        ((3, 0), [0, 0, 0], ShapeError, r"input must be scores .* got \(3, 0\)"),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_named(function, shape, target, kind, match):
    with pytest.raises(kind, match=f"{function.__name__}: .*{match}"):
        function(minicnn.ones(shape), minicnn.tensor(target))
        settle()  # on a GPU, labels out of range are found later


def test_one_hot_integers_are_told_from_probabilities():
    match = r"probabilities, but it is int64. For one-hot rows use the labels, target.argmax\(1\)"
    with pytest.raises(LabelError, match=match):
        F.cross_entropy(minicnn.ones(3, 4), minicnn.zeros(3, 4, dtype="int64"))


def test_bad_options_of_cross_entropy_are_named():
    x, t = minicnn.ones(3, 4), minicnn.tensor([0, 1, 2])
    cases = [
        ({"weight": minicnn.ones(3)}, ShapeError, "one number for each of the 4 classes"),
        ({"weight": minicnn.ones(4).double()}, DTypeError, "input is float32 but weight float64"),
        ({"weight": minicnn.ones(4).requires_grad_()}, GraphError, "weight is a constant"),
        ({"label_smoothing": 1.5}, ArgumentError, "between 0 and 1, got 1.5"),
        ({"label_smoothing": -0.1}, ArgumentError, "between 0 and 1, got -0.1"),
        ({"reduction": "avg"}, ArgumentError, "'avg' is not a reduction"),
    ]
    for options, kind, match in cases:
        with pytest.raises(kind, match=f"cross_entropy: .*{match}"):
            F.cross_entropy(x, t, **options)
    with pytest.raises(ArgumentError, match="ignore_index=1 needs labels"):
        F.cross_entropy(x, x, ignore_index=1)
    with pytest.raises(DTypeError, match="cross_entropy: expected a floating tensor, got int64"):
        F.cross_entropy(x.long(), t)


def test_class_errors_are_caught_by_the_classes_of_torch():
    torch = pytest.importorskip("torch")
    x, t = draw(3, 4).astype("float32"), np.array([0, 1, 2])
    cases = [
        (x, t + 2, {}, "labels"),
        (x, t - 1, {}, "labels"),
        (x, t[:2], {}, "labels"),
        (x, t.astype("int32"), {}, "labels"),
        (x, t.astype("float32"), {}, "labels"),
        (x, t[:, None], {}, "labels"),
        (x, np.eye(4, dtype=int)[:3], {}, "one-hot"),
        (x, t, {"reduction": "avg"}, "reduction"),
        (x, t, {"label_smoothing": 2.0}, "smoothing"),
        (x, x, {"ignore_index": 1}, "ignore_index"),
        (x, t, {"weight": np.ones(3, "float32")}, "weight"),
        (x, t, {"weight": np.ones(4)}, "weight"),
        (x[0], t[:2], {}, "labels"),
        (x, t[0], {}, "labels"),
        (x.astype(int), t, {}, "floating"),
    ]
    for x, t, options, match in cases:

        def call(module, function, x=x, t=t, options=options):
            options = {k: module.tensor(v) if k == "weight" else v for k, v in options.items()}
            return function(module.tensor(x), module.tensor(t), **options)

        same_error(
            lambda: call(minicnn, F.cross_entropy),
            lambda: call(torch, torch.nn.functional.cross_entropy),
            match,
        )


# ----------------------------------------------------------------------------------------------
# Yes or no


@REDUCTIONS
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_agrees_with_torch(reduction, dtype, weighted):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = (rng.uniform(0.05, 0.95, (3, 4)).astype(dtype) for _ in range(2))
    w = rng.random(4).astype(dtype)

    def options(module):
        return {"reduction": reduction, "weight": module.tensor(w) if weighted else None}

    agree(
        lambda x, t: F.binary_cross_entropy(x, t, **options(minicnn)),
        lambda x, t: torch.nn.functional.binary_cross_entropy(x, t, **options(torch)),
        x, t, tolerance=1e-9 if dtype == "float64" else 2e-4,
    )  # fmt: skip


@REDUCTIONS
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_with_logits_agrees_with_torch(reduction, dtype, weighted):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((3, 4)).astype(dtype) * 3, rng.random((3, 4)).astype(dtype)
    w, p = rng.random(4).astype(dtype), rng.random((3, 1)).astype(dtype) * 3

    def options(module):
        weights = {"weight": module.tensor(w), "pos_weight": module.tensor(p)} if weighted else {}
        return {"reduction": reduction, **weights}

    agree(
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, **options(minicnn)),
        lambda x, t: torch.nn.functional.binary_cross_entropy_with_logits(x, t, **options(torch)),
        x, t, second=dtype != "float16",
    )  # fmt: skip


def test_weights_of_the_loss_with_logits_have_gradients():
    x, w, p = (minicnn.tensor(draw(*shape), requires_grad=True) for shape in [(3, 4), (4,), (3, 1)])
    t = minicnn.full((3, 4), 0.3, dtype="float64")

    def function(x, w, p):
        return F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p)

    assert minicnn.gradcheck(function, (x, w, p)) and minicnn.gradgradcheck(function, (x, w, p))


def test_probabilities_of_zero_and_one_cost_at_most_100():
    torch = pytest.importorskip("torch")
    x, t = np.array([0.0, 1.0, 0.0, 1.0, 0.5]), np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    agree(
        lambda x: F.binary_cross_entropy(x, minicnn.tensor(t), reduction="none"),
        lambda x: torch.nn.functional.binary_cross_entropy(x, torch.tensor(t), reduction="none"),
        x, second=False, tolerance=1e-8,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_loss_with_logits_is_exact_for_scores_of_any_size(dtype):
    x = minicnn.tensor(np.array([1e4, -1e4, 1e4, -1e4]).astype(dtype), requires_grad=True)
    t = minicnn.tensor(np.array([1.0, 0.0, 0.0, 1.0]).astype(dtype))
    y = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    assert y.tolist() == [0.0, 0.0, 1e4, 1e4] and y.dtype == dtype
    assert grad(y.sum(), x)[0].tolist() == [0.0, 0.0, 1.0, -1.0]


def test_both_binary_losses_and_the_two_class_cross_entropy_are_one():
    x, t = draw(6), np.array([0, 1, 1, 0, 1, 0])
    score = minicnn.tensor(x)
    a = F.binary_cross_entropy_with_logits(score, minicnn.tensor(t).double())
    b = F.binary_cross_entropy(score.sigmoid(), minicnn.tensor(t).double())
    c = F.cross_entropy(minicnn.stack([score * 0, score], 1), minicnn.tensor(t))
    np.testing.assert_allclose([b.item(), c.item()], a.item(), rtol=1e-12)


@pytest.mark.parametrize("function", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
def test_binary_losses_pass_gradcheck_to_second_order(function):
    rng = np.random.default_rng(0)
    x, t = (minicnn.tensor(rng.uniform(0.1, 0.9, (3, 4)), requires_grad=True) for _ in range(2))
    assert minicnn.gradcheck(function, (x, t), fast_mode=False)
    assert minicnn.gradgradcheck(function, (x, t))


def test_bad_targets_of_binary_losses_are_named():
    half = minicnn.full((3, 4), 0.5)
    logits = F.binary_cross_entropy_with_logits
    cases = [
        (
            F.binary_cross_entropy,
            (half, half + 1),
            {},
            ArgumentError,
            "target must be between 0 and 1, but it holds 1.5",
        ),
        (
            F.binary_cross_entropy,
            (half - 1, half),
            {},
            ArgumentError,
            "input .* holds -0.5; apply sigmoid",
        ),
        (F.binary_cross_entropy, (half * math.nan, half), {}, ArgumentError, "input .* holds nan"),
        (
            F.binary_cross_entropy,
            (half, half[:, :1]),
            {},
            ShapeError,
            r"target \(3, 1\). Use .*reshape",
        ),
        (F.binary_cross_entropy, (half, half.long()), {}, DTypeError, "target must be float32"),
        (
            F.binary_cross_entropy,
            (half, half),
            {"weight": minicnn.ones(3)},
            ShapeError,
            r"weight \(3,\) does not",
        ),
        (F.binary_cross_entropy, (half.long(), half), {}, DTypeError, "expected a floating tensor"),
        (logits, (half, half[0]), {}, ShapeError, r"target \(4,\)"),
        (
            logits,
            (half, half.long()),
            {},
            DTypeError,
            r"target must be floating, not int64; use target.float\(\)",
        ),
        (
            logits,
            (half, half),
            {"pos_weight": minicnn.ones(3)},
            ShapeError,
            r"pos_weight \(3,\) does not broadcast",
        ),
        (logits, (half, half), {"weight": minicnn.ones(2, 3, 4)}, ShapeError, "does not broadcast"),
        (logits, (half, half), {"reduction": "avg"}, ArgumentError, "'avg' is not a reduction"),
    ]
    for function, arguments, options, kind, match in cases:
        with pytest.raises(kind, match=f"{function.__name__}: .*{match}"):
            function(*arguments, **options)


HALF = np.full((3, 4), 0.5, "float32")


@pytest.mark.parametrize(
    "name, x, t",
    [
        ("binary_cross_entropy", HALF, HALF[:, :1]),
        ("binary_cross_entropy", HALF, HALF.astype(int)),
        ("binary_cross_entropy", HALF + 1, HALF),
        ("binary_cross_entropy", HALF, HALF + 1),
        ("binary_cross_entropy_with_logits", HALF, HALF[:, :1]),
        ("binary_cross_entropy_with_logits", HALF, HALF.astype(int)),
    ],
    ids=["shape", "dtype", "input", "target", "logits-shape", "logits-dtype"],
)
def test_binary_errors_are_caught_by_the_classes_of_torch(name, x, t):
    torch = pytest.importorskip("torch")
    same_error(
        lambda: getattr(F, name)(minicnn.tensor(x), minicnn.tensor(t)),
        lambda: getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(t)),
        name,
    )


def test_logits_may_have_targets_outside_0_and_1_as_in_torch():
    torch = pytest.importorskip("torch")
    y = F.binary_cross_entropy_with_logits(minicnn.tensor(HALF), minicnn.tensor(HALF + 1))
    t = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(HALF), torch.tensor(HALF + 1)
    )
    np.testing.assert_allclose(y.item(), t.item(), rtol=1e-6)


# ----------------------------------------------------------------------------------------------
# Distributions and directions


@pytest.mark.parametrize("reduction", ["batchmean", "sum", "none"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_agrees_with_torch(reduction, log_target):
    T = torch_functional()
    x, t = np.log(softmax(draw(3, 4))), softmax(draw(3, 4, seed=1))
    t = np.log(t) if log_target else t
    options = {"reduction": reduction, "log_target": log_target}
    agree(lambda x, t: F.kl_div(x, t, **options), lambda x, t: T.kl_div(x, t, **options), x, t)


def test_kl_div_warns_that_its_mean_is_not_the_divergence():
    x, t = minicnn.tensor(np.log(softmax(draw(3, 4)))), minicnn.tensor(softmax(draw(3, 4, seed=1)))
    with pytest.warns(UserWarning, match="'batchmean' is the divergence"):
        y = F.kl_div(x, t)
    np.testing.assert_allclose(y.item() * 4, F.kl_div(x, t, reduction="batchmean").item())


def test_kl_div_of_zero_probabilities_is_finite():
    t = minicnn.tensor([[0.0, 1.0]], requires_grad=True)
    x = minicnn.tensor([[math.log(0.5), math.log(0.5)]])
    y = F.kl_div(x, t, reduction="sum")
    assert abs(y.item() - math.log(2)) < 1e-6
    assert bool(grad(y, t)[0].isfinite().all())


def test_kl_div_of_shapes_that_do_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"kl_div: .* got input \(3, 4\), target \(2,\)"):
        F.kl_div(minicnn.ones(3, 4), minicnn.ones(2), reduction="sum")


@pytest.mark.parametrize("options", [{}, {"p": 1.0, "dim": 0}, {"dim": -1, "eps": 2.5}], ids=str)
def test_normalize_agrees_with_torch(options):
    T = torch_functional()
    agree(lambda x: F.normalize(x, **options), lambda x: T.normalize(x, **options), draw(3, 4))


@pytest.mark.parametrize("options", [{}, {"dim": 0}, {"dim": -1, "eps": 1e-3}], ids=str)
def test_cosine_similarity_agrees_with_torch(options):
    T = torch_functional()
    agree(
        lambda x, y: F.cosine_similarity(x, y, **options),
        lambda x, y: T.cosine_similarity(x, y, **options),
        draw(3, 4), draw(3, 4, seed=1),
    )  # fmt: skip


def test_cosine_similarity_counts_dim_in_the_broadcast_shape():
    T = torch_functional()
    agree(
        lambda x, y: F.cosine_similarity(x, y, 1),
        lambda x, y: T.cosine_similarity(x, y, 1),
        draw(3, 4), draw(4, seed=1),
    )  # fmt: skip


def test_normalize_of_zeros_is_zeros():
    assert F.normalize(minicnn.zeros(1, 3)).tolist() == [[0.0] * 3]


def test_cosine_similarity_of_shapes_that_do_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"cosine_similarity: x1 \(3, 4\) and x2 \(3, 5\) do not"):
        F.cosine_similarity(minicnn.ones(3, 4), minicnn.ones(3, 5))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"])
def test_the_mean_of_nothing_is_nan_as_in_torch(name):
    assert math.isnan(getattr(F, name)(minicnn.ones(0, 3), minicnn.ones(0, 3)).item())
