"""The data of a training: its three parts."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from ..data import Subset, random_split
from ..data.datasets import get, names
from ..random import Generator
from .recipes import augmentation, known

MOST_VALIDATION = 5000  # images are enough to tell 0.5 % apart


class Parts(NamedTuple):
    """Images to train on, to watch the training by, and to judge it by in the end.

    The test images have no part in the training: whoever chooses an epoch, a learning rate or a
    model by them does not know in the end how good it is on images it was not chosen by.
    """

    train: Any
    validation: Any  # None if nothing was held out
    test: Any


def find_data(name: str) -> str:
    """Return the name of a data set as it is in the registry."""
    return known(name, names(), "data set")


def load_parts(name: str, share: float, augment: bool, seed: int) -> Parts:
    """Read a data set, and hold out a share of its training images for validation."""
    cls = get(name)
    whole, test = cls(train=True), cls(train=False)
    changed = copy.copy(whole)  # the same images, seen in another way
    changed.transform = augmentation(name, cls) if augment else None
    count = min(round(share * len(whole)), MOST_VALIDATION)
    if not count:
        return Parts(changed, None, test)
    sizes = [len(whole) - count, count]
    train, held_out = random_split(whole, sizes, Generator().manual_seed(seed))
    return Parts(Subset(changed, train.indices), Subset(whole, held_out.indices), test)
