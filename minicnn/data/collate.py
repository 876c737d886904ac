"""Making one batch out of many samples.

A data set returns samples of any form: a tensor, a tuple of image and label, a dict of fields.
`default_collate` keeps that form and stacks what stands at the same place in every sample:

    tensors, NumPy arrays        one tensor with a new first dimension; the dtype stays
    Python floats                a float64 tensor, as in PyTorch
    Python ints, bools           an int64, bool tensor
    str, bytes                   the sequence as it is
    dict, namedtuple, list       the same container, holding batches
    tuple                        a list, as in PyTorch
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError
from ..ops.from_data import from_numpy
from ..ops.join import stack
from ..promotion import get_default_dtype
from ..tensor import Tensor
from .dataset import Rows


def default_collate(batch: Sequence[Any]) -> Any:
    """Return the samples of `batch` as one batch (see this module's table)."""
    if not len(batch):
        raise ArgumentError("default_collate: the batch is empty")
    if isinstance(batch, Rows):
        return batch.collated()
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, np.ndarray):
        return _stack([_tensor_of(x) for x in batch])
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, (np.bool_, np.number)):
        return _tensor_of(np.array(batch))
    if isinstance(first, float):
        return from_numpy(np.array(batch, dtype=np.float64))
    if isinstance(first, int):
        return _of_integers(batch)
    if isinstance(first, (Mapping, Sequence)):
        return _of_containers(batch)
    raise DTypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}. Give the DataLoader a collate_fn that knows how to join them."
    )


def default_convert(data: Any) -> Any:
    """Return one sample with its arrays and NumPy scalars as tensors: for batch_size=None."""
    if isinstance(data, (np.bool_, np.number)) or (
        isinstance(data, np.ndarray) and data.dtype.kind not in "SUO"
    ):
        return _tensor_of(np.asarray(data))
    if isinstance(data, Mapping):
        return built_like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return built_like(data, [default_convert(value) for value in data])
    return data


def _stack(batch: Sequence[Tensor]) -> Tensor:
    for position, x in enumerate(batch):
        if x.shape != batch[0].shape:
            raise ShapeError(
                f"default_collate: samples of one batch must have one shape, but sample 0 is "
                f"{batch[0].shape} and sample {position} is {x.shape}. Resize or crop them in the "
                "data set, or give the DataLoader a collate_fn that pads them."
            )
    return stack(batch, 0)


def _tensor_of(array: np.ndarray) -> Tensor:
    if array.dtype.kind in "SUO":
        raise DTypeError(
            "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
            f"found an array of dtype {array.dtype}"
        )
    return from_numpy(
        array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    )


def _of_integers(batch: Sequence[Any]) -> Tensor:
    values = np.array(batch)
    if values.dtype.kind == "f":  # the first sample is an integer, a later one a float
        values = values.astype(get_default_dtype())
    return _tensor_of(values)


def _of_containers(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if isinstance(first, Mapping):
        return built_like(first, {key: default_collate([x[key] for x in batch]) for key in first})
    lengths = {len(x) for x in batch}
    if len(lengths) > 1:
        raise ShapeError(
            "default_collate: each element in list of batch should be of equal size, got "
            f"sequences of lengths {sorted(lengths)}"
        )
    return built_like(first, [default_collate(parts) for parts in zip(*batch, strict=True)])


def built_like(model: Any, parts: Any) -> Any:
    """Return `parts` (a dict or a list) in a container of the same type as `model`."""
    make: Callable[..., Any] = type(model)
    if isinstance(model, tuple):
        return make(*parts) if hasattr(model, "_fields") else parts
    try:
        if isinstance(model, MutableMapping):  # a copy keeps what a subclass may carry besides
            clone = copy.copy(model)
            clone.update(parts)
            return clone
        if isinstance(model, MutableSequence):
            sequence = copy.copy(model)
            for i, part in enumerate(parts):
                sequence[i] = part
            return sequence
        return make(parts)
    except TypeError:  # a type that cannot be copied or built from its parts
        return parts
