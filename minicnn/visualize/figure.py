"""Making figures and writing them to files."""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, nearest
from ..serialization import atomic_write

FIRST, SECOND = "#1f6fb4", "#d95f0e"  # training and validation: blue and orange, safe to tell apart


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of so many inches."""
    return _figure_class()(figsize=(width, height), layout="constrained")


@lru_cache(maxsize=1)
def _figure_class() -> Any:
    import matplotlib.figure

    class Figure(matplotlib.figure.Figure):
        """A figure that a notebook shows by itself, whether pyplot is in use there or not."""

        def _repr_png_(self) -> bytes:
            picture = io.BytesIO()
            self.savefig(picture, format="png")
            return picture.getvalue()

    return Figure


def save(figure: Any, path: str | os.PathLike[str], dpi: int = 130) -> None:
    """Write a figure to a file, atomically.

    Args:
        figure: what a function of this package returned.
        path: its ending decides the format: png, pdf, svg ...
        dpi: pixels per inch.
    """
    kind = Path(path).suffix.lstrip(".").lower()
    known = sorted(figure.canvas.get_supported_filetypes())
    if kind not in known:
        raise ArgumentError(
            f"visualize.save: '{path}' does not end like a picture; use one of {', '.join(known)}."
            + nearest(kind, known)
        )
    with atomic_write(path) as file:
        figure.savefig(file, format=kind, dpi=dpi)


def plain(axes: Any) -> None:
    """Leave only what a reader needs: two axes and a faint grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
