"""Exercises: running statistics, evaluation, and folding into a convolution."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

running = Exercise(
    solution.update_running,
    inputs.running_cases,
    returns="mean, var",
    size="(C,) each",
    hints=(
        "momentum is the share of the new batch, not of the old value.",
        "x.var(axis=..., ddof=1) divides by n - 1.",
    ),
    mistakes=(
        mistake(
            "momentum the wrong way round",
            "It keeps the share momentum of the old value. Here, as in PyTorch, momentum is the "
            "share of the new one.",
            ("(1 - momentum) * running_mean + momentum * mean",
             "momentum * running_mean + (1 - momentum) * mean"),
            ("(1 - momentum) * running_var + momentum * var",
             "momentum * running_var + (1 - momentum) * var"),
        ),
        mistake(
            "biased for unbiased",
            "It divides the sum of squares by n. The running variance estimates that of all data: "
            "divide by n - 1.",
            ("x.var(axis=(0, 2, 3), ddof=1)", "x.var(axis=(0, 2, 3))"),
        ),
        mistake(
            "standard deviation for variance",
            "It averages standard deviations: the running statistic is the variance.",
            ("x.var(", "x.std("),
        ),
        mistake(
            "old value not shrunk",
            "It adds momentum times the new value to the whole old one. The old one is multiplied "
            "by 1 - momentum.",
            ("(1 - momentum) * running_mean", "running_mean"),
            ("(1 - momentum) * running_var", "running_var"),
        ),
        mistake(
            "old value forgotten",
            "It returns the batch's own statistics, without the running ones.",
            ("(1 - momentum) * running_mean + momentum * mean", "mean"),
            ("(1 - momentum) * running_var + momentum * var", "var"),
        ),
        mistake(
            "statistics over all channels",
            "It takes mean and variance over the channels too: each channel has its own.",
            ("x.mean(axis=(0, 2, 3))", "x.mean() + 0 * running_mean"),
            ("x.var(axis=(0, 2, 3), ddof=1)", "x.var(ddof=1) + 0 * running_var"),
        ),
        mistake(
            "mean not moved",
            "It moves the variance only: the mean moves likewise.",
            ("(1 - momentum) * running_mean + momentum * mean", "running_mean"),
        ),
    ),
)  # fmt: skip

evaluated = Exercise(
    solution.batch_norm_eval,
    inputs.eval_cases,
    size="(N, C, H, W), that of x",
    hints=(
        "It is batch_norm with other numbers for mean and variance: which?",
        "Two numbers for each channel suffice: y = x scale + shift.",
    ),
    mistakes=(
        mistake(
            "batch statistics in evaluation",
            "It normalises with the mean and variance of this batch. In evaluation these are the "
            "running ones.",
            body="""
            mean = x.mean(axis=(0, 2, 3))[:, None, None]
            root = np.sqrt(x.var(axis=(0, 2, 3)) + eps)[:, None, None]
            return weight[:, None, None] * (x - mean) / root + bias[:, None, None]
            """,
        ),
        mistake(
            "batch mean in evaluation",
            "It subtracts the mean of this batch: in evaluation it is the running mean.",
            ("running_mean * scale", "x.mean(axis=(0, 2, 3)) * scale"),
        ),
        mistake(
            "root forgotten",
            "It divides by the variance: divide by the root of running_var + eps.",
            ("weight / np.sqrt(running_var + eps)", "weight / (running_var + eps)"),
        ),
        mistake(
            "eps forgotten",
            "It leaves out eps: the same network must divide by sqrt(running_var + eps) in "
            "evaluation as it did in training.",
            ("weight / np.sqrt(running_var + eps)", "weight / np.sqrt(running_var)"),
        ),
        mistake(
            "running variance taken for a standard deviation",
            "It squares running_var, as if it were a standard deviation.",
            ("weight / np.sqrt(running_var + eps)", "weight / np.sqrt(running_var**2 + eps)"),
        ),
        mistake(
            "mean not scaled",
            "It subtracts the mean after scaling: subtract it from x, or scale it as x is.",
            ("running_mean * scale", "running_mean"),
        ),
        mistake(
            "bias forgotten",
            "It leaves out the bias.",
            ("shift = bias - ", "shift = -"),
        ),
        mistake(
            "weight forgotten",
            "It leaves out the weight.",
            ("scale = weight /", "scale = 1 /"),
        ),
    ),
)  # fmt: skip

folded = Exercise(
    solution.fold,
    inputs.fold_cases,
    returns="new_filters, new_bias",
    size="(F, C, KH, KW) and (F,)",
    hints=(
        "In evaluation the normalisation is y scale + shift for each channel of the convolution's "
        "result y.",
        "y is linear in the filters: what happens to y when those of channel f are multiplied by "
        "a number?",
    ),
    mistakes=(
        mistake(
            "scaled along the input channels",
            "It scales the filters along axis 1, the input channels. Channel f of the result is "
            "filter f: scale along axis 0.",
            ("filters * scale[:, None, None, None]",
             "filters * np.resize(scale, filters.shape[1])[:, None, None]"),
        ),
        mistake(
            "bias not shifted by the mean",
            "The new bias is the old one: what the running mean takes away must be in it.",
            ("bias - running_mean * scale", "bias + 0 * scale"),
        ),
        mistake(
            "mean not scaled",
            "It subtracts the mean from the bias as it is: the mean is subtracted before y is "
            "scaled, so it is scaled too.",
            ("running_mean * scale", "running_mean"),
        ),
        mistake(
            "mean added",
            "It adds the mean to the bias: the normalisation subtracts it.",
            ("bias - running_mean", "bias + running_mean"),
        ),
        mistake(
            "bias scaled",
            "It scales the bias: the normalisation's bias is added last.",
            ("bias - running_mean * scale", "(bias - running_mean) * scale"),
        ),
        mistake(
            "filters not scaled",
            "It leaves the filters as they are: y is multiplied by weight / sqrt(running_var + "
            "eps), and so are they.",
            ("filters * scale[:, None, None, None]", "filters * 1"),
        ),
        mistake(
            "eps forgotten",
            "It leaves out eps under the root.",
            ("running_var + eps", "running_var"),
        ),
        mistake(
            "root forgotten",
            "It divides by the variance: divide by the root of running_var + eps.",
            ("np.sqrt(running_var + eps)", "(running_var + eps)"),
        ),
    ),
)  # fmt: skip
