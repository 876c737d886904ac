"""Exercises: a dense layer and its gradients."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

forward = Exercise(
    solution.dense,
    inputs.dense_cases,
    size="(N, O)",
    hints=(
        "Output o of a sample is the product of its features with row o of w.",
        "x is (N, I) and w is (O, I): what must be transposed so that (N, O) comes out?",
    ),
    mistakes=(
        mistake(
            "weights not transposed",
            "It multiplies by w, where it should by w transposed: row o of w belongs to output o.",
            ("x @ w.T", "x @ np.resize(w, w.shape[::-1])"),
        ),
        mistake(
            "bias forgotten",
            "It leaves out the bias.",
            ("x @ w.T + b", "x @ w.T + 0 * b"),
        ),
        mistake(
            "bias subtracted",
            "It subtracts the bias: it is added.",
            ("w.T + b", "w.T - b"),
        ),
        mistake(
            "divided by the features",
            "It divides by the number of features: a product of rows is a sum, not a mean.",
            ("x @ w.T", "x @ w.T / x.shape[1]"),
        ),
        mistake(
            "bias counted once a feature",
            "It adds the bias to every product before they are summed, so it counts I times.",
            ("w.T + b", "w.T + x.shape[1] * b"),
        ),
    ),
)  # fmt: skip

backward = Exercise(
    solution.dense_grad,
    inputs.dense_grad_cases,
    returns="dx, dw, db",
    size="(N, I), (O, I) and (O,)",
    gradient=inputs.dense_gradient,
    hints=(
        "y_no = sum over i of x_ni w_oi + b_o. Which y does x_ni occur in, and with what factor?",
        "The shapes leave one way to multiply dy with w, and one to multiply it with x.",
        "The same weights and biases serve all samples: sum over N.",
    ),
    mistakes=(
        mistake(
            "not summed over the batch",
            "db is dy of the first sample only. The same bias serves all samples: sum over axis 0.",
            ("dy.sum(axis=0)", "dy[0]"),
        ),
        mistake(
            "mean for sum",
            "dw and db are means over the batch. A gradient is a sum; if the loss is a mean, dy "
            "has been divided already.",
            ("dy.T @ x, dy.sum(axis=0)", "dy.T @ x / len(x), dy.mean(axis=0)"),
        ),
        mistake(
            "dw transposed",
            "dw is the gradient of w transposed: w is (O, I), and so is dy^T x.",
            ("dy.T @ x", "x.T @ dy"),
        ),
        mistake(
            "weights transposed in dx",
            "dx is dy times w transposed: (N, O) times (O, I) needs w as it is.",
            ("dy @ w", "dy @ np.resize(w.T, w.shape)"),
        ),
        mistake(
            "x for dy",
            "db is the sum of x: the bias does not meet x, its gradient is the sum of dy.",
            ("dy.sum(axis=0)", "np.resize(x.sum(axis=0), dy.shape[1])"),
        ),
        mistake(
            "summed over the outputs",
            "db is summed over the outputs. Each output has its own bias: sum over the samples.",
            ("dy.sum(axis=0)", "np.resize(dy.sum(axis=1), dy.shape[1])"),
        ),
        mistake(
            "dw and dx exchanged",
            "It returns dw first: the order is dx, dw, db.",
            ("dy @ w, dy.T @ x", "dy.T @ x, dy @ w"),
        ),
    ),
)  # fmt: skip
