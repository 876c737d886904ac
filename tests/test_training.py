"""`Trainer`: that it trains as the loop in its docstring does, and what it says about bad input."""

import io
import math
import sys

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.data import DataLoader, Dataset, IterableDataset, TensorDataset
from minicnn.errors import AnomalyError, ArgumentError, ShapeError
from minicnn.optim import SGD, Adam
from minicnn.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from minicnn.training import LambdaCallback, Trainer
from minicnn.training.batches import samples_in
from minicnn.training.metrics import accuracy, top_k_accuracy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)
Y = (X @ RNG.normal(size=(6, 3))).argmax(1)
PAIR = (minicnn.from_numpy(X), minicnn.from_numpy(Y))


def make(seed=0, dropout=0.0, lr=0.1):
    minicnn.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))
    return model, SGD(model.parameters(), lr=lr, momentum=0.9)


def weights(model):
    return {name: x.numpy(force=True).copy() for name, x in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# ---------------------------------------------------------------------- fit


def test_fit_is_the_loop_that_everyone_writes_by_hand():
    model, optimizer = make(dropout=0.2)
    loader = DataLoader(TensorDataset(*PAIR), 16, shuffle=True)
    minicnn.manual_seed(5)
    losses = []
    for _ in range(3):
        model.train()
        total = 0.0
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        losses.append(total / len(X))
    by_hand = weights(model)

    model, optimizer = make(dropout=0.2)
    minicnn.manual_seed(5)
    history = Trainer(model, optimizer).fit(loader, 3, verbose=False)
    assert same(weights(model), by_hand)
    assert history["loss"] == losses
    assert history["epoch"] == [1, 2, 3]


def test_training_learns():
    model, optimizer = make()
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss())
    history = trainer.fit(PAIR, epochs=15, batch_size=16, validation=PAIR, verbose=False)
    assert history["accuracy"][-1] > 0.95 > history["accuracy"][0]
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert list(history) == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds",
        "samples_per_second",
    ]  # fmt: skip


class Rows(Dataset):
    def __getitem__(self, i):
        return X[i], int(Y[i])

    def __len__(self):
        return len(X)


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y.tolist(), strict=True)


@pytest.mark.parametrize(
    "data",
    [
        PAIR,
        (X, Y),
        TensorDataset(*PAIR),
        Rows(),
        DataLoader(Rows(), 30),
        DataLoader(Stream(), 30),
        [(X[i : i + 30], Y[i : i + 30]) for i in (0, 30, 60)],
    ],
    ids=["tensors", "arrays", "TensorDataset", "Dataset", "DataLoader", "iterable", "list"],
)
def test_data_may_have_many_forms(data):
    results = []
    for form in (data, PAIR):
        model, optimizer = make()
        trainer = Trainer(model, optimizer)
        trainer.fit(form, 2, batch_size=30, shuffle=False, verbose=False)
        results.append(
            (weights(model), trainer.evaluate(form), trainer.predict(form).numpy(force=True))
        )
    assert same(results[0][0], results[1][0])
    assert results[0][1] == pytest.approx(results[1][1])
    assert np.allclose(results[0][2], results[1][2])


def test_a_second_fit_goes_on_counting():
    model, optimizer = make()
    trainer = Trainer(model, optimizer)
    trainer.fit(PAIR, 2, verbose=False)
    history = trainer.fit(PAIR, 1, verbose=False)
    assert history["epoch"] == [1, 2, 3] and trainer.epoch == 3


def test_a_seed_makes_a_training_independent_of_what_was_drawn_before():
    results = []
    for noise in (0, 100):
        model, optimizer = make(dropout=0.5)
        minicnn.rand(noise + 1)
        Trainer(model, optimizer, seed=7).fit(PAIR, 2, verbose=False)
        results.append(weights(model))
    assert same(*results)


def test_fit_trains_in_training_mode_whatever_the_mode_was():
    results = []
    for mode in (True, False):
        model, optimizer = make(dropout=0.5)
        Trainer(model.train(mode), optimizer).fit(PAIR, 1, verbose=False)
        results.append(weights(model))
    assert same(*results)


