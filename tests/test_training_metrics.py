"""Metrics against counting by hand; `History` and its CSV; `Meter`."""

import math

import numpy as np
import pytest

import minicnn
from minicnn.errors import ArgumentError, FileError, LabelError, ShapeError, UnknownNameError
from minicnn.training import History
from minicnn.training.meter import Meter
from minicnn.training.metrics import (
    accuracy,
    binary_accuracy,
    class_report,
    class_scores,
    confusion_matrix,
    top_k_accuracy,
)

RNG = np.random.default_rng(0)
OUTPUT = RNG.normal(size=(50, 6)).astype(np.float32)
TARGET = RNG.integers(0, 6, 50)


def t(x):
    return minicnn.from_numpy(np.asarray(x))


# ---------------------------------------------------------------------- accuracy


def test_accuracy_is_the_share_of_right_answers():
    expected = sum(int(np.argmax(row)) == y for row, y in zip(OUTPUT, TARGET, strict=True)) / 50
    found = accuracy(t(OUTPUT), t(TARGET))
    assert found.shape == () and found.item() == pytest.approx(expected)


def test_accuracy_takes_probabilities_as_targets_by_their_largest():
    assert accuracy(t(OUTPUT), t(np.eye(6, dtype=np.float32)[TARGET])).item() == pytest.approx(
        accuracy(t(OUTPUT), t(TARGET)).item()
    )


def test_accuracy_counts_every_pixel():
    output = RNG.normal(size=(2, 3, 4, 5))
    target = RNG.integers(0, 3, (2, 4, 5))
    assert accuracy(t(output), t(target)).item() == pytest.approx(
        (output.argmax(1) == target).mean()
    )


def test_accuracy_records_nothing():
    assert not accuracy(t(OUTPUT).requires_grad_(), t(TARGET)).requires_grad


def test_accuracy_refuses_shapes_that_do_not_fit():
    with pytest.raises(
        ShapeError, match=r"accuracy: output \(50, 6\) makes decisions of shape \(50,\)"
    ):
        accuracy(t(OUTPUT), t(TARGET[:-1]))


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_accuracy_looks_at_the_k_largest(k):
    expected = np.mean([y in np.argsort(-row)[:k] for row, y in zip(OUTPUT, TARGET, strict=True)])
    assert top_k_accuracy(t(OUTPUT), t(TARGET), k).item() == pytest.approx(expected)


def test_top_1_is_accuracy():
    assert top_k_accuracy(t(OUTPUT), t(TARGET), 1).item() == accuracy(t(OUTPUT), t(TARGET)).item()


@pytest.mark.parametrize("k", [0, 7])
def test_k_must_be_between_one_and_the_classes(k):
    with pytest.raises(ArgumentError, match=f"k must be between 1 and the 6 classes, got {k}"):
        top_k_accuracy(t(OUTPUT), t(TARGET), k)


def test_top_k_refuses_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"expected output \(N, K\) and target \(N,\)"):
        top_k_accuracy(t(OUTPUT), t(np.eye(6)[TARGET]))


def test_binary_accuracy_looks_at_the_sign_of_the_logit():
    assert binary_accuracy(t([1.0, -1.0, 2.0, -3.0]), t([1.0, 0.0, 0.0, 0.0])).item() == 0.75
    with pytest.raises(ShapeError, match="binary_accuracy: output and target must have one shape"):
        binary_accuracy(t([[1.0]]), t([1.0]))


# ---------------------------------------------------------------------- confusion


def test_confusion_matrix_counts_truth_by_row_and_answer_by_column():
    expected = np.zeros((6, 6), int)
    for row, y in zip(OUTPUT, TARGET, strict=True):
        expected[y, np.argmax(row)] += 1
    for predicted in (OUTPUT, t(OUTPUT), OUTPUT.argmax(1)):
        assert np.array_equal(confusion_matrix(predicted, TARGET, 6), expected)
    assert confusion_matrix(OUTPUT, t(TARGET)).dtype == np.int64


def test_confusion_matrix_has_as_many_classes_as_it_needs_or_is_told():
    assert confusion_matrix([0, 1], [1, 1]).tolist() == [[0, 0], [1, 1]]
    assert confusion_matrix([0, 1], [1, 1], 3).shape == (3, 3)
    assert confusion_matrix(OUTPUT[:2], [0, 1]).shape == (6, 6)
    assert confusion_matrix([], np.array([], int), 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("predicted", "target"), [([0, 3], [0, 1]), ([0, 1], [-1, 1])])
def test_confusion_matrix_refuses_numbers_that_are_no_classes(predicted, target):
    with pytest.raises(LabelError, match="class numbers must be between 0 and 2"):
        confusion_matrix(predicted, target, 3)


def test_confusion_matrix_refuses_unequal_lengths():
    with pytest.raises(ShapeError, match="expected as many predictions as targets"):
        confusion_matrix([0, 1], [0])


