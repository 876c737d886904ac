"""The benchmark suite: that it runs, refuses to time engines that disagree, and reports."""

import argparse
import json
import math
import subprocess
import sys
import types

import pytest
from test_cuda_graph import player  # noqa: F401  (a fixture)

pytest.importorskip("benchmarks")

import minicnn
from benchmarks import kernel_times, measure, on_gpu, report
from benchmarks.engines import ON_GPU, Fed, TorchLike, make
from benchmarks.operations import OPERATIONS, OPTIMIZERS
from benchmarks.precision_engine import PRECISIONS
from benchmarks.worker import Gpu
from benchmarks.workloads import WORKLOADS
from minicnn import kernels

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def the_usual_precision():
    """Engines set it for their whole process, and some run in this one."""
    yield
    minicnn.backends.cuda.matmul.allow_tf32, minicnn.backends.cudnn.allow_tf32 = False, True


def test_the_command_measures_and_writes(tmp_path):
    arguments = ["lenet5-latency", "--engines", "minicnn", "minicnn-reference", "--steps", "2"]
    files = ["--json", str(tmp_path / "new" / "a.json"), "--plot", str(tmp_path / "a.png")]
    command = [sys.executable, "-m", "benchmarks", *arguments, *files]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "LeNet-5, batch 1: inference, batch 1, no gradient, float32" in out
    assert "no plot" in out  # it shows ratios to PyTorch
    found = json.loads((tmp_path / "new" / "a.json").read_text())
    assert found["machine"]["threads"] == 2
    for summary in found["workloads"]["lenet5-latency"].values():
        assert 0 < summary["q1_s"] <= summary["median_s"] <= summary["q3_s"] < 60
        assert summary["memory_bytes"] > 10 << 20
        assert "time_over_pytorch" not in summary  # PyTorch was not asked for


def test_an_unknown_name_is_an_error():
    command = [sys.executable, "-m", "benchmarks", "lenet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "lenet is not known; known are lenet5" in result.stderr


@pytest.mark.parametrize("name", ["lenet5", "keras", "resnet20"])
def test_the_tuned_and_the_reference_engine_agree(name):
    small = f"{name}@4"
    tuned, reference = make("minicnn", small, 2), make("minicnn-reference", small, 2)
    reference.load(tuned.weights())
    assert tuned.check()[:4] == pytest.approx(reference.check()[:4], rel=1e-3, abs=1e-3)


def test_a_workload_can_have_another_batch_size_or_a_loader():
    assert make("minicnn", "lenet5@3", 1).x.shape == (3, 1, 28, 28)
    fed = make("minicnn", "cifar@2+0", 1)
    assert isinstance(fed, Fed) and math.isfinite(fed.step()) and fed.x.shape == (2, 3, 32, 32)


class FakeProcess:
    """An engine that answers a check with given values."""

    def __init__(self, values):
        self.case, self.values = measure.Case("engine", "case:forward", 1), values

    def ask(self, command):
        return {"values": self.values}

    def close(self):
        self.values = None


@pytest.mark.parametrize("wrong", [2.01, math.nan], ids=["far", "nan"])
def test_engines_that_disagree_are_not_timed(wrong):
    good, bad = FakeProcess([1.0, 2.0, 3.0, 4.0, 5.0]), FakeProcess([1.0, wrong, 3.0, 4.0, 5.0])
    measure._agree({"one": good, "other": good})
    with pytest.raises(measure.Disagreement, match="disagree on case:forward"):
        measure._agree({"one": good, "other": bad})
    left, failed = {"one": good, "other": bad}, {}
    measure._agree(left, failed)
    assert left == {"one": good} and "disagree" in failed["other"] and bad.values is None


def test_no_engine_is_made_before_every_process_has_started(monkeypatch):
    told = []

    class Told:
        seconds, memory = [1.0] * 3, 0

        def __init__(self, case):
            pass

    for name in ("started", "make", "warm_up", "measure", "close"):
        setattr(Told, name, lambda self, name=name: told.append(name))
    monkeypatch.setattr(measure, "Process", Told)
    case = measure.Case("minicnn", "lenet5", 1)
    measure.measure({"one": case, "other": case}, 3, compare=False)
    assert told[:4] == ["started"] * 2 + ["make"] * 2


def test_ratios_are_to_pytorch(tmp_path):
    seconds = {"pytorch": [2.0, 4.0, 6.0], "minicnn": [1.0, 1.0, 1.0]}
    results = {e: {"seconds": s, "memory": 100} for e, s in seconds.items()}
    summary = measure.summarise(results)
    assert summary["minicnn"]["time_over_pytorch"] == 0.25
    found = {
        "cifar": summary,
        "lenet5": measure.summarise({**results, "minicnn": results["pytorch"]}),
    }
    assert report.geometric_mean(found) == pytest.approx(0.5)
    assert "0.25" in report.table("cifar", summary)


@pytest.mark.parametrize("case", [*(f"{n}:backward" for n in OPERATIONS if "512" not in n)])
def test_every_operation_runs_forward_and_backward(case):
    values = make("minicnn", case, 2).check()
    assert len(values) >= 2 and all(math.isfinite(v) for v in values)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_runs(name):
    assert math.isfinite(make("minicnn", f"{name}:step", 1).check()[0])


def test_every_workload_names_an_optimizer_and_a_network_that_fit():
    for workload in WORKLOADS.values():
        assert workload.image[0] in (1, 3) and workload.optimizer[0] in ("Adam", "SGD")
    assert TorchLike("minicnn", WORKLOADS["lenet5-latency"], 1).model.training is False


# ---- on a GPU


def command(*arguments):
    line = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.skipif(minicnn.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so_and_nothing_is_measured(tmp_path):
    path = tmp_path / "a.json"
    result = command("lenet5", "--device", "cuda", "--engines", "minicnn", "--json", str(path))
    assert (result.returncode, result.stdout) == (2, "") and not path.exists()
    assert result.stderr.startswith("nothing was measured: minicnn: ")
    assert result.stderr.count("\n") == 1


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(on_gpu.importlib.util, "find_spec", lambda name: None)
    assert on_gpu.inquire(["pytorch"])["why_not"].startswith("torch is not installed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["operations", "--device", "cuda"],
            "operations is not measured on a GPU; known are lenet5",
        ),
        (["--device", "cuda", "--engines", "dezero"], "dezero does not run on cuda; there are pyt"),
        (["--engines", "minicnn-captured"], "minicnn-captured does not run on cpu"),
        (["--precisions", "tf32"], "--precisions and --budget go with --device cuda"),
    ],
    ids=["part", "engine", "captured-on-cpu", "precision-on-cpu"],
)
def test_arguments_that_do_not_fit_the_device_are_errors(arguments, message):
    result = command(*arguments)
    assert result.returncode == 2 and message in result.stderr


