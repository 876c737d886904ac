"""nn.utils: clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import minicnn
from minicnn.errors import AnomalyError, ArgumentError, ShapeError
from minicnn.nn import utils
from minicnn.optim import SGD

SHAPES = ((3, 4), (5,), (), (2, 3, 1))
NORMS = (2.0, 1, 3, 0.5, 0, math.inf, "inf", -math.inf)


def parameters(dtype="float64", scale=1.0, seed=0):
    """Leaves with gradients, and one without."""
    rng = np.random.default_rng(seed)
    params = [minicnn.zeros(shape, dtype=dtype, requires_grad=True) for shape in SHAPES]
    for p in params:
        p.grad = minicnn.tensor(np.asarray(scale * rng.standard_normal(p.shape), dtype))
    return [*params, minicnn.zeros(2, dtype=dtype, requires_grad=True)]


def grads(params):
    return [p.grad.numpy(force=True).copy() for p in params if p.grad is not None]


def flat(arrays):
    return np.concatenate([a.ravel() for a in arrays])


# ------------------------------------------------------------------ clipping


def test_gradients_beyond_the_norm_are_scaled_onto_it():
    params = parameters(scale=10)
    before = grads(params)
    norm = math.sqrt(sum(float(x) ** 2 for x in flat(before)))
    returned = utils.clip_grad_norm_(params, 1.5)
    assert returned.item() == pytest.approx(norm, rel=1e-12) and returned.shape == ()
    for old, new in zip(before, grads(params), strict=True):
        np.testing.assert_allclose(new, old * 1.5 / (norm + 1e-6), rtol=1e-12)
    assert np.linalg.norm(flat(grads(params))) == pytest.approx(1.5, rel=1e-5)


def test_gradients_within_the_norm_are_not_changed_in_a_single_bit():
    params = parameters()
    before = grads(params)
    utils.clip_grad_norm_(params, 1e3)
    for old, new in zip(before, grads(params), strict=True):
        np.testing.assert_array_equal(old, new)


def test_values_are_limited_on_both_sides():
    params = parameters(scale=2)
    before = grads(params)
    utils.clip_grad_value_(params, 0.5)
    for old, new in zip(before, grads(params), strict=True):
        np.testing.assert_array_equal(new, np.minimum(np.maximum(old, -0.5), 0.5))


@pytest.mark.parametrize("clip", [utils.clip_grad_norm_, utils.clip_grad_value_])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_clipping_works_in_place_and_keeps_the_dtype(clip, dtype):
    params = parameters(dtype, scale=10)
    kept = [(p.grad, p.grad.array) for p in params[:-1]]
    versions = [p.grad._version[0] for p in params[:-1]]
    result = clip(params, 0.5)
    assert result is None or result.dtype == dtype
    for p, (grad, array), version in zip(params, kept, versions, strict=False):
        assert p.grad is grad and grad.array is array and array.dtype == dtype
        assert grad._version[0] > version
    assert params[-1].grad is None


def test_one_tensor_and_a_generator_are_accepted():
    p = parameters()[0]
    expected = np.linalg.norm(p.grad.numpy(force=True))
    assert utils.clip_grad_norm_(p, 1e9).item() == pytest.approx(expected)
    assert utils.clip_grad_norm_((q for q in [p]), 1e9).item() == pytest.approx(expected)
    utils.clip_grad_value_(p, 0.0)
    assert not p.grad.array.any()


def test_without_gradients_the_norm_is_zero():
    assert utils.clip_grad_norm_([minicnn.zeros(2)], 1.0).item() == 0.0
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_an_empty_generator_warns():
    with pytest.warns(UserWarning, match="clip_grad_norm_: parameters is an empty generator"):
        utils.clip_grad_norm_((p for p in []), 1.0)


def test_half_precision_does_not_overflow_in_the_squares():
    p = minicnn.zeros(4, dtype="float16", requires_grad=True)
    p.grad = minicnn.tensor(np.full(4, 1000.0, "float16"))
    assert utils.clip_grad_norm_(p, 1.0).item() == 2000.0
    np.testing.assert_allclose(p.grad.numpy(force=True), 0.5, rtol=1e-3)


def test_an_infinite_norm_is_silent_unless_asked_for():
    p = minicnn.zeros(2, requires_grad=True)
    p.grad = minicnn.tensor([math.inf, 1.0])
    with pytest.raises(AnomalyError, match=r"the total norm of order 2.0 .* is not finite"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.array.tolist() == [math.inf, 1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert utils.clip_grad_norm_(p, 1.0).item() == math.inf
    assert math.isnan(p.grad.array[0]) and p.grad.array[1] == 0.0


def test_clipping_between_backward_and_step_bounds_the_step():
    p = minicnn.tensor([3.0, 4.0], requires_grad=True)
    (100 * (p * p).sum()).backward()
    utils.clip_grad_norm_([p], 1.0)
    SGD([p], lr=1.0).step()
    np.testing.assert_allclose(p.numpy(force=True), [3 - 0.6, 4 - 0.8], rtol=1e-5)


@pytest.mark.parametrize("norm_type", NORMS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_norm", [0.7, 1000.0, math.inf])
def test_norm_clipping_agrees_with_pytorch(norm_type, dtype, max_norm):
    torch = pytest.importorskip("torch")
    params = parameters(dtype)
    twins = [torch.zeros(p.shape, requires_grad=True, dtype=getattr(torch, dtype)) for p in params]
    for p, twin in zip(params, twins, strict=True):
        twin.grad = None if p.grad is None else torch.tensor(p.grad.numpy(force=True))
    ours = utils.clip_grad_norm_(params, max_norm, norm_type)
    theirs = torch.nn.utils.clip_grad_norm_(twins, max_norm, norm_type)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert ours.dtype == dtype and tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(force=True), theirs.numpy(), rtol=tolerance)
    for p, twin in zip(params[:-1], twins, strict=False):
        np.testing.assert_allclose(p.grad.numpy(force=True), twin.grad.numpy(), rtol=tolerance)


def test_the_norm_of_mixed_dtypes_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    arrays = [np.ones(3), np.full(2, 2.0, "float32")]
    ours = utils.get_total_norm([minicnn.tensor(a) for a in arrays])
    theirs = torch.nn.utils.get_total_norm([torch.tensor(a) for a in arrays])
    assert ours.dtype == "float64" and theirs.dtype == torch.float64
    assert ours.item() == pytest.approx(theirs.item())


# ------------------------------------------------------------------ one vector


def test_a_vector_and_back_is_the_identity():
    rng = np.random.default_rng(0)
    params = [minicnn.tensor(rng.standard_normal(s), requires_grad=True) for s in SHAPES]
    vector = utils.parameters_to_vector(iter(params))
    np.testing.assert_array_equal(
        vector.numpy(force=True), flat([p.numpy(force=True) for p in params])
    )
    others = [minicnn.zeros(s, dtype="float64", requires_grad=True) for s in SHAPES]
    utils.vector_to_parameters(vector, iter(others))
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(p.numpy(force=True), q.numpy(force=True))
        assert q.shape == p.shape and q.is_leaf and q.requires_grad


def test_the_vector_is_differentiable():
    params = [minicnn.ones(2, 2, requires_grad=True), minicnn.ones(3, requires_grad=True)]
    vector = utils.parameters_to_vector(params)
    (vector * minicnn.arange(7)).sum().backward()
    assert params[0].grad.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert params[1].grad.tolist() == [4.0, 5.0, 6.0]


def test_parameters_share_the_vectors_memory_as_in_pytorch():
    torch = pytest.importorskip("torch")
    for module, back in ((minicnn, utils.vector_to_parameters),
                         (torch, torch.nn.utils.vector_to_parameters)):  # fmt: skip
        vector = module.zeros(3)
        p = module.ones(3, requires_grad=True)
        back(vector, [p])
        vector[1] = 5.0
        assert p.tolist() == [0.0, 5.0, 0.0]


def test_a_pending_backward_pass_notices_new_values():
    p = minicnn.ones(2, requires_grad=True)
    loss = (p * p).sum()
    utils.vector_to_parameters(minicnn.zeros(2), [p])
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# ------------------------------------------------------------------ bad input says what and why


@pytest.mark.parametrize(
    "action, error, text",
    [
        (
            lambda: utils.clip_grad_norm_([minicnn.zeros(1)], -1.0),
            ArgumentError,
            "clip_grad_norm_: max_norm must not be negative, got -1.0",
        ),
        (
            lambda: utils.clip_grad_value_([minicnn.zeros(1)], math.nan),
            ArgumentError,
            "clip_grad_value_: clip_value must not be negative, got nan",
        ),
        (
            lambda: utils.clip_grad_norm_(3.0, 1.0),
            TypeError,
            r"clip_grad_norm_: expected tensors, such as model.parameters\(\), got float",
        ),
        (
            lambda: utils.clip_grad_value_([3.0], 1.0),
            TypeError,
            r"clip_grad_value_: expected tensors, such as model.parameters\(\), got list",
        ),
        (
            lambda: utils.vector_to_parameters([1.0], [minicnn.zeros(1)]),
            TypeError,
            "vector_to_parameters: expected a Tensor, got list",
        ),
        (
            lambda: utils.vector_to_parameters(minicnn.zeros(5), [minicnn.zeros(2, 3)]),
            ShapeError,
            r"have 6 elements, so vec must have shape \(6,\); got \(5,\)",
        ),
        (lambda: utils.parameters_to_vector([]), ValueError, "cat"),
    ],
)
def test_bad_input_is_named(action, error, text):
    with pytest.raises(error, match=text):
        action()
