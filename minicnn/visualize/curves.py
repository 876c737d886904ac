"""Learning curves: loss and metrics over the epochs.

What to look for: two curves that fall together are learning; a training loss that falls while the
validation loss rises is overfitting; two flat ones are a learning rate that is too small, or a bug.

Tutorial: tutorials/00_quick_start.ipynb
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArgumentError
from .figure import FIRST, SECOND, new_figure, plain

NOT_DRAWN = ("epoch", "lr", "seconds", "samples_per_second")


def curves(history: Mapping[str, Sequence[float]], title: str | None = None) -> Any:
    """Return a figure with a panel for the loss and one for each metric.

    Args:
        history: a `History`, or any dict with lists like ``{"loss": [...], "val_loss": [...]}``.
        title: what stands above.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    names = [n for n in history if n not in NOT_DRAWN and not n.startswith("val_")]
    if not names or not len(history[names[0]]):
        raise ArgumentError("visualize.curves: the history has no epoch to draw")
    epochs = history.get("epoch") or range(1, len(history[names[0]]) + 1)
    figure = new_figure(4.8 * len(names), 3.6)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        marker = "o" if len(epochs) < 30 else None
        style = {"marker": marker, "markersize": 3, "linewidth": 1.6}
        axes.plot(epochs, history[name], color=FIRST, label="training", **style)
        if f"val_{name}" in history:
            validation = history[f"val_{name}"]
            axes.plot(epochs, validation, color=SECOND, label="validation", **style)
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if "acc" in name:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            axes.set_ylim(top=1.002)
        else:
            axes.set_ylim(bottom=0 if min(history[name]) >= 0 else None)
        axes.legend(frameon=False, loc="lower right" if "acc" in name else "upper right")
        plain(axes)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure
