"""Mixed precision under PyTorch's name, ``torch.amp``: `autocast`, and scaling of the loss.

>>> scaler = minicnn.amp.GradScaler()
>>> for images, labels in loader:
...     optimizer.zero_grad()
...     with minicnn.autocast("cuda"):
...         loss = F.cross_entropy(model(images), labels)
...     scaler.scale(loss).backward()
...     scaler.step(optimizer)
...     scaler.update()

Which function runs in which dtype is in `minicnn.autograd.autocast`.
"""

from __future__ import annotations

from typing import Any

from ..autograd import autocast
from ..errors import UnsupportedNameError, nearest
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Return whether `autocast` knows the device type: "cuda" and "cpu"."""
    return device_type in ("cuda", "cpu")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedNameError(
        f"amp.{name}: minicnn has no such name, though PyTorch may.{nearest(name, __all__)}"
    )
