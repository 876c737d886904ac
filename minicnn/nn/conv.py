"""Convolution layers: a few filters, applied at every place of the image.

The operation itself, with its equation, is in `minicnn.ops.conv`. Here are the parameters, their
first values and the kinds of padding.

Tutorial: tutorials/03_convolution.ipynb
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import wrap
from ..errors import ArgumentError, ShapeError
from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from .linear import reset_uniform
from .module import Module
from .parameter import Parameter

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share. `axes` is how many spatial dimensions there are."""

    axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        factory: dict[str, Any],
    ):
        super().__init__()
        self._check(in_channels, out_channels, groups, padding, stride, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._per_axis(kernel_size, "kernel_size")
        self.stride = self._per_axis(stride, "stride")
        self.padding: Any = padding
        if not isinstance(padding, str):
            self.padding = self._per_axis(padding, "padding")
        self.dilation = self._per_axis(dilation, "dilation")
        self.output_padding = self._per_axis(output_padding, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        shape = [out_channels, in_channels // groups, *self.kernel_size]
        if self.transposed:  # the weight of the convolution that leads back
            shape[:2] = in_channels, out_channels // groups
        # In memory (*kernel_size, C, F), as the kernels multiply by it; `shape` is what users see.
        lying = empty((*shape[2:], shape[1], shape[0]), **factory).array
        self.weight = Parameter(wrap(lying.transpose(-1, -2, *range(self.axes))))
        if bias:
            self.bias = Parameter(empty(out_channels, **factory))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(
        self, inputs: int, outputs: int, groups: int, padding: Any, stride: Any, mode: str
    ) -> None:
        name = type(self).__name__
        if groups < 1 or inputs % groups or outputs % groups:
            raise ShapeError(
                f"{name}: groups must be a positive integer that divides in_channels and "
                f"out_channels; got groups={groups}, in_channels={inputs}, out_channels={outputs}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ArgumentError(
                f"{name}: padding must be numbers, 'same' or 'valid', got '{padding}'"
            )
        if padding == "same" and any(s != 1 for s in self._per_axis(stride, "stride")):
            raise ArgumentError(
                f"{name}: padding='same' is not supported for strided convolutions, got "
                f"stride={stride}; give the padding as numbers"
            )
        if mode not in _MODES:
            raise ArgumentError(f"{name}: padding_mode must be one of {_MODES}, got {mode!r}")

    def _per_axis(self, value: Any, what: str) -> tuple[Any, ...]:
        """Return `value`, a number or one number a spatial axis, as a tuple."""
        if not isinstance(value, (tuple, list)):
            return (value,) * self.axes
        if len(value) != self.axes:
            raise ShapeError(
                f"{type(self).__name__}: {what} must be a number or {self.axes} of them, got "
                f"{value}"
            )
        return tuple(value)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, uniformly on [-1/sqrt(fan_in), 1/sqrt(fan_in)]."""
        reset_uniform(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}, stride={self.stride}",
        ]
        zero, one = (0,) * self.axes, (1,) * self.axes
        for name, usual in (("padding", zero), ("dilation", one), ("output_padding", zero)):
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    """A convolution that is no transposed one."""

    _conv_forward: Callable[[Tensor, Tensor, Tensor | None], Tensor]  # with other parameters

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, {"device": device, "dtype": dtype},
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """Return the input with any border that is not zeros, and the padding left to do."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            sides = [(n // 2, n - n // 2) for n in totals]
        else:
            sides = [(n, n) for n in self.padding]
        widths = [n for side in reversed(sides) for n in side]
        return F.pad(input, widths, mode=self.padding_mode), 0


class Conv1d(_Conv):
    """A convolution over sequences (N, C, L). Arguments as for `Conv2d`.

    Shape:
        (N, F, OL), with OL = floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1.
    """

    axes = 1

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, padding = self._padded(input)
        return F.conv1d(x, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Slide filters over images and say how well each matches everywhere.

    Args:
        in_channels: the channels of the images, C.
        out_channels: the number of filters, F.
        kernel_size: the filters' size; a number or (rows, columns), as for the options below.
        stride: how far the filter moves between outputs.
        padding: pixels added on each side, or "same" (as many as keep the size), or "valid" (none).
        dilation: the distance between the pixels under neighbouring filter elements.
        groups: split channels and filters into this many groups that do not see each other.
        bias: whether to add a number for each filter.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters.

    Shape:
        x (N, C, H, W) or (C, H, W); weight (F, C / groups, KH, KW), bias (F);
        y (N, F, OH, OW), with OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Parameters are drawn uniformly on [-1/sqrt(n), 1/sqrt(n)], n = C KH KW / groups.

    >>> nn.Conv2d(3, 16, 3, padding=1)(minicnn.randn(8, 3, 32, 32)).shape
    (8, 16, 32, 32)
    """

    axes = 2

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, padding = self._padded(input)
        return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, self.groups)


__all__ = ["Conv1d", "Conv2d"]
