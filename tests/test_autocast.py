"""Mixed precision: which dtype each function runs in, the casts of weights, and derivatives."""

import threading

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.autograd import RULES
from minicnn.errors import AutocastError, DeviceError, UnsupportedError

torch = pytest.importorskip("torch")

HALF = minicnn.float16
HERE = minicnn.get_default_device().type  # where the tests run
ELSEWHERE = {"cpu": "cuda", "cuda": "cpu"}[HERE]


def autocast(**options):
    return minicnn.autocast(HERE, dtype=HALF, **options)


def pair(array, grad=False):
    """The same array as a tensor here and in PyTorch."""
    return minicnn.tensor(array, requires_grad=grad), torch.tensor(array, requires_grad=grad)


def draw(*shape, dtype="float32", seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


# ------------------------------------------------------------------------------ the rules

# Name here -> name in PyTorch's dispatcher, where they differ.
DISPATCHED = {
    "bias_relu": "conv2d",  # the bias of a layer, cast with it
    "_rdiv": "reciprocal",
    "softmin": "softmax",
    "cross_entropy": "nll_loss",
    "normalize": "norm",
    "interpolate": "upsample_nearest2d",
    "linalg_norm": "linalg_vector_norm",
    "vector_norm": "linalg_vector_norm",
    "matrix_norm": "linalg_matrix_norm",
    "vecdot": "linalg_vecdot",
}


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_function_with_a_rule_has_one_in_pytorch(name):
    operator = f"aten::{DISPATCHED.get(name, name)}"
    overloads = [n for n in torch._C._dispatch_get_all_op_names() if n.split(".")[0] == operator]
    has_rule = torch._C._dispatch_has_kernel_for_dispatch_key
    assert any(has_rule(n, "AutocastCUDA") for n in overloads), operator


def test_every_function_with_a_rule_in_pytorch_has_one_here():
    has_rule = torch._C._dispatch_has_kernel_for_dispatch_key
    names = [n for n in torch._C._dispatch_get_all_op_names() if n.startswith("aten::")]
    theirs = {n[6:].split(".")[0] for n in names if has_rule(n, "AutocastCUDA")}
    ours = {n for n in theirs if hasattr(minicnn, n) or hasattr(F, n)}
    # These promote by themselves: mixed dtypes give the widest, with and without a context.
    assert ours - set(RULES) == {"addcmul", "addcdiv"}


X, Y, B = draw(4, 4), draw(4, 4, seed=1), draw(4)
IMAGES, FILTERS = draw(2, 3, 6, 6), draw(4, 3, 3, 3, seed=1)
LOWER = {
    "matmul": ("matmul", X, Y),
    "mm": ("mm", X, Y),
    "bmm": ("bmm", X[None], Y[None]),
    "addmm": ("addmm", B, X, Y),
    "baddbmm": ("baddbmm", X[None], X[None], Y[None]),
    "linear": ("nn.functional.linear", X, Y, B),
    "conv1d": ("nn.functional.conv1d", IMAGES[:, :, 0], FILTERS[:, :, 0]),
    "conv2d": ("nn.functional.conv2d", IMAGES, FILTERS, draw(4)),
    "conv_transpose1d": ("nn.functional.conv_transpose1d", draw(2, 4, 6), FILTERS[:, :, 0]),
    "conv_transpose2d": ("nn.functional.conv_transpose2d", draw(2, 4, 6, 6), FILTERS),
    "prelu": ("nn.functional.prelu", X, B),
}


def find(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.mark.parametrize("name", sorted(LOWER))
@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "mixed"])
def test_products_run_in_float16_as_in_pytorch(name, mixed):
    path, *arrays = LOWER[name]
    if mixed:
        arrays[0] = arrays[0].astype("float16")
    ours, theirs = zip(*(pair(a, grad=True) for a in arrays), strict=True)
    with autocast():
        y = find(minicnn, path)(*ours)
    with torch.autocast("cpu", dtype=torch.float16):
        expected = find(torch, path)(*theirs)
    assert y.dtype == HALF and expected.dtype == torch.float16
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=4e-3, atol=4e-3)
    dy = draw(*y.shape, dtype="float16", seed=2)
    y.backward(minicnn.tensor(dy))
    expected.backward(torch.tensor(dy))
    for x, t in zip(ours, theirs, strict=True):
        assert x.grad.dtype == x.dtype
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, b: x.mv(b),
        lambda x, b: b.addmv(x, b),
        lambda x, b: minicnn.einsum("ij,j->i", x, b),
        lambda x, b: minicnn.linalg.vecdot(x, b),
        lambda x, b: minicnn.linalg.multi_dot([x, x, x]),
    ],
    ids=["mv", "addmv", "einsum", "vecdot", "multi_dot"],
)
def test_products_that_pytorch_casts_on_cuda_alone(function):
    x, b = minicnn.tensor(X), minicnn.tensor(B)
    with autocast():
        y = function(x, b)
    expected = function(x.to(HALF), b.to(HALF))
    assert y.dtype == HALF and np.array_equal(y.detach().numpy(), expected.detach().numpy())


