"""One training script on minicnn and on PyTorch: do they compute the same, and if not, where not?

    minicnn compare train.py --epochs 1

The script is ordinary PyTorch code, or minicnn code (``import minicnn as torch``), and is not
changed. It is run twice, in two processes. In each, both names mean one library (`alias.py`); both
draw the same random numbers (`shared_random.py`), so that initial weights, batches and dropout are
the same; and what is computed is written down step by step (`recorder.py`). Then the recordings are
compared in the order in which PyTorch computed (`agreement.py`), and the first tensor that differs
is named, with the likely cause (`causes.py`).

What the script puts in place by `minicnn.replace` is in place in minicnn's run only. Random draws
that are not shared are those of `np.random.default_rng()` without a seed, of alpha dropout and of
iterable data sets; both runs are on the CPU, with no workers.

Float32 rounds, and training amplifies what it rounds. So a difference in float32 is looked for once
more with the whole script in float64 (`double.py`): if it is not there, it was rounding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import CompareError
from .agreement import compared
from .report import Report, report_of
from .runs import recorded

__all__ = ["Report", "compare"]


def compare(
    script: str | Path,
    arguments: Sequence[str] = (),
    *,
    steps: int = 20,
    double: bool = False,
    keep: str | Path | None = None,
) -> Report:
    """Run a training script on minicnn and on PyTorch, and return how far they agree.

    Args:
        script: a Python file; it is your own code, and runs as such.
        arguments: what it finds in ``sys.argv[1:]``.
        steps: how many training steps to compare; the script is stopped after them.
        double: compute in float64 whatever the script says. Otherwise this is done only to tell a
            difference from rounding.
        keep: a new or empty folder for the recorded tensors, as safetensors files with an index.

    Raises:
        CompareError: PyTorch is absent, or the script cannot be run in both.
    """
    script = Path(script)
    with tempfile.TemporaryDirectory(prefix="minicnn-compare-") as temporary:
        folder = Path(temporary if keep is None else keep)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CompareError(f"compare: '{folder}' must be a new or an empty folder")
        first = _once(script, arguments, folder / ("double" if double else "single"), steps, double)
        difference = first.agreement.difference
        if difference is None or difference.why != "values" or difference.drawn or double:
            return first
        try:
            second = _once(script, arguments, folder / "double", steps, True)
        except CompareError as error:
            last = str(error).splitlines()[-1]
            return first._replace(
                note=f"it could not be run in float64 to rule out rounding: {last}"
            )
        if second.agree:
            return second._replace(rounding=difference)
        return second._replace(note="It differs as written too; in float64 it cannot be rounding.")


def _once(script: Path, arguments: Sequence[str], folder: Path, steps: int, double: bool) -> Report:
    recordings = recorded(script, arguments, folder, steps, double)
    return report_of(script, double, compared(*recordings), recordings)
