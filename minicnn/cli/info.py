"""``minicnn info``: what this installation is made of, for a bug report or a slow training."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .._version import __version__
from ..backend import cuda, get_default_device
from ..data import datasets
from ..data.datasets.files import Place, cache_folder
from ..threads import get_num_threads

PACKAGES = ("numpy", "matplotlib", "pillow", "tqdm", "safetensors", "threadpoolctl")


def run(arguments: Any) -> int:
    """Print what there is, and return the exit code."""
    rows = [
        ("minicnn", f"{__version__}, {Path(__file__).parents[1]}"),
        ("python", f"{platform.python_version()}, {sys.executable}"),
        ("system", f"{platform.platform()}, {os.cpu_count()} processors"),
        *((name, version(name)) for name in PACKAGES),
        ("threads", f"{get_num_threads()} in minicnn's kernels"),
        *(("BLAS", line) for line in blas()),
        ("CUDA", gpu()),
        ("device", f"{get_default_device()}{source('MINICNN_DEVICE')}"),
        ("data", data_folder()),
        ("cache", f"{cache_folder()}{source('MINICNN_CACHE')}"),
        *((f"  {name}", where_is(datasets.get(name))) for name in datasets.names()),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def data_folder() -> str:
    """Return the user's own folder of data sets."""
    folder = os.environ.get("MINICNN_DATA")
    if not folder:
        return "MINICNN_DATA is not set"
    return folder + source("MINICNN_DATA") + ("" if Path(folder).is_dir() else ": no such folder")


def version(name: str) -> str:
    """Return the version of a package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def blas() -> list[str]:
    """Return a line for each library of matrix products, with its threads."""
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [
        f"{p['internal_api']} {p.get('version') or ''}, {p['num_threads']} threads"
        + (f", {p['architecture']}" if p.get("architecture") else "")
        for p in found
    ] or ["not recognised"]


def gpu() -> str:
    """Return which GPUs there are, or why there is none."""
    if not cuda.is_available():
        return f"not available: {cuda.why_not()}"
    runtime = cuda.module().cuda.runtime
    names = [runtime.getDeviceProperties(i)["name"].decode() for i in range(cuda.device_count())]
    return f"{', '.join(names)}; CuPy {cuda.module().__version__}"


def source(variable: str) -> str:
    """Say that a value comes from an environment variable, if it does."""
    return f"  (from {variable})" if os.environ.get(variable) else ""


def where_is(cls: Any) -> str:
    """Say where the files of a data set are."""
    if not cls.md5:
        return "part of minicnn"
    place = Place(cls.name, None, None, cls.folders)
    found = [place.find(name) for name in cls.md5]
    if all(found):
        return str(found[0].parent)  # type: ignore[union-attr]
    return f"not here; would be downloaded to {place.target}"
