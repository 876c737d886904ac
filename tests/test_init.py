"""nn.init: distributions, bounds and the defaults of every layer, beside PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.errors import ArgumentError, ShapeError
from minicnn.nn import init


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(autouse=True)
def seed():
    minicnn.manual_seed(1)


def test_gains_are_pytorchs(torch):
    for name in (
        "linear",
        "conv2d",
        "conv_transpose1d",
        "sigmoid",
        "tanh",
        "relu",
        "selu",
        "leaky_relu",
    ):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    with pytest.raises(ArgumentError, match="the nonlinearity 'swish' is not known"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="negative_slope 'steep' is not a valid number"):
        init.calculate_gain("leaky_relu", "steep")


@pytest.mark.parametrize("shape", [(4, 3), (6, 3, 5), (6, 3, 5, 2)])
def test_fans_are_pytorchs(torch, shape):
    expected = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init._calculate_fan_in_and_fan_out(minicnn.empty(shape)) == expected


# name: (function, its arguments, expected standard deviation for (60, 50), bound or None)
DRAWS = {
    "uniform": (init.uniform_, (-2.0, 3.0), 5 / math.sqrt(12), None),
    "normal": (init.normal_, (0.5, 2.0), 2.0, None),
    "xavier-uniform": (
        init.xavier_uniform_,
        (2.0,),
        2 * math.sqrt(2 / 110),
        2 * math.sqrt(6 / 110),
    ),
    "xavier-normal": (init.xavier_normal_, (), math.sqrt(2 / 110), None),
    "kaiming-uniform": (init.kaiming_uniform_, (), math.sqrt(2 / 50), math.sqrt(6 / 50)),
    "kaiming-uniform-out": (
        init.kaiming_uniform_,
        (0, "fan_out", "tanh"),
        5 / 3 / math.sqrt(60),
        5 / 3 * math.sqrt(3 / 60),
    ),
    "kaiming-normal": (init.kaiming_normal_, (1.0,), math.sqrt(1 / 50), None),
    "kaiming-normal-relu": (
        init.kaiming_normal_,
        (0, "FAN_OUT", "relu"),
        math.sqrt(2 / 60),
        None,
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_their_spread_and_stay_in_their_bounds(name):
    function, arguments, std, bound = DRAWS[name]
    w = nn.Parameter(minicnn.empty(60, 50))
    assert function(w, *arguments) is w and w.requires_grad and w.is_leaf
    assert w.numpy(force=True).std() == pytest.approx(std, rel=0.05)
    mean = {"uniform": 0.5, "normal": 0.5}.get(name, 0.0)
    assert w.numpy(force=True).mean() == pytest.approx(mean, abs=0.1 * std)
    if bound is not None:
        assert abs(w.numpy(force=True)).max() == pytest.approx(bound, rel=0.01)
        assert abs(w.numpy(force=True)).max() <= np.float32(bound)


@pytest.mark.parametrize("name", DRAWS)
def test_pytorchs_draws_have_the_same_spread(torch, name):
    function, arguments, _, _ = DRAWS[name]
    theirs = getattr(torch.nn.init, function.__name__)
    torch.manual_seed(0)
    ours = function(minicnn.empty(60, 50), *arguments).numpy(force=True)
    expected = theirs(torch.empty(60, 50), *arguments).numpy()
    assert ours.std() == pytest.approx(expected.std(), rel=0.06)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (0, 0.02, -0.04, 0.04), (1, 2, -1, 0.5), (0, 1, 1.5, 9), (0, 1, -4, -1.2)],
)
def test_truncated_normal_draws_have_the_truncated_moments(mean, std, a, b):
    w = init.trunc_normal_(minicnn.empty(200, 100), mean, std, a, b)
    assert a <= w.numpy(force=True).min() and w.numpy(force=True).max() <= b
    grid = np.linspace(a, b, 100_001)
    density = np.exp(-(((grid - mean) / std) ** 2) / 2)
    first = (grid * density).sum() / density.sum()
    second = math.sqrt(((grid - first) ** 2 * density).sum() / density.sum())
    assert w.numpy(force=True).mean() == pytest.approx(first, abs=0.03 * second)
    assert w.numpy(force=True).std() == pytest.approx(second, rel=0.03)


def test_a_far_truncation_warns_and_impossible_ones_are_refused():
    with pytest.warns(UserWarning, match="more than 2 std from"):
        init.trunc_normal_(minicnn.empty(3), 0, 1, 3, 4)
    for arguments in ((0, 1, 2, -2), (0, 0, -1, 1)):
        with pytest.raises(ArgumentError, match="needs a < b and std > 0"):
            init.trunc_normal_(minicnn.empty(3), *arguments)
    assert init.trunc_normal_(minicnn.empty(0, 3)).shape == (0, 3)


def test_constants_fill():
    w = minicnn.empty(2, 3)
    assert init.constant_(w, 0.5).tolist() == [[0.5] * 3] * 2
    assert init.ones_(w).tolist() == [[1] * 3] * 2
    assert init.zeros_(w).tolist() == [[0] * 3] * 2
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 2, 3), 1), ((6, 2, 3, 4), 3), ((4, 8, 1, 1), 2)]
)
def test_dirac_filters_are_pytorchs(torch, shape, groups):
    ours = init.dirac_(minicnn.empty(shape), groups)
    assert ours.tolist() == torch.nn.init.dirac_(torch.empty(shape), groups).tolist()


def test_dirac_filters_pass_images_on():
    layer = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    init.dirac_(layer.weight)
    x = minicnn.randn(2, 3, 5, 5)
    np.testing.assert_array_equal(layer(x).detach().numpy(), x.numpy())


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (4, 2, 3, 1)])
def test_orthogonal_matrices_are_orthogonal(shape):
    w = (
        init.orthogonal_(minicnn.empty(*shape, dtype="float64"), gain=2.0)
        .numpy(force=True)
        .reshape(shape[0], -1)
    )
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)
    assert init.orthogonal_(minicnn.empty(0, 2)).shape == (0, 2)


def test_sparse_columns_have_their_zeros():
    w = init.sparse_(minicnn.empty(10, 400), sparsity=0.33, std=0.1).numpy(force=True)
    assert ((w == 0).sum(0) == 4).all()
    assert w[w != 0].std() == pytest.approx(0.1, rel=0.1)
    assert len(set((w == 0).argmax(0).tolist())) > 3


def test_one_seed_gives_the_same_weights_and_a_generator_its_own():
    def first(generator=None):
        minicnn.manual_seed(5)
        return init.normal_(minicnn.empty(4), generator=generator).tolist()

    assert first() == first() != first(minicnn.Generator().manual_seed(6))
    for function in (init.uniform_, init.trunc_normal_, init.xavier_normal_, init.orthogonal_):
        a = function(minicnn.empty(3, 3), generator=minicnn.Generator().manual_seed(1))
        b = function(minicnn.empty(3, 3), generator=minicnn.Generator().manual_seed(1))
        assert a.tolist() == b.tolist()
    minicnn.manual_seed(3)
    layer = nn.Linear(3, 3)
    minicnn.manual_seed(3)
    assert nn.Linear(3, 3).weight.tolist() == layer.weight.tolist()


def test_float64_and_float32_weights_are_the_same_draws():
    minicnn.manual_seed(3)
    narrow = nn.Conv2d(2, 3, 3).weight.numpy(force=True)
    minicnn.manual_seed(3)
    np.testing.assert_allclose(
        narrow, nn.Conv2d(2, 3, 3, dtype="float64").weight.numpy(force=True), rtol=1e-6
    )


def test_initialisation_is_not_recorded_and_counts_as_a_change():
    w = nn.Parameter(minicnn.ones(2, 2))
    y = (w * w).sum()
    init.normal_(w)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_empty_tensors_are_left_alone_with_a_warning():
    for function in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="without elements is a no-op"):
            function(minicnn.empty(0, 3))


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda: init.xavier_uniform_(minicnn.ones(3)), ShapeError, "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(minicnn.ones(3)), ValueError, r"shape \(3,\)"),
        (
            lambda: init.kaiming_normal_(minicnn.ones(3, 3), mode="fan"),
            ArgumentError,
            "mode must be 'fan_in' or 'fan_out', not 'fan'",
        ),
        (lambda: init.eye_(minicnn.ones(3)), ShapeError, "eye_: only tensors with 2 dimensions"),
        (lambda: init.sparse_(minicnn.ones(3), 0.1), ShapeError, "sparse_: only tensors with 2"),
        (
            lambda: init.sparse_(minicnn.ones(3, 3), 1.1),
            ArgumentError,
            "fraction from 0 to 1, got 1.1",
        ),
        (lambda: init.orthogonal_(minicnn.ones(3)), ShapeError, "2 or more dimensions"),
        (lambda: init.dirac_(minicnn.ones(3, 3)), ShapeError, "3, 4 or 5 dimensions"),
        (
            lambda: init.dirac_(minicnn.ones(3, 3, 3), 2),
            ShapeError,
            "divisible by groups; got 3 and 2",
        ),
        (
            lambda: init.normal_(np.ones(3)),
            TypeError,
            "normal_: tensor must be a Tensor, not ndarray",
        ),
        (lambda: init.uniform_([1.0]), TypeError, "uniform_: tensor must be a Tensor"),
        (lambda: init.ones_(3), TypeError, "must be a Tensor, not int"),
    ],
)
def test_wrong_arguments_are_refused(action, error, message):
    with pytest.raises(error, match=message):
        action()


# ------------------------------------------------------------------------------- defaults


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda nn: nn.Linear(40, 300), 40),
        (lambda nn: nn.Conv1d(8, 200, 5), 40),
        (lambda nn: nn.Conv2d(8, 200, 3), 72),
        (lambda nn: nn.Conv2d(8, 200, 3, groups=4), 18),
        (lambda nn: nn.ConvTranspose2d(20, 100, 3), 900),
        (lambda nn: nn.ConvTranspose2d(20, 100, 3, groups=5), 180),
    ],
)
def test_layers_begin_uniform_within_one_over_the_root_of_fan_in(torch, make, fan_in):
    ours, theirs = make(nn), make(torch.nn)
    bound = 1 / math.sqrt(fan_in)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert abs(p.numpy(force=True)).max() <= np.float32(bound)
        assert abs(p.numpy(force=True)).max() == pytest.approx(bound, rel=0.05)
        assert p.numpy(force=True).std() == pytest.approx(bound / math.sqrt(3), rel=0.15)
        assert abs(q.detach().numpy()).max() <= np.float32(bound)
        assert abs(q.detach().numpy()).max() == pytest.approx(bound, rel=0.05)
    before = ours.weight.tolist()
    ours.reset_parameters()
    assert ours.weight.tolist() != before


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.BatchNorm2d(5),
        lambda nn: nn.InstanceNorm2d(5, affine=True, track_running_stats=True),
        lambda nn: nn.LayerNorm((2, 3)),
        lambda nn: nn.RMSNorm(3),
        lambda nn: nn.GroupNorm(2, 6),
        lambda nn: nn.PReLU(3, init=0.1),
    ],
)
def test_constant_defaults_are_pytorchs(torch, make):
    ours, expected = make(nn), make(torch.nn).state_dict()
    for _ in range(2):
        for name, value in ours.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), expected[name].numpy())
            value.array[...] = 7
        ours.reset_parameters()


def test_embeddings_begin_standard_normal():
    w = nn.Embedding(100, 40).weight.numpy(force=True)
    assert w.mean() == pytest.approx(0, abs=0.06) and w.std() == pytest.approx(1, rel=0.05)