def test_the_gpu_is_given_six_workloads_and_two_large_batches_at_each_precision():
    cases = on_gpu.plan([], list(PRECISIONS))
    assert len(cases) == 24 and cases[:3] == [("lenet5", p) for p in ("fp32", "tf32", "mixed")]
    parts = "lenet5 cifar keras resnet20 vgg11 large cifar@512 resnet20@512"
    assert [name for name, precision in cases if precision == "fp32"] == parts.split()
    assert on_gpu.plan(["vgg11@256"], ["mixed"]) == [("vgg11@256", "mixed")]
    for wrong in ("lenet5-latency", "cifar@many", "cifar@0"):
        with pytest.raises(ValueError, match=f"{wrong} is not measured on a GPU"):
            on_gpu.plan([wrong], ["fp32"])


def made_up(seconds):
    results = {e: {"seconds": [s, s, s], "memory": 64 << 20} for e, s in seconds.items()}
    return measure.summarise(results)


def test_the_bars_name_what_is_met_and_what_was_not_measured():
    found = [
        ("lenet5", "fp32", made_up({"pytorch": 2e-3, "minicnn": 1e-3, "minicnn-captured": 3e-3})),
        ("vgg11", "tf32", made_up({"pytorch": 2e-3, "minicnn": 2.5e-3, "minicnn-captured": 4e-3})),
        ("resnet20", "mixed", made_up({"pytorch": 4e-3, "minicnn": 6.4e-3})),
    ]
    cases = [{"workload": w, "precision": p, "engines": e} for w, p, e in found]
    lines = "\n".join(on_gpu.bars(cases))
    assert "LeNet-5, fp32: at most 1.0: 1.50 (minicnn-captured): not met" in lines
    assert "VGG-11 with batch norm, tf32: at most 1.5: 1.25 (minicnn): met" in lines
    assert "CIFAR network, fp32: at most 1.0: not measured" in lines
    assert "at least 25,000 images/s: 20,000: not met" in lines
    assert "at least 25,000 images/s: not measured" in on_gpu.bars([])[-1]