def test_class_scores_are_those_of_the_definition():
    scores = class_scores(np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]]))
    assert scores.precision.tolist()[:2] == [3 / 5, 2 / 3]
    assert scores.recall.tolist()[:2] == [3 / 4, 2 / 4]
    assert scores.f1.tolist()[:2] == pytest.approx([2 * 0.6 * 0.75 / 1.35, 4 / 7])
    assert scores.support.tolist() == [4, 4, 0]
    assert np.isnan(scores.precision[2]) and np.isnan(scores.recall[2])


def test_class_report_is_a_table():
    lines = class_report(np.array([[3, 1], [0, 4]]), ["cat", "elephant"]).splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "f1", "samples"]
    assert lines[2].split() == ["elephant", "0.800", "1.000", "0.889", "4"]
    assert class_report(np.eye(2, dtype=int)).splitlines()[1].split()[0] == "0"


# ---------------------------------------------------------------------- history


def test_a_quantity_that_was_not_measured_is_nan():
    history = History()
    history.append({"epoch": 1, "loss": 2.0})
    history.append({"epoch": 2, "loss": 1.0, "val_loss": 3.0})
    history.append({"epoch": 3, "loss": 0.5})
    assert history["loss"] == [2.0, 1.0, 0.5] and history.epochs == 3
    assert math.isnan(history["val_loss"][0]) and history["val_loss"][1] == 3.0
    assert math.isnan(history["val_loss"][2])
    assert history.history is history and history.row(0)["epoch"] == 1


def test_the_best_epoch_is_the_first_with_the_best_value():
    history = History(
        epoch=[1, 2, 3, 4], loss=[math.nan, 2.0, 1.0, 1.0], accuracy=[0.5, 0.9, 0.9, math.nan]
    )
    assert history.best("loss")["epoch"] == 3
    assert history.best("accuracy")["epoch"] == 2
    assert history.best("accuracy", "min")["epoch"] == 1
    with pytest.raises(UnknownNameError, match=r"'val_los' was not recorded.*'loss'\?"):
        history.best("val_los")
    with pytest.raises(ArgumentError, match="mode must be 'auto', 'min' or 'max', got 'most'"):
        history.best("loss", "most")


def test_csv_keeps_every_digit(tmp_path):
    history = History(epoch=[1, 2], loss=[1 / 3, 1e-300], val_loss=[math.nan, math.inf])
    history.to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text() == (
        "epoch,loss,val_loss\n1,0.3333333333333333,\n2,1e-300,inf\n"
    )
    found = History.from_csv(tmp_path / "h.csv")
    assert found["epoch"] == [1, 2] and found["loss"] == history["loss"]
    assert math.isnan(found["val_loss"][0]) and found["val_loss"][1] == math.inf
    assert list(tmp_path.iterdir()) == [tmp_path / "h.csv"]


def test_an_empty_history_is_a_file_too(tmp_path):
    History().to_csv(tmp_path / "h.csv")
    assert History.from_csv(tmp_path / "h.csv") == {}
    History(epoch=[], loss=[]).to_csv(tmp_path / "h.csv")
    assert History.from_csv(tmp_path / "h.csv") == {"epoch": [], "loss": []}


@pytest.mark.parametrize("text", ["epoch,loss\n1\n", "epoch,loss\n1,two\n", "epoch\n1,2\n"])
def test_a_file_that_is_no_history_is_named(tmp_path, text):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(FileError, match=r"broken\.csv' is not a table of numbers"):
        History.from_csv(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"history: there is no file '.*nothere\.csv'"):
        History.from_csv(tmp_path / "nothere.csv")


def test_a_history_draws_itself(tmp_path):
    figure = History(epoch=[1, 2], loss=[2.0, 1.0]).plot(tmp_path / "h.png")
    assert figure.axes[0].get_title() == "loss"
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------------- meter


def test_a_meter_weighs_batches_by_their_size():
    meter = Meter(["loss", "accuracy"])
    meter.add(3, [t(np.float32(2.0)), 0.5])
    meter.add(1, [t(np.float32(6.0)), 1.0])
    assert meter.read() == {"loss": 3.0, "accuracy": 0.625}
    meter.add(4, [t(np.float32(1.0)), t(np.float32(0.0))])
    assert meter.read() == {"loss": 2.0, "accuracy": 0.3125}
    assert meter.count == 8


def test_a_meter_without_values_is_nan():
    assert math.isnan(Meter(["loss"]).read()["loss"])


def test_a_meter_remembers_the_first_loss_that_is_no_number():
    meter = Meter(["loss", "accuracy"])
    for value in (1.0, math.inf, math.nan):
        meter.add(1, [t(np.float32(value)), math.nan])
    meter.read()
    assert meter.first_bad == (2, math.inf)


def test_a_meter_reads_nothing_until_it_is_asked(monkeypatch):
    reads = []
    monkeypatch.setattr(
        "minicnn.training.meter.to_device", lambda x, where: reads.append(x.shape) or x
    )
    meter = Meter(["loss"])
    for _ in range(10):
        meter.add(2, [t(np.float32(1.0))])
    assert reads == []
    meter.read()
    assert reads == [(10,)]  # ten values in one copy
