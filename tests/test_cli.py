"""The command `minicnn`, mostly as a process of its own: output, files, exit codes, signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

import minicnn
from minicnn import models
from minicnn.cli import describe, main
from minicnn.cli.data import load_parts
from minicnn.cli.predict import read_picture
from minicnn.data.datasets import Digits
from minicnn.errors import AnomalyError, FileError
from minicnn.serialization import load
from minicnn.training import History, ModelCheckpoint

pytestmark = pytest.mark.host

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(minicnn.__file__).parents[1]),
    "OMP_NUM_THREADS": "1",
}
RESULTS = [
    "config.json",
    "confusion.png",
    "curves.png",
    "history.csv",
    "mistakes.png",
    "model.safetensors",
]
QUICK = ["--model", "mlp", "--no-augment"]  # a tenth of a second per epoch


def run(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "minicnn", *map(str, arguments)],
        cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, **options,
    )  # fmt: skip


def start(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "minicnn", *map(str, arguments)],
        cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def call(capsys, *arguments):
    """Run the command in this process; return its exit code, output and errors."""
    capsys.readouterr()
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def wait_for(process, text):
    """Read the output of a process until a line with `text` comes."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no {text!r} in {lines}; {process.stderr.read()}")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Two threads on a busy machine wait for each other, and win nothing for small networks."""
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    with threadpool_limits(limits=1):
        yield
    minicnn.set_num_threads(before)


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes longer than a short training."""
    monkeypatch.setattr("minicnn.cli.outcome.draw", lambda make: None)


