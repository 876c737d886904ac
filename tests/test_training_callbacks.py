"""Callbacks: when they are called, what they do, and what they say about bad arguments."""

import math

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.errors import ArgumentError, UnknownNameError
from minicnn.optim import SGD
from minicnn.optim.lr_scheduler import StepLR
from minicnn.training import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateLogger,
    ModelCheckpoint,
    Trainer,
    read_checkpoint,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def trainer(*callbacks, lr=0.1):
    minicnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    return Trainer(model, SGD(model.parameters(), lr=lr), callbacks=callbacks, log_interval=1)


def fit(callback, epochs=2, lr=0.1, **options):
    t = trainer(callback, lr=lr)
    t.fit((X, Y), epochs, batch_size=20, verbose=False, **options)
    return t


class Recorder(Callback):
    def __init__(self):
        self.events = []

    def on_train_begin(self):
        self.events.append("train begin")

    def on_train_end(self):
        self.events.append("train end")

    def on_epoch_begin(self, epoch):
        self.events.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs):
        assert logs == self.trainer.history.row(-1)
        self.events.append(f"epoch {epoch} end")

    def on_train_batch_begin(self, batch):
        self.events.append(f"batch {batch} begin")

    def on_train_batch_end(self, batch, logs):
        assert set(logs) == {"loss", "accuracy", "lr", "size"} and logs["size"] == 20
        self.events.append(f"batch {batch} end")


EPOCH = ["batch 1 begin", "batch 1 end", "batch 2 begin", "batch 2 end"]


def test_events_come_in_order_and_count_from_one():
    spy = Recorder()
    fit(spy)
    assert spy.events == [
        "train begin",
        "epoch 1 begin", *EPOCH, "epoch 1 end",
        "epoch 2 begin", *EPOCH, "epoch 2 end",
        "train end",
    ]  # fmt: skip


def test_the_end_is_announced_after_a_failure_too():
    spy = Recorder()

    def fail(epoch, logs):
        raise KeyError("mine")

    t = trainer(spy, LambdaCallback(on_epoch_end=fail))
    with pytest.raises(KeyError, match="mine"):
        t.fit((X, Y), 3, batch_size=20, verbose=False)
    assert spy.events[-1] == "train end"


def test_training_can_be_stopped_in_the_middle_of_an_epoch():
    stop = LambdaCallback(on_train_batch_end=lambda b, _: setattr(t, "stop_training", b == 1))
    spy = Recorder()
    t = trainer(spy, stop)
    history = t.fit((X, Y), 5, batch_size=20, validation=(X, Y), verbose=False)
    # What was measured of the epoch is kept, but it does not count as complete.
    assert spy.events[-2:] == ["batch 1 end", "train end"]
    assert t.epoch == 0 and history["epoch"] == [1] and history["loss"][0] > 0
    assert "val_loss" not in history


def test_stopping_at_the_last_batch_completes_the_epoch():
    stop = LambdaCallback(on_train_batch_end=lambda b, _: setattr(t, "stop_training", b == 2))
    t = trainer(stop)
    t.fit((X, Y), 5, batch_size=20, verbose=False)
    assert t.epoch == 1


def test_functions_become_a_callback_and_wrong_names_are_refused():
    seen = []
    fit(LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)))
    assert seen == [1, 2]
    with pytest.raises(UnknownNameError, match=r"no event 'on_epoch_ends'.*'on_epoch_end'\?"):
        LambdaCallback(on_epoch_ends=print)


def test_a_function_by_itself_is_no_callback():
    with pytest.raises(TypeError, match="a callback must be a Callback, got builtin_function"):
        trainer(print)


# ---------------------------------------------------------------------- early stopping


def scripted(values, name="val_loss"):
    """A callback that makes the validation loss follow a script, for the next one to see."""
    values = iter(values)
    return LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update({name: next(values)}))


def test_early_stopping_ends_after_the_patience_and_restores_the_best_weights():
    kept = {}
    script = scripted([3.0, 2.0, 2.5, 2.0, 9.0, 1.0])
    stop = EarlyStopping(patience=3)

    def keep(epoch, logs):
        kept[epoch] = {k: v.numpy(force=True).copy() for k, v in t.model.state_dict().items()}

    t = trainer(script, stop, LambdaCallback(on_epoch_end=keep))
    t.fit((X, Y), 10, verbose=False)
    assert t.epoch == 5 and stop.best_epoch == 2 and stop.best == 2.0
    assert all(
        np.array_equal(v.numpy(force=True), kept[2][k]) for k, v in t.model.state_dict().items()
    )


