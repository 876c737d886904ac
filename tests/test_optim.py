"""Optimizers: against their equations in plain Python, against PyTorch, and their bookkeeping."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import sys
import types
import warnings

import numpy as np
import pytest

import minicnn
from minicnn import optim
from minicnn.autograd import wrap
from minicnn.errors import (
    ArgumentError,
    InPlaceError,
    ShapeError,
    UnknownNameError,
    UnsupportedError,
)
from minicnn.kernels import steps

NAMES = ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
SHAPES = ((3, 4), (5,), (), (2, 1, 3))

# Every combination of the options that select another line of the update.
OPTIONS = {
    "SGD": [
        {"lr": 0.02, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
        for m, d, w, n, x in itertools.product(
            [0, 0.9], [0, 0.3], [0, 0.05], [False, True], [False, True]
        )
        if not n or (m > 0 and d == 0)
    ],
    "Adagrad": [
        {
            "lr": 0.1,
            "lr_decay": d,
            "weight_decay": w,
            "initial_accumulator_value": s,
            "eps": e,
            "maximize": x,
        }
        for (d, e), w, s, x in itertools.product(
            [(0, 1e-10), (0.05, 1e-2)], [0, 0.05], [0, 0.5], [False, True]
        )
    ],
    "RMSprop": [
        {
            "lr": 0.01,
            "alpha": a,
            "eps": 1e-6,
            "weight_decay": w,
            "momentum": m,
            "centered": c,
            "maximize": x,
        }
        for (a, x), w, m, c in itertools.product(
            [(0.99, False), (0.4, True)], [0, 0.05], [0, 0.9], [False, True]
        )
    ],
    "Adam": [
        {"lr": 0.02, "betas": b, "eps": e, "weight_decay": w, "amsgrad": a, "maximize": x}
        for (b, e), w, a, x in itertools.product(
            [((0.9, 0.999), 1e-8), ((0.3, 0.8), 1e-2)], [0, 0.05], [False, True], [False, True]
        )
    ],
}
OPTIONS["AdamW"] = OPTIONS["Adam"]
CASES = [(name, options) for name in NAMES for options in OPTIONS[name]]


def case_id(case):
    name, options = case
    return name + "-" + "-".join(f"{k}={v}" for k, v in options.items() if k != "lr")


def parameters(dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [
        minicnn.tensor(np.asarray(rng.standard_normal(shape), dtype), requires_grad=True)
        for shape in SHAPES
    ]


def gradients(steps, dtype="float64", seed=1):
    """Gradients that do not depend on the parameters, so that rounding is not amplified."""
    rng = np.random.default_rng(seed)
    drift = [rng.standard_normal(shape) for shape in SHAPES]
    return [
        [np.asarray(d + rng.standard_normal(d.shape), dtype) for d in drift] for _ in range(steps)
    ]


def train(optimizer, params, grads):
    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = minicnn.tensor(g)
        optimizer.step()


def values(params):
    return [p.numpy(force=True).copy() for p in params]


# ------------------------------------------------------------------ the equations, number by number


def sgd_by_hand(p, grads, lr, momentum, dampening, weight_decay, nesterov, maximize):
    velocity = None
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        p = p - lr * g
    return p


def adagrad_by_hand(p, grads, lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize):
    total = initial_accumulator_value
    for t, g in enumerate(grads):
        g = (-g if maximize else g) + weight_decay * p
        total += g**2
        p = p - lr / (1 + t * lr_decay) * g / (math.sqrt(total) + eps)
    return p


def rmsprop_by_hand(p, grads, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    mean_square = mean = velocity = 0.0
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        mean_square = alpha * mean_square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        variance = mean_square - mean**2 if centered else mean_square
        velocity = momentum * velocity + g / (math.sqrt(variance) + eps)
        p = p - lr * velocity
    return p


def adam_by_hand(p, grads, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled=False):
    m = v = highest = 0.0
    for t, g in enumerate(grads, 1):
        g = -g if maximize else g
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        highest = max(v, highest) if amsgrad else v
        m_hat = m / (1 - betas[0] ** t)
        v_hat = highest / (1 - betas[1] ** t)
        p = p - lr * m_hat / (math.sqrt(v_hat) + eps)
    return p


def adamw_by_hand(p, grads, **options):
    return adam_by_hand(p, grads, **options, decoupled=True)


BY_HAND = {
    "SGD": sgd_by_hand,
    "Adagrad": adagrad_by_hand,
    "RMSprop": rmsprop_by_hand,
    "Adam": adam_by_hand,
    "AdamW": adamw_by_hand,
}


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_thirty_steps_follow_the_published_equation(case):
    name, options = case
    p = minicnn.tensor(np.array([0.5, -1.25]), requires_grad=True)
    grads = np.random.default_rng(2).standard_normal((30, 2)) + 0.5
    optimizer = getattr(optim, name)([p], **options)
    expected = [
        BY_HAND[name](float(p.numpy(force=True)[i]), grads[:, i].tolist(), **options)
        for i in range(2)
    ]
    train(optimizer, [p], grads[:, None])
    np.testing.assert_allclose(p.numpy(force=True), expected, rtol=1e-11)


# ------------------------------------------------------------------ PyTorch


def torch_twins(params, name, **options):
    torch = pytest.importorskip("torch")
    twins = [torch.tensor(p.numpy(force=True).copy(), requires_grad=True) for p in params]
    return twins, getattr(torch.optim, name)(twins, **options)


def torch_train(optimizer, params, grads):
    import torch

    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()


# Rounding alone: PyTorch's vector code contracts a + b * c into one rounding, NumPy's has two. The
# centered RMSprop subtracts two near numbers, v - a^2, which magnifies it.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_hundred_steps_agree_with_pytorch(case, dtype):
    name, options = case
    params, grads = parameters(dtype), gradients(100, dtype)
    twins, twin_optimizer = torch_twins(params, name, **options)
    train(getattr(optim, name)(params, **options), params, grads)
    torch_train(twin_optimizer, twins, grads)
    for p, twin in zip(params, twins, strict=True):
        expected = twin.detach().numpy()
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(
            p.numpy(force=True), expected, rtol=0, atol=TOLERANCE[dtype] * scale
        )


@pytest.mark.parametrize("name", NAMES)
def test_defaults_and_argument_order_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    import inspect

    speed_only = {"foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}
    theirs = inspect.signature(getattr(torch.optim, name)).parameters.values()
    ours = inspect.signature(getattr(optim, name)).parameters.values()
    expected = [(p.name, p.default) for p in theirs if p.name not in speed_only]
    assert [(p.name, p.default) for p in ours] == expected


@pytest.mark.parametrize("name", NAMES)
def test_groups_with_their_own_options_agree_with_pytorch(name):
    torch = pytest.importorskip("torch")
    params, grads = parameters(), gradients(50)
    twins = [torch.tensor(p.numpy(force=True).copy(), requires_grad=True) for p in params]

    def groups(ps):
        return [
            {"params": ps[:2], "weight_decay": 0.1},
            {"params": ps[2], "lr": 0.003},
            {"params": iter(ps[3:])},
        ]

    train(getattr(optim, name)(groups(params), lr=0.01), params, grads)
    torch_train(getattr(torch.optim, name)(groups(twins), lr=0.01), twins, grads)
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(
            p.numpy(force=True), twin.detach().numpy(), rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize("name", NAMES)
def test_options_and_groups_changed_between_steps_agree_with_pytorch(name):
    torch = pytest.importorskip("torch")
    params, grads = parameters(), gradients(20)
    twins = [torch.tensor(p.numpy(force=True).copy(), requires_grad=True) for p in params]
    ours = getattr(optim, name)(params[:2], lr=0.01)
    theirs = getattr(torch.optim, name)(twins[:2], lr=0.01)
    train(ours, params[:2], [g[:2] for g in grads[:10]])
    torch_train(theirs, twins[:2], [g[:2] for g in grads[:10]])
    for optimizer, ps in ((ours, params), (theirs, twins)):
        optimizer.param_groups[0]["lr"] = 0.001
        optimizer.param_groups[0]["weight_decay"] = 0.1
        optimizer.add_param_group({"params": ps[2:], "lr": 0.05})
    train(ours, params, grads[10:])
    torch_train(theirs, twins, grads[10:])
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(
            p.numpy(force=True), twin.detach().numpy(), rtol=1e-11, atol=1e-13
        )


def as_plain(value):
    """A state dict with every tensor, ours or PyTorch's, as (shape, dtype, list)."""
    if isinstance(value, dict):
        return {k: as_plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_plain(v) for v in value]
    if hasattr(value, "detach"):
        array = np.asarray(value.detach())
        return array.shape, str(array.dtype), np.round(array.astype(float), 9).tolist()
    return value


