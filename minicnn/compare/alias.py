"""One name for two libraries: in each run, `torch` and `minicnn` mean the library of that run.

A script says ``import torch`` or ``import minicnn as torch``; it is run twice, in a process each,
and never changed. What it imports is: a finder in front of all others answers for every module
whose name begins with the other library's.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def alias(name: str, target: str) -> None:
    """Let `name` and its submodules be the modules of the package `target`, from here on.

    A submodule that `target` does not have stays what it is.
    """
    real = {key: sys.modules.pop(key) for key in list(sys.modules) if _within(key, name)}
    sys.meta_path.insert(0, _Finder(name, target, real))
    sys.modules[name] = sys.modules[target]


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


class _Finder(MetaPathFinder, Loader):
    """Answers for the submodules of `name` with those of `target`, and else with `real` ones."""

    def __init__(self, name: str, target: str, real: dict[str, ModuleType]):
        self.name, self.target, self.real = name, target, real

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if _within(fullname, self.name) else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        wanted = module.__name__
        counterpart = self.target + wanted[len(self.name) :]
        try:
            found = importlib.import_module(counterpart)
        except ModuleNotFoundError as error:
            if not _within(counterpart, error.name or "") or wanted not in self.real:
                raise
            found = self.real[wanted]
        sys.modules[wanted] = found  # the import system returns what it finds here
