"""Exercises for notebook 5, batch normalisation. Check them with: minicnn course check 05

Images are x (N, C, H, W); weight, bias, mean and variance have one number for each channel, (C,).
A *batch* is all N H W numbers of a channel.
"""

import numpy as np


def batch_norm(x, weight, bias, eps):
    """Normalise each channel over the batch, then scale and shift it.

        y = weight (x - mean) / sqrt(var + eps) + bias,

    where mean and var are those of the channel in this batch, and var is the mean of
    (x - mean)^2.

    Args:
        x: (N, C, H, W).
        weight, bias: (C,).
        eps: a number that keeps the root from being 0.

    Returns:
        y: (N, C, H, W), of x's dtype.
    """
    mean = x.mean(axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1)
    var = ((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return weight[:, None, None] * x_hat + bias[:, None, None]


def batch_norm_grad(dy, x, weight, eps):
    """Return the gradients of batch_norm with respect to x, weight and bias.

    Mean and variance depend on x too. With x_hat = (x - mean) r, r = 1 / sqrt(var + eps), and means
    over the batch,

        dx = weight r (dy - mean(dy) - x_hat mean(dy x_hat)).

    Args:
        dy: the gradient that arrives at y, (N, C, H, W).
        x: (N, C, H, W).
        weight: (C,).
        eps: as in batch_norm.

    Returns:
        dx, dweight, dbias: (N, C, H, W), (C,) and (C,), of dy's dtype.
    """
    batch = (0, 2, 3)
    mean = x.mean(axis=batch, keepdims=True)
    var = x.var(axis=batch, keepdims=True)
    r = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * r
    along_one = dy.mean(axis=batch, keepdims=True)
    along_x = (dy * x_hat).mean(axis=batch, keepdims=True)
    dx = weight[:, None, None] * r * (dy - along_one - x_hat * along_x)
    return dx, (dy * x_hat).sum(axis=batch), dy.sum(axis=batch)


def update_running(running_mean, running_var, x, momentum):
    """Return the running mean and variance after one more batch.

    Both move a part `momentum` of the way to the new batch's:

        running = (1 - momentum) running + momentum new.

    The variance that is added is the unbiased one: the sum of (x - mean)^2 over n - 1, with n the
    number of values in the batch.

    Args:
        running_mean, running_var: (C,). They are not changed.
        x: (N, C, H, W), with at least two values in a channel.
        momentum: between 0 and 1, usually 0.1.

    Returns:
        mean, var: (C,), of x's dtype.
    """
    mean = x.mean(axis=(0, 2, 3))
    var = x.var(axis=(0, 2, 3), ddof=1)
    mean = (1 - momentum) * running_mean + momentum * mean
    var = (1 - momentum) * running_var + momentum * var
    return mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm_eval(x, weight, bias, running_mean, running_var, eps):
    """Normalise with the running statistics, as in evaluation.

        y = weight (x - running_mean) / sqrt(running_var + eps) + bias.

    An image's result does not depend on the others in the batch.

    Args:
        x: (N, C, H, W).
        weight, bias, running_mean, running_var: (C,).
        eps: as in batch_norm.

    Returns:
        y: (N, C, H, W), of x's dtype.
    """
    scale = weight / np.sqrt(running_var + eps)
    shift = bias - running_mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def fold(filters, weight, bias, running_mean, running_var, eps):
    """Return filters and a bias so that one convolution does what two layers did.

    A convolution without a bias, followed by batch normalisation in evaluation, is one convolution
    with a bias.

    Args:
        filters: of the convolution, (F, C, KH, KW).
        weight, bias, running_mean, running_var: of the normalisation of its F channels, (F,).
        eps: as in batch_norm.

    Returns:
        new_filters, new_bias: (F, C, KH, KW) and (F,), of the dtype of the filters.
    """
    scale = weight / np.sqrt(running_var + eps)
    return filters * scale[:, None, None, None], bias - running_mean * scale
