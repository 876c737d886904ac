"""PyTorch's older names for dtypes: FloatTensor, LongTensor and their like, and x.type().

Many scripts still say ``x.type(torch.FloatTensor)`` or ``torch.LongTensor([1, 2])``; new ones say
``x.float()`` and ``torch.tensor([1, 2])``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, nearest
from ..promotion import as_dtype
from ..tensor import Tensor, method
from .creation import zeros
from .from_data import tensor


class TensorType:
    """A dtype under its older name: call it for a tensor; ``isinstance(x, FloatTensor)`` works."""

    def __init__(self, name: str, dtype: str):
        self.__name__, self.dtype = name, np.dtype(dtype)

    def __call__(self, *data: Any) -> Tensor:
        """Return zeros of the given sizes, or a tensor of the numbers in one sequence."""
        if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
            return tensor(data[0], dtype=self.dtype)
        return zeros(*data or (0,), dtype=self.dtype)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype == self.dtype and not x.is_cuda

    def __repr__(self) -> str:
        return f"torch.{self.__name__}"


FloatTensor, DoubleTensor = (
    TensorType("FloatTensor", "float32"),
    TensorType("DoubleTensor", "float64"),
)
HalfTensor, BoolTensor = TensorType("HalfTensor", "float16"), TensorType("BoolTensor", "bool")
LongTensor, IntTensor = TensorType("LongTensor", "int64"), TensorType("IntTensor", "int32")
ShortTensor, CharTensor = TensorType("ShortTensor", "int16"), TensorType("CharTensor", "int8")
ByteTensor = TensorType("ByteTensor", "uint8")
_TYPES = (
    FloatTensor, DoubleTensor, HalfTensor, BoolTensor, LongTensor, IntTensor, ShortTensor,
    CharTensor, ByteTensor,
)  # fmt: skip


@method("type")
def type_(self: Tensor, dtype: Any = None) -> Any:
    """Return this tensor as `dtype`, which may be "torch.FloatTensor"; without it, its own type."""
    if dtype is None:
        return repr(next(t for t in _TYPES if t.dtype == self.dtype))
    if isinstance(dtype, str) and dtype.startswith("torch."):
        known = {repr(t): t for t in _TYPES}
        if dtype not in known:
            raise DTypeError(f"type: {dtype!r} is not covered.{nearest(dtype, known)}")
        dtype = known[dtype]
    return self.to(dtype.dtype if isinstance(dtype, TensorType) else as_dtype(dtype))


__all__ = [t.__name__ for t in _TYPES]
