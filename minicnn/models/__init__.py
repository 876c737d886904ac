"""The networks of minicnn, each by its name: ``models.create("lenet5", (1, 28, 28), 10)``.

A model here is a function that returns an ordinary `Module`, short enough to be read in a minute.
The table below is all there is between its name and the function, so that the command line, a
configuration file and a notebook find it in the same place.

Every model takes images (N, C, H, W) and returns (N, K) *logits*: one number per class, of any
size, of which `CrossEntropyLoss` and `softmax` make probabilities.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError, UnknownNameError, nearest
from ..nn import Module
from .cifar_cnn import cifar_cnn
from .digits_cnn import digits_cnn
from .lenet import lenet5
from .mlp import mlp

_BY_NAME: dict[str, Callable[..., Module]] = {
    "lenet5": lenet5,
    "digits_cnn": digits_cnn,
    "cifar_cnn": cifar_cnn,
    "mlp": mlp,
}


def names() -> list[str]:
    """Return the names that `create` knows."""
    return list(_BY_NAME)


def find(name: str) -> str:
    """Return a model's name as it is in `names`; capitals, ``-`` and ``_`` make no difference.

    Raises:
        UnknownNameError: the name is not known; the message has the nearest one.
    """
    for known in _BY_NAME:
        if _plain(known) == _plain(name):
            return known
    raise UnknownNameError(
        f"model '{name}' is not known; use one of {', '.join(names())}.{nearest(name, names())}"
    )


def default_input_shape(name: str) -> tuple[int, int, int]:
    """Return (C, H, W) of the images that a model was made for."""
    return inspect.signature(_BY_NAME[find(name)]).parameters["input_shape"].default


def create(
    name: str, input_shape: Sequence[int] | None = None, num_classes: int = 10, **options: Any
) -> Module:
    """Return a new model with random weights.

    Args:
        name: one of `names()`.
        input_shape: (C, H, W) of one image; default: what the model was made for.
        num_classes: how many classes there are to tell apart.
        options: what else the model's function takes.

    Raises:
        UnknownNameError: the name is not known; the message has the nearest one.
        ShapeError: the model cannot take images of this shape.
    """
    name = find(name)
    shape = default_input_shape(name) if input_shape is None else tuple(input_shape)
    if len(shape) != 3 or any(not isinstance(n, int) or n < 1 for n in shape):
        raise ArgumentError(
            f"{name}: input_shape must be (channels, height, width) of one image, each at least 1; "
            f"got {shape}"
        )
    if num_classes < 1:
        raise ArgumentError(f"{name}: num_classes must be at least 1, got {num_classes}")
    return _BY_NAME[name](shape, num_classes, **options)


def _plain(name: str) -> str:
    return str(name).lower().replace("-", "").replace("_", "").replace(" ", "")


__all__ = [
    "cifar_cnn", "create", "default_input_shape", "digits_cnn", "find", "lenet5", "mlp", "names",
]  # fmt: skip
