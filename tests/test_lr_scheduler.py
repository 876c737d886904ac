"""Schedules: closed forms, PyTorch's rates to the last bit, and what surrounds them."""

from __future__ import annotations

import copy
import math
import pickle
import warnings

import pytest

import minicnn
from minicnn import optim
from minicnn.errors import ArgumentError, ShapeError, UnknownNameError, UnsupportedError
from minicnn.optim import lr_scheduler as lrs

STEPS = 45
LRS = (0.1, 0.003)

SIMPLE = [
    ("StepLR", {"step_size": 1}),
    ("StepLR", {"step_size": 7, "gamma": 0.37}),
    ("StepLR", {"step_size": 100}),
    ("MultiStepLR", {"milestones": [3, 10, 30]}),
    ("MultiStepLR", {"milestones": [30, 5, 5, 0], "gamma": 0.7}),
    ("MultiStepLR", {"milestones": []}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("ExponentialLR", {"gamma": 1.01}),
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 40, "eta_min": 1e-3}),
    ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 100, "eta_min": 0.2}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.01, "total_iters": 20}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 30}),
    ("LinearLR", {"start_factor": 0.3, "end_factor": 0.9, "total_iters": 1}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 11}),
    ("ConstantLR", {"factor": 1.0, "total_iters": 0}),
    ("LambdaLR", {"lr_lambda": lambda t: 0.95**t}),
    ("LambdaLR", {"lr_lambda": [lambda t: 1 / (1 + t), lambda t: math.sin(t)]}),
    ("LambdaLR", {"lr_lambda": lambda t: t // 10}),
]
ONE_CYCLE = [
    {"max_lr": 0.5, "total_steps": STEPS},
    {"max_lr": [0.5, 0.2], "total_steps": 60},
    {"max_lr": 0.5, "epochs": 5, "steps_per_epoch": 10},
    {"max_lr": 0.5, "total_steps": STEPS, "anneal_strategy": "linear"},
    {"max_lr": 0.5, "total_steps": STEPS, "three_phase": True},
    {"max_lr": 0.5, "total_steps": STEPS, "three_phase": True, "anneal_strategy": "linear"},
    {"max_lr": 0.5, "total_steps": STEPS, "three_phase": True, "pct_start": 0.4, "div_factor": 3.0},
    {"max_lr": 0.5, "total_steps": STEPS, "pct_start": 0.0},
    {"max_lr": 0.5, "total_steps": 60, "pct_start": 1.0, "cycle_momentum": False},
    {"max_lr": 0.5, "total_steps": STEPS, "base_momentum": [0.7, 0.6], "max_momentum": [0.8, 0.9]},
    {"max_lr": 0.5, "total_steps": STEPS, "div_factor": 10.0, "final_div_factor": 7.0},
]
CASES = SIMPLE + [("OneCycleLR", options) for options in ONE_CYCLE]
PLATEAU = [
    {},
    {"patience": 2},
    {"patience": 0, "factor": 0.5, "cooldown": 3},
    {"mode": "min", "patience": 1, "threshold": 0.0},
    {"mode": "max", "patience": 1, "threshold": 0.0, "threshold_mode": "abs"},
    {"mode": "max", "patience": 1},
    {"mode": "max", "patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
    {"mode": "min", "patience": 1, "threshold": 0.3, "threshold_mode": "abs", "cooldown": 1},
    {"mode": "min", "patience": 1, "threshold": 0.2, "threshold_mode": "rel"},
    {"mode": "max", "patience": 1, "threshold": 0.2, "threshold_mode": "rel"},
    {"patience": 0, "min_lr": 0.01},
    {"patience": 0, "min_lr": [0.02, 0.001]},
    {"patience": 0, "eps": 0.01},
]
METRICS = [
    1.0, 0.9, 0.95, 0.94, 0.93, 0.2, 0.5, 0.19999, 0.19, 0.3, -0.1, -0.2, -0.2, 0.0, math.nan, 5.0,
    5.0, 4.0, 3.0, 2.0, -1.0, -1.0, -1.0, -1.0, -1.0, -math.inf, 0.0, 0.0, 0.0, math.inf, 1.0, 1.0,
]  # fmt: skip


def case_id(case):
    name, options = case
    shown = (f"{k}={v}" for k, v in options.items() if k != "lr_lambda")
    return "-".join([name, *shown])


def optimizer_of(module, kind="SGD"):
    """An optimizer of two groups with different rates; `module` is minicnn or torch."""
    groups = [{"params": [module.zeros(1, requires_grad=True)], "lr": lr} for lr in LRS]
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(module.optim, kind)(groups, **options)


def build(module, optimizer, name, options):
    return getattr(module.optim.lr_scheduler, name)(optimizer, **options)


def snapshot(optimizer, scheduler):
    keys = ("lr", "momentum", "betas", "initial_lr")
    groups = [{k: g[k] for k in keys if k in g} for g in optimizer.param_groups]
    return groups, list(scheduler.get_last_lr()), scheduler.last_epoch


def sequence(optimizer, scheduler, steps=STEPS):
    """What the groups hold before every step and after the last."""
    seen = [snapshot(optimizer, scheduler)]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(snapshot(optimizer, scheduler))
    return seen


# ------------------------------------------------------------------ the closed forms


def closed_form(name, options, lr, t):
    if name == "StepLR":
        return lr * options.get("gamma", 0.1) ** (t // options["step_size"])
    if name == "MultiStepLR":
        return lr * options.get("gamma", 0.1) ** sum(m <= t for m in options["milestones"])
    if name == "ExponentialLR":
        return lr * options["gamma"] ** t
    if name == "CosineAnnealingLR":
        low = options.get("eta_min", 0.0)
        return low + (lr - low) * (1 + math.cos(math.pi * t / options["T_max"])) / 2
    total = options.get("total_iters", 5)
    if name == "LinearLR":
        a, b = options.get("start_factor", 1 / 3), options.get("end_factor", 1.0)
        return lr * (a + (b - a) * min(t, total) / total)
    return lr * (options.get("factor", 1 / 3) if t < total else 1.0)


@pytest.mark.parametrize("case", [c for c in SIMPLE if c[0] != "LambdaLR"], ids=case_id)
def test_the_recursive_form_follows_the_closed_form(case):
    name, options = case
    optimizer = optimizer_of(minicnn)
    seen = sequence(optimizer, build(minicnn, optimizer, name, options))
    for t, (groups, _, _) in enumerate(seen):
        for group, lr in zip(groups, LRS, strict=True):
            assert group["lr"] == pytest.approx(
                closed_form(name, options, lr, t), rel=1e-9, abs=1e-15
            )


def test_lambda_lr_multiplies_the_initial_rate():
    optimizer = optimizer_of(minicnn)
    scheduler = lrs.LambdaLR(optimizer, [lambda t: 1 / (1 + t), lambda t: 2.0])
    for t, (groups, last, epoch) in enumerate(sequence(optimizer, scheduler, 5)):
        assert [g["lr"] for g in groups] == last == [0.1 * (1 / (1 + t)), 0.006]
        assert epoch == t


@pytest.mark.parametrize("kind, key", [("SGD", "momentum"), ("AdamW", "betas")])
def test_one_cycle_meets_its_ends(kind, key):
    optimizer = optimizer_of(minicnn, kind)
    scheduler = lrs.OneCycleLR(optimizer, max_lr=1.0, total_steps=41, pct_start=11 / 41)
    seen = [groups[0] for groups, _, _ in sequence(optimizer, scheduler, 40)]

    def momentum(group):
        return group[key][0] if key == "betas" else group[key]

    assert seen[0]["lr"] == pytest.approx(1 / 25) and momentum(seen[0]) == pytest.approx(0.95)
    assert seen[10]["lr"] == pytest.approx(1.0) and momentum(seen[10]) == pytest.approx(0.85)
    assert seen[40]["lr"] == pytest.approx(4e-6) and momentum(seen[40]) == pytest.approx(0.95)
    assert seen[5]["lr"] == pytest.approx((1 / 25 + 1) / 2)  # half-way up
    rates = [group["lr"] for group in seen]
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)


# ------------------------------------------------------------------ PyTorch


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_every_rate_is_that_of_pytorch_to_the_last_bit(case, kind):
    torch = pytest.importorskip("torch")
    ours, theirs = optimizer_of(minicnn, kind), optimizer_of(torch, kind)
    seen = sequence(ours, build(minicnn, ours, *case))
    assert seen == sequence(theirs, build(torch, theirs, *case))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_arguments_and_defaults_are_those_of_pytorch(case):
    torch = pytest.importorskip("torch")
    import inspect

    def arguments(module):
        cls = getattr(module.optim.lr_scheduler, case[0])
        return [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]

    assert arguments(minicnn) == arguments(torch)


@pytest.mark.parametrize("case", SIMPLE, ids=case_id)
def test_going_to_an_epoch_is_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    results = []
    for module in (minicnn, torch):
        optimizer = optimizer_of(module)
        scheduler = build(module, optimizer, *case)
        optimizer.step()
        seen = []
        for epoch in (1, 2, 10, 3, 0):
            with pytest.warns(UserWarning, match="deprecated"):
                scheduler.step(epoch)
            seen.append(snapshot(optimizer, scheduler))
            scheduler.step()
            seen.append(snapshot(optimizer, scheduler))
        results.append(seen)
    assert results[0] == results[1]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_resuming_by_last_epoch_is_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    results = []
    for module in (minicnn, torch):
        first = optimizer_of(module)
        sequence(first, build(module, first, *case), 9)
        second = optimizer_of(module)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        second.step()
        scheduler = build(module, second, case[0], {**case[1], "last_epoch": 8})
        results.append(sequence(second, scheduler, 20))
    assert results[0] == results[1]


def test_resuming_one_cycle_keeps_its_ends_as_in_pytorch():
    torch = pytest.importorskip("torch")
    results = []
    for module in (minicnn, torch):
        optimizer = optimizer_of(module)
        sequence(optimizer, build(module, optimizer, "OneCycleLR", ONE_CYCLE[0]), 9)
        others = {"max_lr": 9.0, "total_steps": STEPS, "base_momentum": 0.1, "last_epoch": 8}
        scheduler = build(module, optimizer, "OneCycleLR", others)
        results.append(sequence(optimizer, scheduler, 20))
    assert results[0] == results[1]


@pytest.mark.parametrize("options", PLATEAU, ids=str)
def test_plateaus_are_met_as_in_pytorch(options):
    torch = pytest.importorskip("torch")
    results = []
    for module in (minicnn, torch):
        optimizer = optimizer_of(module)
        scheduler = build(module, optimizer, "ReduceLROnPlateau", options)
        seen = [snapshot(optimizer, scheduler)]
        for i, metric in enumerate(METRICS):
            scheduler.step(module.tensor(metric) if i % 2 else metric)
            memory = (scheduler.num_bad_epochs, scheduler.cooldown_counter, scheduler.in_cooldown)
            seen.append((snapshot(optimizer, scheduler), memory))
        results.append(seen)
    assert results[0] == results[1]


def warmup_then(module, optimizer, after, milestone=5):
    warmup = module.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=milestone)
    last = build(module, optimizer, *after)
    return module.optim.lr_scheduler.SequentialLR(optimizer, [warmup, last], [milestone])


@pytest.mark.parametrize("after", SIMPLE, ids=case_id)
def test_a_warmup_before_any_schedule_is_as_in_pytorch(after):
    torch = pytest.importorskip("torch")
    ours, theirs = optimizer_of(minicnn), optimizer_of(torch)
    seen = sequence(ours, warmup_then(minicnn, ours, after))
    assert seen == sequence(theirs, warmup_then(torch, theirs, after))


def three_in_a_row(module, optimizer, milestones=(4, 9)):
    s = module.optim.lr_scheduler
    members = [
        s.ConstantLR(optimizer, factor=0.5, total_iters=3),
        s.ExponentialLR(optimizer, gamma=0.9),
        s.StepLR(optimizer, step_size=4),
    ]
    return s.SequentialLR(optimizer, members, list(milestones))


def nested(module, optimizer):
    s = module.optim.lr_scheduler
    inner = s.SequentialLR(
        optimizer,
        [s.ConstantLR(optimizer, total_iters=2), s.ExponentialLR(optimizer, gamma=0.9)],
        [3],
    )
    last = s.CosineAnnealingLR(optimizer, T_max=10)
    return s.SequentialLR(optimizer, [inner, last], [8])


def nothing_before_zero(module, optimizer):
    return three_in_a_row(module, optimizer, milestones=(0, 7))


def cycle_after_warmup(module, optimizer):
    return warmup_then(module, optimizer, ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60}))


