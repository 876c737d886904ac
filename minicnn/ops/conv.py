"""Convolution, its transpose and its weight gradient: three ops that differentiate into each other.

A convolution layer computes the cross-correlation

    y[n, f, oh, ow] = b[f] + sum over c, i, j of  x[n, c, row, column] w[f, c, i, j],
    row = oh SH + i DH - top,  column = ow SW + j DW - left,

which is linear in x and linear in w. So, with <a, b> the sum of the products of all elements, there
are two more functions, `Conv2dInputGrad` and `Conv2dWeightGrad`, for which

    <conv(x, w), g>  =  <x, input_grad(g, w)>  =  <w, weight_grad(g, x)>      for every g.

They are the gradients of the convolution. And since all three are one trilinear form, seen from g,
from x and from w, the gradients of each are made of the other two: no derivative of any order needs
further code.

The input gradient is a useful layer by itself: it turns few pixels into many. As a layer it is
called transposed convolution (or, wrongly, deconvolution).

*Conventions.* Images (N, C, H, W), filters (F, C / groups, KH, KW).

Sources: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition"; Dumoulin
and Visin 2016, "A guide to convolution arithmetic for deep learning" (sizes and transposes); Zeiler
et al. 2010, "Deconvolutional networks"; Yu and Koltun 2016, "Multi-scale context aggregation by
dilated convolutions"; Krizhevsky et al. 2012, section 3.2 (groups).
Tutorial: tutorials/03_convolution.ipynb
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in
from ..errors import ShapeError
from ..kernels.geometry import Padding, Pair, transposed_size
from ..tensor import Tensor
from .windows import (
    as_images,
    check_channels,
    check_convolution,
    check_kernel_fits,
    convolution_padding,
    like_input,
    per_axis,
)

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


@dataclass(eq=False, repr=False)
class Conv2d(Op):
    """y = conv(x, w) + b.   dx = input_grad(dy, w),  dw = weight_grad(dy, x),  db = sum of dy.

    Shapes: x (N, C, H, W), w (F, C / groups, KH, KW), b (F,), optional; y (N, F, OH, OW).
    Costs N F OH OW KH KW C / groups multiply-adds, and each gradient as many again.
    """

    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int

    def forward(self, x: Any, w: Any, b: Any = None) -> Any:
        kernel = kernels.get("conv2d", x, w)
        return kernel(x, w, self.stride, self.padding, self.dilation, self.groups, b)

    def dx(self, dy: Tensor, w: Tensor) -> Tensor:
        input_hw = self.shapes[0][2:]
        op = Conv2dInputGrad(input_hw, self.stride, self.padding, self.dilation, self.groups)
        return op(dy, w)

    def dw(self, dy: Tensor, x: Tensor) -> Tensor:
        kernel_hw = self.shapes[1][2:]
        op = Conv2dWeightGrad(kernel_hw, self.stride, self.padding, self.dilation, self.groups)
        return op(dy, x)

    def db(self, dy: Tensor) -> Tensor:
        return dy.sum((0, 2, 3))


@dataclass(eq=False, repr=False)
class Conv2dInputGrad(Op):
    """y = input_grad(g, w).   dg = conv(dy, w),  dw = weight_grad(g, dy).

    Because <input_grad(g, w), dy> = <g, conv(dy, w)> = <w, weight_grad(g, dy)>.
    Shapes: g (N, F, OH, OW), w (F, C / groups, KH, KW); y (N, C, *input_hw).
    """

    input_hw: Pair
    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int

    def forward(self, g: Any, w: Any) -> Any:
        kernel = kernels.get("conv2d_input_grad", g, w)
        return kernel(g, w, self.input_hw, self.stride, self.padding, self.dilation, self.groups)

    def dg(self, dy: Tensor, w: Tensor) -> Tensor:
        return Conv2d(self.stride, self.padding, self.dilation, self.groups)(dy, w)

    def dw(self, dy: Tensor, g: Tensor) -> Tensor:
        kernel_hw = self.shapes[1][2:]
        op = Conv2dWeightGrad(kernel_hw, self.stride, self.padding, self.dilation, self.groups)
        return op(g, dy)


@dataclass(eq=False, repr=False)
class Conv2dWeightGrad(Op):
    """y = weight_grad(g, x).   dg = conv(x, dy),  dx = input_grad(g, dy).

    Because <weight_grad(g, x), dy> = <g, conv(x, dy)> = <x, input_grad(g, dy)>.
    Shapes: g (N, F, OH, OW), x (N, C, H, W); y (F, C / groups, *kernel_hw).
    """

    kernel_hw: Pair
    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int

    def forward(self, g: Any, x: Any) -> Any:
        kernel = kernels.get("conv2d_weight_grad", g, x)
        return kernel(g, x, self.kernel_hw, self.stride, self.padding, self.dilation, self.groups)

    def dg(self, dy: Tensor, x: Tensor) -> Tensor:
        return Conv2d(self.stride, self.padding, self.dilation, self.groups)(x, dy)

    def dx(self, dy: Tensor, g: Tensor) -> Tensor:
        input_hw = self.shapes[1][2:]
        op = Conv2dInputGrad(input_hw, self.stride, self.padding, self.dilation, self.groups)
        return op(g, dy)


# ------------------------------------------------------------------------- public functions


@runs_in("lower")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve sequences (N, C, L) or (C, L) with filters (F, C / groups, K). See `conv2d`."""
    options = (stride, padding, dilation)
    return _convolve("conv1d", input, weight, bias, options, groups, 1)


