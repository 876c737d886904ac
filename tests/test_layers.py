"""Every layer beside PyTorch's: repr, state dict, values, gradients; training and evaluation."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
from sharing import shares_memory

import minicnn
from minicnn import nn
from minicnn.errors import ArgumentError, LabelError, ShapeError, UnsupportedError

IMAGES, SMALL, SEQUENCES, ROWS = (2, 4, 9, 8), (2, 4, 6, 6), (2, 4, 9), (5, 4)

# name: (what makes the layer in either library, the shape of its input)
LAYERS = {
    "linear": (lambda nn: nn.Linear(4, 3), ROWS),
    "linear-no-bias": (lambda nn: nn.Linear(4, 3, bias=False), ROWS),
    "linear-any-rank": (lambda nn: nn.Linear(8, 3), IMAGES),
    "linear-one-sample": (lambda nn: nn.Linear(4, 3), (4,)),
    "identity": (lambda nn: nn.Identity(5, any=1), ROWS),
    "flatten": (lambda nn: nn.Flatten(), IMAGES),
    "flatten-middle": (lambda nn: nn.Flatten(1, 2), IMAGES),
    "unflatten": (lambda nn: nn.Unflatten(1, (2, 2)), IMAGES),
    "conv1d": (lambda nn: nn.Conv1d(4, 6, 3), SEQUENCES),
    "conv1d-all-options": (
        lambda nn: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False, "replicate"),
        SEQUENCES,
    ),
    "conv2d": (lambda nn: nn.Conv2d(4, 6, 3), IMAGES),
    "conv2d-one-image": (lambda nn: nn.Conv2d(4, 6, 3), IMAGES[1:]),
    "conv2d-no-bias": (lambda nn: nn.Conv2d(4, 6, 3, bias=False), IMAGES),
    "conv2d-all-options": (lambda nn: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2), IMAGES),
    "conv2d-depthwise": (lambda nn: nn.Conv2d(4, 8, 3, groups=4), IMAGES),
    "conv2d-same": (lambda nn: nn.Conv2d(4, 6, 3, padding="same", dilation=2), IMAGES),
    "conv2d-valid": (lambda nn: nn.Conv2d(4, 6, 3, padding="valid"), IMAGES),
    "conv2d-reflect": (lambda nn: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"), IMAGES),
    "conv2d-replicate": (
        lambda nn: nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="replicate"),
        IMAGES,
    ),
    "conv2d-circular-same": (
        lambda nn: nn.Conv2d(4, 6, (3, 2), padding="same", padding_mode="circular"),
        IMAGES,
    ),
    "conv2d-valid-reflect": (
        lambda nn: nn.Conv2d(4, 6, 3, padding="valid", padding_mode="reflect"),
        IMAGES,
    ),
    "conv-transpose1d": (lambda nn: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), SEQUENCES),
    "conv-transpose2d": (lambda nn: nn.ConvTranspose2d(4, 6, 3), SMALL),
    "conv-transpose2d-all-options": (
        lambda nn: nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 0), 2, False, (1, 2)),
        SMALL,
    ),
    "conv-relu1d": (lambda nn: nn.intrinsic.ConvReLU1d(nn.Conv1d(4, 6, 3), nn.ReLU()), SEQUENCES),
    "conv-relu2d": (
        lambda nn: nn.intrinsic.ConvReLU2d(
            nn.Conv2d(4, 6, (3, 2), 2, 1, groups=2, padding_mode="reflect"), nn.ReLU(inplace=True)
        ),
        IMAGES,
    ),
    "conv-relu2d-no-bias": (
        lambda nn: nn.intrinsic.ConvReLU2d(nn.Conv2d(4, 6, 3, bias=False), nn.ReLU()),
        IMAGES,
    ),
    "conv-relu2d-one-image": (
        lambda nn: nn.intrinsic.ConvReLU2d(nn.Conv2d(4, 6, 3), nn.ReLU()),
        IMAGES[1:],
    ),
    "linear-relu": (lambda nn: nn.intrinsic.LinearReLU(nn.Linear(4, 6), nn.ReLU()), ROWS),
    "linear-relu-any-rank": (
        lambda nn: nn.intrinsic.LinearReLU(nn.Linear(8, 6), nn.ReLU()),
        IMAGES,
    ),
    "linear-relu-one-sample": (
        lambda nn: nn.intrinsic.LinearReLU(nn.Linear(4, 6), nn.ReLU()),
        (4,),
    ),
    "max-pool1d": (lambda nn: nn.MaxPool1d(2), SEQUENCES),
    "max-pool2d": (lambda nn: nn.MaxPool2d(2), IMAGES),
    "max-pool2d-all-options": (
        lambda nn: nn.MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2), ceil_mode=True),
        IMAGES,
    ),
    "avg-pool1d": (lambda nn: nn.AvgPool1d(3, 2, 1), SEQUENCES),
    "avg-pool2d": (lambda nn: nn.AvgPool2d(2), IMAGES),
    "avg-pool2d-all-options": (
        lambda nn: nn.AvgPool2d((3, 2), (2, 2), (1, 1), True, False),
        IMAGES,
    ),
    "avg-pool2d-divisor": (lambda nn: nn.AvgPool2d(2, divisor_override=3), IMAGES),
    "adaptive-avg-pool1d": (lambda nn: nn.AdaptiveAvgPool1d(4), SEQUENCES),
    "adaptive-avg-pool2d": (lambda nn: nn.AdaptiveAvgPool2d((3, None)), IMAGES),
    "adaptive-avg-pool2d-global": (lambda nn: nn.AdaptiveAvgPool2d(1), IMAGES),
    "adaptive-max-pool1d": (lambda nn: nn.AdaptiveMaxPool1d(4), SEQUENCES),
    "adaptive-max-pool2d": (lambda nn: nn.AdaptiveMaxPool2d((3, 5)), IMAGES),
    "upsample": (lambda nn: nn.Upsample(scale_factor=2), SMALL),
    "upsample-size": (lambda nn: nn.Upsample(size=(7, 9)), SMALL),
    "upsample-bilinear": (
        lambda nn: nn.Upsample(scale_factor=(1.5, 2.0), mode="bilinear", align_corners=False),
        SMALL,
    ),
    "upsampling-nearest2d": (lambda nn: nn.UpsamplingNearest2d(scale_factor=3), SMALL),
    "upsampling-bilinear2d": (lambda nn: nn.UpsamplingBilinear2d(size=11), SMALL),
    "zero-pad2d": (lambda nn: nn.ZeroPad2d(2), SMALL),
    "constant-pad2d": (lambda nn: nn.ConstantPad2d((1, 2, 0, -1), 3.5), SMALL),
    "reflection-pad2d": (lambda nn: nn.ReflectionPad2d((1, 2, 3, 0)), SMALL),
    "replication-pad2d": (lambda nn: nn.ReplicationPad2d(3), SMALL),
    "circular-pad2d": (lambda nn: nn.CircularPad2d((1, 0, 2, 3)), SMALL),
    "batch-norm1d": (lambda nn: nn.BatchNorm1d(4), ROWS),
    "batch-norm1d-sequences": (lambda nn: nn.BatchNorm1d(4, momentum=0.3), SEQUENCES),
    "batch-norm2d": (lambda nn: nn.BatchNorm2d(4), IMAGES),
    "batch-norm2d-plain-mean": (lambda nn: nn.BatchNorm2d(4, momentum=None), IMAGES),
    "batch-norm2d-no-affine": (lambda nn: nn.BatchNorm2d(4, eps=0.1, affine=False), IMAGES),
    "batch-norm2d-no-bias": (lambda nn: nn.BatchNorm2d(4, bias=False), IMAGES),
    "batch-norm2d-no-statistics": (
        lambda nn: nn.BatchNorm2d(4, track_running_stats=False),
        IMAGES,
    ),
    "instance-norm1d": (lambda nn: nn.InstanceNorm1d(4), SEQUENCES),
    "instance-norm2d": (lambda nn: nn.InstanceNorm2d(4, affine=True), IMAGES),
    "instance-norm2d-one-image": (lambda nn: nn.InstanceNorm2d(4), IMAGES[1:]),
    "instance-norm2d-statistics": (
        lambda nn: nn.InstanceNorm2d(4, track_running_stats=True),
        IMAGES,
    ),
    "layer-norm": (lambda nn: nn.LayerNorm(8), IMAGES),
    "layer-norm-images": (lambda nn: nn.LayerNorm((4, 9, 8), eps=0.1), IMAGES),
    "layer-norm-no-bias": (lambda nn: nn.LayerNorm([9, 8], bias=False), IMAGES),
    "layer-norm-no-affine": (lambda nn: nn.LayerNorm(8, elementwise_affine=False), IMAGES),
    "rms-norm": (lambda nn: nn.RMSNorm(8), IMAGES),
    "rms-norm-no-affine": (lambda nn: nn.RMSNorm((9, 8), 0.1, False), IMAGES),
    "group-norm": (lambda nn: nn.GroupNorm(2, 4), IMAGES),
    "group-norm-no-affine": (lambda nn: nn.GroupNorm(4, 4, affine=False), SEQUENCES),
    "group-norm-no-bias": (lambda nn: nn.GroupNorm(2, 4, bias=False), IMAGES),
    "local-response-norm": (lambda nn: nn.LocalResponseNorm(3, 0.5, 0.6, 2.0), IMAGES),
    "dropout-none": (lambda nn: nn.Dropout(0.0), IMAGES),
    "dropout1d-none": (lambda nn: nn.Dropout1d(0.0), SEQUENCES),
    "dropout2d-all": (lambda nn: nn.Dropout2d(1.0), IMAGES),
    "relu": (lambda nn: nn.ReLU(), IMAGES),
    "relu6": (lambda nn: nn.ReLU6(), IMAGES),
    "leaky-relu": (lambda nn: nn.LeakyReLU(), IMAGES),
    "leaky-relu-slope": (lambda nn: nn.LeakyReLU(0.3), IMAGES),
    "prelu": (lambda nn: nn.PReLU(), IMAGES),
    "prelu-channels": (lambda nn: nn.PReLU(4, 0.1), IMAGES),
    "elu": (lambda nn: nn.ELU(), IMAGES),
    "elu-alpha": (lambda nn: nn.ELU(0.5), IMAGES),
    "celu": (lambda nn: nn.CELU(0.5), IMAGES),
    "selu": (lambda nn: nn.SELU(), IMAGES),
    "gelu": (lambda nn: nn.GELU(), IMAGES),
    "gelu-tanh": (lambda nn: nn.GELU("tanh"), IMAGES),
    "silu": (lambda nn: nn.SiLU(), IMAGES),
    "mish": (lambda nn: nn.Mish(), IMAGES),
    "hardtanh": (lambda nn: nn.Hardtanh(-0.5, 0.7), IMAGES),
    "hardsigmoid": (lambda nn: nn.Hardsigmoid(), IMAGES),
    "hardswish": (lambda nn: nn.Hardswish(), IMAGES),
    "threshold": (lambda nn: nn.Threshold(0.2, -3.0), IMAGES),
    "sigmoid": (lambda nn: nn.Sigmoid(), IMAGES),
    "log-sigmoid": (lambda nn: nn.LogSigmoid(), IMAGES),
    "tanh": (lambda nn: nn.Tanh(), IMAGES),
    "softsign": (lambda nn: nn.Softsign(), IMAGES),
    "softplus": (lambda nn: nn.Softplus(), IMAGES),
    "softplus-options": (lambda nn: nn.Softplus(2.0, 1.0), IMAGES),
    "softmax": (lambda nn: nn.Softmax(1), IMAGES),
    "softmax2d": (lambda nn: nn.Softmax2d(), IMAGES),
    "softmin": (lambda nn: nn.Softmin(-1), IMAGES),
    "log-softmax": (lambda nn: nn.LogSoftmax(dim=1), ROWS),
}

IN_PLACE = {
    "relu": lambda nn: nn.ReLU(inplace=True),
    "relu6": lambda nn: nn.ReLU6(True),
    "leaky-relu": lambda nn: nn.LeakyReLU(0.2, True),
    "elu": lambda nn: nn.ELU(inplace=True),
    "celu": lambda nn: nn.CELU(0.5, True),
    "selu": lambda nn: nn.SELU(True),
    "silu": lambda nn: nn.SiLU(True),
    "mish": lambda nn: nn.Mish(True),
    "hardtanh": lambda nn: nn.Hardtanh(inplace=True),
    "hardsigmoid": lambda nn: nn.Hardsigmoid(True),
    "hardswish": lambda nn: nn.Hardswish(True),
    "threshold": lambda nn: nn.Threshold(0.1, 1.0, True),
    "dropout": lambda nn: nn.Dropout(1.0, True),
}


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def draw(shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def twins(torch, make, dtype="float64"):
    """One layer of PyTorch's with random state, and ours with the same state by its state dict."""
    theirs = make(torch.nn).to(getattr(torch, dtype))
    for i, x in enumerate([*theirs.parameters(), *theirs.buffers()]):
        if x.is_floating_point():
            x.data.copy_(torch.tensor(draw(x.shape, seed=i)).abs() + 0.1)
    ours = make(nn).to(dtype)
    state = {name: minicnn.tensor(x.numpy()) for name, x in theirs.state_dict().items()}
    assert repr(ours.load_state_dict(state)) == "<All keys matched successfully>"
    return ours, theirs


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def assert_same_step(torch, ours, theirs, array, atol=1e-10):
    """One forward and backward pass: outputs, all gradients, and the state afterwards."""
    x = minicnn.tensor(array, requires_grad=True)
    z = torch.tensor(array, requires_grad=True)
    y, t = ours(x), quietly(theirs, z)
    assert (y.shape, str(y.dtype)) == (tuple(t.shape), str(t.dtype).removeprefix("torch."))
    np.testing.assert_allclose(y.detach().numpy(), t.detach().numpy(), atol=atol)
    dy = draw(y.shape, seed=9, dtype=array.dtype)
    y.backward(minicnn.tensor(dy))
    t.backward(torch.tensor(dy))
    pairs = [(x, z), *zip(ours.parameters(), theirs.parameters(), strict=True)]
    for p, q in pairs:
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=10 * atol)
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[name].numpy(), atol=atol)


