"""From a wrong Jacobian to its likely cause: the mistakes that people make leave patterns.

The backward pass gives A, finite differences give N; rows are elements of the input, columns
elements of the output. A = -N is a sign, A = 2 N a factor, A = 0 a cut graph, and so on.

Tutorial: tutorials/02_gradient_checking.ipynb
"""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor

Matrix = np.ndarray
CLOSE = 1e-3  # two numbers whose ratio is this near to 1 are taken for the same


def likely_cause(a: Matrix, n: Matrix, wrong: Matrix, x: Tensor, whole: bool, order: int) -> str:
    """Return the likely cause in a sentence; `whole`: a has all elements of x as rows."""
    if x.dtype != np.float64:
        return (
            f"precision: the input is {x.dtype}, in which the difference of two values this near "
            "has "
            "hardly a correct digit. Use float64: x.double(), model.double()"
        )
    found = _nothing(a, n) or _not_finite(a) or _factor(a, n, x) or _part(a, n, wrong)
    found = found or (_transposed(a, n, x) if whole else None) or _misplaced(a, n)
    if order == 2:
        return (
            "the first derivative is right and its own derivative is not, so a forward kept a "
            "value on "
            "self that is not piecewise constant, or a derivative was computed on arrays (.array, "
            ".data, "
            f"detach()) instead of tensors{'; here ' + found if found else ''}"
        )
    return found or (
        "no simple pattern. Compare the terms of the derivative with its formula; fast_mode=False "
        "and the "
        "smallest input that fails show the whole Jacobian's error"
    )


def _same(a: Matrix, b: Matrix) -> bool:
    scale = float(np.max(np.abs(b), initial=0.0))
    return bool(np.all(np.abs(a - b) <= CLOSE * scale))


def _nothing(a: Matrix, n: Matrix) -> str | None:
    if a.any():
        return None
    return (
        "the backward pass gives no gradient at all: detach(), .data, .numpy(), no_grad() or a "
        "tensor "
        "made anew from numbers cuts the graph between this input and the output"
    )


def _not_finite(a: Matrix) -> str | None:
    if np.isfinite(a).all():
        return None
    return (
        "the backward pass divides by zero or overflows where the forward pass does not. A where() "
        "around "
        "the result does not help, since 0 * inf is NaN: put it around the input of the division "
        "too"
    )


def _factor(a: Matrix, n: Matrix, x: Tensor) -> str | None:
    big = np.abs(n) > CLOSE * np.max(np.abs(n), initial=0.0)
    if not big.any() or _same(a, n):
        return None
    factor = float(np.median(a[big] / n[big]))
    if not _same(a, factor * n):
        return None
    if abs(factor + 1) < CLOSE:
        return "the sign: the gradient is -1 times what it should be"
    for size in {*x.shape, n.shape[1], n.size}:
        if size > 2 and (abs(factor * size - 1) < CLOSE or abs(factor / size - 1) < CLOSE):
            return (
                f"a factor of {factor:.6g}, and {size} is a number of elements here: a sum where a "
                "mean belongs, "
                "or a mean where a sum belongs"
            )
    if abs(factor - 0.5) < CLOSE:
        return (
            "a factor of 0.5: the 2 of a square was lost, or of a value that is used twice, "
            "one use counts"
        )
    if abs(factor - 2) < CLOSE:
        return "a factor of 2: something is counted twice"
    return f"a factor: the gradient is {factor:.6g} times what it should be, everywhere"


def _part(a: Matrix, n: Matrix, wrong: Matrix) -> str | None:
    """Some of the gradient is right and the rest is missing."""
    if (a[wrong] != 0).any() or not (n[~wrong] != 0).any():
        return None
    lost_rows, lost_columns = _lost(wrong, n, axis=1), _lost(wrong, n, axis=0)
    if lost_columns.any() and not lost_rows.any():
        return (
            f"{int(lost_columns.sum())} of {n.shape[1]} outputs compared pass no gradient back: a "
            "missing sum over "
            "the batch, or over what was broadcast; or only the first of several samples is used"
        )
    if lost_rows.any() and not (n[lost_rows] == 0).all() and not wrong[~lost_rows].any():
        return (
            f"{int(lost_rows.sum())} of {n.shape[0]} elements of the input get no gradient: they "
            "were detached, "
            "copied through numbers, or the derivative fills only a part of its result"
        )
    return (
        "part of the gradient is right and part is zero: a missing term, or elements that were "
        "detached or "
        "overwritten; where a value is used several times, its gradients must be added"
    )


def _lost(wrong: Matrix, n: Matrix, axis: int) -> Matrix:
    """Return which rows (axis 1) or columns (axis 0) have a gradient, and none of it right."""
    return ((n != 0).sum(axis) > 0) & (wrong.sum(axis) == (n != 0).sum(axis))


def _transposed(a: Matrix, n: Matrix, x: Tensor) -> str | None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return None
    turned = a.reshape(*x.shape, -1).swapaxes(x.ndim - 2, x.ndim - 1).reshape(a.shape)
    return (
        "the gradient is transposed: its last two dimensions are exchanged"
        if _same(turned, n)
        else None
    )


def _misplaced(a: Matrix, n: Matrix) -> str | None:
    if not _same(np.sort(a, axis=None), np.sort(n, axis=None)):
        return None
    return "the right values at the wrong places: an index is flipped, shifted or transposed"