def test_the_best_weights_are_restored_also_when_the_epochs_run_out():
    stop = EarlyStopping(patience=10)
    t = trainer(scripted([1.0, 2.0, 3.0]), stop)
    t.fit((X, Y), 1, verbose=False)
    first = {k: v.numpy(force=True).copy() for k, v in t.model.state_dict().items()}
    t2 = trainer(scripted([1.0, 2.0, 3.0]), EarlyStopping(patience=10))
    t2.fit((X, Y), 3, verbose=False)
    assert all(
        np.array_equal(v.numpy(force=True), first[k]) for k, v in t2.model.state_dict().items()
    )


@pytest.mark.parametrize(
    ("monitor", "mode", "min_delta", "values", "epochs"),
    [
        ("accuracy2", "auto", 0.0, [0.5, 0.6, 0.6, 0.5, 0.7], 4),
        ("val_loss", "max", 0.0, [1.0, 2.0, 1.5, 1.5, 3.0], 4),
        ("val_loss", "auto", 0.1, [1.0, 0.95, 0.91, 0.5, 0.5], 3),
        ("val_loss", "auto", 0.0, [math.nan, math.nan, 1.0], 2),
    ],
    ids=["accuracy-grows", "mode-max", "min-delta", "nan"],
)
def test_what_counts_as_an_improvement(monitor, mode, min_delta, values, epochs):
    stop = EarlyStopping(monitor, min_delta, patience=2, mode=mode, restore_best_weights=False)
    t = trainer(scripted(values, monitor), stop)
    t.fit((X, Y), len(values), verbose=False)
    assert t.epoch == epochs


def test_early_stopping_begins_anew_in_a_new_fit():
    stop = EarlyStopping("loss", patience=1, min_delta=100.0)
    t = trainer(stop)
    t.fit((X, Y), 5, verbose=False)
    t.fit((X, Y), 5, verbose=False)
    assert t.epoch == 4  # two epochs each: the first is always the best so far


def test_a_quantity_that_is_not_measured_cannot_be_watched():
    with pytest.raises(
        UnknownNameError, match=r"'val_loss' is not measured.*Pass validation= to fit"
    ):
        fit(EarlyStopping())
    with pytest.raises(UnknownNameError, match=r"'acuracy' is not measured.*'accuracy'\?"):
        fit(EarlyStopping("acuracy"))


def test_impossible_arguments_are_refused():
    with pytest.raises(ArgumentError, match="patience must be at least 1, got 0"):
        EarlyStopping(patience=0)
    with pytest.raises(ArgumentError, match="min_delta must not be negative, got -1"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ArgumentError, match="mode must be 'auto', 'min' or 'max', got 'best'"):
        EarlyStopping(mode="best")
    with pytest.raises(ArgumentError, match="every must be at least 1 epoch, got 0"):
        ModelCheckpoint("x", every=0)


# ---------------------------------------------------------------------- files


def test_checkpoints_are_written_every_so_many_epochs(tmp_path):
    fit(ModelCheckpoint(tmp_path / "deep" / "net-{epoch:02d}-{loss:.1f}.safetensors", every=2), 5)
    names = sorted(p.name for p in (tmp_path / "deep").iterdir())
    assert [n[:6] for n in names] == ["net-02", "net-04"]


def test_only_the_best_epochs_are_saved(tmp_path):
    path = tmp_path / "best.safetensors"
    saver = ModelCheckpoint(path, save_best_only=True)
    t = trainer(scripted([3.0, 1.0, 2.0]), saver)
    t.fit((X, Y), 3, verbose=False)
    assert read_checkpoint(path)["epoch"] == 2 and saver.best == 1.0


def test_weights_alone_load_into_a_model(tmp_path):
    path = tmp_path / "weights.safetensors"
    t = fit(ModelCheckpoint(path, save_weights_only=True))
    other = trainer().model
    other.load_state_dict(minicnn.serialization.load(path))
    assert all(
        np.array_equal(a.numpy(force=True), b.numpy(force=True))
        for a, b in zip(other.parameters(), t.model.parameters(), strict=True)
    )


def test_a_file_name_can_only_ask_for_what_is_measured(tmp_path):
    with pytest.raises(UnknownNameError, match="asks for 'val_loss'; there are epoch, loss"):
        fit(ModelCheckpoint(tmp_path / "{val_loss}"))


def test_the_csv_is_complete_after_every_epoch(tmp_path):
    path = tmp_path / "log.csv"
    lengths = []
    count = LambdaCallback(on_epoch_end=lambda *_: lengths.append(History.from_csv(path).epochs))
    t = trainer(CSVLogger(path), count)
    t.fit((X, Y), 3, verbose=False)
    assert lengths == [1, 2, 3]
    assert History.from_csv(path) == t.history


def test_learning_rates_are_logged_step_by_step():
    log = LearningRateLogger()
    minicnn.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = SGD(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    t = Trainer(model, optimizer, scheduler=scheduler, schedule_every="batch", callbacks=[log])
    t.fit((X, Y), 2, batch_size=20, verbose=False)
    assert log.lrs == [1.0, 0.5, 0.25, 0.125]