@pytest.mark.parametrize("name", LAYERS)
def test_values_gradients_and_state_are_pytorchs_in_training_and_evaluation(torch, name):
    make, shape = LAYERS[name]
    ours, theirs = quietly(twins, torch, make)
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        ours.zero_grad(), theirs.zero_grad()
        # Three times as wide as usual, so that the flat ends of activations are reached too.
        assert_same_step(torch, ours, theirs, 3 * draw(shape, seed=training))


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32_and_agrees(torch, name):
    make, shape = LAYERS[name]
    ours, theirs = quietly(twins, torch, make, "float32")
    assert_same_step(torch, ours, theirs, draw(shape, dtype="float32"), atol=2e-5)


@pytest.mark.parametrize("name", [*LAYERS, *(f"in-place-{name}" for name in IN_PLACE)])
def test_repr_is_pytorchs(torch, name):
    make = LAYERS[name][0] if name in LAYERS else IN_PLACE[name.removeprefix("in-place-")]
    assert repr(make(nn)) == repr(quietly(make, torch.nn))


@pytest.mark.parametrize("name", LAYERS)
def test_new_state_dicts_have_pytorchs_keys_shapes_and_dtypes(torch, name):
    ours, theirs = LAYERS[name][0](nn), quietly(LAYERS[name][0], torch.nn)
    found = [(k, v.shape, str(v.dtype)) for k, v in ours.state_dict().items()]
    expected = [
        (k, tuple(v.shape), str(v.dtype).removeprefix("torch."))
        for k, v in theirs.state_dict().items()
    ]
    assert found == expected
    assert [n for n, p in ours.named_parameters() if p.requires_grad] == [
        n for n, p in theirs.named_parameters() if p.requires_grad
    ]


