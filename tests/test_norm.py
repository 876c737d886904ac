"""Normalisation: statistics, gradients, running averages, memory layouts, float32 accuracy."""

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
from minicnn import kernels
from minicnn.autograd import grad
from minicnn.errors import ArgumentError, DimensionError, DTypeError, GraphError, ShapeError
from minicnn.kernels import cpu_norm, norm
from minicnn.ops.batch_norm import BatchNorm, ScaleShift, as_parts
from minicnn.ops.norm import ChannelSum, GroupNorm, Standardize, instance_norm, rms_norm

few = settings(max_examples=40)
SHAPES = st.sampled_from([(4, 3), (2, 3, 5), (3, 4, 2, 3), (1, 2, 3, 3), (2, 4, 2, 2, 2), (16, 1)])


def torch_functional():
    return pytest.importorskip("torch").nn.functional


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def with_parameters(x, seed=1):
    return x, abs(draw(x.shape[1], seed=seed)) + 0.5, draw(x.shape[1], seed=seed + 1)


# ----------------------------------------------------------------------------------------------
# Batch norm


@few
@given(SHAPES, st.integers(0, 99), st.booleans(), st.sampled_from([1e-5, 0.1]))
def test_batch_norm_in_training_agrees_with_torch(shape, seed, last, eps):
    T = torch_functional()
    x, w, b = with_parameters(draw(*shape, seed=seed) * 2 + 1)
    x = channels_last(x) if last else x
    agree(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=eps),
        lambda x, w, b: T.batch_norm(x, None, None, w, b, training=True, eps=eps),
        x, w, b, tolerance=1e-7,
    )  # fmt: skip


