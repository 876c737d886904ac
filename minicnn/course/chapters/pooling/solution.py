"""Exercises for notebook 4, pooling. Check them with: minicnn course check 04

Images are x (N, C, H, W); windows have kernel_hw = (KH, KW) pixels and lie stride pixels apart,
which may be less than their size; `padding` pixels are added on each side. The output is
(N, C, OH, OW) with OH = (H + 2 padding - KH) // stride + 1, and OW likewise.
"""

import numpy as np


def max_pool(x, kernel_hw, stride, padding):
    """Return the largest pixel under each window.

    The padding never counts: it is as if it were minus infinity.

    Args:
        x: (N, C, H, W).
        kernel_hw: (KH, KW).
        stride, padding: whole numbers; the padding is at most half of KH and of KW.

    Returns:
        y: (N, C, OH, OW), of x's dtype.
    """
    N, C, H, W = x.shape
    KH, KW = kernel_hw
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(x, sides, constant_values=-np.inf)
    y = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for oh in range(OH):
        for ow in range(OW):
            rows = slice(oh * stride, oh * stride + KH)
            columns = slice(ow * stride, ow * stride + KW)
            y[:, :, oh, ow] = x[:, :, rows, columns].max(axis=(2, 3))
    return y


def max_pool_grad(dy, x, kernel_hw, stride, padding):
    """Return the gradient of max_pool with respect to x.

    Each dy goes to the pixel that was the largest under its window; of several equal ones, to the
    first, row by row from the top left. A pixel that wins in several windows gets the sum.

    Args:
        dy: the gradient that arrives at y, (N, C, OH, OW).
        x: (N, C, H, W).
        kernel_hw, stride, padding: as in max_pool.

    Returns:
        dx: (N, C, H, W), of dy's dtype.
    """
    N, C, H, W = x.shape
    KH, KW = kernel_hw
    OH, OW = dy.shape[2:]
    sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(x, sides, constant_values=-np.inf)
    dx = np.zeros(x.shape, dtype=dy.dtype)
    for oh in range(OH):
        for ow in range(OW):
            rows = slice(oh * stride, oh * stride + KH)
            columns = slice(ow * stride, ow * stride + KW)
            window = x[:, :, rows, columns].reshape(N, C, KH * KW)
            first = window.argmax(axis=2)[:, :, None]  # (N, C, 1)
            wins = np.arange(KH * KW) == first  # (N, C, KH KW)
            wins = wins.reshape(N, C, KH, KW)
            dx[:, :, rows, columns] += wins * dy[:, :, oh, ow][:, :, None, None]
    return dx[:, :, padding : padding + H, padding : padding + W]


def avg_pool(x, kernel_hw, stride, padding, count_include_pad):
    """Return the mean of the pixels under each window.

    Args:
        x: (N, C, H, W).
        kernel_hw: (KH, KW).
        stride, padding: whole numbers; the padding is at most half of KH and of KW.
        count_include_pad: whether the padding counts as pixels with the value 0. If not, the mean
            is over those pixels of the window that lie in the image.

    Returns:
        y: (N, C, OH, OW), of x's dtype.
    """
    N, C, H, W = x.shape
    KH, KW = kernel_hw
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    counts = np.pad(np.ones((H, W)), padding, constant_values=1 if count_include_pad else 0)
    y = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for oh in range(OH):
        for ow in range(OW):
            rows = slice(oh * stride, oh * stride + KH)
            columns = slice(ow * stride, ow * stride + KW)
            y[:, :, oh, ow] = x[:, :, rows, columns].sum(axis=(2, 3)) / counts[rows, columns].sum()
    return y


def avg_pool_grad(dy, input_hw, kernel_hw, stride, padding, count_include_pad):
    """Return the gradient of avg_pool with respect to x.

    Each dy is divided among the pixels of its window as the mean was. A pixel in several windows
    gets the sum.

    Args:
        dy: the gradient that arrives at y, (N, C, OH, OW).
        input_hw: (H, W) of x.
        kernel_hw, stride, padding, count_include_pad: as in avg_pool.

    Returns:
        dx: (N, C, H, W), of dy's dtype.
    """
    N, C, OH, OW = dy.shape
    KH, KW = kernel_hw
    H, W = input_hw
    counts = np.pad(np.ones((H, W)), padding, constant_values=1 if count_include_pad else 0)
    dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=dy.dtype)
    for oh in range(OH):
        for ow in range(OW):
            rows = slice(oh * stride, oh * stride + KH)
            columns = slice(ow * stride, ow * stride + KW)
            share = dy[:, :, oh, ow] / counts[rows, columns].sum()
            dx[:, :, rows, columns] += share[:, :, None, None]
    return dx[:, :, padding : padding + H, padding : padding + W]
