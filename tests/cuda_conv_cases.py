"""What CUDA convolutions are tried on.

What is compiled depends on dtype, channels and filters, so a few of these are given; everything
else is drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from minicnn.kernels import reference
from minicnn.kernels.layout import Convolution, Windows

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
GROUPS = st.sampled_from((1, 1, 2, 3))
PADDING = st.tuples(*[st.tuples(st.integers(-1, 2), st.integers(-1, 3))] * 2)
LAYOUTS = {
    "rows last": (0, 1, 2, 3),
    "channels last": (0, 2, 3, 1),
    "batch last": (1, 2, 3, 0),
}


class Case(NamedTuple):
    """What decides which code is compiled."""

    dtype: str
    channels: int  # of a group
    filters: int  # of a group
    layout: str
    height: int = 128  # of a weight gradient's tiles
    tf32: bool = False

    def __str__(self):
        name = "tf32" if self.tf32 else self.dtype
        return f"{name}-{self.channels}-{self.filters}-{self.layout}-{self.height}".replace(" ", "")


CASES = (
    Case("float32", 8, 16, "channels last", 64),
    Case("float32", 3, 5, "rows last", 32),
    Case("float32", 4, 72, "channels last"),
    Case("float32", 40, 3, "batch last"),
    Case("float64", 2, 40, "channels last", 32),
    Case("float16", 8, 24, "channels last", 64),
    Case("float16", 3, 72, "rows last"),
    Case("float16", 40, 8, "channels last"),
    Case("float32", 4, 72, "channels last", tf32=True),
    Case("float32", 40, 6, "rows last", 32, tf32=True),
)
GROUPED = [case for case in CASES if not case.tf32]


def lie(x, layout):
    """Return images with the same values in memory of another order."""
    order = LAYOUTS[layout]
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


@st.composite
def convolutions(draw, case, groups=GROUPS):
    """Draw (x, w, dy, b, t) of a convolution that has at least one output."""
    kernel, stride, dilation, padding = draw(PAIR), draw(PAIR), draw(PAIR), draw(PADDING)
    stride = draw(st.sampled_from(((1, 1), stride)))
    groups, n = draw(groups), draw(st.integers(1, 3))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = [max(r - sum(p), 1 - sum(p), 2) for r, p in zip(reach, padding, strict=True)]
    hw = tuple(draw(st.integers(size, size + 6)) for size in least)
    windows = Windows(
        reference.output_hw(hw, kernel, stride, padding, dilation),
        kernel,
        stride,
        padding,
        dilation,
    )
    t = Convolution(n, case.channels, groups * case.filters, groups, hw, windows, False)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, w, dy = (
        rng.standard_normal(shape).astype(case.dtype) for shape in (t.x_shape, t.w_shape, t.y_shape)
    )
    b = draw(st.sampled_from((None, rng.standard_normal(t.f).astype(case.dtype))))
    return lie(x, case.layout), w, lie(dy, case.layout), b, t


@st.composite
def arguments(draw, name):
    """Draw the arguments of the kernel "conv2d", "conv2d_input_grad" or "conv2d_weight_grad"."""
    x, w, dy, b, t = draw(convolutions(draw(st.sampled_from(GROUPED))))
    windows = t.windows
    options = windows.stride, windows.padding, windows.dilation, t.groups
    return {
        "conv2d": (x, w, *options, b),
        "conv2d_input_grad": (dy, w, t.input_hw, *options),
        "conv2d_weight_grad": (dy, x, windows.kernel, *options),
    }[name]
