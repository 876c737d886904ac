"""Exercises: the size of the output, convolution with loops, im2col, convolution with im2col."""

from __future__ import annotations

from ...exercise import Exercise, Speed, mistake
from . import inputs, solution

SIZE = "OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, and OW likewise"

size = Exercise(
    solution.output_size,
    inputs.size_cases,
    returns="size",
    hints=(
        "Without stride: how many places are there for a window of 3 pixels in a row of 5?",
        "A dilated filter of K elements reaches over dilation (K - 1) + 1 pixels.",
        "(size + 2 padding - reach) pixels are left to move over, in steps of stride; the first "
        "place costs no step.",
    ),
    mistakes=(
        mistake(
            "one too few",
            "It is one too small: a window that moves 3 steps has been in 4 places. Add 1 at the "
            "end.",
            ("// stride + 1", "// stride"),
        ),
        mistake(
            "padding on one side",
            "It counts the padding once, but there is padding on both sides.",
            ("2 * padding", "padding"),
        ),
        mistake(
            "dilation forgotten",
            "It ignores the dilation: a filter of K elements reaches over dilation (K - 1) + 1 "
            "pixels.",
            ("dilation * (kernel - 1) + 1", "kernel"),
        ),
        mistake(
            "dilation times kernel",
            "It takes dilation times K for the reach of the filter. There are only K - 1 gaps: it "
            "is dilation (K - 1) + 1.",
            ("dilation * (kernel - 1) + 1", "dilation * kernel"),
        ),
        mistake(
            "stride forgotten",
            "It ignores the stride: divide what the window can move by the stride, rounding down.",
            ("// stride + 1", "+ 1"),
        ),
        mistake(
            "one added before dividing",
            "It adds 1 before it divides by the stride. The 1 is the first place, which takes no "
            "step: add it after the division.",
            ("- reach) // stride + 1", "- reach + 1) // stride"),
        ),
        mistake(
            "rounded up",
            "It rounds up where the stride does not divide: a window that sticks out is left out, "
            "so round down.",
            ("(size + 2 * padding - reach) //", "-((reach - size - 2 * padding) //"),
            ("stride + 1", "stride) + 1"),
        ),
        mistake(
            "a float",
            "It divides with /, which gives a float: sizes are whole numbers. Divide with //.",
            ("// stride + 1", "/ stride + 1"),
        ),
    ),
)  # fmt: skip

_COMMON = (
    mistake(
        "rows and columns exchanged",
        "It exchanges rows and columns of the filter: i runs over rows (KH), j over columns (KW).",
        ("column = ow * stride + j * dilation", "column = ow * stride + i * dilation"),
        ("row = oh * stride + i * dilation", "row = oh * stride + j * dilation"),
    ),
)

loops = Exercise(
    solution.conv2d_loops,
    inputs.forward_cases,
    size=SIZE,
    needs=("output_size",),
    hints=(
        "Pad x once with np.pad; then no index is ever negative.",
        "One loop for each index on the left of the definition (n, f, oh, ow), and one for each "
        "that is summed over.",
        "Filter f belongs to group f // (F // groups); its channels start at that times "
        "C / groups.",
    ),
    mistakes=(
        mistake(
            "kernel flipped",
            "It flips the filter, as convolution does in mathematics. In a network nothing is "
            "flipped: x[row + i, column + j] meets w[i, j].",
            ("w[f, :, i, j]", "w[f, :, KH - 1 - i, KW - 1 - j]"),
        ),
        *_COMMON,
        mistake(
            "stride forgotten",
            "It moves the window by one pixel and not by the stride: the window of output (oh, ow) "
            "starts at (oh stride, ow stride).",
            ("row = oh * stride", "row = oh"),
            ("column = ow * stride", "column = ow"),
        ),
        mistake(
            "dilation forgotten",
            "It ignores the dilation: neighbouring filter elements lie dilation pixels apart.",
            ("i * dilation", "i"),
            ("j * dilation", "j"),
        ),
        mistake(
            "padding on one side",
            "It pads above and to the left only. Every side gets the padding.",
            ("(padding, padding), (padding, padding)", "(2 * padding, 0), (2 * padding, 0)"),
        ),
        mistake(
            "padded with the border",
            "It pads by repeating the border; the definition pads with zeros.",
            ("(padding, padding)))", '(padding, padding)), mode="edge")'),
        ),
        mistake(
            "bias forgotten",
            "It leaves the bias out: each output of filter f has b[f] added, once.",
            ("                    y[n, f, oh, ow] += b[f]\n", ""),
        ),
        mistake(
            "bias added for each element",
            "It adds the bias for every filter element. It is added once for each output, after "
            "the sum.",
            ("(pixels * w[f, :, i, j]).sum()", "(pixels * w[f, :, i, j]).sum() + b[f]"),
            ("                    y[n, f, oh, ow] += b[f]\n", ""),
        ),
        mistake(
            "groups ignored",
            "It lets every group see the first channels: the channels of group g start at g times "
            "C / groups.",
            ("first = f // (F // groups) * CG", "first = 0"),
        ),
        mistake(
            "first channel only",
            "It uses one channel only: the sum runs over all channels of the group too.",
            ("(pixels * w[f, :, i, j]).sum()", "pixels[0] * w[f, 0, i, j]"),
        ),
        mistake(
            "float64 made of float32",
            "It makes float64 of float32: np.zeros needs dtype=x.dtype.",
            (", dtype=x.dtype", ""),
        ),
    ),
)

