"""The benchmark suite: that it runs, refuses to time engines that disagree, and reports."""

import json
import math
import subprocess
import sys

import pytest

pytest.importorskip("benchmarks")

from benchmarks import measure, report
from benchmarks.engines import Fed, TorchLike, make
from benchmarks.operations import OPERATIONS, OPTIMIZERS
from benchmarks.workloads import WORKLOADS


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


def test_engines_that_disagree_are_not_timed():
    good, bad = FakeProcess([1.0, 2.0, 3.0, 4.0, 5.0]), FakeProcess([1.0, 2.01, 3.0, 4.0, 5.0])
    measure._agree([good, good])
    with pytest.raises(measure.Disagreement, match="disagree"):
        measure._agree([good, bad])


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
