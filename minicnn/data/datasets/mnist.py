"""MNIST, and the IDX format that it and Fashion-MNIST come in.

An IDX file is a header of big-endian integers and then the bytes of an array: two zero bytes, a
byte for the element type (8: unsigned bytes), the number of dimensions, and each dimension's size.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...errors import FileError
from ...ops.from_data import from_numpy
from ...tensor import Tensor
from .base import ImageDataset
from .files import Place


class MNIST(ImageDataset):
    """Handwritten digits, grey, 28x28: 60,000 for training and 10,000 for testing.

    Y. LeCun, C. Cortes and C. Burges, http://yann.lecun.com/exdb/mnist (1998).

    Args:
        root: the folder with the data, which holds the four ``.gz`` files or a folder ``mnist`` (or
            torchvision's ``MNIST/raw``) with them. Default: see `minicnn.data.datasets.files`.
        train: the training part or the test part.
        transform: makes a sample's image of a (28, 28) uint8 array.
        target_transform: makes a sample's target of the class number.
        download: fetch missing files, about 12 MB; default: only if `root` is not given.
    """

    name = "mnist"
    classes = (
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip
    image_shape = (1, 28, 28)
    mean = (0.1307,)
    std = (0.3081,)

    folders: ClassVar[tuple[str, ...]] = ("mnist", "MNIST/raw", "")
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
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
        part = "train" if train else "t10k"
        self.images = self._load(place, f"{part}-images-idx3-ubyte.gz")
        self.labels = self._load(place, f"{part}-labels-idx1-ubyte.gz").astype(np.int64)

    def _load(self, place: Place, name: str) -> np.ndarray:
        import gzip
        import zlib

        path = place.ensure(name, self.md5[name], self.mirrors)
        content = place.read(path, self.md5[name])
        try:
            return parse_idx(gzip.decompress(content))
        except (OSError, EOFError, ValueError, zlib.error, struct.error) as error:
            raise FileError(f"{place.dataset}: the file '{path}' is broken: {error}") from error

    @property
    def data(self) -> Tensor:
        """All pictures as a uint8 tensor (N, 28, 28), as in torchvision."""
        return from_numpy(self.images)

    @property
    def targets(self) -> Tensor:
        """All class numbers as an int64 tensor (N,), as in torchvision."""
        return from_numpy(self.labels)


def parse_idx(content: bytes) -> np.ndarray:
    """Return the array in an (uncompressed) IDX file of unsigned bytes."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError("it does not begin like an IDX file of unsigned bytes")
    ndim = content[3]
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * ndim)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"its header announces {shape} values, but {values.size} follow")
    return values.reshape(shape)
