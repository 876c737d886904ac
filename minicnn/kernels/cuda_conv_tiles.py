"""Convolution on a GPU as products of matrices that gather what they need: no columns are stored.

With few filters each number of the columns is used only a few times, and writing and reading them
would take longer than the arithmetic. So `conv_gather.cuh` and `conv_weight_grad.cu` work out a
tile of the result at a time and gather the columns of that tile in the GPU's shared memory.

How a product is cut up is decided here. Tiles cannot be larger than there are filters, or most of
the work would be wasted; and where there are fewer tiles than the GPU has room for, several blocks
share the sums of one tile, whose parts are then added up.

float16 is multiplied on tensor cores, and so is float32, rounded to TF32, if
`cuda.settings` says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import cuda
from .cuda_conv_memory import (
    add_up,
    at_once,
    axes,
    channels_last,
    countable,
    described,
    filter_matrix,
    filters_at_once,
    filters_last,
    parts,
)
from .layout import Convolution
from .reference import Array

# Not measured; chosen so that a large GPU of 132 multiprocessors is busy.
WIDTHS = (16, 32, 64)  # of a tile: the least that holds all columns, or the largest
WIDTHS_OF_DOUBLES = (16, 32)  # the sums of wider tiles do not fit in registers
HEIGHT = 128  # of a tile, where the rows are pixels
HEIGHTS = (
    128,
    64,
    32,
)  # where they are taps and channels: the first that wastes at most a third more
BLOCKS = 264  # wanted: two for each multiprocessor
BLOCKS_OF_WEIGHT_GRAD = 528
LEAST_STEPS = 8  # along the sums of a tile, for a block to be worth its while
STEP_BYTES = 64  # what a step takes from each row; TILE_K in conv_tile.cuh
MOST_LAYERS = (1 << 16) - 1  # of a grid


class _Cut(NamedTuple):
    """A product cut up: the size of tiles, how many there are, and how many blocks share each."""

    height: int
    width: int
    down: int
    across: int
    layers: int
    splits: int

    @property
    def threads(self) -> int:
        """The threads of a block: 32 for each warp's part; see conv_tile.cuh."""
        warp_height = 64 if (self.height, self.width) == (128, 64) else 32
        return self.height // warp_height * (self.width // min(self.width, 32)) * 32


def fits(t: Convolution) -> bool:
    """Whether a grid has room for the groups and phases (see conv_gather.cuh)."""
    return t.groups * t.windows.stride[0] * t.windows.stride[1] <= MOST_LAYERS


def convolve(x: Array, w: Array, b: Array | None, t: Convolution) -> Array:
    """y = windows(x) w + b."""
    x, filters, y = countable(x), filter_matrix(w), channels_last(t.y_shape, x)
    own, (oh, ow) = t.f // t.groups, t.windows.out_hw
    cut = _cut(HEIGHT, (t.n * oh * ow, own, t.k), t.groups, x.itemsize, BLOCKS)
    vectors = at_once(x, t.c), filters_at_once(filters, own)
    description = described(axes(t), (t.n, t.c, own, t.groups, cut.splits, t.f), x)
    _run("conv_forward", cut, vectors, (x, filters, b), y, description, b)
    return y


def input_grad(dy: Array, w: Array, t: Convolution) -> Array:
    """dx: each pixel gathers from the outputs that saw it, in phases."""
    dy, filters, dx = countable(dy), filter_matrix(w), channels_last(t.x_shape, dy)
    own, (kh, kw), (sh, sw) = t.f // t.groups, t.windows.kernel, t.windows.stride
    pixels = t.n * -(-t.input_hw[0] // sh) * -(-t.input_hw[1] // sw)  # of the largest phase
    taps = -(-kh // sh) * -(-kw // sw)
    layers = sh * sw * t.groups
    cut = _cut(HEIGHT, (pixels, t.c, taps * own), layers, dy.itemsize, BLOCKS)
    vectors = at_once(dy, own), filters_at_once(filters, own)
    turned = tuple((target, source, *rest) for source, target, *rest in axes(t))
    description = described(turned, (t.n, own, t.c, t.groups, cut.splits, t.f), dy)
    _run("conv_input_grad", cut, vectors, (dy, filters), dx, description)
    return dx


def weight_grad(dy: Array, x: Array, t: Convolution) -> Array:
    """dw = windows(x)^T dy."""
    dy, x, dw = countable(dy), countable(x), filters_last(t.w_shape, dy)
    own, (oh, ow) = t.f // t.groups, t.windows.out_hw
    product = t.k, own, t.n * oh * ow
    cut = _cut(_height(t.k), product, t.groups, x.itemsize, BLOCKS_OF_WEIGHT_GRAD)
    vectors = at_once(x, t.c), at_once(dy, own)
    description = described(axes(t), (t.n, t.c, own, t.groups, cut.splits, t.f), x, dy)
    _run("conv_weight_grad", cut, vectors, (dy, x), dw, description)
    return dw


def _height(rows: int) -> int:
    """Return the height of tiles for so many rows of taps and channels."""
    return next((height for height in HEIGHTS if 3 * (-rows % height) <= rows), HEIGHTS[-1])


def _cut(
    height: int, product: tuple[int, int, int], layers: int, itemsize: int, blocks: int
) -> _Cut:
    """Cut products (M, K) x (K, N), given as (M, N, K), so that there are about `blocks` blocks."""
    m, n, k = product
    widths = WIDTHS_OF_DOUBLES if itemsize == 8 else WIDTHS
    width = next((w for w in widths if n <= w), widths[-1])
    down, across, steps = -(-m // height), -(-n // width), -(-k * itemsize // STEP_BYTES)
    most = min(blocks // (down * across * layers), steps // LEAST_STEPS, MOST_LAYERS // layers)
    return _Cut(height, width, down, across, layers, max(most, 1))


def _run(
    name: str,
    cut: _Cut,
    vectors: tuple[int, int],
    arguments: tuple[Array | None, ...],
    result: Array,
    description: Any,
    b: Array | None = None,
) -> None:
    """Launch kernel `name` on `arguments`; if blocks share sums, add up their parts, and b."""
    dtype = result.dtype
    tf32 = dtype.char == "f" and cuda.settings.tf32_in_convolutions()
    on_tensor_cores = dtype.itemsize == 2 or tf32
    defines = {
        "TILE_M": cut.height,
        "TILE_N": cut.width,
        "TENSOR": int(on_tensor_cores),
        "IMAGE_VECTOR": vectors[0],
        "MATRIX_VECTOR": vectors[1],
    }
    macros = (f"{key}={value}" for key, value in defines.items())
    function = cuda.kernel(f"{name}.cu", name, dtype.char, *macros)
    grid = cut.down, cut.across, cut.layers * cut.splits
    found = parts(cut.splits, result) if cut.splits > 1 else result
    cuda.launch(function, grid, (cut.threads,), *arguments, found, description)
    if cut.splits > 1:
        add_up(found, result, b)
