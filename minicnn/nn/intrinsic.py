"""Layers made of two: a convolution or a dense layer and the ReLU after it, computed in one go.

>>> model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(14400, 10))
>>> nn.intrinsic.fuse_modules(model, ["0", "1"])[0]
ConvReLU2d(
  (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
  (1): ReLU()
)

The bias and the ReLU then take one pass over memory instead of two; see `minicnn.ops.fused`. Names
are those of `torch.ao.nn.intrinsic` and `torch.ao.quantization.fuse_modules`, where the same layers
prepare a network for integers; what PyTorch fuses beside these pairs is not covered.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..errors import ArgumentError
from ..ops.fused import bias_relu
from ..tensor import Tensor
from . import functional as F
from .activation import ReLU
from .containers import Sequential
from .conv import Conv1d, Conv2d
from .linear import Identity, Linear
from .module import Module

M = TypeVar("M", bound=Module)


class _FusedModule(Sequential):
    """A layer of type `kind`, and a ReLU; `channels` is the axis of its outputs' channels."""

    kind: type[Module]
    channels: int

    def __init__(self, layer: Module, relu: Module):
        if type(layer) is not self.kind or type(relu) is not ReLU:
            raise ArgumentError(
                f"{type(self).__name__}: made of a {self.kind.__name__} and a ReLU, got "
                f"{type(layer).__name__} and {type(relu).__name__}"
            )
        super().__init__(layer, relu)
        self.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        layer, relu = self
        if layer.bias is None or type(relu) is not ReLU or _has_hooks(layer) or _has_hooks(relu):
            return super().forward(input)  # nothing to fuse, or somebody looks at what is between
        return bias_relu(self._product(input), layer.bias, self.channels)

    def _product(self, input: Tensor) -> Tensor:
        """Return what the layer computes without its bias."""
        return self[0]._conv_forward(input, self[0].weight, None)


class ConvReLU1d(_FusedModule):
    """y = max(conv(x, w) + b, 0), of a `Conv1d` and a `ReLU`, which it holds as "0" and "1"."""

    kind, channels = Conv1d, -2

    def __init__(self, conv: Conv1d, relu: ReLU):
        super().__init__(conv, relu)


class ConvReLU2d(_FusedModule):
    """y = max(conv(x, w) + b, 0), of a `Conv2d` and a `ReLU`, which it holds as "0" and "1"."""

    kind, channels = Conv2d, -3

    def __init__(self, conv: Conv2d, relu: ReLU):
        super().__init__(conv, relu)


class LinearReLU(_FusedModule):
    """y = max(x w^T + b, 0), of a `Linear` and a `ReLU`, which it holds as "0" and "1"."""

    kind, channels = Linear, -1

    def __init__(self, linear: Linear, relu: ReLU):
        super().__init__(linear, relu)

    def _product(self, input: Tensor) -> Tensor:
        return F.linear(input, self[0].weight)


_FUSED: dict[type[Module], Callable[..., Module]] = {
    fused.kind: fused for fused in (ConvReLU1d, ConvReLU2d, LinearReLU)
}


def _has_hooks(module: Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def fuse_modules(
    model: M, modules_to_fuse: Sequence[str] | Sequence[Sequence[str]], inplace: bool = False
) -> M:
    """Return `model` with each named layer and its ReLU as one; an `Identity` is left of the ReLU.

    Parameters stay the same, with a new name: that of "conv1.weight" is "conv1.0.weight". A ReLU
    that `forward` calls after several layers must not be named, or it would be missing there.

    Args:
        model: what contains the layers.
        modules_to_fuse: the names of a layer and its ReLU, or a list of such pairs.
        inplace: change `model` itself instead of a copy.

    Raises:
        ArgumentError: names other than those of a Conv1d, Conv2d or Linear and a ReLU.

    >>> nn.intrinsic.fuse_modules(model, [["conv1", "relu1"], ["fc1", "relu2"]])
    """
    model = model if inplace else copy.deepcopy(model)
    single = all(isinstance(name, str) for name in modules_to_fuse)
    for names in [modules_to_fuse] if single else modules_to_fuse:
        _replace(model, names)
    return model


def _replace(model: Module, names: Any) -> None:
    found = [model.get_submodule(name) for name in names]
    kinds = [type(module) for module in found]
    if len(found) != 2 or kinds[0] not in _FUSED or kinds[1] is not ReLU:
        raise ArgumentError(
            f"fuse_modules: can fuse a Conv1d, Conv2d or Linear with the ReLU after it, got "
            f"{', '.join(f'{n} ({k.__name__})' for n, k in zip(names, kinds, strict=True))}"
        )
    model.set_submodule(names[0], _FUSED[kinds[0]](*found))
    model.set_submodule(names[1], Identity())


__all__ = ["ConvReLU1d", "ConvReLU2d", "LinearReLU", "fuse_modules"]