FLOAT32 = {
    "pow": lambda x: x.abs() ** 1.5,
    "base": lambda x: 2.0**x,
    "over": lambda x: 1.0 / x,
    "exp": minicnn.exp,
    "expm1": minicnn.expm1,
    "log": lambda x: x.abs().log(),
    "log2": lambda x: x.abs().log2(),
    "log10": lambda x: x.abs().log10(),
    "log1p": lambda x: x.abs().log1p(),
    "rsqrt": lambda x: x.abs().rsqrt(),
    "reciprocal": lambda x: x.reciprocal(),
    "tan": minicnn.tan,
    "sum": lambda x: x.sum(1),
    "axis": lambda x: x.sum(axis=0),
    "logsumexp": lambda x: x.logsumexp(1),
    "cumsum": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(0),
    "prod": lambda x: x.prod(1),
    "norm": lambda x: x.norm(),
    "vector_norm": lambda x: minicnn.linalg.vector_norm(x, 3),
    "matrix_norm": lambda x: minicnn.linalg.matrix_norm(x),
    "linalg_norm": lambda x: minicnn.linalg.norm(x),
    "softmax": lambda x: F.softmax(x, 1),
    "softmax-method": lambda x: x.softmax(1),
    "log_softmax": lambda x: F.log_softmax(x, dim=1),
    "softmin": lambda x: F.softmin(x, 1),
    "softplus": F.softplus,
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "group_norm": lambda x: F.group_norm(x, 2),
    "rms_norm": lambda x: F.rms_norm(x, (4,)),
    "normalize": F.normalize,
    "interpolate": lambda x: F.interpolate(x[None, None], scale_factor=1.5, mode="bilinear"),
    "mse_loss": lambda x: F.mse_loss(x, x.detach().flip(0)),
    "l1_loss": lambda x: F.l1_loss(x, x.detach().flip(0)),
    "huber_loss": lambda x: F.huber_loss(x, x.detach().flip(0)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, x.detach().flip(0)),
    "kl_div": lambda x: F.kl_div(x, x.detach().abs(), reduction="sum"),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x.detach().flip(0)),
    "cross_entropy": lambda x: F.cross_entropy(x, minicnn.tensor([0, 1, 2, 3])),
    "nll_loss": lambda x: F.nll_loss(x, minicnn.tensor([0, 1, 2, 3])),
    "with_logits": lambda x: F.binary_cross_entropy_with_logits(x, (x > 0).to(x.dtype)),
}


@pytest.mark.parametrize("name", sorted(FLOAT32))
def test_sums_exponentials_and_losses_run_in_float32(name):
    # PyTorch's CPU list is shorter than its CUDA list, so the casts are written out instead.
    function = FLOAT32[name]
    x = minicnn.tensor(draw(4, 4, dtype="float16"), requires_grad=True)
    wide = x.detach().float().requires_grad_()
    with autocast():
        y = function(x)
    expected = function(wide)
    assert y.dtype == minicnn.float32
    # Not only the dtype: float16 inside would be off by 1e-3.
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    y.backward(minicnn.ones_like(y))
    expected.backward(minicnn.ones_like(y))
    assert x.grad.dtype == HALF
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), rtol=2e-3, atol=1e-3)


