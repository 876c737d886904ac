"""Exercises for notebook 2, gradient checking. Check them with: minicnn course check 02

f always is a function whose derivative is to be found from its values alone, and step is how far to
go to either side. The checker uses large steps too: with those, formulas differ that look alike
with small ones.
"""

import numpy as np


def central_difference(f, x, step):
    """Return the slope of f at x by a central difference.

    It is the slope of the line through the two points at the distance `step` to the left and to the
    right of x. Its error is of the order of step^2.

    Args:
        f: a function of a number.
        x, step: numbers.

    Returns:
        slope: a number.
    """
    return (f(x + step) - f(x - step)) / (2 * step)


def one_sided_slopes(f, x, step):
    """Return the slope of f to the left and to the right of x. At a kink they differ.

    Args:
        f: a function of a number.
        x, step: numbers.

    Returns:
        left, right: the slopes of the lines through x and the points x - step and x + step.
    """
    here = f(x)
    return (here - f(x - step)) / step, (f(x + step) - here) / step


def numerical_gradient(f, x, step):
    """Return the gradient of f at x by central differences, one element at a time.

    Args:
        f: a function of an array that returns a number.
        x: array of any shape, of floats or of whole numbers. It must not be changed.
        step: a number.

    Returns:
        dx: array of x's shape, float64.
    """
    x = np.array(x, dtype=np.float64)  # a copy, whose elements can be moved by fractions
    dx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        here = x[place]
        x[place] = here + step
        right = f(x)
        x[place] = here - step
        left = f(x)
        x[place] = here
        dx[place] = (right - left) / (2 * step)
    return dx


def numerical_vjp(f, x, dy, step):
    """Return by central differences what a backward pass returns for the gradient dy of f(x).

    That is the gradient with respect to x of <dy, f(x)>, the sum of the products of all elements.

    Args:
        f: a function of an array that returns an array.
        x: array of any shape. It must not be changed.
        dy: array of the shape of f(x).
        step: a number.

    Returns:
        dx: array of x's shape, float64.
    """
    return numerical_gradient(lambda x: (dy * f(x)).sum(), x, step)


def directional_check(f, x, dx, direction, step):
    """Return two numbers that agree if dx is the gradient of f at x: one test of all elements.

    Args:
        f: a function of an array that returns a number.
        x: array of any shape. It must not be changed.
        dx: array of x's shape, the gradient to be checked.
        direction: array of x's shape.
        step: a number.

    Returns:
        analytic: <dx, direction>, the sum of the products of all elements.
        numeric: the central difference of f from x - step direction to x + step direction.
    """
    analytic = (dx * direction).sum()
    numeric = (f(x + step * direction) - f(x - step * direction)) / (2 * step)
    return analytic, numeric


def relative_error(a, b):
    """Return how far two gradients are apart, relative to their size.

    For each element it is |a - b| / max(1, |a|, |b|), so that numbers below 1 are compared as they
    are; of all elements the largest counts.

    Args:
        a, b: arrays of the same shape.

    Returns:
        error: a number.
    """
    return np.max(np.abs(a - b) / np.maximum(1, np.maximum(np.abs(a), np.abs(b))))
