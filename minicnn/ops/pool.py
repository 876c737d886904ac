"""Pooling: a window of pixels becomes one, its largest or its mean.

*Maximum.* A step to the side changes nothing as long as the largest pixel stays in the window, and
the gradient goes to that pixel alone. Which pixel won is piecewise constant in x, so it may be kept
from the forward pass; given the winners, selecting pixels and putting gradients back are linear and
each other's transpose. *Average* is linear outright, and its gradient is spread evenly.

*Conventions.* Images (N, C, H, W) or (C, H, W). Padding is at most half a window and never wins a
maximum. Sources: Fukushima 1980, "Neocognitron"; LeCun et al. 1998, section II (average);
Zhou and Chellappa 1988 (maximum).

Tutorial: tutorials/04_pooling.ipynb
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, wrap
from ..errors import ShapeError
from ..kernels.geometry import Padding, Pair
from ..kernels.reference import max_pool2d_positions
from ..tensor import Tensor
from .operands import constants
from .windows import like_input, pooling_geometry, pooling_images

__all__ = ["max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"]


@dataclass(eq=False, repr=False)
class MaxPool2d(Op):
    """y = the largest pixel of each window.   dx = dy, put where that pixel was.

    Of equal pixels the first wins. Keeps the number of the winning tap, a byte for each window.
    Shapes: x (N, C, H, W), y (N, C, *out_hw).
    """

    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair
    out_hw: Pair

    def forward(self, x: Any) -> Any:
        kernel = kernels.get("max_pool2d", x)
        y, self.winner = kernel(
            x, self.kernel, self.stride, self.padding, self.dilation, self.out_hw
        )
        return y

    def dx(self, dy: Tensor) -> Tensor:
        input_hw = self.shapes[0][2:]
        op = MaxPool2dInputGrad(input_hw, self.kernel, self.stride, self.padding, self.dilation)
        return op(dy, self.winner)


@dataclass(eq=False, repr=False)
class MaxPool2dInputGrad(Op):
    """y = zeros, with each g added where its window's winner was.   dg = dy at the winners.

    Shapes: g and winner (N, C, OH, OW), y (N, C, *input_hw). The winners are constants.
    """

    input_hw: Pair
    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair

    def forward(self, g: Any, winner: Any) -> Any:
        kernel = kernels.get("max_pool2d_input_grad", g, winner)
        return kernel(
            g, winner, self.input_hw, self.kernel, self.stride, self.padding, self.dilation
        )

    def dg(self, dy: Tensor, winner: Any) -> Tensor:
        op = MaxPool2dSelect(self.kernel, self.stride, self.padding, self.dilation)
        return op(dy, winner)


@dataclass(eq=False, repr=False)
class MaxPool2dSelect(Op):
    """y = x at the winners.   dx = zeros, with each dy added where its window's winner was.

    Shapes: x (N, C, H, W), winner and y (N, C, OH, OW). The winners are constants.
    """

    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair

    def forward(self, x: Any, winner: Any) -> Any:
        kernel = kernels.get("max_pool2d_select", x, winner)
        return kernel(x, winner, self.kernel, self.stride, self.padding, self.dilation)

    def dx(self, dy: Tensor, winner: Any) -> Tensor:
        input_hw = self.shapes[0][2:]
        op = MaxPool2dInputGrad(input_hw, self.kernel, self.stride, self.padding, self.dilation)
        return op(dy, winner)


@dataclass(eq=False, repr=False)
class AvgPool2d(Op):
    """y = (sum of each window) / divisor.   dx = dy / divisor, to every pixel of the window.

    Shapes: x (N, C, H, W), y (N, C, *out_hw), divisor a number or (OH, OW).
    """

    kernel: Pair
    stride: Pair
    padding: Padding
    out_hw: Pair

    def forward(self, x: Any, divisor: Any) -> Any:
        kernel = kernels.get("avg_pool2d", x)
        return kernel(x, self.kernel, self.stride, self.padding, self.out_hw, divisor)

    def dx(self, dy: Tensor, divisor: Any) -> Tensor:
        input_hw = self.shapes[0][2:]
        return AvgPool2dInputGrad(input_hw, self.kernel, self.stride, self.padding)(dy, divisor)


@dataclass(eq=False, repr=False)
class AvgPool2dInputGrad(Op):
    """y = g / divisor, to every pixel of the window.   dg = (sum of each window of dy) / divisor.

    Shapes: g (N, C, OH, OW), y (N, C, *input_hw), divisor a number or (OH, OW).
    """

    input_hw: Pair
    kernel: Pair
    stride: Pair
    padding: Padding

    def forward(self, g: Any, divisor: Any) -> Any:
        kernel = kernels.get("avg_pool2d_input_grad", g)
        return kernel(g, self.input_hw, self.kernel, self.stride, self.padding, divisor)

    def dg(self, dy: Tensor, divisor: Any) -> Tensor:
        out_hw = self.shapes[0][2:]
        return AvgPool2d(self.kernel, self.stride, self.padding, out_hw)(dy, divisor)


# ------------------------------------------------------------------------- public functions


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of every window of (N, C, L) or (C, L). See `max_pool2d`."""
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool1d", input, options, return_indices, 1)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest pixel of every window; where pixels are equal, the first has the gradient.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        kernel_size: the window's size; a number or (rows, columns), as for all that follow.
        stride: how far the window moves; by default its own size, so that windows do not overlap.
        padding: pixels of minus infinity on each side, at most half a window.
        dilation: the distance between the pixels of a window.
        ceil_mode: let a last window hang over the edge instead of leaving pixels out. It must
            start inside the image or its left or top padding.
        return_indices: return (values, indices), the indices being flat positions row * W + column.

    Shape:
        (N, C, OH, OW), OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Raises:
        ShapeError: sizes that do not fit, or padding above half a window.
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool2d", input, options, return_indices, 2)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of every window of sequences (N, C, L) or (C, L). See `avg_pool2d`."""
    options = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool1d", input, options, count_include_pad, None, 1)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of every window.

    Args:
        input, kernel_size, stride, padding, ceil_mode: as in `max_pool2d`, but padding is zeros.
        count_include_pad: whether the padding counts in the mean. What `ceil_mode` lets hang over
            beyond the padding never counts.
        divisor_override: divide the sum by this instead of by the number of pixels.

    Shape:
        (N, C, OH, OW), OH = floor((H + 2 padding - KH) / stride) + 1.
    """
    options = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool2d", input, options, count_include_pad, divisor_override, 2)


# ------------------------------------------------------------------------- what they share


def _max_pool(
    name: str, input: Tensor, options: tuple[Any, ...], return_indices: bool, axes: int
) -> Any:
    x = pooling_images(name, input, axes, integers=True)
    geometry = pooling_geometry(name, x.shape[2:], options, axes)
    op = MaxPool2d(*geometry)
    y = like_input(op(x), input, axes)
    if not return_indices:
        return y
    positions = max_pool2d_positions(op.winner, x.shape[2:], *geometry[:-1])
    return y, like_input(wrap(positions), input, axes)


def _avg_pool(
    name: str,
    input: Tensor,
    options: tuple[Any, ...],
    count_include_pad: bool,
    divisor: int | None,
    axes: int,
) -> Tensor:
    x = pooling_images(name, input, axes)
    kernel, stride, padding, _, out_hw = pooling_geometry(name, x.shape[2:], options, axes)
    if divisor is None:
        divisor = _divisor(x, kernel, stride, padding, out_hw, count_include_pad)
    elif not isinstance(divisor, int):
        raise TypeError(f"{name}: divisor_override must be an integer, got {divisor!r}")
    elif divisor == 0:
        raise ShapeError(f"{name}: divisor_override must not be 0")
    y = AvgPool2d(kernel, stride, padding, out_hw)(x, divisor)
    return like_input(y, input, axes)


def _divisor(
    x: Tensor, kernel: Pair, stride: Pair, padding: Padding, out_hw: Pair, include: bool
) -> Any:
    """Return how many pixels each window averages: a number if they agree, else (OH, OW)."""
    counts = []
    for axis in (0, 1):
        size, (before, after) = x.shape[2 + axis], padding[axis]
        low, high = (-before, size + after) if include else (0, size)
        starts = [o * stride[axis] - before for o in range(out_hw[axis])]
        counts.append([min(s + kernel[axis], high) - max(s, low) for s in starts])
    if all(n == kernel[axis] for axis in (0, 1) for n in counts[axis]):
        return kernel[0] * kernel[1]
    rows, columns = (constants(c, x, x.dtype) for c in counts)
    return rows[:, None] * columns
