"""How ``minicnn train`` trains on each data set when it is not told otherwise.

The values were chosen on the validation images, by training several times with different seeds; no
seed was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..errors import UnknownNameError, nearest

DATA_HELP = "digits, shapes, mnist, fashion-mnist or cifar10"


class Recipe(NamedTuple):
    """The defaults for one data set."""

    model: str
    epochs: int
    batch_size: int
    lr: float  # the highest, for Adam
    augment: bool = False
    label_smoothing: float = 0.0


RECIPES = {
    "digits": Recipe("digits_cnn", 30, 32, 1e-2, augment=True, label_smoothing=0.1),
    "shapes": Recipe("cifar_cnn", 12, 64, 3e-3, augment=True),
    "mnist": Recipe("lenet5", 5, 64, 3e-3),
    "fashion-mnist": Recipe("lenet5", 5, 32, 3e-3),
    "cifar10": Recipe("cifar_cnn", 15, 128, 2e-3, augment=True),
}

# What lr stands in a recipe for Adam, times this, is right for the other optimizers.
LR_FACTORS = {"adam": 1.0, "adamw": 1.0, "sgd": 15.0, "rmsprop": 0.5, "adagrad": 5.0}
SCHEDULES = ("one-cycle", "cosine", "constant")


def known(name: str, names: Iterable[str], what: str) -> str:
    """Return the one of `names` that is meant; capitals, ``-`` and ``_`` make no difference."""
    names = list(names)
    for one in names:
        if _plain(one) == _plain(name):
            return one
    raise UnknownNameError(
        f"{what} '{name}' is not known; use one of {', '.join(names)}.{nearest(name, names)}"
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def augmentation(data: str, cls: Any) -> Callable[[Any], Any]:
    """Return random changes of training images that suit a data set: that keep the class."""
    from ..data import transforms as T

    _, height, width = cls.image_shape
    moved = T.RandomCrop((height, width), padding=height // 8)
    changes = {
        "digits": [T.RandomRotation(10, "bilinear"), moved],  # a mirrored digit is none
        "mnist": [T.RandomRotation(10, "bilinear"), moved],
        "shapes": [T.RandomHorizontalFlip(), T.RandomVerticalFlip()],
    }
    return T.Compose([*changes.get(data, [T.RandomHorizontalFlip(), moved]), T.ToTensor()])


def make_optimizer(name: str, parameters: Any, lr: float) -> Any:
    """Return an optimizer by its name."""
    from .. import optim

    if name == "sgd":
        return optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True)
    cls = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "rmsprop": optim.RMSprop,
        "adagrad": optim.Adagrad,
    }
    return cls[name](parameters, lr=lr)


def make_schedule(name: str, optimizer: Any, lr: float, steps: int) -> Any:
    """Return a scheduler that is stepped after every batch, or None."""
    from ..optim import lr_scheduler

    if name == "one-cycle" and steps > 10:
        has_momentum = type(optimizer).__name__ in ("SGD", "Adam", "AdamW")
        return lr_scheduler.OneCycleLR(
            optimizer, max_lr=lr, total_steps=steps, cycle_momentum=has_momentum
        )
    if name == "constant":
        return None
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
