"""Pooling: a window of pixels becomes one, its largest or its mean.

*Maximum.* A step to the side changes nothing as long as the largest pixel stays in the window, and
the gradient goes to that pixel alone. Which pixel won is piecewise constant in x, so it may be kept
from the forward pass; given the winners, selecting pixels and putting gradients back are linear and
each other's transpose. *Average* is linear outright, and its gradient is spread evenly.

*Adaptive* pooling is told the output's size instead of the window's. Where the sizes divide it is
ordinary pooling; else its windows differ in size by one and overlap (`kernels.resample`).

*Conventions.* Images (N, C, H, W) or (C, H, W). Padding is at most half a window and never wins a
maximum. Sources: Fukushima 1980, "Neocognitron"; LeCun et al. 1998, section II (average);
Zhou and Chellappa 1988 (maximum); Lin et al. 2014, "Network in network" (global average).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, wrap
from ..backend import array_module
from ..errors import ShapeError, UnsupportedError
from ..kernels import geometry
from ..kernels.geometry import Padding, Pair
from ..kernels.reference import max_pool2d_positions
from ..kernels.resample import adaptive_windows, window_sums
from ..tensor import Tensor, check_tensor
from .index import gather
from .reduce import mean
from .resample import Resample
from .windows import as_image, like_input, per_axis, symmetric

__all__ = [
    "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
]  # fmt: skip


@dataclass(eq=False, repr=False)
class MaxPool2d(Op):
    """y = the largest pixel of each window.   dx = dy, put where that pixel was; the first of equals.

    Shapes: x (N, C, H, W), y (N, C, *out_hw). Keeps the number of the winning tap, a byte a window.
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
    """y = g / divisor, added to every pixel of its window.   dg = (sum of each window of dy) / divisor.

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
    """Return the largest element of every window of sequences (N, C, L) or (C, L). See `max_pool2d`."""
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


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of `output_size` windows that cover sequences (N, C, L) or (C, L)."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", input, output_size, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of a grid of windows that cover the image, as many as `output_size` says.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        output_size: OH = OW, or (OH, OW); None keeps the input's size. 1 averages whole images.

    Shape:
        (N, C, OH, OW). Window o covers the rows floor(o H / OH) up to ceil((o + 1) H / OH).
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", input, output_size, 2)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest element of `output_size` windows that cover sequences (N, C, L) or (C, L)."""
    return _adaptive_max_pool("adaptive_max_pool1d", input, output_size, return_indices, 1)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest pixel of a grid of windows that cover the image. See `adaptive_avg_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool2d", input, output_size, return_indices, 2)


# ------------------------------------------------------------------------- what they share


def _max_pool(
    name: str, input: Tensor, options: tuple[Any, ...], return_indices: bool, axes: int
) -> Any:
    x = _check(name, input, axes)
    kernel, stride, padding, dilation, out_hw = _geometry(name, x, options, axes)
    op = MaxPool2d(kernel, stride, padding, dilation, out_hw)
    y = like_input(op(x), input, axes)
    if not return_indices:
        return y
    positions = max_pool2d_positions(
        op.winner, x.shape[2:], kernel, stride, padding, dilation
    )
    return y, like_input(wrap(positions), input, axes)


def _avg_pool(
    name: str,
    input: Tensor,
    options: tuple[Any, ...],
    count_include_pad: bool,
    divisor: int | None,
    axes: int,
) -> Tensor:
    x = _check(name, input, axes, floating=True)
    kernel, stride, padding, _, out_hw = _geometry(name, x, options, axes)
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
    rows, columns = (array_module(x.array).asarray(c, dtype=x.dtype) for c in counts)
    return rows[:, None] * columns


def _adaptive_avg_pool(name: str, input: Tensor, size: Any, axes: int) -> Tensor:
    x = _check(name, input, axes, floating=True)
    (h, w), (oh, ow) = x.shape[2:], _adaptive_size(name, x, size, axes)
    if (oh, ow) == (1, 1):
        y = mean(x, (2, 3), keepdim=True)
    elif oh and ow and h % oh == w % ow == 0:
        window = h // oh, w // ow
        y = AvgPool2d(window, window, symmetric((0, 0)), (oh, ow))(x, window[0] * window[1])
    else:
        rows, columns = window_sums(h, oh), window_sums(w, ow)
        count = rows.matrix.sum(1)[:, None] * columns.matrix.sum(1)
        y = Resample(rows, columns)(x) / wrap(array_module(x.array).asarray(count, dtype=x.dtype))
    return like_input(y, input, axes)


def _adaptive_max_pool(
    name: str, input: Tensor, size: Any, return_indices: bool, axes: int
) -> Any:
    x = _check(name, input, axes, floating=True)
    (h, w), (oh, ow) = x.shape[2:], _adaptive_size(name, x, size, axes)
    if oh and ow and h % oh == w % ow == 0:
        window = (h // oh, w // ow)[2 - axes :]
        return _max_pool(name, input, (window, None, 0, 1, False), return_indices, axes)
    positions = wrap(_adaptive_positions(x.array, (oh, ow)))
    flat = gather(x.flatten(2), 2, positions.flatten(2))
    y = like_input(flat.reshape(positions.shape), input, axes)
    return (y, like_input(positions, input, axes)) if return_indices else y


def _adaptive_positions(x: Any, out_hw: Pair) -> Any:
    """Return the flat position of the largest pixel of each adaptive window, (N, C, OH, OW)."""
    xp, (h, w) = array_module(x), x.shape[2:]
    positions = xp.zeros((*x.shape[:2], *out_hw), dtype=xp.int64)
    for o, (top, bottom) in enumerate(adaptive_windows(h, out_hw[0])):
        for p, (left, right) in enumerate(adaptive_windows(w, out_hw[1])):
            piece, window = x[:, :, top:bottom, left:right], (bottom - top, right - left)
            kernel = kernels.get("max_pool2d", piece)
            _, winner = kernel(piece, window, window, symmetric((0, 0)), (1, 1), (1, 1))
            i, j = xp.divmod(winner[:, :, 0, 0].astype(xp.int64), window[1])
            positions[:, :, o, p] = (top + i) * w + left + j
    return positions


def _check(name: str, input: Any, axes: int, floating: bool = False) -> Tensor:
    """Check the input of a pooling and return it as (N, C, H, W)."""
    x = as_image(name, check_tensor(input, name), axes)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: only the batch may be empty; got {input.shape}")
    if x.dtype.kind not in ("f" if floating else "fiu"):
        raise UnsupportedError(f"{name}: not available for {x.dtype}; use input.float()")
    return x


def _geometry(
    name: str, x: Tensor, options: tuple[Any, ...], axes: int
) -> tuple[Pair, Pair, Padding, Pair, Pair]:
    """Return kernel, stride, padding, dilation and the output's size, all checked."""
    kernel_size, stride, padding, dilation, ceil_mode = options
    kernel = per_axis(name, "kernel_size", kernel_size, axes, 1)
    if stride is None or stride == [] or stride == ():
        strides = kernel
    else:
        strides = per_axis(name, "stride", stride, axes, 1)
    pads = per_axis(name, "padding", padding, axes, 0)
    dilations = per_axis(name, "dilation", dilation, axes, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if 2 * pads[0] > reach[0] or 2 * pads[1] > reach[1]:
        raise ShapeError(
            f"{name}: padding must be at most half the kernel, or windows would see nothing but "
            f"padding; got padding {padding}, kernel_size {kernel_size}"
        )
    sides = symmetric(pads)
    oh, ow = (
        geometry.output_size(x.shape[2 + a], kernel[a], strides[a], sides[a], dilations[a], ceil_mode)
        for a in (0, 1)
    )
    if min(oh, ow) < 1:
        raise ShapeError(
            f"{name}: the kernel {kernel_size} is larger than the padded input; got input size "
            f"{x.shape[4 - axes :]}, padding {padding}. Use a larger input or a smaller kernel."
        )
    return kernel, strides, sides, dilations, (oh, ow)


def _adaptive_size(name: str, x: Tensor, size: Any, axes: int) -> Pair:
    """Return (OH, OW), with None standing for the input's own size."""
    sizes = list(size) if isinstance(size, (tuple, list)) else [size] * axes
    own = x.shape[4 - axes :]
    if len(sizes) == axes:
        sizes = [n if s is None else s for s, n in zip(sizes, own, strict=True)]
    oh, ow = per_axis(name, "output_size", sizes, axes, 0)
    return (oh, ow) if axes == 2 else (1, ow)