def test_a_dtype_that_is_asked_for_wins():
    x = minicnn.ones(3, dtype=HALF)
    with autocast():
        assert x.sum(dtype=HALF).dtype == HALF
        assert F.softmax(x, 0, dtype=minicnn.float64).dtype == minicnn.float64


def test_functions_that_need_agreement_take_the_widest():
    x, h = minicnn.ones(3), minicnn.ones(3, dtype=HALF)
    index = minicnn.tensor([0, 1, 2])
    with autocast():
        assert minicnn.dot(x, h).dtype == minicnn.float32
        assert minicnn.dot(h, h).dtype == HALF
        assert minicnn.tensordot(h, x, 1).dtype == minicnn.float32
        assert x.scatter_add(0, index, h).dtype == minicnn.float32
        assert minicnn.cat([x, h]).dtype == minicnn.float32
        assert minicnn.stack([h, x]).dtype == minicnn.float32
        assert minicnn.addcmul(h, x, h).dtype == minicnn.float32


def test_everything_else_runs_in_what_it_gets():
    x, h = minicnn.ones(2, 4), minicnn.ones(2, 4, dtype=HALF)
    with autocast():
        for function in (F.relu, minicnn.sqrt, minicnn.tanh, lambda t: t.mean(), lambda t: t + t):
            assert function(h).dtype == HALF
            assert function(x).dtype == minicnn.float32
        assert (x + h).dtype == minicnn.float32
        assert F.batch_norm(h, None, None, minicnn.ones(4), None, training=True).dtype == HALF


def test_float64_and_integers_are_never_cast():
    x = minicnn.ones(2, 2, dtype=minicnn.float64)
    with autocast():
        assert (x @ x).dtype == minicnn.float64
        assert x.exp().dtype == minicnn.float64
        assert (x.long() @ x.long()).dtype == minicnn.int64


def test_a_rule_does_not_reach_inside_a_function():
    x = minicnn.tensor(draw(3, 3), requires_grad=True)
    with autocast():  # its matrix product is not cast down, because the widest is float32
        assert minicnn.tensordot(x, x, 1).dtype == minicnn.float32


def test_binary_cross_entropy_raises():
    p = minicnn.full((2,), 0.5)
    with autocast(), pytest.raises(AutocastError, match="binary_cross_entropy: not safe inside"):
        F.binary_cross_entropy(p, p)
    with autocast(), autocast(enabled=False):
        assert F.binary_cross_entropy(p, p).dtype == minicnn.float32


def test_in_place_functions_keep_their_dtype():
    x = minicnn.ones(3, dtype=HALF)
    with autocast():
        x.exp_()
    assert x.dtype == HALF


# ------------------------------------------------------------------------------ the context


def test_contexts_nest_and_end():
    x = minicnn.ones(2, 2)
    assert not minicnn.is_autocast_enabled(HERE)
    with autocast():
        assert minicnn.is_autocast_enabled(HERE) and not minicnn.is_autocast_enabled(ELSEWHERE)
        assert minicnn.get_autocast_dtype(HERE) == HALF
        with autocast(enabled=False):
            assert not minicnn.is_autocast_enabled(HERE)
            assert (x @ x).dtype == minicnn.float32
            with autocast():
                assert (x @ x).dtype == HALF
        assert (x @ x).dtype == HALF
    assert (x @ x).dtype == minicnn.float32


def test_a_context_ends_when_an_error_leaves_it():
    x = minicnn.ones(2, 2)
    with pytest.raises(RuntimeError), autocast():
        x @ minicnn.ones(3, 3)
    assert not minicnn.is_autocast_enabled(HERE) and (x @ x).dtype == minicnn.float32


def test_an_error_inside_a_function_leaves_the_context_on():
    x = minicnn.ones(2, 2)
    with autocast():
        with pytest.raises(RuntimeError):
            x @ minicnn.ones(3, 3)
        assert (x @ x).dtype == HALF


