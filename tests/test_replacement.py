"""`minicnn.replace`: users' functions of arrays in the place of the library's operations."""

from __future__ import annotations

import functools
import inspect
import threading

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn, optim
from minicnn.errors import GradcheckError, GraphError, ReplacementError, UnknownNameError
from minicnn.replacement import OPS, STEPS, restore

HERE = __file__


@pytest.fixture(autouse=True)
def nothing_left_behind():
    yield
    restore()
    assert not any("__call__" in vars(place.op) for place in OPS.values())


# ------------------------------------------------------------------ what a student would write


def pair(n):
    return (n, n) if isinstance(n, int) else n


def windows(x, kh, kw, stride, dilation, out):
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilation[0], j * dilation[1]
            yield i, j, np.s_[
                :, :, top : top + stride[0] * out[0] : stride[0],
                left : left + stride[1] * out[1] : stride[1],
            ]  # fmt: skip


def size(n, k, stride, dilation):
    return (n - dilation * (k - 1) - 1) // stride + 1


def conv2d(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    x = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    n, f = len(x), len(w)
    out = tuple(size(x.shape[2 + a], w.shape[2 + a], stride[a], dilation[a]) for a in (0, 1))
    y = np.zeros((n, groups, f // groups, *out), x.dtype)
    w = w.reshape(groups, f // groups, *w.shape[1:])
    for i, j, where in windows(x, *w.shape[-2:], stride, dilation, out):
        part = x[where].reshape(n, groups, -1, *out)
        y += np.einsum("ngchw,gfc->ngfhw", part, w[..., i, j])
    y = y.reshape(n, f, *out)
    return y if b is None else y + b[:, None, None]


def conv2d_backward(dy, x, w, b, stride=1, padding=0, dilation=1, groups=1):
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    padded = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    n, f, out = len(x), len(w), dy.shape[2:]
    dy_groups = dy.reshape(n, groups, f // groups, *out)
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    w_groups = w.reshape(groups, f // groups, *w.shape[1:])
    for i, j, where in windows(padded, *w.shape[2:], stride, dilation, out):
        part = padded[where].reshape(n, groups, -1, *out)
        dw[:, :, i, j] = np.einsum("ngfhw,ngchw->gfc", dy_groups, part).reshape(w.shape[:2])
        back = np.einsum("ngfhw,gfc->ngchw", dy_groups, w_groups[..., i, j])
        dx[where] += back.reshape(n, -1, *out)
    (top, left), (h, width) = padding, x.shape[2:]
    return dx[:, :, top : top + h, left : left + width], dw, dy.sum((0, 2, 3))


def max_pool2d(x, kernel_size, stride, padding=0, dilation=1, ceil_mode=False):
    y, _ = _pooled(x, kernel_size, stride, padding, dilation, ceil_mode)
    return y


def _pooled(x, kernel_size, stride, padding, dilation, ceil_mode):
    k, s, p, d = (pair(n) for n in (kernel_size, stride, padding, dilation))
    # Enough of a border that windows may hang over, as ceil_mode wants them.
    more = [p[a] + (s[a] if ceil_mode else 0) for a in (0, 1)]
    borders = ((0, 0), (0, 0), (p[0], more[0]), (p[1], more[1]))
    padded = np.pad(x, borders, constant_values=-np.inf)
    out = tuple(size(padded.shape[2 + a], k[a], s[a], d[a]) for a in (0, 1))
    taps = np.stack([padded[where] for _, _, where in windows(padded, *k, s, d, out)])
    return taps.max(0), (padded, taps, out, (k, s, p, d))


def max_pool2d_backward(dy, x, kernel_size, stride, padding=0, dilation=1, ceil_mode=False):
    _, (padded, taps, out, (k, s, p, d)) = _pooled(
        x, kernel_size, stride, padding, dilation, ceil_mode
    )
    winner, dx = taps.argmax(0), np.zeros_like(padded)
    for n, (_, _, where) in enumerate(windows(padded, *k, s, d, out)):
        dx[where] += dy * (winner == n)
    return dx[:, :, p[0] : p[0] + x.shape[2], p[1] : p[1] + x.shape[3]]


def avg_pool2d(x, kernel_size, stride, padding=0):
    k, s, p = pair(kernel_size), pair(stride), pair(padding)
    x = np.pad(x, ((0, 0), (0, 0), *[(n, n) for n in p]))
    out = tuple(size(x.shape[2 + a], k[a], s[a], 1) for a in (0, 1))
    taps = [x[where] for _, _, where in windows(x, *k, s, (1, 1), out)]
    return np.mean(taps, axis=0, dtype=x.dtype)


def avg_pool2d_backward(dy, x, kernel_size, stride, padding=0):
    k, s, p = pair(kernel_size), pair(stride), pair(padding)
    dx = np.zeros((*x.shape[:2], *[x.shape[2 + a] + 2 * p[a] for a in (0, 1)]), x.dtype)
    for _, _, where in windows(dx, *k, s, (1, 1), dy.shape[2:]):
        dx[where] += dy / (k[0] * k[1])
    return dx[:, :, p[0] : p[0] + x.shape[2], p[1] : p[1] + x.shape[3]]


def batch_norm(x, w, b, eps):
    axes = (0, *range(2, x.ndim))
    x_hat = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return x_hat if w is None else x_hat * w.reshape(shape) + b.reshape(shape)


def batch_norm_backward(dy, x, w, b, eps):
    axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    r = 1 / np.sqrt(x.var(axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axes, keepdims=True)) * r
    g = dy if w is None else dy * w.reshape(shape)
    dx = g - g.mean(axes, keepdims=True) - x_hat * (g * x_hat).mean(axes, keepdims=True)
    return r * dx, (dy * x_hat).sum(axes), dy.sum(axes)


def linear(x, w, b):
    return x @ w.T if b is None else x @ w.T + b


def linear_backward(dy, x, w, b):
    axes = tuple(range(dy.ndim - 1))
    return dy @ w, np.tensordot(dy, x, (axes, axes)), dy.sum(axes)


def softmax(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


def softmax_backward(dy, x, dim, y):
    return y * (dy - (dy * y).sum(dim, keepdims=True))


def log_softmax(x, dim):
    x = x - x.max(dim, keepdims=True)
    return x - np.log(np.exp(x).sum(dim, keepdims=True))


def log_softmax_backward(dy, y, x, dim):
    return dy - np.exp(y) * dy.sum(dim, keepdims=True)


def cross_entropy(x, labels):
    return -log_softmax(x, 1)[np.arange(len(x)), labels].mean()


def cross_entropy_backward(dy, x, labels):
    dx = softmax(x, 1)
    dx[np.arange(len(x)), labels] -= 1
    return dx * dy / len(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


STUDENT = {
    "conv2d": (conv2d, conv2d_backward),
    "max_pool2d": (max_pool2d, max_pool2d_backward),
    "avg_pool2d": (avg_pool2d, avg_pool2d_backward),
    "batch_norm": (batch_norm, batch_norm_backward),
    "linear": (linear, linear_backward),
    "matmul": (
        lambda a, b: a @ b,
        lambda dy, a, b: (dy @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ dy),
    ),
    "relu": (lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0)),
    "sigmoid": (sigmoid, lambda dy, y: dy * y * (1 - y)),
    "tanh": (np.tanh, lambda dy, y: dy * (1 - y * y)),
    "softmax": (softmax, softmax_backward),
    "log_softmax": (log_softmax, log_softmax_backward),
    "cross_entropy": (cross_entropy, cross_entropy_backward),
}


def draw(*shape):
    return minicnn.randn(*shape, dtype=minicnn.float64, requires_grad=True)


LABELS = [2, 0, 1, 2]
CASES = {
    "conv2d": lambda: (lambda x, w, b: F.conv2d(x, w, b, 2, 1), [(2, 3, 6, 5), (4, 3, 3, 3), (4,)]),
    "conv2d-options": lambda: (
        lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 0), (1, 2), 2), [(2, 4, 7, 8), (6, 2, 3, 2)]),
    "conv2d-same": lambda: (lambda x, w: F.conv2d(x, w, padding="same"),
                            [(1, 2, 5, 4), (3, 2, 2, 4)]),
    "conv2d-same-rows": lambda: (lambda x, w: F.conv2d(x, w, padding="same"),
                                 [(1, 2, 5, 4), (3, 2, 3, 4)]),
    "conv2d-same-columns": lambda: (lambda x, w: F.conv2d(x, w, padding="same"),
                                    [(1, 2, 5, 4), (3, 2, 2, 3)]),
    "conv2d-conv1d": lambda: (lambda x, w: F.conv1d(x, w, None, 2), [(2, 3, 9), (4, 3, 3)]),
    "conv2d-one-image": lambda: (F.conv2d, [(3, 5, 5), (2, 3, 3, 3)]),
    "max_pool2d": lambda: (lambda x: F.max_pool2d(x, 2), [(2, 3, 6, 5)]),
    "max_pool2d-overlapping": lambda: (lambda x: F.max_pool2d(x, 3, 2, 1), [(2, 1, 7, 7)]),
    "max_pool2d-ceil": lambda: (lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True), [(2, 1, 5, 5)]),
    "avg_pool2d": lambda: (lambda x: F.avg_pool2d(x, (2, 3), 2, 1), [(2, 3, 6, 5)]),
    "avg_pool2d-adaptive": lambda: (lambda x: F.adaptive_avg_pool2d(x, 2), [(2, 3, 6, 4)]),
    "batch_norm": lambda: (lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
                           [(4, 3, 2, 2), (3,), (3,)]),
    "batch_norm-plain": lambda: (lambda x: F.batch_norm(x, None, None, training=True), [(5, 3)]),
    "linear": lambda: (F.linear, [(4, 3), (2, 3), (2,)]),
    "linear-no-bias": lambda: (F.linear, [(2, 4, 3), (2, 3)]),
    "matmul": lambda: (minicnn.matmul, [(4, 3), (3, 2)]),
    "matmul-batch": lambda: (minicnn.bmm, [(5, 4, 3), (5, 3, 2)]),
    "relu": lambda: (F.relu, [(4, 3)]),
    "sigmoid": lambda: (minicnn.sigmoid, [(4, 3)]),
    "tanh": lambda: (minicnn.tanh, [(4, 3)]),
    "softmax": lambda: (lambda x: F.softmax(x, 0), [(4, 3)]),
    "log_softmax": lambda: (lambda x: F.log_softmax(x, 1), [(4, 3)]),
    "cross_entropy": lambda: (
        lambda x: F.cross_entropy(x, minicnn.tensor(LABELS)), [(4, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_with_right_functions_results_and_gradients_are_the_library_s(case):
    function, shapes = CASES[case]()
    minicnn.manual_seed(3)
    inputs = [draw(*shape) for shape in shapes]
    name = case.split("-")[0]
    expected = function(*inputs)
    dy = minicnn.randn(*expected.shape, dtype=minicnn.float64)
    gradients = minicnn.autograd.grad(expected, inputs, dy)
    with minicnn.replace(name, *STUDENT[name]) as replaced:
        y = function(*inputs)
        found = minicnn.autograd.grad(y, inputs, dy)
        assert (replaced.calls.forward, replaced.calls.backward) == (1, 1)
        assert minicnn.gradcheck(function, tuple(inputs))
    np.testing.assert_allclose(
        y.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12
    )
    for ours, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)


def test_every_operation_that_can_be_replaced_is_tested():
    assert {case.split("-")[0] for case in CASES} == set(OPS) == set(STUDENT)


def test_the_documentation_states_every_argument():
    text = inspect.getdoc(minicnn.replacement)
    for place in OPS.values():
        (line,) = [row for row in text.splitlines() if row.startswith(f"{place.name} ")]
        assert ", ".join([*place.inputs, *place.option_names]) in line
    for step in STEPS.values():
        (line,) = [row for row in text.splitlines() if row.startswith(f"{step.name} ")]
        assert ", ".join(["p", "g", *step.short, *step.option_names]) in line


# ------------------------------------------------------------------------------- networks


def network():
    minicnn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3),
    )  # fmt: skip


IMAGES = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype("float32")


def train(model, steps=3):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        loss = F.cross_entropy(model(minicnn.from_numpy(IMAGES)), minicnn.tensor(LABELS))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), [v.numpy().copy() for v in model.state_dict().values()]


def test_a_network_of_nothing_but_replaced_operations_trains_as_before():
    loss, state = train(network())
    used = [name for name in OPS if name not in ("matmul", "softmax", "log_softmax")]
    everything = [minicnn.replace(name, *STUDENT[name]) for name in used]
    everything.append(minicnn.replace("momentum", step=momentum))
    found, ours = train(network())
    for replaced in everything:
        calls = replaced.calls
        assert calls.step >= 3 or (calls.forward >= 3 and calls.backward >= 3), replaced
    assert found == pytest.approx(loss, abs=1e-5)
    for a, b in zip(state, ours, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_trainer_and_the_command_run_on_it(tmp_path, capsys):
    from minicnn.cli import main

    with minicnn.replace("relu", *STUDENT["relu"]) as replaced:
        arguments = ["--epochs", "1", "--data", "digits", "--model", "digits_cnn"]
        assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == 0
    assert replaced.calls.forward > replaced.calls.backward > 40


def test_evaluation_of_batch_norm_stays_the_library_s_and_has_the_right_statistics():
    first, second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    x = minicnn.randn(4, 3, 5, 5)
    first(x)
    with minicnn.replace("batch_norm", *STUDENT["batch_norm"]) as replaced:
        second(x)
        second.eval()(x)
    assert replaced.calls.forward == 1
    assert minicnn.equal(first.running_var, second.running_var)
    assert minicnn.equal(first.running_mean, second.running_mean)


def test_the_winners_of_a_maximum_are_still_known():
    x = minicnn.randn(1, 1, 4, 4)
    _, expected = F.max_pool2d(x, 2, return_indices=True)
    with minicnn.replace("max_pool2d", *STUDENT["max_pool2d"]):
        _, found = F.max_pool2d(x, 2, return_indices=True)
    assert minicnn.equal(expected, found)


# ------------------------------------------------------------------------------- optimizers


def momentum(p, g, v, lr, momentum):
    v = momentum * v + g
    return p - lr * v, v


def adagrad(p, g, s, lr, eps):
    s = s + g * g
    return p - lr * g / (np.sqrt(s) + eps), s


def rmsprop(p, g, s, lr, alpha, eps):
    s = alpha * s + (1 - alpha) * g * g
    return p - lr * g / (np.sqrt(s) + eps), s


def adam(p, g, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


OPTIMIZERS = {
    "sgd": (lambda p, g, lr: p - lr * g, lambda q: optim.SGD(q, 0.1, weight_decay=0.1)),
    "momentum": (momentum, lambda q: optim.SGD(q, 0.1, 0.9, maximize=True)),
    "adagrad": (adagrad, lambda q: optim.Adagrad(q, 0.1, weight_decay=0.1)),
    "rmsprop": (rmsprop, lambda q: optim.RMSprop(q, 0.1)),
    "adam": (adam, lambda q: optim.Adam(q, 0.1, weight_decay=0.1)),
    "adam-adamw": (adam, lambda q: optim.AdamW(q, 0.1)),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_with_a_right_step_the_parameters_and_the_state_are_the_library_s(case):
    step, make = OPTIMIZERS[case]

    def run():
        minicnn.manual_seed(2)
        p = draw(3, 2)
        optimizer = make([p])
        for _ in range(4):
            p.grad = minicnn.randn(3, 2, dtype=minicnn.float64)
            optimizer.step()
        return p, optimizer.state_dict()["state"]

    expected, state = run()
    with minicnn.replace(case.split("-")[0], step=step) as replaced:
        found, ours = run()
    assert replaced.calls.step == 4
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-10)
    assert ours.keys() == state.keys()
    for name, value in state.get(0, {}).items():
        np.testing.assert_allclose(ours[0][name].numpy(), value.numpy(), rtol=1e-10)


def test_every_optimizer_that_can_be_replaced_is_tested():
    assert {case.split("-")[0] for case in OPTIMIZERS} == set(STEPS)


def test_sgd_and_momentum_are_two_rules_of_one_optimizer():
    p = draw(2)
    p.grad = minicnn.ones(2, dtype=minicnn.float64)
    with minicnn.replace("sgd", step=lambda p, g, lr: p - lr * g) as plain:
        optim.SGD([p], 0.1, 0.9).step()
        assert plain.calls.step == 0
        with minicnn.replace("momentum", step=momentum) as heavy:
            optim.SGD([p], 0.1, 0.9).step()
            optim.SGD([p], 0.1).step()
    assert (plain.calls.step, heavy.calls.step) == (1, 1)


def test_options_that_a_step_knows_nothing_of_raise():
    p = draw(2)
    p.grad = minicnn.ones(2, dtype=minicnn.float64)
    with minicnn.replace("momentum", step=momentum):
        with pytest.raises(ReplacementError, match=r"knows nothing of nesterov.*use nesterov=Fal"):
            optim.SGD([p], 0.1, 0.9, nesterov=True).step()


def test_a_step_must_return_its_state():
    p = draw(2)
    p.grad = minicnn.ones(2, dtype=minicnn.float64)
    with minicnn.replace("momentum", step=lambda p, g, v, lr, momentum: p):
        with pytest.raises(ReplacementError, match="must return p, v; it returned 1 values"):
            optim.SGD([p], 0.1, 0.9).step()


# ------------------------------------------------------------------------------- its reach


def test_undo_brings_the_library_back_and_with_ends_with_its_block():
    x = minicnn.tensor([-1.0, 2.0])
    replaced = minicnn.replace("relu", forward=lambda x: x * 0)
    assert F.relu(x).tolist() == [0, 0] and replaced.active
    replaced.undo(), replaced.undo()
    assert F.relu(x).tolist() == [0, 2] and not replaced.active
    with replaced:
        assert F.relu(x).tolist() == [0, 0]
    assert F.relu(x).tolist() == [0, 2]
    assert "undone" in repr(replaced) and "called 2 times" in repr(replaced)


def test_an_error_inside_the_block_ends_it_too():
    with pytest.raises(KeyError), minicnn.replace("relu", forward=lambda x: x * 0):
        raise KeyError
    assert F.relu(minicnn.ones(1)).item() == 1


def test_the_last_replacement_hides_the_ones_before_in_whatever_order_they_end():
    x = minicnn.ones(1)
    outer = minicnn.replace("relu", forward=lambda x: x * 2)
    inner = minicnn.replace("relu", forward=lambda x: x * 3)
    assert F.relu(x).item() == 3
    outer.undo()
    assert F.relu(x).item() == 3
    inner.undo()
    assert F.relu(x).item() == 1


def test_every_thread_sees_it():
    found = []
    with minicnn.replace("relu", forward=lambda x: x * 2) as replaced:
        workers = [
            threading.Thread(target=lambda: found.append(F.relu(minicnn.ones(1)).item()))
            for _ in range(4)
        ]
        [w.start() for w in workers], [w.join() for w in workers]
    assert found == [2] * 4 and replaced.calls.forward == 4


def test_inside_the_function_the_name_is_the_library_s():
    def forward(x):
        return F.relu(minicnn.from_numpy(x.copy())).numpy() + 1

    with minicnn.replace("relu", forward=forward) as replaced:
        assert F.relu(minicnn.tensor([-1.0, 2.0])).tolist() == [1, 3]
    assert replaced.calls.forward == 1


def test_forward_alone_keeps_the_library_s_backward():
    x = draw(3, 4)
    with minicnn.replace("softmax", forward=softmax) as replaced:
        assert minicnn.gradcheck(lambda x: F.softmax(x, 1), x)
        assert minicnn.gradgradcheck(lambda x: F.softmax(x, 1), x)
        F.softmax(x, 1).sum().backward()
    assert replaced.calls.forward > 1 and replaced.calls.backward == 0


def test_backward_alone_keeps_the_library_s_forward():
    x = minicnn.tensor([-1.0, 2.0], requires_grad=True)
    with minicnn.replace("relu", backward=lambda dy, x: dy * 7) as replaced:
        y = F.relu(x)
        y.sum().backward()
    assert y.tolist() == [0, 2] and x.grad.tolist() == [7, 7]
    assert (replaced.calls.forward, replaced.calls.backward) == (0, 1)


def test_gradcheck_finds_a_wrong_backward():
    with minicnn.replace("tanh", np.tanh, lambda dy, y: dy * (1 - y)):
        with pytest.raises(GradcheckError):
            minicnn.gradcheck(minicnn.tanh, draw(3))


def test_second_derivatives_need_a_backward_in_tensors():
    x = draw(3)
    with minicnn.replace("tanh", np.tanh, lambda dy, y: dy * (1 - y * y)):
        y = minicnn.tanh(x).sum()
        with pytest.raises(GraphError, match=r"tanh: second derivatives.*test_replacement.py:\d+"):
            minicnn.autograd.grad(y, x, create_graph=True)
    with minicnn.replace("tanh", np.tanh, lambda dy, y: dy * (1 - y * y), tensors=True) as replaced:
        assert minicnn.gradgradcheck(minicnn.tanh, x)
    assert replaced.calls.backward > 1


def test_nothing_is_computed_for_a_graph_that_is_not_recorded():
    with minicnn.no_grad(), minicnn.replace("relu", *STUDENT["relu"]):
        assert F.relu(draw(2)).grad_fn is None


# --------------------------------------------------------------- what the functions are given


def test_arrays_are_contiguous_and_read_only():
    seen = []

    def forward(x, w, b, stride, padding):
        seen.extend([x, w, b])
        return conv2d(x, w, b, stride, padding)

    layer = nn.Conv2d(3, 4, 3)
    with minicnn.replace("conv2d", forward=forward):
        layer(layer_input := minicnn.randn(2, 3, 8, 8).permute(0, 1, 3, 2))
    assert all(a.flags.c_contiguous and not a.flags.writeable for a in seen)
    assert not layer_input.is_contiguous()


def test_writing_to_an_input_raises_where_it_happens():
    def forward(x):
        x[x < 0] = 0
        return x

    with minicnn.replace("relu", forward=forward):
        with pytest.raises(ValueError, match="read-only") as caught:
            F.relu(draw(3))
    assert caught.traceback[-1].name == "forward"


def test_a_result_that_is_its_input_is_copied():
    x = minicnn.ones(2)
    with minicnn.replace("relu", forward=lambda x: x):
        y = F.relu(x)
    y.add_(1)
    assert x.tolist() == [1, 1]


def test_geometry_is_a_number_where_rows_and_columns_agree():
    seen = []

    def forward(x, w, b, stride, padding, *others):
        seen.append((stride, padding, *others))
        return conv2d(x, w, b, stride, padding, *others)

    x, w = minicnn.randn(1, 2, 6, 6), minicnn.randn(2, 1, 3, 3)
    with minicnn.replace("conv2d", forward=forward):
        F.conv2d(x, w, None, 2, 1, 1, 2)
        F.conv2d(x, w, None, (2, 1), (0, 1), 1, 2)
    assert seen == [(2, 1, 1, 2), ((2, 1), (0, 1), 1, 2)]


def test_numpy_s_warnings_are_on_inside():
    with minicnn.replace("sigmoid", forward=sigmoid):
        with pytest.warns(RuntimeWarning, match="overflow"):
            minicnn.sigmoid(minicnn.tensor([-1000.0]))


def test_exceptions_come_through_with_their_traceback():
    def forward(x):
        raise LookupError("mine")

    with minicnn.replace("relu", forward=forward) as replaced:
        with pytest.raises(LookupError, match="mine") as caught:
            F.relu(draw(2))
        assert caught.traceback[-1].name == "forward"
        with pytest.raises(LookupError):  # and it is not the library's because of that
            F.relu(draw(2))
    assert replaced.calls.forward == 0


# ------------------------------------------------------------------- what they must return


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: None, r"the result must be a ndarray of shape \(2, 3\); got None \(is its 're"),
        (lambda x: x.tolist(), r"the result must be a ndarray of shape \(2, 3\); got a list"),
        (lambda x: x[:1], r"the result must have shape \(2, 3\); got \(1, 3\)"),
        (lambda x: x.astype("float64"), r"the result must be float32.*got float64.*dtype=x.dtype"),
        (lambda x: x / 0, r"the result has (NaN|infinity), first at \(0, 0\), though all inputs"),
        (lambda x: x * np.float32(np.nan), r"the result has NaN, first at \(0, 0\)"),
    ],
    ids=["none", "list", "shape", "dtype", "infinity", "nan"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_result_that_cannot_be_right_names_the_function_and_its_line(forward, message):
    line = forward.__code__.co_firstlineno
    with minicnn.replace("relu", forward=forward):
        with pytest.raises(ReplacementError, match=message) as caught:
            F.relu(minicnn.randn(2, 3))
    assert f"relu: forward <lambda> ({HERE}:{line})" in str(caught.value)


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda dy, x, w, b: (dy @ w, dy.T @ x), "a gradient for each of x, w, b; it returned 2"),
        (lambda dy, x, w, b: dy, "a gradient for each of x, w, b; it returned 1"),
        (lambda dy, x, w, b: (dy @ w, x.T @ dy, dy.sum(0)),
         r"the gradient of w must have shape \(2, 3\); got \(3, 2\)"),
        (lambda dy, x, w, b: (dy @ w, dy.T @ x, None), "the gradient of b must be a ndarray"),
    ],
    ids=["two", "one", "transposed", "none"],
)  # fmt: skip
def test_a_gradient_that_cannot_be_right_is_named(backward, message):
    with minicnn.replace("linear", linear, backward):
        y = nn.Linear(3, 2)(draw(4, 3).float())
        with pytest.raises(ReplacementError, match=message):
            y.sum().backward()


def test_nan_that_was_there_before_is_nobody_s_fault():
    with minicnn.replace("relu", *STUDENT["relu"]):
        assert F.relu(minicnn.tensor([float("nan")])).isnan().all()


def test_a_loss_may_be_a_python_number():
    with minicnn.replace("cross_entropy", lambda x, t: float(cross_entropy(x, t))):
        loss = F.cross_entropy(minicnn.randn(4, 3), minicnn.tensor(LABELS))
    assert loss.shape == () and loss.dtype == minicnn.float32


def test_a_backward_in_tensors_must_return_tensors():
    x = draw(2)
    with minicnn.replace("tanh", np.tanh, lambda dy, y: y.numpy(), tensors=True):
        with pytest.raises(ReplacementError, match="must be a Tensor of shape"):
            minicnn.tanh(x).sum().backward()


def test_an_option_that_the_function_does_not_take_raises_only_where_it_is_needed():
    x, w = minicnn.randn(1, 2, 5, 5), minicnn.randn(2, 2, 3, 3)
    with minicnn.replace("conv2d", forward=lambda x, w, b: conv2d(x, w, b)):
        F.conv2d(x, w)
        with pytest.raises(ReplacementError, match=r"takes no stride, but is needed with stride=2"):
            F.conv2d(x, w, stride=2)
    with minicnn.replace("conv2d", forward=lambda x, w: conv2d(x, w, None)):
        with pytest.raises(ReplacementError, match=r"takes no b, but is needed with b=an array \("):
            F.conv2d(x, w, minicnn.ones(2))
    with minicnn.replace("cross_entropy", cross_entropy):
        with pytest.raises(ReplacementError, match=r"takes no reduction.*reduction='sum'"):
            F.cross_entropy(minicnn.randn(4, 3), minicnn.tensor(LABELS), reduction="sum")


def test_averages_over_less_than_the_window_raise():
    with minicnn.replace("avg_pool2d", avg_pool2d):
        with pytest.raises(ReplacementError, match=r"divides by all 3 x 3 pixels of a window"):
            F.avg_pool2d(minicnn.randn(1, 1, 5, 5), 3, 1, 1, count_include_pad=False)


# ------------------------------------------------------------------------------- wrong calls


def test_unknown_names_raise_and_the_nearest_is_said():
    with pytest.raises(UnknownNameError, match=r"'conv2' cannot be replaced; .*mean 'conv2d'"):
        minicnn.replace("conv2", forward=conv2d)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("relu", {}, "'relu' is replaced by forward= and/or backward=; got no function"),
        ("relu", {"step": momentum}, "and/or backward=; got step="),
        ("adam", {"forward": adam}, "'adam' is replaced by step=; got forward="),
        ("relu", {"forward": 3}, "forward of 'relu' must be a function, got 3"),
        ("conv2d", {"forward": lambda x: x}, r"called as forward\(x, w, b, stride, padding, dil"),
        ("relu", {"forward": lambda x, y: x}, r"called as forward\(x\), but .* takes \(x, y\)"),
        ("relu", {"backward": lambda: 0}, r"called as backward\(dy, x\), but .* takes \(\)"),
        ("adam", {"step": momentum}, r"called as step\(p, g, m, v, t, lr, beta1, beta2, eps\)"),
    ],
)
def test_functions_that_cannot_be_called_so_raise_at_once(name, given, message):
    with pytest.raises(ReplacementError, match=message):
        minicnn.replace(name, **given)
    assert F.relu(minicnn.tensor([-1.0])).item() == 0


class Doubler:
    def __call__(self, x):
        return x[:1]


@pytest.mark.parametrize("function", [Doubler(), functools.partial(lambda n, x: x[:n], 1)])
def test_objects_and_partial_functions_are_named_by_their_line_too(function):
    with minicnn.replace("relu", function):
        with pytest.raises(ReplacementError, match=r"test_replacement.py:\d+"):
            F.relu(minicnn.ones(2))