# A sequence within a sequence steps its first member once more, and both libraries warn of that.
nesting_warns = pytest.mark.filterwarnings("ignore:.*before `?optimizer.step:UserWarning")
SEQUENCES = [three_in_a_row, nested, nothing_before_zero, cycle_after_warmup]


@nesting_warns
@pytest.mark.parametrize("make", SEQUENCES)
def test_sequences_are_those_of_pytorch(make):
    torch = pytest.importorskip("torch")
    ours, theirs = optimizer_of(minicnn), optimizer_of(torch)
    assert sequence(ours, make(minicnn, ours)) == sequence(theirs, make(torch, theirs))


def test_two_schedulers_on_one_optimizer_multiply_as_in_pytorch():
    torch = pytest.importorskip("torch")
    results = []
    for module in (minicnn, torch):
        optimizer = optimizer_of(module)
        pair = [
            build(module, optimizer, "ExponentialLR", {"gamma": 0.9}),
            build(module, optimizer, "StepLR", {"step_size": 3, "gamma": 0.5}),
            build(module, optimizer, "CosineAnnealingLR", {"T_max": 12, "eta_min": 1e-4}),
        ]
        seen = []
        for _ in range(30):
            optimizer.step()
            for scheduler in pair:
                scheduler.step()
                seen.append(snapshot(optimizer, scheduler))
        results.append(seen)
    assert results[0] == results[1]
    assert results[0][0][0][0]["lr"] == 0.1 * 0.9