def test_a_run_prints_reasons_keeps_to_its_budget_and_saves(monkeypatch, tmp_path, capsys):
    machine = {
        "gpu": "H",
        "driver": "1",
        "processor": "P",
        "cores": 1,
        "python": "3",
        "versions": {},
    }
    monkeypatch.setattr(on_gpu, "inquire", lambda engines: machine)
    now = [0.0]
    monkeypatch.setattr(on_gpu, "time", types.SimpleNamespace(
        monotonic=lambda: now[0], strftime=lambda form: "2026-01-01",
    ))  # fmt: skip
    shares = []

    def fake(cases, steps, until, failed):
        shares.append(until - now[0])
        now[0] += 60
        failed["minicnn-captured"] = "check: CaptureError: it reads"
        return {e: {"seconds": [1e-3] * 3, "memory": 0} for e in ("pytorch", "minicnn")}

    monkeypatch.setattr(measure, "measure", fake)
    cases = [("cifar@512", p) for p in PRECISIONS]
    files = argparse.Namespace(json=str(tmp_path / "a.json"), plot=str(tmp_path / "a.png"))
    assert on_gpu.run(cases, list(on_gpu.ENGINES), 5, 90.0, files) == 0
    assert shares == [30.0, 15.0]
    out = capsys.readouterr().out
    assert "CIFAR network: training step, batch 512, SGD, fp32 with TF32" in out
    assert "minicnn-captured: left out. check: CaptureError: it reads" in out and "512000" in out
    assert "all: left out. the budget of 90 s was spent" in out
    saved = json.loads((tmp_path / "a.json").read_text())
    assert [c["precision"] for c in saved["cases"]] == list(PRECISIONS)
    assert saved["cases"][0]["engines"]["minicnn"]["time_over_pytorch"] == 1.0
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_processes_compare_at_a_precision_and_one_that_fails_is_left_out():
    engines = [*ON_GPU[1:3], *(["pytorch"] if measure.is_installed("pytorch") else [])]
    cases = {e: measure.Case(e, "lenet5@4", 1, "cpu", "mixed") for e in engines}
    failed = {}
    results = measure.measure(
        {**cases, "bad": measure.Case("minicnn", "none", 1)}, 3, failed=failed
    )
    assert failed == {"bad": "make: KeyError: 'none'"} and list(results) == engines
    with pytest.raises(measure.Failed, match="make: KeyError: 'none'"):
        measure.measure({"bad": measure.Case("minicnn", "none", 1)}, 3)
    with pytest.raises(measure.Failed, match="its process ended with code"):
        measure.measure({"bad": measure.Case("none", "lenet5", 1, "cuda")}, 3)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["keras@2", "resnet20@2"])
def test_on_the_stand_in_for_cupy_an_engine_gives_what_it_gives_on_the_cpu(
    standin, name, precision
):
    host, device = (make("minicnn", name, 1, where, precision) for where in ("cpu", "cuda"))
    device.load(host.weights())
    near, _ = measure.TOLERANCES[precision]
    assert device.check()[:4] == pytest.approx(host.check()[:4], rel=near, abs=near)
    with standin.watched() as traffic:
        device.step()
    assert not traffic.reads


def test_a_captured_engine_replays_what_the_eager_one_does(player):  # noqa: F811
    eager, captured = (make(e, "lenet5@2", 1, "cuda", "mixed") for e in ON_GPU[1:3])
    captured.load(eager.weights())
    player.step = captured.eager
    state = captured.optimizer.state
    player.tensors = lambda: [
        *captured.model.state_dict().values(),
        *(x for s in state.values() for x in s.values()),
        *(captured.scaler._scale, captured.scaler._growth_tracker),
    ]
    assert captured.check() == pytest.approx(eager.check(), rel=1e-4)
    assert player.calls == ["begin", "end", *["launch"] * 3]


def test_a_step_is_captured_again_when_dropout_is_back():
    for name, again in (("keras@2", True), ("lenet5@2", False)):
        engine = make("minicnn-captured", name, 1, "cpu", "fp32")
        before = engine.train
        engine.check()
        assert (engine.train is not before) == again
        assert [m.p for m in engine.dropouts()] == ([0.25, 0.25, 0.5] if again else [])


def test_a_gpus_own_clock_and_memory_count(monkeypatch):
    clock, free = [0.0], [1000]

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = clock[0]

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return end.at - self.at

    fake = types.SimpleNamespace(
        Event=Event, synchronize=lambda: None, mem_get_info=lambda: (free[0], 1000)
    )
    monkeypatch.setitem(sys.modules, "minicnn.cuda", fake)
    gpu = Gpu("minicnn-captured")

    def step():
        clock[0] += 2.0  # milliseconds

    assert gpu.seconds(step, 3) == pytest.approx([2e-3] * 3)
    for taken in (300, -100, 200):
        free[0] -= 50  # another process, between two commands
        with gpu.watched():
            free[0] -= taken
    assert gpu.memory() == 400


def test_a_profile_counts_every_kernel_once_and_leaves_the_table_as_it_was():
    before = {name: dict(kinds) for name, kinds in kernels.TABLE.items()}
    conv, x = minicnn.nn.Conv2d(20, 20, 3, padding=1), minicnn.ones(2, 20, 8, 8, requires_grad=True)
    found = kernel_times.profile(lambda: conv(x).relu().sum().backward(), 3)
    # The images' gradient is itself a convolution; it counts as what was asked for.
    calls = {name: count for name, (count, _) in found.items()}
    assert calls["conv2d"] == calls["conv2d_input_grad"] == calls["conv2d_weight_grad"] == 1
    assert calls["relu"] == calls["relu_grad"] == calls["step"] == 1
    assert found["step"][1] >= sum(
        seconds for name, (_, seconds) in found.items() if name != "step"
    )
    assert before == kernels.TABLE
