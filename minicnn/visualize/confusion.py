"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .figure import new_figure


def confusion(matrix: Any, classes: Sequence[str] | None = None, title: str | None = None) -> Any:
    """Return a figure of a confusion matrix.

    Each row is a true class, its colours the shares of its samples, so that large classes do not
    outshine small ones. Right answers are blue; mistakes are orange, and stand out although they
    are few.

    Args:
        matrix: counts (K, K), rows are true classes; see `training.metrics.confusion_matrix`.
        classes: the names of the classes; default: their numbers.
        title: what stands above; default: the accuracy.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(f"visualize.confusion: expected counts (K, K), got shape {counts.shape}")
    size = len(counts)
    names = [str(i) for i in range(size)] if classes is None else list(classes)
    if len(names) != size:
        raise ShapeError(f"visualize.confusion: {len(names)} names for {size} classes")
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)

    inches = max(4.2, 0.46 * size + 1.6)
    figure = new_figure(inches, inches)
    axes = figure.subplots()
    axes.imshow(_colours(share))
    _write_counts(axes, counts, share)
    slanted = max(map(len, names)) > 3
    axes.set_xticks(
        range(size), names, rotation=45 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for edge in axes.spines.values():
        edge.set_visible(False)
    if size <= 30:
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(title or f"accuracy {right:.2%} of {counts.sum():,}", fontsize=11)
    return figure


def _colours(share: np.ndarray) -> np.ndarray:
    """Return an RGB picture (K, K, 3): white for none; blue on the diagonal, orange beside it."""
    blue, orange = np.array([0.08, 0.36, 0.65]), np.array([0.85, 0.33, 0.05])
    full = np.where(np.eye(len(share), dtype=bool)[..., None], blue, orange)  # (K, K, 3)
    return 0.97 + _depth(share)[..., None] * (full - 0.97)


def _depth(share: np.ndarray) -> np.ndarray:
    """Return how deep the colours are, from 0 to 1; one mistake among thousands is seen too."""
    mistakes = np.where(share > 0, 0.15 + 0.85 * np.sqrt(share), 0.0)
    return np.where(np.eye(len(share), dtype=bool), share, mistakes)


def _write_counts(axes: Any, counts: np.ndarray, share: np.ndarray) -> None:
    size = len(counts)
    if size > 30:
        return
    depth = _depth(share)
    for i, j in np.argwhere(counts > 0):
        colour = "white" if depth[i, j] > 0.6 else "#222222"
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=colour, fontsize=8)
