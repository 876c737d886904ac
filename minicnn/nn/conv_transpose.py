"""Layers of transposed convolution: larger images from smaller ones."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from . import functional as F
from .conv import _ConvNd


class _ConvTranspose(_ConvNd):
    """The transpose of a convolution."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ArgumentError(
                f'{type(self).__name__}: only "zeros" padding mode, and padding in numbers, are '
                f"possible; got padding={padding!r}, padding_mode={padding_mode!r}"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, {"device": device, "dtype": dtype},
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size: Any) -> Any:
        """Return the output_padding with which the output has `output_size`."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.axes :]
        if len(output_size) not in (self.axes, input.ndim):
            raise ShapeError(
                f"{type(self).__name__}: output_size must have {self.axes} or {input.ndim} "
                f"numbers, got {tuple(output_size)}"
            )
        sizes = input.shape[-self.axes :]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                sizes, self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{type(self).__name__}: requested an output size of {wanted}, but valid sizes "
                f"range from {tuple(least)} to {tuple(most)} for an input of size {sizes}"
            )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution over sequences (N, C, L). Arguments as for `ConvTranspose2d`."""

    axes = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_ConvTranspose):
    """Paint a filter, scaled by the pixel, for every pixel: larger images from smaller ones.

    It is the gradient of `Conv2d` with respect to its input, so its weight has the shape of the
    convolution that leads back from the output to the input.

    Args:
        in_channels, out_channels, kernel_size, groups, bias, dilation, device, dtype: as for
            `Conv2d`.
        stride: how far apart neighbouring filters are painted.
        padding: pixels cut off on each side.
        output_padding: further rows and columns at the bottom and right.
        padding_mode: only "zeros".

    Shape:
        x (N, C, H, W) or (C, H, W); weight (C, F / groups, KH, KW), bias (F);
        y (N, F, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    The layer may be called with `output_size`, (OH, OW), instead of being given an output_padding.
    """

    axes = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


__all__ = ["ConvTranspose1d", "ConvTranspose2d"]
