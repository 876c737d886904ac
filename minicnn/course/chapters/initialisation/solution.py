"""Exercises for notebook 8, initialisation. Check them with: minicnn course check 08

Weights have the shape (O, I) in a dense layer and (F, C, KH, KW) in a convolution: first the
outputs, then the inputs, then the places of the kernel, if any. Random numbers come from rng, a
numpy.random.Generator. A function must draw just as it says, for then it gives the same weights as
the solution.
"""

import numpy as np


def fans(shape):
    """Return fan in and fan out of weights.

    Fan in is the number of inputs that one output is a sum of; fan out the number of outputs that
    one input goes into (away from the border, with stride 1).

    Args:
        shape: (O, I), or (F, C, ...) with any number of kernel sizes.

    Returns:
        fan_in, fan_out: two whole numbers.
    """
    places = int(np.prod(shape[2:]))
    return shape[1] * places, shape[0] * places


def gain(slope):
    """Return the gain of a leaky ReLU, y = x for x > 0 and slope x below.

    It is the factor for the weights' standard deviation that makes up for what the activation takes
    away: with it, gain^2 E[y^2] = E[x^2], where x is as often negative as positive. A slope of 0 is
    a ReLU, a slope of 1 no activation at all.

    Args:
        slope: a number.

    Returns:
        a float.
    """
    return np.sqrt(2 / (1 + slope**2))


def forward_size(mean_square, widths, std, slope):
    """Return the mean square of the values behind a stack of dense layers, as the theory has it.

    Layer i has widths[i] inputs and widths[i + 1] outputs, no bias, weights with mean 0 and
    standard deviation std, and then a leaky ReLU. Each layer multiplies the mean square by

        fan_in std^2 (1 + slope^2) / 2.

    Args:
        mean_square: E[x^2] of the values that go in.
        widths: a tuple (n_0, n_1, ..., n_L) for L layers.
        std: the weights' standard deviation, the same in all layers.
        slope: of the leaky ReLU.

    Returns:
        a float.
    """
    for fan_in in widths[:-1]:
        mean_square = mean_square * fan_in * std**2 * (1 + slope**2) / 2
    return mean_square


def backward_size(mean_square, widths, std, slope):
    """Return the mean square of the gradients that arrive in front of the same stack of layers.

    On the way back, one gradient is a sum over the outputs of its layer. The activation multiplies
    it by 1 or by slope, each half of the time.

    Args:
        mean_square: that of the gradients which arrive behind the last activation.
        widths, std, slope: as in forward_size.

    Returns:
        a float.
    """
    for fan_out in widths[1:]:
        mean_square = mean_square * fan_out * std**2 * (1 + slope**2) / 2
    return mean_square


def glorot_uniform(shape, rng, gain):
    """Return weights as Glorot and Bengio draw them, uniformly.

    They are uniform on [-a, a], with a such that

        Var(w) = gain^2 2 / (fan_in + fan_out).

    The variance of that distribution is a^2 / 3. Draw with one call, rng.uniform(-a, a, shape).

    Args:
        shape: (O, I), or (F, C, ...).
        rng: a numpy.random.Generator.
        gain: the factor for the standard deviation, a number.

    Returns:
        w: of this shape, float64.
    """
    fan_in, fan_out = fans(shape)
    a = gain * np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-a, a, shape)


def he_normal(shape, rng, slope, mode):
    """Return weights as He et al. draw them, from the normal distribution.

    Their mean is 0, and their standard deviation that which keeps the mean square through a layer
    with its leaky ReLU: that of the values, or that of the gradients. Draw with one call,
    rng.normal(0, std, shape).

    Args:
        shape: (O, I), or (F, C, ...).
        rng: a numpy.random.Generator.
        slope: of the leaky ReLU.
        mode: "fan_in" to keep the values, "fan_out" to keep the gradients.

    Returns:
        w: of this shape, float64.
    """
    fan_in, fan_out = fans(shape)
    fan = fan_in if mode == "fan_in" else fan_out
    std = gain(slope) / np.sqrt(fan)
    return rng.normal(0, std, shape)


def orthogonal(shape, rng, gain):
    """Return gain times a random matrix whose columns are orthonormal, or its rows if it is wide.

    Such a matrix keeps the length of vectors. Filters (F, C, ...) are taken as a matrix of F rows.

    1. Draw a = rng.standard_normal((n, k)), where n is the larger and k the smaller of the matrix's
       two sizes.
    2. a = q r, with np.linalg.qr(a). Then q (n, k) has orthonormal columns.
    3. Multiply column j of q by the sign of r[j, j]. With positive r[j, j] the factors are unique,
       and no direction is preferred.
    4. Transpose, if the matrix is wide.

    Args:
        shape: (O, I), or (F, C, ...).
        rng: a numpy.random.Generator.
        gain: a number.

    Returns:
        w: of this shape, float64.
    """
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    if rows < columns:
        q = q.T
    return gain * q.reshape(shape)
