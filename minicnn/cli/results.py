"""The folder that a training writes: which files, and how they take the place of older ones."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FileError, MissingFileError

WEIGHTS, CONFIG, HISTORY = "model.safetensors", "config.json", "history.csv"
CURVES, CONFUSION, MISTAKES = "curves.png", "confusion.png", "mistakes.png"
RESULTS = (WEIGHTS, CONFIG, HISTORY, CURVES, CONFUSION, MISTAKES)
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "previous"


def make_folder(out: Path) -> None:
    """Make the folder, and find out now whether it can be written to, not after the training."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise FileError(
            f"cannot write to the folder '{out}': {error.strerror}; use --out"
        ) from error
    if (out / CONFIG).exists() and not is_ours(out):
        raise FileError(f"'{out}' has a {CONFIG} that is not of minicnn; use another --out")


@contextlib.contextmanager
def staged(out: Path, complete: bool) -> Iterator[Path]:
    """Give a folder to write results to; at the end they move into `out`, all or none of them.

    Args:
        out: the folder of the results.
        complete: results of a complete training replace those that are there; others first put
            results of a complete training away into the folder ``previous``.
    """
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
    try:
        yield draft
        old = [out / name for name in RESULTS if (out / name).exists()]
        if not complete and is_complete(out):
            (out / PREVIOUS).mkdir(exist_ok=True)
            for file in old:
                os.replace(file, out / PREVIOUS / file.name)
        for file in sorted(draft.iterdir()):
            os.replace(file, out / file.name)
            old = [one for one in old if one.name != file.name]
        for file in old:  # such as the picture of mistakes when there is no mistake any more
            file.unlink(missing_ok=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_ours(out: Path) -> bool:
    """Whether the folder's description was written by minicnn."""
    try:
        return "minicnn" in read_config(out)
    except FileError:
        return False


def is_complete(out: Path) -> bool:
    """Whether the folder holds the results of a training that was not interrupted."""
    try:
        return bool(read_config(out)["complete"])
    except (OSError, KeyError):
        return False


def read_config(folder: Path) -> dict[str, Any]:
    """Return what a training wrote about itself."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"there is no {CONFIG} in '{folder}'") from None
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise FileError(f"'{path}' is no description of a training")
    return config


def newest(runs: Path = Path("runs")) -> Path:
    """Return the folder of the newest training in `runs`."""
    found = sorted(runs.glob(f"*/{CONFIG}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise MissingFileError(
            f"there is no trained network in '{runs}'; run 'minicnn train' first, or name one "
            "with --weights"
        )
    return found[-1].parent
