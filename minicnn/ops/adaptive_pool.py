"""Adaptive pooling: told the size of the output, it finds windows that cover the image.

The windows of a network's last pooling fit any image, so that a linear layer may follow it. Where
the sizes divide this is ordinary pooling. Else the windows overlap by a pixel and differ in size by
one. Means over such windows are a linear map along each axis: y = A x B^T, each row of a matrix
spreading 1 over its window, as in interpolation, and the gradient follows from there.

*Conventions.* Images (N, C, H, W) or (C, H, W). Window o covers rows floor(o H / OH) up to
ceil((o + 1) H / OH). Sources: He et al. 2014, "Spatial pyramid pooling in deep convolutional
networks", section 2.2; Lin et al. 2014, "Network in network", section 3.2 (global average).
"""

from __future__ import annotations

from typing import Any

from .. import kernels
from ..autograd import wrap
from ..backend import array_module
from ..kernels.geometry import Pair
from ..kernels.resample import adaptive_windows, window_means
from ..tensor import Tensor
from .gather import gather
from .pool import avg_pool2d, max_pool1d, max_pool2d
from .reduce import mean
from .resample import Resample
from .windows import like_input, per_axis, pooling_images, symmetric

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of `output_size` windows that cover (N, C, L) or (C, L)."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", input, output_size, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of a grid of windows over the image, as many as `output_size` says.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        output_size: OH = OW, or (OH, OW); None keeps the input's size. 1 averages whole images.

    Shape:
        (N, C, OH, OW). Window o covers the rows floor(o H / OH) up to ceil((o + 1) H / OH).
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", input, output_size, 2)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of `output_size` windows that cover (N, C, L) or (C, L)."""
    return _adaptive_max_pool("adaptive_max_pool1d", input, output_size, return_indices, 1)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest pixels of a grid of windows over the image. See `adaptive_avg_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool2d", input, output_size, return_indices, 2)


def _adaptive_avg_pool(name: str, input: Tensor, size: Any, axes: int) -> Tensor:
    x = pooling_images(name, input, axes)
    (h, w), (oh, ow) = x.shape[2:], _adaptive_size(name, x, size, axes)
    if (oh, ow) == (1, 1):
        y = mean(x, (2, 3), keepdim=True)
    elif oh and ow and h % oh == w % ow == 0:
        window = h // oh, w // ow
        y = avg_pool2d(x, window)
    else:
        y = Resample(window_means(h, oh), window_means(w, ow))(x)
    return like_input(y, input, axes)


def _adaptive_max_pool(name: str, input: Tensor, size: Any, return_indices: bool, axes: int) -> Any:
    x = pooling_images(name, input, axes)
    (h, w), (oh, ow) = x.shape[2:], _adaptive_size(name, x, size, axes)
    if oh and ow and h % oh == w % ow == 0:
        window = (h // oh, w // ow)[2 - axes :]
        function = max_pool1d if axes == 1 else max_pool2d
        return function(input, window, return_indices=return_indices)
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


def _adaptive_size(name: str, x: Tensor, size: Any, axes: int) -> Pair:
    """Return (OH, OW), with None standing for the input's own size."""
    sizes = list(size) if isinstance(size, (tuple, list)) else [size] * axes
    own = x.shape[4 - axes :]
    if len(sizes) == axes:
        sizes = [n if s is None else s for s, n in zip(sizes, own, strict=True)]
    oh, ow = per_axis(name, "output_size", sizes, axes, 0)
    return (oh, ow) if axes == 2 else (1, ow)