def test_several_inputs_go_to_the_model_in_order():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, a, b):
            return self.fc(a - b)

    model = Both()
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1))
    trainer.fit((X, 0 * X, Y), 1, verbose=False)
    assert trainer.predict((X, X, Y)).shape == (90, 3)
    assert np.allclose(
        trainer.predict((X, X, Y)).numpy(force=True), model.fc.bias.numpy(force=True)
    )


def test_any_loss_and_metrics_can_be_used():
    model = nn.Linear(6, 1)
    target = X.sum(1, keepdims=True)
    trainer = Trainer(
        model,
        Adam(model.parameters(), lr=0.05),
        F.mse_loss,
        metrics={"mae": lambda output, target: (output - target).abs().mean()},
    )
    history = trainer.fit((X, target), 30, verbose=False)
    assert history["mae"][-1] < 0.3 * history["mae"][0]
    assert set(trainer.evaluate((X, target))) == {"loss", "mae"}


def test_accuracy_is_measured_for_classification_only():
    model, optimizer = make()
    assert Trainer(model, optimizer).metrics == {"accuracy": accuracy}
    assert Trainer(model, optimizer, nn.MSELoss()).metrics == {}
    assert Trainer(model, optimizer, metrics={}).metrics == {}
    named = {"top2": lambda o, t: top_k_accuracy(o, t, 2)}
    assert Trainer(model, optimizer, metrics=named).evaluate(PAIR)["top2"] > 0.3


def test_a_loss_that_sums_is_reported_per_sample():
    model, optimizer = make(lr=0.0)
    mean = Trainer(model, optimizer, nn.CrossEntropyLoss()).evaluate(PAIR)["loss"]
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(reduction="sum"))
    assert trainer.evaluate(PAIR)["loss"] == pytest.approx(mean)
    assert trainer.fit(PAIR, 1, verbose=False)["loss"][0] == pytest.approx(mean)


def test_gradients_are_clipped_to_a_common_norm():
    model, optimizer = make()
    norms = []

    def note(batch, logs):
        norms.append(math.sqrt(sum(float((p.grad.array**2).sum()) for p in model.parameters())))

    spy = LambdaCallback(on_train_batch_end=note)
    Trainer(model, optimizer, clip_grad_norm=0.01, callbacks=[spy]).fit(PAIR, 1, verbose=False)
    assert max(norms) <= 0.01 * (1 + 1e-5)


# ---------------------------------------------------------------------- schedulers


def test_one_cycle_steps_after_every_batch():
    model, optimizer = make()
    scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=9)
    history = Trainer(model, optimizer, scheduler=scheduler).fit(
        PAIR, 3, batch_size=30, verbose=False
    )
    assert scheduler.last_epoch == 9
    assert history["lr"][-1] == pytest.approx(
        0.1 / 25 / 1e4
    )  # that of the last step, not of the next


def test_other_schedulers_step_after_every_epoch():
    model, optimizer = make(lr=1.0)
    scheduler = StepLR(optimizer, 2, gamma=0.5)
    history = Trainer(model, optimizer, scheduler=scheduler).fit(PAIR, 4, verbose=False)
    assert history["lr"] == [1.0, 1.0, 0.5, 0.5]


def test_a_scheduler_can_be_stepped_after_every_batch():
    model, optimizer = make(lr=1.0)
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    trainer = Trainer(model, optimizer, scheduler=scheduler, schedule_every="batch")
    trainer.fit(PAIR, 1, batch_size=30, verbose=False)
    assert optimizer.param_groups[0]["lr"] == 0.125


@pytest.mark.parametrize("validation", [PAIR, None])
def test_plateau_gets_the_validation_loss_or_else_the_loss(validation):
    model, optimizer = make()
    scheduler = ReduceLROnPlateau(optimizer)
    trainer = Trainer(model, optimizer, scheduler=scheduler)
    history = trainer.fit(PAIR, 2, validation=validation, verbose=False)
    assert scheduler.best == min(history["val_loss" if validation else "loss"])


# ---------------------------------------------------------------------- evaluate, predict