@pytest.mark.parametrize("case", [c for c in CASES if c[0] != "LambdaLR"], ids=case_id)
def test_a_scheduler_goes_on_from_a_state_dict_of_pytorch(case):
    torch = pytest.importorskip("torch")
    theirs, ours = optimizer_of(torch), optimizer_of(minicnn)
    scheduler, twin = build(torch, theirs, *case), build(minicnn, ours, *case)
    sequence(theirs, scheduler, 9)
    ours.load_state_dict(theirs.state_dict())
    twin.load_state_dict(scheduler.state_dict())
    assert sequence(ours, twin, 20) == sequence(theirs, scheduler, 20)


# ------------------------------------------------------------------ saving and loading


def carried(scheduler):
    return pickle.loads(pickle.dumps(scheduler.state_dict()))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_resuming_from_a_state_dict_changes_no_bit(case):
    straight, first, second = (optimizer_of(minicnn) for _ in range(3))
    expected = sequence(straight, build(minicnn, straight, *case), 20)
    scheduler = build(minicnn, first, *case)
    sequence(first, scheduler, 9)
    resumed = build(minicnn, second, *case)
    resumed.load_state_dict(carried(scheduler))
    second.load_state_dict(first.state_dict())
    assert sequence(second, resumed, 11) == expected[9:]


