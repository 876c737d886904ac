"""Layers that connect every input with every output, and those that only change a shape.

Tutorial: tutorials/08_initialisation.ipynb
"""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def reset_uniform(weight: Tensor, bias: Tensor | None) -> None:
    """Draw weights and bias uniformly on [-1/sqrt(fan_in), 1/sqrt(fan_in)], as PyTorch does.

    With a = sqrt(5), the bound of `kaiming_uniform_` is
    sqrt(2 / (1 + 5)) sqrt(3 / fan_in) = 1 / sqrt(fan_in).
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """y = x w^T + b: every output is a weighted sum of all inputs. Also known as a dense layer.

    Args:
        in_features: the numbers that go in, I.
        out_features: the numbers that come out, O.
        bias: whether to add b.
        device, dtype: of the parameters.

    Shape:
        x (..., I), w (O, I), b (O); y (..., O).

    Parameters are drawn uniformly on [-1/sqrt(I), 1/sqrt(I)].

    >>> nn.Linear(784, 10)(minicnn.randn(32, 784)).shape
    (32, 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        reset_uniform(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


Dense = Linear  # the name of Keras and of many books


class Identity(Module):
    """y = x, whatever the arguments: a placeholder for a layer."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Make one dimension of several: images (N, C, H, W) become vectors (N, C H W).

    Args:
        start_dim: the first of those dimensions. Default: 1, which keeps the batch.
        end_dim: the last of them. Default: -1.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make several dimensions of one: the opposite of `Flatten`.

    Args:
        dim: which.
        unflattened_size: the sizes that replace it; one of them may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        sizes = unflattened_size
        if not isinstance(sizes, (tuple, list)) or not all(isinstance(n, int) for n in sizes):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {sizes!r}")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


__all__ = ["Dense", "Flatten", "Identity", "Linear", "Unflatten"]
