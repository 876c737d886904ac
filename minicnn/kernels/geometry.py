"""The arithmetic of windows: which pixels of the input does an output pixel see?

Convolution and pooling slide a window of KH x KW taps over a padded image. All that can be said of
where the window stands is said here, once, for every kernel and every layer:

* the window for output (oh, ow) starts at row ``oh * SH - top`` and column ``ow * SW - left``;
* tap (i, j) of it lies ``i * DH`` rows and ``j * DW`` columns further on.

Legend: H input size, OH output size, KH kernel size, SH stride, DH dilation; ``before`` and
``after`` count the padding on either side. A negative padding crops.

Tutorial: tutorials/03_convolution.ipynb
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

Pair = tuple[int, ...]  # two of them: (rows, columns), or (before, after)
Padding = tuple[Pair, ...]  # ((top, bottom), (left, right))


def output_size(
    size: int, kernel: int, stride: int, padding: Pair, dilation: int, ceil_mode: bool = False
) -> int:
    """Return how many windows fit along one axis.

        OH = floor((H + before + after - DH (KH - 1) - 1) / SH) + 1

    `ceil_mode` rounds up instead, so that a last window may hang over the edge; a window that
    would start beyond the input and its leading padding sees nothing and is dropped.
    """
    before, after = padding
    room = size + before + after - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    steps = -(-room // stride)
    if steps * stride >= size + before:
        steps -= 1
    return steps + 1


def transposed_size(size: int, kernel: int, stride: int, padding: Pair, dilation: int) -> int:
    """Return the smallest input size whose `output_size` is `size`.

        H = (OH - 1) SH - before - after + DH (KH - 1) + 1

    An output padding of ``q`` is written as ``padding=(before, after - q)``.
    """
    before, after = padding
    return (size - 1) * stride - before - after + dilation * (kernel - 1) + 1


def same_padding(kernel: int, dilation: int) -> Pair:
    """Return the padding that keeps the size at stride 1; an odd pixel goes to the far side."""
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def fitted_padding(
    size: int, out: int, kernel: int, stride: int, before: int, dilation: int
) -> Pair:
    """Return (before, after) for an axis padded or cropped to what `out` windows cover, no more."""
    return before, (out - 1) * stride + dilation * (kernel - 1) + 1 - size - before


def taps(
    kernel: Pair, stride: Pair, dilation: Pair, out_hw: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield (i, j, rows, columns) for every tap of the window, in row-major order.

    ``padded[..., rows, columns]`` holds, for all OH x OW windows at once, the pixel under tap
    (i, j). A loop over the few taps with whole-array work inside is how NumPy slides a window.
    """
    for i, j in itertools.product(range(kernel[0]), range(kernel[1])):
        top, left = i * dilation[0], j * dilation[1]
        rows = slice(top, top + stride[0] * out_hw[0], stride[0])
        columns = slice(left, left + stride[1] * out_hw[1], stride[1])
        yield i, j, rows, columns
