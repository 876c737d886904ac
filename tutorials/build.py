"""Make the notebooks of the course from their scripts, and run them: `python tutorials/build.py`.

A script `NN_name.py` in jupytext's percent format is what people edit and review. Its notebook
`NN_name.ipynb` has the same cells and what they printed and drew, so that it can be read where
nothing can be run. This program is the only way from one to the other. `--check` writes nothing and
fails where they disagree.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
LIMIT = 180  # seconds that a notebook may take on two cores
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class BuildError(Exception):
    """A notebook that must not be shown to a student as it is."""


def notebook_of(script: Path) -> Any:
    """Return the cells of a script as a notebook without outputs; the same script, the same ids."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02d}", nbformat.from_dict({})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def without_outputs(notebook: Any) -> Any:
    """Return a copy that has not been run."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def run(notebook: Any, real_data: bool) -> None:
    """Run all cells in order, in a new kernel and an empty folder; fill in their outputs.

    The shipped data is used unless `real_data`, so that everybody's outputs are the same.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("MPLBACKEND", None)  # or the kernel would draw nothing
    with tempfile.TemporaryDirectory() as folder:
        if not real_data:
            environment.pop("MINICNN_DATA", None)
            environment["MINICNN_CACHE"] = folder
        client = NotebookClient(
            notebook,
            timeout=LIMIT,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=40"],  # of the kernel itself: errors only
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=environment)
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel added its version


def complaints(notebook: Any) -> list[str]:
    """Return what in the outputs a student should not see."""
    found = []
    count = 0
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        count += 1
        if cell.execution_count != count:
            found.append(f"{cell.id} was not run, or not in its turn")
        for output in cell.outputs:
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{cell.id} ends in an error or a warning: {text or output.ename}")
            elif " at 0x" in text:
                found.append(f"{cell.id} shows an address, another one at every run: {text}")
    return found


def build(script: Path, check: bool = False, real_data: bool = False) -> float:
    """Run one script as a notebook and write it, or compare it; return the seconds it took.

    Raises:
        BuildError: the outputs show an error, a warning or an address; it took too long; or, with
            `check`, the notebook that is there was not made from this script.
    """
    target = script.with_suffix(".ipynb")
    notebook = notebook_of(script)
    wrong = []
    if check:
        there = nbformat.read(target, as_version=4) if target.exists() else None
        if there is None or without_outputs(there) != notebook:
            raise BuildError(f"{target.name} and {script.name} disagree; {remedy(script)}")
        wrong += [f"as committed, {text}; {remedy(script)}" for text in complaints(there)]
    start = time.perf_counter()
    run(notebook, real_data)
    seconds = time.perf_counter() - start
    wrong += complaints(notebook)
    if seconds > LIMIT:
        wrong.append(f"it took {seconds:.0f} s, and {LIMIT} s are allowed")
    if wrong:
        raise BuildError("\n".join(f"{script.stem}: {text}" for text in wrong))
    if not check:
        nbformat.write(notebook, target)
    return seconds


def remedy(script: Path) -> str:
    return f"edit {script.name}, then run: python tutorials/build.py {script.stem[:2]}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the notebooks of the course, and run them.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which ones; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, fail where it differs")
    parser.add_argument("--real-data", action="store_true", help="use the data in MINICNN_DATA")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the scripts are")
    options = parser.parse_args(arguments)
    if options.real_data and not options.check:
        parser.error("--real-data goes with --check: notebooks show the shipped data")
    numbers = [number.zfill(2) for number in options.numbers]
    scripts = sorted(options.folder.glob("[0-9][0-9]_*.py"))
    if unknown := set(numbers) - {script.stem[:2] for script in scripts}:
        parser.error(f"there is no script with the number {', '.join(sorted(unknown))}")
    failed = False
    for script in scripts:
        if numbers and script.stem[:2] not in numbers:
            continue
        try:
            seconds = build(script, options.check, options.real_data)
            print(f"{script.stem}: {seconds:.1f} s", flush=True)
        except Exception as error:
            failed = True
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # a traceback without its colours
            print(f"{script.stem}: {plain}", file=sys.stderr, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
