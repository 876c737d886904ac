"""Digits: 1,797 real handwritten digits of 8x8 pixels that come with minicnn."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError
from .base import ImageDataset

FILE = Path(__file__).with_name("digits.csv.gz")


class Digits(ImageDataset):
    """Handwritten digits, grey, 8x8: 1,438 for training and 359 for testing.

    The pixels are counts from 0 to 16; `images` holds them divided by 16. Both parts have the ten
    digits in the same proportions and are the same for ever. Source and licence: the README beside
    this file (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998).

    Args:
        train: the training part or the test part.
        transform: makes a sample's image of an (8, 8) float32 array in [0, 1].
        target_transform: makes a sample's target of the digit.
    """

    name = "digits"
    classes = tuple("0123456789")
    image_shape = (1, 8, 8)
    mean = (0.3055,)
    std = (0.3761,)

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        super().__init__(train, transform, target_transform)
        table = _read(FILE)
        part = table[table[:, 65] == (0 if train else 1)]
        self.images = (part[:, :64].astype(np.float32) / np.float32(16)).reshape(-1, 8, 8)
        self.labels = part[:, 64].astype(np.int64)


@lru_cache(maxsize=1)
def _read(path: Path) -> np.ndarray:
    """Return the file as an array (1797, 66): 64 pixels, the digit, whether it is a test image."""
    import gzip
    import zlib

    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, dtype=np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FileError(
            f"Digits: the file '{path}' that comes with minicnn cannot be read ({error}); install "
            "minicnn again"
        ) from error
    if table.shape != (1797, 66):
        raise FileError(
            f"Digits: the file '{path}' holds {table.shape} numbers instead of (1797, 66); install "
            "minicnn again"
        )
    return table
