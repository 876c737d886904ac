"""What the image data sets have in common: how a stored picture becomes a sample.

Tutorial: tutorials/00_quick_start.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...errors import DimensionError
from ...ops.from_data import from_numpy
from ..dataset import Dataset, Rows
from ..streams import one_by_one
from ..transforms import to_tensor
from .files import Place


class ImageDataset(Dataset[tuple]):
    """Pictures and the number of the class that each belongs to.

    Sample i is ``(image, label)``: a float32 tensor (C, H, W) in [0, 1] and a Python int. With a
    `transform` the image is instead what the transform makes of the picture as a NumPy array, (H,
    W) or (H, W, C), so that scripts written for torchvision work as they are
    (``Compose([RandomCrop(32, padding=4), ToTensor(), Normalize(mean, std)])``).

    Attributes:
        images: all pictures, a NumPy array (N, H, W) or (N, H, W, C).
        labels: all class numbers, an int64 NumPy array (N,).
        classes: the name of each class.
        class_to_idx: the number of each class name.
        image_shape: (C, H, W) of a sample.
        mean, std: of the training images in [0, 1], one number for each channel, for `Normalize`.
    """

    name: ClassVar[str] = ""  # what the command line calls this data set
    classes: Sequence[str] = ()
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: np.ndarray
    labels: np.ndarray
    folders: ClassVar[tuple[str, ...]] = ("",)  # where its files are looked for
    md5: ClassVar[dict[str, str]] = {}  # the checksum of each file; what ships has none

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        self.train = train
        self.transform = transform
        self.target_transform = target_transform

    @classmethod
    def is_here(cls) -> bool:
        """Return whether all its files are on this machine, so that nothing is downloaded."""
        place = Place(cls.__name__, None, False, cls.folders)
        return all(place.find(name) for name in cls.md5)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class, by its name."""
        return {name: number for number, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, index: int) -> np.ndarray:
        """Return a copy of picture `index` as it is stored, (H, W) or (H, W, C)."""
        return self.images[index].copy()  # so that no transform can change the data set

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        if not -len(self) <= index < len(self):
            raise DimensionError(
                f"{type(self).__name__}: sample {index} of {len(self)}; use -{len(self)} to "
                f"{len(self) - 1}"
            )
        picture, label = self.picture(index), int(self.labels[index])
        image = to_tensor(picture) if self.transform is None else self.transform(picture)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __getitems__(self, indices: Sequence[int]) -> Sequence[tuple[Any, Any]]:
        if self.transform is not None or self.target_transform is not None:
            return one_by_one(self.__getitem__, indices)
        rows = np.asarray(indices, dtype=np.int64)
        images = from_numpy(to_batch(self._pictures(rows)))
        return Rows([images, from_numpy(self.labels[rows])], _image_and_number)

    def _pictures(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]

    def __repr__(self) -> str:
        part = "train" if self.train else "test"
        images, classes = (
            f"{len(self)} images of {self.image_shape}",
            f"{len(self.classes)} classes",
        )
        return f"{type(self).__name__}({part}: {images}, {classes})"


def to_batch(pictures: np.ndarray) -> np.ndarray:
    """Return (N, H, W) or (N, H, W, C) pictures as a batch (N, C, H, W): `ToTensor` for many."""
    if pictures.ndim == 3:
        planes = pictures[:, None]  # (N, 1, H, W)
    else:
        planes = pictures.transpose(0, 3, 1, 2)  # (N, C, H, W)
    if pictures.dtype == np.uint8:
        return np.divide(planes, np.float32(255), order="C", dtype=np.float32)
    return np.array(planes, order="C")


def _image_and_number(columns: Any) -> tuple[Any, int]:
    image, label = columns
    return image, int(label)
