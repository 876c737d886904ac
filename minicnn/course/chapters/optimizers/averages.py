"""Exercises: Adam and AdamW."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

bias_corrected = Exercise(
    solution.adam,
    inputs.adam_cases,
    returns="p, m, v",
    size="that of p, for all three",
    hints=(
        "Five lines: m, v, m_hat, v_hat, and the step.",
        "beta1**t, with t = 1 in the first step. Then m_hat is the first gradient itself.",
        "m_hat and v_hat serve for this step only; m and v are returned.",
    ),
    mistakes=(
        mistake(
            "correction forgotten",
            "It steps with m and v, which are too small at first: divide them by 1 - beta1^t and "
            "1 - beta2^t.",
            ("m / (1 - beta1**t)", "m"),
            ("v / (1 - beta2**t)", "v"),
        ),
        mistake(
            "v not corrected",
            "It corrects m only: v begins at 0 too, and is divided by 1 - beta2^t.",
            ("v / (1 - beta2**t)", "v"),
        ),
        mistake(
            "m not corrected",
            "It corrects v only: m begins at 0 too, and is divided by 1 - beta1^t.",
            ("m / (1 - beta1**t)", "m"),
        ),
        mistake(
            "t counted from 0",
            "It takes t + 1 for the number of the step: t is 1 in the first step already.",
            ("beta1**t", "beta1 ** (t + 1)"),
            ("beta2**t", "beta2 ** (t + 1)"),
        ),
        mistake(
            "t one too small",
            "It takes t - 1 in the correction, and divides by 0 in the first step: it is t.",
            ("m / (1 - beta1**t)", "m / np.subtract(1, beta1 ** (t - 1))"),
            ("v / (1 - beta2**t)", "v / np.subtract(1, beta2 ** (t - 1))"),
        ),
        mistake(
            "correction without its power",
            "It divides by 1 - beta at every step. That is right for t = 1 only: the power is t.",
            ("beta1**t", "beta1"),
            ("beta2**t", "beta2"),
        ),
        mistake(
            "corrected averages returned",
            "It returns the corrected averages, so that the next step corrects them again. Return "
            "m and v as they are before the correction.",
            ("+ eps), m, v", "+ eps), m_hat, v_hat"),
        ),
        mistake(
            "old averages returned",
            "It returns the averages that it was given: the new ones are lost, and every step "
            "begins as the first did.",
            ("m = beta1 * m", "old = m, v\n    m = beta1 * m"),
            ("+ eps), m, v", "+ eps), *old"),
        ),
        mistake(
            "betas exchanged",
            "It takes beta2 for the gradients and beta1 for the squares: it is the other way "
            "round.",
            ("m = beta1 * m", "beta1, beta2 = beta2, beta1\n    m = beta1 * m"),
        ),
        mistake(
            "shares the wrong way round",
            "It keeps the share 1 - beta of the old averages: beta is the share that is kept.",
            ("beta1 * m + (1 - beta1) * g", "(1 - beta1) * m + beta1 * g"),
            ("beta2 * v + (1 - beta2) * g**2", "(1 - beta2) * v + beta2 * g**2"),
        ),
        mistake(
            "new values not weighted",
            "It adds the whole gradient and the whole square: multiply them by 1 - beta1 and "
            "1 - beta2.",
            ("(1 - beta1) * g\n", "g\n"),
            ("(1 - beta2) * g**2", "g**2"),
        ),
        mistake(
            "gradient not squared",
            "It averages the gradients in v, of which the root may not exist: v averages their "
            "squares.",
            ("g**2", "g"),
        ),
        mistake(
            "square of the average",
            "It takes the square of m into v: v averages the squares of the gradients.",
            ("g**2", "m**2"),
        ),
        mistake(
            "root forgotten",
            "It divides by v_hat, which is made of squares: take its root.",
            ("np.sqrt(v_hat)", "v_hat"),
        ),
        mistake(
            "eps inside the root",
            "It adds eps under the root: eps is added to the root.",
            ("(np.sqrt(v_hat) + eps)", "np.sqrt(v_hat + eps)"),
        ),
        mistake(
            "eps forgotten",
            "It leaves out eps: an element that never had a gradient becomes 0 / 0.",
            ("np.sqrt(v_hat) + eps", "np.sqrt(v_hat)"),
        ),
        mistake(
            "eps before the correction",
            "It adds eps to the root of v and then corrects, so that eps is corrected too. Correct "
            "v, take the root, and add eps last.",
            ("(np.sqrt(v_hat) + eps)", "((np.sqrt(v) + eps) / np.sqrt(1 - beta2**t))"),
        ),
        mistake(
            "gradient for its average",
            "It has g in the numerator, as RMSprop has: Adam steps along m_hat.",
            ("lr * m_hat", "lr * g"),
        ),
        mistake(
            "step uphill",
            "It adds the step, so that the loss grows: subtract it.",
            ("p - lr *", "p + lr *"),
        ),
        mistake(
            "changed in place",
            "It changes the caller's averages in place. Make new ones: m = ..., v = ...",
            ("m = beta1 * m + (1 - beta1) * g", "m *= beta1\n    m += (1 - beta1) * g"),
            ("v = beta2 * v + (1 - beta2) * g**2", "v *= beta2\n    v += (1 - beta2) * g**2"),
        ),
    ),
)

decayed = Exercise(
    solution.adamw,
    inputs.adamw_cases,
    returns="p, m, v",
    size="that of p, for all three",
    needs=("adam",),
    hints=(
        "Call adam. What of its arguments changes, p or g?",
        "The weights shrink by the factor 1 - lr decay before the step.",
    ),
    mistakes=(
        mistake(
            "decay in the gradient",
            "It adds decay p to the gradient, which is Adam with an L2 penalty: the averages then "
            "hold the penalty too. Shrink p itself and leave g alone.",
            ("(1 - lr * decay) * p, g", "p, g + decay * p"),
        ),
        mistake(
            "decay twice",
            "It shrinks p and adds the penalty to the gradient as well: the gradient stays plain.",
            ("(1 - lr * decay) * p, g", "(1 - lr * decay) * p, g + decay * p"),
        ),
        mistake(
            "learning rate not in the decay",
            "It shrinks the weights by 1 - decay: it is 1 - lr decay.",
            ("(1 - lr * decay)", "(1 - decay)"),
        ),
        mistake(
            "decay of the new weights",
            "It makes the step first and shrinks the result, and so the step too. Shrink p before "
            "the step.",
            ("return adam((1 - lr * decay) * p, g", "p, m, v = adam(p, g"),
            ("beta2, eps)\n", "beta2, eps)\n    return (1 - lr * decay) * p, m, v\n"),
        ),
        mistake(
            "decay forgotten",
            "It leaves out the decay: this is Adam.",
            ("(1 - lr * decay) * p", "p"),
        ),
        mistake(
            "weights grow",
            "It makes the weights larger: the factor is 1 - lr decay.",
            ("1 - lr * decay", "1 + lr * decay"),
        ),
        mistake(
            "constant decay",
            "It moves all weights by lr decay towards 0, whatever their size. The decay is "
            "proportional to p.",
            ("(1 - lr * decay) * p", "p - lr * decay * np.sign(p)"),
        ),
        mistake(
            "factor is the decay",
            "It multiplies the weights by lr decay: that is the part that is taken away.",
            ("(1 - lr * decay)", "lr * decay"),
        ),
    ),
)  # fmt: skip