def same_weights(a, b):
    a, b = load(a), load(b)
    return a.keys() == b.keys() and all(np.array_equal(a[k].array, b[k].array) for k in a)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a short training, and what the command printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = run("train", "--epochs", 3, "--out", "net", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "net", done


# ---------------------------------------------------------------------- train


def test_train_prints_a_line_per_epoch_and_the_test_accuracy(trained):
    _, done = trained
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0].startswith("digits: 1,294 training, 144 validation and 359 test images, 1x8x8")
    assert lines[1].startswith("digits_cnn: 30,762 parameters, on cpu; adam, learning rate 0.01")
    assert [line[:9] for line in lines[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert re.fullmatch(r"test accuracy: 0\.\d{4}", lines[-1])
    assert float(lines[-1].split()[-1]) > 0.8


def test_train_writes_weights_history_and_pictures(trained):
    folder, done = trained
    assert sorted(p.name for p in folder.iterdir()) == RESULTS
    history = History.from_csv(folder / "history.csv")
    assert history["epoch"] == [1, 2, 3] and history["val_accuracy"][-1] > 0.8
    for name in ("curves.png", "confusion.png", "mistakes.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100 and len(picture.convert("RGB").getcolors(10**7)) > 20
    config = json.loads((folder / "config.json").read_text())
    assert config["complete"] and config["model"] == "digits_cnn" and config["seed"] == 0
    assert f"test accuracy: {config['test_accuracy']:.4f}" in done.stdout


def test_the_weights_are_those_that_were_tested(trained):
    folder, _ = trained
    model = models.create("digits_cnn")
    model.load_state_dict(load(folder / "model.safetensors"))
    test = Digits(train=False)
    with minicnn.no_grad():
        y = model.eval()(minicnn.from_numpy(test.images[:, None]))
    config = json.loads((folder / "config.json").read_text())
    assert np.mean(y.array.argmax(1) == test.labels) == pytest.approx(config["test_accuracy"])


def test_the_same_seed_gives_the_same_network_whatever_the_workers(trained, tmp_path):
    folder, done = trained
    again = run("train", "--epochs", 3, "--workers", 1, "--out", tmp_path, cwd=tmp_path)
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert same_weights(folder / "model.safetensors", tmp_path / "model.safetensors")


def test_another_seed_gives_another_network(trained, tmp_path, capsys, no_pictures):
    folder, _ = trained
    code, *_ = call(capsys, "train", "--epochs", 1, "--seed", 1, "--out", tmp_path)
    assert code == 0
    assert not same_weights(folder / "model.safetensors", tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [("sgd", "cosine"), ("adamw", "one-cycle"), ("rmsprop", "constant"), ("adagrad", "one_cycle")],
)
def test_every_optimizer_and_schedule_learns(optimizer, schedule, tmp_path, capsys, no_pictures):
    options = ["--optimizer", optimizer, "--schedule", schedule, "--out", tmp_path]
    code, out, err = call(capsys, "train", "--epochs", 3, *QUICK, *options)
    assert (code, err) == (0, "")
    assert float(out.split()[-1]) > 0.7
    assert f"{optimizer}, learning rate" in out


def test_training_without_validation(tmp_path, capsys, no_pictures):
    code, out, _ = call(
        capsys, "train", "--epochs", 1, *QUICK, "--validation", 0, "--out", tmp_path
    )
    assert code == 0 and "1,438 training, 0 validation" in out
    assert "val_loss" not in History.from_csv(tmp_path / "history.csv")


def test_results_go_below_runs_if_nothing_else_is_said(tmp_path, capsys, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "train", "--epochs", 1, *QUICK)
    assert code == 0 and "written to runs/digits-mlp: config.json, " in out
    assert (tmp_path / "runs" / "digits-mlp" / "model.safetensors").exists()


def test_new_results_replace_old_ones_and_leave_nothing_stale(tmp_path, capsys, monkeypatch):
    (tmp_path / "mistakes.png").write_bytes(b"old")
    (tmp_path / "mine.txt").write_text("keep")
    # A network without mistakes: no picture of mistakes is drawn, and the old one must not stay.
    monkeypatch.setattr("minicnn.cli.judge.np.flatnonzero", lambda x: np.array([], int))
    code, *_ = call(capsys, "train", "--epochs", 1, *QUICK, "--out", tmp_path)
    assert code == 0 and (tmp_path / "mine.txt").read_text() == "keep"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        {*RESULTS, "mine.txt"} - {"mistakes.png"}
    )


def test_a_picture_that_cannot_be_drawn_does_not_cost_the_weights(tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no fonts")

    monkeypatch.setattr("minicnn.visualize.curves", fail)
    code, _, err = call(capsys, "train", "--epochs", 1, *QUICK, "--out", tmp_path)
    assert code == 0 and "a picture could not be drawn: no fonts" in err
    assert (tmp_path / "model.safetensors").exists() and not (tmp_path / "curves.png").exists()


def test_a_failed_training_leaves_the_earlier_results(tmp_path, capsys, monkeypatch, no_pictures):
    folder = tmp_path / "net"
    call(capsys, "train", "--epochs", 1, *QUICK, "--out", folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device", str(folder / "model.safetensors"))

    monkeypatch.setattr("minicnn.cli.outcome.save", full)
    code, _, err = call(capsys, "train", "--epochs", 1, *QUICK, "--seed", 5, "--out", folder)
    assert code == 1
    assert err == f"minicnn: error: No space left on device: '{folder}/model.safetensors'\n"
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    after.pop("checkpoint.safetensors")  # it can go on once there is space again
    assert after == before


def test_only_training_images_are_changed_and_none_is_used_twice():
    parts = load_parts("digits", 0.25, augment=True, seed=3)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1078, 360, 359)
    used = sorted([*parts.train.indices, *parts.validation.indices])
    assert used == list(range(1438))
    minicnn.manual_seed(0)
    digits = Digits()

    def changed(part):
        return np.mean(
            [
                not np.array_equal(part[i][0].array[0], digits.images[part.indices[i]])
                for i in range(50)
            ]
        )

    assert changed(parts.train) > 0.8 and changed(parts.validation) == 0
    assert np.array_equal(parts.test[3][0].array[0], Digits(train=False).images[3])
    again, other = (load_parts("digits", 0.25, augment=False, seed=seed) for seed in (3, 4))
    assert list(again.train.indices) == list(parts.train.indices) != list(other.train.indices)
    assert changed(again.train) == 0
    assert load_parts("digits", 0, augment=False, seed=0).validation is None


# ---------------------------------------------------------------------- interruptions


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_keeps_what_was_trained(number, code, tmp_path):
    with start("train", "--epochs", 500, *QUICK, "--out", "net", cwd=tmp_path) as process:
        wait_for(process, "epoch   2/500")
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert re.search(
        r"interrupted after \d+ of 500 epochs.*what was trained is in net: config", err
    )
    assert "minicnn train --resume net" in err and "Traceback" not in err
    names = ["config.json", "curves.png", "history.csv", "model.safetensors"]
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == [
        "checkpoint.safetensors",
        *names,
    ]
    assert History.from_csv(tmp_path / "net" / "history.csv").epochs >= 2
    assert json.loads((tmp_path / "net" / "config.json").read_text())["complete"] is False
    model = models.create("mlp", (1, 8, 8))
    model.load_state_dict(load(tmp_path / "net" / "model.safetensors"))


def test_a_resumed_training_ends_where_it_would_have_ended_anyway(
    tmp_path, monkeypatch, capfd, no_pictures
):
    monkeypatch.chdir(tmp_path)
    real = ModelCheckpoint.on_epoch_end

    def interrupted(self, epoch, logs):
        real(self, epoch, logs)
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    arguments = ["train", "--epochs", "4", "--batch-size", "64", "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(ModelCheckpoint, "on_epoch_end", interrupted)
        assert main([*arguments, "net"]) == 130
    assert main(["train", "--resume", "net"]) == 0
    resumed = capfd.readouterr().out.splitlines()
    assert main([*arguments, "whole"]) == 0
    assert resumed[-1] == capfd.readouterr().out.splitlines()[-1]
    assert same_weights("net/model.safetensors", "whole/model.safetensors")
    assert not Path("net/checkpoint.safetensors").exists()
    assert History.from_csv("net/history.csv")["epoch"] == [1, 2, 3, 4]


def test_an_interruption_puts_complete_results_away_first(tmp_path, capsys, no_pictures):
    assert main(["train", "--epochs", "1", *QUICK, "--out", str(tmp_path / "net")]) == 0
    weights = (tmp_path / "net" / "model.safetensors").read_bytes()
    with start(
        "train", "--epochs", 500, *QUICK, "--seed", 4, "--out", "net", cwd=tmp_path
    ) as process:
        wait_for(process, "epoch   1/500")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the earlier results are in net/previous" in err
    assert (tmp_path / "net" / "previous" / "model.safetensors").read_bytes() == weights
    assert (tmp_path / "net" / "model.safetensors").read_bytes() != weights
    # The next training says that it replaces an interrupted one.
    code, _, err = call(capsys, "train", "--epochs", 1, *QUICK, "--out", tmp_path / "net")
    assert code == 0 and "net' holds an interrupted training" in err


def test_an_interruption_before_the_training_writes_nothing(tmp_path):
    code = (
        "import sys, minicnn.cli.train as t\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "t.load_parts = stop\n"
        "from minicnn.cli import main; sys.exit(main(['train', '--out', 'net']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (130, "minicnn: interrupted\n")
    assert list((tmp_path / "net").iterdir()) == []


def test_the_first_signals_are_requests_and_the_third_ends_it_at_once(capfd):
    from minicnn.cli.interrupts import Interrupts

    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert stop.signal == signal.SIGINT and stop.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before
    err = capfd.readouterr().err
    assert "interrupted; ending this step" in err and "once more ends it at once" in err


def test_a_signal_before_the_first_step_trains_nothing(tmp_path, capfd, monkeypatch):
    from minicnn.cli import train

    real = train.Trainer

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments, **options)

    monkeypatch.setattr(train, "Trainer", interrupted)
    assert main(["train", "--out", str(tmp_path)]) == 143
    assert "interrupted before the first step; nothing was written" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_ends_the_training_like_an_interruption(tmp_path):
    with start("train", "--epochs", 500, *QUICK, "--out", "net", cwd=tmp_path) as process:
        wait_for(process, "epoch   1/500")
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert "what was trained is in net" in err and "Traceback" not in err
    assert (tmp_path / "net" / "model.safetensors").exists()


@pytest.mark.parametrize("arguments", [["summary", "--model", "lenet5"], ["--help"]])
def test_a_closed_pipe_is_nothing_to_complain_about(arguments, tmp_path):
    with start(*arguments, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    silent = arguments == ["--help"]  # some versions of argparse do not mind
    assert process.returncode == 141 or (silent and process.returncode == 0)


@pytest.mark.parametrize(
    "option", [["--epochs", "9"], ["--lr", "0.1"], ["--out", "x"], ["--no-augment"]]
)
def test_a_resumed_training_keeps_its_options(option, capsys, tmp_path):
    code, _, err = call(capsys, "train", "--resume", tmp_path, *option)
    assert code == 2 and "so --" in err and "must be left out" in err


def test_there_must_be_something_to_resume(capsys, tmp_path, trained):
    code, _, err = call(capsys, "train", "--resume", tmp_path / "nothing")
    assert code == 1 and "there is no interrupted training in" in err
    folder, _ = trained
    code, _, err = call(capsys, "train", "--resume", folder)
    assert code == 1 and "there is no interrupted training in" in err


def test_a_checkpoint_of_another_program_is_refused(capsys, tmp_path):
    from test_training_checkpoint import make

    make("sgd-step").save_checkpoint(tmp_path / "checkpoint.safetensors")
    code, _, err = call(capsys, "train", "--resume", tmp_path)
    assert code == 1 and "was not written by 'minicnn train'" in err


# ---------------------------------------------------------------------- predict


def test_predict_shows_test_samples_with_their_true_class(trained, capsys, tmp_path):
    folder, _ = trained
    picture = tmp_path / "answers.png"
    code, out, err = call(capsys, "predict", "--weights", folder, "--samples", 7, "--save", picture)
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 9
    assert re.fullmatch(r"sample 0: \d \(\d+\.\d%\)  \[5\]", lines[0])
    assert re.fullmatch(r"right: [4-7] of 7", lines[7])
    with Image.open(picture) as image:
        assert min(image.size) > 100


def write_digit(path, digit, size=48, invert=False):
    digits = Digits()
    pixels = (digits.images[np.argmax(digits.labels == digit)] * 255).astype(np.uint8)
    picture = Image.fromarray(255 - pixels if invert else pixels)
    picture.resize((size, size), Image.Resampling.NEAREST).convert("RGB").save(path, quality=95)


def test_predict_reads_pictures_of_any_size_and_kind(trained, capsys, tmp_path):
    folder, _ = trained
    write_digit(tmp_path / "zero.png", 0)
    write_digit(tmp_path / "six.jpg", 6, size=80)
    code, out, _ = call(
        capsys,
        "predict",
        tmp_path / "zero.png",
        tmp_path / "six.jpg",
        "--weights",
        folder,
        "--top",
        3,
    )
    lines = out.splitlines()
    assert code == 0 and len(lines) == 2
    assert lines[0].startswith(f"{tmp_path}/zero.png: 0 (") and lines[0].count("%") == 3
    assert lines[1].startswith(f"{tmp_path}/six.jpg: 6 (")
    shares = [float(s) for s in re.findall(r"([\d.]+)%", lines[0])]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 100.1


def test_predict_inverts_dark_on_light(trained, capsys, tmp_path):
    folder, _ = trained
    write_digit(tmp_path / "page.png", 0, invert=True)
    _, out, _ = call(capsys, "predict", tmp_path / "page.png", "--weights", folder, "--invert")
    assert ": 0 (" in out


def test_predict_uses_the_newest_training(trained, capsys, tmp_path, monkeypatch):
    folder, _ = trained
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, "predict")
    assert code == 1 and "there is no trained network in 'runs'" in err
    for name, age in (("old", 100), ("new", 0)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            (tmp_path / "runs" / name / file).write_bytes((folder / file).read_bytes())
        then = time.time() - age
        os.utime(tmp_path / "runs" / name / "config.json", (then, then))
    (tmp_path / "runs" / "old" / "model.safetensors").unlink()
    code, out, _ = call(capsys, "predict", "--samples", 1)
    assert code == 0 and out.startswith("sample 0: ")


def test_predict_takes_weights_alone_if_it_is_told_what_they_are(trained, capsys, tmp_path):
    folder, _ = trained
    weights = tmp_path / "w.safetensors"
    weights.write_bytes((folder / "model.safetensors").read_bytes())
    code, _, err = call(capsys, "predict", "--weights", weights)
    assert (
        code == 1 and "has no config.json beside it; say what it is with --model and --data" in err
    )
    code, _, err = call(capsys, "predict", "--weights", weights, "--model", "digits_cnn")
    assert code == 2 and "--model needs --data" in err
    known = ["--weights", weights, "--model", "digits_cnn", "--data", "digits", "--samples", 2]
    code, out, _ = call(capsys, "predict", *known)
    assert code == 0 and out.count("sample") == 2
    code, _, err = call(capsys, "predict", *known[:3], "lenet5", "--data", "mnist")
    assert code == 1 and "w.safetensors' does not fit the model lenet5" in err


def test_predict_asks_for_the_data_if_nobody_knows_it(trained, capsys, tmp_path):
    config = json.loads((trained[0] / "config.json").read_text())
    del config["data"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((trained[0] / "model.safetensors").read_bytes())
    code, _, err = call(capsys, "predict", "--weights", tmp_path)
    assert code == 2 and "say with --data which data set the samples are from" in err


def test_predict_refuses_samples_of_another_shape(trained, capsys):
    code, _, err = call(capsys, "predict", "--weights", trained[0], "--data", "shapes")
    assert code == 1
    assert "takes images of shape (1, 8, 8), but those of shapes have (3, 32, 32)" in err


def test_files_that_are_not_what_they_should_be_are_named(trained, capsys, tmp_path):
    folder, _ = trained
    (tmp_path / "text.png").write_text("no picture")
    code, _, err = call(capsys, "predict", tmp_path / "text.png", "--weights", folder)
    assert code == 1 and re.fullmatch(
        r"minicnn: error: '.*text\.png' cannot be read as a picture: .*\n", err
    )
    code, _, err = call(capsys, "predict", tmp_path / "none.png", "--weights", folder)
    assert code == 1 and err == f"minicnn: error: there is no picture '{tmp_path}/none.png'\n"
    code, _, err = call(capsys, "predict", "--weights", tmp_path / "nothing")
    assert code == 1 and "there are no weights at" in err
    broken = tmp_path / "model.safetensors"
    broken.write_bytes((folder / "model.safetensors").read_bytes()[:-10])
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    code, _, err = call(capsys, "predict", "--weights", tmp_path)
    assert code == 1 and str(broken) in err and err.count("\n") == 1
    for text in ("{", "[]", "{}"):
        (tmp_path / "config.json").write_text(text)
        code, _, err = call(capsys, "predict", "--weights", tmp_path)
        assert code == 1 and "config.json'" in err and err.count("\n") == 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16", "I", "F", "CMYK"])
def test_a_picture_of_any_mode_is_read_alike(mode, tmp_path):
    grey = np.kron(np.array([[0, 255], [255, 0]], np.uint8), np.ones((8, 8), np.uint8))
    path = tmp_path / ("x.tif" if mode in ("I;16", "I", "F", "CMYK") else "x.png")
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert(mode).save(path)
    x = read_picture(str(path), (1, 16, 16), invert=False)
    assert x.shape == (1, 16, 16) and x.dtype == np.float32
    assert np.abs(x[0] - grey / 255).max() < 0.02
    assert np.allclose(read_picture(str(path), (1, 16, 16), invert=True), 1 - x)
    assert read_picture(str(path), (3, 16, 16), invert=False).shape == (3, 16, 16)


def test_what_is_transparent_is_white(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255  # the upper half is black, the lower transparent
    Image.fromarray(pixels).save(tmp_path / "x.png")
    x = read_picture(str(tmp_path / "x.png"), (1, 4, 4), invert=False)
    assert x[0, 0, 0] == 0 and x[0, 3, 0] == 1


# ---------------------------------------------------------------------- summary, info, gradcheck


def test_summary_shows_a_model(capsys):
    code, out, _ = call(capsys, "summary", "--model", "LeNet-5")
    assert code == 0 and out.startswith("lenet5, 10 classes\n") and "61,706" in out
    code, out, _ = call(
        capsys,
        "summary",
        "--model",
        "mlp",
        "--input-shape",
        "3,4,4",
        "--classes",
        3,
        "--batch-size",
        2,
    )
    assert code == 0 and "(2, 48)" in out and "(2, 3)" in out


def test_summary_shows_the_model_of_a_training(trained, capsys):
    code, out, _ = call(capsys, "summary", "--weights", trained[0])
    assert code == 0 and "30,762" in out
    code, _, err = call(capsys, "summary", "--weights", trained[0], "--model", "mlp")
    assert code == 2 and "leave out --model" in err


def test_info_shows_versions_threads_gpu_and_data(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fashion-mnist").mkdir()
    from minicnn.data.datasets import FashionMNIST

    for name in FashionMNIST.md5:
        (tmp_path / "fashion-mnist" / name).touch()
    code, out, _ = call(capsys, "info")
    rows = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert rows["numpy"] == np.__version__ and rows["minicnn"].startswith(minicnn.__version__)
    assert "threads" in rows["BLAS"] and rows["CUDA"]
    assert rows["data"] == f"{tmp_path}  (from MINICNN_DATA)"
    assert rows["digits"] == rows["shapes"] == "part of minicnn"
    assert rows["fashion-mnist"] == str(tmp_path / "fashion-mnist")
    assert rows["mnist"] == f"not here; would be downloaded to {tmp_path}/cache/mnist"
    assert rows["cifar10"].startswith("not here")


def test_gradcheck_shows_a_table_and_fails_if_a_gradient_is_wrong(capsys, monkeypatch):
    code, out, _ = call(capsys, "gradcheck", "max_pool")
    assert code == 0 and "1st order" in out and "max_pool2d" in out and "conv" not in out
    code, _, err = call(capsys, "gradcheck", "max_poool2d")
    assert code == 2 and "nothing has 'max_poool2d' in its name. Did you mean 'max_pool2d" in err
    monkeypatch.setattr("minicnn.cli.gradcheck.gradcheck_report", lambda pattern: False)
    assert call(capsys, "gradcheck")[0] == 1


# ---------------------------------------------------------------------- wrong command lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "there is no command 'trian'; .*Did you mean 'train'?"),
        ([], "the following arguments are required: COMMAND"),
        (["train", "--epcohs", "3"], "unrecognized arguments: --epcohs 3 Did you mean '--epochs'?"),
        (["train", "--data", "minst"], "data set 'minst' is not known; .*Did you mean 'mnist'?"),
        (["train", "--model", "lenet"], "model 'lenet' is not known; .*Did you mean 'lenet5'?"),
        (["train", "--optimizer", "adma"], "optimizer 'adma' is not known; .*Did you mean 'adam'?"),
        (
            ["train", "--schedule", "cosin"],
            "schedule 'cosin' is not known; .*Did you mean 'cosine'?",
        ),
        (
            ["train", "--epochs", "0"],
            "argument --epochs: must be a whole number, 1 or more, got '0'",
        ),
        (["train", "--epochs", "two"], "must be a whole number, 1 or more, got 'two'"),
        (["train", "--workers", "-1"], "must be a whole number, 0 or more, got '-1'"),
        (["train", "--lr", "-1"], "argument --lr: must be a number above 0, got '-1'"),
        (["train", "--lr", "inf"], "must be a number above 0, got 'inf'"),
        (["train", "--validation", "1"], "must be a number from 0 to below 1, got '1'"),
        (["train", "--validation", "x"], "must be a number from 0 to below 1, got 'x'"),
        (["summary", "--input-shape", "3,32"], "must be channels,height,width such as 3,32,32"),
        (["summary", "--input-shape", "a,b,c"], "must be channels,height,width such as 3,32,32"),
        (["summary", "--model", "resnet"], "model 'resnet' is not known; use one of"),
        (["predict", "--top", "0"], "argument --top: must be a whole number"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_a_wrong_command_line_is_answered_on_stderr_with_code_2(arguments, message, capsys):
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.match("minicnn: error: .*" + message.replace("?", r"\?"), err)
    assert "Traceback" not in err and "usage:" not in err


def test_a_folder_that_cannot_be_written_to_is_found_out_before_the_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    code, out, err = call(capsys, "train", "--out", tmp_path / "file" / "net")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"minicnn: error: cannot write to the folder '.*': Not a directory; .*\n", err
    )


@pytest.mark.parametrize("content", ['{"name": "mine"}', "no json"])
def test_a_description_of_something_else_is_not_overwritten(content, tmp_path, capsys):
    (tmp_path / "config.json").write_text(content)
    code, out, err = call(capsys, "train", "--out", tmp_path)
    assert (code, out) == (1, "") and "config.json that is not of minicnn" in err
    assert (tmp_path / "config.json").read_text() == content


def test_a_model_that_does_not_fit_the_data_is_an_error(tmp_path, capsys):
    code, out, err = call(capsys, "train", "--model", "lenet5", "--out", tmp_path)
    assert (code, out) == (1, "") and "28x28 or 32x32 pixels, got 8x8" in err


def test_a_missing_gpu_is_an_error_that_says_why(tmp_path, capsys):
    if minicnn.cuda.is_available():
        pytest.skip("there is a GPU")
    code, out, err = call(capsys, "train", "--device", "cuda", "--out", tmp_path)
    assert (code, out) == (1, "") and "no CUDA device can be used" in err


def test_debug_shows_where(tmp_path, capsys):
    with pytest.raises(FileError, match="there are no weights"):
        main(["predict", "--weights", str(tmp_path / "nothing"), "--debug"])


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FileError("two\n  lines"), "two lines"),
        (AnomalyError("the loss became nan"), "the loss became nan"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: '/x'"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (MemoryError(), "out of memory ; try a smaller --batch-size"),
        (ZeroDivisionError("mine"), "ZeroDivisionError: mine (--debug shows where)"),
    ],
)
def test_every_error_is_one_line(error, text):
    assert describe(error) == text


def test_help_and_version_need_nothing_heavy():
    code = (
        "import sys\n"
        "from minicnn.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'matplotlib', 'PIL', 'tqdm', 'safetensors', 'threadpoolctl', 'multiprocessing'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    for arguments in (["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        if arguments == ["--version"]:
            assert done.stdout == f"minicnn {minicnn.__version__}\n"
        else:
            assert "minicnn train" in done.stdout or "minicnn predict" in done.stdout


# ---------------------------------------------------------------------- real data


needs_data = pytest.mark.skipif(
    "MINICNN_DATA" not in os.environ,
    reason="MINICNN_DATA names no folder with MNIST and the others",
)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("data", "model", "least"), [("mnist", "lenet5", 0.95), ("fashion-mnist", "mlp", 0.8)]
)
def test_one_epoch_on_real_data_is_a_good_begin(data, model, least, tmp_path):
    options = ["--model", model, "--epochs", 1, "--batch-size", 128, "--out", "net"]
    done = run("train", "--data", data, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > least
    shown = run("predict", "--weights", "net", "--samples", 3, cwd=tmp_path)
    assert shown.returncode == 0 and "right:" in shown.stdout


def test_the_default_training_reaches_98_percent_within_a_minute(tmp_path):
    before = os.times()
    done = run("train", cwd=tmp_path)
    after = os.times()  # the time of processors, since other tests may run beside this one
    spent = sum(after[2:4]) - sum(before[2:4])
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.splitlines()[-1].removeprefix("test accuracy: "))
    assert accuracy >= 0.98 and spent < 60
    assert sorted(p.name for p in (tmp_path / "runs" / "digits-digits_cnn").iterdir()) == RESULTS
