"""`minicnn compare`: scripts that agree with PyTorch, scripts that do not, and what is said."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from minicnn.cli import main
from minicnn.compare import compare
from minicnn.compare.agreement import measured
from minicnn.errors import CompareError

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")

LENET = """
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, TensorDataset

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16, 120)
            self.dropout = nn.Dropout(0.5)
            self.fc2 = nn.Linear(120, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = self.dropout(F.relu(self.fc1(x.flatten(1))))
            return self.fc2(F.dropout(x, 0.1, self.training))

    def main():
        torch.manual_seed(0)
        data = TensorDataset(torch.rand(50, 1, 14, 14), torch.randint(0, 10, (50,)))
        model = LeNet()
        criterion = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for epoch in range(2):
            for x, y in DataLoader(data, batch_size=16, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
            print(epoch, loss.item())

    if __name__ == "__main__":
        main()
"""

BATCH_NORM = """
    import random
    import sys
    import numpy as np
    import minicnn as torch
    import minicnn.nn as nn
    import minicnn.optim as optim
    from minicnn.utils.data import DataLoader, Dataset, random_split

    class Noisy(Dataset):
        def __init__(self):
            self.x = np.random.randn(60, 1, 8, 8).astype("float32")

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            noise = torch.randn(1, 8, 8).numpy() * random.random()
            return self.x[i] + noise, int(self.x[i].sum() > 0)

    part = random_split(Noisy(), [0.8, 0.2], generator=torch.Generator().manual_seed(3))[0]
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 2),
    )
    nn.init.trunc_normal_(model[0].weight, std=0.2)
    optimizer = optim.SGD(model.parameters(), float(sys.argv[1]), momentum=0.9, nesterov=True)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for epoch in range(2):
        for x, y in DataLoader(part, 16, shuffle=True, num_workers=2):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            model(torch.ones(2, 1, 8, 8))
        model.train()
"""

BY_HAND = """
    import torch
    g = torch.Generator().manual_seed(2147483647)
    x = torch.randn(64, 5)
    y = x @ torch.arange(5.0).reshape(5, 1)
    W1 = torch.randn((5, 16), generator=g) * 0.3
    b1 = torch.zeros(16)
    W2 = torch.empty(16, 1).uniform_(-0.3, 0.3, generator=g)
    params = [W1, b1, W2]
    for p in params:
        p.requires_grad = True
    for step in range(4):
        ix = torch.randint(0, 64, (16,), generator=g)
        loss = ((torch.tanh(x[ix] @ W1 + b1) @ W2 - y[ix]) ** 2).mean()
        for p in params:
            p.grad = None
        loss.backward()
        for p in params:
            p.data += -0.05 * p.grad
"""

# What the short scripts below have in common; {} stands for a part of each.
SHORT = """
    import numpy as np
    import torch
    import torch.nn as nn
    {before}
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), {layer}, nn.Linear(8, 3))
    {weights}
    optimizer = {optimizer}
    x, y = {data}
    for _ in range(3):
        optimizer.zero_grad()
        loss = {loss}(model(x), y)
        loss.backward()
        optimizer.step()
