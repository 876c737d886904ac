"""Scaling of the loss: step by step as PyTorch's, and on a device that nobody waits for."""

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim
from minicnn.amp import GradScaler
from minicnn.errors import DeviceError, ScalerError, UnsupportedError

torch = pytest.importorskip("torch")

OPTIONS = {"init_scale": 8.0, "growth_interval": 3}
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.01, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "rmsprop": ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    "adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
}
OVERFLOWS = [True, False, False, False, True, False, True, True, False, False, False, False]


def values(n=5):
    return np.linspace(-1, 1, n, dtype=np.float32)


def run(torch, optimizer, overflows=OVERFLOWS, device="cpu", **options):
    """Train one weight; return what it, the factor and the count were after every iteration."""
    name, settings = OPTIMIZERS[optimizer]
    w = torch.tensor(values(), device=device, requires_grad=True)
    stepper = getattr(torch.optim, name)([w], **settings)
    scaler = torch.amp.GradScaler(device, **{**OPTIONS, **options})
    history = []
    for i, overflow in enumerate(overflows):
        stepper.zero_grad()
        target = torch.tensor(values() * i, device=device)
        loss = ((w - target) ** 2).sum() * (float("inf") if overflow else 1.0)
        scaler.scale(loss).backward()
        scaler.step(stepper)
        scaler.update()
        history.append((w, scaler.get_scale(), scaler.state_dict()["_growth_tracker"]))
        history[-1] = (w.detach().cpu().numpy().copy(), *history[-1][1:])
    return history


