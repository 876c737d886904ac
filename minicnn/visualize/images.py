"""Grids of pictures: samples, mistakes, filters."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import to_device
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from .figure import new_figure

RIGHT, WRONG = "#1a7a3c", "#b3261e"
LETTERS = 12  # of a title, to an inch


def images(
    pictures: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    colours: Sequence[str] | None = None,
    title: str | None = None,
) -> Any:
    """Return a figure with a grid of pictures.

    Args:
        pictures: (N, C, H, W) with one or three channels, in [0, 1]; what lies outside is cut off.
        titles: a line above each picture.
        columns: how many stand side by side.
        colours: the colour of each line.
        title: what stands above all.
    """
    x = _host(pictures)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ShapeError(
            f"visualize.images: expected pictures (N, 1 or 3, H, W), got shape {x.shape}"
        )
    if len(x) == 0:
        raise ArgumentError("visualize.images: there is no picture to draw")
    columns = min(columns, len(x))
    rows = math.ceil(len(x) / columns)
    width = max(1.25 * columns, 3)
    above = textwrap.wrap(title or "", int(LETTERS * width))  # a few pictures are narrow
    figure = new_figure(width, 1.45 * rows + (0.2 + 0.2 * len(above) if above else 0))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.axis("off")
    for i, picture in enumerate(np.clip(x, 0, 1)):
        axes[i].imshow(picture.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=1)
        if titles is not None:
            axes[i].set_title(titles[i], fontsize=8, color=colours[i] if colours else "#222222")
    if above:
        figure.suptitle("\n".join(above), fontsize=11)
    return figure


def mistakes(
    pictures: Any,
    probabilities: Any,
    target: Any,
    classes: Sequence[str] | None = None,
    *,
    most: int = 32,
    columns: int = 8,
) -> Any:
    """Return a figure of what was classified wrongly, the most confident mistakes first.

    These pictures tell more than the accuracy: wrong labels, ambiguous images, and what the model
    has not understood.

    Args:
        pictures: (N, C, H, W) in [0, 1].
        probabilities: (N, K), such as the softmax of a model's outputs.
        target: the true class numbers (N,).
        classes: the names of the classes; default: their numbers.
        most: how many are shown at most.
        columns: how many stand side by side.
    """
    shares, truth = _host(probabilities), _host(target)
    said = shares.argmax(1)
    wrong = np.flatnonzero(said != truth)
    if not len(wrong):
        raise ArgumentError("visualize.mistakes: every sample was classified correctly")
    certainty = shares[wrong, said[wrong]]
    shown = wrong[np.argsort(-certainty, kind="stable")][:most]
    names = [str(i) for i in range(shares.shape[1])] if classes is None else list(classes)
    gap = " " if max(map(len, names)) <= 3 else "\n"
    lines = [f"{names[truth[i]]} →{gap}{names[said[i]]} ({shares[i, said[i]]:.0%})" for i in shown]
    all_of = "all" if len(shown) == len(wrong) else f"the most confident {len(shown)} of"
    title = f"{all_of} {len(wrong)} mistakes: true class → predicted class, its probability"
    return images(_host(pictures)[shown], lines, columns=columns, title=title)


def filters(weight: Any, *, columns: int = 8) -> Any:
    """Return a figure of a convolution's filters, each stretched to the full range of grey.

    Args:
        weight: (F, C, KH, KW). With three channels the filters are shown in colour; else each
            channel is a picture of its own.
        columns: how many stand side by side.
    """
    w = _host(weight)
    if w.ndim != 4:
        raise ShapeError(f"visualize.filters: expected weights (F, C, KH, KW), got shape {w.shape}")
    titles = [f"{i}" for i in range(len(w))]
    if w.shape[1] != 3:
        titles = [f"{f},{c}" if w.shape[1] > 1 else f"{f}" for f, c in np.ndindex(w.shape[:2])]
        w = w.reshape(-1, 1, *w.shape[2:])
    low, high = w.min((1, 2, 3), keepdims=True), w.max((1, 2, 3), keepdims=True)
    return images((w - low) / np.maximum(high - low, 1e-12), titles, columns=columns)


def _host(x: Any) -> np.ndarray:
    return to_device(x.array, "cpu") if isinstance(x, Tensor) else np.asarray(x)
