"""``minicnn train``: from a data set to a folder with a trained network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .. import models
from .._version import __version__
from ..data import DataLoader
from ..errors import ArgumentError, FileError, MissingFileError
from ..random import manual_seed
from ..serialization import save
from ..training import ModelCheckpoint, Trainer, read_checkpoint
from . import results
from .data import Parts, find_data, load_parts
from .interrupts import Interrupts
from .recipes import LR_FACTORS, RECIPES, SCHEDULES, known, make_optimizer, make_schedule


class Settings(NamedTuple):
    """Everything that decides what a training ends with."""

    data: str
    model: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    schedule: str
    augment: bool
    validation: float
    seed: int


def run(arguments: Any) -> int:
    """Train, and return the exit code."""
    if arguments.resume is not None:
        settings, out = resumed(arguments), Path(arguments.resume)
    else:
        settings = chosen(arguments)
        out = Path(arguments.out or f"runs/{settings.data}-{settings.model}")
    results.make_folder(out)
    checkpoint = out / results.CHECKPOINT
    if arguments.resume is None and checkpoint.exists():
        print(
            f"minicnn: '{out}' holds an interrupted training, which this one replaces "
            f"(to go on with it instead: minicnn train --resume {out})",
            file=sys.stderr,
        )
    manual_seed(settings.seed)
    parts = load_parts(settings.data, settings.validation, settings.augment, settings.seed)
    model = models.create(settings.model, parts.test.image_shape, len(parts.test.classes))
    loader = DataLoader(
        parts.train,
        settings.batch_size,
        shuffle=True,
        num_workers=arguments.workers,
        persistent_workers=arguments.workers > 0,
    )
    if arguments.device or os.environ.get("MINICNN_DEVICE"):
        model.to(arguments.device or os.environ["MINICNN_DEVICE"])
    optimizer = make_optimizer(settings.optimizer, model.parameters(), settings.lr)
    steps = settings.epochs * len(loader)
    schedule = make_schedule(settings.schedule, optimizer, settings.lr, steps)
    announce(settings, parts, model)
    with Interrupts() as stop:
        saver = ModelCheckpoint(literal(checkpoint), extra=settings._asdict())
        trainer = Trainer(
            model,
            optimizer,
            scheduler=schedule,
            schedule_every="batch",
            callbacks=[stop, saver],
        )
        gone = False
        try:
            trainer.fit(
                loader,
                settings.epochs,
                validation=parts.validation,
                batch_size=256,
                resume=checkpoint if arguments.resume is not None else None,
            )
        except BrokenPipeError:  # nobody reads what we print: end as after Ctrl-C
            gone = True
        if trainer.epoch == settings.epochs and not gone:
            finish(trainer, settings, parts, out)
            checkpoint.unlink(missing_ok=True)
        else:
            keep(trainer, settings, parts, out)
        if gone:
            raise BrokenPipeError
    return stop.exit_code


def chosen(arguments: Any) -> Settings:
    """Return the settings that the options ask for, with the recipe's values for all others."""
    data = find_data(arguments.data or "digits")
    recipe = RECIPES[data]
    optimizer = known(arguments.optimizer or "adam", LR_FACTORS, "optimizer")
    return Settings(
        data=data,
        model=models.find(arguments.model or recipe.model),
        epochs=arguments.epochs or recipe.epochs,
        batch_size=arguments.batch_size or recipe.batch_size,
        lr=arguments.lr or recipe.lr * LR_FACTORS[optimizer],
        optimizer=optimizer,
        schedule=known(arguments.schedule or "one-cycle", SCHEDULES, "schedule"),
        augment=recipe.augment if arguments.augment is None else arguments.augment,
        validation=0.1 if arguments.validation is None else arguments.validation,
        seed=arguments.seed or 0,
    )


def resumed(arguments: Any) -> Settings:
    """Return the settings of the training that is to go on."""
    for name in (*Settings._fields, "out"):
        if getattr(arguments, name) is not None:
            option = "--" + name.replace("_", "-")
            raise ArgumentError(
                f"--resume goes on with the options that the training began with, so {option} "
                "must be left out"
            )
    folder = Path(arguments.resume)
    try:
        found = read_checkpoint(folder / results.CHECKPOINT)
    except MissingFileError:
        raise MissingFileError(
            f"there is no interrupted training in '{folder}' (no {results.CHECKPOINT})"
        ) from None
    try:
        return Settings(**found["extra"])
    except TypeError:
        raise FileError(
            f"'{folder / results.CHECKPOINT}' was not written by 'minicnn train'; use "
            "Trainer.fit(resume=...)"
        ) from None


def announce(settings: Settings, parts: Parts, model: Any) -> None:
    """Say what is going to be trained on what."""
    channels, height, width = parts.test.image_shape
    validation = 0 if parts.validation is None else len(parts.validation)
    print(
        f"{settings.data}: {len(parts.train):,} training, {validation:,} validation and "
        f"{len(parts.test):,} test images, {channels}x{height}x{width}, {len(parts.test.classes)} "
        "classes"
    )
    count = sum(p.numel() for p in model.parameters())
    where = next(model.parameters()).device
    print(
        f"{settings.model}: {count:,} parameters, on {where}; {settings.optimizer}, learning rate "
        f"{settings.lr:g} ({settings.schedule}), batches of {settings.batch_size}, seed "
        f"{settings.seed}",
        flush=True,
    )


def finish(trainer: Trainer, settings: Settings, parts: Parts, out: Path) -> None:
    """Judge a complete training by the test images, and write all results."""
    from .judge import judge

    verdict = judge(trainer, parts.test)
    with results.staged(out, complete=True) as folder:
        write(trainer, settings, parts, folder, {"complete": True, **verdict.numbers})
        title = f"{settings.model} on {settings.data}"
        draw(lambda: verdict.draw(folder, title))
        names = ", ".join(sorted(file.name for file in folder.iterdir()))
    print(f"written to {out}: {names}")
    print(f"test accuracy: {verdict.numbers['test_accuracy']:.4f}", flush=True)


def keep(trainer: Trainer, settings: Settings, parts: Parts, out: Path) -> None:
    """Write what there is of an interrupted training, and say so on standard error."""
    steps = trainer.history.epochs
    if not steps:
        print("minicnn: interrupted before the first step; nothing was written", file=sys.stderr)
        return
    had_results = results.is_complete(out)
    with results.staged(out, complete=False) as folder:
        write(trainer, settings, parts, folder, {"complete": False})
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
    trainer: Trainer, settings: Settings, parts: Parts, folder: Path, more: dict[str, Any]
) -> None:
    """Write weights, history, curves and the description that `minicnn predict` needs."""
    from .. import visualize

    save(trainer.model.state_dict(), folder / results.WEIGHTS)
    trainer.history.to_csv(folder / results.HISTORY)
    config = {
        "minicnn": __version__,
        **settings._asdict(),
        "input_shape": list(parts.test.image_shape),
        "classes": list(parts.test.classes),
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


def literal(path: Path) -> str:
    """Return a path in which `ModelCheckpoint` finds nothing to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")
