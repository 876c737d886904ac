"""A captured step: what is captured when, what is fed anew, and what is refused.

Without a GPU, a stream that captures is played on the stand-in for CuPy. What runs during a capture
is undone, as nothing of it would have run; a graph that is launched runs the step again, on the
buffers that were captured, and writes its results where the first ones lie.
"""

import contextlib
import copy
import types

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn, optim
from minicnn.autograd.modes import thread
from minicnn.errors import (
    ArgumentError,
    CaptureError,
    DeviceError,
    OutOfMemoryError,
    ShapeError,
)


def of_cupy(function):
    """Return `function` as one of CuPy's: messages say where the user's code is."""
    named = {**globals(), "__name__": "cupy"}
    return types.FunctionType(function.__code__, named, closure=function.__closure__)


class Again:
    """The recorder of a step that is run again: it hands out the buffers of the capture."""

    capturing = True

    def __init__(self, recording):
        self.buffers = iter([feed.buffer for feed in recording.feeds])

    def assume(self, read):
        pass

    def feed(self, read):
        return next(self.buffers)

    number = feed


class Graph:
    def __init__(self, player, recording):
        self.player, self.recording = player, recording

    def launch(self, stream=None):
        self.player.calls.append("launch")
        thread.recorder = Again(self.recording)
        try:
            result = self.player.step(*self.recording.inputs)
        finally:
            thread.recorder = None
        for kept, new in zip(flat(self.recording.result), flat(result), strict=True):
            kept.array[...] = new.array


def flat(result):
    if isinstance(result, minicnn.Tensor):
        return [result]
    if isinstance(result, dict):
        result = result.values()
    return [x for one in result or () for x in flat(one)]


class Player:
    """CUDA's captures, played: `tensors` gives all that a step changes, `calls` what was called."""

    def __init__(self):
        self.calls, self.tensors, self.step = [], list, None
        self.pinned = self.allocator = "usual"
        self.kept = 1  # bytes that CuPy keeps for arrays to come

    def begin(self, stream):
        self.calls.append("begin")
        assert self.allocator == "private" and self.pinned != "usual" and not self.kept
        self.before = [(x.array, x.array.copy()) for x in self.tensors()]

    def end(self, stream):
        self.calls.append("end")
        for array, then in self.before:
            array[...] = then
        return Graph(self, thread.recorder)


@pytest.fixture
def player(standin, monkeypatch):
    cuda, player = standin.cuda, Player()

    @contextlib.contextmanager
    def using_allocator(allocator):
        before, player.allocator = player.allocator, allocator
        try:
            yield
        finally:
            player.allocator = before

    def set_pinned_memory_allocator(allocator):
        player.pinned = allocator

    def free_all_blocks():
        player.kept = 0

    def pool(name):
        return lambda: types.SimpleNamespace(malloc=name, free_all_blocks=free_all_blocks)

    def asarray(x):
        if isinstance(x, np.ndarray) and player.pinned != "usual":
            player.pinned(x.nbytes)
        return plain(x)

    plain = standin.asarray
    monkeypatch.setattr(standin, "asarray", of_cupy(asarray))
    monkeypatch.setattr(standin, "get_default_memory_pool", pool("usual"))
    monkeypatch.setattr(standin, "get_default_pinned_memory_pool", pool("usual"))
    for name, value in {
        "using_allocator": using_allocator,
        "set_pinned_memory_allocator": set_pinned_memory_allocator,
        "MemoryPool": pool("private"),
    }.items():
        monkeypatch.setattr(cuda, name, value, raising=False)
    monkeypatch.setattr(cuda.Stream, "begin_capture", lambda s: player.begin(s), raising=False)
    monkeypatch.setattr(cuda.Stream, "end_capture", lambda s: player.end(s), raising=False)
    return player


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.drop(F.relu(self.norm(self.conv(x))).flatten(1)))


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
}


