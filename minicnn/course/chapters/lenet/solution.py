"""Exercises for notebook 9, LeNet-5. Check them with: minicnn course check 09

A shape is that of one sample: (C, H, W) for images, (I,) for a list of features. Kernels and
windows are square, and `size` is their side. Labels are whole numbers from 0 on.
"""

import numpy as np


def conv(shape, filters, size, stride, padding):
    """Count a convolution with a bias: its result's shape, its parameters and its multiply-adds.

    Only products of an input with a weight are counted; adding the bias is free.

    Args:
        shape: that of the input, (C, H, W).
        filters: their number, F.
        size: side of the kernels, K.
        stride: S.
        padding: zeros on each of the four sides, P.

    Returns:
        out: the shape of the result, (F, OH, OW).
        parameters, work: whole numbers.
    """
    channels, height, width = shape
    oh = (height + 2 * padding - size) // stride + 1
    ow = (width + 2 * padding - size) // stride + 1
    weights = channels * size**2  # of one filter
    return (filters, oh, ow), filters * (weights + 1), filters * oh * ow * weights


def pool(shape, size, stride):
    """Count a pooling layer in the same way; a pixel of a window is one operation. (Given.)"""
    channels, height, width = shape
    oh, ow = (height - size) // stride + 1, (width - size) // stride + 1
    return (channels, oh, ow), 0, channels * oh * ow * size**2


def network(shape, layers):
    """Count a whole network.

    Args:
        shape: that of the input, (C, H, W).
        layers: a list of tuples, in the order of the layers:
            ("conv", filters, size, stride, padding), counted as by conv;
            ("pool", size, stride), counted as by pool;
            ("relu",), without parameters, and free;
            ("flatten",), which makes a list of features of images; free as well;
            ("dense", outputs), of a list of features. It has weights and biases; again only
            products are counted.

    Returns:
        shapes: a list with the shape after each layer.
        parameters, work: whole numbers, the sums over all layers.
    """
    shapes, parameters, work = [], 0, 0
    for kind, *sizes in layers:
        own, own_work = 0, 0
        if kind == "conv":
            shape, own, own_work = conv(shape, *sizes)
        elif kind == "pool":
            shape, own, own_work = pool(shape, *sizes)
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind == "dense":
            inputs, outputs = shape[0], sizes[0]
            shape, own, own_work = (outputs,), outputs * (inputs + 1), outputs * inputs
        shapes.append(shape)
        parameters += own
        work += own_work
    return shapes, parameters, work


def standardise(train, test):
    """Give the training images mean 0 and standard deviation 1, and treat the others likewise.

        (x - mean) / std,

    where mean and std are those of the channel, over all images and pixels of `train`, for both.
    The square of std is the mean of (x - mean)^2. Where a channel is constant std is 0: take 1.

    Args:
        train: (N, C, H, W), uint8 or floats.
        test: (M, C, H, W), of the same dtype.

    Returns:
        train_x, test_x: (N, C, H, W) and (M, C, H, W), float32.
    """
    mean = train.mean(axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1)
    std = train.std(axis=(0, 2, 3), keepdims=True)
    std = np.where(std == 0, 1, std)
    return ((train - mean) / std).astype(np.float32), ((test - mean) / std).astype(np.float32)


def minibatches(n, batch_size, rng):
    """Return the numbers of the samples in batches, for one epoch in random order.

    Every number from 0 to n - 1 occurs once. The order is that of rng.permutation(n), called
    once; the first batch has its first `batch_size` numbers, and so on. The last batch has what is
    left, and is smaller where batch_size does not divide n.

    Args:
        n: the number of samples, at least 1.
        batch_size: at least 1.
        rng: a numpy.random.Generator.

    Returns:
        batches: a list of arrays of int64.
    """
    order = rng.permutation(n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


def train_epoch(model, optimizer, loss_fn, batches):
    """Train a network for one epoch: one step of the optimizer for each batch.

    The objects are those of minicnn (or PyTorch):

        model.train()          switches to training; the model may come in evaluation
        model(x)               the network's outputs
        loss_fn(outputs, y)    a loss, the mean over the batch
        loss.backward()        adds the loss's gradients to those that the parameters have
        loss.item()            its number
        optimizer.zero_grad()  forgets the gradients
        optimizer.step()       changes the parameters by their gradients

    Args:
        model, optimizer, loss_fn: as above.
        batches: a list of pairs (x, y); len(y) is the number of samples, which may differ.

    Returns:
        loss: a float, the mean over all samples. Each batch counts with the loss that its step
            was computed from.
    """
    model.train()
    total, samples = 0.0, 0
    for x, y in batches:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        samples += len(y)
    return total / samples


def accuracy(scores, labels):
    """Return the share of samples whose label has the largest score.

    Args:
        scores: (N, C).
        labels: (N,), int64.

    Returns:
        share: a float from 0 to 1.
    """
    return float((scores.argmax(axis=1) == labels).mean())


def confusion_matrix(labels, predictions, classes):
    """Count how often each class was taken for each.

    Args:
        labels: the true classes, (N,), int64.
        predictions: the guesses, (N,), int64.
        classes: the number of classes, C; not all of them need to occur.

    Returns:
        matrix: (C, C), int64. Row i, column j: samples of class i that were taken for j.
    """
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for label, prediction in zip(labels, predictions, strict=True):
        matrix[label, prediction] += 1
    return matrix
