"""What all tests share: the same property tests at every run, all cores at work, and the device.

``pytest --device cuda`` runs the tests on a GPU, ``--device cuda-standin`` on a strict stand-in for
CuPy (`tests/strict_cupy`); tests marked `host` are left out then, and on the stand-in those marked
`gpu` are skipped. What tests compare, they compare on the host: there `Tensor.numpy` and
`np.asarray` fetch the array, which they else refuse to do, and `minicnn.from_numpy` takes the array
to the device.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

if not importlib.util.find_spec("minicnn"):  # not installed: test the checkout
    sys.path.append(str(Path(__file__).parents[1]))

if importlib.util.find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "minicnn",
        derandomize=True,  # a test that fails today fails tomorrow
        deadline=None,  # a busy machine is no failure
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    settings.load_profile("minicnn")
else:  # without it, what needs no more still runs
    collect_ignore = [
        path.name
        for path in Path(__file__).parent.glob("test_*.py")
        if "hypothesis" in path.read_text()
    ]


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=["cpu", "cuda", "cuda-standin"],
        default="cpu",
        help="where the tests run: on the CPU, on a GPU, or on a strict stand-in for CuPy",
    )


def pytest_configure(config):
    where = config.getoption("--device")
    if where == "cpu":
        return
    if where == "cuda-standin":
        import strict_cupy

        strict_cupy.install()
    import minicnn
    from minicnn.tensor import Tensor

    minicnn.set_default_device("cuda")
    refusing, on_the_host = Tensor.numpy, minicnn.from_numpy
    Tensor.numpy = lambda self, *, force=False: refusing(self.cpu(), force=force)
    minicnn.from_numpy = lambda ndarray: on_the_host(ndarray).cuda()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") == "cpu":
        return
    left_out = [item for item in items if item.get_closest_marker("host")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("host")]
    if config.getoption("--device") == "cuda-standin":
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="the stand-in is no GPU"))


@pytest.fixture(autouse=True)
def no_check_is_left_waiting():
    """What a GPU finds wrong, it finds in the test that did it (see `minicnn.deferred`)."""
    yield
    from minicnn.deferred import settle

    settle()


@pytest.fixture
def standin(request):
    """The stand-in for CuPy in its place, for one test; on a GPU, or already there: as it is."""
    import sys

    import strict_cupy

    from minicnn.backend import cuda
    from minicnn.deferred import settle
    from minicnn.ops import operands

    if request.config.getoption("--device") != "cpu":
        yield sys.modules.get("cupy")
        return
    before = {name: sys.modules.get(name) for name in ("cupy", "cupy.cuda")}
    known, cuda._state = cuda._state, None
    strict_cupy.install()
    try:
        yield strict_cupy
        settle()
    finally:
        cuda._state = known
        operands._constants.cache_clear()  # of the stand-in's arrays
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Use every core (four at most), if pytest-xdist is there and nobody said otherwise."""
    option = config.option
    alone = option.collectonly or option.usepdb or option.keyword or "::" in "".join(config.args)
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # this is one of those processes already, and must not start more of them
    worker = "PYTEST_XDIST_WORKER" in os.environ
    if getattr(option, "numprocesses", 0) is None and not alone and not worker:
        option.numprocesses = min(os.cpu_count() or 1, 4)


if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each process