"""
DEFAULTS = {
    "before": "",
    "layer": "nn.ReLU()",
    "weights": "",
    "optimizer": "torch.optim.SGD(model.parameters(), 0.1)",
    "data": "torch.randn(16, 4), torch.randint(0, 3, (16,))",
    "loss": "nn.functional.cross_entropy",
}
THEIRS = "torch.__version__ >= '1'"  # what a script asks that takes another way on PyTorch


def written(folder, text):
    file = folder / "script.py"
    file.write_text(textwrap.dedent(text))
    return file


def short(folder, **parts):
    parts = {key: textwrap.dedent(value) for key, value in {**DEFAULTS, **parts}.items()}
    file = folder / "script.py"
    file.write_text(textwrap.dedent(SHORT).format(**parts))
    return file


# ------------------------------------------------------------------- scripts that agree


@needs_torch
def test_lenet_with_adam_and_dropout_agrees(tmp_path):
    report = compare(written(tmp_path, LENET), steps=5)
    assert report.agree, report.text()
    assert len(report.agreement.steps) == 5 and report.agreement.tensors > 100
    assert "agrees: 5 steps" in report.text()


@needs_torch
def test_batch_norm_momentum_workers_and_augmentation_agree_in_float64(tmp_path):
    report = compare(written(tmp_path, BATCH_NORM), ["0.1"], double=True)
    assert report.agree, report.text()
    steps = report.agreement.steps
    assert [step["loss"] is not None for step in steps] == [True] * 6 + [False]  # evaluation
    assert max(step["gap"] for step in steps) < 1e-11
    assert "agrees: 6 steps" in report.text() and "after the last step" in report.text()


@needs_torch
def test_a_loop_by_hand_agrees_and_its_variables_are_the_names(tmp_path):
    report = compare(written(tmp_path, BY_HAND), keep=tmp_path / "kept")
    assert report.agree and len(report.agreement.steps) == 4, report.text()
    result = json.loads((tmp_path / "kept" / "single" / "pytorch" / "result.json").read_text())
    first = [(e["kind"], e["name"]) for e in result["events"] if e["step"] == 1]
    names = ["W1", "W2", "b1"]
    assert first == [
        *(("initial value", name) for name in names), ("loss", "loss"),
        *(("gradient", name) for name in names), *(("value after the step", n) for n in names),
    ]  # fmt: skip
    assert (tmp_path / "kept" / "single" / "minicnn" / "step-000004.safetensors").exists()


@needs_torch
def test_data_sets_of_minicnn_can_be_read_in_both_runs(tmp_path):
    script = """
        import minicnn as torch
        from minicnn.data import DataLoader, datasets
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        optimizer = torch.optim.RMSprop(model.parameters())
        for x, y in DataLoader(datasets.Digits(train=True), 32, shuffle=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    """
    report = compare(written(tmp_path, script), steps=3)
    assert report.agree, report.text()


@needs_torch
def test_rounding_that_grows_is_no_difference(tmp_path):
    script = """
        import torch
        w = torch.randn(512, 64, requires_grad=True)
        z = torch.sigmoid(torch.randn(64, 512) @ w / 20)
        for _ in range(14):
            z = 3.9 * z * (1 - z)  # chaos: it doubles every error
        z.std().backward()
    """
    report = compare(written(tmp_path, script))
    assert report.agree and report.rounding is not None, report.text()
    assert "only rounding: in float32 the first to be more than" in report.text()


# ------------------------------------------------------------------- scripts that do not


@needs_torch
def test_a_wrong_derivative_by_replace_is_found_and_named(tmp_path, capsys):
    before = """
        def backward(dy, x):
            return dy * (x > -0.1)
        import minicnn
        minicnn.replace("relu", lambda x: np.maximum(x, 0), backward)
    """
    assert main(["compare", str(short(tmp_path, before=before))]) == 1
    out = capsys.readouterr().out
    assert "differs: step 1, backward, gradient of the output of model.0 (Linear(" in out
    assert "the last to agree: step 1, backward, gradient of the output of model.1 (ReLU())" in out
    assert "likely cause: minicnn.replace: relu replaced" in out and "script.py:6" in out


@needs_torch
def test_a_wrong_forward_by_replace_is_found_in_the_first_output(tmp_path):
    before = "import minicnn; minicnn.replace('linear', lambda x, w, b: x @ w.T)"
    report = compare(short(tmp_path, before=before), double=True, steps=2)
    event = report.agreement.difference.event
    assert (event["step"], event["kind"], event["name"]) == (1, "output", "model.0")
    assert "linear replaced" in report.cause


@needs_torch
def test_a_default_that_depends_on_the_version_is_named(tmp_path):
    layer = f"nn.BatchNorm1d(8, eps=1e-5 if {THEIRS} else 1e-4)"
    report = compare(short(tmp_path, layer=layer), double=True, steps=2)
    event = report.agreement.difference.event
    assert not report.agree and (event["kind"], event["name"]) == ("output", "model.1")
    assert (
        "eps=0.0001" in report.cause and "in minicnn and BatchNorm1d(8, eps=1e-05" in report.cause
    )


@needs_torch
def test_weights_from_randomness_that_is_not_shared_are_named(tmp_path, capsys):
    weights = """
        with torch.no_grad():
            drawn = np.random.default_rng().standard_normal((8, 4)).astype("float32")
            model[0].weight.copy_(torch.from_numpy(drawn))
    """
    assert main(["compare", "--json", str(short(tmp_path, weights=weights))]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["agree"] is False
    assert report["difference"]["where"] == "step 1, initial value of model.0.weight"
    assert "np.random.default_rng() without a seed" in report["likely_cause"]
    assert report["difference"]["gap"]["share"] == 1.0


@needs_torch
def test_another_momentum_is_named_with_both_values(tmp_path):
    optimizer = f"torch.optim.SGD(model.parameters(), 0.1, 0.9, 0.5 if {THEIRS} else 0.0)"
    report = compare(short(tmp_path, optimizer=optimizer), double=True, steps=3)
    difference = report.agreement.difference
    assert difference.event["step"] == 2 and difference.event["kind"] == "value after the step"
    assert "dampening=0.0 in minicnn and dampening=0.5 in PyTorch" in report.cause


@needs_torch
def test_a_sum_for_a_mean_is_told_by_the_batch(tmp_path):
    loss = f"nn.CrossEntropyLoss(reduction='mean' if {THEIRS} else 'sum')"
    report = compare(short(tmp_path, loss=loss), double=True, steps=1)
    assert report.agreement.difference.event["name"] == "CrossEntropyLoss"
    assert "minicnn's is 16 times PyTorch's and the batch has 16: a sum here" in report.cause


@needs_torch
def test_a_dtype_that_differs_is_no_rounding(tmp_path):
    data = f"torch.randn(16, 4), torch.rand(16, 3).to(torch.float64 if {THEIRS} else torch.float32)"
    report = compare(short(tmp_path, data=data, loss="nn.MSELoss()"), steps=1)
    assert report.agreement.difference.why == "dtype"
    assert "its dtype is float32 in minicnn and float64 in PyTorch" in report.text()


@needs_torch
def test_another_way_through_the_script_is_said(tmp_path):
    layer = f"nn.Sequential(nn.ReLU(), nn.Identity()) if {THEIRS} else nn.ReLU()"
    report = compare(short(tmp_path, layer=layer), steps=1)
    assert report.agreement.difference.why == "missing"
    assert "it is in PyTorch's run, but not in minicnn's" in report.text()
    assert "takes another way" in report.cause


# ------------------------------------------------------------------- what cannot be run


def test_without_pytorch_one_line_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["compare", str(written(tmp_path, "pass"))]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert "PyTorch is not installed here" in captured.err and "pip install torch" in captured.err


def test_a_script_that_is_not_there_is_named(capsys):
    assert main(["compare", "nowhere.py"]) == 2
    assert "there is no file 'nowhere.py'" in capsys.readouterr().err


@needs_torch
def test_a_script_that_one_library_cannot_run_is_shown_with_its_line(tmp_path, capsys):
    script = written(tmp_path, "import torch\nx = torch.ones(3)\nprint(torch.fft.fft(x))\n")
    assert main(["compare", str(script)]) == 2
    err = capsys.readouterr().err
    assert "the script fails on minicnn:" in err and "minicnn.fft" in err
    assert 'script.py", line 3' in err and "runpy" not in err and "child.py" not in err


@needs_torch
def test_another_minicnn_in_the_current_folder_is_not_taken_for_this_one(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "minicnn").mkdir()
    (tmp_path / "minicnn" / "__init__.py").write_text("raise RuntimeError('another one')\n")
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text("import torch\ntorch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()\n")
    assert main(["compare", str(script)]) == 0
    assert "another one" not in capsys.readouterr().err


@needs_torch
def test_a_script_that_trains_nothing_says_so(tmp_path):
    with pytest.raises(CompareError, match="minicnn's run left nothing to compare"):
        compare(written(tmp_path, "import torch\ntorch.ones(2) + 1\n"))


@needs_torch
def test_a_run_that_dies_is_named_with_its_last_words(tmp_path):
    script = "import os\nprint('oh', flush=True)\nos._exit(3)\n"
    with pytest.raises(CompareError, match=r"minicnn's run ended with exit code 3. oh"):
        compare(written(tmp_path, script))


@needs_torch
def test_a_failing_exit_of_the_script_is_an_error(tmp_path):
    with pytest.raises(CompareError, match="SystemExit: 4"):
        compare(written(tmp_path, "import sys\nsys.exit(4)\n"))


def test_tensors_are_not_written_over_what_is_there(tmp_path):
    with pytest.raises(CompareError, match="must be a new or an empty folder"):
        compare(written(tmp_path, "pass"), keep=tmp_path)


# ------------------------------------------------------------------- measuring


def test_a_gap_is_measured_by_the_largest_element():
    gap = measured(np.array([[1.0, 2.0], [3.0, 100.0]]), np.array([[1.0, 2.5], [3.0, 100.0]]), 1e-3)
    assert (gap.largest, gap.size, gap.where, gap.share) == (0.5, 0.005, (0, 1), 0.25)
    assert (gap.ours, gap.theirs) == (2.0, 2.5)


def test_nan_and_infinity_agree_only_with_themselves():
    nan, inf = float("nan"), float("inf")
    assert measured(np.array([nan, inf]), np.array([nan, inf]), 0.1).size == 0
    assert measured(np.array([nan, 1.0]), np.array([2.0, 1.0]), 0.1).size == inf
    assert measured(np.array([-inf]), np.array([inf]), 0.1).size == inf


def test_what_is_nothing_but_rounding_is_measured_by_the_other_gradients():
    noise = np.array([1e-9, -2e-9])
    assert measured(noise, -noise, 1e-5).size > 1
    assert measured(noise, -noise, 1e-5, least=1e-3).size < 1e-5


def test_comparing_imports_no_pytorch_itself():
    code = "import minicnn.compare, minicnn.cli.compare, sys; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
