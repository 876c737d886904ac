"""Layers fused with the ReLU after them compute what the two do, in one operation.

Values, gradients, state and repr beside PyTorch's are in test_layers.py, derivatives of second
order in test_gradients.py, the kernels in test_kernels_cpu.py and test_cuda_kernels.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minicnn
from minicnn import nn
from minicnn.autograd import Node, grad
from minicnn.errors import ArgumentError, DTypeError, ShapeError
from minicnn.nn.intrinsic import ConvReLU1d, ConvReLU2d, LinearReLU, fuse_modules
from minicnn.ops.fused import bias_relu


class Net(nn.Module):
    def __init__(self, nn=nn):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc1, self.act, self.fc2 = nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(self.features(x).flatten(1))))


PAIRS = [["features.0", "features.1"], ["fc1", "act"]]


def images(n=4):
    minicnn.manual_seed(1)
    return minicnn.randn(n, 2, 6, 6, requires_grad=True)


def operations(y):
    """Return the names of the operations that y was made by."""
    stack, found = [y.grad_fn], set()
    while stack:
        node = stack.pop()
        found.add(node.op.name)
        stack += [edge for edge in node.edges if isinstance(edge, Node)]
    return found


def penalty(model, x):
    """Return the output, and the gradients of the gradient's norm, which are of second order."""
    y = model(x)
    first = grad(y.square().sum(), [x, *model.parameters()], create_graph=True)
    norm = sum(g.square().sum() for g in first)
    return [y, *first, *grad(norm, [x, *model.parameters()])]


def test_a_fused_network_has_the_values_and_derivatives_of_the_unfused_one():
    model = Net().double()
    fused, x = fuse_modules(model, PAIRS), images().detach().double().requires_grad_()
    for ours, theirs in zip(penalty(fused, x), penalty(model, x), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)


def test_a_fused_layer_is_one_pass_over_its_output():
    model = Net()
    assert "BiasReLU" not in operations(model(images()))
    found = operations(fuse_modules(model, PAIRS)(images()))
    assert "BiasReLU" in found and "ReLU" not in found


def test_fusing_copies_the_model_or_changes_it_in_place():
    model = Net()
    copy = fuse_modules(model, PAIRS)
    assert type(model.fc1) is nn.Linear and copy.fc1[0].weight is not model.fc1.weight
    weight = model.fc1.weight
    assert fuse_modules(model, PAIRS, inplace=True) is model
    assert model.fc1[0].weight is weight
    assert [type(m) for m in (model.features[0], model.fc1)] == [ConvReLU2d, LinearReLU]
    assert [type(m) for m in (model.features[1], model.act)] == [nn.Identity] * 2


def test_one_pair_needs_no_list_around_it():
    model = fuse_modules(nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU()), ["0", "1"])
    assert type(model[0]) is ConvReLU1d


@pytest.mark.parametrize("training", [True, False])
def test_fusing_keeps_the_mode(training):
    fused = fuse_modules(Net().train(training), PAIRS)
    assert {m.training for m in fused.modules() if type(m) is not nn.Identity} == {training}


def test_pytorch_fuses_the_same_names_to_the_same_state():
    torch = pytest.importorskip("torch")
    from torch.ao.quantization import fuse_modules as theirs

    def sequence(nn):
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3), nn.ReLU()
        )

    pairs = [["0", "1"], ["3", "4"]]
    fused, expected = fuse_modules(sequence(nn), pairs), theirs(sequence(torch.nn).eval(), pairs)
    assert list(fused.state_dict()) == list(expected.state_dict())
    assert [type(m).__name__ for m in fused] == [type(m).__name__ for m in expected]


