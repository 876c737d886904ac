"""What a training leaves behind, be it complete or interrupted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import visualize
from .._version import __version__
from ..serialization import save
from ..training import Trainer
from . import results
from .judge import judge
from .settings import Settings


def finish(trainer: Trainer, settings: Settings, test: Any, out: Path) -> None:
    """Judge a complete training by the test images, and write all results."""
    verdict = judge(trainer, test)
    with results.staged(out, complete=True) as folder:
        write(trainer, settings, test, folder, {"complete": True, **verdict.numbers})
        title = f"{settings.model} on {settings.data}"
        draw(lambda: verdict.draw(folder, title))
        names = ", ".join(sorted(file.name for file in folder.iterdir()))
    print(f"written to {out}: {names}")
    print(f"test accuracy: {verdict.numbers['test_accuracy']:.4f}", flush=True)


def keep(trainer: Trainer, settings: Settings, test: Any, out: Path) -> None:
    """Write what there is of an interrupted training, and say so on standard error."""
    steps = trainer.history.epochs
    if not steps:
        print("minicnn: interrupted before the first step; nothing was written", file=sys.stderr)
        return
    had_results = results.is_complete(out)
    with results.staged(out, complete=False) as folder:
        write(trainer, settings, test, folder, {"complete": False})
        names = ", ".join(sorted(file.name for file in folder.iterdir()))
    partly = f" and a part of epoch {steps}" if steps > trainer.epoch else ""
    print(
        f"minicnn: interrupted after {trainer.epoch} of {settings.epochs} epochs{partly}; what was "
        f"trained is in {out}: {names}",
        file=sys.stderr,
    )
    if had_results:
        print(f"minicnn: the earlier results are in {out / results.PREVIOUS}", file=sys.stderr)
    if (out / results.CHECKPOINT).exists():
        print(
            f"minicnn: to go on after epoch {trainer.epoch}: minicnn train --resume {out}",
            file=sys.stderr,
        )


def write(
    trainer: Trainer, settings: Settings, test: Any, folder: Path, more: dict[str, Any]
) -> None:
    """Write weights, history, curves and the description that `minicnn predict` needs."""
    save(trainer.model.state_dict(), folder / results.WEIGHTS)
    trainer.history.to_csv(folder / results.HISTORY)
    config = {
        "minicnn": __version__,
        **settings._asdict(),
        "input_shape": list(test.image_shape),
        "classes": list(test.classes),
        "trained_epochs": trainer.epoch,
        **more,
    }
    (folder / results.CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    title = f"{settings.model} on {settings.data}"
    draw(lambda: visualize.save(visualize.curves(trainer.history, title), folder / results.CURVES))


def draw(make: Callable[[], Any]) -> None:
    """Draw a picture; one that cannot be drawn must not cost the weights."""
    try:
        make()
    except Exception as error:
        print(f"minicnn: a picture could not be drawn: {error}", file=sys.stderr)
