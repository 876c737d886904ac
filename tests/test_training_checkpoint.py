"""Resuming: an interrupted training that goes on ends, bit for bit, where it would have ended."""

import math

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim
from minicnn.data import DataLoader, TensorDataset, transforms
from minicnn.data.datasets import Digits
from minicnn.errors import ArgumentError, FileError
from minicnn.optim import lr_scheduler
from minicnn.training import (
    EarlyStopping,
    LambdaCallback,
    LearningRateLogger,
    ModelCheckpoint,
    Trainer,
)
from minicnn.training.callbacks import Callback

RNG = np.random.default_rng(0)
X = minicnn.from_numpy(RNG.normal(size=(50, 1, 6, 6)).astype(np.float32))
Y = minicnn.from_numpy(RNG.integers(0, 3, 50))

SETUPS = {
    "sgd-step": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), lambda o: lr_scheduler.StepLR(o, 2)),
    "adam-onecycle": (
        lambda p: optim.Adam(p, lr=0.01),
        lambda o: lr_scheduler.OneCycleLR(o, 0.01, total_steps=6 * 4),
    ),
    "adamw-plateau": (
        lambda p: optim.AdamW(p, lr=0.01),
        lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.1),
    ),
    "rmsprop-sequence": (
        lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [2]
        ),
    ),
    "adagrad-none": (lambda p: optim.Adagrad(p, lr=0.05), lambda o: None),
}


def make(setup, callbacks=(), seed=1):
    """A trainer of a network with dropout and batch norm: random numbers and running statistics."""
    minicnn.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64, 3),
    )
    optimizer = SETUPS[setup][0](model.parameters())
    scheduler = SETUPS[setup][1](optimizer)
    return Trainer(model, optimizer, scheduler=scheduler, callbacks=callbacks, clip_grad_norm=5.0)


def state(trainer):
    """Everything that decides how a training goes on, flat."""
    found = {}

    def walk(name, x):
        if isinstance(x, dict):
            for key, value in x.items():
                walk(f"{name}.{key}", value)
        elif isinstance(x, (list, tuple)):
            for i, value in enumerate(x):
                walk(f"{name}.{i}", value)
        else:
            found[name] = x.numpy(force=True).tobytes() if isinstance(x, minicnn.Tensor) else x

    walk("model", trainer.model.state_dict())
    walk("optimizer", trainer.optimizer.state_dict())
    walk("scheduler", trainer.scheduler.state_dict() if trainer.scheduler else None)
    times = ("seconds", "samples_per_second")
    walk("history", {k: v for k, v in trainer.history.items() if k not in times})
    walk("random", minicnn.get_rng_state())
    return found


def stop_in(epoch, batch):
    """A callback that ends the training in the middle of an epoch, as Ctrl-C does."""

    class Stop(Callback):
        def on_epoch_begin(self, number):
            self.number = number

        def on_train_batch_end(self, number, logs):
            if (self.number, number) == (epoch, batch):
                self.trainer.stop_training = True

    return Stop()


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("where", [(3, 1), (4, 4), (2, 3)], ids=["begin", "end", "middle"])
def test_interrupted_and_resumed_equals_uninterrupted(setup, where, tmp_path):
    data = {"validation": (X[:20], Y[:20]), "batch_size": 14, "verbose": False}
    whole = make(setup)
    whole.fit((X, Y), 6, **data)
    expected = state(whole)

    path = tmp_path / "training.safetensors"
    first = make(setup, [ModelCheckpoint(path), stop_in(*where)])
    first.fit((X, Y), 6, **data)
    assert first.epoch < 6
    second = make(
        setup, [ModelCheckpoint(path)], seed=99
    )  # as in another process, with other weights
    minicnn.rand(1000)
    second.fit((X, Y), 6, resume=path, **data)
    assert state(second) == expected


def test_augmentation_workers_and_a_generator_of_its_own_resume_too(tmp_path):
    augment = transforms.Compose([transforms.RandomCrop(8, padding=1), transforms.ToTensor()])
    digits = minicnn.data.Subset(Digits(transform=augment), range(60))

    def run(workers, callbacks, **options):
        minicnn.manual_seed(3)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 10))
        trainer = Trainer(model, optim.Adam(model.parameters(), lr=0.01), callbacks=callbacks)
        order = minicnn.Generator().manual_seed(8)
        loader = DataLoader(digits, 16, shuffle=True, generator=order, num_workers=workers)
        trainer.fit(loader, 4, verbose=False, **options)
        return state(trainer)

    expected = run(0, [])
    path = tmp_path / "c.safetensors"
    run(1, [ModelCheckpoint(path), stop_in(3, 2)])
    assert run(1, [], resume=path) == expected


