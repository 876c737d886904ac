"""The data sets that minicnn knows, each also by the name it has on the command line."""

from __future__ import annotations

from typing import Any

from ...errors import MissingFileError, UnknownNameError, nearest
from .base import ImageDataset
from .cifar10 import CIFAR10
from .digits import Digits
from .fashion_mnist import FashionMNIST
from .mnist import MNIST
from .shapes import Shapes

_BY_NAME: dict[str, Any] = {cls.name: cls for cls in (Digits, Shapes, MNIST, FashionMNIST, CIFAR10)}


def names() -> list[str]:
    """Return the names that `get` knows: digits, shapes, mnist, fashion-mnist, cifar10."""
    return list(_BY_NAME)


def get(name: str) -> Any:
    """Return the class of a data set by its name: ``get("mnist")(train=False)``."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownNameError(
            f"data set '{name}' is not known; use one of "
            f"{', '.join(names())}.{nearest(name, names())}"
        ) from None


def available(*wanted: str) -> Any:
    """Return the class of the first of these data sets that is on this machine.

    What ships with minicnn always is; so ``available("mnist", "digits")`` is MNIST for those who
    have its files (see `minicnn.data.datasets.files`), and Digits for everybody else.
    """
    for name in wanted:
        if get(name).is_here():
            return get(name)
    raise MissingFileError(
        f"available: none of {', '.join(wanted)} is on this machine; let MINICNN_DATA name the "
        "folder that has one, or add 'digits' or 'shapes', which come with minicnn"
    )


__all__ = [
    "CIFAR10", "Digits", "FashionMNIST", "ImageDataset", "MNIST", "Shapes", "available", "get",
    "names",
]  # fmt: skip
