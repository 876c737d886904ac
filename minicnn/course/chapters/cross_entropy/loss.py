"""Exercises: the cross-entropy and its gradient."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

entropy = Exercise(
    solution.cross_entropy,
    inputs.label_cases,
    returns="loss",
    size="a float",
    needs=("log_softmax",),
    hints=(
        "log_p[np.arange(N), labels] picks one number from each row.",
        "Start from log_softmax, not from softmax.",
    ),
    mistakes=(
        mistake(
            "sum for mean",
            "It sums over the samples: take the mean.",
            (".mean()", ".sum()"),
        ),
        mistake(
            "sign forgotten",
            "It returns the mean of log p, which is negative: the loss is minus that.",
            ("float(-log_p", "float(log_p"),
        ),
        mistake(
            "logarithm of softmax",
            "It takes the logarithm of a probability that may round to 0, and the loss is "
            "infinite. Start from log_softmax.",
            ("log_p = log_softmax(x)",
             "e = np.exp(x - x.max(axis=1, keepdims=True))\n"
             "    log_p = np.log(e / e.sum(axis=1, keepdims=True))"),
        ),
        mistake(
            "softmax forgotten",
            "It takes the scores for logarithms of probabilities: apply log_softmax first.",
            ("log_p = log_softmax(x)", "log_p = x"),
        ),
        mistake(
            "logarithm forgotten",
            "It averages the probabilities of the labels: it is their logarithms.",
            ("log_p = log_softmax(x)", "log_p = np.exp(log_softmax(x))"),
        ),
        mistake(
            "mean over the classes too",
            "It divides by the number of classes as well: the mean is over the samples.",
            (".mean()", ".mean() / x.shape[1]"),
        ),
        mistake(
            "all rows with all labels",
            "log_p[:, labels] is (N, N): every row with every label. Pick one from each row with "
            "log_p[np.arange(N), labels].",
            ("log_p[np.arange(len(x)), labels]", "log_p[:, labels]"),
        ),
        mistake(
            "labels counted from 1",
            "It takes the labels as counted from 1: they go from 0 to C - 1.",
            ("labels]", "labels - 1]"),
        ),
        mistake(
            "wrong base",
            "It takes logarithms to the base 2: the natural one is meant.",
            ("log_softmax(x)", "log_softmax(x) / np.log(2)"),
        ),
    ),
)  # fmt: skip

entropy_backward = Exercise(
    solution.cross_entropy_grad,
    inputs.label_cases,
    returns="dx",
    size="(N, C), that of x",
    gradient=inputs.loss_gradient,
    needs=("softmax",),
    hints=(
        "Derive it for one sample: -x_label + log(sum exp(x)).",
        "It is the probabilities, less 1 at the label. And the loss is a mean.",
    ),
    mistakes=(
        mistake(
            "not divided by N",
            "It is the gradient of the sum: the loss is a mean over the samples, so divide by N.",
            ("dx / len(x)", "dx"),
        ),
        mistake(
            "sign",
            "It has the sign of log p: the loss is minus the logarithm, so its gradient is p - q.",
            ("dx / len(x)", "-dx / len(x)"),
        ),
        mistake(
            "label not subtracted",
            "It returns the probabilities: subtract 1 at each sample's label.",
            ("dx[np.arange(len(x)), labels] -= 1", "pass"),
        ),
        mistake(
            "label's column subtracted in all rows",
            "dx[:, labels] -= 1 changes those columns in every row. Use dx[np.arange(N), labels].",
            ("dx[np.arange(len(x)), labels] -= 1", "dx[:, labels] -= 1"),
        ),
        mistake(
            "softmax forgotten",
            "It subtracts 1 from the scores: it is probabilities less 1 at the label.",
            ("dx = softmax(x)", "dx = x.copy()"),
        ),
        mistake(
            "only the label's score",
            "It gives only the label's score a gradient. All scores of a row are in the sum of "
            "exp.",
            ("return dx / len(x)",
             "only = np.zeros_like(dx)\n"
             "    only[np.arange(len(x)), labels] = dx[np.arange(len(x)), labels]\n"
             "    return only / len(x)"),
        ),
        mistake(
            "divided by the classes",
            "It divides by N C: the mean is over the N samples.",
            ("dx / len(x)", "dx / dx.size"),
        ),
        mistake(
            "gradient with respect to the probability",
            "It is the gradient with respect to p, -1 / p at the label: go on through softmax to "
            "the scores.",
            ("dx[np.arange(len(x)), labels] -= 1",
             "p = dx[np.arange(len(x)), labels]\n"
             "    dx = np.zeros_like(dx)\n"
             "    dx[np.arange(len(x)), labels] = -1 / np.maximum(p, 1e-300)"),
        ),
    ),
)  # fmt: skip