@pytest.mark.parametrize("name", LAYERS)
def test_copies_compute_the_same_and_share_nothing(name):
    make, shape = LAYERS[name]
    layer = make(nn).double().eval()
    x = minicnn.tensor(draw(shape))
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin(x).detach().numpy(), layer(x).detach().numpy())
    assert repr(twin) == repr(layer)
    for p, q in zip(layer.parameters(), twin.parameters(), strict=True):
        assert type(q) is nn.Parameter and not shares_memory(p.array, q.array)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_activations_write_into_their_input(torch, name):
    ours, theirs = IN_PLACE[name](nn), IN_PLACE[name](torch.nn)
    array = draw(SMALL)
    x, z = minicnn.tensor(array), torch.tensor(array)
    y, t = ours(x), theirs(z)
    assert y is x
    np.testing.assert_allclose(x.numpy(), z.numpy(), atol=1e-12)
    np.testing.assert_allclose(t.numpy(), z.numpy())


def test_max_pools_return_indices_where_pytorch_does(torch):
    array = draw(IMAGES)
    for make in (
        lambda nn: nn.MaxPool2d(3, 2, 1, return_indices=True),
        lambda nn: nn.AdaptiveMaxPool2d((3, 5), return_indices=True),
    ):
        y, indices = make(nn)(minicnn.tensor(array))
        z, expected = make(torch.nn)(torch.tensor(array))
        np.testing.assert_array_equal(y.numpy(), z.numpy())
        np.testing.assert_array_equal(indices.numpy(), expected.numpy())