@nesting_warns
@pytest.mark.parametrize("make", SEQUENCES)
@pytest.mark.parametrize("steps", [2, 5, 12])
def test_resuming_a_sequence_changes_no_bit(make, steps):
    straight, first, second = (optimizer_of(minicnn) for _ in range(3))
    expected = sequence(straight, make(minicnn, straight), 20)
    scheduler = make(minicnn, first)
    sequence(first, scheduler, steps)
    saved = carried(scheduler)
    before = copy.deepcopy(saved)
    resumed = make(minicnn, second)
    resumed.load_state_dict(saved)
    assert saved == before
    second.load_state_dict(first.state_dict())
    assert sequence(second, resumed, 20 - steps) == expected[steps:]


@pytest.mark.parametrize("options", PLATEAU, ids=str)
def test_resuming_on_a_plateau_changes_nothing(options):
    def run(optimizer, scheduler, metrics):
        return [(scheduler.step(m), snapshot(optimizer, scheduler))[1] for m in metrics]

    straight, first, second = (optimizer_of(minicnn) for _ in range(3))
    expected = run(straight, lrs.ReduceLROnPlateau(straight, **options), METRICS)
    scheduler = lrs.ReduceLROnPlateau(first, **options)
    run(first, scheduler, METRICS[:7])
    resumed = lrs.ReduceLROnPlateau(second)
    resumed.load_state_dict(carried(scheduler))
    second.load_state_dict(first.state_dict())
    assert run(second, resumed, METRICS[7:]) == expected[7:]


