"""CIFAR-10: small colour photographs of ten kinds of things."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import FileError
from ...serialization import atomic_write
from ..download import md5_of
from .base import ImageDataset
from .files import Place
from .safe_pickle import UnpicklingError, loads

ARCHIVE = "cifar-10-python.tar.gz"
INSIDE = "cifar-10-batches-py"  # the archive's only folder
LARGEST = 2**26  # bytes; the batches have 31 million


class CIFAR10(ImageDataset):
    """Photographs, colour, 32x32: 50,000 for training and 10,000 for testing.

    A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009), the "python
    version". Its files are pickles, which `safe_pickle` reads without running them.

    Args:
        root: the folder with the data, which holds the batch files or a folder
            ``cifar10/cifar-10-batches-py`` or ``cifar-10-batches-py`` with them. Default: see
            `minicnn.data.datasets.files`.
        train: the training part or the test part.
        transform: makes a sample's image of a (32, 32, 3) uint8 array.
        target_transform: makes a sample's target of the class number.
        download: fetch missing files, 170 MB; default: only if `root` is not given.
    """

    name = "cifar10"
    classes = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    image_shape = (3, 32, 32)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)

    folders: ClassVar[tuple[str, ...]] = ("cifar10", f"cifar10/{INSIDE}", INSIDE, "")
    mirrors: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz/",)
    archive_md5: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"
    md5: ClassVar[dict[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool | None = None,
    ):
        super().__init__(train, transform, target_transform)
        self.root = root
        place = Place(type(self).__name__, root, download, self.folders)
        names = [name for name in self.md5 if name.startswith("data" if train else "test")]
        absent = [name for name in names if place.find(name) is None]
        if absent:
            if not place.may_download and place.find(ARCHIVE) is None:
                raise place.missing(absent[0])
            self._unpack(place)
        batches = [self._load(place, name) for name in names]
        planes = np.concatenate([pixels for pixels, _ in batches])  # (N, 3, 32, 32)
        self.images = planes.transpose(0, 2, 3, 1)  # (N, 32, 32, 3), a view
        self.labels = np.concatenate([labels for _, labels in batches])

    def _unpack(self, place: Place) -> None:
        """Take the batch files out of the archive, fetching it if it is not there."""
        here = place.find(ARCHIVE)
        archive = place.ensure(ARCHIVE, self.archive_md5, self.mirrors)
        if here is not None and (found := md5_of(archive)) != self.archive_md5:
            raise place.altered(archive, found, self.archive_md5)
        extract(archive, self.md5, place.target / INSIDE)
        if here is None:  # what was downloaded for this purpose has served it
            archive.unlink()

    def _load(self, place: Place, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels (n, 3, 32, 32) and labels (n,) of one batch file."""
        path = place.find(name)
        if path is None:
            raise place.missing(name)
        content = place.read(path, self.md5[name])
        try:
            batch = loads(content)
            pixels = batch[b"data"].reshape(-1, 3, 32, 32)
            labels = np.array(batch[b"labels"], dtype=np.int64)
            if pixels.dtype != np.uint8 or labels.shape != pixels.shape[:1]:
                raise ValueError(f"{len(pixels)} images of {pixels.dtype}, labels {labels.shape}")
        except (UnpicklingError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(f"{place.dataset}: the file '{path}' is broken: {error}") from error
        return pixels, labels

    @property
    def data(self) -> np.ndarray:
        """All pictures, a uint8 array (N, 32, 32, 3), as in torchvision."""
        return self.images

    @property
    def targets(self) -> list[int]:
        """All class numbers as a list, as in torchvision."""
        return self.labels.tolist()


def extract(archive: Path, md5: dict[str, str], target: Path) -> None:
    """Write the files named in `md5` from the archive into the folder `target`.

    The archive's own names, links and modes are never used to write anything: a member counts
    only if it is a plain file with an expected name and the published checksum.
    """
    import tarfile
    import zlib

    target.mkdir(parents=True, exist_ok=True)
    wanted = {f"{INSIDE}/{name}": name for name in md5}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                if name is None or not member.isreg() or member.size > LARGEST:
                    continue
                content = tar.extractfile(member).read()  # type: ignore[union-attr]
                if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5[name]:
                    with atomic_write(target / name) as file:
                        file.write(content)
                    del wanted[member.name]
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise FileError(f"CIFAR10: the archive '{archive}' cannot be unpacked: {error}") from error
    if wanted:
        raise FileError(f"CIFAR10: the archive '{archive}' holds no good copy of {sorted(wanted)}")
