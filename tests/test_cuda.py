"""minicnn on CuPy arrays, as far as a machine without a GPU can tell: see `tests/strict_cupy`."""

from __future__ import annotations

import builtins
import itertools

import numpy as np
import pytest
import strict_cupy
from strict_cupy import watched

import minicnn
from minicnn import nn, optim
from minicnn.backend import cuda, device
from minicnn.data import DataLoader, TensorDataset, prefetch
from minicnn.data.prefetch import on_device
from minicnn.deferred import settle
from minicnn.errors import DeviceError, DimensionError, LabelError, OutOfMemoryError
from minicnn.gpu import find_cupy
from minicnn.nn import functional as F
from minicnn.nn.utils import clip_grad_norm_
from minicnn.training import Trainer

GPU = device("cuda")
pytestmark = pytest.mark.usefixtures("standin")
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((24, 1, 8, 8)).astype("float32")
LABELS = RNG.integers(0, 3, 24)


@pytest.fixture(autouse=True)
def only_the_standin(request):
    if request.config.getoption("--device") == "cuda":
        pytest.skip("the stand-in counts what passes; a GPU does not")


def network(dropout=0.5):
    """Each kind of layer that image classifiers are made of."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4), nn.GELU(), nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.AdaptiveAvgPool2d(3), nn.Dropout(dropout),
        nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip


def step(model, optimizer, x, y, loss_fn=F.cross_entropy):
    loss = loss_fn(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


# ------------------------------------------------------------------------- nothing waits in a step

OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    "Adagrad": {"lr": 0.1},
    "RMSprop": {"lr": 0.01, "momentum": 0.9, "centered": True},
    "Adam": {"lr": 0.01, "amsgrad": True, "weight_decay": 1e-4},
    "AdamW": {"lr": 0.01},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_reads_nothing_and_sends_nothing(name):
    model = network().cuda()
    optimizer = getattr(optim, name)(model.parameters(), **OPTIMIZERS[name])
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    x, y = minicnn.tensor(IMAGES, device="cuda"), minicnn.tensor(LABELS, device="cuda")
    step(model, optimizer, x, y)  # the first makes the optimizer's state and the maps of Upsample
    with watched() as traffic:
        for _ in range(3):
            step(model, optimizer, x, y)
            schedule.step()
    assert not traffic.reads and not traffic.copies, traffic


LOSSES = {
    "cross_entropy-all": lambda y, t: F.cross_entropy(
        y, t, minicnn.ones(3, dtype="float64", device="cuda"), ignore_index=1, label_smoothing=0.1
    ),
    "nll_loss": lambda y, t: F.nll_loss(F.log_softmax(y, 1), t),
    "one_hot": lambda y, t: F.mse_loss(y, F.one_hot(t, 3).to(y.dtype)),
    "mse_loss": lambda y, t: F.mse_loss(y, y.detach() * 0.5),
    "smooth_l1_loss": lambda y, t: F.smooth_l1_loss(y, y.detach() * 0.5),
    "binary": lambda y, t: F.binary_cross_entropy_with_logits(y, (y.detach() > 0).float()),
    "kl_div": lambda y, t: F.kl_div(
        F.log_softmax(y, 1), F.softmax(y.detach() * 2, 1), reduction="sum"
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_read_nothing_and_send_nothing(name):
    y = minicnn.tensor(RNG.standard_normal((24, 3)), device="cuda", requires_grad=True)
    t = minicnn.tensor(LABELS, device="cuda")
    with watched() as traffic:
        LOSSES[name](y, t).backward()
    assert not traffic.reads and not traffic.copies, traffic


def test_clipping_many_gradients_reads_nothing_and_sends_nothing():
    params = [nn.Parameter(minicnn.ones(3, device="cuda")) for _ in range(12)]
    for p in params:
        p.grad = minicnn.ones(3, device="cuda")
    with watched() as traffic:
        norm = nn.utils.clip_grad_norm_(params, 1.0)
    assert not traffic.reads and not traffic.copies, traffic
    np.testing.assert_allclose(norm.cpu().numpy(), 6.0)
    np.testing.assert_allclose(params[11].grad.cpu().numpy(), 1 / 6, rtol=1e-5)


BORDERS = {
    **{mode: nn.Conv2d(1, 2, 3, padding=1, padding_mode=mode) for mode in ("reflect", "circular")},
    "average": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
}


@pytest.mark.parametrize("name", BORDERS)
def test_borders_are_sent_once(name):
    layer, x = BORDERS[name].to("cuda"), minicnn.tensor(IMAGES, device="cuda").requires_grad_()
    layer(x)
    with watched() as traffic:
        layer(x).sum().backward()
    assert not traffic.reads and not traffic.copies, traffic


def test_an_embedding_reads_nothing():
    table = nn.Embedding(10, 4, padding_idx=0).cuda()
    words = minicnn.tensor(LABELS, device="cuda")
    with watched() as traffic:
        table(words).sum().backward()
    assert not traffic.reads and not traffic.copies, traffic


# --------------------------------------------------------------------- what is wrong is found later


def wrong_labels():
    F.cross_entropy(minicnn.zeros(2, 3, device="cuda"), minicnn.tensor([0, 7], device="cuda"))


def wrong_words():
    F.embedding(minicnn.tensor([0, 4], device="cuda"), minicnn.zeros(4, 2, device="cuda"))


def wrong_index():
    minicnn.arange(3, device="cuda")[minicnn.tensor([1, 3], device="cuda")]


def wrong_gather():
    x = minicnn.zeros(3, 2, device="cuda")
    x.gather(0, minicnn.tensor([[0, 5]], device="cuda"))


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (wrong_labels, LabelError, r"labels must lie in 0 to 2.*found 7.*\(on a GPU this is found"),
        (wrong_words, DimensionError, "embedding: indices must lie in 0 to 3 .*found 4"),
        (wrong_index, DimensionError, "index: index 3 is out of bounds for axis 0 with size 3"),
        (wrong_gather, DimensionError, "gather: index 5 is out of bounds along dim 0 of size 3"),
    ],
)
def test_values_out_of_range_raise_when_a_value_is_next_read(function, kind, text):
    with watched() as traffic:
        function()
    assert not traffic.reads
    with pytest.raises(kind, match=text):
        minicnn.ones(1, device="cuda").item()
    settle()  # it is raised once
    function()
    with pytest.raises(kind, match=text):
        cuda.synchronize()


def test_checks_do_not_pile_up():
    x = minicnn.zeros(2, 3, device="cuda")
    y = minicnn.tensor([0, 1], device="cuda")
    with watched() as traffic:
        for _ in range(63):
            F.cross_entropy(x, y)
        assert not traffic.reads
        F.cross_entropy(x, y)
    assert traffic.reads


# --------------------------------------------------------------------------------- the trainer


def test_the_trainer_reads_the_loss_once_per_interval_and_sends_batches_ahead():
    model = network()
    data = TensorDataset(minicnn.from_numpy(IMAGES).cpu(), minicnn.from_numpy(LABELS).cpu())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, device="cuda", log_interval=4)
    trainer.fit(DataLoader(data, 2), 1, verbose=False)
    with watched() as traffic:
        trainer.fit(DataLoader(data, 2), 1, verbose=False)
    reads = [entry.partition(" ")[0] for entry in traffic.reads]
    # For each interval the checks of its labels and its losses; at the end the stream of copies.
    assert sorted(reads) == ["get"] * 3 + ["stream"] + ["tolist"] * 3, traffic
    assert not traffic.copies, traffic
    assert len(traffic.ahead) == 12 * 2


def test_evaluation_and_prediction_send_their_batches_ahead_too():
    model = network()
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), device="cuda")
    with watched() as traffic:
        trainer.evaluate((IMAGES, LABELS), batch_size=8)
        predicted = trainer.predict(IMAGES, batch_size=8)
    assert predicted.device.type == "cuda"
    assert len(traffic.ahead) == 3 * 2 + 3


def test_both_devices_train_alike():
    results = []
    for where in ("cpu", "cuda"):
        minicnn.manual_seed(5)
        with_default = minicnn.get_default_device()
        minicnn.set_default_device("cpu")
        try:
            model = network()
            data = TensorDataset(minicnn.tensor(IMAGES), minicnn.tensor(LABELS))
            optimizer = optim.SGD(model.parameters(), lr=0.1)  # Adam turns rounding into steps
            trainer = Trainer(model, optimizer, device=where, seed=3)
            history = trainer.fit(data, 3, batch_size=6, verbose=False)
        finally:
            minicnn.set_default_device(with_default)
        results.append((history["loss"], model.cpu().state_dict()))
    (losses, weights), (other_losses, other_weights) = results
    np.testing.assert_allclose(losses, other_losses, rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(
            value.numpy(), other_weights[name].numpy(), atol=2e-4, err_msg=name
        )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_dropout_draws_the_same_mask_on_both_devices(function, dtype):
    masks = []
    for where in ("cpu", "cuda"):
        minicnn.manual_seed(1)
        x = minicnn.ones(3, 5, 4, 4, dtype=dtype, device=where)
        masks.append([function(x, 0.3).tolist() for _ in range(2)])
    assert masks[0] == masks[1] and masks[0][0] != masks[0][1]


# ----------------------------------------------------------------------------------- batches ahead


def batches(count, size=2):
    for i in range(count):
        yield [np.full((size, 3), i, "float32"), minicnn.tensor([i] * size, device="cpu"), f"{i}"]


def test_batches_arrive_whole_and_in_order():
    found = list(on_device(batches(5), GPU))
    assert [b[2] for b in found] == ["0", "1", "2", "3", "4"]
    for i, (x, y, _) in enumerate(found):  # kept by the user, none was written over
        assert x.is_cuda and x.tolist() == [[i] * 3] * 2 and y.tolist() == [i, i]


def test_the_next_batch_is_sent_before_this_one_is_given():
    sent = []

    def source():
        for batch in batches(4):
            sent.append(batch[2])
            yield batch

    ahead = on_device(source(), GPU)
    assert next(ahead)[2] == "0" and sent == ["0", "1"]
    assert next(ahead)[2] == "1" and sent == ["0", "1", "2"]
    ahead.close()


def test_copies_wait_for_the_work_before_and_the_work_after_waits_for_them(monkeypatch):
    streams = []
    main = strict_cupy.cuda.get_current_stream()
    main.calls.clear()

    class Stream(strict_cupy.cuda.Stream):
        def __init__(self, **options):
            super().__init__(**options)
            streams.append(self)

    monkeypatch.setattr(strict_cupy.cuda, "Stream", Stream)
    with watched() as traffic:
        ahead = on_device(batches(2), GPU)
        next(ahead), next(ahead)
    (copies,) = streams
    assert copies.is_non_blocking and copies.ptr != main.ptr
    assert copies.calls == ["wait_event", "copy", "copy", "record"] * 2
    assert main.calls == ["record", "record", "wait_event", "wait_event"]
    assert len(traffic.ahead) == 4 and not traffic.copies and not traffic.reads
    ahead.close()
    assert copies.calls[-1] == "synchronize"


def test_a_buffer_is_written_to_again_only_when_it_has_been_read(monkeypatch):
    monkeypatch.setattr(strict_cupy.cuda.Event, "done", False)
    with watched() as traffic:
        list(on_device(batches(5), GPU))
    assert sum(r.startswith("event") for r in traffic.reads) == 3  # the third batch is the first


def test_mappings_and_named_tuples_keep_their_form():
    batch = {"x": np.zeros(2), "rest": (1, [minicnn.ones(1, device="cpu")])}
    (found,) = on_device([batch], GPU)
    assert found["x"].is_cuda and found["rest"][1][0].is_cuda and found["rest"][0] == 1


def test_on_the_cpu_batches_are_taken_as_they_come():
    x = minicnn.ones(2, device="cpu")
    assert next(on_device([[x]], device("cpu")))[0] is x


def test_pin_memory_gives_pinned_batches_which_are_sent_without_another_copy():
    data = TensorDataset(minicnn.tensor(IMAGES, device="cpu"), minicnn.tensor(LABELS, device="cpu"))
    loader = DataLoader(data, 8, pin_memory=True)
    first = next(iter(loader))
    assert all(prefetch.is_pinned(x.array) for x in first)
    assert not prefetch.is_pinned(IMAGES)
    slot_buffers = []
    own = prefetch._Slot._buffer

    def buffer(*arguments):
        slot_buffers.append(arguments)
        return own(*arguments)

    prefetch._Slot._buffer = buffer
    try:
        found = list(on_device(loader, GPU))
    finally:
        prefetch._Slot._buffer = own
    assert not slot_buffers
    np.testing.assert_array_equal(np.concatenate([x.cpu().numpy() for x, _ in found]), IMAGES)


# --------------------------------------------------------------------------------- moving, sharing


def test_tensors_and_modules_move_there_and_back():
    x = minicnn.tensor([1.0, 2.0], device="cpu", requires_grad=True)
    y = (x.cuda() * 3).to("cpu")
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and not x.grad.is_cuda
    assert x.to("cuda:1").device == device("cuda", 1) and x.cuda(1).get_device() == 1
    model = network().to("cuda")
    assert all(p.is_cuda for p in model.parameters()) and all(b.is_cuda for b in model.buffers())
    assert not any(p.is_cuda for p in model.cpu().parameters())


def test_mixed_devices_raise_and_name_both():
    host, there = minicnn.ones(2, device="cpu"), minicnn.ones(2, device="cuda")
    with pytest.raises(DeviceError, match=r"Add: .*\(2,\) on cpu, \(2,\) on cuda:0\. Move them"):
        host + there
    with pytest.raises(DeviceError, match=r"Mul: .*on cuda:0, \(2,\) on cuda:1"):
        there * host.to("cuda:1")
    with pytest.raises(DeviceError, match=r"gather: .*\(2,\) on cuda:0, \(1,\) on cpu"):
        there.gather(0, minicnn.zeros(1, dtype=minicnn.int64, device="cpu"))
    x = there.requires_grad_()
    with pytest.raises(DeviceError, match="gradient is on cpu but the tensor on cuda:0"):
        (x * 2).backward(host)


def test_a_tensor_on_a_gpu_speaks_dlpack_and_cuda_array_interface():
    x = minicnn.arange(3, device="cuda").float()
    assert x.__dlpack_device__() == (2, 0)
    y = minicnn.from_dlpack(x)
    y.array[0] = 7.0
    assert y.is_cuda and x.tolist() == [7.0, 1.0, 2.0]
    facts = x.__cuda_array_interface__
    assert facts["shape"] == (3,) and facts["typestr"] == "<f4" and not facts["data"][1]
    assert facts["data"][0] == x.data_ptr()

    class Foreign:
        array = x.array
        __cuda_array_interface__ = facts

    z = minicnn.as_tensor(Foreign())
    z.array[1] = 8.0
    assert x.tolist() == [7.0, 8.0, 2.0]
    assert not hasattr(x.cpu(), "__cuda_array_interface__")
    with pytest.raises(RuntimeError, match=r"requires a gradient; use tensor\.detach"):
        _ = x.requires_grad_().__cuda_array_interface__


def test_a_checkpoint_of_one_device_is_read_on_the_other(tmp_path):
    model = network().cuda()
    minicnn.save(model.state_dict(), tmp_path / "weights")
    weights = minicnn.load(tmp_path / "weights")
    model.cpu().load_state_dict({k: v.cpu() for k, v in weights.items()})
    twin = network().cuda()
    twin.load_state_dict(weights)
    assert all(p.is_cuda for p in twin.parameters())


# ------------------------------------------------------------------------------ what can be missing


def fail(error):
    def raising(*arguments, **keywords):
        raise error

    return raising


RuntimeFailure = strict_cupy.cuda.CUDARuntimeError
MISSING = {
    "driver": (
        ("cuda.runtime.getDeviceCount", RuntimeFailure("cudaErrorInsufficientDriver: too old")),
        "the NVIDIA driver is missing, or older than CuPy's CUDA: run nvidia-smi",
    ),
    "gpu": (
        ("cuda.runtime.getDeviceCount", RuntimeFailure("cudaErrorNoDevice: no device")),
        "there is no CUDA GPU, or CUDA_VISIBLE_DEVICES hides it",
    ),
    "library": (
        ("matmul", ImportError("libcublas.so.12: cannot open shared object file\nmore")),
        r"a CUDA library is missing: pip install 'cupy-cuda13x\[ctk\]'.*libcublas",
    ),
    "memory": (
        ("ones", strict_cupy.cuda.OutOfMemoryError("Out of memory allocating 512 bytes")),
        "the GPU's memory is full: run nvidia-smi to see which programs hold it",
    ),
    "age": (
        ("matmul", RuntimeFailure("cudaErrorNoKernelImageForDevice: no kernel image")),
        "this GPU is too old for the installed CuPy",
    ),
    "unknown": (("ones", RuntimeError("what is this?")), "CuPy cannot use the GPU .*what is this"),
}


@pytest.mark.parametrize(("broken", "text"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_in_one_line_with_what_to_do(broken, text, monkeypatch, capsys):
    (path, error), place = broken, strict_cupy
    *folders, name = path.split(".")
    for folder in folders:
        place = getattr(place, folder)
    monkeypatch.setattr(place, name, fail(error))
    monkeypatch.setattr(cuda, "_state", None)
    assert not cuda.is_available() and "\n" not in cuda.why_not()
    with pytest.raises(DeviceError, match=f"cuda: no CUDA device can be used. {text}"):
        minicnn.ones(2, device="cuda")
    from minicnn.cli import main

    main(["info"])
    assert "not available: " in capsys.readouterr().out
    assert main(["train", "--device", "cuda", "--epochs", "1", "--out", "never"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("minicnn: error: cuda: no CUDA device") and said.count("\n") == 1


def test_no_device_at_all_is_no_gpu(monkeypatch):
    monkeypatch.setattr(strict_cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    assert find_cupy()[1].startswith("there is no CUDA GPU")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModuleNotFoundError("No module named 'cupy'"), "CuPy is not installed .*pip install"),
        (ImportError("undefined symbol"), "CuPy cannot be imported .undefined symbol"),
    ],
)
def test_a_missing_or_broken_cupy_says_how_to_install_it(error, text, monkeypatch):
    usual = builtins.__import__

    def importing(name, *arguments, **keywords):
        if name == "cupy":
            raise error
        return usual(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", importing)
    monkeypatch.setattr(cuda, "_state", None)
    with pytest.raises(DeviceError, match=text):
        cuda.module()


def test_a_number_too_high_raises():
    with pytest.raises(DeviceError, match="there is no 'cuda:7'; 2 GPUs found"):
        minicnn.ones(1, device="cuda:7")


class Full(MemoryError):
    pass


Full.__name__, Full.__module__ = "OutOfMemoryError", "cupy.cuda.memory"


def test_a_full_gpu_says_which_operation_and_what_to_do(monkeypatch):
    x = minicnn.ones(2, 2, device="cuda", requires_grad=True)
    text = "the GPU's memory is full .Out of memory allocating 9 bytes.*smaller batch"
    y = F.cross_entropy(x, minicnn.tensor([0, 1], device="cuda"))
    monkeypatch.setattr(strict_cupy, "exp", fail(Full("Out of memory allocating 9 bytes")))
    with pytest.raises(OutOfMemoryError, match=f"Exp: {text}"):
        x.exp()
    with pytest.raises(OutOfMemoryError, match=f"CrossEntropy, backward: {text}"):
        y.backward()
    monkeypatch.setattr(strict_cupy, "exp", fail(MemoryError("of the host")))
    with pytest.raises(MemoryError, match="of the host"):
        x.exp()


def test_info_names_the_gpus_and_cupy(capsys):
    from minicnn.cli import main

    assert main(["info"]) == 0
    assert "Stand-in, Stand-in; CuPy 14.2.0" in capsys.readouterr().out


def test_the_command_trains_and_predicts_on_the_device(tmp_path, capsys):
    from minicnn.cli import main

    out = tmp_path / "run"
    assert main(["train", "--device", "cuda", "--epochs", "1", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "on cuda:0" in said and (out / "model.safetensors").exists()


def test_numbers_of_a_mask_are_uniform_and_masks_of_two_keys_are_unrelated():
    from minicnn.kernels.noise import scramble

    def bits(key):
        return scramble(np.arange(1 << 16, dtype=np.uint32), key)

    for key in itertools.product((0, 1, 0xDEADBEEF), repeat=2):
        if key == (0, 0):
            continue  # 0 stays 0 at the first counter
        x = bits(key)
        for shift in (0, 8, 16, 24):
            counts = np.bincount((x >> np.uint32(shift)) & np.uint32(255), minlength=256)
            assert ((counts - 256.0) ** 2 / 256).sum() < 400  # chi-square, 255 degrees of freedom
    a, b = bits((1, 2)) / 2**32, bits((1, 3)) / 2**32
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02 and abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.02
    kept = np.array([(bits((7, k)) >= 2**31).sum() for k in range(64)])
    assert 60 < kept.std() < 200  # binomial: 128; the same in every mask would be 0
