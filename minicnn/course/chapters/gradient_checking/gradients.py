"""Exercises: gradients from values alone, and a test of all their elements at once."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

gradient = Exercise(
    solution.numerical_gradient,
    inputs.arrays,
    returns="dx",
    size="that of x",
    hints=(
        "np.ndindex(x.shape) goes through all places of an array of any shape; x[place] is one "
        "element.",
        "Move one element of a copy, call f, move it the other way, call f, put it back.",
    ),
    mistakes=(
        mistake(
            "not put back",
            "It does not put an element back before it moves the next: each is to be moved alone.",
            ("        x[place] = here\n", ""),
        ),
        mistake(
            "argument changed",
            "It moves elements of x itself and does not put them back, so that the caller's array "
            "is another one afterwards: work on a copy.",
            ("np.array(x, dtype=np.float64)", "np.asarray(x, dtype=np.float64)"),
            ("        x[place] = here\n", ""),
        ),
        mistake(
            "whole numbers stay whole",
            "It moves elements of an array of whole numbers, which drops the fraction. Make a "
            "float64 copy first.",
            ("np.array(x, dtype=np.float64)", "np.array(x)"),
            ("np.zeros_like(x)", "np.zeros(x.shape)"),
        ),
        mistake(
            "moved back only once",
            "It subtracts one step after adding one, which leads back to where it began. The left "
            "point is two steps from the right one.",
            ("here - step", "here"),
        ),
        mistake(
            "forward difference",
            "It takes forward differences, from x to x + step, whose error is of the order of "
            "step. Move each element to both sides.",
            ("x[place] = here - step", "x[place] = here"),
            ("(2 * step)", "step"),
        ),
        mistake(
            "2 forgotten",
            "It divides by step: the two points are 2 step apart.",
            ("(2 * step)", "step"),
        ),
        mistake(
            "all elements moved at once",
            "It moves all elements at once and so finds the sum of the gradient. Move one at a "
            "time.",
            ("    for place in np.ndindex(x.shape):",
             "    return dx + (f(x + step) - f(x - step)) / (2 * step)\n"
             "    for place in np.ndindex(x.shape):"),
        ),
        mistake(
            "flattened",
            "It returns a vector: a gradient has the shape of x.",
            ("return dx", "return dx.ravel()"),
        ),
    ),
)  # fmt: skip

vjp = Exercise(
    solution.numerical_vjp,
    inputs.outputs,
    returns="dx",
    size="that of x",
    needs=("numerical_gradient",),
    hints=(
        "<dy, f(x)> is a number for each x, and you have a function for the gradient of those.",
        "numerical_gradient takes any function: write one with lambda.",
    ),
    mistakes=(
        mistake(
            "dy forgotten",
            "It leaves out dy: that is the gradient of f(x).sum().",
            ("(dy * f(x)).sum()", "f(x).sum()"),
        ),
        mistake(
            "mean for sum",
            "It takes the mean of dy f(x) instead of the sum.",
            (".sum()", ".mean()"),
        ),
        mistake(
            "summed separately",
            "It multiplies the sum of dy with the sum of f(x): multiply element by element, then "
            "sum.",
            ("(dy * f(x)).sum()", "dy.sum() * f(x).sum()"),
        ),
        mistake(
            "squared difference",
            "It differentiates the sum of (f(x) - dy)^2, as if dy were a target. It is a weight: "
            "the sum of dy f(x).",
            ("(dy * f(x)).sum()", "((f(x) - dy) ** 2).sum()"),
        ),
        mistake(
            "dy applied afterwards",
            "It multiplies the gradient of f(x).sum() by dy. dy weighs the outputs, before they "
            "are summed.",
            ("(dy * f(x)).sum(), x, step)",
             "f(x).sum(), x, step) * (dy if dy.shape == x.shape else dy[:, None])"),
        ),
        mistake(
            "first output only",
            "It takes the first output only: all of them count, each with its dy.",
            ("(dy * f(x)).sum()", "(dy * f(x)).ravel()[0]"),
        ),
    ),
)  # fmt: skip

directional = Exercise(
    solution.directional_check,
    inputs.directions,
    returns="analytic, numeric",
    hints=(
        "Both say how fast f grows when x moves along the direction.",
        "x + step * direction moves all elements at once, each by its own amount.",
    ),
    mistakes=(
        mistake(
            "forward difference",
            "Its numeric value is a forward difference: go to both sides of x.",
            ("f(x - step * direction)) / (2 * step)", "f(x)) / step"),
        ),
        mistake(
            "2 forgotten",
            "It divides by step: the two points are 2 step apart.",
            ("(2 * step)", "step"),
        ),
        mistake(
            "direction forgotten in the gradient",
            "Its analytic value is the sum of dx: each element counts with that of the direction.",
            ("(dx * direction).sum()", "dx.sum()"),
        ),
        mistake(
            "all elements moved alike",
            "It moves all elements by the same step: move x by step times the direction.",
            ("f(x + step * direction) - f(x - step * direction)", "f(x + step) - f(x - step)"),
        ),
        mistake(
            "summed separately",
            "It multiplies the sum of dx with the sum of the direction: multiply element by "
            "element, then sum.",
            ("(dx * direction).sum()", "dx.sum() * direction.sum()"),
        ),
        mistake(
            "mean for sum",
            "Its analytic value is a mean over the elements instead of their sum.",
            ("(dx * direction).sum()", "(dx * direction).mean()"),
        ),
        mistake(
            "argument changed",
            "It moves x itself, with += or -=, and leaves it elsewhere: make new arrays, "
            "x + step * direction.",
            ("    numeric =", "    x += step * direction\n    right = f(x)\n"
             "    x -= 2 * step * direction\n    numeric ="),
            ("(f(x + step * direction) - f(x - step * direction))", "(right - f(x))"),
        ),
        mistake(
            "results exchanged",
            "It returns the numeric value first: the order is analytic, numeric.",
            ("return analytic, numeric", "return numeric, analytic"),
        ),
    ),
)  # fmt: skip
