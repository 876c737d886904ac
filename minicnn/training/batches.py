"""What `Trainer` takes as data, and how it takes a batch apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import device as Device
from ..data import DataLoader, TensorDataset
from ..errors import ArgumentError, ShapeError
from ..ops.from_data import as_tensor
from ..tensor import Tensor


def is_array(x: Any) -> bool:
    """Whether `x` holds samples itself: a tensor or a NumPy array."""
    return isinstance(x, (Tensor, np.ndarray))


def loader_of(
    data: Any, batch_size: int, shuffle: bool = False, num_workers: int = 0, who: str = "fit"
) -> Any:
    """Return an iterable of batches.

    Args:
        data: a DataLoader or another iterable of batches (taken as it is), a data set, or a tuple
            of tensors or arrays of one length, such as (images, labels).
        batch_size, shuffle, num_workers: for the loader, if there is one to be made.
        who: the caller, for messages.
    """
    if isinstance(data, DataLoader):
        return data
    if is_array(data):
        data = (data,)
    if isinstance(data, (tuple, list)) and data and all(is_array(part) for part in data):
        # Arrays stay where they are, whatever the default device: batches are sent one by one.
        parts = (p if isinstance(p, Tensor) else as_tensor(p, device="cpu") for p in data)
        data = TensorDataset(*parts)
    if (
        hasattr(data, "__getitem__")
        and hasattr(data, "__len__")
        and not isinstance(data, (list, tuple))
    ):
        if len(data) == 0:
            raise ArgumentError(f"{who}: the data set is empty: {data!r}")
        return DataLoader(data, batch_size, shuffle, num_workers=num_workers)
    if not isinstance(data, Iterable):
        raise TypeError(
            f"{who}: expected a DataLoader, a data set, a tuple of tensors (images, labels) or an "
            f"iterable of batches, got {type(data).__name__}"
        )
    return data


def samples_in(loader: Any) -> int | None:
    """Return how many samples an epoch has, or None if that is not known."""
    if not isinstance(loader, DataLoader) or loader.batch_sampler is None:
        return None
    if loader.batch_size is None or not hasattr(loader.sampler, "__len__"):
        return None
    count = len(loader.sampler)  # type: ignore[arg-type]
    return count - count % loader.batch_size if loader.drop_last else count


def split(batch: Any, where: Device, who: str) -> tuple[tuple[Any, ...], Any]:
    """Return the inputs and the target of a batch ``(input, ..., target)``, on device `where`."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        got = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ArgumentError(
            f"{who}: a batch must be a tuple (input, target), got {got}; let the data set return "
            "(image, label)"
        )
    *inputs, target = [to_tensor(part, where) for part in batch]
    if target.ndim == 0:
        raise ShapeError(
            f"{who}: the target of a batch must have one entry per sample, got shape ()"
        )
    return tuple(inputs), target


def inputs_of(batch: Any, where: Device) -> tuple[Any, ...]:
    """Return the inputs of a batch, whether or not it has a target, on device `where`."""
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    parts = parts[:-1] if len(parts) > 1 else parts
    return tuple(to_tensor(part, where) for part in parts)


def to_tensor(x: Any, where: Device) -> Tensor:
    """Return a tensor or an array as a tensor on device `where`."""
    return as_tensor(x).to(where)
