"""Exercises for notebook 1, tensors and the tape. Check them with: minicnn course check 01

dy always is the gradient that arrives at a result y: the derivative of the final result with
respect to y. Each backward function returns the gradients that go on to the inputs.
"""

import numpy as np


def add_backward(dy, a, b):
    """Return the gradients of the inputs of y = a + b.

    Args:
        dy, a, b: numbers.

    Returns:
        da, db: numbers.
    """
    return dy, dy


def mul_backward(dy, a, b):
    """Return the gradients of the inputs of y = a b.

    Args:
        dy, a, b: numbers.

    Returns:
        da, db: numbers.
    """
    return dy * b, dy * a


def div_backward(dy, a, b):
    """Return the gradients of the inputs of y = a / b.

    Args:
        dy, a, b: numbers.

    Returns:
        da, db: numbers.
    """
    return dy / b, -dy * a / (b * b)


def tanh_backward(dy, y):
    """Return the gradient of the input of y = tanh(x), from the result y.

    The tape has y at hand, so tanh need not be computed again.

    Args:
        dy, y: numbers.

    Returns:
        dx: a number.
    """
    return dy * (1 - y * y)


def topological_order(output, parents):
    """Return the nodes that a result was computed from, each after all of its parents.

    The order is that of a depth-first walk: first come the first parent and all that it needs, then
    the second parent with what is not there yet, and so on, and then the node itself.

    Args:
        output: the name of the result.
        parents: a dict from the name of each node to a tuple with the names of the nodes that it
            was computed from, () for an input. It may have nodes that the result does not need.

    Returns:
        order: a list of names, each once; the last is `output`.
    """
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for parent in parents[name]:
                visit(parent)
            order.append(name)

    visit(output)
    return order


def backward(output, parents, slopes):
    """Return the derivative of a result with respect to every node it was computed from.

    Args:
        output: the name of the result.
        parents: as in topological_order. A node may be used by several others, and may be a
            parent twice, as x is in y = x x.
        slopes: a dict from the name of each node to a tuple with its derivatives with respect to
            its parents, in their order.

    Returns:
        gradients: a dict from names to numbers; that of `output` is 1.
    """
    gradients = {output: 1.0}
    for name in reversed(topological_order(output, parents)):
        for parent, slope in zip(parents[name], slopes[name], strict=True):
            gradients[parent] = gradients.get(parent, 0.0) + gradients[name] * slope
    return gradients


def unbroadcast(dy, shape):
    """Return the gradient of an input that was broadcast.

    NumPy lets shapes differ: axes that are missing at the front are added, and axes of size 1 are
    repeated. What was used several times gets the sum of all gradients.

    Args:
        dy: array of the shape that the input was broadcast to.
        shape: a tuple, the shape that the input has.

    Returns:
        dx: array of this shape, of dy's dtype.
    """
    missing = dy.ndim - len(shape)
    dx = dy.sum(axis=tuple(range(missing)))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return dx.sum(axis=repeated, keepdims=True)


def matmul_backward(dy, a, b):
    """Return the gradients of the inputs of the matrix product y = a b.

    Args:
        dy: (M, N).
        a: (M, K).
        b: (K, N).

    Returns:
        da, db: (M, K) and (K, N).
    """
    return dy @ b.T, a.T @ dy


def relu_backward(dy, x):
    """Return the gradient of the input of y = max(x, 0).

    Args:
        dy, x: arrays of the same shape.

    Returns:
        dx: array of this shape and of dy's dtype. At x = 0, where there is no derivative, it is 0.
    """
    return np.where(x > 0, dy, 0)