@few
@given(SHAPES, st.integers(0, 99), st.booleans())
def test_batch_norm_in_evaluation_agrees_with_torch(shape, seed, affine):
    torch = pytest.importorskip("torch")
    x, w, b = with_parameters(draw(*shape, seed=seed))
    m, v = draw(shape[1], seed=5), abs(draw(shape[1], seed=6)) + 0.1
    mean, var = minicnn.tensor(m), minicnn.tensor(v)
    tmean, tvar = torch.tensor(m), torch.tensor(v)
    if affine:
        agree(
            lambda x, w, b: F.batch_norm(x, mean, var, w, b),
            lambda x, w, b: torch.nn.functional.batch_norm(x, tmean, tvar, w, b),
            x, w, b, tolerance=1e-8,
        )  # fmt: skip
    else:
        agree(
            lambda x: F.batch_norm(x, mean, var),
            lambda x: torch.nn.functional.batch_norm(x, tmean, tvar),
            x,
        )
    np.testing.assert_array_equal(mean.numpy(), m)  # evaluation leaves them alone


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_keeps_the_dtype_and_updates_as_torch(dtype, training):
    torch = pytest.importorskip("torch")
    x, w, b = (a.astype(dtype) for a in with_parameters(draw(8, 3, 4, 4) * 2 + 3))
    mean, var = minicnn.zeros(3, dtype=dtype), minicnn.ones(3, dtype=dtype)
    tmean, tvar = torch.tensor(np.zeros(3, dtype)), torch.tensor(np.ones(3, dtype))
    version = mean._version[0]
    for momentum in (0.1, 0.6):
        y = F.batch_norm(
            *map(minicnn.tensor, (x,)),
            mean,
            var,
            minicnn.tensor(w),
            minicnn.tensor(b),
            training,
            momentum,
        )
        t = torch.nn.functional.batch_norm(
            torch.tensor(x), tmean, tvar, torch.tensor(w), torch.tensor(b), training, momentum
        )
        tolerance = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-2}[dtype]
        np.testing.assert_allclose(y.numpy(), t.numpy(), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(mean.numpy(), tmean.numpy(), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(var.numpy(), tvar.numpy(), rtol=tolerance, atol=tolerance)
    assert y.dtype == mean.dtype == var.dtype == dtype
    assert (mean._version[0] > version) == training
    assert not mean.requires_grad


def test_float16_input_may_have_float32_parameters():
    x = minicnn.tensor(draw(8, 3, 2).astype("float16"), requires_grad=True)
    w = minicnn.ones(3).requires_grad_()
    y = F.batch_norm(x, minicnn.zeros(3), minicnn.ones(3), w, minicnn.zeros(3), training=True)
    dx, dw = grad(y.square().sum(), (x, w))
    assert (y.dtype, dx.dtype, dw.dtype) == (np.float16, np.float16, np.float32)


def test_batch_statistics_are_mean_0_and_variance_1():
    y = F.batch_norm(minicnn.tensor(draw(20, 3, 4) * 5 + 7), None, None, training=True).numpy()
    np.testing.assert_allclose(y.mean((0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 2)), 1, rtol=1e-5)


def test_running_variance_is_unbiased_and_the_batch_s_own_is_not():
    x = minicnn.tensor([[1.0], [3.0]])
    mean, var = minicnn.zeros(1), minicnn.zeros(1)
    y = F.batch_norm(x, mean, var, training=True, momentum=1.0, eps=0.0)
    assert y.tolist() == [[-1.0], [1.0]]  # divided by sqrt(1), the biased variance
    assert (mean.item(), var.item()) == (2.0, 2.0)


def test_a_constant_channel_becomes_its_bias():
    y = F.batch_norm(
        minicnn.full((4, 2), 3.0), None, None, bias=minicnn.tensor([5.0, -1.0]), training=True
    )
    assert y.tolist() == [[5.0, -1.0]] * 4


def test_a_later_training_pass_does_not_change_the_gradient_of_an_evaluation():
    x, w = minicnn.tensor(draw(4, 2), requires_grad=True), minicnn.ones(2).double()
    w.requires_grad_()
    mean, var = minicnn.ones(2, dtype="float64"), minicnn.full((2,), 4.0, dtype="float64")
    y = F.batch_norm(x, mean, var, w, minicnn.zeros(2).double(), eps=0.0)
    F.batch_norm(x.detach(), mean, var, training=True)
    dx, dw = grad(y.sum(), (x, w))
    np.testing.assert_allclose(dx.numpy(), 0.5)
    np.testing.assert_allclose(dw.numpy(), (x.detach().numpy() - 1).sum(0) / 2)


def test_an_empty_batch_can_be_evaluated_but_not_trained_on():
    mean, var = minicnn.zeros(3), minicnn.ones(3)
    assert F.batch_norm(minicnn.ones(0, 3, 2, 2), mean, var).shape == (0, 3, 2, 2)
    with pytest.raises(
        ShapeError, match=r"Expected more than 1 value .* got input size \(0, 3, 2, 2\)"
    ):
        F.batch_norm(minicnn.ones(0, 3, 2, 2), mean, var, training=True)


# ----------------------------------------------------------------------------------------------
# The others


@few
@given(st.sampled_from([(4, 5), (2, 3, 4), (2, 3, 4, 5)]), st.integers(1, 3), st.booleans())
def test_layer_norm_agrees_with_torch(shape, count, affine):
    T = torch_functional()
    size = shape[max(1, len(shape) - count) :]
    x, w, b = draw(*shape) + 2, draw(*size, seed=1), draw(*size, seed=2)
    arrays = (x, w, b) if affine else (x,)
    agree(
        lambda x, *p: F.layer_norm(x, size, *p, eps=1e-3),
        lambda x, *p: T.layer_norm(x, size, *p, eps=1e-3),
        *arrays, tolerance=1e-7,
    )  # fmt: skip


@few
@given(
    st.sampled_from([(2, 6), (1, 6, 2), (2, 6, 2, 3)]), st.sampled_from([1, 2, 3, 6]), st.booleans()
)
def test_group_norm_agrees_with_torch(shape, groups, last):
    T = torch_functional()
    x, w, b = with_parameters(draw(*shape) * 2)
    x = channels_last(x) if last else x
    tolerance = 1e-7 if math.prod(shape[1:]) > groups else None
    agree(
        lambda x, w, b: F.group_norm(x, groups, w, b, eps=0.01),
        lambda x, w, b: T.group_norm(x, groups, w, b, eps=0.01),
        x, w, b, tolerance=tolerance,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 4)])
