"""Convolution, pooling and interpolation, one number at a time, as their definitions read.

These share no code with minicnn, and they are slow on purpose: every loop of the definition is a
loop here. Arguments are pairs; `padding` is ((top, bottom), (left, right)).
"""

from __future__ import annotations

import math

import numpy as np


def conv2d(x, w, stride, padding, dilation, groups):
    """y[n, f, oh, ow] = sum over c, i, j of padded x times w."""
    (n_images, _, height, width), (n_filters, _, kh, kw) = x.shape, w.shape
    (top, bottom), (left, right) = padding
    oh_count = math.floor((height + top + bottom - dilation[0] * (kh - 1) - 1) / stride[0]) + 1
    ow_count = math.floor((width + left + right - dilation[1] * (kw - 1) - 1) / stride[1]) + 1
    y = np.zeros((n_images, n_filters, oh_count, ow_count))
    for place, x_place, w_place in conv_terms(x, w, y, stride, padding, dilation, groups):
        y[place] += float(x[x_place]) * float(w[w_place])
    return y


def conv2d_input_grad(dy, w, input_hw, stride, padding, dilation, groups):
    """Each product of the convolution gives dy times w to its pixel."""
    x = np.zeros((len(dy), w.shape[1] * groups, *input_hw))
    for place, x_place, w_place in conv_terms(x, w, dy, stride, padding, dilation, groups):
        x[x_place] += float(dy[place]) * float(w[w_place])
    return x


def conv2d_weight_grad(dy, x, kernel_hw, stride, padding, dilation, groups):
    """Each product of the convolution gives dy times x to its weight."""
    w = np.zeros((dy.shape[1], x.shape[1] // groups, *kernel_hw))
    for place, x_place, w_place in conv_terms(x, w, dy, stride, padding, dilation, groups):
        w[w_place] += float(dy[place]) * float(x[x_place])
    return w


def conv_terms(x, w, y, stride, padding, dilation, groups):
    """Yield the indices of every product of a convolution: of y, of x and of w."""
    height, width = x.shape[2:]
    filters_per_group = len(w) // groups
    for n, f, oh, ow in np.ndindex(y.shape):
        first_channel = (f // filters_per_group) * w.shape[1]
        for c, i, j in np.ndindex(w.shape[1:]):
            row = oh * stride[0] + i * dilation[0] - padding[0][0]
            column = ow * stride[1] + j * dilation[1] - padding[1][0]
            if 0 <= row < height and 0 <= column < width:
                yield (n, f, oh, ow), (n, first_channel + c, row, column), (f, c, i, j)


def max_pool2d(x, kernel, stride, padding, dilation, out_hw):
    """Return (largest pixel, its flat position); the first of equals, but the last of NaNs."""
    height, width = x.shape[2:]
    y = np.zeros((*x.shape[:2], *out_hw))
    positions = np.zeros(y.shape, dtype=np.int64)
    for n, c, oh, ow in np.ndindex(y.shape):
        best, where = None, None
        for i, j in np.ndindex(*kernel):
            row = oh * stride[0] + i * dilation[0] - padding[0][0]
            column = ow * stride[1] + j * dilation[1] - padding[1][0]
            if not (0 <= row < height and 0 <= column < width):
                continue
            value = float(x[n, c, row, column])
            if best is None or math.isnan(value) or value > best:
                best, where = value, row * width + column
        y[n, c, oh, ow], positions[n, c, oh, ow] = best, where
    return y, positions


def avg_pool2d(x, kernel, stride, padding, out_hw, count_include_pad=True, divisor=None):
    """The mean of each window; beyond the padding nothing counts, within it as asked."""
    height, width = x.shape[2:]
    (top, bottom), (left, right) = padding
    y = np.zeros((*x.shape[:2], *out_hw))
    for n, c, oh, ow in np.ndindex(y.shape):
        total, count = 0.0, 0
        for i, j in np.ndindex(*kernel):
            row, column = oh * stride[0] + i - top, ow * stride[1] + j - left
            inside = 0 <= row < height and 0 <= column < width
            padded = row < height + bottom and column < width + right
            total += float(x[n, c, row, column]) if inside else 0.0
            count += inside or (padded and count_include_pad)
        y[n, c, oh, ow] = total / (divisor or count)
    return y


def pooled_size(size, kernel, stride, padding, dilation, ceil_mode):
    """Count the windows that fit one after another; with ceil_mode a last one may hang over."""
    before, after = padding
    reach, count = dilation * (kernel - 1) + 1, 0
    while True:
        start = count * stride - before
        if start + reach > size + after and not ceil_mode:
            return count
        if start + reach > size + after and count and start - stride + reach >= size + after:
            return count
        if start >= size:
            return count
        count += 1


def adaptive_pool2d(x, out_hw, function):
    """`function` of each window [floor(o H / OH), ceil((o + 1) H / OH))."""
    height, width = x.shape[2:]
    y = np.zeros((*x.shape[:2], *out_hw))
    for n, c, oh, ow in np.ndindex(y.shape):
        rows = range(math.floor(oh * height / out_hw[0]), math.ceil((oh + 1) * height / out_hw[0]))
        columns = range(math.floor(ow * width / out_hw[1]), math.ceil((ow + 1) * width / out_hw[1]))
        y[n, c, oh, ow] = function([float(x[n, c, r, k]) for r in rows for k in columns])
    return y


def nearest(x, out_hw):
    """Each output pixel is the input pixel at floor(o H / OH)."""
    height, width = x.shape[2:]
    y = np.zeros((*x.shape[:2], *out_hw))
    for n, c, oh, ow in np.ndindex(y.shape):
        y[n, c, oh, ow] = x[n, c, oh * height // out_hw[0], ow * width // out_hw[1]]
    return y


def bilinear(x, out_hw, align_corners):
    """Each output pixel mixes the four pixels around its point."""
    y = np.zeros((*x.shape[:2], *out_hw))
    for n, c, oh, ow in np.ndindex(y.shape):
        rows = _neighbours(oh, x.shape[2], out_hw[0], align_corners)
        columns = _neighbours(ow, x.shape[3], out_hw[1], align_corners)
        for row, row_part in rows:
            for column, column_part in columns:
                y[n, c, oh, ow] += row_part * column_part * float(x[n, c, row, column])
    return y


def _neighbours(o, size, out, align_corners):
    if align_corners:
        point = o * (size - 1) / (out - 1) if out > 1 else 0.0
    else:
        point = (o + 0.5) * size / out - 0.5
    point = min(max(point, 0.0), size - 1.0)
    low = math.floor(point)
    high = min(low + 1, size - 1)
    return [(low, 1 - (point - low)), (high, point - low)]
