"""Worker processes: the same batches as without them, and what happens when things go wrong."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import reduction
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import data
from minicnn.errors import ArgumentError, FileError, WorkerError

pytestmark = pytest.mark.host

METHODS = multiprocessing.get_all_start_methods()
FAST = METHODS[0]  # fork where there is one: a spawned worker takes half a second to import


class Noisy(data.Dataset):
    """Sample i is (i, random numbers from all three sources)."""

    def __getitem__(self, index):
        time.sleep(0.002 * (index % 3))  # workers finish out of order
        return index, np.array([minicnn.rand(1).item(), random.random(), np.random.rand()])

    def __len__(self):
        return 13


class TwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


class Faulty(data.Dataset):
    """What `fault` says happens at sample 5."""

    def __init__(self, fault):
        self.fault = fault

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            if self.fault == "value":
                raise ValueError(f"sample {index} is bad")
            if self.fault == "key":
                raise KeyError("colour")
            if self.fault == "file":
                raise FileError("the file 'x.png' is broken")
            if self.fault == "two":
                raise TwoArguments(1, 2)
            if self.fault == "local":
                raise type("Local", (Exception,), {})("from nowhere")
            if self.fault == "unpicklable":
                return lambda: None
            if self.fault == "exit":
                os._exit(3)
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "orphan":  # dies, but a child of its own keeps its pipes open
                if os.fork() == 0:
                    time.sleep(3)
                os._exit(4)
            if self.fault == "sleep":
                time.sleep(60)
        return index


def loader(dataset, size=2, num_workers=2, **options):
    options.setdefault("multiprocessing_context", FAST)
    return data.DataLoader(dataset, size, num_workers=num_workers, **options)


def children():
    return [p for p in multiprocessing.active_children() if "minicnn" in p.name]


def flat(batches):
    return [(i.tolist(), x.tolist()) for i, x in batches]


@pytest.fixture(autouse=True)
def no_worker_is_left_behind():
    yield
    assert not children()


# ------------------------------------------------------------------ the same batches


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_workers_change_neither_order_nor_augmentation(num_workers):
    def epochs(number, **options):
        generator = minicnn.Generator().manual_seed(1)
        made = data.DataLoader(
            Noisy(), 2, shuffle=True, generator=generator, num_workers=number, **options
        )
        return [flat(made) for _ in range(2)]

    assert epochs(num_workers, multiprocessing_context=FAST) == epochs(0)


@pytest.mark.skipif("spawn" not in METHODS, reason="this system cannot spawn processes")
def test_spawned_workers_make_the_same_batches():
    def epoch(**options):
        generator = minicnn.Generator().manual_seed(1)
        return flat(data.DataLoader(Noisy(), 4, shuffle=True, generator=generator, **options))

    assert epoch(num_workers=1, multiprocessing_context="spawn") == epoch()


def test_a_batch_sampler_and_single_samples_work_with_workers():
    batches = loader(range(9), 1, batch_sampler=[[3, 1], [2]])
    assert [b.tolist() for b in batches] == [[3, 1], [2]]
    assert list(loader(range(5), None)) == [0, 1, 2, 3, 4]


def test_tensor_datasets_come_through_the_pipe():
    x = minicnn.rand(50, 3, 40, 40)  # more than a pipe holds
    batches = list(loader(data.TensorDataset(x, minicnn.arange(50)), 25))
    assert np.array_equal(np.concatenate([b[0].numpy() for b in batches]), x.numpy())
    batches[0][0].array[:] = 0  # what arrives can be written to


def test_persistent_workers_serve_many_epochs():
    persistent = loader(range(10), 3, persistent_workers=True)
    first = [b.tolist() for b in persistent]
    pids = {p.pid for p in children()}
    assert [b.tolist() for b in persistent] == first
    assert len(pids) == 2 and {p.pid for p in children()} == pids
    del persistent


def test_persistent_workers_drop_what_a_broken_off_epoch_left():
    persistent = loader(range(20), 2, persistent_workers=True, prefetch_factor=3)
    for batch in persistent:
        assert batch.tolist() == [0, 1]
        break
    assert [b.tolist()[0] for b in persistent] == list(range(0, 20, 2))
    del persistent, batch


def test_worker_info_tells_a_worker_who_it_is():
    assert data.get_worker_info() is None

    class Who(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.dataset is self

    if FAST != "fork":
        pytest.skip("a local class needs fork")
    assert [tuple(x.tolist() for x in batch) for batch in loader(Who())] == [
        ([0, 0], [2, 2], [True, True]),
        ([1, 1], [2, 2], [True, True]),
    ]


def test_worker_init_fn_is_called_with_the_workers_number(tmp_path):
    if FAST != "fork":
        pytest.skip("a lambda needs fork")
    list(loader(range(4), worker_init_fn=lambda k: (tmp_path / f"worker{k}").touch()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker0", "worker1"]


def test_reading_ahead_is_bounded(tmp_path):
    class Counted(data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            (tmp_path / str(index)).touch()
            return index

    if FAST != "fork":
        pytest.skip("a local class needs fork")
    batches = iter(loader(Counted(), 1, prefetch_factor=2))
    next(batches)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == 5, "the one taken, and two ahead for each worker"
    del batches


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("value", ValueError, "sample 5 is bad"),
        ("key", KeyError, "colour"),
        ("file", FileError, "the file 'x.png' is broken"),
        ("two", WorkerError, "TwoArguments"),
        ("local", WorkerError, "from nowhere"),
        ("unpicklable", (AttributeError, TypeError, Exception), "(?i)pickl|local object"),
    ],
)
def test_a_workers_exception_arrives_with_its_type_and_traceback(fault, kind, message):
    with pytest.raises(kind, match=message) as caught:
        list(loader(Faulty(fault), collate_fn=list))
    text = str(caught.value)
    del caught  # or its traceback, which leads to this frame, keeps the iterator
    assert "in DataLoader worker process 0.\nOriginal Traceback (most recent call last)" in text
    assert "worker.py" in text and ("__getitem__" in text or fault == "unpicklable")


def test_the_loop_may_go_on_after_a_workers_exception():
    batches = iter(loader(Faulty("value")))
    seen = []
    for _ in range(4):
        try:
            seen.append(next(batches).tolist())
        except ValueError:
            seen.append("bad")
    assert seen == [[0, 1], [2, 3], "bad", [6, 7]]
    with pytest.raises(StopIteration):
        next(batches)


def test_an_exception_in_worker_init_fn_arrives():
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker"):
        list(loader(range(4), worker_init_fn=(1).__truediv__, num_workers=1))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "exit",
            r"worker 0 died before its batch was ready, with exit code 3\. With num_workers=0",
        ),
        ("kill", r"exit code -9 \(killed: often the system was out of memory\)"),
    ],
)
def test_a_dead_worker_is_reported(fault, message):
    with pytest.raises(WorkerError, match=message):
        list(loader(Faulty(fault)))


@pytest.mark.skipif(FAST != "fork", reason="forks")
def test_a_dead_worker_is_noticed_even_if_its_pipe_stays_open():
    start = time.monotonic()
    with pytest.raises(WorkerError, match="exit code 4"):
        list(loader(Faulty("orphan")))
    assert time.monotonic() - start < 2.5


def test_a_worker_that_takes_too_long_is_reported():
    start = time.monotonic()
    with pytest.raises(WorkerError, match=r"timed out after 0.5 seconds: worker 0 sent no batch"):
        list(loader(Faulty("sleep"), timeout=0.5))
    assert time.monotonic() - start < 10


def test_after_a_death_the_iterator_is_at_its_end():
    batches = iter(loader(Faulty("exit")))
    with pytest.raises(WorkerError):
        list(batches)
    assert list(batches) == []


def test_persistent_workers_are_started_anew_after_a_death():
    persistent = loader(Faulty("exit"), persistent_workers=True)
    for _ in range(2):
        with pytest.raises(WorkerError, match="exit code 3"):
            list(persistent)


def test_breaking_off_ends_the_workers():
    for _ in loader(range(100)):
        assert len(children()) == 2
        break
    assert not children()


def test_an_exception_in_the_loop_ends_the_workers():
    def train():
        for _ in loader(range(100)):
            raise RuntimeError("training failed")

    with pytest.raises(RuntimeError, match="training failed"):
        train()
    assert not children()


def test_an_iterator_that_was_never_used_ends_its_workers():
    iter(loader(range(10)))
    assert not children()


def test_what_cannot_be_sent_to_a_spawned_worker_is_explained():
    if "spawn" not in METHODS:
        pytest.skip("this system cannot spawn processes")
    made = loader(range(4), collate_fn=lambda b: b, multiprocessing_context="spawn")
    with pytest.raises(WorkerError, match=r"cannot be sent to a worker: .*no lambdas"):
        iter(made)


def test_an_unknown_start_method_is_refused():
    with pytest.raises(
        ArgumentError, match=r"multiprocessing_context must be one of .* got 'thread'"
    ):
        iter(loader(range(4), multiprocessing_context="thread"))


def test_a_context_may_be_given_as_an_object():
    made = loader(range(4), multiprocessing_context=multiprocessing.get_context(FAST))
    assert len(list(made)) == 2


def test_a_message_that_cannot_be_read_is_reported(monkeypatch):
    batches = iter(loader(range(4), num_workers=1))
    monkeypatch.setattr(reduction.ForkingPickler, "loads", lambda _: 1 / 0)
    with pytest.raises(WorkerError, match="worker 0 sent cannot be read here: ZeroDivisionError"):
        next(batches)


def test_an_unguarded_script_is_told_about_the_guard(tmp_path):
    if "spawn" not in METHODS:
        pytest.skip("this system cannot spawn processes")
    script = tmp_path / "script.py"
    script.write_text(
        "from minicnn.data import DataLoader\n"
        "list(DataLoader(range(4), num_workers=1, multiprocessing_context='spawn'))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env())
    assert "put the training script's code under `if __name__ == '__main__':`" in done.stderr


SCRIPT = """
    import os, signal, sys, time
    from minicnn.data import DataLoader, Dataset

    class Slow(Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, index):
            time.sleep(0.05)
            return os.getpid()

    if __name__ == "__main__":
        pids = set()
        try:
            for batch in DataLoader(Slow(), 2, num_workers=2):
                pids.update(batch.tolist())
                if len(pids) == 2:
                    print(*pids, flush=True)
                    pids.add(0)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(130)
