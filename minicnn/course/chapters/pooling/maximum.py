"""Exercises: maximum pooling and its gradient."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

SIZE = "(N, C, OH, OW) with OH = (H + 2 padding - KH) // stride + 1, and OW likewise"

forward = Exercise(
    solution.max_pool,
    inputs.max_cases,
    size=SIZE,
    hints=(
        "Two loops, over oh and ow, suffice: x[:, :, rows, columns] is that window in all images "
        "and channels.",
        "np.pad takes constant_values; what is never the largest?",
        "window.max(axis=(2, 3)) leaves (N, C).",
    ),
    mistakes=(
        mistake(
            "padded with zeros",
            "It pads with zeros, and these win where all pixels are negative. Pad with -np.inf.",
            (", constant_values=-np.inf", ""),
        ),
        mistake(
            "stride taken for 1",
            "It moves the window by one pixel, whatever the stride: window (oh, ow) starts at "
            "(oh stride, ow stride).",
            ("slice(oh * stride, oh * stride + KH)", "slice(oh, oh + KH)"),
            ("slice(ow * stride, ow * stride + KW)", "slice(ow, ow + KW)"),
        ),
        mistake(
            "kernel taken for stride",
            "It moves the window by its own size. Windows lie stride pixels apart, and may "
            "overlap.",
            ("slice(oh * stride, oh * stride + KH)",
             "slice(min(oh * KH, H + 2 * padding - KH), min(oh * KH, H + 2 * padding - KH) + KH)"),
            ("slice(ow * stride, ow * stride + KW)",
             "slice(min(ow * KW, W + 2 * padding - KW), min(ow * KW, W + 2 * padding - KW) + KW)"),
        ),
        mistake(
            "mean for maximum",
            "It takes the mean of the window: that is average pooling.",
            (".max(axis", ".mean(axis"),
            (", constant_values=-np.inf", ""),
        ),
        mistake(
            "largest absolute value",
            "It compares absolute values: the largest of -3 and 1 is 1.",
            ("x[:, :, rows, columns].max(", "np.abs(x[:, :, rows, columns]).max("),
            (", constant_values=-np.inf", ""),
        ),
        mistake(
            "maximum over channels",
            "It takes the maximum over the channels too: each channel is pooled by itself, over "
            "axes 2 and 3.",
            ("max(axis=(2, 3))", "max(axis=(1, 2, 3))[:, None]"),
        ),
        mistake(
            "padding on one side",
            "It pads above and to the left only. Every side gets the padding.",
            ("(padding, padding), (padding, padding))", "(2 * padding, 0), (2 * padding, 0))"),
        ),
        mistake(
            "minimum for maximum",
            "It takes the smallest pixel of each window.",
            (".max(axis", ".min(axis"),
            ("=-np.inf", "=np.inf"),
        ),
    ),
)  # fmt: skip

backward = Exercise(
    solution.max_pool_grad,
    inputs.max_grad_cases,
    returns="dx",
    size="(N, C, H, W), that of x",
    gradient=inputs.max_gradient,
    hints=(
        "Go through the windows as in max_pool, and add dy[:, :, oh, ow] where the maximum is.",
        "argmax over the window, reshaped to (N, C, KH KW), gives the first of several equal ones.",
        "np.arange(KH * KW) == argmax[:, :, None] is True at just one place of each window.",
    ),
    mistakes=(
        mistake(
            "all ties get the gradient",
            "Where several pixels are equal and largest, it gives the gradient to each of them. "
            "Only the first gets it, or the gradient would be counted several times.",
            ("np.arange(KH * KW) == first", "window == window.max(axis=2, keepdims=True)"),
        ),
        mistake(
            "ties share the gradient",
            "Where several pixels are equal and largest, it divides the gradient among them. The "
            "first one gets all of it.",
            ("np.arange(KH * KW) == first", "window == window.max(axis=2, keepdims=True)"),
            ("wins = wins.reshape(N, C, KH, KW)",
             "wins = (wins / wins.sum(axis=2, keepdims=True)).reshape(N, C, KH, KW)"),
        ),
        mistake(
            "last of ties",
            "Of several equal largest pixels it takes the last. The first one gets the gradient.",
            ("window.argmax(axis=2)[:, :, None]",
             "KH * KW - 1 - window[:, :, ::-1].argmax(axis=2)[:, :, None]"),
        ),
        mistake(
            "overlaps overwritten",
            "Where windows overlap, it keeps only what the last window gives: write += instead of "
            "=. A pixel that wins twice gets both gradients.",
            ("dx[:, :, rows, columns] +=", "dx[:, :, rows, columns] ="),
        ),
        mistake(
            "gradient of the mean",
            "It spreads dy over the whole window: that is the gradient of average pooling.",
            ("wins * dy[:, :, oh, ow]", "np.ones((KH, KW)) / (KH * KW) * dy[:, :, oh, ow]"),
        ),
        mistake(
            "dy forgotten",
            "It counts how often each pixel wins, without dy: multiply by the gradient that "
            "arrives.",
            ("wins * dy[:, :, oh, ow][:, :, None, None]", "wins"),
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
        mistake(
            "padded with zeros",
            "It pads with zeros, and these win where all pixels are negative, so that gradient is "
            "lost. Pad with -np.inf.",
            (", constant_values=-np.inf", ""),
        ),
    ),
)  # fmt: skip
