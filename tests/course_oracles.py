"""What the course's solutions must agree with: minicnn's own operations, or NumPy's.

A name such as "03.conv2d" -> a function of the same arguments. Derivatives are taken by minicnn.
"""

import copy
from functools import partial
from itertools import pairwise

import numpy as np

import minicnn
import minicnn.nn.functional as F
from minicnn import optim
from minicnn.nn import init


def plain(function):
    """Return a function of arrays for a function of tensors."""

    def run(*arguments):
        given = [minicnn.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
        return function(*given).array

    return run


def gradients(function, inputs, dy):
    """Return the gradients that minicnn computes of a function of tensors."""
    xs = [minicnn.tensor(x, requires_grad=True) for x in inputs]
    y = function(*xs)
    dxs = minicnn.autograd.grad([y], xs, [minicnn.tensor(np.asarray(dy)).to(y.dtype)])
    return tuple(dx.array for dx in dxs)


def of_two_numbers(function):
    def run(dy, a, b):
        found = gradients(function, (np.float64(a), np.float64(b)), np.float64(dy))
        return tuple(float(g) for g in found)

    return run


def backward(output, parents, slopes):
    """The derivative of the result is the sum over all ways to it, of the products of slopes."""

    def derivative(name, target):
        if name == target:
            return 1.0
        steps = zip(parents[name], slopes[name], strict=True)
        return sum(slope * derivative(parent, target) for parent, slope in steps)

    def above(name):
        return {name}.union(*(above(parent) for parent in parents[name]))

    return {name: float(derivative(output, name)) for name in above(output)}


def unbroadcast(dy, shape):
    x = np.zeros(shape, dtype=dy.dtype)
    return gradients(lambda x: x.expand(dy.shape), (x,), dy)[0]


def central(f, x, step):
    points = np.array([x - step, x + step])
    return np.diff([f(point) for point in points])[0] / np.diff(points)[0]


def jacobian(f, x, step):
    """All central differences at once: rows are elements of x."""
    x = np.asarray(x, dtype=np.float64)
    moves = step * np.eye(x.size).reshape(x.size, *x.shape)
    return np.stack([(f(x + move) - f(x - move)) / (2 * step) for move in moves])


def conv2d_input_grad(dy, w, input_hw, stride, padding, dilation, groups):
    x = np.zeros((dy.shape[0], w.shape[1] * groups, *input_hw), dtype=dy.dtype)
    weight = minicnn.tensor(w)
    return gradients(
        lambda x: F.conv2d(x, weight, None, stride, padding, dilation, groups), (x,), dy
    )[0]


def conv2d_weight_grad(dy, x, kernel_hw, stride, padding, dilation, groups):
    w = np.zeros((dy.shape[1], x.shape[1] // groups, *kernel_hw), dtype=dy.dtype)
    images = minicnn.tensor(x)
    return gradients(
        lambda w: F.conv2d(images, w, None, stride, padding, dilation, groups), (w,), dy
    )[0]


def windows(x, kernel_hw, stride, padding, dilation):
    """Return a view (N, C, OH, OW, KH, KW) of the padded images."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = [dilation * (k - 1) + 1 for k in kernel_hw]
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return views[:, :, ::stride, ::stride, ::dilation, ::dilation]


def im2col(x, kernel_hw, stride, padding, dilation):
    views = windows(x, kernel_hw, stride, padding, dilation).transpose(1, 4, 5, 0, 2, 3)
    return views.reshape(-1, views[0, 0, 0].size)


def avg_pool(x, kernel_hw, stride, padding, count_include_pad):
    return F.avg_pool2d(minicnn.tensor(x), kernel_hw, stride, padding, False, count_include_pad)


def avg_pool_grad(dy, input_hw, kernel_hw, stride, padding, count_include_pad):
    x = np.zeros((*dy.shape[:2], *input_hw), dtype=dy.dtype)
    return gradients(
        lambda x: F.avg_pool2d(x, kernel_hw, stride, padding, False, count_include_pad), (x,), dy
    )[0]


def batch_norm_grad(dy, x, weight, eps):
    bias = np.zeros_like(weight)
    return gradients(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=eps),
        (x, weight, bias),
        dy,
    )


def update_running(running_mean, running_var, x, momentum):
    mean, var = minicnn.tensor(running_mean), minicnn.tensor(running_var)
    F.batch_norm(minicnn.tensor(x), mean, var, training=True, momentum=momentum)
    return mean.array, var.array


def fold(filters, weight, bias, mean, var, eps):
    """A convolution of images with one pixel set shows each filter element; of zeros, the bias."""
    parameters = [minicnn.tensor(v) for v in (mean, var, weight, bias)]

    def layers(x):
        y = F.conv2d(minicnn.tensor(x), minicnn.tensor(filters))
        return F.batch_norm(y, *parameters, eps=eps).array[:, :, 0, 0]  # (images, F)

    size = filters[0].size
    pixels = np.eye(size, dtype=filters.dtype).reshape(size, *filters.shape[1:])
    new_bias = layers(np.zeros_like(pixels[:1]))[0]
    return (layers(pixels) - new_bias).T.reshape(filters.shape), new_bias


ORACLES = {
    "01.add_backward": of_two_numbers(lambda a, b: a + b),
    "01.mul_backward": of_two_numbers(lambda a, b: a * b),
    "01.div_backward": of_two_numbers(lambda a, b: a / b),
    "01.tanh_backward": lambda dy, y: gradients(lambda x: x.tanh(), (np.arctanh(y),), dy)[0],
    "01.backward": backward,
    "01.unbroadcast": unbroadcast,
    "01.matmul_backward": lambda dy, a, b: gradients(lambda a, b: a @ b, (a, b), dy),
    "01.relu_backward": lambda dy, x: gradients(lambda x: x.relu(), (x,), dy)[0],
    "02.central_difference": central,
    "02.one_sided_slopes": lambda f, x, step: (
        central(f, x - step / 2, step / 2),
        central(f, x + step / 2, step / 2),
    ),
    "02.numerical_gradient": lambda f, x, step: jacobian(f, x, step).reshape(x.shape),
    "02.numerical_vjp": lambda f, x, dy, step: np.tensordot(
        jacobian(f, x, step), dy, dy.ndim
    ).reshape(x.shape),
    "02.directional_check": lambda f, x, dx, direction, step: (
        np.vdot(dx, direction),
        central(lambda t: f(x + t * direction), 0.0, step),
    ),
    "02.relative_error": lambda a, b: max(
        abs(i - j) / max(1, abs(i), abs(j)) for i, j in zip(a.flat, b.flat, strict=True)
    ),
    "03.conv2d_loops": plain(F.conv2d),
    "03.conv2d": plain(F.conv2d),
    "03.im2col": im2col,
    "03.conv2d_input_grad": conv2d_input_grad,
    "03.conv2d_weight_grad": conv2d_weight_grad,
    "03.conv2d_bias_grad": lambda dy: np.einsum("nfhw->f", dy),
    "03.output_size": lambda *sizes: len(
        range(0, sizes[0] + 2 * sizes[3] - sizes[4] * (sizes[1] - 1), sizes[2])
    ),
    "04.max_pool": plain(F.max_pool2d),
    "04.max_pool_grad": lambda dy, x, *options: gradients(
        lambda x: F.max_pool2d(x, *options), (x,), dy
    )[0],
    "04.avg_pool": lambda *arguments: avg_pool(*arguments).array,
    "04.avg_pool_grad": avg_pool_grad,
    "05.batch_norm": lambda x, w, b, eps: plain(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=eps)
    )(x, w, b),
    "05.batch_norm_grad": batch_norm_grad,
    "05.update_running": update_running,
    "05.batch_norm_eval": lambda x, w, b, mean, var, eps: plain(
        lambda x, mean, var, w, b: F.batch_norm(x, mean, var, w, b, eps=eps)
    )(x, mean, var, w, b),
    "05.fold": fold,
    "06.dense": plain(F.linear),
    "06.dense_grad": lambda dy, x, w: gradients(F.linear, (x, w, np.zeros(len(w), w.dtype)), dy),
    "06.softmax": lambda x: plain(F.softmax)(x, 1),
    "06.softmax_grad": lambda dp, p: gradients(lambda x: F.softmax(x, 1), (np.log(p),), dp)[0],
    "06.log_softmax": lambda x: plain(F.log_softmax)(x, 1),
    "06.cross_entropy": lambda x, labels: float(plain(F.cross_entropy)(x, labels)),
    "06.cross_entropy_grad": lambda x, labels: gradients(
        lambda x: F.cross_entropy(x, minicnn.tensor(labels)), (x,), np.float64(1)
    )[0],
}


def stepped(kind, names, options):
    """Return what an optimizer of minicnn makes of p, g and the state that it is given."""

    def step(p, g, *arguments):
        given = dict(zip((*names, *options.split()), arguments, strict=True))
        if "beta1" in given:
            given["betas"] = given.pop("beta1"), given.pop("beta2")
        parameter = minicnn.tensor(p, requires_grad=True)
        state = {name: minicnn.tensor(given.pop(name)) for name in names}
        optimizer = kind([parameter], **{k: v for k, v in given.items() if k != "t"})
        optimizer.state[parameter] = {"step": given.get("t", 1) - 1.0, **state}
        parameter.grad = minicnn.tensor(g)
        optimizer.step()
        kept = [state[name].array for name in names]
        return (parameter.array, *kept) if kept else parameter.array

    return step


VELOCITY, MOMENTS = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
ORACLES |= {
    "07.sgd": stepped(optim.SGD, (), "lr"),
    "07.momentum": stepped(optim.SGD, VELOCITY, "lr momentum"),
    "07.nesterov": stepped(partial(optim.SGD, nesterov=True), VELOCITY, "lr momentum"),
    "07.adagrad": stepped(optim.Adagrad, ("sum",), "lr eps"),
    "07.rmsprop": stepped(optim.RMSprop, ("square_avg",), "lr alpha eps"),
    "07.adam": stepped(optim.Adam, MOMENTS, "t lr beta1 beta2 eps"),
    "07.adamw": stepped(optim.AdamW, MOMENTS, "t lr beta1 beta2 eps weight_decay"),
}


def filled(function):
    """Return a function of shape, rng and options for one that fills a tensor."""

    def draw(shape, rng, *options):
        stream = minicnn.Generator()
        stream.numpy = copy.deepcopy(rng)
        weights = minicnn.empty(*shape, dtype=minicnn.float64)
        return function(weights, *options, generator=stream).array

    return draw


def leaky_gain(slope):
    return float(init.calculate_gain("leaky_relu", slope))


def through(mode):
    """Compare with the weights that keep the size: the factor of each layer is (std / theirs)^2."""

    def size(mean_square, widths, std, slope):
        layers = [minicnn.empty(o, i) for i, o in pairwise(widths)]
        theirs = [leaky_gain(slope) / init._fan(w, mode) ** 0.5 for w in layers]
        return mean_square * float(np.prod([(std / one) ** 2 for one in theirs]))

    return size


ORACLES |= {
    "08.fans": lambda shape: init._calculate_fan_in_and_fan_out(minicnn.empty(*shape)),
    "08.gain": leaky_gain,
    "08.forward_size": through("fan_in"),
    "08.backward_size": through("fan_out"),
    "08.glorot_uniform": filled(init.xavier_uniform_),
    "08.he_normal": filled(init.kaiming_normal_),
    "08.orthogonal": filled(init.orthogonal_),
}


# ------------------------------------------------------------------------------- 09: LeNet-5


def layer_of(shape, kind, sizes):
    """Return the layer of a network that is described by a tuple."""
    nn = minicnn.nn
    if kind == "conv":
        filters, size, stride, padding = sizes
        return nn.Conv2d(shape[0], filters, size, stride, padding)
    if kind == "dense":
        return nn.Linear(shape[0], sizes[0])
    return {"pool": nn.MaxPool2d, "relu": nn.ReLU, "flatten": nn.Flatten}[kind](*sizes)


def network(shape, layers):
    """What running the layers, and minicnn's own summary of each, say."""
    shapes, parameters, work = [], 0, 0
    for kind, *sizes in layers:
        layer = layer_of(shape, kind, sizes)
        found = minicnn.summary(minicnn.nn.Sequential(layer), shape)
        parameters, work = parameters + found.total_params, work + found.multiply_adds
        shape = tuple(layer(minicnn.zeros(1, *shape)).shape[1:])
        shapes.append(shape)
    return shapes, parameters, work


def conv(shape, *sizes):
    shapes, parameters, work = network(shape, [("conv", *sizes)])
    return shapes[0], parameters, work


def standardise(train, test):
    """Batch normalisation in evaluation, with the statistics of the training images."""
    pixels = minicnn.tensor(train).double().transpose(0, 1).flatten(1)  # (C, N H W)
    mean, var = pixels.mean(1), pixels.var(1, correction=0)
    var = minicnn.tensor(np.where(var.array == 0, 1, var.array))
    return tuple(
        F.batch_norm(minicnn.tensor(x).double(), mean, var, eps=0.0).float().array
        for x in (train, test)
    )


def minibatches(n, batch_size, rng):
    left, batches = list(copy.deepcopy(rng).permutation(n)), []
    while left:
        batches.append(np.array(left[:batch_size]))
        del left[:batch_size]
    return batches


def train_epoch(*given):
    model, optimizer, loss_fn, batches = copy.deepcopy(given)
    trainer = minicnn.training.Trainer(model, optimizer, loss_fn)
    return trainer.fit(batches, epochs=1, verbose=False)["loss"][0]


ORACLES |= {
    "09.conv": conv,
    "09.network": network,
    "09.standardise": standardise,
    "09.minibatches": minibatches,
    "09.train_epoch": train_epoch,
    "09.accuracy": lambda scores, labels: minicnn.training.metrics.accuracy(
        *map(minicnn.tensor, (scores, labels))
    ).item(),
    "09.confusion_matrix": lambda labels, predictions, classes: (
        minicnn.training.metrics.confusion_matrix(predictions, labels, classes)
    ),
}
