"""Two processes, one script: starting the runs and reading what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import CompareError
from .agreement import Recording

LIBRARIES = ("minicnn", "PyTorch")

# Not -m: it would take a minicnn that happens to lie in the current folder for this one.
CHILD = """
import sys
sys.path[:] = [path for path in sys.path if path]
from minicnn.compare.child import main
sys.exit(main(sys.argv[1]))
"""


def recorded(
    script: Path, arguments: Sequence[str], folder: Path, steps: int, double: bool
) -> tuple[Recording, Recording]:
    """Run the script on minicnn and on PyTorch; return both recordings.

    Raises:
        CompareError: PyTorch is absent, or the script fails in one of the runs.
    """
    import importlib.util

    if not script.is_file():
        raise CompareError(f"compare: there is no file '{script}'")
    if importlib.util.find_spec("torch") is None:
        raise CompareError(
            "compare: PyTorch is not installed here, so there is nothing to compare with; "
            "pip install torch"
        )
    ours, theirs = (_run(library, script, arguments, folder, steps, double)
                    for library in LIBRARIES)  # fmt: skip
    return ours, theirs


def _run(
    library: str, script: Path, arguments: Sequence[str], parent: Path, steps: int, double: bool
) -> Recording:
    folder = parent / library.lower()
    folder.mkdir(parents=True)
    settings = {
        "library": library,
        "script": str(script),
        "arguments": list(arguments),
        "folder": str(folder.resolve()),
        "steps": steps,
        "double": double,
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    with open(folder / "output.txt", "wb") as output:
        code = subprocess.run(
            [sys.executable, "-c", CHILD, str(file)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            check=False,
        ).returncode
    if not (folder / "result.json").exists():
        printed = (folder / "output.txt").read_text(encoding="utf-8", errors="replace").strip()
        last = printed.splitlines()[-1] if printed else ""
        raise CompareError(f"compare: {library}'s run ended with exit code {code}. {last}")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if result["error"]:
        raise CompareError(
            f"compare: the script fails on {library}:\n{_without_ours(result['error'])}"
        )
    if not result["events"]:
        raise CompareError(
            f"compare: {library}'s run left nothing to compare: the script calls no module and no "
            "backward(). If it does so under another name, call it as a plain script"
        )
    return Recording(folder, result)


def _environment() -> dict[str, str]:
    """The child's environment: this minicnn, one order of sets, and no GPU."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "MINICNN_DEVICE": "cpu",
    }


def _without_ours(traceback: str) -> str:
    """Return a traceback without the lines that lead to the script."""
    lines = traceback.rstrip().splitlines()
    ours = (str(Path(__file__).parent), "<frozen runpy>")
    kept, skipping = lines[:1], False
    for line in lines[1:]:
        if line.startswith("  File "):
            skipping = any(path in line for path in ours) or "runpy.py" in line
        elif not line.startswith(" "):
            skipping = False
        if not skipping:
            kept.append(line)
    return "\n".join(kept)
