"""`Parameter`, a tensor that a module learns, and `Buffer`, one that it keeps."""

from __future__ import annotations

from typing import Any

from ..ops.from_data import tensor
from ..tensor import Tensor, check_tensor


class Parameter(Tensor):
    """A tensor to be learned: as an attribute of a module it joins ``module.parameters()``.

    Args:
        data: its first value; the memory is shared. Default: an empty tensor.
        requires_grad: whether it wants a gradient, also when made under `no_grad`. Default: True.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        _share(self, tensor([]) if data is None else data, "Parameter")
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict) -> Parameter:
        copy = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy  # without the gradient, as in PyTorch

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that is part of a module's state but not learned, such as a running mean.

    Args:
        data: its first value; the memory is shared. Default: an empty tensor.
        persistent: whether it belongs to the module's `state_dict`. Default: True.
    """

    persistent = True

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True):
        _share(self, tensor([]) if data is None else data, "Buffer")
        self.persistent = persistent


def _share(new: Tensor, data: Any, name: str) -> None:
    """Make `new` a tensor over the memory of `data`, and count changes of that memory for both."""
    source = check_tensor(data, name, "data")
    new._start(source.array)
    new._version = source._version


__all__ = ["Buffer", "Parameter"]