def train(player, make, captured, scaled=False, steps=8, reload=False):
    """Train a network with dropout and a schedule; return the losses, and what was learned.

    `reload`: on the way, go back to what the optimizer remembered of the first steps.
    """
    minicnn.manual_seed(0)
    model = Net().to("cuda")
    optimizer = make(model.parameters())
    schedule = optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    scaler = minicnn.GradScaler("cuda", init_scale=8.0, growth_interval=2, enabled=scaled)
    images = minicnn.randn(steps, 4, 1, 4, 4)
    labels = minicnn.tensor(np.arange(steps * 4).reshape(steps, 4) % 3)

    def step(x, t):
        optimizer.zero_grad()
        with minicnn.autocast("cuda", enabled=scaled):
            loss = F.cross_entropy(model(x), t)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    def tensors():
        states = [x for s in optimizer.state.values() for x in s.values()]
        extra = [x for x in (scaler._scale, scaler._growth_tracker) if x is not None]
        return [*model.state_dict().values(), *states, *extra]

    player.step, player.tensors = step, tensors
    run, losses = minicnn.cuda.graph(step) if captured else step, []
    for i, (x, t) in enumerate(zip(images.to("cuda"), labels.to("cuda"), strict=True)):
        if reload and i == 2:
            early = copy.deepcopy(optimizer.state_dict())
        if reload and i == 5:
            optimizer.load_state_dict(early)
        losses.append(run(x, t))
        schedule.step()
    learned = [x.cpu().numpy() for x in model.state_dict().values()]
    count = [s["step"].item() for s in optimizer.state.values() if "step" in s]
    return [x.item() for x in losses], learned, count, scaler.get_scale()