"""


def env():
    root = str(Path(minicnn.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": root}


def started(tmp_path):
    """Start the script in a process group of its own; return it and its workers' pids."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env(),
        start_new_session=True,
    )
    return process, [int(pid) for pid in process.stdout.readline().split()]


def gone(pid, patience=5.0):
    """Whether a process ends (a zombie counts as ended) within `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_ctrl_c_leaves_no_worker_and_no_noise(tmp_path):
    process, pids = started(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and out == "interrupted\n" and err == ""
    assert all(gone(pid) for pid in pids)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    process, pids = started(tmp_path)
    process.kill()
    process.communicate(timeout=20)
    assert len(pids) == 2 and all(gone(pid) for pid in pids)


def test_threads_in_the_training_process_cause_no_warning():
    thread = threading.Thread(target=time.sleep, args=(0.5,))
    thread.start()
    assert len(list(loader(range(4)))) == 2  # warnings are errors in these tests
    thread.join()


# ----------------------------------------------------------------------------------------------
# Large batches, which take the way through memory


class Large(data.Dataset):
    """Sample i: an array of 40 kB that says i everywhere, some text, and i itself."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return np.full((100, 100), index, np.float32), f"sample {index}", index


def check_large(batches):
    batches = list(batches)  # all are kept: none may be written over
    for number, (images, texts, labels) in enumerate(batches):
        expected = np.arange(4 * number, 4 * number + 4)
        assert labels.tolist() == expected.tolist()
        assert list(texts) == [f"sample {i}" for i in expected]
        assert np.array_equal(
            images.numpy(), np.broadcast_to(expected[:, None, None], images.shape)
        )
        images.numpy()[0, 0, 0] = -1  # it is the receiver's own
    assert len(batches) == 6


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_large_arrays_arrive_whole_and_stay(workers, ahead):
    loader = data.DataLoader(
        Large(), 4, num_workers=workers, prefetch_factor=ahead, persistent_workers=True
    )
    check_large(loader)
    check_large(loader)


@pytest.mark.skipif("spawn" not in METHODS, reason="this system cannot spawn processes")
def test_large_arrays_arrive_from_a_spawned_worker():
    check_large(data.DataLoader(Large(), 4, num_workers=1, multiprocessing_context="spawn"))


def no_memory(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(FAST != "fork", reason="a worker must inherit the patch")
@pytest.mark.parametrize("missing", ["memfd_create", "pwrite"])
def test_large_arrays_take_the_pipe_where_there_is_no_memory(monkeypatch, missing):
    monkeypatch.setattr(os, missing, no_memory, raising=False)
    check_large(data.DataLoader(Large(), 4, num_workers=2))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="cannot count open files")
def test_workers_leave_no_open_files_behind():
    list(data.DataLoader(Large(), 4, num_workers=2))  # starts what stays, such as a tracker
    before = len(os.listdir("/proc/self/fd"))
    list(data.DataLoader(Large(), 4, num_workers=2))
    next(iter(data.DataLoader(Large(), 4, num_workers=2)))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="cannot count open files")
def test_a_worker_that_cannot_start_leaves_no_open_file_behind(monkeypatch):
    def cannot_start(process):
        raise OSError(11, "Resource temporarily unavailable")

    list(data.DataLoader(Large(), 4, num_workers=1))
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", cannot_start)
    for _ in range(3):
        with pytest.raises(OSError, match="temporarily unavailable"):
            iter(data.DataLoader(Large(), 4, num_workers=1))
    assert len(os.listdir("/proc/self/fd")) == before
