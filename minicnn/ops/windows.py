"""What convolution and pooling ask of their arguments, checked once and in one way.

Public functions take PyTorch's spellings: a number for all axes or one number an axis, images with
or without a batch. Kernels take pairs and batches. One-dimensional operations are two-dimensional
ones on images of one row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import DTypeError, ShapeError, UnsupportedError
from ..kernels.geometry import Padding, Pair, output_size, same_padding
from ..tensor import Tensor, check_tensor

__all__: list[str] = []

SIZES = 1024  # of sizes that were in order, so many are remembered: the next step has the same


def per_axis(name: str, option: str, value: Any, axes: int, least: int) -> Pair:
    """Return `value`, a number or one number an axis, as (rows, columns), each at least `least`.

    With one axis, rows get what does nothing: the smallest kernel, stride or padding there is.
    """
    if type(value) is int and value >= least:  # nearly always
        return (value if axes == 2 else least), value
    if type(value) is tuple and len(value) == axes == 2:  # a layer's
        rows, columns = value
        if type(rows) is type(columns) is int and rows >= least <= columns:
            return value
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(numbers) == 1:
        numbers *= axes
    if len(numbers) != axes:
        raise ShapeError(f"{name}: {option} must be a number or {axes} of them, got {value!r}")
    for number in numbers:
        if not hasattr(number, "__index__") or isinstance(number, bool):
            raise TypeError(f"{name}: {option} must be an integer, got {value!r}")
        if number < least:
            raise ShapeError(f"{name}: {option} must be at least {least}, got {value!r}")
    rows, columns = (least, *numbers)[-2:]
    return int(rows), int(columns)


def symmetric(padding: Pair) -> Padding:
    """Return ((top, bottom), (left, right)) with as much padding after as before."""
    rows, columns = padding
    return (rows, rows), (columns, columns)


def as_images(name: str, input: Any, axes: int) -> Tensor:
    """Return `input` as (N, C, H, W): with a batch of one if it has none, and H = 1 if axes = 1."""
    if check_tensor(input, name).ndim == axes + 2 == 4:  # nearly always
        return input
    if input.ndim not in (axes + 1, axes + 2):
        letters = "C, H, W" if axes == 2 else "C, L"
        raise ShapeError(
            f"{name}: expected an input of shape (N, {letters}) or ({letters}), got {input.shape}"
        )
    shape = input.shape if input.ndim == axes + 2 else (1, *input.shape)
    if axes == 1:
        shape = (*shape[:2], 1, shape[2])
    return input if shape == input.shape else input.reshape(shape)


def like_input(y: Tensor, input: Tensor, axes: int) -> Tensor:
    """Return the result `y` (N, C, H, W) with the rank that `input` had: undoes `as_images`."""
    if input.ndim == axes + 2 == 4:
        return y
    shape = (y.shape[:2] if input.ndim == axes + 2 else y.shape[1:2]) + y.shape[-axes:]
    return y if shape == y.shape else y.reshape(shape)


# ------------------------------------------------------------------------------ convolution


def check_convolution(
    name: str, input: Tensor, weight: Any, bias: Any, groups: Any, axes: int
) -> None:
    """Check dtypes, the weight's rank and the groups: what both kinds of convolution share."""
    if check_tensor(weight, name, "weight").ndim != axes + 2 or 0 in weight.shape[2:]:
        raise ShapeError(
            f"{name}: weight must have {axes + 2} dimensions and a kernel of at least 1, "
            f"got {weight.shape}"
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and check_tensor(other, name, what).dtype != input.dtype:
            raise DTypeError(
                f"{name}: input is {input.dtype} but {what} is {other.dtype}; convert one of "
                "them, e.g. input.to(weight.dtype)"
            )
    if input.dtype == bool:
        raise UnsupportedError(f"{name}: not defined for bool tensors; use input.float()")
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{name}: groups must be an integer of at least 1, got {groups!r}")
    if len(weight) % groups or len(weight) == 0:
        raise ShapeError(
            f"{name}: groups must divide the first size of weight; got groups {groups}, "
            f"weight {weight.shape}"
        )


@lru_cache(SIZES)
def check_channels(
    name: str, input: Pair, weight: Pair, bias: Pair | None, channels: Pair, axes: int
) -> None:
    """Check that the shapes of `input` and `bias` have the `channels` (in, out) that weight has."""
    expected, out = channels
    batched = len(input) == axes + 2
    got = input[batched]
    if got != expected:
        hint = ""
        if input[-1] == expected:
            order = [0, 3, 1, 2] if axes == 2 else [0, 2, 1]
            order = order if batched else [d - 1 for d in order[1:]]
            way_out = f"input.permute({', '.join(map(str, order))})"
            hint = f". The channels seem to be last; they come first here: {way_out}"
        raise ShapeError(
            f"{name}: input has {got} channels but weight expects {expected}; got input "
            f"{input}, weight {weight}{hint}"
        )
    if bias is not None and bias != (out,):
        raise ShapeError(
            f"{name}: bias must have shape ({out},), one number per output channel; got "
            f"{bias} with weight {weight}"
        )


def convolution_padding(
    name: str, padding: Any, kernel: Pair, stride: Pair, dilation: Pair, axes: int
) -> Padding:
    """Return padding as ((top, bottom), (left, right)), with 'same' and 'valid' worked out."""
    if not isinstance(padding, str):
        return symmetric(per_axis(name, "padding", padding, axes, 0))
    if padding == "valid":
        return symmetric((0, 0))
    if padding != "same":
        raise ShapeError(f"{name}: padding must be numbers, 'same' or 'valid', got '{padding}'")
    if stride != (1, 1):
        raise ShapeError(
            f"{name}: padding='same' keeps the size and needs stride 1, got stride "
            f"{stride[2 - axes :]}. Give the padding as numbers."
        )
    return same_padding(kernel[0], dilation[0]), same_padding(kernel[1], dilation[1])


@lru_cache(SIZES)
def check_kernel_fits(
    name: str, hw: Pair, kernel: Pair, padding: Padding, dilation: Pair, axes: int
) -> None:
    """Check that at least one window fits into the padded input."""
    padded = tuple(n + sum(p) for n, p in zip(hw, padding, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if 0 in hw or padded[0] < reach[0] or padded[1] < reach[1]:
        raise ShapeError(
            f"{name}: the kernel, dilated {reach[2 - axes :]}, is larger than the padded input "
            f"{padded[2 - axes :]}; got input size {hw[2 - axes :]}. "
            "Use a larger input, more padding or a smaller kernel."
        )


# ---------------------------------------------------------------------------------- pooling


def pooling_images(name: str, input: Any, axes: int, integers: bool = False) -> Tensor:
    """Return the input of a pooling as (N, C, H, W), after checking its rank, sizes and dtype."""
    x = as_images(name, input, axes)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: only the batch may be empty; got {input.shape}")
    if x.dtype.kind not in ("fiu" if integers else "f"):
        raise UnsupportedError(f"{name}: not available for {x.dtype}; use input.float()")
    return x


def pooling_geometry(
    name: str, hw: Pair, options: tuple[Any, ...], axes: int
) -> tuple[Pair, Pair, Padding, Pair, Pair]:
    """Return kernel, stride, padding, dilation and the output's size from PyTorch's options."""
    kernel_size, stride, padding, dilation, ceil_mode = options
    kernel = per_axis(name, "kernel_size", kernel_size, axes, 1)
    own_size = stride is None or stride == [] or stride == ()
    strides = kernel if own_size else per_axis(name, "stride", stride, axes, 1)
    pads = per_axis(name, "padding", padding, axes, 0)
    dilations = per_axis(name, "dilation", dilation, axes, 1)
    out_hw = _pooled_size(name, hw, kernel, strides, pads, dilations, bool(ceil_mode), axes)
    return kernel, strides, symmetric(pads), dilations, out_hw


@lru_cache(SIZES)
def _pooled_size(
    name: str,
    hw: Pair,
    kernel: Pair,
    stride: Pair,
    pads: Pair,
    dilation: Pair,
    ceil_mode: bool,
    axes: int,
) -> Pair:
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if 2 * pads[0] > reach[0] or 2 * pads[1] > reach[1]:
        raise ShapeError(
            f"{name}: padding must be at most half the kernel, or windows would see nothing but "
            f"padding; got padding {_said(pads, axes)}, kernel_size {_said(kernel, axes)}"
        )
    out_hw = tuple(
        output_size(hw[a], kernel[a], stride[a], (pads[a], pads[a]), dilation[a], ceil_mode)
        for a in (0, 1)
    )
    if min(out_hw) < 1:
        raise ShapeError(
            f"{name}: the kernel {_said(kernel, axes)} is larger than the padded input; got input "
            f"size {hw[2 - axes :]}, padding {_said(pads, axes)}. Use a larger input or a smaller "
            "kernel."
        )
    return out_hw


def _said(sizes: Pair, axes: int) -> Any:
    """Return sizes as users give them: of one axis, the number."""
    return sizes if axes == 2 else sizes[1]
