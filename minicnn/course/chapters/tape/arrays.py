"""Exercises: the derivatives of broadcasting, the matrix product and ReLU."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

unbroadcast = Exercise(
    solution.unbroadcast,
    inputs.broadcasts,
    returns="dx",
    size="the shape given",
    may_share=True,  # nothing was broadcast: dy itself is the answer
    hints=(
        "First sum over the axes at the front that the input does not have.",
        "Then sum over the axes where the input has size 1, with keepdims=True.",
    ),
    mistakes=(
        mistake(
            "keepdims forgotten",
            "It drops the axes of size 1: sum over them with keepdims=True.",
            ("axis=repeated, keepdims=True", "axis=repeated"),
        ),
        mistake(
            "mean for sum",
            "It takes the mean over the axes that were repeated: each use adds its gradient.",
            ("dx.sum(axis=repeated, keepdims=True)",
             "dx.mean(axis=repeated, keepdims=True) if repeated else dx"),
        ),
        mistake(
            "mean over the added axes",
            "It takes the mean over the axes that were added at the front: each use adds its "
            "gradient.",
            ("dy.sum(axis=tuple(range(missing)))",
             "dy.mean(axis=tuple(range(missing))) if missing else dy"),
        ),
        mistake(
            "first of the added axes",
            "It takes the first row along the axes that were added, instead of the sum.",
            ("dy.sum(axis=tuple(range(missing)))", "dy[(0,) * missing]"),
        ),
        mistake(
            "added axes at the end",
            "It takes the last axes for those that were added. NumPy adds them at the front.",
            ("range(missing)", "range(len(shape), dy.ndim)"),
        ),
        mistake(
            "repeated axes ignored",
            "It sums over the axes that were added, but not over those of size 1.",
            ("    return dx.sum(axis=repeated, keepdims=True)", "    return dx"),
        ),
        mistake(
            "added axes ignored",
            "It does not sum over the axes that were added at the front.",
            ("dy.sum(axis=tuple(range(missing)))", "dy"),
            ("enumerate(shape)", "enumerate(shape, missing)"),
        ),
    ),
)  # fmt: skip

matmul = Exercise(
    solution.matmul_backward,
    inputs.matrices,
    returns="da, db",
    size="da (M, K) as a, db (K, N) as b",
    gradient=inputs.matmul_gradient,
    hints=(
        "Shapes leave one choice: how do you get (M, K) from (M, N) and (K, N)?",
        "y[m, n] is the sum of a[m, k] b[k, n], so da[m, k] is the sum over n of dy[m, n] b[k, n].",
    ),
    mistakes=(
        mistake(
            "not transposed",
            "It transposes nothing: da[m, k] is the sum over n of dy[m, n] b[k, n], which is "
            "dy @ b.T.",
            ("dy @ b.T, a.T @ dy", "dy @ b, a @ dy"),
        ),
        mistake(
            "results exchanged",
            "It returns db first: the order is da, db.",
            ("dy @ b.T, a.T @ dy", "a.T @ dy, dy @ b.T"),
        ),
        mistake(
            "factors exchanged",
            "The factors of each product are in the wrong order: da = dy @ b.T and db = a.T @ dy.",
            ("dy @ b.T, a.T @ dy", "b.T @ dy, dy @ a.T"),
        ),
        mistake(
            "results transposed",
            "Its gradients are transposed: a gradient has the shape of its input.",
            ("dy @ b.T, a.T @ dy", "b @ dy.T, dy.T @ a"),
        ),
        mistake(
            "dy forgotten",
            "It leaves out dy: that would be the gradient of the sum of all elements of y.",
            ("dy @ b.T, a.T @ dy", "np.ones_like(dy) @ b.T, a.T @ np.ones_like(dy)"),
        ),
        mistake(
            "mean over the rows",
            "It divides db by the number of rows: their contributions are added.",
            ("a.T @ dy", "a.T @ dy / len(dy)"),
        ),
        mistake(
            "second input forgotten",
            "It gives b no gradient: y depends on b as it does on a.",
            ("a.T @ dy", "np.zeros_like(b)"),
        ),
    ),
)

relu = Exercise(
    solution.relu_backward,
    inputs.signs,
    returns="dx",
    size="that of x",
    gradient=inputs.relu_gradient,
    hints=(
        "Where x > 0, y is x; everywhere else, y is 0.",
        "x > 0 is an array of True and False; np.where chooses by it.",
    ),
    mistakes=(
        mistake(
            "gradient at 0",
            "It lets the gradient through at x = 0, where it should be 0: compare with >, not >=.",
            ("x > 0", "x >= 0"),
        ),
        mistake(
            "sign of dy",
            "It asks whether dy is positive. What counts is whether x was.",
            ("x > 0", "dy > 0"),
        ),
        mistake(
            "dy forgotten",
            "It leaves out dy: 1 and 0 are the derivative of ReLU, to be multiplied by dy.",
            ("np.where(x > 0, dy, 0)", "(x > 0).astype(dy.dtype)"),
        ),
        mistake(
            "multiplied by x",
            "It multiplies dy by x: the derivative of ReLU is 1 where x > 0, whatever x is.",
            ("x > 0, dy", "x > 0, dy * x"),
        ),
        mistake(
            "derivative of the absolute value",
            "It passes -dy on where x is negative: that belongs to |x|. ReLU passes nothing on.",
            ("dy, 0)", "dy, np.where(x < 0, -dy, 0))"),
        ),
        mistake(
            "leaky",
            "It passes a little on where x is negative: that belongs to the leaky ReLU.",
            ("dy, 0)", "dy, np.where(x < 0, 0.01 * dy, 0))"),
        ),
        mistake(
            "dy changed in place",
            "It sets elements of dy to 0. That array belongs to the caller, who may need it: make "
            "a new one.",
            ("return np.where(x > 0, dy, 0)", "dy[x <= 0] = 0\n    return dy"),
        ),
    ),
)