def test_instance_norm_agrees_with_torch(shape):
    torch = pytest.importorskip("torch")
    T = torch.nn.functional
    x, w, b = with_parameters(draw(*shape))
    agree(
        lambda x, w, b: instance_norm(x, weight=w, bias=b),
        lambda x, w, b: T.instance_norm(x, weight=w, bias=b),
        x, w, b, tolerance=1e-7,
    )  # fmt: skip
    mean, var = minicnn.zeros(3).double(), minicnn.ones(3).double()
    tmean, tvar = torch.zeros(3).double(), torch.ones(3).double()
    for own in (True, False):
        y = instance_norm(minicnn.tensor(x), mean, var, use_input_stats=own, momentum=0.3)
        t = T.instance_norm(torch.tensor(x), tmean, tvar, use_input_stats=own, momentum=0.3)
        np.testing.assert_allclose(y.numpy(), t.numpy(), rtol=1e-9)
        np.testing.assert_allclose(mean.numpy(), tmean.numpy(), rtol=1e-9)
        np.testing.assert_allclose(var.numpy(), tvar.numpy(), rtol=1e-9)


@pytest.mark.parametrize("eps", [None, 0.1])
def test_rms_norm_agrees_with_torch(eps):
    T = torch_functional()
    agree(
        lambda x, w: rms_norm(x, (3, 4), w, eps),
        lambda x, w: T.rms_norm(x, (3, 4), w, eps),
        draw(2, 3, 4), draw(3, 4, seed=1),
    )  # fmt: skip


@few
@given(st.sampled_from([(2, 3, 4), (1, 7, 2, 2), (2, 1, 3), (1, 4, 2, 2, 2)]), st.integers(1, 9))
def test_local_response_norm_agrees_with_torch(shape, size):
    T = torch_functional()
    options = {"alpha": 0.7, "beta": 0.6, "k": 1.5}
    agree(
        lambda x: F.local_response_norm(x, size, **options),
        lambda x: T.local_response_norm(x, size, **options),
        draw(*shape),
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "name, arguments",
    [("layer_norm", ((6, 4),)), ("group_norm", (2,)), ("local_response_norm", (3,))],
    ids=lambda v: str(v),
)
def test_other_norms_agree_with_torch_in_narrow_dtypes(name, arguments, dtype):
    T = torch_functional()
    agree(
        lambda x: getattr(F, name)(x, *arguments),
        lambda x: getattr(T, name)(x, *arguments),
        (draw(3, 6, 4) * 3 + 1).astype(dtype),
        second=False, tolerance=1e-2 if dtype == "float16" else None,
    )  # fmt: skip


def test_layer_norm_of_one_example_by_hand():
    y = F.layer_norm(
        minicnn.tensor([[1.0, 3.0]]),
        (2,),
        minicnn.tensor([2.0, 1.0]),
        minicnn.tensor([0.0, 5.0]),
        eps=0.0,
    )
    assert y.tolist() == [[-2.0, 6.0]]


def test_channel_sum_adds_the_neighbours():
    x = minicnn.tensor(np.arange(1.0, 6.0).reshape(1, 5, 1))
    assert ChannelSum(1, 0)(x).flatten().tolist() == [1, 3, 5, 7, 9]
    assert ChannelSum(1, 1)(x).flatten().tolist() == [3, 6, 9, 12, 9]
    assert ChannelSum(9, 9)(x).flatten().tolist() == [15] * 5


@few
@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 5))
def test_channel_sum_is_the_adjoint_of_its_mirror(before, after, channels):
    x, v = minicnn.tensor(draw(2, channels, 3)), minicnn.tensor(draw(2, channels, 3, seed=1))
    forward = (ChannelSum(before, after)(x) * v).sum()
    backward = (x * ChannelSum(after, before)(v)).sum()
    np.testing.assert_allclose(forward.item(), backward.item(), rtol=1e-12)


# ----------------------------------------------------------------------------------------------
# Derivatives