def test_transposed_convolution_takes_the_size_of_its_output(torch):
    ours, theirs = twins(torch, lambda nn: nn.ConvTranspose2d(4, 2, 3, stride=3, padding=1))
    array = draw(SMALL)
    for size in ((16, 18), (2, 2, 17, 16)):
        y = ours(minicnn.tensor(array), output_size=size)
        z = theirs(torch.tensor(array), output_size=size)
        assert y.shape[-2:] == size[-2:]
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
    with pytest.raises(ShapeError, match=r"valid sizes range from \(16, 16\) to \(18, 18\)"):
        ours(minicnn.tensor(array), output_size=(15, 18))
    with pytest.raises(ShapeError, match="output_size must have 2 or 4 numbers"):
        ours(minicnn.tensor(array), output_size=(15, 18, 1))


def test_embedding_is_pytorchs(torch):
    index = np.array([[1, 0, 4], [4, 4, 2]])
    for make in (
        lambda nn: nn.Embedding(5, 3),
        lambda nn: nn.Embedding(5, 3, padding_idx=-1),
        lambda nn: nn.Embedding(5, 3, scale_grad_by_freq=True),
    ):
        ours, theirs = twins(torch, make)
        assert repr(ours) == repr(theirs)
        y, z = ours(minicnn.tensor(index)), theirs(torch.tensor(index))
        np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy())
        dy = draw(y.shape)
        y.backward(minicnn.tensor(dy)), z.backward(torch.tensor(dy))
        np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), atol=1e-12)


