"""`History`: what happened in a training, epoch by epoch."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, FileError, MissingFileError, UnknownNameError, nearest
from ..serialization import atomic_write


class History(dict[str, list]):
    """A dict with one list per quantity, all of one length: one entry for each epoch.

    `Trainer.fit` writes ``epoch``, ``loss`` and the metrics (over the training batches as they were
    trained on), ``val_loss`` and so on (over the validation data at the end of the epoch), ``lr``
    (of the epoch's last step) and ``seconds``. What was not measured in an epoch is NaN.
    """

    def append(self, row: Mapping[str, float]) -> None:
        """Add one epoch."""
        length = self.epochs
        for name in row:
            if name not in self:
                self[name] = [math.nan] * length
        for name, values in self.items():
            values.append(row.get(name, math.nan))

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return max((len(values) for values in self.values()), default=0)

    @property
    def history(self) -> dict[str, list]:
        """The lists themselves, as in Keras."""
        return self

    def row(self, i: int) -> dict[str, Any]:
        """Return all that is known of the i-th entry (from 0, or from the end with -1)."""
        return {name: values[i] for name, values in self.items()}

    def best(self, monitor: str = "val_loss", mode: str = "auto") -> dict[str, Any]:
        """Return the row of the best epoch, the first one if several are equally good.

        Args:
            monitor: the quantity that decides.
            mode: "min", "max", or "auto": the larger the better for an accuracy, else the smaller.
        """
        if monitor not in self:
            raise UnknownNameError(
                f"history: '{monitor}' was not recorded; there are "
                f"{', '.join(self)}.{nearest(monitor, self)}"
            )
        sign = -1.0 if larger_is_better(monitor, mode) else 1.0
        keys = [sign * v if v == v else math.inf for v in self[monitor]]  # NaN loses
        return self.row(keys.index(min(keys)))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Return a drawing of loss and metrics over the epochs; write it to `path` if given."""
        from .. import visualize

        figure = visualize.curves(self)
        if path is not None:
            visualize.save(figure, path)
        return figure

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one line per epoch, without rounding; NaN becomes an empty field."""
        with atomic_write(path, "w", encoding="utf-8", newline="") as file:
            write = csv.writer(file, lineterminator="\n").writerow
            write(self)
            for values in zip(*self.values(), strict=True):
                write(["" if v != v else repr(v) for v in values])

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> History:
        """Read what `to_csv` wrote."""
        try:
            with open(path, encoding="utf-8", newline="") as file:
                head, *lines = list(csv.reader(file)) or [[]]
            columns = list(zip(*lines, strict=True)) if lines else [()] * len(head)
            return cls(
                (name, [_number(text) for text in column])
                for name, column in zip(head, columns, strict=True)
            )
        except FileNotFoundError:
            raise MissingFileError(f"history: there is no file '{path}'") from None
        except (OSError, ValueError, csv.Error) as error:
            raise FileError(f"history: '{path}' is not a table of numbers: {error}") from error


def larger_is_better(monitor: str, mode: str = "auto") -> bool:
    """Return whether growing values of a quantity are good news."""
    if mode not in ("auto", "min", "max"):
        raise ArgumentError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
    return mode == "max" or (mode == "auto" and "acc" in monitor)


def _number(text: str) -> float:
    if not text:
        return math.nan
    try:
        return int(text)
    except ValueError:
        return float(text)
