"""``minicnn train``: from a data set to a folder with a trained network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from .. import models
from ..data import DataLoader
from ..nn import CrossEntropyLoss
from ..random import manual_seed
from ..training import Callback, ModelCheckpoint, Trainer
from . import results
from .data import Parts, load_parts
from .interrupts import Interrupts
from .outcome import finish, keep
from .recipes import make_optimizer, make_schedule
from .settings import Settings, chosen, resumed


def run(arguments: Any) -> int:
    """Train, and return the exit code."""
    resuming = arguments.resume is not None
    settings = resumed(arguments) if resuming else chosen(arguments)
    out = Path(arguments.resume or arguments.out or f"runs/{settings.data}-{settings.model}")
    results.make_folder(out)
    checkpoint = out / results.CHECKPOINT
    if checkpoint.exists() and not resuming:
        print(
            f"minicnn: '{out}' holds an interrupted training, which this one replaces "
            f"(to go on with it instead: minicnn train --resume {out})",
            file=sys.stderr,
        )
    manual_seed(settings.seed)
    parts = load_parts(settings.data, settings.validation, settings.augment, settings.seed)
    model = models.create(settings.model, parts.test.image_shape, len(parts.test.classes))
    model.to(arguments.device or os.environ.get("MINICNN_DEVICE", "cpu"))
    announce(settings, parts, model)
    with Interrupts() as stop:
        saver = ModelCheckpoint(literal(checkpoint), extra=settings._asdict())
        trainer, loader = prepare(settings, parts.train, model, arguments.workers, [stop, saver])
        try:
            trainer.fit(
                loader,
                settings.epochs,
                validation=parts.validation,
                batch_size=256,
                resume=checkpoint if resuming else None,
            )
        except BrokenPipeError:  # nobody reads what we print: end as after Ctrl-C
            keep(trainer, settings, parts.test, out)
            raise
        if trainer.epoch < settings.epochs:
            keep(trainer, settings, parts.test, out)
        else:
            finish(trainer, settings, parts.test, out)
            checkpoint.unlink(missing_ok=True)
    return stop.exit_code


def prepare(
    settings: Settings, data: Any, model: Any, workers: int, callbacks: list[Callback]
) -> tuple[Trainer, DataLoader]:
    """Return a trainer of `model`, and the batches that it is to be trained on."""
    loader = DataLoader(
        data,
        settings.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    optimizer = make_optimizer(settings.optimizer, model.parameters(), settings.lr)
    steps = settings.epochs * len(loader)
    schedule = make_schedule(settings.schedule, optimizer, settings.lr, steps)
    loss = CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    trainer = Trainer(
        model, optimizer, loss, scheduler=schedule, schedule_every="batch", callbacks=callbacks
    )
    return trainer, loader


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


def literal(path: Path) -> str:
    """Return a path in which `ModelCheckpoint` finds nothing to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")