class Decay:
    """A callable with something to remember."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, t):
        return self.rate**t


def test_lambda_lr_saves_the_attributes_of_objects_and_no_functions():
    first, second = optimizer_of(minicnn), optimizer_of(minicnn)
    function = lambda t: 1.0  # noqa: E731
    scheduler = lrs.LambdaLR(first, [Decay(0.5), function])
    saved = scheduler.state_dict()
    assert lrs.LambdaLR(first, math.sqrt).state_dict()["lr_lambdas"] == [None, None]
    assert saved["lr_lambdas"] == [{"rate": 0.5}, None]
    resumed = lrs.LambdaLR(second, [Decay(0.9), function])
    resumed.load_state_dict(saved)
    second.step()
    resumed.step()
    assert resumed.get_last_lr() == [0.1 * 0.5, 0.003]
    assert saved["lr_lambdas"] == [{"rate": 0.5}, None]


def test_state_dict_leaves_the_optimizer_out():
    optimizer = optimizer_of(minicnn)
    for scheduler in (lrs.StepLR(optimizer, 3), lrs.ReduceLROnPlateau(optimizer)):
        assert "optimizer" not in scheduler.state_dict()


# ------------------------------------------------------------------ behaviour around the schedule


def test_a_scheduler_stepped_before_its_optimizer_warns_once():
    optimizer = optimizer_of(minicnn)
    scheduler = lrs.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\) was called before optimizer.step"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


@pytest.mark.parametrize("make", [lambda o: lrs.StepLR(o, 3), lambda o: three_in_a_row(minicnn, o)])
def test_the_usual_order_does_not_warn(make):
    optimizer = optimizer_of(minicnn)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sequence(optimizer, make(optimizer), 20)


def test_a_step_of_the_users_own_is_not_suspected():
    class Own(optim.SGD):
        def step(self, closure=None):
            return None

    optimizer = Own([minicnn.zeros(1)], lr=0.1)
    scheduler = lrs.StepLR(optimizer, 3)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_a_rate_changed_by_hand_is_kept():
    optimizer = optimizer_of(minicnn)
    scheduler = lrs.ExponentialLR(optimizer, gamma=0.5)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 8.0
    scheduler.step()
    assert scheduler.get_last_lr()[0] == 4.0


def test_the_rate_of_a_scheduler_is_the_one_the_optimizer_uses():
    p = minicnn.tensor([0.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    scheduler = lrs.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(4):
        p.grad = minicnn.tensor([1.0])
        optimizer.step()
        scheduler.step()
    assert p.item() == -(1 + 0.5 + 0.25 + 0.125)


def test_a_factor_of_zero_is_undone_by_the_initial_rate():
    """PyTorch divides by zero here."""
    optimizer = optimizer_of(minicnn)
    seen = sequence(optimizer, lrs.ConstantLR(optimizer, factor=0, total_iters=2), 4)
    assert [groups[0]["lr"] for groups, _, _ in seen] == [0, 0, 0.1, 0.1, 0.1]


def test_a_scheduler_of_ones_own_needs_only_get_lr():
    class Halving(lrs.LRScheduler):
        def get_lr(self):
            return [lr * 0.5**self.last_epoch for lr in self.base_lrs]

    optimizer = optimizer_of(minicnn)
    seen = sequence(optimizer, Halving(optimizer), 3)
    assert [groups[0]["lr"] for groups, _, _ in seen] == [0.1, 0.05, 0.025, 0.0125]


def test_plateau_learns_of_groups_added_later():
    optimizer = optimizer_of(minicnn)
    scheduler = lrs.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    optimizer.add_param_group({"params": [minicnn.zeros(1)], "lr": 8.0})
    scheduler.step(1.0)
    scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.05, 0.0015, 4.0]


# ------------------------------------------------------------------ bad input says what and why


def plateau_with_a_group_too_many():
    optimizer = optimizer_of(minicnn)
    scheduler = lrs.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0, 0.0])
    optimizer.add_param_group({"params": [minicnn.zeros(1)]})
    scheduler.step(1.0)
    scheduler.step(1.0)


def one_cycle_beyond_its_end():
    optimizer = optimizer_of(minicnn)
    sequence(optimizer, lrs.OneCycleLR(optimizer, max_lr=1.0, total_steps=5), 6)


def another_optimizer(module=minicnn):
    s = module.optim.lr_scheduler
    members = [s.ExponentialLR(optimizer_of(module), 0.9) for _ in range(2)]
    s.SequentialLR(optimizer_of(module), members, [3])


def made(name, **options):
    return lambda: build(minicnn, optimizer_of(minicnn), name, options)


@pytest.mark.parametrize(
    "action, error, text",
    [
        (lambda: lrs.StepLR(3, 1), TypeError, "StepLR: expected an Optimizer, got int"),
        (
            lambda: lrs.OneCycleLR(None, max_lr=1.0, total_steps=3),
            TypeError,
            "OneCycleLR: expected an Optimizer, got NoneType",
        ),
        (
            lambda: lrs.ReduceLROnPlateau([]),
            TypeError,
            "ReduceLROnPlateau: expected an Optimizer, got list",
        ),
        (made("StepLR", step_size=0), ArgumentError, "StepLR: step_size must be at least 1, got 0"),
        (
            made("CosineAnnealingLR", T_max=0),
            ArgumentError,
            "CosineAnnealingLR: T_max must be positive, got 0",
        ),
        (
            made("ConstantLR", factor=1.5),
            ArgumentError,
            r"ConstantLR: factor must be in \[0, 1\], got 1.5",
        ),
        (
            made("LinearLR", start_factor=0),
            ArgumentError,
            r"LinearLR: start_factor must be in \(0, 1\], got 0",
        ),
        (
            made("LinearLR", end_factor=-1),
            ArgumentError,
            r"LinearLR: end_factor must be in \[0, 1\], got -1",
        ),
        (
            made("LambdaLR", lr_lambda=[abs]),
            ArgumentError,
            "LambdaLR: lr_lambda has 1 values, but the optimizer has 2 parameter groups",
        ),
        (
            made("StepLR", step_size=3, last_epoch=4),
            UnknownNameError,
            r"StepLR: last_epoch=4 resumes, but param_groups\[0\] has no 'initial_lr'",
        ),
        (
            made("OneCycleLR", max_lr=1.0),
            ArgumentError,
            "OneCycleLR: define either total_steps, or epochs and steps_per_epoch",
        ),
        (
            made("OneCycleLR", max_lr=1.0, total_steps=0),
            ArgumentError,
            "OneCycleLR: total_steps must be a positive integer, got 0",
        ),
        (
            made("OneCycleLR", max_lr=1.0, epochs=1.5, steps_per_epoch=3),
            ArgumentError,
            "OneCycleLR: epochs must be a positive integer, got 1.5",
        ),
        (
            made("OneCycleLR", max_lr=1.0, epochs=3, steps_per_epoch=-3),
            ArgumentError,
            "OneCycleLR: steps_per_epoch must be a positive integer, got -3",
        ),
        (
            made("OneCycleLR", max_lr=1.0, total_steps=9, pct_start=1.5),
            ArgumentError,
            r"OneCycleLR: pct_start must be a float in \[0, 1\], got 1.5",
        ),
        (
            made("OneCycleLR", max_lr=1.0, total_steps=9, anneal_strategy="exp"),
            ArgumentError,
            "OneCycleLR: anneal_strategy must be 'cos' or 'linear', got 'exp'",
        ),
        (
            made("OneCycleLR", max_lr=[1.0], total_steps=9),
            ArgumentError,
            "OneCycleLR: max_lr has 1 values",
        ),
        (
            made("OneCycleLR", max_lr=1.0, total_steps=9, base_momentum=[1.0]),
            ArgumentError,
            "OneCycleLR: base_momentum has 1 values",
        ),
        (
            made("OneCycleLR", max_lr=1.0, total_steps=10, pct_start=0.1),
            ArgumentError,
            "OneCycleLR: a phase of a single step has no slope.* total_steps, which is 10",
        ),
        (
            lambda: lrs.OneCycleLR(optim.Adagrad([minicnn.zeros(1)]), max_lr=1.0, total_steps=9),
            ArgumentError,
            "OneCycleLR: cycle_momentum needs an optimizer with momentum or betas; Adagrad has",
        ),
        (one_cycle_beyond_its_end, ArgumentError, "OneCycleLR: step 6 is beyond total_steps, 5"),
        (
            made("ReduceLROnPlateau", factor=1.0),
            ArgumentError,
            "ReduceLROnPlateau: factor must be below 1, got 1.0",
        ),
        (
            made("ReduceLROnPlateau", mode="low"),
            ArgumentError,
            "ReduceLROnPlateau: mode must be 'min' or 'max', got 'low'",
        ),
        (
            made("ReduceLROnPlateau", threshold_mode="low"),
            ArgumentError,
            "ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got 'low'",
        ),
        (
            made("ReduceLROnPlateau", min_lr=[0.1]),
            ArgumentError,
            "ReduceLROnPlateau: min_lr has 1 values",
        ),
        (
            plateau_with_a_group_too_many,
            ShapeError,
            "ReduceLROnPlateau: the optimizer has 3 parameter groups now, but min_lr has 2 values",
        ),
        (
            made("SequentialLR", schedulers=[], milestones=[]),
            ArgumentError,
            "SequentialLR: expects at least one scheduler, got none",
        ),
        (
            made("SequentialLR", schedulers=[3], milestones=[]),
            TypeError,
            r"SequentialLR: schedulers\[0\] is a int, not a scheduler",
        ),
        (
            another_optimizer,
            ArgumentError,
            r"SequentialLR: schedulers\[0\], a ExponentialLR, belongs to another optimizer",
        ),
        (
            lambda: three_in_a_row(minicnn, optimizer_of(minicnn), [3]),
            ArgumentError,
            "SequentialLR: 3 schedulers need 2 milestones, got 1",
        ),
        (
            lambda: (lambda o: lrs.SequentialLR(o, [lrs.ReduceLROnPlateau(o)], []))(
                optimizer_of(minicnn)
            ),
            ArgumentError,
            r"SequentialLR: schedulers\[0\] is a ReduceLROnPlateau, whose step needs a metric",
        ),
        (
            lambda: lrs.LRScheduler(optimizer_of(minicnn)),
            NotImplementedError,
            r"LRScheduler: a scheduler defines get_lr\(\)",
        ),
        (
            lambda: lrs.CyclicLR,
            UnsupportedError,
            "lr_scheduler.CyclicLR: PyTorch has it, minicnn not. There are ConstantLR, Cosine",
        ),
        (
            lambda: lrs.CosineLR,
            AttributeError,
            "no attribute 'CosineLR'. Did you mean 'CosineAnnealingLR'",
        ),
    ],
)
def test_bad_input_is_named(action, error, text):
    with pytest.raises(error, match=text):
        action()


@pytest.mark.parametrize(
    "action",
    [
        lambda m, o: m.optim.lr_scheduler.StepLR(3, 1),
        lambda m, o: m.optim.lr_scheduler.StepLR(o, 3, last_epoch=4),
        lambda m, o: m.optim.lr_scheduler.LinearLR(o, start_factor=2),
        lambda m, o: m.optim.lr_scheduler.LinearLR(o, end_factor=2),
        lambda m, o: m.optim.lr_scheduler.ConstantLR(o, factor=2),
        lambda m, o: m.optim.lr_scheduler.LambdaLR(o, [abs]),
        lambda m, o: m.optim.lr_scheduler.OneCycleLR(o, 1.0),
        lambda m, o: m.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=2.5),
        lambda m, o: m.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=9, pct_start=1),
        lambda m, o: m.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=9, anneal_strategy="x"),
        lambda m, o: m.optim.lr_scheduler.OneCycleLR(o, [1.0], total_steps=9),
        lambda m, o: m.optim.lr_scheduler.ReduceLROnPlateau(o, factor=1.0),
        lambda m, o: m.optim.lr_scheduler.ReduceLROnPlateau(o, mode="x"),
        lambda m, o: m.optim.lr_scheduler.ReduceLROnPlateau(o, threshold_mode="x"),
        lambda m, o: m.optim.lr_scheduler.ReduceLROnPlateau(o, min_lr=[1.0]),
        lambda m, o: m.optim.lr_scheduler.ReduceLROnPlateau(3),
        lambda m, o: m.optim.lr_scheduler.SequentialLR(o, [], []),
        lambda m, o: m.optim.lr_scheduler.SequentialLR(o, [3], []),
        lambda m, o: another_optimizer(m),
        lambda m, o: three_in_a_row(m, o, [3]),
    ],
)
def test_bad_arguments_raise_what_pytorch_raises(action):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as theirs:
        action(torch, optimizer_of(torch))
    with pytest.raises(theirs.type):
        action(minicnn, optimizer_of(minicnn))