@pytest.mark.parametrize("kind", ["tuned", "reference"])
@pytest.mark.parametrize(
    "function, sizes",
    [
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(3, 2, 2), (2,), (2,)]),
        (lambda x, w: F.batch_norm(x, None, None, w, training=True), [(5, 2), (2,)]),
        (lambda x, b: F.batch_norm(x, None, None, None, b, training=True), [(5, 2), (2,)]),
        (
            lambda x, w, b: F.batch_norm(
                x, minicnn.zeros(2).double(), minicnn.ones(2).double(), w, b
            ),
            [(3, 2, 2), (2,), (2,)],
        ),
        (lambda x, w, b: F.layer_norm(x, (2, 2), w, b), [(3, 2, 2), (2, 2), (2, 2)]),
        (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)]),
        (lambda x: F.local_response_norm(x, 3, 0.5, 0.6, 1.2), [(2, 4, 3)]),
        (lambda x, w: rms_norm(x, (4,), w), [(3, 4), (4,)]),
        (lambda x, s, t: ScaleShift()(x, s, t), [(3, 2, 2), (2,), (2,)]),
        (lambda x: Standardize((0, 2), 1e-5)(x), [(3, 2, 2)]),
    ],
    ids=[
        "batch",
        "batch-weight",
        "batch-bias",
        "batch-eval",
        "layer",
        "group",
        "local-response",
        "rms",
        "scale-shift",
        "standardize",
    ],
)
def test_gradcheck_to_second_order(function, sizes, kind):
    inputs = tuple(
        minicnn.tensor(draw(*size, seed=i) + 0.5 * i, requires_grad=True)
        for i, size in enumerate(sizes)
    )
    with kernels.use(kind):
        assert minicnn.gradcheck(function, inputs, fast_mode=False)
        assert minicnn.gradgradcheck(function, inputs)


@few
@given(SHAPES, st.booleans(), st.booleans(), st.sampled_from(["batch", "group"]))
def test_fused_equals_reference_in_both_passes(shape, weight, bias, which):
    x, w, b = (minicnn.tensor(a, requires_grad=True) for a in with_parameters(draw(*shape) * 2 + 5))
    op = BatchNorm(1e-3) if which == "batch" else GroupNorm(1, 1e-3)
    inputs = (x, w if weight else None, b if bias else None)
    y, defined = op(*inputs), op.again().reference(*inputs)
    np.testing.assert_allclose(y.detach().numpy(), defined.detach().numpy(), rtol=1e-9, atol=1e-12)
    wanted = [t for t in inputs if t is not None]
    dy = minicnn.tensor(draw(*shape, seed=9))
    for fast, slow in zip(grad(y, wanted, dy), grad(defined, wanted, dy), strict=True):
        np.testing.assert_allclose(fast.numpy(), slow.numpy(), rtol=1e-8, atol=1e-11)


# ----------------------------------------------------------------------------------------------
# Kernels


@st.composite
def parts(draw):
    """Draw (dy, x, w, b, groups) for the kernels, (B, P, C)."""
    groups, width = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 300]))
    b, p = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 7, 8, 12, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    c = groups * width
    dy, x = rng.standard_normal((2, b, p, c))
    return dy, x * 2 + 3, rng.standard_normal(c), rng.standard_normal(c), groups


@few
@given(parts())
def test_tuned_kernels_equal_the_reference(case):
    dy, x, w, b, groups = case
    for found, known in zip(
        cpu_norm.channel_norm(x, w, b, groups, 1e-3),
        norm.channel_norm(x, w, b, groups, 1e-3),
        strict=True,
    ):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-9)
    _, mean, var = norm.channel_norm(x, w, b, groups, 1e-3)
    arguments = (dy, x, w, mean, 1 / np.sqrt(var + 1e-3))
    for found, known in zip(
        cpu_norm.channel_norm_grad(*arguments), norm.channel_norm_grad(*arguments), strict=True
    ):
        np.testing.assert_allclose(found, known, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(cpu_norm.scale_shift(x, w, b), norm.scale_shift(x, w, b), rtol=1e-12)


def test_tuned_kernels_work_in_several_blocks(monkeypatch):
    monkeypatch.setattr("minicnn.kernels.layout.CACHE_BYTES", 4096)
    x, w = draw(3, 96, 8), draw(8)
    for groups in (1, 2, 8):
        for found, known in zip(
            cpu_norm.channel_norm(x, w, w, groups, 0.0),
            norm.channel_norm(x, w, w, groups, 0.0),
            strict=True,
        ):
            np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12)