@pytest.mark.parametrize("scaled", [False, True], ids=["float32", "mixed"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_captured_step_trains_as_the_step_itself(player, optimizer, scaled):
    make = OPTIMIZERS[optimizer]
    expected = train(player, make, captured=False, scaled=scaled)
    player.calls.clear()
    found = train(player, make, captured=True, scaled=scaled)
    assert player.calls == ["begin", "end", *["launch"] * 5]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert found[2:] == expected[2:]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_captured_step_goes_on_from_a_state_that_is_loaded(player, optimizer):
    make = OPTIMIZERS[optimizer]
    expected = train(player, make, captured=False, reload=True)
    player.calls.clear()
    found = train(player, make, captured=True, reload=True)
    assert player.calls == ["begin", "end", "launch", "launch"] * 2
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    assert found[2:] == expected[2:]


def doubled(player, **options):
    step = minicnn.cuda.graph(lambda x, *rest: x * 2.0, **options)
    player.step = step.step
    return step


def ones(*shape):
    return minicnn.ones(*shape, device="cuda")


def test_the_first_calls_run_as_they_are_and_each_shape_is_captured_once(player):
    step = doubled(player, warmup=2)
    for _ in range(3):
        for shape in ((2,), (3,)):
            assert step(ones(*shape)).cpu().numpy().tolist() == [2.0] * shape[0]
    assert player.calls == ["begin", "end", "launch"] * 2
    step(ones(3))
    assert player.calls[6:] == ["launch"]


def test_other_inputs_are_part_of_what_is_captured(player):
    step = minicnn.cuda.graph(lambda x, factor: x * factor, warmup=1)
    player.step = step.step
    for factor in (2.0, 3.0, 2.0, 3.0):
        assert step(ones(1), factor).item() == factor
    assert player.calls.count("begin") == 2


def test_results_are_copies_in_the_form_they_had(player):
    step = minicnn.cuda.graph(lambda x: {"a": [x * 2.0], "b": (x, None)}, warmup=1)
    player.step = step.step
    step(ones(1))
    first, second = step(ones(1)), step(ones(1) * 5.0)
    assert first["a"][0].item() == 2.0 and second["a"][0].item() == 10.0
    assert first["b"][0].item() == 1.0 and first["b"][1] is None


def test_another_option_or_another_state_has_the_step_captured_again(player):
    w = minicnn.ones(1, device="cuda", requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5, momentum=0.0)

    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    player.step, player.tensors = step, lambda: [w]
    run = minicnn.cuda.graph(step, warmup=2)
    for _ in range(3):
        run(ones(1))
    assert player.calls.count("begin") == 1
    optimizer.param_groups[0]["lr"] = 0.25  # not an option that is captured
    run(ones(1))
    assert player.calls == ["begin", "end", "launch", "launch"] and w.item() == -0.75
    optimizer.param_groups[0]["weight_decay"] = 0.1
    run(ones(1))  # as it is, in case that there is new state to make
    assert len(player.calls) == 4
    run(ones(1))
    assert player.calls[4:] == ["begin", "end", "launch"]
    optimizer.load_state_dict(optimizer.state_dict())
    run(ones(1)), run(ones(1))
    assert player.calls[7:] == ["begin", "end", "launch"]


def test_checks_of_labels_in_a_capture_are_not_looked_at_later(player):
    step = minicnn.cuda.graph(lambda x, t: F.cross_entropy(x, t), warmup=1)
    player.step = step.step
    labels = minicnn.tensor([0, 1], device="cuda")
    step(ones(2, 3), labels).item()
    recording = next(iter(step._recordings.values()))
    recording.capture(step.step, (ones(2, 3), labels * 7), step._place)
    minicnn.cuda.synchronize()  # would raise


def test_on_the_cpu_the_step_just_runs():
    step = minicnn.cuda.graph(lambda x: x * 2.0)
    assert [step(minicnn.ones(1, device="cpu")).item() for _ in range(5)] == [2.0] * 5
    assert not step._recordings


def test_the_function_keeps_its_name():
    @minicnn.cuda.graph
    def step(x):
        """Train."""

    assert step.__name__ == "step" and step.__doc__ == "Train."
    assert repr(step).startswith("graph(<function") and repr(step).endswith("warmup=3)")


# ------------------------------------------------------------------------------ what is refused


def test_sending_a_host_array_names_the_function(player):
    step = minicnn.cuda.graph(lambda x: x + minicnn.tensor([1.0], device="cuda"), warmup=1)
    step(ones(1))
    with pytest.raises(CaptureError, match=r"graph: tensor, called in .*test_cuda_graph\.py, line"):
        step(ones(1))
    with pytest.raises(CaptureError, match="sends an array from the host to the GPU, the same in"):
        step(ones(1))
    assert player.pinned == "usual" and player.allocator == "usual"
    assert thread.recorder is None


@pytest.mark.parametrize("before_dropout", [False, True])
def test_random_numbers_that_no_run_would_draw_anew_are_refused(player, before_dropout):
    def step(x):
        if not before_dropout:
            x = F.dropout(x)
        factor = minicnn.default_generator.numpy.random()  # a number becomes part of the graph
        return F.dropout(x * factor) if before_dropout else x * factor

    run = minicnn.cuda.graph(step, warmup=1)
    run(ones(4))
    with pytest.raises(CaptureError, match="draws random numbers on the host other than those of"):
        run(ones(4))


def test_reading_from_the_device_names_the_function(player, monkeypatch):
    def get(self, *arguments, **keywords):
        raise RuntimeError("operation not permitted when stream is capturing")

    def step(x):
        if thread.recorder.capturing:
            monkeypatch.setattr(standin, "asnumpy", of_cupy(get))
        return x.sum().item()

    import cupy as standin

    run = minicnn.cuda.graph(step, warmup=1)
    run(ones(1))
    with pytest.raises(
        CaptureError, match=r"graph: item, .*reads from the GPU or waits \(operation"
    ):
        run(ones(1))
    assert player.calls == ["begin", "end"]  # what was begun is ended, or the stream stays unusable


def test_a_full_memory_is_said_to_be_full(player):
    error = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})

    def step(x):
        if thread.recorder.capturing:
            raise error("Out of memory allocating 9 bytes")

    run = minicnn.cuda.graph(step, warmup=1)
    run(ones(1))
    with pytest.raises(OutOfMemoryError, match="graph: the GPU's memory is full"):
        run(ones(1))


