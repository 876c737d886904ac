"""LeNet-5 trained in minicnn and in PyTorch, from the same weights and batches, stays the same.

Float64, 100 steps: the losses and the weights must agree to 1e-9 all along. Rounding differs (sums
are taken in another order), and training amplifies differences, so that this catches any term that
is off in the sixth digit, in any layer, loss or optimizer.
"""

import numpy as np
import pytest

import minicnn
import minicnn.nn
import minicnn.optim

torch = pytest.importorskip("torch")

STEPS, BATCH = 100, 8
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.02}),
    "momentum": ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.1, "weight_decay": 1e-3}),
    "nesterov": ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}),
    "adagrad": ("Adagrad", {"lr": 0.01, "lr_decay": 1e-3, "weight_decay": 1e-4}),
    "rmsprop": ("RMSprop", {"lr": 1e-3, "momentum": 0.5, "centered": True}),
    "adam": ("Adam", {"lr": 1e-3, "weight_decay": 1e-3}),
    "amsgrad": ("Adam", {"lr": 1e-3, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 1e-3, "weight_decay": 0.05}),
}


def lenet5(nn):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def trajectory(lib, optimizer, weights, images, labels):
    """Return the losses of all steps, and the weights after the last."""
    model = lenet5(lib.nn).double()
    model.load_state_dict({name: lib.from_numpy(w.copy()) for name, w in weights.items()})
    name, options = optimizer
    opt = getattr(lib.optim, name)(model.parameters(), **options)
    loss_of = lib.nn.CrossEntropyLoss()
    losses = []
    for step in range(STEPS):
        start = step * BATCH % len(images)
        x = lib.from_numpy(images[start : start + BATCH])
        target = lib.from_numpy(labels[start : start + BATCH])
        opt.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return np.array(losses), {n: p.detach().numpy() for n, p in model.named_parameters()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_of_lenet5_agree_with_pytorch(name):
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 10, 10 * BATCH)
    patterns = rng.standard_normal((10, 1, 28, 28))
    images = patterns[labels] + 0.5 * rng.standard_normal((10 * BATCH, 1, 28, 28))
    minicnn.manual_seed(3)
    start = lenet5(minicnn.nn).double().state_dict()
    weights = {n: w.numpy().copy() for n, w in start.items()}

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        theirs = trajectory(torch, OPTIMIZERS[name], weights, images, labels)
    finally:
        torch.set_num_threads(before)
    ours = trajectory(minicnn, OPTIMIZERS[name], weights, images, labels)

    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-9)
    for parameter, values in theirs[1].items():
        np.testing.assert_allclose(ours[1][parameter], values, rtol=0, atol=1e-9)
    assert ours[0][-10:].mean() < ours[0][:10].mean()  # it did train