def test_infinities_pass_through_several_threads_without_a_warning(monkeypatch):
    monkeypatch.setattr("minicnn.threads._number", 2)
    x = np.ones((64, 8, 16, 16), "float32")
    x[:, 0] = np.inf
    y = F.batch_norm(minicnn.from_numpy(x), None, None, training=True).numpy()
    assert np.isnan(y[:, 0]).all() and not y[:, 1:].any()


@pytest.mark.parametrize("kind", ["tuned", "reference"])
def test_float32_statistics_of_many_pixels_are_accurate(kind):
    x = (draw(40, 2, 64, 64) + 100).astype("float32")  # mean 100, so that digits are at stake
    mean, var = minicnn.zeros(2), minicnn.zeros(2)
    with kernels.use(kind):
        y = F.batch_norm(minicnn.tensor(x), mean, var, training=True, momentum=1.0).numpy()
    wide = x.astype("float64")
    expected = wide.mean((0, 2, 3))
    np.testing.assert_allclose(mean.numpy(), expected, rtol=2e-7)
    np.testing.assert_allclose(var.numpy(), wide.var((0, 2, 3), ddof=1), rtol=1e-5)
    assert abs(y.mean((0, 2, 3), dtype="float64")).max() < 2e-5  # 100 has a spacing of 8e-6


def test_batch_norm_of_channels_last_memory_copies_nothing():
    x = channels_last(draw(4, 3, 8, 8).astype("float32"))
    t = minicnn.from_numpy(x).requires_grad_()
    y = F.batch_norm(t, None, None, training=True)
    (dx,) = grad(y, t, minicnn.from_numpy(channels_last(np.ones_like(x))))
    assert y.array.strides == x.strides == dx.array.strides
    for parts in (1, 4):
        assert np.shares_memory(as_parts(x, parts), x)


@pytest.mark.parametrize(
    "name, arguments",
    [("layer_norm", ((4, 5),)), ("group_norm", (3,)), ("local_response_norm", (3,))],
)
def test_other_norms_keep_channels_last_memory(name, arguments):
    x = channels_last(draw(2, 3, 4, 5).astype("float32"))
    y = getattr(F, name)(minicnn.from_numpy(x), *arguments)
    np.testing.assert_allclose(
        y.numpy(),
        getattr(F, name)(minicnn.tensor(np.ascontiguousarray(x)), *arguments).numpy(),
        rtol=1e-4,
        atol=1e-6,
    )
    assert y.array.strides == x.strides


# ----------------------------------------------------------------------------------------------
# Errors

