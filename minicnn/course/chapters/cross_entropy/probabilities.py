"""Exercises: softmax, its gradient, and its logarithm."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

soft = Exercise(
    solution.softmax,
    inputs.score_cases,
    returns="p",
    size="(N, C), that of x",
    hints=(
        "Each row is a distribution: over which axis does the sum go?",
        "Adding the same number to all scores of a row changes no probability. Which number keeps "
        "exp from overflowing?",
        "x - x.max(axis=1, keepdims=True) has 0 as its largest score.",
    ),
    mistakes=(
        mistake(
            "overflow",
            "exp of a large score is infinite, and infinity over infinity is NaN. Subtract each "
            "row's largest score first.",
            ("np.exp(x - x.max(axis=1, keepdims=True))", "np.exp(x)"),
        ),
        mistake(
            "smallest score subtracted",
            "It subtracts each row's smallest score, so that large ones still overflow. Subtract "
            "the largest.",
            ("x.max(", "x.min("),
        ),
        mistake(
            "largest score of all rows subtracted",
            "It subtracts the largest score of the whole batch. A row far below it becomes 0 / 0: "
            "subtract each row's own.",
            ("x.max(axis=1, keepdims=True)", "x.max()"),
        ),
        mistake(
            "sum over the wrong axis",
            "It divides by the sum over the samples. The probabilities of one sample add up to 1: "
            "sum over axis 1.",
            ("e.sum(axis=1, keepdims=True)", "e.sum(axis=0, keepdims=True)"),
        ),
        mistake(
            "sum over everything",
            "It divides by the sum over the whole batch. Each row adds up to 1 by itself: sum over "
            "axis 1.",
            ("e.sum(axis=1, keepdims=True)", "e.sum()"),
        ),
        mistake(
            "exp forgotten in the numerator",
            "It divides the scores themselves by the sum: the numerator is exp of the score.",
            ("return e /", "return x /"),
        ),
        mistake(
            "not divided",
            "It returns exp of the scores: divide by their sum.",
            ("e / e.sum(axis=1, keepdims=True)", "e"),
        ),
        mistake(
            "divided by the largest",
            "It divides by the largest term: divide by the sum.",
            ("e.sum(axis=1", "e.max(axis=1"),
        ),
    ),
)  # fmt: skip

soft_backward = Exercise(
    solution.softmax_grad,
    inputs.softmax_grad_cases,
    returns="dx",
    size="(N, C), that of p",
    gradient=inputs.softmax_gradient,
    hints=(
        "Every probability depends on every score of its row: dp_k / dx_c = p_k (1 if k = c else "
        "0) - p_k p_c.",
        "Sum that over k, times dp_k.",
    ),
    mistakes=(
        mistake(
            "each score for itself",
            "It uses dx = dp p (1 - p), as if each probability depended on its own score only. A "
            "score changes all probabilities of its row.",
            ("p * (dp - (dp * p).sum(axis=1, keepdims=True))", "dp * p * (1 - p)"),
        ),
        mistake(
            "sum over the wrong axis",
            "It sums over the samples: the sum is over the classes, axis 1.",
            ("sum(axis=1, keepdims=True)", "sum(axis=0, keepdims=True)"),
        ),
        mistake(
            "sum not weighted",
            "It sums dp, without the factor p: the sum is of dp_k p_k.",
            ("(dp * p).sum(axis=1", "dp.sum(axis=1"),
        ),
        mistake(
            "mean for sum",
            "It takes the mean of dp p over the classes: it is the sum.",
            (".sum(axis=1", ".mean(axis=1"),
        ),
        mistake(
            "p forgotten in front",
            "It leaves out the factor p in front of the bracket.",
            ("p * (dp - (dp * p).sum(axis=1, keepdims=True))",
             "dp - (dp * p).sum(axis=1, keepdims=True)"),
        ),
        mistake(
            "gradient of log softmax",
            "It is the gradient of log softmax, dp - p sum(dp): here dp arrives at p itself.",
            ("p * (dp - (dp * p).sum(axis=1, keepdims=True))",
             "dp - p * dp.sum(axis=1, keepdims=True)"),
        ),
        mistake(
            "plus for minus",
            "It adds the sum: it is subtracted.",
            ("(dp - (dp", "(dp + (dp"),
        ),
    ),
)  # fmt: skip

logarithms = Exercise(
    solution.log_softmax,
    inputs.score_cases,
    returns="log_p",
    size="(N, C), that of x",
    hints=(
        "log(exp(a) / s) = a - log s: no quotient is needed.",
        "Subtract each row's largest score first; it changes nothing but what overflows.",
    ),
    mistakes=(
        mistake(
            "logarithm of softmax",
            "It takes the logarithm of the probabilities. Where one rounds to 0, that is minus "
            "infinity: use x - log(sum exp(x)).",
            ("x - np.log(np.exp(x).sum(axis=1, keepdims=True))",
             "np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))"),
        ),
        mistake(
            "overflow",
            "exp of a large score is infinite. Subtract each row's largest score first.",
            ("x = x - x.max(axis=1, keepdims=True)", "x = x"),
        ),
        mistake(
            "a small number added under the logarithm",
            "It adds a small number to the probability before it takes the logarithm. That avoids "
            "log 0, but is wrong for small probabilities: use x - log(sum exp(x)).",
            ("x - np.log(np.exp(x).sum(axis=1, keepdims=True))",
             "np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) + 1e-12)"),
        ),
        mistake(
            "largest score not added back",
            "It subtracts the largest score within the sum only: outside it must be subtracted "
            "too.",
            ("x = x - x.max(axis=1, keepdims=True)", "top = x.max(axis=1, keepdims=True)"),
            ("np.exp(x)", "np.exp(x - top)"),
        ),
        mistake(
            "largest score of all rows subtracted",
            "It subtracts the largest score of the whole batch. In a row far below it, the sum of "
            "exp is 0: subtract each row's own.",
            ("x.max(axis=1, keepdims=True)", "x.max()"),
        ),
        mistake(
            "sum over the wrong axis",
            "It sums over the samples: sum over the classes, axis 1.",
            ("np.exp(x).sum(axis=1, keepdims=True)", "np.exp(x).sum(axis=0, keepdims=True)"),
        ),
        mistake(
            "mean for sum",
            "It takes the logarithm of the mean of exp: it is of the sum.",
            (".sum(axis=1", ".mean(axis=1"),
        ),
        mistake(
            "wrong base",
            "It takes logarithms to the base 2: the natural one belongs to exp.",
            ("np.log(", "np.log2("),
        ),
    ),
)  # fmt: skip
