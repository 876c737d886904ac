"""Indexing: what x[...] reads, in every form that NumPy knows.

*One pair does all of it.* `Index` reads x[index]; its derivative, `IndexAdd`, adds values into
zeros at those places, so that an element read twice receives both gradients; and the derivative of
that is reading again. `gather`, `index_select`, `max(dim)`, `sort` and embeddings are the same two
ops with a computed index.

*Two steps.* As in PyTorch, the numbers, slices and None of an index act first, and give a view; its
arrays and masks then act on that view, and give a copy. (NumPy takes a number beside an array for
an array, so ``x[0, :, [1, 2]]`` has another shape there.)

Writing is in `minicnn.ops.inplace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import array_module
from ..deferred import refuse
from ..errors import ArgumentError, DimensionError
from ..tensor import Tensor, method

INDEX_DTYPES = ("int64", "int32", "uint8", "bool")
EVERYTHING = slice(None)
# A GPU adds only some types atomically; modulo a power of 2, these sums are the same.
ADDED_AS = {"int64": "uint64", "int16": "int32", "int8": "int32", "uint8": "int32", "bool": "int32"}


@dataclass(eq=False, repr=False)
class Index(Op):
    """y = x[index].   dx = zeros with dy added at index."""

    index: tuple
    is_view = True  # when the index is made of numbers and slices only

    def forward(self, x: Any) -> Any:
        return x[self.index]

    def dx(self, dy: Tensor) -> Tensor:
        return IndexAdd(self.index, self.shapes[0])(dy)


@dataclass(eq=False, repr=False)
class IndexAdd(Op):
    """y = zeros of `shape`, with v added at `index`.   dv = dy[index]."""

    index: tuple
    shape: tuple[int, ...]

    def forward(self, v: Any) -> Any:
        xp = array_module(v)
        y = xp.zeros_like(v, shape=self.shape)  # in the layout of v, if it has as many dimensions
        if is_basic(self.index) or _is_mask(self.index):
            y[self.index] = v  # slices and masks never name a place twice
            return y
        wide = ADDED_AS.get(v.dtype.name, v.dtype)
        y = y.astype(wide, copy=False)
        xp.add.at(y, self.index, v.astype(wide, copy=False))
        return y.astype(v.dtype, copy=False)

    def dv(self, dy: Tensor) -> Tensor:
        return Index(self.index)(dy)


def is_basic(index: tuple) -> bool:
    """Whether an index has only numbers, slices, None and `...`, so that it gives a view."""
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in index)


def _is_mask(index: tuple) -> bool:
    arrays = [i for i in index if hasattr(i, "dtype")]
    return len(arrays) == 1 and arrays[0].dtype == bool


def as_index(x: Tensor, index: Any) -> tuple[tuple, tuple | None]:
    """Return what stands between the brackets as two tuples, for the two steps of reading it.

    The first has numbers, slices, None and `...`; the second has arrays, and slices where there are
    none. It is None when there are no arrays at all.
    """
    basic: list[Any] = []
    advanced: list[Any] = []
    for part in _parts(index):
        if part is Ellipsis:
            if Ellipsis not in basic:  # a second one has nothing left to stand for
                basic.append(part)
                advanced.append(part)
        elif part is None or isinstance(part, slice):
            basic.append(part if part is None else _checked_slice(part))
            advanced.append(EVERYTHING)
        else:
            part = _number_or_array(x, part)
            if isinstance(part, bool):  # a new dimension, of size 1 if True and of size 0 if not
                basic.append(None)
                advanced.append(_like(x, np.zeros(int(part), np.int64)))
            elif isinstance(part, int):
                basic.append(part)
            else:
                # A mask stands for as many dimensions as it has.
                basic += [EVERYTHING] * (part.ndim if part.dtype == bool else 1)
                advanced.append(part)
    if Ellipsis not in basic:
        # With `...` at the end, NumPy returns a 0-d view where it would return a scalar.
        basic.append(Ellipsis)
    return tuple(basic), tuple(advanced) if any(hasattr(a, "dtype") for a in advanced) else None


def _parts(index: Any) -> Sequence[Any]:
    """Return an index as a tuple; a list that holds more than numbers is meant as one."""
    if isinstance(index, tuple):
        return index
    several = (Tensor, Sequence, slice, np.ndarray)
    if isinstance(index, list) and len(index) < 32:
        if any(isinstance(i, several) or i is None or i is Ellipsis for i in index):
            return index
    return (index,)


def _checked_slice(part: slice) -> slice:
    step = 1 if part.step is None else part.step.__index__()
    if step < 1:
        raise ArgumentError(f"index: the step of a slice must be positive, got {step}; use flip()")
    start, stop = (None if b is None else b.__index__() for b in (part.start, part.stop))
    return slice(start, stop, step)


def _number_or_array(x: Tensor, part: Any) -> Any:
    """Return one part of an index as a bool, an int, or an array of integers or bools."""
    if isinstance(part, (bool, np.bool_)):
        return bool(part)
    if isinstance(part, (list, range, np.ndarray)):
        part = np.asarray(_plain(part))
        part = part.astype(np.int64) if part.size == 0 and part.dtype != bool else part
    elif isinstance(part, Tensor):
        # A copy, because the backward pass needs the index as it is now.
        part = part.array.copy()
    elif hasattr(part, "__index__") and not isinstance(part, np.ndarray):
        return part.__index__()
    dtype = getattr(part, "dtype", None)
    if dtype is None or dtype.name not in INDEX_DTYPES:
        raise DimensionError(
            "index: a tensor is indexed with integers, slices, None, ... and with lists or tensors"
            f" of int64, int32 or bool; got {dtype or type(part).__name__}"
        )
    if dtype.name == "uint8":
        part = part.astype(bool)  # PyTorch reads it as a mask
    if part.ndim == 0:
        return part.item()
    return _like(x, part)


def _plain(part: Any) -> Any:
    if isinstance(part, (list, tuple, range)):
        return [_plain(p) for p in part]
    return part.item() if isinstance(part, Tensor) else part


def _like(x: Tensor, part: Any) -> Any:
    xp = array_module(x.array)
    return part if xp is array_module(part) else xp.asarray(part)


@method("__getitem__")
def getitem(x: Tensor, index: Any) -> Tensor:
    """Return x[index]. Numbers, slices, None and `...` give a view; arrays and masks a copy."""
    if type(index) is int or (type(index) is slice and index.step is None):
        return read(x, (index, Ellipsis))
    basic, arrays = as_index(x, index)
    if arrays is None:
        return read(x, basic)
    x = x if is_trivial(basic) else read(x, basic)
    check_places("index", x, arrays)
    return read(x, arrays)


def read(x: Tensor, index: tuple) -> Tensor:
    """Return x[index] for an index in which numbers and arrays do not meet."""
    try:
        return Index(index)(x)
    except IndexError as error:
        raise DimensionError(f"index: {error}; the tensor has shape {x.shape}") from None


def check_places(name: str, x: Tensor, index: tuple) -> None:
    """Raise if a mask has another shape than the dimensions it stands for, or, on a GPU, if an
    index is out of range: NumPy raises by itself, CuPy goes round.
    """
    sizes = [i.ndim if getattr(i, "dtype", None) == np.bool_ else int(i is not None) for i in index]
    for k, part in enumerate(index):
        if not hasattr(part, "dtype"):
            continue
        after_dots = any(i is Ellipsis for i in index[:k])
        start = x.ndim - sum(sizes[k:]) if after_dots else sum(sizes[:k])
        if part.dtype == np.bool_:
            if x.shape[start : start + part.ndim] != part.shape:
                raise DimensionError(
                    f"index: a mask of shape {part.shape} does not fit a tensor of shape {x.shape}"
                    f" at dim {start}"
                )
        elif not isinstance(part, np.ndarray) and start < x.ndim:
            _check_range(name, x, part, start)


def _check_range(name: str, x: Tensor, part: Any, dim: int) -> None:
    size = x.shape[dim]
    outside = (part < -size) | (part >= size)
    refuse(
        outside,
        lambda: DimensionError(
            f"{name}: index {int(part[outside][0])} is out of bounds for axis {dim} with size "
            f"{size}; the tensor has shape {x.shape}"
        ),
    )


def is_trivial(basic: tuple) -> bool:
    """Whether the first step of an index leaves the tensor as it is."""
    return all(i is Ellipsis or (isinstance(i, slice) and i == EVERYTHING) for i in basic)


__all__: list[str] = []
