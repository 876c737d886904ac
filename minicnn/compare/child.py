"""One of the two runs, in a process of its own: ``main(SETTINGS.json)``.

It makes both names mean one library, makes the random numbers the same, watches the library, and
then runs the script as if it had been started by itself.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minicnn

from .. import data as our_data
from .. import replacement
from ..random import DEFAULT_SEED, manual_seed
from . import double, shared_random
from .alias import alias
from .library import Library
from .recorder import Finished, Recorder


def main(settings_file: str) -> int:
    """Run the script that the settings name; leave `result.json` in their folder."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    folder = Path(settings["folder"])
    made: list[Any] = []
    library = _as_pytorch() if settings["library"] == "PyTorch" else _as_minicnn(made)
    if settings["double"]:
        double.everything(library.module)
    random.seed(DEFAULT_SEED)
    np.random.seed(DEFAULT_SEED % 2**32)
    manual_seed(DEFAULT_SEED)  # in both: PyTorch draws minicnn's numbers
    recorder = Recorder(library, folder, settings["steps"])
    recorder.watch()
    error = _run(settings["script"], settings["arguments"], recorder)
    result = {
        "library": library.name,
        "version": library.version,
        "error": error,
        "events": recorder.events,
        "optimizers": recorder.optimizers,
        "replaced": [repr(replaced) for replaced in made],
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return 0


def _as_minicnn(made: list[Any]) -> Library:
    """Let both names mean minicnn; note in `made` what the script replaces."""

    def replace(*args: Any, **keywords: Any) -> Any:
        made.append(replacement.replace(*args, **keywords))
        return made[-1]

    def without_workers(self: Any) -> Iterator[Any]:
        self.num_workers = 0  # they would start this module anew; their order is no other
        return read(self)

    minicnn.replace = replace
    read = our_data.DataLoader.__iter__
    our_data.DataLoader.__iter__ = without_workers  # type: ignore[method-assign]
    alias("torch", "minicnn")
    return Library(minicnn, "minicnn")


def _as_pytorch() -> Library:
    """Let both names mean PyTorch, which draws minicnn's random numbers."""
    for part in pkgutil.walk_packages(our_data.__path__, our_data.__name__ + "."):
        importlib.import_module(part.name)  # later, minicnn's name will be taken
    torch = importlib.import_module("torch")
    for name in ("torch.utils.data", "torch.optim.lr_scheduler", "torch.nn.functional"):
        importlib.import_module(name)
    shared_random.share(torch)
    # minicnn's data sets can be read here too, by PyTorch's loaders.
    for name in our_data.__all__:
        if hasattr(torch.utils.data, name):
            setattr(our_data, name, getattr(torch.utils.data, name))
    torch.data, torch.replace = our_data, _NotReplaced  # type: ignore[attr-defined]
    alias("minicnn", "torch")
    return Library(torch, "PyTorch")


class _NotReplaced:
    """What `minicnn.replace` is in PyTorch's run: there, nothing is replaced."""

    active = False

    def __init__(self, *args: Any, **keywords: Any):
        self.calls = replacement.Calls()

    def undo(self) -> None:
        pass

    def __enter__(self) -> _NotReplaced:
        return self

    def __exit__(self, *error: Any) -> None:
        pass


def _run(script: str, arguments: list[str], recorder: Recorder) -> str | None:
    """Run the script; return the traceback of what went wrong."""
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except Finished:
        return None
    except SystemExit as leave:
        if leave.code not in (None, 0):
            return f"SystemExit: {leave.code}"
    except BaseException:
        return traceback.format_exc()
    recorder.finish()
    return None
