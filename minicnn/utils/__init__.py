"""PyTorch's path ``torch.utils.data``, for ``from minicnn.utils.data import DataLoader``."""

from __future__ import annotations

from . import data

__all__ = ["data"]
