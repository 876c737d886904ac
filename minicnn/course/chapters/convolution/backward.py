"""Exercises: the gradients of a convolution with respect to its images, filters and biases."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

input_grad = Exercise(
    solution.conv2d_input_grad,
    inputs.input_grad_cases,
    returns="dx",
    size="(N, C, H, W), where input_hw is (H, W) and C is groups times w.shape[1]",
    gradient=inputs.input_gradient,
    needs=("im2col",),
    hints=(
        "y = filters @ columns, so the gradient of the columns is filters.T @ dy, with dy as "
        "(F, N OH OW).",
        "Then undo im2col: each entry of the columns is added to the pixel it was copied from.",
        "Add into a padded dx with the same slices that im2col reads from, with +=, and cut the "
        "padding off at the end.",
    ),
    mistakes=(
        mistake(
            "overlaps overwritten",
            "Where windows overlap, it keeps only the last contribution: write += instead of =. "
            "A pixel used twice gets both gradients.",
            ("dx[:, :, rows, cols] +=", "dx[:, :, rows, cols] ="),
        ),
        mistake(
            "kernel flipped",
            "It multiplies with the flipped filter. That is right when dx is computed as a "
            "convolution of dy, not when dy is added back through (i, j).",
            ("columns[:, i, j]", "columns[:, KH - 1 - i, KW - 1 - j]"),
        ),
        mistake(
            "padding left on",
            "It returns the gradient of the padded image: cut the padding off, "
            "dx[:, :, padding : padding + H, padding : padding + W].",
            ("dx[:, :, padding : padding + H, padding : padding + W]", "dx"),
        ),
        mistake(
            "padding cut off one side",
            "It cuts all of the padding off the end: the image starts at row and column 'padding'.",
            ("padding : padding + H, padding : padding + W", ":H, :W"),
        ),
        mistake(
            "stride forgotten",
            "It ignores the stride: output (oh, ow) goes back to the window at (oh stride, "
            "ow stride).",
            ("stride * (OH - 1) + 1, stride)", "OH)"),
            ("stride * (OW - 1) + 1, stride)", "OW)"),
        ),
        mistake(
            "dilation forgotten",
            "It ignores the dilation: filter element (i, j) met the pixel at (i dilation, "
            "j dilation) of the window.",
            ("slice(i * dilation, i * dilation", "slice(i, i"),
            ("slice(j * dilation, j * dilation", "slice(j, j"),
        ),
        mistake(
            "images and filters mixed",
            "It reshapes dy (N, F, OH, OW) without bringing the filters to the front: transpose "
            "(1, 0, 2, 3) first, since reshaping moves no numbers.",
            ("dy.transpose(1, 0, 2, 3).reshape(groups", "dy.reshape(groups"),
        ),
        mistake(
            "mean over the windows",
            "It divides by the number of filter elements: contributions are added, not averaged.",
            ("return dx[", "return (dx / (KH * KW))["),
        ),
    ),
)  # fmt: skip

weight_grad = Exercise(
    solution.conv2d_weight_grad,
    inputs.weight_grad_cases,
    returns="dw",
    size="(F, C / groups, KH, KW)",
    gradient=inputs.weight_gradient,
    needs=("im2col",),
    hints=(
        "y = filters @ columns, so the gradient of the filters is dy @ columns.T.",
        "The product sums over (n, oh, ow): over the batch and over all places at once.",
        "With groups, multiply (groups, F / groups, N OH OW) by (groups, N OH OW, "
        "C / groups KH KW).",
    ),
    mistakes=(
        mistake(
            "not summed over the batch",
            "It takes the gradient of the first image only. The same filter is used on all images: "
            "their gradients are added.",
            ("columns = im2col(x,", "dy, x, N = dy[:1], x[:1], 1\n    columns = im2col(x,"),
        ),
        mistake(
            "mean over the batch",
            "It averages over the images. The mean, if there is one, belongs to the loss and is "
            "in dy already: add.",
            ("return dw.reshape", "return (dw / N).reshape"),
        ),
        mistake(
            "mean over the pixels",
            "It averages over the places of the output: their contributions are added.",
            ("return dw.reshape", "return (dw / (OH * OW)).reshape"),
        ),
        mistake(
            "kernel flipped",
            "Its gradient is flipped: dw[f, c, i, j] belongs to the pixel i rows down and j "
            "columns to the right in each window.",
            ("return dw.reshape(F, C // groups, KH, KW)",
             "return dw.reshape(F, C // groups, KH, KW)[:, :, ::-1, ::-1].copy()"),
        ),
        mistake(
            "stride forgotten",
            "It ignores the stride: the pixels that belong to output (oh, ow) start at "
            "(oh stride, ow stride).",
            ("im2col(x, kernel_hw, stride, padding, dilation)",
             "np.stack([np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))\n"
             "        [:, :, i * dilation : i * dilation + OH, j * dilation : j * dilation + OW]\n"
             "        .transpose(1, 0, 2, 3) for i in range(KH) for j in range(KW)], 1)"),
        ),
        mistake(
            "padding forgotten",
            "It takes the windows of the image without its padding.",
            ("im2col(x, kernel_hw, stride, padding, dilation)",
             "im2col(np.pad(x, ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding))), kernel_hw, "
             "stride, 0, dilation)"),
        ),
        mistake(
            "images and filters mixed",
            "It reshapes dy (N, F, OH, OW) without bringing the filters to the front: transpose "
            "(1, 0, 2, 3) first, since reshaping moves no numbers.",
            ("dy.transpose(1, 0, 2, 3).reshape", "dy.reshape"),
        ),
        mistake(
            "rows and columns exchanged",
            "It exchanges the rows and the columns of the filter in its result: reshape to "
            "(F, C / groups, KH, KW).",
            ("reshape(F, C // groups, KH, KW)",
             "reshape(F, C // groups, KH * KW, 1)\n"
             "    dw = dw.reshape(F, C // groups, KH, KW).transpose(0, 1, 3, 2)\n"
             "    return dw.reshape(F, C // groups, KH, KW)"),
        ),
    ),
)  # fmt: skip

bias_grad = Exercise(
    solution.conv2d_bias_grad,
    inputs.bias_grad_cases,
    returns="db",
    size="(F,)",
    gradient=inputs.bias_gradient,
    hints=(
        "b[f] is added to every pixel of output f in every image: how many times is it used?",
        "What is used many times gets the sum of all gradients: over which three axes?",
    ),
    mistakes=(
        mistake(
            "not summed over the batch",
            "It sums over the pixels but not over the images: the bias is the same for all images.",
            ("axis=(0, 2, 3)", "axis=(2, 3)"),
        ),
        mistake(
            "not summed over the pixels",
            "It sums over the images but not over the pixels: the bias is added at every pixel.",
            ("axis=(0, 2, 3)", "axis=0"),
        ),
        mistake(
            "mean over the batch",
            "It averages over the images. The mean, if there is one, belongs to the loss and is in "
            "dy already: add.",
            ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=0).sum(axis=(1, 2))"),
        ),
        mistake(
            "mean for sum",
            "It takes the mean over images and pixels: each use of the bias adds its gradient, so "
            "sum.",
            ("dy.sum", "dy.mean"),
        ),
        mistake(
            "wrong axis",
            "It sums over the filters and keeps the images: the result has one number for each "
            "filter, so axis 1 stays.",
            ("axis=(0, 2, 3)", "axis=(1, 2, 3)"),
        ),
        mistake(
            "summed over everything",
            "It sums over all axes, the filters too: each filter has a bias of its own.",
            ("dy.sum(axis=(0, 2, 3))", "dy.sum()"),
        ),
    ),
)
