"""Exercises: batch normalisation in training, and its gradient."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

forward = Exercise(
    solution.batch_norm,
    inputs.forward_cases,
    size="(N, C, H, W), that of x",
    hints=(
        "Which axes of x belong to one channel's batch? All but one.",
        "x.mean(axis=(0, 2, 3), keepdims=True) has shape (1, C, 1, 1), and fits x.",
        "weight[:, None, None] has shape (C, 1, 1), and fits x as well.",
    ),
    mistakes=(
        mistake(
            "normalised over the channels",
            "It takes mean and variance over the channels too. Each channel has its own, over the "
            "axes 0, 2 and 3.",
            ("x.mean(axis=(0, 2, 3), keepdims=True)", "x.mean(keepdims=True)"),
            (".mean(axis=(0, 2, 3), keepdims=True)\n    x_hat", ".mean(keepdims=True)\n    x_hat"),
        ),
        mistake(
            "normalised for each image",
            "It takes mean and variance of each image by itself: that is instance normalisation. "
            "They are over the whole batch, axis 0 too.",
            ("x.mean(axis=(0, 2, 3)", "x.mean(axis=(2, 3)"),
            (" ** 2).mean(axis=(0, 2, 3)", " ** 2).mean(axis=(2, 3)"),
        ),
        mistake(
            "normalised for each pixel",
            "It takes mean and variance over the images only, for each pixel by itself. They are "
            "over all pixels of the channel, axes 2 and 3 too.",
            ("x.mean(axis=(0, 2, 3)", "x.mean(axis=0"),
            (" ** 2).mean(axis=(0, 2, 3)", " ** 2).mean(axis=0"),
        ),
        mistake(
            "unbiased for biased",
            "It divides the sum of squares by n - 1. In the forward pass the variance is the mean "
            "of (x - mean)^2, over n; only the running variance uses n - 1.",
            ("((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)",
             "x.var(axis=(0, 2, 3), ddof=1, keepdims=True)"),
        ),
        mistake(
            "root forgotten",
            "It divides by the variance: divide by its root, the standard deviation.",
            ("np.sqrt(var + eps)", "(var + eps)"),
        ),
        mistake(
            "eps outside the root",
            "It adds eps to the standard deviation: eps belongs under the root, "
            "sqrt(var + eps).",
            ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        ),
        mistake(
            "eps forgotten",
            "It leaves out eps: where a channel hardly varies, sqrt(var + eps) is not sqrt(var).",
            ("np.sqrt(var + eps)", "np.sqrt(var)"),
        ),
        mistake(
            "mean not subtracted",
            "It scales without subtracting the mean.",
            ("x_hat = (x - mean) /", "x_hat = x /"),
        ),
        mistake(
            "weight and bias exchanged",
            "It multiplies by the bias and adds the weight.",
            ("weight[:, None, None] * x_hat + bias[:, None, None]",
             "bias[:, None, None] * x_hat + weight[:, None, None]"),
        ),
        mistake(
            "bias scaled too",
            "It adds the bias before it multiplies by the weight: y = weight x_hat + bias.",
            ("weight[:, None, None] * x_hat + bias[:, None, None]",
             "weight[:, None, None] * (x_hat + bias[:, None, None])"),
        ),
    ),
)  # fmt: skip

backward = Exercise(
    solution.batch_norm_grad,
    inputs.grad_cases,
    returns="dx, dweight, dbias",
    size="(N, C, H, W), (C,) and (C,)",
    gradient=inputs.gradient,
    hints=(
        "dbias is dy, summed over all that the bias was added to; dweight is the same sum of "
        "dy x_hat.",
        "dx has three terms: through x itself, through the mean, and through the variance.",
        "The means in dx are over the batch: mean(axis=(0, 2, 3), keepdims=True).",
    ),
    mistakes=(
        mistake(
            "mean and variance as constants",
            "It treats mean and variance as constants, as in evaluation. They depend on x: two "
            "terms are missing from dx.",
            ("(dy - along_one - x_hat * along_x)", "dy"),
        ),
        mistake(
            "variance as a constant",
            "It treats the variance as a constant: the term x_hat mean(dy x_hat) is missing from "
            "dx.",
            ("dy - along_one - x_hat * along_x", "dy - along_one"),
        ),
        mistake(
            "mean as a constant",
            "It treats the mean as a constant: the term mean(dy) is missing from dx.",
            ("dy - along_one - x_hat * along_x", "dy - x_hat * along_x"),
        ),
        mistake(
            "sums for means",
            "In dx it takes sums of dy and dy x_hat over the batch where means belong: divide by "
            "N H W.",
            ("dy.mean(axis=batch, keepdims=True)", "dy.sum(axis=batch, keepdims=True)"),
            ("(dy * x_hat).mean(axis=batch, keepdims=True)",
             "(dy * x_hat).sum(axis=batch, keepdims=True)"),
        ),
        mistake(
            "means for sums",
            "It takes means for dweight and dbias: they are sums over the batch.",
            ("(dy * x_hat).sum(axis=batch), dy.sum(axis=batch)",
             "(dy * x_hat).mean(axis=batch), dy.mean(axis=batch)"),
        ),
        mistake(
            "weight forgotten in dx",
            "dx lacks the factor weight: what arrives at x_hat is weight dy.",
            ("weight[:, None, None] * r *", "r *"),
        ),
        mistake(
            "1 / sqrt(var + eps) forgotten in dx",
            "dx lacks the factor 1 / sqrt(var + eps): x was divided by it.",
            ("weight[:, None, None] * r *", "weight[:, None, None] *"),
        ),
        mistake(
            "x for x_hat in dweight",
            "dweight is the sum of dy x: the weight was multiplied by x_hat, not by x.",
            ("dx, (dy * x_hat).sum(", "dx, (dy * x).sum("),
        ),
        mistake(
            "normalised for each image",
            "It takes means over each image by itself: batch normalisation is over the batch, axis "
            "0 too.",
            ("x.mean(axis=batch", "x.mean(axis=(2, 3)"),
            ("x.var(axis=batch", "x.var(axis=(2, 3)"),
            ("dy.mean(axis=batch", "dy.mean(axis=(2, 3)"),
            ("(dy * x_hat).mean(axis=batch", "(dy * x_hat).mean(axis=(2, 3)"),
        ),
        mistake(
            "sign of the variance's term",
            "It adds the term x_hat mean(dy x_hat): it is subtracted.",
            ("- x_hat * along_x", "+ x_hat * along_x"),
        ),
    ),
)  # fmt: skip
