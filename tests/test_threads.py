"""The thread pool: the same results whatever the threads, errors that arrive, forks, and BLAS."""

import os
import queue
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import minicnn
import minicnn.nn as nn
from minicnn import threads

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def two_threads():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    yield
    threads.set_num_threads(before)


def blas_threads():
    return [library.get_num_threads() for library in threads._the_blas().libraries]


def training_step(number):
    """The loss and gradients of one step on `number` threads."""
    threads.set_num_threads(number)
    minicnn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 3, stride=2), nn.Flatten(), nn.Linear(8 * 7 * 7, 10),
    )  # fmt: skip
    loss = nn.functional.cross_entropy(model(minicnn.randn(64, 3, 32, 32)), minicnn.arange(64) % 10)
    loss.backward()
    return [loss.detach().array, *(p.grad.array for p in model.parameters())]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_results_are_those_of_one_thread_to_rounding(number):
    for one, several in zip(training_step(1), training_step(number), strict=True):
        np.testing.assert_allclose(several, one, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_same_number_of_threads_gives_the_same_bits(number):
    for first, second in zip(training_step(number), training_step(number), strict=True):
        np.testing.assert_array_equal(first, second)


def test_each_returns_results_in_order_and_uses_other_threads():
    def work(i):
        time.sleep(0.02)
        return i, threading.current_thread().name

    names = threads.each(work, [(i,) for i in range(8)])
    assert [i for i, _ in names] == list(range(8))
    assert len({name for _, name in names}) == 2


def test_each_within_each_runs_in_turn_instead_of_waiting_for_itself():
    def outer(i):
        return sum(threads.each(lambda j: i * j, [(j,) for j in range(4)]))

    assert threads.each(outer, [(i,) for i in range(6)]) == [6 * i for i in range(6)]


def test_nobody_waits_for_a_thread_that_comes_too_late():
    ran = []
    busy = threading.Event()
    threads.each(lambda i: i, [(0,), (1,)])  # the worker exists, and is then kept from waking
    threads._workers[0].jobs.put(([0], busy.wait, queue.SimpleQueue()))
    threads.each(ran.append, [(0,), (1,)])
    busy.set()
    time.sleep(0.05)  # now it finds that all was done without it
    assert ran == [0, 1]


@pytest.mark.parametrize("culprit", [0, 7])
def test_an_error_arrives_from_any_thread_and_leaves_the_pool_usable(culprit):
    def work(i):
        if i == culprit:
            raise ZeroDivisionError(f"piece {i}")

    with pytest.raises(ZeroDivisionError, match=f"piece {culprit}"):
        threads.each(work, [(i,) for i in range(8)])
    assert threads.each(lambda i: i, [(1,), (2,)]) == [1, 2]


def test_add_up_adds_every_piece_once():
    total = np.zeros(3)

    def add(i, into):
        into += i

    threads.add_up(add, [(i,) for i in range(10)], total)
    np.testing.assert_array_equal(total, [45, 45, 45])


def test_blas_has_one_thread_inside_and_its_own_number_outside():
    before = blas_threads()
    with threads.one_blas_thread():
        inside = blas_threads()
    assert inside == [1] * len(before)
    assert blas_threads() == before
    with pytest.raises(ValueError, match="stop"):
        threads.each(lambda: (_ for _ in ()).throw(ValueError("stop")), [()])
    assert blas_threads() == before


def test_two_threads_of_the_user_may_train_at_once():
    expected = training_step(2)
    found = []
    trainers = [threading.Thread(target=lambda: found.append(convolved())) for _ in range(2)]

    def convolved():
        rng = np.random.default_rng(0)
        x = minicnn.from_numpy(rng.standard_normal((32, 8, 16, 16)))
        w = minicnn.from_numpy(rng.standard_normal((8, 8, 3, 3)))
        return nn.functional.conv2d(x, w).array

    for t in trainers:
        t.start()
    for t in trainers:
        t.join()
    np.testing.assert_array_equal(found[0], found[1])
    assert expected is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_pool_survives_a_fork():
    training_step(2)
    child = os.fork()
    if child == 0:
        try:
            training_step(2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MINICNN_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "none"}, None),
    ],
)
def test_the_environment_sets_the_number_of_threads(variables, expected):
    environment = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    code = "import minicnn; print(minicnn.get_num_threads())"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **variables}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert int(printed) == (expected or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("number", [0, -1, 2.5, True, "2"])
def test_an_impossible_number_of_threads_is_refused(number):
    with pytest.raises(ValueError, match="set_num_threads: expected a positive integer"):
        minicnn.set_num_threads(number)


def test_importing_changes_nothing_and_the_allocator_can_be_left_alone():
    code = (
        "import os; os.environ['MINICNN_ALLOCATOR'] = '0'\n"
        "from minicnn import threads\n"
        "assert threads._blas is None\n"
        "print(threads.keep_freed_memory())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