def same(ours, theirs):
    for (w, scale, count), (expected, *others) in zip(ours, theirs, strict=True):
        assert [scale, count] == others
        np.testing.assert_allclose(w, expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_iteration_is_pytorchs(optimizer):
    same(run(minicnn, optimizer), run(torch, optimizer))


@pytest.mark.parametrize("factors", [(2.0, 0.5), (1.7, 0.9), (3.0, 0.1)])
def test_the_factor_grows_and_shrinks_as_in_pytorch(factors):
    options = {"growth_factor": factors[0], "backoff_factor": factors[1]}
    same(run(minicnn, "sgd", **options), run(torch, "sgd", **options))


def test_the_factor_stays_below_infinity():
    options = {"init_scale": 2.0**126, "growth_interval": 1}
    overflows = [False] * 4
    assert [h[1] for h in run(minicnn, "sgd", overflows, **options)] == [
        h[1] for h in run(torch, "sgd", overflows, **options)
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_on_a_device_every_iteration_is_the_same(standin, optimizer):
    same(run(minicnn, optimizer, device="cuda"), run(minicnn, optimizer))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_on_a_device_nothing_is_read_or_sent(standin, optimizer):
    from strict_cupy.traffic import watched

    name, settings = OPTIMIZERS[optimizer]
    w = minicnn.tensor(values(), device="cuda", requires_grad=True)
    stepper = getattr(optim, name)([w], **settings)
    scaler = GradScaler("cuda")

    def iteration():
        stepper.zero_grad()
        scaler.scale((w**2).sum()).backward()
        scaler.unscale_(stepper)
        scaler.step(stepper)
        scaler.update()

    iteration()
    with watched() as traffic:
        iteration()
        iteration()
    assert not traffic.reads and not traffic.copies, traffic


def test_on_a_device_an_optimizer_with_a_step_of_its_own_is_not_called_after_an_overflow(standin):
    class Own(optim.SGD):
        calls = 0

        def step(self, closure=None):
            self.calls += 1

    w = minicnn.ones(2, device="cuda", requires_grad=True)
    stepper, scaler = Own([w], lr=0.1), GradScaler("cuda")
    for factor, calls in ((float("inf"), 0), (1.0, 1)):
        w.grad = None
        scaler.scale(w.sum() * factor).backward()
        scaler.step(stepper)
        scaler.update()
        assert stepper.calls == calls


def test_a_step_on_the_device_leaves_the_optimizer_as_it_was(standin):
    w = minicnn.ones(2, device="cuda", requires_grad=True)
    stepper, scaler = optim.Adam([w], lr=0.1), GradScaler("cuda")
    scaler.scale(w.sum()).backward()
    scaler.step(stepper)
    assert stepper.found_inf is None
    assert stepper.state[w]["step"].item() == 1.0
    stepper.step()  # counts on where the last step left off
    assert stepper.state_dict()["state"][0]["step"].item() == 2.0


def test_one_gradient_that_overflows_skips_all_parameters():
    a, b = (minicnn.ones(2, device="cpu", requires_grad=True) for _ in "ab")
    stepper, scaler = optim.Adam([a, b], lr=0.1), GradScaler("cpu", **OPTIONS)
    scaler.scale(a.sum() + (b * float("nan")).sum()).backward()
    assert scaler.step(stepper) is None
    assert np.array_equal(a.detach().numpy(), [1, 1])
    assert not stepper.state  # on the CPU the step is not even computed
    scaler.update()
    assert scaler.get_scale() == 4.0


def test_gradients_can_be_clipped_between_unscaling_and_the_step():
    w = minicnn.ones(4, requires_grad=True)
    stepper, scaler = optim.SGD([w], lr=1.0), GradScaler("cpu")
    scaler.scale((w * 3.0).sum()).backward()
    scaler.unscale_(stepper)
    assert np.array_equal(w.grad.numpy(), [3, 3, 3, 3])
    nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(stepper)
    np.testing.assert_allclose(w.detach().numpy(), 0.5, rtol=1e-5)


def test_several_optimizers_share_the_factor_and_skip_for_themselves():
    a, b = (minicnn.ones(2, requires_grad=True) for _ in "ab")
    first, second = optim.SGD([a], lr=0.5), optim.SGD([b], lr=0.5)
    scaler = GradScaler("cpu", **OPTIONS)
    losses = scaler.scale([a.sum(), (b * float("inf")).sum()])
    for loss in losses:
        loss.backward()
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    assert np.array_equal(a.detach().numpy(), [0.5, 0.5]) and np.array_equal(
        b.detach().numpy(), [1, 1]
    )
    assert scaler.get_scale() == 4.0


def test_scale_takes_sequences_of_any_depth():
    scaler, x = GradScaler("cpu", **OPTIONS), minicnn.ones(2)
    (one, [two]) = scaler.scale((x, [x]))
    assert np.array_equal(one.numpy(), [8, 8]) and np.array_equal(two.numpy(), [8, 8])
    assert [y.sum().item() for y in scaler.scale(iter([x, x]))] == [16, 16]


def test_a_float16_loss_is_scaled_in_float32():
    scaler = GradScaler("cpu")
    assert scaler.scale(minicnn.tensor(2.0, dtype=minicnn.float16)).item() == 2.0**17


def test_the_scale_can_be_set():
    scaler = GradScaler("cpu")
    scaler.scale(minicnn.ones(1))
    scaler.update(4.0)
    assert scaler.get_scale() == 4.0
    scaler.update(minicnn.tensor([16.0]))
    assert scaler.get_scale() == 16.0
    with pytest.raises(ScalerError, match=r"one element without gradient; got shape \(2,\)"):
        scaler.update(minicnn.ones(2))


def test_a_scaler_that_is_not_enabled_does_nothing():
    w = minicnn.ones(2, requires_grad=True)
    stepper, scaler = optim.SGD([w], lr=0.5), GradScaler("cpu", enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss and not scaler.is_enabled()
    loss.backward()
    scaler.unscale_(stepper)
    scaler.step(stepper, closure=None)
    scaler.update()
    scaler.load_state_dict({})
    assert np.array_equal(w.detach().numpy(), [0.5, 0.5])
    assert scaler.get_scale() == 1.0 and scaler.state_dict() == {}


def test_the_options_can_be_read_and_set():
    scaler = GradScaler("cpu")
    assert scaler.get_scale() == 65536.0
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    found = scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()
    assert found == (3.0, 0.25, 7)


def test_states_go_back_and_forth_to_pytorch():
    theirs = torch.amp.GradScaler("cpu", init_scale=32.0, growth_interval=5)
    scaler = GradScaler("cpu")
    scaler.load_state_dict(theirs.state_dict())
    assert scaler.state_dict() == theirs.state_dict()
    scaler.scale(minicnn.ones(1))  # the same again, now that the factor is an array
    scaler.load_state_dict({**theirs.state_dict(), "scale": 2.0, "_growth_tracker": 3})
    assert scaler.get_scale() == 2.0 and scaler.state_dict()["_growth_tracker"] == 3
    theirs.load_state_dict(scaler.state_dict())
    assert theirs.get_scale() == 2.0


def test_methods_out_of_order_raise():
    w = minicnn.ones(2, requires_grad=True)
    stepper = optim.SGD([w], lr=0.1)
    for method in ("step", "unscale_"):
        with pytest.raises(ScalerError, match=f"{method}: there is no scale yet"):
            getattr(GradScaler("cpu"), method)(stepper)
    with pytest.raises(ScalerError, match="update: there is no scale yet"):
        GradScaler("cpu").update()
    scaler = GradScaler("cpu")
    loss = scaler.scale(w.sum())
    with pytest.raises(ScalerError, match="no parameter of this optimizer has a gradient"):
        scaler.step(stepper)
    with pytest.raises(ScalerError, match="update: no inf checks were recorded"):
        scaler.update()
    scaler = GradScaler("cpu")
    loss = scaler.scale(w.sum())
    loss.backward()
    scaler.unscale_(stepper)
    with pytest.raises(ScalerError, match="unscale_: has already been called on this optimizer"):
        scaler.unscale_(stepper)
    scaler.step(stepper)
    with pytest.raises(ScalerError, match="step: has already been called since the last update"):
        scaler.step(stepper)
    with pytest.raises(ScalerError, match="unscale_: is being called after step"):
        scaler.unscale_(stepper)
    with pytest.raises(UnsupportedError, match="step: a closure is not supported"):
        scaler.step(stepper, closure=lambda: None)
    with pytest.raises(ScalerError, match="the state dict is empty"):
        scaler.load_state_dict({})
    with pytest.raises(TypeError, match="expected a Tensor or several, got float"):
        scaler.scale(1.0)
    with pytest.raises(ScalerError, match="growth_factor must be more than 1"):
        GradScaler("cpu", growth_factor=1.0)


def test_float16_gradients_are_refused():
    w = minicnn.ones(2, dtype=minicnn.float16, requires_grad=True)
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(w.sum()).backward()
    with pytest.raises(ScalerError, match="attempting to unscale float16 gradients"):
        scaler.step(optim.SGD([w], lr=0.1))


def test_gradients_on_another_device_than_the_loss_are_refused(standin):
    w = minicnn.ones(2, requires_grad=True, device="cpu")
    w.grad = minicnn.ones(2, device="cpu")
    scaler = GradScaler("cuda")
    scaler.scale(minicnn.ones(1, device="cuda"))
    with pytest.raises(DeviceError, match=r"the loss is on cuda:0 but a gradient .* on cpu"):
        scaler.step(optim.SGD([w], lr=0.1))


def test_cuda_without_a_gpu_warns_and_does_nothing():
    if minicnn.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.warns(UserWarning, match="GradScaler: disabled, because CUDA is not available"):
        assert not GradScaler().is_enabled()


def test_mixed_precision_trains_as_well_as_float32():
    losses = {}
    for mixed in (False, True):
        minicnn.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        stepper = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scaler = GradScaler("cpu", enabled=mixed)
        x = minicnn.randn(64, 8)
        target = x[:, :4].argmax(1)
        for _ in range(60):
            stepper.zero_grad()
            with minicnn.autocast("cpu", dtype=minicnn.float16, enabled=mixed):
                loss = nn.functional.cross_entropy(model(x), target)
            scaler.scale(loss).backward()
            scaler.step(stepper)
            scaler.update()
        losses[mixed] = loss.item()
    assert losses[False] < 0.1
    assert abs(losses[True] - losses[False]) < 0.02
