"""What all tests share: the same property tests at every run, and all cores at work."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "minicnn",
    derandomize=True,  # a test that fails today fails tomorrow
    deadline=None,  # a busy machine is no failure
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("minicnn")


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