columns = Exercise(
    solution.im2col,
    inputs.im2col_cases,
    returns="columns",
    size=f"(C KH KW, N OH OW), where {SIZE}",
    needs=("output_size",),
    hints=(
        "Two loops suffice, over i and j: what filter element (i, j) sees in all windows at once "
        "is a slice of the padded image with the stride as its step.",
        "Make an array (C, KH, KW, N, OH, OW), fill columns[:, i, j], and reshape it at the end.",
        "rows = slice(i dilation, i dilation + stride (OH - 1) + 1, stride).",
    ),
    mistakes=(
        mistake(
            "rows ordered (i, j, c)",
            "Its rows are in the order (i, j, c). They must be in the order of w.reshape(F, -1), "
            "which is (c, i, j).",
            ("return columns.reshape", "columns = columns.transpose(1, 2, 0, 3, 4, 5)\n"
             "    return columns.reshape"),
        ),
        mistake(
            "columns ordered (oh, ow, n)",
            "Its columns are in the order (oh, ow, n); the images come first: (n, oh, ow).",
            ("return columns.reshape", "columns = columns.transpose(0, 1, 2, 4, 5, 3)\n"
             "    return columns.reshape"),
        ),
        mistake(
            "transposed",
            "It is transposed: each window is a column, so the shape is (C KH KW, N OH OW).",
            ("(C * KH * KW, N * OH * OW)", "(C * KH * KW, N * OH * OW).T"),
        ),
        mistake(
            "images and channels mixed",
            "It mixes images and channels: reshaping moves no numbers. First bring the axes into "
            "the order (C, N, OH, OW) with transpose.",
            ("cols].transpose(1, 0, 2, 3)", "cols].reshape(C, N, OH, OW)"),
        ),
        mistake(
            "stride forgotten",
            "It copies neighbouring windows whatever the stride: the slice needs the stride as its "
            "step.",
            ("stride * (OH - 1) + 1, stride)", "OH)"),
            ("stride * (OW - 1) + 1, stride)", "OW)"),
        ),
        mistake(
            "dilation forgotten",
            "It ignores the dilation: filter element (i, j) starts at pixel (i dilation, "
            "j dilation).",
            ("slice(i * dilation, i * dilation", "slice(i, i"),
            ("slice(j * dilation, j * dilation", "slice(j, j"),
        ),
        mistake(
            "padding on one side",
            "It pads above and to the left only. Every side gets the padding.",
            ("(padding, padding), (padding, padding)", "(2 * padding, 0), (2 * padding, 0)"),
        ),
        mistake(
            "kernel flipped",
            "Its rows run through the filter backwards, as if it were flipped. Row (c, i, j) holds "
            "the pixels under filter element (i, j).",
            ("columns[:, i, j]", "columns[:, KH - 1 - i, KW - 1 - j]"),
        ),
    ),
)  # fmt: skip

fast = Exercise(
    solution.conv2d,
    inputs.forward_cases,
    size=SIZE,
    needs=("output_size", "im2col"),
    speed=Speed(
        than="conv2d_loops",
        times=8,
        case=inputs.large_case,
        advice="No loop may run over images, filters or pixels: let im2col gather all windows, and "
        "one matrix product do the sums.",
    ),
    hints=(
        "w.reshape(F, -1) @ im2col(...) is all outputs, as (F, N OH OW).",
        "reshape it to (F, N, OH, OW) first, then transpose: the other way round mixes pixels.",
        "For groups, reshape the columns to (groups, C / groups KH KW, N OH OW) and the filters to "
        "(groups, F / groups, C / groups KH KW); @ multiplies group by group.",
    ),
    mistakes=(
        mistake(
            "reshaped without transposing",
            "It reshapes (F, N OH OW) to (N, F, OH, OW) at once. That mixes images and filters: "
            "reshape to (F, N, OH, OW), then transpose(1, 0, 2, 3).",
            ("y.reshape(F, N, OH, OW).transpose(1, 0, 2, 3)", "y.reshape(N, F, OH, OW)"),
        ),
        mistake(
            "bias along the wrong axis",
            "It adds the bias along the last axis (or fails to): b belongs to the filters, axis 1. "
            "Reshape it to (1, F, 1, 1).",
            ("b.reshape(1, F, 1, 1)", "b"),
        ),
        mistake(
            "bias forgotten",
            "It leaves the bias out: each output of filter f has b[f] added.",
            ("return y + b.reshape(1, F, 1, 1)", "return y"),
        ),
        mistake(
            "kernel flipped",
            "It flips the filter, as convolution does in mathematics. In a network nothing is "
            "flipped: drop the [::-1].",
            ("filters = w.reshape", "filters = w[:, :, ::-1, ::-1].reshape"),
        ),
        mistake(
            "groups out of order",
            "It takes every groups-th filter into a group; the groups are consecutive blocks of "
            "filters.",
            ("w.reshape(groups, F // groups, CG * KH * KW)",
             "w.reshape(F // groups, groups, -1).transpose(1, 0, 2)"),
        ),
        mistake(
            "rows and columns exchanged",
            "It exchanges the two axes of the filter: w has rows (KH) before columns (KW).",
            ("w.reshape(groups", "w.transpose(0, 1, 3, 2).reshape(groups"),
        ),
        mistake(
            "outputs transposed",
            "It exchanges OH and OW in the result: the columns of im2col are in the order "
            "(n, oh, ow).",
            ("y.reshape(F, N, OH, OW)", "y.reshape(F, N, OW, OH).transpose(0, 1, 3, 2)"),
        ),
    ),
)  # fmt: skip
