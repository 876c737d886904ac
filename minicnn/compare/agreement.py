"""Do two recordings agree, and if not: which tensor is the first that differs?

*How different two tensors are* is said in parts of the largest element: max |a - b| / max |b|, b
being PyTorch's. Element by element would not do, since an element that should be 0 is rounding.
For the same reason a gradient is measured at least by a hundredth of the largest gradient of its
step: that of a bias in front of a batch norm is nothing but rounding.

*What is allowed* is LIMIT, a hundred times the rounding of a sum. But rounding grows: a training
step amplifies the differences with which it begins. So a step is allowed GROWTH times what all the
tensors before it differed by, as long as that stays below the CEILING.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..serialization import load
from .recorder import GRADIENT, INITIAL, INPUT, OUTPUT_GRADIENT

LIMIT = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-9}
GROWTH = 30.0
CEILING = 1e-2


class Gap(NamedTuple):
    """How far two tensors are apart."""

    size: float  # in parts of the largest element
    largest: float  # as a number
    where: tuple[int, ...]
    ours: float
    theirs: float
    share: float  # of the elements, how many differ by more than the limit
    ratio: float | None  # what PyTorch's must be multiplied by, if one number does it


class Difference(NamedTuple):
    """The first tensor that differs."""

    event: dict[str, Any]
    why: str  # "values", "shape", "dtype" or "missing"
    said: str  # what is different, in words
    gap: Gap | None
    limit: float
    before: dict[str, Any] | None  # the last tensor that was right
    other: dict[str, Any] | None  # the event in minicnn's run

    @property
    def drawn(self) -> bool:
        """Whether nothing was computed before it: it was drawn, or read."""
        earlier = INITIAL if self.before is None else self.before["kind"]
        return {self.event["kind"], earlier} <= {INITIAL, INPUT}


class Agreement(NamedTuple):
    """What the comparison of two recordings found."""

    steps: list[dict[str, Any]]
    tensors: int
    difference: Difference | None


class Recording:
    """What one run has left in its folder: `result.json` and the tensors of every step."""

    def __init__(self, folder: Path, result: dict[str, Any]):
        self.folder = folder
        self.result = result
        self.events: list[dict[str, Any]] = result["events"]
        self._step = 0
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, event: dict[str, Any]) -> np.ndarray:
        """Return the values of an event."""
        if event["step"] != self._step:
            self._step = event["step"]
            self._arrays = load(self.folder / f"step-{self._step:06d}.safetensors")
        return np.asarray(self._arrays[event["key"]])


def compared(ours: Recording, theirs: Recording) -> Agreement:
    """Return how far the recording of minicnn agrees with that of PyTorch."""
    known = {_identity(event): event for event in ours.events}
    steps: list[dict[str, Any]] = []
    seen, before = 0.0, None
    ordered = sorted(theirs.events, key=lambda e: (e["step"], e["kind"] != INITIAL))
    scales = _gradient_scales(theirs)
    for count, event in enumerate(ordered):
        if not steps or steps[-1]["step"] != event["step"]:
            steps.append({"step": event["step"], "loss": None, "gap": 0.0})
        mine = known.get(_identity(event))
        if mine is None and event["kind"] == OUTPUT_GRADIENT:
            continue  # in one library nothing asked for it
        difference, gap = _compare(ours, theirs, mine, event, before, seen, scales)
        if difference is not None:
            return Agreement(steps, count, difference)
        assert gap is not None
        steps[-1]["gap"] = max(steps[-1]["gap"], gap.size)
        if event["kind"] == "loss":
            steps[-1]["loss"] = gap.theirs
        seen, before = max(seen, gap.size), event
    return Agreement(steps, len(ordered), _left_over(ours, theirs, before))


def _identity(event: dict[str, Any]) -> tuple:
    return event["step"], event["kind"], event["name"], event["number"]


def _gradient_scales(recording: Recording) -> dict[tuple[int, str], float]:
    """Return the largest gradient of each step and kind."""
    scales: dict[tuple[int, str], float] = {}
    for event in recording.events:
        if event["kind"] in (GRADIENT, OUTPUT_GRADIENT):
            array = recording.array(event)
            key = event["step"], event["kind"]
            largest = float(np.abs(array).max(initial=0.0)) if array.dtype.kind == "f" else 0.0
            scales[key] = max(scales.get(key, 0.0), largest)
    return scales


def _compare(
    ours: Recording, theirs: Recording, mine: dict[str, Any] | None, event: dict[str, Any],
    before: Any, seen: float, scales: dict[tuple[int, str], float],
) -> tuple[Difference | None, Gap | None]:  # fmt: skip
    if mine is None:
        said = "it is in PyTorch's run, but not in minicnn's"
        return Difference(event, "missing", said, None, 0.0, before, None), None
    a, b = ours.array(mine), theirs.array(event)
    for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
        if x != y:
            said = f"its {what} is {x} in minicnn and {y} in PyTorch"
            return Difference(event, what, said, None, 0.0, before, mine), None
    limit = LIMIT.get(str(b.dtype), 0.0)
    if limit:
        limit = max(limit, min(GROWTH * seen, CEILING))
    gap = measured(a, b, limit, scales.get((event["step"], event["kind"]), 0.0) * 1e-2)
    if gap.size <= limit:
        return None, gap
    return Difference(event, "values", "", gap, limit, before, mine), gap


def measured(a: np.ndarray, b: np.ndarray, limit: float, least: float = 0.0) -> Gap:
    """Return how far `a` is from `b`, measured by the largest element of b, or by `least`."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        value = float(b.reshape(-1)[0]) if b.size else 0.0
        return Gap(0.0, 0.0, (0,) * b.ndim, value, value, 0.0, None)
    finite = b[np.isfinite(b)]
    scale = max(float(np.abs(finite).max(initial=0.0)), least) or 1.0
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(a - b))
    distance = np.where(np.isnan(distance), np.inf, distance)
    where = np.unravel_index(int(distance.argmax()), distance.shape)
    largest = float(distance[where])
    return Gap(
        largest / scale, largest, tuple(int(i) for i in where), float(a[where]), float(b[where]),
        float((distance > limit * scale).mean()), _ratio(a, b),
    )  # fmt: skip


def _ratio(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return r if a = r b to within a thousandth, else None."""
    power = float((b * b).sum())
    if not np.isfinite(power) or power == 0.0 or not np.isfinite(a).all():
        return None
    r = float((a * b).sum()) / power
    return r if np.abs(a - r * b).max() <= 1e-3 * abs(r) * np.abs(b).max() else None


def _left_over(ours: Recording, theirs: Recording, before: Any) -> Difference | None:
    """Return the first tensor that only minicnn's run has."""
    known = {_identity(event) for event in theirs.events}
    for event in ours.events:
        if _identity(event) not in known and event["kind"] != OUTPUT_GRADIENT:
            said = "it is in minicnn's run, but not in PyTorch's"
            return Difference(event, "missing", said, None, 0.0, before, event)
    return None