def test_a_step_of_training_changes_the_parameters_alike():
    model = Net()
    fused = fuse_modules(model, PAIRS)
    for net in (model, fused):
        optimizer = minicnn.optim.SGD(net.parameters(), lr=0.1)
        net(images()).square().mean().backward()
        optimizer.step()
    for p, q in zip(model.parameters(), fused.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_frozen_biases_get_no_gradient_and_inputs_still_do():
    fused = fuse_modules(Net(), PAIRS)
    fused.fc1[0].bias.requires_grad_(False)
    x = images()
    fused(x).sum().backward()
    assert fused.fc1[0].bias.grad is None
    assert x.grad is not None and fused.fc1[0].weight.grad is not None


@pytest.mark.parametrize("register", ["register_forward_hook", "register_full_backward_hook"])
@pytest.mark.parametrize("which", [0, 1])
def test_hooks_of_the_layers_inside_are_called(register, which):
    layer = LinearReLU(nn.Linear(3, 2), nn.ReLU())
    called = []
    getattr(layer[which], register)(lambda module, *values: called.append(module))
    layer(minicnn.ones(1, 3, requires_grad=True)).sum().backward()
    assert called == [layer[which]]


def test_an_activation_that_was_exchanged_is_the_one_that_runs():
    layer = LinearReLU(nn.Linear(3, 2), nn.ReLU())
    layer[1] = nn.Tanh()
    x = minicnn.ones(1, 3)
    np.testing.assert_array_equal(layer(x).detach().numpy(), layer[0](x).tanh().detach().numpy())


def test_inside_autocast_the_bias_is_cast_with_the_weight():
    device = minicnn.get_default_device().type
    layer = ConvReLU2d(nn.Conv2d(2, 3, 3), nn.ReLU())
    with minicnn.autocast(device, dtype=minicnn.float16):
        y, expected = layer(images()), nn.Sequential.forward(layer, images())
    assert y.dtype == minicnn.float16
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), atol=2e-3)
    y.sum().backward()
    assert layer[0].bias.grad.dtype == minicnn.float32


SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@given(st.data(), SIZES, st.sampled_from(["float64", "float32"]))
def test_bias_relu_is_the_sum_then_relu_along_any_axis(data, shape, dtype):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    axes = data.draw(st.permutations(range(len(shape))))
    x = minicnn.tensor(rng.standard_normal(shape).astype(dtype)).permute(*axes)
    x, y_shape = x.requires_grad_(), x.shape
    b = minicnn.tensor(rng.standard_normal(y_shape[dim]).astype(dtype), requires_grad=True)
    along = [1] * len(shape)
    along[dim] = -1
    y, expected = bias_relu(x, b, dim), (x + b.reshape(along)).relu()
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    dy = minicnn.tensor(rng.standard_normal(y_shape).astype(dtype))
    pairs = zip(grad(y, [x, b], dy), grad(expected, [x, b], dy), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "b", "dim"), [((2, 3), (2,), 1), ((2, 3), (1,), -1), ((), (1,), 0), ((2, 3), (3, 1), 1)]
)
def test_a_bias_that_does_not_fit_the_channels_is_refused(x, b, dim):
    with pytest.raises(ShapeError, match=f"one number for each channel along dim {dim}; got"):
        bias_relu(minicnn.zeros(x), minicnn.zeros(b), dim)


def test_mixed_dtypes_are_refused_as_without_fusing():
    layer = LinearReLU(nn.Linear(3, 2), nn.ReLU())
    layer[0].bias.data = layer[0].bias.data.double()
    with pytest.raises(DTypeError, match="float32 and float64"):
        layer(minicnn.ones(1, 3))


def test_other_layers_are_not_fused():
    with pytest.raises(ArgumentError, match="LinearReLU: made of a Linear and a ReLU, got Conv2d"):
        LinearReLU(nn.Conv2d(1, 1, 1), nn.ReLU())
    with pytest.raises(ArgumentError, match="and a ReLU, got Conv2d and ReLU6"):
        ConvReLU2d(nn.Conv2d(1, 1, 1), nn.ReLU6())
    model = Net()
    for names in (["fc1"], ["fc1", "fc2"], ["act", "fc1"], ["fc1", "act", "fc2"]):
        with pytest.raises(ArgumentError, match=rf"with the ReLU after it, got {names[0]} \("):
            fuse_modules(model, [names])
    with pytest.raises(AttributeError, match="relu"):
        fuse_modules(model, [["fc1", "relu"]])
