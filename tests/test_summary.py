"""`summary`: what it counts, in networks of every build, and that it changes nothing."""

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import models, nn
from minicnn.errors import ArgumentError
from minicnn.training.summary import size_text, summary


def row(found, name):
    return next(r for r in found.rows if r.name == name)


def test_lenet_costs_what_its_paper_design_costs():
    found = summary(models.lenet5(), (1, 28, 28))
    assert found.total_params == found.trainable_params == 61_706
    layers = {
        "c1": 6 * 28 * 28 * 25,
        "s2": 6 * 14 * 14 * 4,
        "c3": 16 * 10 * 10 * 6 * 25,
        "s4": 16 * 5 * 5 * 4,
        "c5": 400 * 120,
        "f6": 120 * 84,
        "output": 84 * 10,
    }
    assert {name: row(found, name).multiply_adds for name in layers} == layers
    assert found.multiply_adds == sum(layers.values())
    assert found.param_memory == 61_706 * 4
    assert row(found, "c1").output_shape == (1, 6, 28, 28)
    assert row(found, "c1").memory == 6 * 28 * 28 * 4


def macs_by_counting(layer, x):
    """Count the products that a linear layer sums, by making each of them 1."""
    with minicnn.no_grad():
        layer.weight.fill_(1.0)
        if layer.bias is not None:
            layer.bias.zero_()
        return round(float(layer(minicnn.ones(x)).sum()))


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Conv2d(4, 6, 3, groups=2), (2, 4, 7, 8)),
        (nn.Conv2d(4, 8, (3, 2), stride=2, dilation=2), (1, 4, 9, 9)),
        (nn.Conv2d(4, 4, 3, groups=4, bias=False), (1, 4, 5, 5)),
        (nn.Conv1d(3, 5, 3), (2, 3, 9)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 6)),
        (nn.Linear(7, 3), (4, 7)),
        (nn.Linear(7, 3), (2, 5, 7)),
    ],
    ids=["groups", "stride-dilation", "depthwise", "conv1d", "transposed", "linear", "linear-3d"],
)
def test_multiply_adds_are_the_products_that_are_summed(layer, x):
    # There is no padding, so every product is of a weight and an input.
    found = summary(layer, minicnn.zeros(x))
    assert found.multiply_adds == macs_by_counting(layer, x)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.MaxPool2d((2, 3)), (2, 4, 9), 2 * 2 * 3 * 6),
        (nn.AvgPool2d(3), (2, 6, 6), 2 * 2 * 2 * 9),
        (nn.MaxPool1d(2), (3, 8), 3 * 4 * 2),
        (nn.AdaptiveAvgPool2d(1), (5, 4, 4), 80),
        (nn.BatchNorm2d(3), (3, 4, 4), 48),
        (nn.GroupNorm(1, 3), (3, 4, 4), 144),
        (nn.LayerNorm(6), (6,), 18),
        (nn.ReLU(), (3, 4, 4), 0),
        (nn.Dropout(), (8,), 0),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else None,
)
def test_other_layers_cost_what_is_documented(layer, shape, expected):
    assert summary(layer, shape).multiply_adds == expected


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.never = nn.Linear(10, 10)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        return x + F.relu(self.norm(self.conv(y)))


def test_a_module_used_twice_costs_twice_and_has_its_parameters_once():
    found = summary(Residual(), (4, 6, 6))
    convolutions = [r for r in found.rows if r.name == "conv"]
    assert [r.parameters for r in convolutions] == [4 * 4 * 9 + 4, 0]
    assert [r.reused for r in convolutions] == [False, True]
    assert found.multiply_adds == 2 * (4 * 36 * 36 + 4 * 36)
    assert "(reused)" in str(found)


def test_modules_that_do_not_run_are_named_in_the_totals():
    found = summary(Residual(), (4, 6, 6))
    assert found.unused_params == 110
    assert found.total_params == 148 + 8 + 110
    assert "110 of them not used" in str(found)
    assert not [r for r in found.rows if r.name == "never"]


def test_nested_modules_are_indented_below_the_one_that_runs_them():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Flatten())
    found = summary(model, (1, 5, 5))
    assert [(r.name, r.depth) for r in found.rows] == [
        ("", 0), ("0", 1), ("0.0", 2), ("0.1", 2), ("1", 1),
    ]  # fmt: skip
    assert [r.type for r in found.rows[:2]] == ["Sequential", "Sequential"]