def test_the_padding_vector_of_an_embedding_begins_as_zero():
    layer = nn.Embedding(50, 4, padding_idx=-2)
    assert layer.padding_idx == 48 and not layer.weight.numpy(force=True)[48].any()
    rest = np.delete(layer.weight.numpy(force=True), 48, 0)
    assert abs(rest.mean()) < 0.3 and 0.8 < rest.std() < 1.2


def test_pretrained_embeddings_are_frozen_unless_asked():
    vectors = minicnn.tensor(draw((4, 2)))
    layer = nn.Embedding.from_pretrained(vectors)
    assert not layer.weight.requires_grad and layer.weight.shape == (4, 2)
    assert nn.Embedding.from_pretrained(vectors, freeze=False).weight.requires_grad


def test_dropout_keeps_the_mean_and_differs_between_passes():
    minicnn.manual_seed(0)
    x = minicnn.ones(20, 30, 10, 10)
    for layer, group in ((nn.Dropout(0.25), ()), (nn.Dropout2d(0.25), (2, 3))):
        y, again = layer(x).numpy(), layer(x).numpy()
        assert set(np.unique(y)) == {np.float32(0), np.float32(4 / 3)}
        assert abs((y == 0).mean() - 0.25) < 0.05
        assert (y != again).any()
        if group:  # whole channels
            assert (y.max(group) == y.min(group)).all()
        assert layer.eval()(x) is x


