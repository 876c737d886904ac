"""The zoo: every model by its name, for every shape it accepts, and what it says about others."""

import numpy as np
import pytest

import minicnn
from minicnn import models, nn
from minicnn.errors import ArgumentError, ShapeError, UnknownNameError

PARAMETERS = {"lenet5": 61_706, "cifar_cnn": 2_159_114, "digits_cnn": 30_762, "mlp": 235_146}


def count(model):
    return sum(p.numel() for p in model.parameters())


def images(n, shape):
    return minicnn.from_numpy(np.random.default_rng(0).random((n, *shape), dtype=np.float32))


def test_the_table_of_parameters_has_every_model():
    assert set(models.names()) == set(PARAMETERS)


@pytest.mark.parametrize("name", models.names())
def test_a_model_has_the_parameters_that_it_should_have(name):
    assert count(models.create(name)) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet5", (1, 28, 28)),
        ("lenet5", (1, 32, 32)),
        ("lenet5", (3, 32, 32)),
        ("lenet5", (3, 28, 28)),
        ("digits_cnn", (1, 8, 8)),
        ("digits_cnn", (3, 11, 9)),
        ("cifar_cnn", (3, 32, 32)),
        ("cifar_cnn", (1, 28, 28)),
        ("mlp", (1, 8, 8)),
        ("mlp", (3, 5, 7)),
    ],
)
def test_a_model_makes_one_logit_per_class(name, shape):
    model = models.create(name, shape, 7)
    y = model(images(2, shape))
    assert y.shape == (2, 7)
    y.sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


def test_lenet_has_the_layers_of_the_paper():
    model = models.lenet5()
    assert model.c1.padding == (2, 2)
    assert models.lenet5((1, 32, 32)).c1.padding == (0, 0)
    shapes = [tuple(getattr(model, n).weight.shape) for n in ("c1", "c3", "c5", "f6", "output")]
    assert shapes == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]


def test_a_part_of_a_model_is_a_slice_of_it():
    features = models.lenet5()[:6]
    assert isinstance(features, nn.Sequential)
    assert features(images(2, (1, 28, 28))).shape == (2, 16, 5, 5)


def test_the_same_seed_gives_the_same_weights():
    minicnn.manual_seed(3)
    first = models.create("lenet5").state_dict()
    minicnn.manual_seed(3)
    second = models.create("lenet5").state_dict()
    assert all(
        np.array_equal(first[k].numpy(force=True), second[k].numpy(force=True)) for k in first
    )


@pytest.mark.parametrize("name", ["LeNet-5", "lenet_5", "LENET5", "Le Net 5"])
def test_capitals_and_dashes_in_a_name_make_no_difference(name):
    assert models.find(name) == "lenet5"


def test_options_reach_the_model():
    assert count(models.create("mlp", (1, 2, 2), 3, hidden=(5,))) == 4 * 5 + 5 + 5 * 3 + 3
    assert models.create("digits_cnn", dropout=0.5)[-2].p == 0.5


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"model 'lenet6' is not known.*'lenet5'\?"):
        models.create("lenet6")


@pytest.mark.parametrize("shape", [(28, 28), (1, 0, 28), (1, 28, 28, 3), (1, 28.0, 28)])
def test_an_impossible_input_shape_is_refused(shape):
    with pytest.raises(ArgumentError, match=r"input_shape must be \(channels, height, width\)"):
        models.create("lenet5", shape)


def test_a_model_without_classes_is_refused():
    with pytest.raises(ArgumentError, match="num_classes must be at least 1, got 0"):
        models.create("lenet5", num_classes=0)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("lenet5", (1, 8, 8), "28x28 or 32x32 pixels, got 8x8"),
        ("digits_cnn", (1, 3, 8), "at least 4x4 pixels, got 3x8"),
        ("cifar_cnn", (3, 32, 2), "at least 4x4 pixels, got 32x2"),
    ],
)
def test_images_that_do_not_fit_are_refused_when_the_model_is_made(name, shape, message):
    with pytest.raises(ShapeError, match=message):
        models.create(name, shape)