@runs_in("lower")
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Slide filters over images and return how well each matches everywhere (cross-correlation).

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        weight: filters (F, C / groups, KH, KW).
        bias: one number per filter (F,), added to its output, or None.
        stride: how far the filter moves between outputs; a number or (rows, columns).
        padding: zeros on each side; a number, (rows, columns), ``"valid"`` for none, or ``"same"``
            for as many as keep the size (stride 1 only; an odd one goes to the bottom and right).
        dilation: the distance between the pixels under neighbouring filter elements.
        groups: split channels and filters into this many groups that do not see each other.

    Shape:
        (N, F, OH, OW), with OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Raises:
        ShapeError: ranks, channels, groups or sizes that do not fit.
        DTypeError: `input`, `weight` and `bias` of different dtypes.
    """
    options = (stride, padding, dilation)
    return _convolve("conv2d", input, weight, bias, options, groups, 2)


@runs_in("lower")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of sequences (N, C, L), or one (C, L). See `conv_transpose2d`."""
    options = (stride, padding, output_padding, dilation)
    return _transpose("conv_transpose1d", input, weight, bias, options, groups, 1)


@runs_in("lower")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Add to the output, for each input pixel, the filter scaled by it: conv2d's input gradient.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        weight: filters (C, F / groups, KH, KW): as for the convolution that maps F channels to C.
        bias: one number per output channel (F,), or None.
        stride: how far apart the filters of neighbouring input pixels lie in the output.
        padding: how many pixels are cut off on each side of the output.
        output_padding: further rows and columns at the bottom and right, since several sizes
            convolve to the same one; less than the stride or the dilation.
        groups, dilation: as in `conv2d`.

    Shape:
        (N, F, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
    """
    options = (stride, padding, output_padding, dilation)
    return _transpose("conv_transpose2d", input, weight, bias, options, groups, 2)


def _convolve(
    name: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[Any, Any, Any],
    groups: int,
    axes: int,
) -> Tensor:
    x = as_images(name, input, axes)
    check_convolution(name, input, weight, bias, groups, axes)
    f, c, *kernel = weight.shape
    bias_shape = None if bias is None else bias.shape
    check_channels(name, input.shape, weight.shape, bias_shape, (c * groups, f), axes)
    w = weight if axes == 2 else weight.reshape((f, c, 1, *kernel))
    stride = per_axis(name, "stride", options[0], axes, 1)
    dilation = per_axis(name, "dilation", options[2], axes, 1)
    padding = convolution_padding(name, options[1], w.shape[2:], stride, dilation, axes)
    check_kernel_fits(name, x.shape[2:], w.shape[2:], padding, dilation, axes)
    op = Conv2d(stride, padding, dilation, groups)
    y = op(x, w) if bias is None else op(x, w, bias)
    return like_input(y, input, axes)


def _transpose(
    name: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[Any, Any, Any, Any],
    groups: int,
    axes: int,
) -> Tensor:
    x = as_images(name, input, axes)
    check_convolution(name, input, weight, bias, groups, axes)
    c, f, *kernel = weight.shape
    bias_shape = None if bias is None else bias.shape
    check_channels(name, input.shape, weight.shape, bias_shape, (c, f * groups), axes)
    w = weight if axes == 2 else weight.reshape((c, f, 1, *kernel))
    least = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
    stride, padding, extra, dilation = (
        per_axis(name, option, value, axes, least[option])
        for option, value in zip(least, options, strict=True)
    )
    if any(e and e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ShapeError(
            f"{name}: output_padding must be less than stride or dilation, got output_padding "
            f"{extra[2 - axes :]}, stride {stride[2 - axes :]}, dilation {dilation[2 - axes :]}"
        )
    # Rows that output_padding adds at the bottom are rows that padding does not cut off there.
    sides = tuple((p, p - e) for p, e in zip(padding, extra, strict=True))
    output_hw = tuple(
        transposed_size(x.shape[2 + a], w.shape[2 + a], stride[a], sides[a], dilation[a])
        for a in (0, 1)
    )
    if min(output_hw) < 1:
        raise ShapeError(
            f"{name}: the output would have size {output_hw[2 - axes :]}; got input "
            f"{input.shape}, weight {weight.shape}, padding {padding[2 - axes :]}. Pad less."
        )
    y = Conv2dInputGrad(output_hw, stride, sides, dilation, groups)(x, w)
    if bias is not None:
        y = y + bias.reshape((-1, 1, 1))
    return like_input(y, input, axes)
