"""Exercises for notebook 6, cross-entropy. Check them with: minicnn course check 06

A dense layer makes scores x (N, C), one for each sample and class, of features (N, I). Softmax
makes probabilities of them, and the cross-entropy compares these with labels (N,), whole numbers
from 0 to C - 1.
"""

import numpy as np


def dense(x, w, b):
    """Return a dense layer's result, y = x w^T + b.

    Args:
        x: features, (N, I).
        w: weights, (O, I).
        b: biases, (O,).

    Returns:
        y: (N, O), of x's dtype.
    """
    return x @ w.T + b


def dense_grad(dy, x, w):
    """Return the gradients of dense with respect to x, w and b.

    Args:
        dy: the gradient that arrives at y, (N, O).
        x: (N, I).
        w: (O, I).

    Returns:
        dx, dw, db: (N, I), (O, I) and (O,), of dy's dtype.
    """
    return dy @ w, dy.T @ x, dy.sum(axis=0)


def softmax(x):
    """Return the probabilities of scores: p_c = exp(x_c) / sum over k of exp(x_k).

    Scores may be large: exp(1000) is infinite, but the probabilities of (1000, 0) are (1, 0).

    Args:
        x: scores, (N, C).

    Returns:
        p: (N, C), of x's dtype; each row adds up to 1.
    """
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_grad(dp, p):
    """Return the gradient of softmax with respect to the scores.

        dx_c = p_c (dp_c - sum over k of dp_k p_k).

    Args:
        dp: the gradient that arrives at the probabilities, (N, C).
        p: the probabilities, (N, C).

    Returns:
        dx: (N, C), of dp's dtype.
    """
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))


def log_softmax(x):
    """Return the logarithms of the probabilities.

        log p_c = x_c - log(sum over k of exp(x_k)).

    It must be exact where p is so small that it rounds to 0, and where scores are large.

    Args:
        x: scores, (N, C).

    Returns:
        log_p: (N, C), of x's dtype.
    """
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def cross_entropy(x, labels):
    """Return the mean over the samples of -log p of the label.

    Args:
        x: scores, (N, C). They may be large.
        labels: (N,), int64.

    Returns:
        a float.
    """
    log_p = log_softmax(x)
    return float(-log_p[np.arange(len(x)), labels].mean())


def cross_entropy_grad(x, labels):
    """Return the gradient of cross_entropy with respect to the scores.

        dx = (p - q) / N,  q = 1 at the label and 0 elsewhere.

    Args:
        x: scores, (N, C). They may be large.
        labels: (N,), int64.

    Returns:
        dx: (N, C), of x's dtype.
    """
    dx = softmax(x)
    dx[np.arange(len(x)), labels] -= 1
    return dx / len(x)
