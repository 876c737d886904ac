"""Checkpoints: everything that a training needs to go on as if it had never been interrupted.

The weights alone are not enough. The optimizer has its velocities, the scheduler its place,
callbacks their patience, and the random numbers to come decide over shuffling, dropout and
augmentation. With all of that, a training that was interrupted and resumed ends, bit for bit,
where it would have ended anyway.
"""

from __future__ import annotations

import os
from typing import Any

from ..errors import ArgumentError, FileError
from ..random import default_generator
from ..serialization import load, save
from .history import History


def save_checkpoint(trainer: Any, path: str | os.PathLike[str], extra: Any = None) -> None:
    """Write the state of a training between two epochs to one safetensors file, atomically.

    Args:
        trainer: the `Trainer`.
        path: the file.
        extra: anything that `minicnn.save` can save, to be kept beside it.
    """
    scheduler = trainer.scheduler
    save(
        {
            "epoch": trainer.epoch,
            "model": trainer.model.state_dict(),
            "optimizer": [type(trainer.optimizer).__name__, trainer.optimizer.state_dict()],
            "scheduler": scheduler and [type(scheduler).__name__, scheduler.state_dict()],
            "history": dict(trainer.history),
            "callbacks": trainer.callbacks_in_use.state_dict(),
            "random": [generator.get_state() for generator in trainer.generators],
            "extra": extra,
        },
        path,
    )


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote; raise a `FileError` for a file that is no checkpoint."""
    found = load(path)
    if not isinstance(found, dict) or not {"epoch", "model", "optimizer", "random"} <= set(found):
        raise FileError(
            f"resume: '{path}' is no checkpoint of a training (weights alone cannot be resumed "
            "from); use a file that ModelCheckpoint or Trainer.save_checkpoint wrote"
        )
    return found


def restore(trainer: Any, found: dict[str, Any]) -> None:
    """Put a trainer into the state that `read_checkpoint` returned."""
    for what in ("optimizer", "scheduler"):
        here, there = getattr(trainer, what), found[what]
        names = type(here).__name__ if here is not None else None, there[0] if there else None
        if names[0] != names[1]:
            raise ArgumentError(
                f"resume: the checkpoint was saved with {what} {names[1]}, but this trainer has "
                f"{names[0]}"
            )
    if len(found["random"]) != len(trainer.generators):
        raise ArgumentError(
            "resume: the checkpoint was saved with another number of random generators; give the "
            "DataLoader a generator of its own exactly if it had one"
        )
    trainer.model.load_state_dict(found["model"])
    trainer.optimizer.load_state_dict(found["optimizer"][1])
    if trainer.scheduler is not None:
        trainer.scheduler.load_state_dict(found["scheduler"][1])
    trainer.callbacks_in_use.load_state_dict(found["callbacks"])
    trainer.epoch = found["epoch"]
    trainer.history = History(found["history"])
    for generator, state in zip(trainer.generators, found["random"], strict=True):
        generator.set_state(state)


def generators_of(loaders: list[Any]) -> list[Any]:
    """Return the default generator and those that loaders or their samplers have of their own."""
    found = [default_generator]
    for loader in loaders:
        for owner in (
            loader,
            getattr(loader, "sampler", None),
            getattr(loader, "batch_sampler", None),
        ):
            generator = getattr(owner, "generator", None)
            if generator is not None and not any(generator is known for known in found):
                found.append(generator)
    return found