def test_autocast_decorates_functions_and_generators():
    x = minicnn.ones(2, 2)

    @autocast()
    def product():
        return x @ x

    @autocast()
    def products():
        yield x @ x
        yield x @ x

    assert product().dtype == HALF
    for y in products():
        assert y.dtype == HALF
        assert (x @ x).dtype == minicnn.float32  # between the steps it is off


def test_one_context_can_be_entered_twice():
    context, x = autocast(), minicnn.ones(2, 2)
    with context as entered:
        assert entered is context
        with context:
            assert (x @ x).dtype == HALF
        assert (x @ x).dtype == HALF
    assert (x @ x).dtype == minicnn.float32


def test_a_context_belongs_to_its_thread():
    found = []
    with autocast():
        thread = threading.Thread(target=lambda: found.append(minicnn.is_autocast_enabled(HERE)))
        thread.start()
        thread.join()
    assert found == [False]


def test_cuda_without_a_gpu_warns_and_does_nothing():
    if minicnn.cuda.is_available():
        pytest.skip("there is a GPU")
    x = minicnn.ones(2, 2)
    with (
        pytest.warns(UserWarning, match="autocast: disabled, because CUDA is not available"),
        minicnn.autocast("cuda"),
    ):
        assert (x @ x).dtype == minicnn.float32
    assert minicnn.get_autocast_dtype("cuda") == HALF


def test_contexts_that_cannot_be_say_why():
    with pytest.raises(UnsupportedError, match="bfloat16, is not supported: NumPy has no bfloat16"):
        minicnn.autocast("cpu")
    with pytest.raises(UnsupportedError, match="dtype bfloat16 is not supported"):
        minicnn.autocast("cpu", dtype="bfloat16")
    with pytest.raises(UnsupportedError, match="dtype float32 is not supported"):
        minicnn.autocast("cpu", dtype=minicnn.float32)
    with pytest.raises(UnsupportedError, match="PyTorch's default for 'cpu'"):
        minicnn.get_autocast_dtype("cpu")
    with pytest.raises(ValueError, match="expected device_type of type str, got Float16"):
        minicnn.autocast(HALF)
    with pytest.raises(DeviceError, match="autocast: 'xpu' is not a device type"):
        minicnn.autocast("xpu")
    minicnn.autocast("cpu", enabled=False)


# ------------------------------------------------------------------------------ casts of weights


def casts_of(weight, function, **options):
    """The number of different float16 copies of `weight` that two calls use."""
    with autocast(**options):
        ys = [function(), function()]
    return len({edge for y in ys for edge in y.grad_fn.edges if edge is not None})


def test_a_weight_is_cast_once_in_the_outermost_context():
    w, x = minicnn.tensor(X, requires_grad=True), minicnn.tensor(Y)
    assert casts_of(w, lambda: x @ w) == 1

    def nested():
        with autocast():
            return x @ w

    assert casts_of(w, nested) == 1
    assert casts_of(w, lambda: x @ w, cache_enabled=False) == 2

    def forgetful():
        minicnn.clear_autocast_cache()
        return x @ w

    assert casts_of(w, forgetful) == 2


def test_the_casts_go_with_the_context():
    w = minicnn.tensor(X, requires_grad=True)
    with autocast():
        assert minicnn.is_autocast_cache_enabled()
        before = w @ w
        del before
    w.data.zero_()
    with autocast():
        assert (w @ w).abs().max() == 0


def test_a_weight_that_was_changed_is_cast_anew():
    w = minicnn.tensor(X, requires_grad=True)
    optimizer = minicnn.optim.SGD([w], lr=1.0)
    with autocast():
        (w @ w).sum().backward()
        optimizer.step()
        assert np.array_equal(
            (w @ minicnn.eye(4)).detach().numpy(),
            (w.detach().to(HALF) @ minicnn.eye(4).to(HALF)).numpy(),
        )


