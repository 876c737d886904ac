"""minicnn on a real GPU: `pytest -m gpu`. What it computes there is what it computes on the CPU.

Without a GPU every test is skipped, and says why. What a machine without one can tell is in
`tests/test_cuda.py`, and in the whole suite run with ``--device cuda-standin``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import gradcases, nn, optim
from minicnn.autograd import grad
from minicnn.backend import cuda
from minicnn.data import DataLoader, TensorDataset, datasets
from minicnn.data.prefetch import on_device
from minicnn.errors import LabelError, OutOfMemoryError
from minicnn.gradcheck.problem import problem_of
from minicnn.models import create
from minicnn.nn import functional as F
from minicnn.tensor import Tensor
from minicnn.training import Trainer

# The rounding of sums of a few dozen terms; TF32, which is off by default, would not pass.
TOLERANCE = {"float64": 1e-10, "float32": 2e-4, "float16": 2e-2}
STEPS, BATCH = 1000, 64


@pytest.fixture(autouse=True)
def gpu():
    if not cuda.is_available():
        pytest.skip(cuda.why_not())


pytestmark = pytest.mark.gpu


def moved(x, where, dtype):
    """Return a tensor or a module on a device, its floats in a dtype; a leaf stays one."""
    if isinstance(x, Tensor):
        y = x.detach().to(where)
        y = y.to(dtype) if y.is_floating_point() else y
        return y.requires_grad_(x.requires_grad)
    return x


def results(case, where, dtype):
    """Return the outputs of a case, and the gradients of all that it is differentiated by."""
    function, inputs = case.build()
    if isinstance(function, nn.Module):
        function = function.to(where, dtype)
    inputs = [moved(x, where, dtype) for x in inputs]
    found = function(*inputs)
    outputs = list(found) if isinstance(found, tuple) else [found]
    used = [y for y in outputs if y.requires_grad]
    wanted = list(problem_of(function, tuple(inputs)).targets.values())
    seeds = [np.cos(np.arange(y.numel())).reshape(y.shape) for y in used]
    seeds = [
        minicnn.tensor(s, dtype=y.dtype, device=where) for s, y in zip(seeds, used, strict=True)
    ]
    gradients = grad(used, wanted, seeds, allow_unused=True)
    return outputs, [g for g in gradients if g is not None]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", gradcases.all_cases(), ids=lambda case: case.name)
def test_every_operation_and_layer_gives_the_same_on_both_devices(case, dtype):
    try:
        host = results(case, "cpu", dtype)
    except (NotImplementedError, TypeError) as error:
        pytest.skip(f"not for {dtype}: {error}")
    device = results(case, "cuda", dtype)
    for expected, found in zip(host, device, strict=True):
        for a, b in zip(expected, found, strict=True):
            assert b.is_cuda and a.dtype == b.dtype
            a, b = a.detach().numpy(), b.detach().cpu().numpy()
            scale = max(1.0, float(np.abs(a.astype("float64")).max(initial=0)))
            tolerance = TOLERANCE[dtype]
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_optimizers_take_the_same_steps(name):
    weights = []
    for where in ("cpu", "cuda"):
        start = np.linspace(-1, 1, 20).reshape(4, 5)
        w = minicnn.tensor(start, device=where, requires_grad=True)
        optimizer = getattr(optim, name)([w], lr=0.01, weight_decay=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            ((w - 0.3) ** 2).sum().backward()
            optimizer.step()
        weights.append(w.detach().cpu().numpy())
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-10)


def digits():
    """The shipped digits, all 1,797, enlarged to 28 x 28."""
    parts = datasets.Digits(train=True), datasets.Digits(train=False)
    images = np.concatenate([part.images for part in parts])
    images = np.pad(images.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
    return images[:, None], np.concatenate([part.labels for part in parts])


def test_a_thousand_steps_of_lenet5_reach_the_accuracy_of_the_cpu():
    images, labels = digits()
    rng = np.random.default_rng(0)
    order = [rng.permutation(1438)[:BATCH] for _ in range(STEPS)]  # the training part
    accuracy = {}
    for where in ("cpu", "cuda"):
        minicnn.manual_seed(0)
        model = create("lenet5", (1, 28, 28), 10).to(where)
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for x, y in on_device(((images[i], labels[i]) for i in order), minicnn.device(where)):
            loss = F.cross_entropy(
                model(minicnn.as_tensor(x, device=where)), minicnn.as_tensor(y, device=where)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        scores = Trainer(model, optimizer).predict(images).cpu().numpy()
        accuracy[where] = float((scores.argmax(1) == labels).mean())
    assert accuracy["cpu"] > 0.98
    assert abs(accuracy["cuda"] - accuracy["cpu"]) <= 0.002, accuracy


def test_dropout_draws_the_same_mask_on_both_devices():
    masks = []
    for where in ("cpu", "cuda"):
        minicnn.manual_seed(1)
        masks.append(F.dropout(minicnn.ones(64, 3, 8, 8, device=where), 0.3).cpu().numpy())
    np.testing.assert_array_equal(*masks)


def test_batches_sent_ahead_arrive_whole_while_the_gpu_is_busy():
    sent = [np.full((256, 1024), i, "float32") for i in range(50)]
    w = minicnn.randn(1024, 1024, device="cuda")
    found = []
    for (x,) in on_device(([a] for a in sent), minicnn.device("cuda")):
        for _ in range(5):
            w = (w @ w).tanh()
        found.append(x)
    for i, x in enumerate(found):
        assert bool((x == i).all().item())


def test_a_loader_with_pinned_memory_gives_what_one_without_gives():
    data = TensorDataset(minicnn.arange(1000, device="cpu"))
    for pin in (False, True):
        loader = DataLoader(data, 64, pin_memory=pin)
        found = [x.to("cuda", non_blocking=True) for (x,) in loader]
        assert np.concatenate([x.cpu().numpy() for x in found]).tolist() == list(range(1000))


def test_memory_is_shared_with_cupy():
    cupy = pytest.importorskip("cupy")
    x = minicnn.arange(4, device="cuda").float()
    for y in (cupy.asarray(x), cupy.from_dlpack(x)):
        y += 1
    assert x.tolist() == [2.0, 3.0, 4.0, 5.0]
    array = cupy.zeros(3)
    for z in (minicnn.as_tensor(array), minicnn.from_dlpack(array)):
        z.add_(1)
    assert array.get().tolist() == [2.0, 2.0, 2.0]


def test_memory_is_shared_with_pytorch():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no GPU")
    x = minicnn.arange(4, device="cuda").float()
    for y in (torch.as_tensor(x, device="cuda"), torch.from_dlpack(x)):
        assert y.is_cuda
        y += 1
    torch.cuda.synchronize()
    assert x.tolist() == [2.0, 3.0, 4.0, 5.0]
    t = torch.zeros(3, device="cuda")
    for z in (minicnn.as_tensor(t), minicnn.from_dlpack(t)):
        assert z.is_cuda
        z.add_(1)
    cuda.synchronize()
    assert t.tolist() == [2.0, 2.0, 2.0]


def test_labels_out_of_range_raise_when_a_value_is_read():
    F.cross_entropy(minicnn.zeros(2, 3, device="cuda"), minicnn.tensor([0, 7], device="cuda"))
    with pytest.raises(LabelError, match="labels must lie in 0 to 2"):
        cuda.synchronize()


def test_full_memory_is_said_in_one_line():
    cupy = cuda.module()
    x = minicnn.zeros(1, device="cuda")
    enough = cupy.cuda.Device().mem_info[1] // 4 + 1  # more float32 numbers than fit
    with pytest.raises(OutOfMemoryError, match="the GPU's memory is full"):
        x.expand(enough).clone()