def test_a_mistake_in_the_step_is_its_own(player):
    step = minicnn.cuda.graph(
        lambda x: x @ minicnn.cat([x, x]) if thread.recorder.capturing else x, warmup=1
    )
    step(ones(2))
    with pytest.raises(ShapeError, match="matmul"):
        step(ones(2))


def test_a_step_inside_a_step_is_refused(player):
    inner = minicnn.cuda.graph(lambda x: x)
    with pytest.raises(CaptureError, match="cannot be called inside another one"):
        minicnn.cuda.graph(lambda x: inner(x))(ones(1))


def test_inputs_that_cannot_be_captured_are_named(player):
    step = minicnn.cuda.graph(lambda *x: x[0])
    with pytest.raises(DeviceError, match="input 1 is on the CPU but others on the GPU"):
        step(ones(1), minicnn.ones(1, device="cpu"))
    with pytest.raises(ArgumentError, match="input 1 is a list; inputs are tensors, one by one"):
        step(ones(1), [ones(1)])
    with pytest.raises(ArgumentError, match="warmup must be at least 1, got 0"):
        minicnn.cuda.graph(lambda x: x, warmup=0)


# ------------------------------------------------------------------------------ on a GPU


def on_gpu():
    if not minicnn.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.mark.gpu
@pytest.mark.parametrize("scaled", [False, True], ids=["float32", "mixed"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_on_a_gpu_a_captured_step_trains_as_the_step_itself(optimizer, scaled):
    on_gpu()
    nobody = types.SimpleNamespace()
    expected = train(nobody, OPTIMIZERS[optimizer], captured=False, scaled=scaled, steps=20)
    found = train(nobody, OPTIMIZERS[optimizer], captured=True, scaled=scaled, steps=20)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-2 if scaled else 1e-3, atol=1e-3)
    assert found[2:] == expected[2:]


@pytest.mark.gpu
def test_on_a_gpu_reading_and_sending_are_refused_and_the_stream_lives_on():
    on_gpu()
    sending = minicnn.cuda.graph(lambda x: x + minicnn.tensor([1.0], device="cuda"), warmup=1)
    reading = minicnn.cuda.graph(lambda x: x * x.sum().item(), warmup=1)
    for step in (sending, reading):
        step(ones(1))
        with pytest.raises(CaptureError, match="cannot be captured"):
            step(ones(1))
        step.step(ones(1)).item()
    fine = minicnn.cuda.graph(lambda x: x * 2.0, warmup=1)
    assert [fine(ones(1) * i).item() for i in range(4)] == [0.0, 2.0, 4.0, 6.0]


@pytest.mark.gpu
def test_on_a_gpu_matrix_products_are_captured():
    on_gpu()
    a = minicnn.randn(64, 64, device="cuda")
    step = minicnn.cuda.graph(lambda x: (x @ a, x.half() @ a.half()), warmup=1)
    for i in range(4):
        x = a * float(i)
        for y, expected in zip(step(x), (x @ a, x.half() @ a.half()), strict=True):
            np.testing.assert_array_equal(y.cpu().numpy(), expected.cpu().numpy())


@pytest.mark.gpu
def test_on_a_gpu_convolutions_with_many_filters_are_captured():
    on_gpu()
    w = minicnn.randn(256, 256, 3, 3, device="cuda", requires_grad=True)

    def step(x):
        y = F.conv2d(F.conv2d(x, w, padding=1), w, padding=1)
        return y.detach(), *minicnn.autograd.grad(y.sum(), w)

    run = minicnn.cuda.graph(step, warmup=1)
    for i in range(1, 5):
        x = minicnn.randn(2, 256, 6, 5, device="cuda") * float(i)
        for y, expected in zip(run(x), step(x), strict=True):
            y, expected = y.cpu().numpy(), expected.cpu().numpy()
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4 * abs(expected).max())