IMAGES, THREE = (2, 3, 4, 4), (3,)


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (
            lambda x, p: F.batch_norm(x[:1, :, :1, :1], p, p, training=True),
            ShapeError,
            r"batch_norm: Expected more than 1 value per channel when training, got input size "
            r"\(1, 3, 1, 1\)",
        ),
        (
            lambda x, p: F.batch_norm(x, None, None),
            ShapeError,
            "running_mean must be defined in evaluation mode",
        ),
        (lambda x, p: F.batch_norm(x, p, None), ShapeError, "given both or neither"),
        (
            lambda x, p: F.batch_norm(x, p[:2], p),
            ShapeError,
            r"running_mean should have shape \(3,\) for input \(2, 3, 4, 4\), but it has \(2,\)",
        ),
        (lambda x, p: F.batch_norm(x, p, p, p[:2]), ShapeError, "weight should have shape"),
        (lambda x, p: F.batch_norm(x, p, p, p, p[:2]), ShapeError, "bias should have shape"),
        (
            lambda x, p: F.batch_norm(x, p, p, p.double()),
            DTypeError,
            "input is float32 but weight float64",
        ),
        (
            lambda x, p: F.batch_norm(x.double(), p, p),
            DTypeError,
            "input is float64 but running_mean float32",
        ),
        (
            lambda x, p: F.batch_norm(x, p, p, eps=-1),
            ArgumentError,
            "eps must not be negative, got -1",
        ),
        (lambda x, p: F.batch_norm(x, p, p, training=True, momentum=None), TypeError, "NoneType"),
        (
            lambda x, p: F.batch_norm(x[0, 0, 0], p, p),
            DimensionError,
            r"input must be \(N, C, ...\)",
        ),
        (
            lambda x, p: F.batch_norm(x.long(), p, p),
            DTypeError,
            "expected a floating tensor, got int64",
        ),
        (
            lambda x, p: F.batch_norm(x, p.clone().requires_grad_(), p),
            GraphError,
            "running_mean is a statistic",
        ),
        (
            lambda x, p: F.layer_norm(x, (3,)),
            ShapeError,
            r"normalized_shape \(3,\) must be the last sizes",
        ),
        (lambda x, p: F.layer_norm(x, ()), ShapeError, r"normalized_shape \(\) must be"),
        (lambda x, p: F.layer_norm(x, 4), TypeError, "normalized_shape must be a tuple, not 4"),
        (
            lambda x, p: F.layer_norm(x, (4,), p),
            ShapeError,
            r"layer_norm: weight should have shape \(4,\)",
        ),
        (
            lambda x, p: F.group_norm(x, 2),
            ShapeError,
            "the 3 channels of input .* do not divide into num_groups = 2",
        ),
        (
            lambda x, p: F.group_norm(x[0, 0, 0], 1),
            ShapeError,
            r"group_norm: input must be \(N, C, ...\)",
        ),
        (
            lambda x, p: F.group_norm(x[:1, :, 0, 0], 3),
            ShapeError,
            "group_norm: Expected more than 1 value",
        ),
        (
            lambda x, p: F.group_norm(x, 3, p[:2]),
            ShapeError,
            "group_norm: weight should have shape",
        ),
        (
            lambda x, p: instance_norm(x[:, :, :1, :1]),
            ShapeError,
            "Expected more than 1 spatial element",
        ),
        (lambda x, p: rms_norm(x, (3,)), ShapeError, "rms_norm: normalized_shape"),
        (
            lambda x, p: F.local_response_norm(x[0, 0], 2),
            ShapeError,
            "Expected 3D or higher dimensionality input",
        ),
        (lambda x, p: F.local_response_norm(x, 0), ArgumentError, "size must be at least 1, got 0"),
        (
            lambda x, p: F.local_response_norm(x.long(), 2),
            DTypeError,
            "local_response_norm: expected a floating",
        ),
    ],
)
def test_bad_input_is_named(call, kind, match):
    with pytest.raises(kind, match=match):
        call(minicnn.ones(IMAGES), minicnn.ones(THREE))


def test_errors_are_caught_by_the_classes_of_torch():
    torch = pytest.importorskip("torch")
    T = torch.nn.functional
    calls = [
        (
            lambda F, x, p: F.batch_norm(x[:1, :, :1, :1], p, p, training=True),
            "Expected more than 1",
        ),
        (lambda F, x, p: F.batch_norm(x, None, None), "running_mean"),
        (lambda F, x, p: F.batch_norm(x, p[:2], p[:2]), "running_mean"),
        (lambda F, x, p: F.batch_norm(x, p, p, p[:2]), "weight"),
        (lambda F, x, p: F.batch_norm(x, p, p, p.double()), "weight"),
        (lambda F, x, p: F.batch_norm(x, p, p, eps=-1), "eps"),
        (lambda F, x, p: F.batch_norm(x[0, 0, 0], p, p, training=True), "input must be"),
        (lambda F, x, p: F.layer_norm(x, (3,)), "normalized_shape"),
        (lambda F, x, p: F.layer_norm(x, 4), "normalized_shape"),
        (lambda F, x, p: F.layer_norm(x, (4,), p), "weight"),
        (lambda F, x, p: F.group_norm(x, 2), "do not divide"),
        (lambda F, x, p: F.group_norm(x[:1, :, 0, 0], 3), "Expected more"),
        (lambda F, x, p: F.local_response_norm(x[0, 0], 2), "Expected 3D"),
    ]
    for call, match in calls:
        same_error(
            lambda call=call: call(F, minicnn.ones(IMAGES), minicnn.ones(THREE)),
            lambda call=call: call(T, torch.ones(IMAGES), torch.ones(THREE)),
            re.escape(match),
        )