SPEED_ONLY = ("foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay")
STATEFUL = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adagrad", {"initial_accumulator_value": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {"amsgrad": True, "betas": (0.8, 0.95)}),
    ("AdamW", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize("name, options", STATEFUL)
@pytest.mark.parametrize("steps", [0, 3])
def test_state_dict_has_the_keys_shapes_dtypes_and_values_of_pytorch(name, options, steps):
    params, grads = parameters("float64"), gradients(steps)
    twins, theirs = torch_twins(params, name, **options)
    ours = getattr(optim, name)(params, **options)
    train(ours, params, grads)
    torch_train(theirs, twins, grads)
    expected = as_plain(theirs.state_dict())
    for group in expected["param_groups"]:
        for key in SPEED_ONLY:
            group.pop(key, None)
    assert as_plain(ours.state_dict()) == expected


@pytest.mark.parametrize("name, options", STATEFUL)
def test_training_goes_on_from_a_state_dict_of_pytorch(name, options):
    params, grads = parameters(), gradients(20)
    twins, theirs = torch_twins(params, name, **options)
    torch_train(theirs, twins, grads[:10])
    for p, twin in zip(params, twins, strict=True):
        p.data.copy_(minicnn.from_numpy(twin.detach().numpy()))
    ours = getattr(optim, name)(params, lr=123.0)
    ours.load_state_dict(theirs.state_dict())
    train(ours, params, grads[10:])
    torch_train(theirs, twins, grads[10:])
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(
            p.numpy(force=True), twin.detach().numpy(), rtol=1e-11, atol=1e-13
        )


@pytest.mark.parametrize("name, options", STATEFUL)
def test_pytorch_goes_on_from_a_state_dict_of_ours(name, options):
    torch = pytest.importorskip("torch")
    params, grads = parameters(), gradients(20)
    ours = getattr(optim, name)(params, **options)
    train(ours, params, grads[:10])
    twins, theirs = torch_twins(params, name, lr=123.0)
    saved = ours.state_dict()
    for entries in saved["state"].values():
        entries.update({k: torch.tensor(v.numpy(force=True).copy()) for k, v in entries.items()})
    theirs.load_state_dict(saved)
    ours = getattr(optim, name)(params, lr=321.0)
    ours.load_state_dict(saved)
    train(ours, params, grads[10:])
    torch_train(theirs, twins, grads[10:])
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(
            p.numpy(force=True), twin.detach().numpy(), rtol=1e-11, atol=1e-13
        )


BAD_IN_BOTH = [
    ("SGD", {"lr": -0.1}),
    ("SGD", {"momentum": -1}),
    ("SGD", {"weight_decay": -1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("SGD", {"lr": "0.1"}),
    ("SGD", {"foreach_": "x"}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adagrad", {"eps": -1}),
    ("Adagrad", {"lr": float("nan")}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("RMSprop", {"eps": -1}),
    ("RMSprop", {"weight_decay": -1}),
    ("Adam", {"lr": -1}),
    ("Adam", {"eps": -1}),
    ("Adam", {"weight_decay": -1}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}),
    ("AdamW", {"betas": (0.9, 1.0)}),
]


@pytest.mark.parametrize("name, options", BAD_IN_BOTH, ids=lambda v: str(v))
def test_bad_options_raise_what_pytorch_raises(name, options):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as theirs:
        getattr(torch.optim, name)([torch.zeros(2, requires_grad=True)], **options)
    with pytest.raises(theirs.type):
        getattr(optim, name)([minicnn.zeros(2, requires_grad=True)], **options)


@pytest.mark.parametrize(
    "build",
    [
        lambda m: [],
        lambda m: m.zeros(2),
        lambda m: 3,
        lambda m: [{"params": {m.zeros(2)}}],
        lambda m: [1.0],
        lambda m: [{"lr": 0.1}],
        lambda m: [{"params": [m.zeros(2)]}, m.zeros(2)],
        lambda m: [m.zeros(2, requires_grad=True) * 2],
        lambda m: [("a", m.zeros(2)), m.zeros(2)],
        lambda m: [{"params": [("a", m.zeros(2))]}, {"params": [m.zeros(2)]}],
        lambda m: (lambda p: [{"params": [p]}, {"params": [p]}])(m.zeros(2)),
    ],
)
def test_bad_parameters_raise_what_pytorch_raises(build):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as theirs:
        torch.optim.SGD(build(torch), lr=0.1)
    with pytest.raises(theirs.type):
        optim.SGD(build(minicnn), lr=0.1)


def test_repr_is_that_of_pytorch_without_its_speed_switches():
    torch = pytest.importorskip("torch")
    groups = [{"params": [0]}, {"params": [1], "lr": 0.5}]
    ours = optim.Adam([{**g, "params": [minicnn.zeros(1)]} for g in groups], lr=0.1)
    theirs = torch.optim.Adam([{**g, "params": [torch.zeros(1)]} for g in groups], lr=0.1)
    lines = repr(theirs).splitlines()
    lines = [line for line in lines if line.strip().split(":")[0] not in SPEED_ONLY]
    assert repr(ours) == "\n".join(lines)


# ------------------------------------------------------------------ precision


@pytest.mark.parametrize("name, options", STATEFUL)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parameters_and_state_keep_the_dtype(name, options, dtype):
    params = parameters(dtype)
    arrays = [p.array for p in params]
    if name != "SGD":
        options = {**options, "eps": 1e-3}  # float16 rounds the default to zero
    optimizer = getattr(optim, name)(params, **options)
    train(optimizer, params, gradients(3, dtype))
    assert all(p.array is a and a.dtype == dtype for p, a in zip(params, arrays, strict=True))
    assert all(np.isfinite(p.numpy(force=True)).all() for p in params)
    for entries in optimizer.state.values():
        for key, value in entries.items():
            assert isinstance(value, minicnn.Tensor)
            assert value.dtype == ("float32" if key == "step" else dtype)


@pytest.mark.parametrize("name", NAMES)
def test_numpy_scalars_as_options_round_like_python_numbers(name):
    """A float64 scalar would promote float32 arrays to float64 inside the step."""
    results = []
    for kind in (float, np.float64):
        params = parameters("float32")
        options = {"lr": kind(0.01), "weight_decay": kind(0.1)}
        if name.startswith("Adam"):
            options["betas"] = (kind(0.9), kind(0.99))
        else:
            options["eps" if name != "SGD" else "momentum"] = kind(0.1)
        optimizer = getattr(optim, name)(params, **options)
        train(optimizer, params, gradients(5, "float32"))
        optimizer.param_groups[0]["lr"] = kind(0.003)
        train(optimizer, params, gradients(5, "float32", seed=3))
        results.append(values(params))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name, options", STATEFUL)
@pytest.mark.parametrize("block", [1, 7, 24])
def test_cutting_arrays_into_blocks_changes_no_bit(name, options, block, monkeypatch):
    results = []
    for size in (10**9, block):
        monkeypatch.setattr(steps, "BLOCK", size)
        transposed = np.arange(30, dtype="float32").reshape(6, 5).T
        extra = [minicnn.from_numpy(transposed), minicnn.zeros(0, 3)]
        params = parameters("float32") + [p.requires_grad_() for p in extra]
        grads = [[*g, np.full((5, 6), g[2]), np.zeros((0, 3), "f")] for g in gradients(4, "f")]
        train(getattr(optim, name)(params, **options), params, grads)
        results.append(values(params))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_diverging_step_is_silent():
    p = minicnn.tensor(np.array([1e38, -1.0], "float32"), requires_grad=True)
    p.grad = minicnn.tensor(np.array([1e38, np.nan], "float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optim.Adam([p], lr=1e38).step()


# ------------------------------------------------------------------ arrays that are not NumPy's


class GpuArray:
    """A stand-in for a CuPy array: it meets no NumPy array and is not read from the host."""

    __array_ufunc__ = None

    def __init__(self, host):
        self.host = np.asarray(host)
        self.shape, self.dtype = self.host.shape, self.host.dtype
        self.size, self.ndim = self.host.size, self.host.ndim

    def __getitem__(self, index):
        return GpuArray(self.host[index])

    def __setitem__(self, index, value):
        self.host[index] = unwrapped(value)

    def fill(self, value):
        self.host.fill(value)


def unwrapped(value):
    assert type(value) in (GpuArray, int, float), f"a GPU array met {value!r}"
    return value.host if isinstance(value, GpuArray) else value


def on_the_gpu(function):
    def run(*arrays, **keywords):
        keywords = {name: unwrapped(value) for name, value in keywords.items()}
        return GpuArray(function(*map(unwrapped, arrays), **keywords))

    return run


def in_place(name):
    def run(self, other):
        getattr(self.host, name)(unwrapped(other))
        return self

    return run


for operator in ("neg", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv"):
    setattr(GpuArray, f"__{operator}__", on_the_gpu(getattr(np.ndarray, f"__{operator}__")))
for operator in ("iadd", "isub", "imul", "itruediv"):
    setattr(GpuArray, f"__{operator}__", in_place(f"__{operator}__"))


@pytest.mark.host
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_step_on_a_gpu_mixes_no_arrays_and_asks_for_no_value(case, monkeypatch):
    name, options = case
    gpu = types.ModuleType("gpu")
    gpu.sqrt, gpu.maximum, gpu.zeros_like = map(on_the_gpu, (np.sqrt, np.maximum, np.zeros_like))
    monkeypatch.setitem(sys.modules, "gpu", gpu)
    monkeypatch.setattr(GpuArray, "__module__", "gpu")
    monkeypatch.setattr(steps, "BLOCK", 1)  # a GPU gets whole arrays all the same
    results = []
    for place in (np.asarray, GpuArray):
        params = [wrap(place(p.array)) for p in parameters("float32")[:2]]
        optimizer = getattr(optim, name)(params, **options)
        for step in gradients(3, "float32"):
            for p, g in zip(params, step[:2], strict=True):
                p.grad = wrap(place(g))
            optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        results.append(params)
    for host, device in zip(*results, strict=True):
        np.testing.assert_array_equal(host.array, device.array.host)


# ------------------------------------------------------------------ one step and its surroundings


@pytest.mark.parametrize("name, options", STATEFUL)
def test_step_changes_the_parameter_in_place_and_leaves_the_gradient(name, options):
    params = parameters()
    arrays, before, grads = [p.array for p in params], values(params), gradients(1)
    optimizer = getattr(optim, name)(params, **options)
    train(optimizer, params, grads)
    for p, array, old, g in zip(params, arrays, before, grads[0], strict=True):
        assert p.array is array
        assert p.requires_grad and p.is_leaf
        assert not np.allclose(p.numpy(force=True), old)
        np.testing.assert_array_equal(p.grad.numpy(force=True), g)
    kept = optimizer.param_groups[0]["params"]
    assert all(a is b for a, b in zip(kept, params, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_velocity_is_not_the_gradient_itself(name):
    p = minicnn.ones(3, requires_grad=True)
    optimizer = getattr(optim, name)([p], **({"momentum": 0.9} if name == "SGD" else {}))
    p.grad = minicnn.ones(3)
    optimizer.step()
    p.grad.array[...] = 100.0
    assert all((s.array < 50).all() for s in optimizer.state[p].values())


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_without_gradient_is_left_alone(name):
    p, q = minicnn.ones(2, requires_grad=True), minicnn.ones(2, requires_grad=True)
    optimizer = getattr(optim, name)([p, q], lr=0.1, weight_decay=0.1)
    p.grad = minicnn.ones(2)
    optimizer.step()
    assert q.array.tolist() == [1.0, 1.0] and p.array.tolist() != [1.0, 1.0]
    assert name == "Adagrad" or q not in optimizer.state  # Adagrad makes all state at once


@pytest.mark.parametrize("name", NAMES)
def test_a_pending_backward_pass_notices_the_step(name):
    p = minicnn.ones(3, requires_grad=True)
    loss = (p * p).sum()
    p.grad = minicnn.ones(3)
    getattr(optim, name)([p], lr=0.1).step()
    with pytest.raises(InPlaceError, match="changed in place"):
        loss.backward()


def test_a_parameter_passed_over_is_not_marked_as_changed():
    p, q = minicnn.ones(3, requires_grad=True), minicnn.ones(3, requires_grad=True)
    loss = (p * p).sum()
    q.grad = minicnn.ones(3)
    optim.SGD([p, q], lr=0.1).step()
    loss.backward()
    assert p.grad.array.tolist() == [2.0, 2.0, 2.0]


def test_training_with_backward_finds_the_minimum():
    target = np.array([1.0, -2.0, 3.0])
    for name in NAMES:
        p = minicnn.zeros(3, dtype=minicnn.float64, requires_grad=True)
        optimizer = getattr(optim, name)([p], lr=0.5 if name == "Adagrad" else 0.05)
        for _ in range(400):
            optimizer.zero_grad()
            ((p - minicnn.tensor(target)) ** 2).sum().backward()
            optimizer.step()
        np.testing.assert_allclose(p.numpy(force=True), target, atol=0.05, err_msg=name)


def test_zero_grad_forgets_or_fills():
    p, q = minicnn.ones(2, requires_grad=True), minicnn.ones(2, requires_grad=True)
    optimizer = optim.SGD([p, q], lr=0.1)
    p.grad = grad = minicnn.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and grad.array.tolist() == [0.0, 0.0] and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_zero_grad_cuts_a_gradient_from_its_graph():
    p = minicnn.ones(2, requires_grad=True)
    (p**3).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    optim.SGD([p], lr=0.1).zero_grad(set_to_none=False)
    assert not p.grad.requires_grad and p.grad.array.tolist() == [0.0, 0.0]


def test_closure_is_called_with_recording_on_and_its_loss_returned():
    p = minicnn.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with minicnn.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0 and p.item() == 1.0
    assert optimizer.step() is None


def test_nothing_is_recorded_by_a_step():
    p = minicnn.ones(2, requires_grad=True)
    p.grad = minicnn.ones(2)
    optimizer = optim.Adam([p])
    optimizer.step()
    assert p.is_leaf and not any(s.requires_grad for s in optimizer.state[p].values())


# ------------------------------------------------------------------ groups


def test_named_parameters_keep_their_names():
    p, q, r = (minicnn.ones(2, requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([("a", p), ("b", q)], lr=0.1)
    optimizer.add_param_group({"params": [("c", r)], "lr": 0.2})
    assert [g["param_names"] for g in optimizer.param_groups] == [["a", "b"], ["c"]]
    assert optimizer.param_groups[0]["params"][1] is q
    assert optimizer.state_dict()["param_groups"][1]["param_names"] == ["c"]
    assert "param_names: ['a', 'b']" in repr(optimizer)


def test_a_group_given_by_the_user_is_not_changed():
    group = {"params": (minicnn.ones(2) for _ in range(1)), "lr": 0.5}
    optimizer = optim.Adam([group])
    assert set(group) == {"params", "lr"}
    assert optimizer.param_groups[0]["eps"] == 1e-8 and optimizer.param_groups[0]["lr"] == 0.5


def test_a_duplicate_within_a_group_warns_and_is_updated_twice():
    p = minicnn.tensor([1.0], requires_grad=True)
    with pytest.warns(UserWarning, match="SGD: duplicate parameters in a group"):
        optimizer = optim.SGD([p, p], lr=0.25)
    p.grad = minicnn.ones(1)
    optimizer.step()
    assert p.item() == 0.5
    assert optimizer.state_dict()["param_groups"][0]["params"] == [0, 0]


def test_a_non_leaf_that_retains_its_gradient_is_accepted():
    p = minicnn.ones(2, requires_grad=True) * 2
    p.retain_grad()
    optim.SGD([p], lr=0.1)


def test_an_optimizer_of_ones_own_needs_only_an_update():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def update(self, param, group):
            param.array -= group["lr"] * param.grad.sign().array

    p = minicnn.tensor([1.0, -1.0], requires_grad=True)
    p.grad = minicnn.tensor([3.0, -0.1])
    SignDescent([p], lr=0.5).step()
    assert p.array.tolist() == [0.5, -0.5]


def test_an_optimizer_without_options_is_possible():
    class Nothing(optim.Optimizer):
        def step(self, closure=None):
            return "stepped"

    assert Nothing([minicnn.ones(1)], {}).step() == "stepped"


# ------------------------------------------------------------------ saving and loading


@pytest.mark.parametrize("name, options", STATEFUL)
@pytest.mark.parametrize("carry", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_training_resumed_from_a_state_dict_changes_no_bit(name, options, carry):
    grads = gradients(20, "float32")
    straight = parameters("float32")
    train(getattr(optim, name)(straight, **options), straight, grads)
    params = parameters("float32")
    optimizer = getattr(optim, name)(params, **options)
    train(optimizer, params, grads[:10])
    saved = carry(optimizer.state_dict())
    resumed = [minicnn.tensor(p.array, requires_grad=True) for p in params]
    optimizer = getattr(optim, name)(resumed, lr=77.0)
    optimizer.load_state_dict(saved)
    train(optimizer, resumed, grads[10:])
    for a, b in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(a.numpy(force=True), b.numpy(force=True))


def test_loading_copies():
    p, q = minicnn.ones(2, requires_grad=True), minicnn.ones(2, requires_grad=True)
    first, second = optim.SGD([p], lr=0.1, momentum=0.9), optim.SGD([q], lr=0.1)
    p.grad = q.grad = minicnn.ones(2)
    first.step()
    saved = first.state_dict()
    second.load_state_dict(saved)
    first.step()
    second.param_groups[0]["lr"] = 5.0
    assert second.state[q]["momentum_buffer"].array.tolist() == [1.0, 1.0]
    assert saved["param_groups"][0]["lr"] == 0.1
    assert second.param_groups[0]["params"][0] is q


def test_loading_casts_state_to_the_parameter_but_not_the_step_count():
    p, q = (minicnn.ones(2, dtype=d, requires_grad=True) for d in ("float64", "float16"))
    first, second = optim.Adam([p]), optim.Adam([q])
    p.grad = minicnn.ones(2, dtype="float64")
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.state[q]["exp_avg"].dtype == "float16"
    assert second.state[q]["step"].dtype == "float32"


def test_a_state_dict_of_plain_numbers_and_missing_options_is_completed():
    p = minicnn.ones(2, requires_grad=True)
    optimizer = optim.Adam([p], eps=0.5)
    average = np.full(2, 0.1)
    optimizer.load_state_dict(
        {
            "state": {
                0: {"step": 3, "exp_avg": average, "exp_avg_sq": average, "note": "x"},
                "k": [1],
            },
            "param_groups": [{"params": [0], "lr": 0.3}],
        }
    )
    p.grad = minicnn.zeros(2)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.3 and optimizer.param_groups[0]["eps"] == 0.5
    assert optimizer.state[p]["step"].item() == 4.0 and optimizer.state[p]["note"] == "x"
    assert optimizer.state["k"] == [1]


def test_a_velocity_of_none_begins_anew():
    """Older versions of PyTorch save None for a parameter that was never stepped."""
    p = minicnn.ones(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.5, momentum=0.9, dampening=0.5)
    saved = optimizer.state_dict()
    optimizer.load_state_dict({**saved, "state": {0: {"momentum_buffer": None}}})
    p.grad = minicnn.ones(1)
    optimizer.step()
    assert p.item() == 0.5


def test_names_survive_loading_a_state_dict_without_them():
    p, q = minicnn.ones(1), minicnn.ones(1)
    optimizer = optim.SGD([("weight", p)], lr=0.1)
    optimizer.load_state_dict(optim.SGD([q], lr=0.2).state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["weight"]
    assert optimizer.param_groups[0]["lr"] == 0.2


def test_a_state_dict_that_does_not_fit_changes_nothing():
    p, q = minicnn.ones(2, requires_grad=True), minicnn.ones(3, requires_grad=True)
    for t in (p, q):
        t.grad = minicnn.ones(*t.shape)
    optimizer, other = optim.Adam([p], lr=0.1), optim.Adam([q], lr=0.2)
    optimizer.step()
    other.step()
    before = as_plain(optimizer.state_dict())
    with pytest.raises(
        ShapeError, match=r"Adam: .*'exp_avg' of parameter 0 has shape \(3,\), but .* has \(2,\)"
    ):
        optimizer.load_state_dict(other.state_dict())
    with pytest.raises(ArgumentError, match=r"parameter groups have \[2\] parameters, these \[1\]"):
        optimizer.load_state_dict(optim.Adam([p, q]).state_dict())
    with pytest.raises(ArgumentError, match=r"have \[1, 1\] parameters, these \[1\]"):
        optimizer.load_state_dict(optim.Adam([{"params": [p]}, {"params": [q]}]).state_dict())
    assert as_plain(optimizer.state_dict()) == before


def test_groups_of_other_sizes_do_not_fit_even_with_as_many_parameters():
    def grouped(*sizes):
        return optim.SGD([{"params": [leaf() for _ in range(n)]} for n in sizes], lr=0.1)

    with pytest.raises(ArgumentError, match=r"have \[2, 1\] parameters, these \[1, 2\]"):
        grouped(1, 2).load_state_dict(grouped(2, 1).state_dict())


def test_an_optimizer_can_be_copied_and_pickled_with_its_parameters():
    params = parameters("float32")
    optimizer = optim.Adam(params)
    train(optimizer, params, gradients(2, "float32"))
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        twins = twin.param_groups[0]["params"]
        assert twins[0] is not params[0]
        train(twin, twins, gradients(1, "float32", seed=5))
        assert twin.state[twins[0]]["step"].item() == 3.0
    assert optimizer.state[params[0]]["step"].item() == 2.0


# ------------------------------------------------------------------ bad input says what and why


def leaf():
    return minicnn.ones(2, requires_grad=True)


def shared_between_groups():
    p = leaf()
    return [{"params": [p]}, {"params": [p]}]


@pytest.mark.parametrize(
    "build, error, text",
    [
        (
            lambda: optim.SGD([leaf()], lr=-1),
            ArgumentError,
            "SGD: lr must not be negative or NaN, got -1",
        ),
        (
            lambda: optim.SGD([{"params": [leaf()], "momentum": -2.0}]),
            ArgumentError,
            "SGD: momentum must not be negative or NaN, got -2.0",
        ),
        (
            lambda: optim.SGD([{"params": [leaf()], "lr": 0.1}], lr=-2),
            ArgumentError,
            "SGD: lr must not be negative or NaN, got -2",
        ),
        (
            lambda: optim.Adagrad([leaf()], eps=float("nan")),
            ArgumentError,
            "Adagrad: eps must not be negative or NaN, got nan",
        ),
        (lambda: optim.Adam([leaf()], lr="x"), TypeError, "Adam: lr must be a number, got 'x'"),
        (lambda: optim.Adam([leaf()], lr=None), TypeError, "Adam: lr must be a number, got None"),
        (
            lambda: optim.Adam([leaf()], lr=minicnn.tensor(0.1)),
            UnsupportedError,
            r"Adam: options are numbers; a tensor is not supported. Pass value.item\(\)",
        ),
        (
            lambda: optim.AdamW([leaf()], betas=(0.9, 1.0)),
            ArgumentError,
            r"AdamW: betas must be in \[0, 1\), got \(0.9, 1.0\)",
        ),
        (
            lambda: optim.SGD([leaf()], nesterov=True, dampening=0.5, momentum=0.9),
            ArgumentError,
            "SGD: Nesterov momentum requires a momentum and zero dampening; got momentum=0.9, damp",
        ),
        (lambda: optim.SGD([]), ArgumentError, "SGD: got an empty parameter list"),
        (
            lambda: optim.SGD(leaf()),
            TypeError,
            r"SGD: params should be an iterable .* got Tensor. Pass model.parameters\(\)",
        ),
        (lambda: optim.SGD(None), TypeError, "should be an iterable .* got NoneType"),
        (
            lambda: optim.SGD([leaf().array]),
            TypeError,
            "SGD: can only optimize tensors, but one of the params is a ndarray",
        ),
        (
            lambda: optim.SGD([leaf() * 2]),
            ArgumentError,
            r"SGD: can't optimize a non-leaf tensor, of shape \(2,\)",
        ),
        (
            lambda: optim.SGD([{"params": {leaf()}}]),
            TypeError,
            "SGD: params is a set, whose order changes between runs",
        ),
        (
            lambda: optim.SGD([{"lr": 0.1}]),
            UnknownNameError,
            r"SGD: a parameter group needs the key 'params'; got \['lr'\]",
        ),
        (
            lambda: optim.SGD([{"params": leaf()}, leaf()]),
            TypeError,
            "SGD: a parameter group is a dictionary, got Tensor",
        ),
        (
            lambda: optim.SGD([("a", leaf()), leaf()]),
            ArgumentError,
            "SGD: some parameters have names, others not",
        ),
        (
            lambda: optim.SGD([{"params": [("a", leaf())]}, {"params": [leaf()]}]),
            ArgumentError,
            "SGD: some groups have names, others not",
        ),
        (
            lambda: optim.SGD(shared_between_groups()),
            ArgumentError,
            "SGD: some parameters appear in more than one parameter group",
        ),
        (
            lambda: optim.LBFGS,
            UnsupportedError,
            "optim.LBFGS: PyTorch has it, minicnn not. There are Adagrad, Adam, AdamW",
        ),
        (lambda: optim.Addam, AttributeError, "no attribute 'Addam'. Did you mean 'Adam'"),
    ],
)
def test_bad_input_is_named(build, error, text):
    with pytest.raises(error, match=text):
        build()


def test_an_option_turned_into_a_tensor_is_refused_by_the_step():
    p = leaf()
    p.grad = minicnn.ones(2)
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.param_groups[0]["lr"] = minicnn.tensor(0.1)
    with pytest.raises(UnsupportedError, match="SGD: options are numbers"):
        optimizer.step()


def test_an_optimizer_without_a_rule_says_so():
    p = leaf()
    p.grad = minicnn.ones(2)
    with pytest.raises(NotImplementedError, match=r"Optimizer: define update\(param, group\)"):
        optim.Optimizer([p], {"lr": 0.1}).step()
