"""The progress bar of `Trainer.fit`, and the line that remains of each epoch."""

from __future__ import annotations

import shutil
from typing import Any

from .callbacks import Callback


class Progress(Callback):
    """A bar on standard error, if that is a terminal; then one line per epoch on standard output.

    Args:
        epochs: how many epochs there will be in all.
        samples: how many samples an epoch has, None if that is not known.
    """

    def __init__(self, epochs: int, samples: int | None):
        self.epochs = epochs
        self.samples = samples
        self.bar: Any = None

    def on_epoch_begin(self, epoch: int) -> None:
        from tqdm import tqdm

        size = shutil.get_terminal_size()  # 80x24 where a terminal does not know its own
        self.bar = tqdm(
            desc=f"epoch {epoch}/{self.epochs}",
            total=self.samples,
            unit=" samples",
            disable=None,  # where standard error is no terminal
            leave=False,
            ncols=size.columns,
            nrows=size.lines,
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if self.bar is not None and not self.bar.disable:
            shown = {
                name: f"{value:.4f}" for name, value in logs.items() if name not in ("lr", "size")
            }
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(logs["size"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.close()
        print(f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {line(logs)}", flush=True)

    def on_train_end(self) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def line(row: dict[str, Any]) -> str:
    """Return a row of the history as text."""
    parts = []
    for name, value in row.items():
        if name == "seconds":
            parts.append(f"{value:.1f} s")
        elif name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name == "lr":
            parts.append(f"lr {value:.2g}")
        elif name != "epoch" and value == value:
            parts.append(f"{name} {value:.4f}")
    return "  ".join(parts)
