"""The kernels as one would explain them, for NumPy and CuPy arrays alike.

Two ideas carry everything. **im2col** copies the pixels under every window into the columns of a
matrix, so that convolution becomes one matrix product. Its adjoint **col2im** adds the columns back
to where they came from, and so carries gradients from windows to pixels. Pooling visits the same
windows tap by tap.

These are the definitions against which tuned kernels are tested; they are also what runs wherever
no tuned kernel fits. Images are (N, C, H, W), filters (F, C / groups, KH, KW); convolution is
cross-correlation: the filter is not flipped. Method: Chellapilla, Puri and Simard, "High
Performance Convolutional Neural Networks for Document Processing" (2006), section 2.

Tutorial: tutorials/03_convolution.ipynb
"""

from __future__ import annotations

from typing import Any

from ..backend import array_module
from .geometry import Padding, Pair, fitted_padding, output_size, taps
from .layout import in_float32

Array = Any  # a NumPy or a CuPy array


def pad(x: Array, padding: Padding, value: float = 0.0) -> Array:
    """Surround the last two axes of `x` with `value`; a negative padding crops instead.

    The adjoint of ``pad(x, p)`` is ``pad(dy, -p)``: what was added is cut away again.
    """
    (top, bottom), (left, right) = padding
    widths = [(0, 0)] * (x.ndim - 2)
    widths += [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
    x = array_module(x).pad(x, widths, constant_values=value)
    # Crop last: one side may be cropped by more than the image has, if the other grew.
    h, w = x.shape[-2:]
    return x[..., max(-top, 0) : h - max(-bottom, 0), max(-left, 0) : w - max(-right, 0)]


def fitted(
    hw: Pair, out_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Padding:
    """Return the padding that makes images of size `hw` exactly as large as their windows reach."""
    rows, columns = (
        fitted_padding(hw[a], out_hw[a], kernel[a], stride[a], padding[a][0], dilation[a])
        for a in (0, 1)
    )
    return rows, columns


def negated(padding: Padding) -> Padding:
    """Return the padding that undoes `padding`."""
    (top, bottom), (left, right) = padding
    return (-top, -bottom), (-left, -right)


def output_hw(hw: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    """Return (OH, OW) of a convolution."""
    oh, ow = (output_size(hw[a], kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    return oh, ow


@in_float32
def matmul(a: Array, b: Array) -> Array:
    """y = a b for matrices (..., M, K) and (..., K, N), those before broadcast."""
    return a @ b


BITS = {2: "int16", 4: "int32", 8: "int64"}


def gate(dy: Array, is_open: Array) -> Array:
    """Return `dy` where `is_open`, else 0.

    The mask multiplies the bits of dy, because 0 * inf would be NaN. `where` does the same but
    takes ten times as long on a CPU, which cannot foresee a random mask.
    """
    bits = is_open.astype(BITS[dy.itemsize])
    bits *= dy.view(bits.dtype)
    return bits.view(dy.dtype)


def relu(x: Array) -> Array:
    """y = max(x, 0)."""
    return array_module(x).maximum(x, 0)


def relu_grad(dy: Array, y: Array) -> Array:
    """dx = dy where y != 0, else 0."""
    return gate(dy, y != 0)


def bias_relu(x: Array, b: Array) -> Array:
    """y = max(x + b, 0), one number of b for each channel: x (N, C, ...), b (C,)."""
    return relu(x + b.reshape(-1, *[1] * (x.ndim - 2)))


def bias_relu_grad(dy: Array, y: Array) -> tuple[Array, Array]:
    """Return dx = dy where y != 0, else 0, and db, the sum of dx over all but the channels."""
    dx = relu_grad(dy, y)
    return dx, sum(dx, (0, *range(2, dx.ndim)), False)


def sum(x: Array, dim: tuple[int, ...], keepdim: bool) -> Array:
    """Return the sum over `dim`; float16 adds up in float32, or small terms would be lost."""
    return x.sum(dim, "float32" if x.dtype == "float16" else None, keepdims=keepdim)


# ------------------------------------------------------------------------------ convolution


def im2col(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out_hw: Pair
) -> Array:
    """Copy what each window sees into a column: (N, C, H, W) -> (C, KH, KW, N, OH, OW)."""
    n, c, h, w = x.shape
    x = pad(x, fitted((h, w), out_hw, kernel, stride, padding, dilation))
    columns = array_module(x).empty((c, *kernel, n, *out_hw), dtype=x.dtype)
    for i, j, rows, cols in taps(kernel, stride, dilation, out_hw):
        columns[:, i, j] = x[:, :, rows, cols].swapaxes(0, 1)  # (C, N, OH, OW)
    return columns


def col2im(columns: Array, input_hw: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """Add every column back to the pixels it was copied from: the adjoint of `im2col`."""
    c, kh, kw, n, oh, ow = columns.shape
    fit = fitted(input_hw, (oh, ow), (kh, kw), stride, padding, dilation)
    (top, bottom), (left, right) = fit
    shape = (n, c, input_hw[0] + top + bottom, input_hw[1] + left + right)
    dx = array_module(columns).zeros(shape, dtype=columns.dtype)
    for i, j, rows, cols in taps((kh, kw), stride, dilation, (oh, ow)):
        dx[:, :, rows, cols] += columns[:, i, j].swapaxes(0, 1)
    return pad(dx, negated(fit))  # (N, C, H, W)


def conv2d(
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    b: Array | None = None,
) -> Array:
    """y[n, f, oh, ow] = sum over c, i, j of x[n, c, oh SH + i DH, ow SW + j DW] w[f, c, i, j] +
    b[f].

    With groups, each of the G groups of F / G filters sees its own C / G channels.
    Costs N F OH OW KH KW C / G multiply-adds, and KH KW copies of the input in memory.
    """
    n, (f, c, kh, kw) = len(x), w.shape
    oh, ow = output_hw(x.shape[2:], (kh, kw), stride, padding, dilation)
    columns = im2col(x, (kh, kw), stride, padding, dilation, (oh, ow))
    columns = columns.reshape(groups, c * kh * kw, n * oh * ow)  # (G, K, N OH OW)
    y = w.reshape(groups, f // groups, c * kh * kw) @ columns  # (G, F/G, N OH OW)
    y = y.reshape(f, n, oh, ow).swapaxes(0, 1)
    return y if b is None else y + b[:, None, None]


def conv2d_input_grad(
    dy: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """dx = col2im(w^T dy): each output's gradient goes to every pixel its window saw.

    The transpose of `conv2d` in x, and therefore the forward of a transposed convolution.
    """
    n, f, oh, ow = dy.shape
    _, c, kh, kw = w.shape
    dy = dy.swapaxes(0, 1).reshape(groups, f // groups, n * oh * ow)
    columns = w.reshape(groups, f // groups, c * kh * kw).swapaxes(1, 2) @ dy  # (G, K, N OH OW)
    columns = columns.reshape(groups * c, kh, kw, n, oh, ow)
    return col2im(columns, input_hw, stride, padding, dilation)


def conv2d_weight_grad(
    dy: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """dw = dy columns^T: the transpose of `conv2d` in w."""
    n, f, oh, ow = dy.shape
    c, (kh, kw) = x.shape[1] // groups, kernel_hw
    columns = im2col(x, kernel_hw, stride, padding, dilation, (oh, ow))
    columns = columns.reshape(groups, c * kh * kw, n * oh * ow)  # (G, K, N OH OW)
    dy = dy.swapaxes(0, 1).reshape(groups, f // groups, n * oh * ow)
    dw = dy @ columns.swapaxes(1, 2)  # (G, F/G, K)
    return dw.reshape(f, c, kh, kw)


# ---------------------------------------------------------------------------------- pooling
#
# Where a maximum came from is kept as the *winner*: the number i KW + j of the tap that won, a
# small integer for every output. It says the same as the flat position in the image (which
# `max_pool2d_positions` works out), takes a fraction of the memory, and lets the backward pass go
# tap by tap as the forward pass did, with no scattering to computed addresses.


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out_hw: Pair
) -> tuple[Array, Array]:
    """Return (y, winner): the largest pixel of every window, and the tap it lies under.

    The first of equal pixels wins, a NaN beats every number, and padding never wins.
    """
    xp = array_module(x)
    fit = fitted(x.shape[2:], out_hw, kernel, stride, padding, dilation)
    inside = pad(xp.ones(x.shape[2:], dtype=bool), fit, False)
    x = pad(x, fit)
    y = xp.zeros((*x.shape[:2], *out_hw), dtype=x.dtype)
    winner = xp.full(y.shape, -1, dtype=xp.int32)
    for i, j, rows, cols in taps(kernel, stride, dilation, out_hw):
        pixel = x[:, :, rows, cols]  # (N, C, OH, OW)
        better = (winner < 0) | (pixel > y) | (pixel != pixel)  # only NaN differs from itself
        better &= inside[rows, cols]
        y = xp.where(better, pixel, y)
        winner = xp.where(better, i * kernel[1] + j, winner)
    return y, winner


def max_pool2d_input_grad(
    dy: Array,
    winner: Array,
    input_hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> Array:
    """dx: each output's gradient goes to the pixel that won."""
    xp = array_module(dy)
    out_hw = dy.shape[2:]
    fit = fitted(input_hw, out_hw, kernel, stride, padding, dilation)
    dx = pad(xp.zeros((*dy.shape[:2], *input_hw), dtype=dy.dtype), fit)
    for i, j, rows, cols in taps(kernel, stride, dilation, out_hw):
        dx[:, :, rows, cols] += xp.where(winner == i * kernel[1] + j, dy, 0)
    return pad(dx, negated(fit))


def max_pool2d_select(
    x: Array, winner: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Array:
    """y: the pixel of each window that lies under the winning tap. The adjoint of the above."""
    out_hw = winner.shape[2:]
    x = pad(x, fitted(x.shape[2:], out_hw, kernel, stride, padding, dilation))
    y = array_module(x).zeros(winner.shape, dtype=x.dtype)
    for i, j, rows, cols in taps(kernel, stride, dilation, out_hw):
        y = array_module(x).where(winner == i * kernel[1] + j, x[:, :, rows, cols], y)
    return y


def max_pool2d_positions(
    winner: Array, input_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Array:
    """Return the winners as flat positions row * W + column in the unpadded image, int64."""
    xp = array_module(winner)
    oh, ow = winner.shape[2:]
    i, j = xp.divmod(winner.astype(xp.int64), kernel[1])
    rows = xp.arange(oh)[:, None] * stride[0] - padding[0][0] + i * dilation[0]
    columns = xp.arange(ow) * stride[1] - padding[1][0] + j * dilation[1]
    return rows * input_hw[1] + columns


def avg_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, out_hw: Pair, divisor: Any
) -> Array:
    """y: the sum of each window over `divisor`, a number or an array (OH, OW)."""
    x = pad(x, fitted(x.shape[2:], out_hw, kernel, stride, padding, (1, 1)))
    y = array_module(x).zeros((*x.shape[:2], *out_hw), dtype=x.dtype)
    for _, _, rows, cols in taps(kernel, stride, (1, 1), out_hw):
        y += x[:, :, rows, cols]
    return y / divisor


def avg_pool2d_input_grad(
    dy: Array, input_hw: Pair, kernel: Pair, stride: Pair, padding: Padding, divisor: Any
) -> Array:
    """dx: each output's gradient, over `divisor`, goes to every pixel of its window."""
    out_hw = dy.shape[2:]
    fit = fitted(input_hw, out_hw, kernel, stride, padding, (1, 1))
    dx = pad(array_module(dy).zeros((*dy.shape[:2], *input_hw), dtype=dy.dtype), fit)
    dy = dy / divisor
    for _, _, rows, cols in taps(kernel, stride, (1, 1), out_hw):
        dx[:, :, rows, cols] += dy
    return pad(dx, negated(fit))
