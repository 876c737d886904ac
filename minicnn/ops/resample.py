"""Resampling: images made larger or smaller by interpolation.

Each output pixel falls on a point between input pixels. *Nearest* takes one of them as it is;
*bilinear* mixes the four around the point by distance, rows and columns independently. Both are
y = A x B^T with constant matrices (`kernels.resample`), so the gradient is the same operation with
the matrices transposed.

*Conventions.* Images (N, C, H, W). Source: Keys 1981, "Cubic convolution interpolation for digital
image processing", section I, for interpolation as a separable weighted sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..kernels.geometry import Pair
from ..kernels.resample import AxisMap, linear, nearest
from ..tensor import Tensor, check_tensor

__all__ = ["interpolate", "upsample"]

MODES = ("nearest", "bilinear")
MODES_OF_PYTORCH = ("linear", "bicubic", "trilinear", "lanczos", "area", "nearest-exact")


@dataclass(eq=False, repr=False)
class Resample(Op):
    """y = A x B^T, A = `rows` (OH x H) and B = `columns` (OW x W).   dx = A^T dy B.

    Shapes: x (N, C, H, W), y (N, C, OH, OW).
    """

    rows: AxisMap
    columns: AxisMap

    def forward(self, x: Any) -> Any:
        return kernels.get("resample", x)(x, self.rows, self.columns)

    def dx(self, dy: Tensor) -> Tensor:
        return Resample(self.rows.T, self.columns.T)(dy)


@runs_in("float32")
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return images of another size.

    Args:
        input: images (N, C, H, W).
        size: the new size, a number or (OH, OW); or else
        scale_factor: how many times as large, a number or (rows, columns).
        mode: ``"nearest"`` or ``"bilinear"``.
        align_corners: bilinear only. True keeps the centres of the corner pixels in place; False
            (the default) takes pixels for squares and keeps the image's edges in place.
        recompute_scale_factor: use the ratio of the sizes, after rounding, not `scale_factor`.
        antialias: not covered.

    Shape:
        (N, C, OH, OW), OH = floor(H scale_factor) unless `size` is given.

    Raises:
        ArgumentError: `size` and `scale_factor` both given or both missing, and the like.
        UnsupportedError: modes and ranks that PyTorch has and minicnn does not.
    """
    name = "interpolate"
    _check_mode(name, check_tensor(input, name), mode, align_corners, antialias)
    if (size is None) == (scale_factor is None):
        raise ArgumentError(f"{name}: give either size or scale_factor, and not both")
    if recompute_scale_factor and size is not None:
        raise ArgumentError(f"{name}: recompute_scale_factor means nothing with a given size")
    scales: tuple[Any, ...] = (None, None)
    if size is not None:
        sizes = _two(name, "size", size, int)
    else:
        scales = _two(name, "scale_factor", scale_factor, float)
        sizes = tuple(int(n * s) for n, s in zip(input.shape[2:], scales, strict=True))
        scales = (None, None) if recompute_scale_factor else scales
    if min(*sizes, *input.shape[1:]) < 1:
        raise ShapeError(
            f"{name}: sizes must be at least 1; got input {input.shape}, output size {sizes}"
        )
    maps = (
        linear(n, out, bool(align_corners), scale) if mode == "bilinear" else nearest(n, out, scale)
        for n, out, scale in zip(input.shape[2:], sizes, scales, strict=True)
    )
    return Resample(*maps)(input)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Return images of another size: `interpolate` under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def _check_mode(name: str, input: Tensor, mode: str, align_corners: Any, antialias: bool) -> None:
    if mode not in MODES:
        known = "PyTorch has it, minicnn does not" if mode in MODES_OF_PYTORCH else "not known"
        raise UnsupportedError(f"{name}: mode '{mode}' is {known}; use {' or '.join(MODES)}")
    if antialias:
        raise UnsupportedError(f"{name}: antialias=True is not covered; blur the image before")
    if align_corners is not None and mode == "nearest":
        raise ArgumentError(f"{name}: align_corners has a meaning for mode='bilinear' only")
    if input.ndim != 4:
        raise UnsupportedError(
            f"{name}: expected images of shape (N, C, H, W), got {input.shape}; other ranks are "
            "not covered. input.unsqueeze(0) makes a batch of one."
        )
    if mode == "bilinear" and input.dtype.kind != "f":
        raise UnsupportedError(f"{name}: bilinear is not available for {input.dtype}; use .float()")


def _two(name: str, option: str, value: Any, kind: type) -> Pair:
    """Return `value`, a number or one a spatial axis, as a pair of `kind`."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ShapeError(f"{name}: {option} must be a number or 2 of them, got {value!r}")
    for number in pair:
        if not hasattr(number, "__index__" if kind is int else "__float__"):
            raise TypeError(f"{name}: {option} must be {kind.__name__}, got {value!r}")
    return kind(pair[0]), kind(pair[1])
