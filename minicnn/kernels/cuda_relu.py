"""ReLU on a GPU, alone and after a bias; the kernels are in `relu.cu`.

The gradient with a bias, which is a sum as well, is in `cuda_columns`.
"""

from __future__ import annotations

from typing import Any

from ..backend import array_module
from .cuda import BLOCK, blocks_for, kernel, lanes, launch, one_run


def relu(x: Any) -> Any:
    """See `reference.relu`."""
    x = _dense(x)
    y = array_module(x).empty_like(x)
    _over_all("relu", (x, y))
    return y


def relu_grad(dy: Any, y: Any) -> Any:
    """See `reference.relu_grad`."""
    y = _dense(y)
    dx = array_module(y).empty_like(y)
    if not one_run(y, dy):
        dx[...] = dy  # laid out like y
        dy = dx
    _over_all("relu_grad", (dy, y, dx))
    return dx


def bias_relu(x: Any, b: Any) -> Any:
    """See `reference.bias_relu`; x may lie in any order of its axes."""
    x = _dense(x)
    y = array_module(x).empty_like(x)
    channels = x.shape[1]
    inner = x.strides[1] // x.itemsize if channels > 1 else 1
    _over_all("bias_relu", (x, y), array_module(b).ascontiguousarray(b), channels, inner)
    return y


def _dense(x: Any) -> Any:
    """Return `x`, or a copy if there are gaps between its elements in memory."""
    return x if one_run(x) else x.copy(order="K")


def _over_all(name: str, arrays: tuple[Any, ...], *others: Any) -> None:
    """Start a kernel over dense arrays of one layout, as runs of memory, with other arguments."""
    size, first = arrays[0].size, arrays[0]
    pack = lanes(size, *arrays)
    function = kernel("relu.cu", name, first.dtype.char, f"LANES={pack}")
    launch(function, (blocks_for(size // pack),), (BLOCK,), *arrays, size // pack, *others)
