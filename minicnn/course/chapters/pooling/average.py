"""Exercises: average pooling and its gradient."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution
from .maximum import SIZE

ALWAYS = mistake(
    "padding always counted",
    "It divides by KH KW even where the padding does not count: with count_include_pad=False, "
    "divide by the number of pixels that lie in the image.",
    ("1 if count_include_pad else 0", "1"),
)
NEVER = mistake(
    "padding never counted",
    "It divides by the number of pixels in the image even where the padding counts: with "
    "count_include_pad=True, divide by KH KW.",
    ("1 if count_include_pad else 0", "0"),
)
INVERTED = mistake(
    "count_include_pad inverted",
    "It counts the padding just where it should not: count_include_pad=True means to divide by "
    "KH KW.",
    ("1 if count_include_pad else 0", "0 if count_include_pad else 1"),
)

forward = Exercise(
    solution.avg_pool,
    inputs.avg_cases,
    size=SIZE,
    hints=(
        "Sum over each window of the image padded with zeros; by what is the sum divided?",
        "An image of ones, padded with ones or with zeros, has the right number as its sum.",
    ),
    mistakes=(
        ALWAYS,
        NEVER,
        INVERTED,
        mistake(
            "sum for mean",
            "It returns sums: divide by the number of pixels.",
            (" / counts[rows, columns].sum()", ""),
        ),
        mistake(
            "divided by one side squared",
            "It divides by KH^2, as if windows were square.",
            (" / counts[rows, columns].sum()",
             " / counts[rows, columns].sum() * KW / KH"),
        ),
        mistake(
            "maximum for mean",
            "It takes the maximum of each window: that is maximum pooling.",
            ("sum(axis=(2, 3)) / counts[rows, columns].sum()", "max(axis=(2, 3))"),
        ),
        mistake(
            "stride taken for 1",
            "It moves the window by one pixel, whatever the stride: window (oh, ow) starts at "
            "(oh stride, ow stride).",
            ("slice(oh * stride, oh * stride + KH)", "slice(oh, oh + KH)"),
            ("slice(ow * stride, ow * stride + KW)", "slice(ow, ow + KW)"),
        ),
        mistake(
            "padding on one side",
            "It pads above and to the left only. Every side gets the padding.",
            ("(padding, padding), (padding, padding))", "(2 * padding, 0), (2 * padding, 0))"),
            ("np.ones((H, W)), padding,", "np.ones((H, W)), ((2 * padding, 0), (2 * padding, 0)),"),
        ),
    ),
)  # fmt: skip

backward = Exercise(
    solution.avg_pool_grad,
    inputs.avg_grad_cases,
    returns="dx",
    size="(N, C, H, W), where input_hw is (H, W)",
    gradient=inputs.avg_gradient,
    hints=(
        "Each pixel of a window counted 1 / (number of pixels) in the mean.",
        "Add dy / (number of pixels) to every pixel of the window, in a padded dx.",
    ),
    mistakes=(
        ALWAYS,
        NEVER,
        INVERTED,
        mistake(
            "not divided",
            "It gives every pixel all of dy: each one counted 1 / (number of pixels) in the mean.",
            ("dy[:, :, oh, ow] / counts[rows, columns].sum()", "dy[:, :, oh, ow]"),
        ),
        mistake(
            "overlaps overwritten",
            "Where windows overlap, it keeps only what the last window gives: write += instead of "
            "=. A pixel in two windows gets both gradients.",
            ("dx[:, :, rows, columns] +=", "dx[:, :, rows, columns] ="),
        ),
        mistake(
            "divided by the number of windows",
            "It divides by OH OW, the number of windows. Divide by the number of pixels in one.",
            ("/ counts[rows, columns].sum()", "/ (OH * OW)"),
        ),
        mistake(
            "first pixel only",
            "It gives dy to one pixel of each window, as maximum pooling does. All of them "
            "counted.",
            ("dx[:, :, rows, columns] += share[:, :, None, None]",
             "dx[:, :, rows.start, columns.start] += share"),
        ),
        mistake(
            "padding cut off one side",
            "It cuts all of the padding off the end: the image starts at row and column 'padding'.",
            ("padding : padding + H, padding : padding + W", ":H, :W"),
        ),
        mistake(
            "padding left on",
            "It returns the gradient of the padded image: cut the padding off, "
            "dx[:, :, padding : padding + H, padding : padding + W].",
            ("dx[:, :, padding : padding + H, padding : padding + W]", "dx"),
        ),
    ),
)  # fmt: skip