def test_evaluate_is_the_mean_over_samples_in_evaluation_mode():
    model, optimizer = make(dropout=0.5)
    trainer = Trainer(model, optimizer)
    found = trainer.evaluate(PAIR, batch_size=40)  # 40, 40 and 10
    model.eval()
    output = model(PAIR[0])
    assert found["loss"] == pytest.approx(F.cross_entropy(output, PAIR[1]).item(), rel=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy(output, PAIR[1]).item())


def test_predict_gives_the_outputs_in_order_for_any_form_of_data():
    model, optimizer = make(dropout=0.5)
    trainer = Trainer(model, optimizer)
    expected = model.eval()(PAIR[0]).numpy(force=True)
    model.train()
    for data in (PAIR[0], X, PAIR, Rows(), DataLoader(Rows(), 7), TensorDataset(PAIR[0])):
        y = trainer.predict(data, batch_size=40)
        assert np.allclose(y.numpy(force=True), expected, atol=1e-6) and not y.requires_grad


def test_every_modules_mode_is_restored():
    model, optimizer = make()
    trainer = Trainer(model, optimizer)
    for modes in ([True] * 5, [False] * 5, [True, False, True, False, True]):
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        trainer.evaluate(PAIR)
        trainer.predict(X)
        with pytest.raises(ShapeError):
            trainer.predict(X[:, :2])
        assert [m.training for m in model.modules()] == modes


def test_evaluation_learns_nothing():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1))
    before = weights(model)
    trainer.evaluate(PAIR)
    trainer.predict(X)
    assert same(weights(model), before) and all(p.grad is None for p in model.parameters())


# ---------------------------------------------------------------------- progress


def test_each_epoch_leaves_one_line_and_no_bar_where_there_is_no_terminal(capsys):
    model, optimizer = make()
    Trainer(model, optimizer).fit(PAIR, 2, validation=PAIR)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 2
    assert lines[0].startswith("epoch 1/2  loss ")
    for word in ("accuracy", "val_loss", "val_accuracy", "lr 0.1", " s  ", "samples/s"):
        assert word in lines[1]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_there_is_a_bar_with_loss_accuracy_and_speed(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    model, optimizer = make()
    Trainer(model, optimizer).fit(PAIR, 1, batch_size=45)
    shown = terminal.getvalue()
    assert "epoch 1/1" in shown and "/90" in shown and "samples/s" in shown
    assert shown.endswith("\r")  # the bar has been wiped away
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("loader", "count"),
    [
        (DataLoader(Rows(), 40), 90),
        (DataLoader(Rows(), 40, shuffle=True, drop_last=True), 80),
        (DataLoader(Rows(), sampler=range(7)), 7),
        (DataLoader(Rows(), batch_sampler=[[1, 2], [3]]), None),
        (DataLoader(Rows(), None), None),
        (DataLoader(Stream(), 40), None),
        ([PAIR], None),
    ],
    ids=["all", "drop-last", "sampler", "batch-sampler", "single", "stream", "list"],
)
def test_the_bar_knows_how_many_samples_will_come(loader, count):
    assert samples_in(loader) == count


def test_silence_can_be_asked_for(capsys):
    model, optimizer = make()
    Trainer(model, optimizer).fit(PAIR, 1, validation=PAIR, verbose=False)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.host
def test_a_loss_that_is_no_number_stops_the_training_before_it_spoils_the_weights():
    model, optimizer = make()
    bad = X.copy()
    bad[70] = np.nan
    before_bad = {}

    def note(batch, logs):
        before_bad.update(weights(model))

    spy = LambdaCallback(on_train_batch_end=note)
    trainer = Trainer(model, optimizer, callbacks=[spy])
    message = (
        r"loss became nan in epoch 1, batch 3, at learning rate 0\.1\. Try a smaller learning rate"
    )
    with pytest.raises(AnomalyError, match=message):
        trainer.fit((bad, Y), 1, batch_size=30, shuffle=False, verbose=False)
    assert same(weights(model), before_bad)
    assert all(np.isfinite(w).all() for w in before_bad.values())