def test_shared_weights_are_counted_once():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    found = summary(model, (4,))
    assert found.total_params == 16
    assert [r.parameters for r in found.rows] == [0, 16, 0]


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(5, 2)

    def forward(self, a, b):
        return self.left(a), self.right(b)


def test_several_inputs_and_outputs():
    found = summary(TwoInputs(), [(3,), (5,)])
    assert found.input_shapes == [(1, 3), (1, 5)]
    assert found.rows[0].output_shape == [(1, 2), (1, 2)]
    assert found.multiply_adds == 16
    assert "(1, 2), (1, 2)" in str(found)


def test_the_batch_is_added_to_the_shape_and_four_numbers_include_it():
    model = models.digits_cnn()
    assert summary(model, (1, 8, 8)).rows[0].output_shape == (1, 10)
    assert summary(model, (1, 8, 8), batch_size=5).rows[0].output_shape == (5, 10)
    assert summary(model, (7, 1, 8, 8)).rows[0].output_shape == (7, 10)
    one, five = summary(model, (1, 8, 8)), summary(model, (1, 8, 8), batch_size=5)
    assert five.multiply_adds == 5 * one.multiply_adds
    assert five.activation_memory == 5 * one.activation_memory


def test_tensors_stand_for_themselves():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    found = summary(model, minicnn.tensor([[1, 2, 3]]))
    assert found.rows[0].output_shape == (1, 2)


def test_inputs_have_the_dtype_of_the_parameters():
    found = summary(nn.Linear(3, 2).double(), (3,))
    assert found.input_memory == 24 and found.activation_memory == 16


def test_memory_shared_by_outputs_is_counted_once():
    model = nn.Sequential(nn.Linear(3, 8), nn.Identity(), nn.Flatten())
    assert summary(model, (3,)).activation_memory == 32


def test_the_model_is_afterwards_what_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten())
    model[1].eval()
    model.register_forward_hook(lambda *_: None)
    before = {name: x.numpy(force=True).copy() for name, x in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    random = minicnn.get_rng_state()
    summary(model, (1, 6, 6))
    assert [m.training for m in model.modules()] == modes
    assert minicnn.get_rng_state() == random
    assert all(
        np.array_equal(x.numpy(force=True), before[name]) for name, x in model.state_dict().items()
    )
    assert len(model._forward_hooks) == 1 and not model[0]._forward_hooks
    assert all(p.grad is None for p in model.parameters())


class Untidy(nn.Module):
    """Counts its calls in a buffer and draws a random number, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", minicnn.zeros(1))

    def forward(self, x):
        self.calls += 1
        return x + minicnn.rand(1)


def test_not_even_an_untidy_module_is_changed():
    model = Untidy()
    random = minicnn.get_rng_state()
    summary(model, (3,))
    assert model.calls.item() == 0
    assert minicnn.get_rng_state() == random


def test_a_failure_leaves_no_hooks_behind_and_the_mode_as_it_was():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(5, 2))
    with pytest.raises(RuntimeError):
        summary(model, (3,))
    assert not model[0]._forward_hooks and not model[0]._forward_pre_hooks
    assert model.training


def test_frozen_parameters_are_told_apart():
    model = models.lenet5()
    model.c1.requires_grad_(False)
    found = summary(model, (1, 28, 28))
    assert found.trainable_params == 61_706 - 156
    assert "156 of them frozen" in str(found)


def test_the_table_reads_well():
    text = str(summary(models.lenet5(), (1, 28, 28)))
    lines = text.splitlines()
    assert lines[0].split() == [
        "layer",
        "type",
        "output",
        "shape",
        "parameters",
        "multiply-adds",
        "memory",
    ]
    assert "  c1        Conv2d      (1, 6, 28, 28)          156        117,600  18.4 KiB" in lines
    assert "parameters     61,706 (241.0 KiB)" in lines
    assert max(map(len, lines)) <= 100
    assert repr(summary(models.lenet5(), (1, 28, 28))) == text


@pytest.mark.parametrize("shape", ["1x28", None, (), 2.5])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(ArgumentError, match="input_shape must be a shape such as"):
        summary(nn.Linear(3, 2), shape)


@pytest.mark.parametrize(("shape", "batch"), [((0, 3), 1), ((3, -1), 1), ((3,), 0)])
def test_sizes_must_be_positive(shape, batch):
    with pytest.raises(ArgumentError, match="all sizes must be positive integers"):
        summary(nn.Linear(3, 2), shape, batch_size=batch)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**20, "1.0 MiB"), (2**41, "2048.0 GiB")],
)
def test_sizes_in_words(count, text):
    assert size_text(count) == text