def test_callbacks_go_on_where_they_were(tmp_path):
    losses = [5.0, 3.0, 4.0, 4.0, 4.0, 4.0]
    path = tmp_path / "c.safetensors"

    def script():
        return LambdaCallback(on_epoch_end=lambda e, logs: logs.update(val_loss=losses[e - 1]))

    def callbacks():
        # The checkpoint comes first in the list, and must still hold what the others know.
        return [ModelCheckpoint(path), script(), EarlyStopping(patience=3), LearningRateLogger()]

    whole = make("sgd-step", callbacks())
    whole.fit((X, Y), 6, verbose=False)
    assert whole.epoch == 5
    first = make("sgd-step", [*callbacks(), stop_in(4, 1)])
    first.fit((X, Y), 6, verbose=False)
    second = make("sgd-step", callbacks(), seed=5)
    second.fit((X, Y), 6, resume=path, verbose=False)
    assert second.epoch == 5
    assert state(second) == state(whole)
    assert second.callbacks[3].lrs == whole.callbacks[3].lrs
    assert second.callbacks[2].best_epoch == 2


def test_a_training_that_had_stopped_early_stays_stopped(tmp_path):
    path = tmp_path / "c.safetensors"
    stop = EarlyStopping("loss", patience=1, min_delta=100.0)
    first = make("sgd-step", [ModelCheckpoint(path), stop])
    first.fit((X, Y), 6, verbose=False)
    second = make("sgd-step", [EarlyStopping("loss", patience=1, min_delta=100.0)])
    second.fit((X, Y), 6, resume=path, verbose=False)
    assert second.epoch == first.epoch == 2


def test_a_complete_training_is_resumed_without_training(tmp_path):
    path = tmp_path / "c.safetensors"
    first = make("adam-onecycle", [ModelCheckpoint(path)])
    first.fit((X, Y), 2, verbose=False)
    second = make("adam-onecycle", seed=4)
    history = second.fit((X, Y), 2, resume=path, verbose=False)
    assert history.epochs == 2 and state(second) == state(first)


def test_state_that_nobody_wants_is_warned_of(tmp_path):
    path = tmp_path / "c.safetensors"
    make("sgd-step", [ModelCheckpoint(path), LearningRateLogger()]).fit((X, Y), 1, verbose=False)
    with pytest.warns(
        UserWarning, match="state of callbacks that are not here: LearningRateLogger"
    ):
        make("sgd-step", [ModelCheckpoint(path)]).fit((X, Y), 1, resume=path, verbose=False)


def test_what_is_kept_beside_a_checkpoint_comes_back(tmp_path):
    from minicnn.training import read_checkpoint

    path = tmp_path / "c.safetensors"
    extra = {"data": "digits", "lr": 0.1, "sizes": (1, 2), "nothing": math.inf}
    make("sgd-step").save_checkpoint(path, extra=extra)
    assert read_checkpoint(path)["extra"] == extra


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("adagrad-none", "saved with optimizer SGD, but this trainer has Adagrad"),
        ("sgd-none", "saved with scheduler StepLR, but this trainer has None"),
    ],
)
def test_a_checkpoint_of_another_kind_of_training_is_refused(tmp_path, monkeypatch, other, message):
    monkeypatch.setitem(SETUPS, "sgd-none", (SETUPS["sgd-step"][0], lambda o: None))
    path = tmp_path / "c.safetensors"
    make("sgd-step").save_checkpoint(path)
    with pytest.raises(ArgumentError, match=message):
        make(other).load_checkpoint(path)


def test_a_checkpoint_with_another_number_of_generators_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    make("sgd-step").save_checkpoint(path)
    loader = DataLoader(TensorDataset(X, Y), 10, shuffle=True, generator=minicnn.Generator())
    with pytest.raises(ArgumentError, match="another number of random generators"):
        make("sgd-step").fit(loader, 1, resume=path, verbose=False)


def test_weights_alone_are_no_checkpoint(tmp_path):
    path = tmp_path / "w.safetensors"
    minicnn.serialization.save(make("sgd-step").model.state_dict(), path)
    with pytest.raises(FileError, match=r"w\.safetensors' is no checkpoint of a training"):
        make("sgd-step").fit((X, Y), 1, resume=path, verbose=False)


def test_a_truncated_checkpoint_is_named_and_changes_nothing(tmp_path):
    path = tmp_path / "c.safetensors"
    trainer = make("sgd-step")
    trainer.save_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-7])
    before = state(trainer)
    with pytest.raises(FileError, match=r"c\.safetensors"):
        trainer.load_checkpoint(path)
    assert state(trainer) == before
