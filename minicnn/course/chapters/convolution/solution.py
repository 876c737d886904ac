"""Exercises for notebook 3, convolution. Check them with: minicnn course check 03

Images are x (N, C, H, W), filters w (F, C / groups, KH, KW), biases b (F,), outputs y
(N, F, OH, OW). stride, padding, dilation and groups are whole numbers, the same for rows and
columns. Convolution means what it means in every library for neural networks: the filter is not
flipped.
"""

import numpy as np


def output_size(size, kernel, stride, padding, dilation):
    """Return how many windows fit along one axis.

    Args:
        size: of the image along this axis.
        kernel: size of the filter along this axis.
        stride: distance between neighbouring windows.
        padding: zeros on each of the two sides.
        dilation: distance between the pixels under neighbouring filter elements.

    Returns:
        an int, OH for rows or OW for columns. The last window may end before the image does.
    """
    reach = dilation * (kernel - 1) + 1
    return (size + 2 * padding - reach) // stride + 1


def conv2d_loops(x, w, b, stride, padding, dilation, groups):
    """Convolve images with filters, with loops: as the definition says.

        y[n, f, oh, ow] = b[f] + sum over c, i, j of x[n, c, row, column] w[f, c, i, j],
        row = oh stride + i dilation - padding,  column = ow stride + j dilation - padding,

    where x is 0 outside the image. With groups, the filters and the channels are split into as many
    equal parts, and the filters of a part see the channels of that part only.

    Args:
        x: (N, C, H, W).
        w: (F, C / groups, KH, KW).
        b: (F,).

    Returns:
        y: (N, F, OH, OW), of x's dtype.
    """
    N, _, H, W = x.shape
    F, CG, KH, KW = w.shape
    OH = output_size(H, KH, stride, padding, dilation)
    OW = output_size(W, KW, stride, padding, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y = np.zeros((N, F, OH, OW), dtype=x.dtype)
    for n in range(N):
        for f in range(F):
            first = f // (F // groups) * CG  # the first channel of this filter's group
            for oh in range(OH):
                for ow in range(OW):
                    for i in range(KH):
                        for j in range(KW):
                            row = oh * stride + i * dilation
                            column = ow * stride + j * dilation
                            pixels = x[n, first : first + CG, row, column]
                            y[n, f, oh, ow] += (pixels * w[f, :, i, j]).sum()
                    y[n, f, oh, ow] += b[f]
    return y


def im2col(x, kernel_hw, stride, padding, dilation):
    """Copy the pixels under each window into a column of a matrix.

    Args:
        x: (N, C, H, W).
        kernel_hw: (KH, KW).

    Returns:
        (C KH KW, N OH OW), of x's dtype. Row (c, i, j), column (n, oh, ow), both counted with the
        last index fastest, holds x[n, c, oh stride + i dilation - padding, ow stride + j dilation
        - padding].
    """
    N, C, H, W = x.shape
    KH, KW = kernel_hw
    OH = output_size(H, KH, stride, padding, dilation)
    OW = output_size(W, KW, stride, padding, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    columns = np.empty((C, KH, KW, N, OH, OW), dtype=x.dtype)
    for i in range(KH):
        for j in range(KW):
            rows = slice(i * dilation, i * dilation + stride * (OH - 1) + 1, stride)
            cols = slice(j * dilation, j * dilation + stride * (OW - 1) + 1, stride)
            columns[:, i, j] = x[:, :, rows, cols].transpose(1, 0, 2, 3)  # (C, N, OH, OW)
    return columns.reshape(C * KH * KW, N * OH * OW)


def conv2d(x, w, b, stride, padding, dilation, groups):
    """Convolve images with filters, by im2col and a matrix product: as conv2d_loops, but fast.

    Args:
        x: (N, C, H, W).
        w: (F, C / groups, KH, KW).
        b: (F,).

    Returns:
        y: (N, F, OH, OW), of x's dtype.
    """
    N, _, H, W = x.shape
    F, CG, KH, KW = w.shape
    OH = output_size(H, KH, stride, padding, dilation)
    OW = output_size(W, KW, stride, padding, dilation)
    columns = im2col(x, (KH, KW), stride, padding, dilation)
    columns = columns.reshape(groups, CG * KH * KW, N * OH * OW)
    filters = w.reshape(groups, F // groups, CG * KH * KW)
    y = filters @ columns  # (groups, F / groups, N OH OW)
    y = y.reshape(F, N, OH, OW).transpose(1, 0, 2, 3)  # (N, F, OH, OW)
    return y + b.reshape(1, F, 1, 1)


def conv2d_input_grad(dy, w, input_hw, stride, padding, dilation, groups):
    """Return the gradient of the convolution with respect to x.

    Each output was a sum over a window, so each dy goes back to all pixels of its window, times the
    filter element that lay there. Where windows overlap, what comes back is added.

    Args:
        dy: the gradient that arrives at y, (N, F, OH, OW).
        w: (F, C / groups, KH, KW).
        input_hw: (H, W) of x.

    Returns:
        dx: (N, C, H, W), of dy's dtype.
    """
    N, F, OH, OW = dy.shape
    _, CG, KH, KW = w.shape
    H, W = input_hw
    filters = w.reshape(groups, F // groups, CG * KH * KW)
    dy = dy.transpose(1, 0, 2, 3).reshape(groups, F // groups, N * OH * OW)
    columns = filters.transpose(0, 2, 1) @ dy  # (groups, C / groups KH KW, N OH OW)
    columns = columns.reshape(CG * groups, KH, KW, N, OH, OW)
    dx = np.zeros((N, CG * groups, H + 2 * padding, W + 2 * padding), dtype=dy.dtype)
    for i in range(KH):
        for j in range(KW):
            rows = slice(i * dilation, i * dilation + stride * (OH - 1) + 1, stride)
            cols = slice(j * dilation, j * dilation + stride * (OW - 1) + 1, stride)
            dx[:, :, rows, cols] += columns[:, i, j].transpose(1, 0, 2, 3)  # (N, C, OH, OW)
    return dx[:, :, padding : padding + H, padding : padding + W]


def conv2d_weight_grad(dy, x, kernel_hw, stride, padding, dilation, groups):
    """Return the gradient of the convolution with respect to w.

    A filter element met one pixel for each output: its gradient is the sum, over all images and all
    places of the output, of dy times that pixel.

    Args:
        dy: the gradient that arrives at y, (N, F, OH, OW).
        x: (N, C, H, W).
        kernel_hw: (KH, KW).

    Returns:
        dw: (F, C / groups, KH, KW), of dy's dtype.
    """
    N, F, OH, OW = dy.shape
    C = x.shape[1]
    KH, KW = kernel_hw
    columns = im2col(x, kernel_hw, stride, padding, dilation)
    columns = columns.reshape(groups, C // groups * KH * KW, N * OH * OW)
    dy = dy.transpose(1, 0, 2, 3).reshape(groups, F // groups, N * OH * OW)
    dw = dy @ columns.transpose(0, 2, 1)  # (groups, F / groups, C / groups KH KW)
    return dw.reshape(F, C // groups, KH, KW)


def conv2d_bias_grad(dy):
    """Return the gradient of the convolution with respect to b.

    Args:
        dy: the gradient that arrives at y, (N, F, OH, OW).

    Returns:
        db: (F,), of dy's dtype.
    """
    return dy.sum(axis=(0, 2, 3))