def test_a_seldom_read_loss_is_still_named_by_its_batch():
    model, optimizer = make()
    bad = X.copy()
    bad[10] = np.inf
    trainer = Trainer(model, optimizer, log_interval=100)
    with pytest.raises(AnomalyError, match="in epoch 1, batch 2"):
        trainer.fit((bad, Y), 1, batch_size=10, shuffle=False, verbose=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "there was no batch in epoch 1: the data is empty"),
        (DataLoader(Rows(), 91, drop_last=True), "smaller than one batch with drop_last=True"),
        ((X[:0], Y[:0]), "fit: the data set is empty"),
        ([PAIR[0]], None),
        ([(PAIR[0],)], r"a batch must be a tuple \(input, target\), got 1 parts"),
        ([{"x": 1}], r"a batch must be a tuple \(input, target\), got dict"),
    ],
    ids=["no-batches", "drop-last", "empty-set", "one-tensor", "no-target", "dict"],
)
def test_data_without_batches_or_targets_is_refused(data, message):
    model, optimizer = make()
    with pytest.raises(ArgumentError, match=message or "a batch must be a tuple"):
        Trainer(model, optimizer).fit(data, 1, verbose=False)


def test_an_iterator_that_is_used_up_is_noticed():
    model, optimizer = make()
    trainer = Trainer(model, optimizer)
    with pytest.raises(ArgumentError, match=r"no batch in epoch 2: .*read only once"):
        trainer.fit(iter([PAIR]), 2, verbose=False)


def test_what_is_no_data_at_all_is_refused():
    model, optimizer = make()
    with pytest.raises(TypeError, match=r"fit: expected a DataLoader, a data set, .* got int"):
        Trainer(model, optimizer).fit(3)


def test_there_must_be_something_to_evaluate_or_predict():
    model, optimizer = make()
    trainer = Trainer(model, optimizer)
    with pytest.raises(ArgumentError, match="evaluate: the data has no batches"):
        trainer.evaluate([])
    with pytest.raises(ArgumentError, match="predict: the data has no batches"):
        trainer.predict([])


def test_predict_wants_one_tensor_of_the_model():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, x):
            return self.fc(x), x

    model = Pair()
    with pytest.raises(TypeError, match="the model must return one tensor, got tuple"):
        Trainer(model, SGD(model.parameters(), lr=0.1)).predict(X)


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(reduction="none"), lambda output, target: 1.0]
)
def test_a_loss_must_be_one_number(loss):
    model, optimizer = make()
    with pytest.raises(ShapeError, match="loss: must be one number, a tensor of shape"):
        Trainer(model, optimizer, loss).fit(PAIR, 1, verbose=False)


def test_a_target_has_one_entry_per_sample():
    model, optimizer = make()
    with pytest.raises(ShapeError, match="one entry per sample, got shape"):
        Trainer(model, optimizer).fit([(X, np.float32(1))], 1, verbose=False)


def test_wrong_parts_are_refused_when_the_trainer_is_made():
    model, optimizer = make()
    _, other_optimizer = make()
    with pytest.raises(TypeError, match="model must be a Module, got function"):
        Trainer(lambda x: x, optimizer)
    with pytest.raises(TypeError, match="optimizer must be an Optimizer, got str"):
        Trainer(model, "adam")
    with pytest.raises(ArgumentError, match="the optimizer has none of the model's parameters"):
        Trainer(model, other_optimizer)
    with pytest.raises(ArgumentError, match="the scheduler was made for another optimizer"):
        Trainer(model, optimizer, scheduler=StepLR(other_optimizer, 1))
    with pytest.raises(ArgumentError, match="schedule_every must be 'batch' or 'epoch', got 'day'"):
        Trainer(model, optimizer, schedule_every="day")
    with pytest.raises(ArgumentError, match="clip_grad_norm must be above 0, got 0"):
        Trainer(model, optimizer, clip_grad_norm=0)
    with pytest.raises(ArgumentError, match="log_interval must be at least 1, got 0"):
        Trainer(model, optimizer, log_interval=0)
    with pytest.raises(ArgumentError, match="epochs must not be negative, got -1"):
        Trainer(model, optimizer).fit(PAIR, -1)