def test_dropout_passes_gradients_where_it_passed_values():
    x = minicnn.ones(100, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


# ------------------------------------------------------------------------------- losses

LABELS = np.array([0, 2, 1, 2, -100])
BINARY = np.array([[0.0, 1.0, 0.3], [1.0, 1.0, 0.0]])
LOSSES = {
    "cross-entropy": (lambda nn, t: nn.CrossEntropyLoss(), draw((5, 3)), LABELS),
    "cross-entropy-weight": (
        lambda nn, t: nn.CrossEntropyLoss(t([0.5, 2.0, 1.0]), ignore_index=1, label_smoothing=0.1),
        draw((5, 3)),
        np.abs(LABELS) % 3,
    ),
    "cross-entropy-probabilities": (
        lambda nn, t: nn.CrossEntropyLoss(reduction="sum"),
        draw((2, 3)),
        BINARY,
    ),
    "cross-entropy-images": (
        lambda nn, t: nn.CrossEntropyLoss(reduction="none"),
        draw((2, 3, 4)),
        np.arange(8).reshape(2, 4) % 3,
    ),
    "nll": (lambda nn, t: nn.NLLLoss(), draw((5, 3)), LABELS),
    "nll-weight": (
        lambda nn, t: nn.NLLLoss(t([0.5, 2.0, 1.0]), ignore_index=0, reduction="sum"),
        draw((5, 3)),
        np.abs(LABELS) % 3,
    ),
    "mse": (lambda nn, t: nn.MSELoss(), draw((5, 3)), draw((5, 3), 1)),
    "mse-sum": (lambda nn, t: nn.MSELoss(reduction="sum"), draw((5, 3)), draw((5, 3), 1)),
    "l1": (lambda nn, t: nn.L1Loss(reduction="none"), draw((5, 3)), draw((5, 3), 1)),
    "huber": (lambda nn, t: nn.HuberLoss(delta=0.5), draw((5, 3)), draw((5, 3), 1)),
    "smooth-l1": (lambda nn, t: nn.SmoothL1Loss(beta=0.5), draw((5, 3)), draw((5, 3), 1)),
    "kl-div": (lambda nn, t: nn.KLDivLoss(reduction="batchmean"), draw((2, 3)), BINARY),
    "kl-div-log": (lambda nn, t: nn.KLDivLoss(log_target=True, reduction="sum"),
                   draw((2, 3)), draw((2, 3), 1)),
    "bce": (lambda nn, t: nn.BCELoss(), np.abs(np.tanh(draw((2, 3)))), BINARY),
    "bce-weight": (
        lambda nn, t: nn.BCELoss(t([0.5, 2.0, 1.0]), reduction="sum"),
        np.abs(np.tanh(draw((2, 3)))),
        BINARY,
    ),
    "bce-logits": (lambda nn, t: nn.BCEWithLogitsLoss(), draw((2, 3)), BINARY),
    "bce-logits-weights": (
        lambda nn, t: nn.BCEWithLogitsLoss(t([0.5, 2.0, 1.0]), pos_weight=t([3.0, 1.0, 0.5])),
        draw((2, 3)),
        BINARY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_pytorchs(torch, name):
    make, array, target = LOSSES[name]
    ours = make(nn, lambda v: minicnn.tensor(v, dtype="float64"))
    theirs = make(torch.nn, lambda v: torch.tensor(v, dtype=torch.float64))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, z = minicnn.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, t = ours(x, minicnn.tensor(target)), quietly(theirs, z, torch.tensor(target))
    assert y.shape == tuple(t.shape)
    np.testing.assert_allclose(y.detach().numpy(), t.detach().numpy(), atol=1e-12)
    y.sum().backward(), t.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_old_arguments_of_losses_mean_what_they_mean_in_pytorch(torch, size_average, reduce):
    if size_average is None and reduce is None:
        assert nn.MSELoss(None, None).reduction == "mean"
        return
    expected = quietly(torch.nn.MSELoss, size_average, reduce).reduction
    with pytest.warns(UserWarning, match=f"use reduction='{expected}' instead"):
        assert nn.MSELoss(size_average, reduce).reduction == expected


def test_weights_of_losses_are_buffers_that_move_with_them():
    loss = nn.CrossEntropyLoss(minicnn.ones(3)).double()
    assert loss.weight.dtype == minicnn.float64
    assert list(nn.BCEWithLogitsLoss(pos_weight=minicnn.ones(3)).state_dict()) == ["pos_weight"]


# ------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("name", LAYERS)
def test_devices_and_dtypes_of_new_layers_are_arguments(name):
    make = LAYERS[name][0]
    wanted = {}

    class Library:  # passes device and dtype to every layer that has parameters
        def __getattr__(self, kind):
            layer = getattr(nn, kind)
            if kind == "intrinsic":  # makes layers of layers
                return layer
            takes = "dtype" in layer.__init__.__code__.co_varnames
            return lambda *args, **kw: layer(*args, **kw, **(wanted if takes else {}))

    wanted.update(device="cpu", dtype=minicnn.float64)
    for x in make(Library()).state_dict().values():
        assert x.dtype in (minicnn.float64, minicnn.int64)


def test_dense_is_linear():
    assert nn.Dense is nn.Linear


def test_constructor_arguments_are_attributes():
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (4, 6, (3, 3))
    assert (layer.stride, layer.padding, layer.dilation, layer.groups) == (
        (2, 2),
        (1, 1),
        (1, 1),
        2,
    )
    assert nn.MaxPool2d(3).stride == 3
    assert nn.LayerNorm(5).normalized_shape == (5,)
    assert nn.Upsample(scale_factor=2).scale_factor == 2.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ShapeError, "groups must be a positive integer"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ShapeError, "divides in_channels and out_channels"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), ShapeError, "groups=0"),
        (
            lambda: nn.Conv2d(3, 4, 3, padding="full"),
            ArgumentError,
            "'same' or 'valid', got 'full'",
        ),
        (lambda: nn.Conv2d(3, 4, 3, 2, "same"), ArgumentError, "not supported for strided"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ArgumentError, "padding_mode must be"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ShapeError, "kernel_size must be a number or 2"),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"),
            ArgumentError,
            'only "zeros" padding mode',
        ),
        (lambda: nn.Dropout(1.5), ArgumentError, "has to be between 0 and 1, but got 1.5"),
        (lambda: nn.GroupNorm(3, 4), ShapeError, r"num_channels \(4\) must be divisible"),
        (lambda: nn.Hardtanh(1.0, 1.0), ArgumentError, "must be greater than min_val"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "within num_embeddings"),
        (lambda: nn.Embedding(3, 2, max_norm=1.0), UnsupportedError, "max_norm and sparse"),
        (lambda: nn.Embedding(3, 2, sparse=True), UnsupportedError, "max_norm and sparse"),
        (
            lambda: nn.Embedding(3, 2, _weight=minicnn.ones(2, 3)),
            ShapeError,
            r"must have shape \(3, 2\), got \(2, 3\)",
        ),
        (
            lambda: nn.Embedding.from_pretrained(minicnn.ones(3)),
            ShapeError,
            "must be a matrix",
        ),
        (lambda: nn.Unflatten(1, 4), TypeError, "must be a tuple of ints, got 4"),
        (lambda: nn.Unflatten(1, (2.0, 2)), TypeError, "must be a tuple of ints"),
        (lambda: nn.HuberLoss(delta="1"), TypeError, "delta must be a number, got str"),
        (lambda: nn.ZeroPad2d((1, 2)), ShapeError, r"\(left, right, top, bottom\), got \(1, 2\)"),
    ],
)
def test_impossible_arguments_are_refused_when_the_layer_is_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Conv2d(3, 4, 3), (2, 9, 9, 3), r"channels seem to be last.*permute\(0, 3, 1, 2\)"),
        (nn.Conv2d(3, 4, 3), (2, 1, 9, 9), "input has 1 channels but weight expects 3"),
        (nn.Conv2d(3, 4, 3), (9, 9), r"\(N, C, H, W\) or \(C, H, W\), got \(9, 9\)"),
        (nn.Conv2d(3, 4, 5), (2, 3, 4, 4), "larger than the padded input"),
        (nn.Linear(4, 3), (2, 5), "in_features=4"),
        (nn.BatchNorm2d(3), (2, 3), r"expected \(N, C, H, W\) input, got shape \(2, 3\)"),
        (nn.BatchNorm1d(3), (2, 3, 4, 5), r"expected \(N, C\) or \(N, C, L\) input"),
        (nn.BatchNorm2d(3), (2, 4, 5, 5), r"\(4,\)"),
        (nn.InstanceNorm2d(3), (2, 3), r"expected \(N, C, H, W\) or \(C, H, W\) input"),
        (nn.InstanceNorm2d(3), (2, 4, 5, 5), "input has 4 channels but num_features is 3"),
        (nn.Softmax2d(), (2, 3), r"expected \(N, C, H, W\) or \(C, H, W\)"),
        (nn.MaxPool2d(5), (2, 3, 4, 4), "larger than the padded input"),
    ],
)
def test_inputs_that_do_not_fit_name_the_rule_and_the_layer(layer, shape, message):
    with pytest.raises(ShapeError, match=message) as caught:
        layer(minicnn.ones(*shape))
    assert f"in {layer!r}" in str(caught.value)


@pytest.mark.host
def test_wrong_labels_name_the_loss():
    with pytest.raises(LabelError, match=r"(?s)3.*in CrossEntropyLoss\(\)"):
        nn.CrossEntropyLoss()(minicnn.ones(2, 3), minicnn.tensor([0, 3]))
