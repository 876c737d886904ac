"""Exercises: the slope of a function of one number, and how to compare slopes."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

central = Exercise(
    solution.central_difference,
    inputs.numbers,
    returns="slope",
    hints=(
        "A slope is a difference of heights, divided by the distance of the two points.",
        "The two points are x - step and x + step: how far are they apart?",
    ),
    mistakes=(
        mistake(
            "forward difference",
            "That is a forward difference, from x to x + step, whose error is of the order of "
            "step. A central one goes from x - step to x + step.",
            ("(f(x + step) - f(x - step)) / (2 * step)", "(f(x + step) - f(x)) / step"),
        ),
        mistake(
            "backward difference",
            "That is a backward difference, from x - step to x. A central one goes from x - step "
            "to x + step.",
            ("(f(x + step) - f(x - step)) / (2 * step)", "(f(x) - f(x - step)) / step"),
        ),
        mistake(
            "2 forgotten",
            "It divides by step: the two points are 2 step apart.",
            ("/ (2 * step)", "/ step"),
        ),
        mistake(
            "parentheses forgotten",
            "It divides by 2 and then multiplies by step: / 2 * step needs parentheses, "
            "/ (2 * step).",
            ("/ (2 * step)", "/ 2 * step"),
        ),
        mistake(
            "sign",
            "Its sign is wrong: the value on the right minus the value on the left.",
            ("f(x + step) - f(x - step)", "f(x - step) - f(x + step)"),
        ),
        mistake(
            "half steps",
            "It goes only half a step to each side, and divides by one step. Go one step to each "
            "side.",
            ("f(x + step) - f(x - step)", "f(x + step / 2) - f(x - step / 2)"),
            ("(2 * step)", "step"),
        ),
        mistake(
            "step too small",
            "It takes a tiny step of its own, so that rounding is all that is left: the difference "
            "of two nearly equal values has hardly a right digit. Use the step given.",
            ("    return", "    step = 1e-13\n    return"),
        ),
        mistake(
            "step of its own",
            "It takes a step of 1e-5 whatever step it is given.",
            ("    return", "    step = 1e-5\n    return"),
        ),
    ),
)  # fmt: skip

one_sided = Exercise(
    solution.one_sided_slopes,
    inputs.numbers,
    returns="left, right",
    hints=(
        "Both slopes go through the point (x, f(x)).",
        "A slope is the value further right minus the value further left, over the distance.",
    ),
    mistakes=(
        mistake(
            "results exchanged",
            "It returns the right slope first: the order is left, right.",
            ("(here - f(x - step)) / step, (f(x + step) - here) / step",
             "(f(x + step) - here) / step, (here - f(x - step)) / step"),
        ),
        mistake(
            "sign of the left slope",
            "The left slope has the wrong sign: it is f(x) - f(x - step), the value further right "
            "first.",
            ("here - f(x - step)", "f(x - step) - here"),
        ),
        mistake(
            "divided by two steps",
            "It divides by 2 step: from x to either point it is one step.",
            ("(here - f(x - step)) / step", "(here - f(x - step)) / (2 * step)"),
            ("(f(x + step) - here) / step", "(f(x + step) - here) / (2 * step)"),
        ),
        mistake(
            "central difference twice",
            "Both are central differences, which say nothing about kinks: each slope looks to one "
            "side of x only.",
            ("(here - f(x - step)) / step", "(f(x + step) - f(x - step)) / (2 * step)"),
            ("(f(x + step) - here) / step", "(f(x + step) - f(x - step)) / (2 * step)"),
        ),
        mistake(
            "right slope twice",
            "Both slopes are those to the right: the left one needs f(x - step).",
            ("here - f(x - step)", "f(x + step) - here"),
        ),
        mistake(
            "not divided",
            "It returns differences of values: divide them by step.",
            ("(here - f(x - step)) / step", "here - f(x - step)"),
            ("(f(x + step) - here) / step", "f(x + step) - here"),
        ),
    ),
)  # fmt: skip

error = Exercise(
    solution.relative_error,
    inputs.pairs,
    returns="error",
    hints=(
        "np.maximum compares two arrays element by element, np.max takes the largest of one.",
        "Divide each |a - b| by the largest of 1, |a| and |b|; then take the largest quotient.",
    ),
    mistakes=(
        mistake(
            "mean for maximum",
            "It averages over the elements, so that one wrong among many is lost. Take the "
            "largest.",
            ("np.max(", "np.mean("),
        ),
        mistake(
            "absolute value forgotten",
            "It takes a - b with its sign: where a is too small, that is negative. Take |a - b|.",
            ("np.abs(a - b)", "(a - b)"),
        ),
        mistake(
            "not relative",
            "It does not divide by the size of the numbers: 1000 and 1001 are near each other, 0 "
            "and 1 are not.",
            (" / np.maximum(1, np.maximum(np.abs(a), np.abs(b)))", ""),
        ),
        mistake(
            "1 forgotten",
            "It leaves the 1 out of the maximum: it divides by 0 where both are 0, and blows up "
            "rounding errors where they are small.",
            ("np.maximum(1, np.maximum(np.abs(a), np.abs(b)))", "np.maximum(np.abs(a), np.abs(b))"),
        ),
        mistake(
            "relative to b only",
            "It divides by |b|, whatever a is: take the largest of 1, |a| and |b|.",
            ("np.maximum(1, np.maximum(np.abs(a), np.abs(b)))", "np.maximum(1, np.abs(b))"),
        ),
        mistake(
            "relative to a only",
            "It divides by |a|, whatever b is: take the largest of 1, |a| and |b|.",
            ("np.maximum(1, np.maximum(np.abs(a), np.abs(b)))", "np.maximum(1, np.abs(a))"),
        ),
        mistake(
            "added for maximum",
            "It divides by |a| + |b| where the largest of 1, |a| and |b| is asked for.",
            ("np.maximum(np.abs(a), np.abs(b))", "np.abs(a) + np.abs(b)"),
        ),
        mistake(
            "largest numbers of all elements",
            "It divides the largest difference by the largest number, and these may be of "
            "different elements. Divide element by element.",
            ("np.max(np.abs(a - b) / np.maximum(1, np.maximum(np.abs(a), np.abs(b))))",
             "np.abs(a - b).max() / max(1, np.abs(a).max(), np.abs(b).max())"),
        ),
    ),
)  # fmt: skip
