"""`Meter`: running means that are read from the device as seldom as possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..backend import array_module, to_device
from ..tensor import Tensor


class Meter:
    """Means over samples of values that come batch by batch.

    On a GPU, reading a number waits until all work before it is done, and a training loop that
    reads its loss at every step keeps the GPU waiting in turn. So values stay on the device until
    `read`, which brings all that have come since together, in one copy.

    Args:
        names: what the values are, the loss first.
    """

    def __init__(self, names: Sequence[str]):
        self.names = names
        self.count = 0  # samples that have been read
        self.totals = [0.0] * len(names)
        self.batches = 0
        self.first_bad: tuple[int, float] | None = None  # batch and value of a loss like NaN
        self._waiting: list[tuple[int, list[Any]]] = []

    def add(self, count: int, values: Sequence[Any]) -> None:
        """Note the means over a batch of `count` samples: tensors of one element, or numbers."""
        kept = [v.array if isinstance(v, Tensor) else float(v) for v in values]
        self._waiting.append((count, kept))

    def read(self) -> dict[str, float]:
        """Return the means over all samples so far, by name."""
        for count, values in zip([c for c, _ in self._waiting], self._fetch(), strict=True):
            self.batches += 1
            self.count += count
            for i, value in enumerate(values):
                self.totals[i] += count * value
            if self.first_bad is None and not math.isfinite(values[0]):
                self.first_bad = self.batches, values[0]
        self._waiting.clear()
        return {
            name: total / self.count if self.count else math.nan
            for name, total in zip(self.names, self.totals, strict=True)
        }

    def _fetch(self) -> list[list[float]]:
        """Return the waiting values as numbers."""
        rows = [values for _, values in self._waiting]
        arrays = [v.reshape(()) for row in rows for v in row if not isinstance(v, float)]
        if not arrays:
            return rows
        xp = array_module(arrays[0])
        stacked = xp.stack([array.astype(xp.float64) for array in arrays])
        numbers = iter(to_device(stacked, "cpu").tolist())
        return [[v if isinstance(v, float) else next(numbers) for v in row] for row in rows]
