"""Exercises for notebook 7, optimizers. Check them with: minicnn course check 07

A step takes a parameter p and the gradient g of the loss with respect to p, and returns the new p.
What an optimizer remembers is its *state*: arrays of p's shape, which begin as zeros. A step is
given the state of the step before and returns the new one. All operations are element by element,
and all arrays that are returned are new.
"""

import numpy as np


def sgd(p, g, lr):
    """Return the parameter after a step of gradient descent.

        p <- p - lr g

    Args:
        p, g: parameter and gradient, of one shape.
        lr: the learning rate.

    Returns:
        p: of the same shape and dtype.
    """
    return p - lr * g


def momentum(p, g, v, lr, mu):
    """Return parameter and velocity after a step with momentum (the heavy ball).

        v <- mu v + g
        p <- p - lr v

    Args:
        p, g: parameter and gradient, of one shape.
        v: the velocity, of p's shape.
        lr: the learning rate.
        mu: the share of the velocity that is kept.

    Returns:
        p, v: the new ones.
    """
    v = mu * v + g
    return p - lr * v, v


def nesterov(p, g, v, lr, mu):
    """Return parameter and velocity after a step with Nesterov's momentum.

    The velocity is that of momentum. The step goes where the ball would go next from there:

        v <- mu v + g
        p <- p - lr (g + mu v)

    Args:
        p, g: parameter and gradient, of one shape.
        v: the velocity, of p's shape.
        lr: the learning rate.
        mu: the share of the velocity that is kept.

    Returns:
        p, v: the new ones.
    """
    v = mu * v + g
    return p - lr * (g + mu * v), v


def adagrad(p, g, s, lr, eps):
    """Return parameter and sum of squares after a step of Adagrad.

        s <- s + g^2
        p <- p - lr g / (sqrt(s) + eps)

    Args:
        p, g: parameter and gradient, of one shape.
        s: for each element the sum of the squares of its gradients, of p's shape.
        lr: the learning rate.
        eps: keeps the denominator from being 0.

    Returns:
        p, s: the new ones.
    """
    s = s + g**2
    return p - lr * g / (np.sqrt(s) + eps), s


def rmsprop(p, g, s, lr, alpha, eps):
    """Return parameter and average of squares after a step of RMSprop.

        s <- alpha s + (1 - alpha) g^2
        p <- p - lr g / (sqrt(s) + eps)

    Args:
        p, g: parameter and gradient, of one shape.
        s: for each element the moving average of the squares of its gradients, of p's shape.
        lr: the learning rate.
        alpha: the share of the average that is kept.
        eps: keeps the denominator from being 0.

    Returns:
        p, s: the new ones.
    """
    s = alpha * s + (1 - alpha) * g**2
    return p - lr * g / (np.sqrt(s) + eps), s


def adam(p, g, m, v, t, lr, beta1, beta2, eps):
    """Return parameter and both averages after a step of Adam.

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr m_hat / (sqrt(v_hat) + eps)

    Both averages begin at 0 and are too small at first. m_hat and v_hat are corrected for that:
    m_hat = m / (1 - beta1^t) and v_hat = v / (1 - beta2^t).

    Args:
        p, g: parameter and gradient, of one shape.
        m, v: the moving averages of the gradients and of their squares, of p's shape.
        t: the number of this step; the first is 1.
        lr: the learning rate.
        beta1, beta2: the shares of m and of v that are kept.
        eps: keeps the denominator from being 0.

    Returns:
        p, m, v: the new ones; m and v without the correction.
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def adamw(p, g, m, v, t, lr, beta1, beta2, eps, decay):
    """Return parameter and both averages after a step of AdamW.

    The weights shrink by themselves; the averages know nothing of it:

        p <- (1 - lr decay) p,  then Adam's step with the plain g.

    Args:
        p, g: parameter and gradient, of one shape.
        m, v: the moving averages of the gradients and of their squares, of p's shape.
        t: the number of this step; the first is 1.
        lr: the learning rate.
        beta1, beta2: the shares of m and of v that are kept.
        eps: keeps the denominator from being 0.
        decay: the strength of the weight decay.

    Returns:
        p, m, v: the new ones; m and v without the correction.
    """
    return adam((1 - lr * decay) * p, g, m, v, t, lr, beta1, beta2, eps)