def test_a_weight_that_was_changed_before_any_backward_pass_is_cast_anew():
    w, x = minicnn.tensor(X, requires_grad=True), minicnn.eye(4)
    with autocast():
        before = x @ w
        with minicnn.no_grad():
            w.mul_(2.0)
        assert np.array_equal((x @ w).detach().numpy(), 2 * before.detach().numpy())


def test_a_second_backward_pass_in_one_context_works():
    w, x = minicnn.tensor(X, requires_grad=True), minicnn.tensor(Y)
    with autocast():
        (x @ w).sum().backward()
        once = w.grad.numpy().copy()
        (x @ w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * once)


def test_a_weight_used_under_no_grad_still_gets_its_gradient():
    w, x = minicnn.tensor(X, requires_grad=True), minicnn.tensor(Y)
    with autocast():
        with minicnn.no_grad():
            x @ w
        (x @ w).sum().backward()
    assert w.grad is not None


def test_a_weight_used_twice_gets_both_gradients():
    w, x = minicnn.tensor(X, requires_grad=True), minicnn.tensor(Y)
    with autocast():
        ((x @ w).sum() + (x @ w).sum() * 2.0).backward()
    np.testing.assert_allclose(w.grad.numpy(), 3 * Y.sum(0)[:, None] * np.ones((1, 4)), atol=2e-2)


# ------------------------------------------------------------------------------ derivatives


def test_a_backward_pass_inside_the_context_gives_the_same_gradient():
    grads = []
    for inside in (False, True):
        x = minicnn.tensor(X, requires_grad=True)
        with autocast():
            loss = (x @ minicnn.tensor(Y)).exp().sum()
            if inside:
                loss.backward()
                assert minicnn.is_autocast_enabled(HERE)
        if not inside:
            loss.backward()
        grads.append(x.grad.numpy())
    assert np.array_equal(*grads)


def test_a_backward_pass_runs_outside_of_the_context_it_is_called_in():
    x, seen = minicnn.tensor(X, requires_grad=True), []
    y = (x * 2.0).relu()
    y.register_hook(lambda dy: seen.append(minicnn.is_autocast_enabled(HERE)))
    with autocast():
        y.sum().backward()
    assert seen == [False]


def test_second_derivatives_are_those_of_the_casts_written_out():
    def second(inside):
        x = minicnn.tensor(X, requires_grad=True)
        if inside:
            with autocast():
                y = ((x @ x).tanh() @ x).exp().sum()
                (dx,) = minicnn.autograd.grad(y, x, create_graph=True)
        else:
            h = x.to(HALF)
            y = ((h @ h).tanh() @ h).float().exp().sum()
            (dx,) = minicnn.autograd.grad(y, x, create_graph=True)
        (dx * dx).sum().backward()
        return x.grad

    ours, expected = second(True), second(False)
    assert ours.dtype == minicnn.float32 and np.isfinite(ours.numpy()).all()
    np.testing.assert_allclose(ours.numpy(), expected.numpy(), rtol=1e-2, atol=1e-2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 9, 5)

    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1))


def test_a_network_has_pytorchs_dtypes_loss_and_gradients():
    minicnn.manual_seed(0)
    model, images = Net(), draw(8, 3, 6, 6)
    labels = np.arange(8) % 5
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 5),
    )  # fmt: skip
    for p, t in zip(model.parameters(), theirs.parameters(), strict=True):
        t.data.copy_(torch.tensor(np.ascontiguousarray(p.detach().numpy())))
    with autocast():
        scores = model(minicnn.tensor(images))
        loss = F.cross_entropy(scores, minicnn.tensor(labels))
    with torch.autocast("cpu", dtype=torch.float16):
        expected = torch.nn.functional.cross_entropy(
            theirs(torch.tensor(images)), torch.tensor(labels)
        )
    assert scores.dtype == HALF and loss.dtype == minicnn.float32
    assert abs(loss.item() - expected.item()) < 2e-3
    loss.backward()
    expected.backward()
    for p, t in zip(model.parameters(), theirs.parameters(), strict=True):
        assert p.grad.dtype == minicnn.float32
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=2e-2, atol=2e-3)
    assert model.norm.running_mean.dtype == minicnn.float32
