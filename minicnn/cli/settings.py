"""The settings of a training: from the options, or from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .. import models
from ..errors import ArgumentError, FileError, MissingFileError
from ..training import read_checkpoint
from . import results
from .data import find_data
from .recipes import LR_FACTORS, RECIPES, SCHEDULES, known


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
    label_smoothing: float
    validation: float
    seed: int


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
        label_smoothing=(
            recipe.label_smoothing
            if arguments.label_smoothing is None
            else arguments.label_smoothing
        ),
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
