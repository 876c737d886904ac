"""The data sets that minicnn knows, each also by the name it has on the command line."""

from __future__ import annotations

from typing import Any

from ...errors import UnknownNameError, nearest
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


__all__ = ["CIFAR10", "Digits", "FashionMNIST", "ImageDataset", "MNIST", "Shapes", "get", "names"]
