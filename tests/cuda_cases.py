"""What CUDA kernels are tried on: arguments for every kernel, of many shapes, dtypes and layouts.

Each strategy draws the arguments of one kernel of `minicnn.kernels.TABLE`, arrays as NumPy's.
"""

from __future__ import annotations

import numpy as np
from cuda_conv_cases import arguments as convolutions
from hypothesis import strategies as st

from minicnn.kernels import TABLE, loss
from minicnn.kernels.geometry import output_size

DTYPES = ("float32", "float64", "float16")
DTYPE = st.sampled_from(DTYPES)


def numbers(draw, shape, dtype, order=None):
    """Draw an array of this shape that lies in memory in the order of axes `order`."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    order = list(range(len(shape))) if order is None else order
    x = np.asarray(rng.standard_normal([shape[axis] for axis in order]), dtype)
    return x.transpose(sorted(range(len(shape)), key=order.__getitem__))


def wide(dtype):
    return "float64" if dtype == "float64" else "float32"


@st.composite
def norms(draw):
    """(x, w, b, groups, eps), some x far from zero."""
    dtype = draw(DTYPE)
    groups = draw(st.integers(1, 5))
    channels = groups * draw(st.sampled_from((1, 2, 4, 8, 33)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 700)), channels)
    x = numbers(draw, shape, dtype) + np.array(draw(st.sampled_from((0, 3))), dtype)
    w, b = numbers(draw, (channels,), wide(dtype)), numbers(draw, (channels,), wide(dtype))
    return x, w, b, draw(st.sampled_from((groups, channels))), 1e-5


@st.composite
def norm_gradients(draw):
    """(dy, x, w, mean, inv_std)."""
    x, w, _, groups, eps = draw(norms())
    parts = x.astype("float64").reshape(*x.shape[:2], groups, -1)
    mean, var = parts.mean((1, 3)), parts.var((1, 3))
    inv_std = 1 / np.sqrt(var + max(eps, 1e-2))
    return numbers(draw, x.shape, x.dtype), x, w, mean.astype(w.dtype), inv_std.astype(w.dtype)


@st.composite
def scalings(draw):
    """(x, scale, shift)."""
    dtype = draw(st.sampled_from(("float32", "float64")))
    shape = (1, draw(st.integers(1, 300)), draw(st.integers(1, 70)))
    return tuple(numbers(draw, size, dtype) for size in (shape, shape[2:], shape[2:]))


@st.composite
def sums(draw):
    """(x, dim, keepdim)."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    shape[0] *= draw(st.sampled_from((1, 1, 90)))
    order = draw(st.permutations(range(len(shape))))
    dim = draw(st.lists(st.sampled_from(range(len(shape))), min_size=1, unique=True))
    return numbers(draw, shape, draw(DTYPE), order), tuple(sorted(dim)), draw(st.booleans())


@st.composite
def activations(draw, count):
    """(x,) or (dy, y), laid out alike or not, with zeros and NaN among the numbers."""
    shape = draw(st.lists(st.integers(1, 9), min_size=0, max_size=4))
    dtype = draw(DTYPE)
    arrays = [numbers(draw, shape, dtype, draw(st.permutations(range(len(shape))))) for _ in "12"]
    for x in arrays:
        x[np.abs(x) < 0.3] = draw(st.sampled_from((0, np.nan)))
    return tuple(arrays[:count])


@st.composite
def biased(draw, backward=False):
    """(x, b), x (N, C, ...) in any order of its axes; or (dy, y), laid out alike or not."""
    shape = draw(st.integers(1, 9)), draw(st.sampled_from((1, 3, 4, 8, 40)))
    shape += tuple(draw(st.lists(st.integers(1, 9), max_size=2)))
    shape = (shape[0] * draw(st.sampled_from((1, 1, 50))), *shape[1:])
    dtype, last = draw(DTYPE), [0, *range(2, len(shape)), 1]
    orders = st.one_of(st.just(last), st.permutations(range(len(shape))))
    x = numbers(draw, shape, dtype, draw(orders))
    x[np.abs(x) < 0.3] = draw(st.sampled_from((0, np.nan)))
    if backward:
        return numbers(draw, shape, dtype, draw(orders)), x
    return x, numbers(draw, shape[1:2], dtype)


SMOOTHING = st.sampled_from((0.0, 0.1))
WINNERS = [(dtype, "uint8") for dtype in DTYPES] + [("float32", "int32"), ("float32", "int64")]
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
LAYOUTS = st.sampled_from(((0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)))


@st.composite
def windows(draw, dilated=True):
    """(shape of the images, kernel, stride, padding, dilation, out_hw)."""
    kernel, stride = draw(PAIR), draw(PAIR)
    dilation = draw(PAIR) if dilated else (1, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple((p, p) for p in (draw(st.integers(0, k // 2)) for k in kernel))
    hw = [draw(st.integers(r, r + 6)) for r in reach]
    ceil_mode = draw(st.booleans())
    out = tuple(
        output_size(hw[a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode) for a in (0, 1)
    )
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from((1, 3, 4, 8, 16))), *hw)
    return shape, kernel, stride, padding, dilation, out


@st.composite
def max_poolings(draw):
    """(x, kernel, stride, padding, dilation, out_hw), x with many ties, some NaN and infinities."""
    shape, *options = draw(windows())
    x = np.round(numbers(draw, shape, draw(DTYPE), draw(LAYOUTS)))
    x[x == 1] = draw(st.sampled_from((1, np.nan, np.inf, -np.inf)))
    return x, *options


@st.composite
def max_pooling_gradients(draw):
    """(dy, winner, input_hw, kernel, stride, padding, dilation)."""
    shape, *options, out = draw(windows())
    kernel = options[0]
    dtype, kind = draw(st.sampled_from(WINNERS))
    dy = numbers(draw, (*shape[:2], *out), dtype, draw(LAYOUTS))
    taps = np.random.default_rng(0).integers(0, kernel[0] * kernel[1], dy.shape)
    return dy, taps.astype(kind), shape[2:], *options


@st.composite
def avg_poolings(draw, backward=False):
    """(x, kernel, stride, padding, out_hw, divisor) or (dy, input_hw, ..., divisor)."""
    shape, kernel, stride, padding, _, out = draw(windows(dilated=False))
    dtype = draw(DTYPE)
    counts = np.arange(1, out[0] * out[1] + 1, dtype=dtype).reshape(out)
    divisor = counts if draw(st.booleans()) else 4
    if backward:
        dy = numbers(draw, (*shape[:2], *out), dtype, draw(LAYOUTS))
        return dy, shape[2:], kernel, stride, padding, divisor
    return numbers(draw, shape, dtype, draw(LAYOUTS)), kernel, stride, padding, out, divisor


@st.composite
def entropies(draw, backward=False):
    """(x, target, weight, ignored, reduction, smoothing), or the arguments of the gradient."""
    shape = draw(st.integers(1, 40)), draw(st.sampled_from((1, 2, 10, 33, 100)))
    dtype = draw(DTYPE)
    x = numbers(draw, shape, dtype, draw(st.sampled_from(((0, 1), (1, 0)))))
    x[0, 0] = draw(st.sampled_from((0, -30, 200)))
    target = np.random.default_rng(draw(st.integers(0, 99))).integers(0, shape[1], shape[0])
    target[draw(st.integers(0, shape[0] - 1))] = -100
    weight = draw(st.sampled_from((None, np.abs(numbers(draw, shape[1:], dtype)) + 1)))
    reduction, smoothing = draw(st.sampled_from(("mean", "sum", "none"))), draw(SMOOTHING)
    options = (-100, reduction, smoothing)
    if not backward:
        return x, target, weight, *options
    if weight is not None:
        weight = weight.astype(wide(dtype))
    with np.errstate(all="ignore"):  # a mean over no labels
        _, log_p, total = loss.cross_entropy(x, target, weight, *options)
    dy = numbers(draw, shape[:1] if reduction == "none" else (), log_p.dtype)
    return dy, log_p, target, weight, np.asarray(total), *options


@st.composite
def steps(draw, states, optional, **options):
    """(tensors, counts or nothing, options) for some parameters; a state is none if not wanted."""
    dtype = draw(DTYPE)
    wanted = [draw(st.booleans()) if i in optional else True for i in range(states)]
    tensors = []
    for _ in range(draw(st.sampled_from((1, 2, 3, 90)))):
        shape = draw(st.sampled_from(((3,), (4, 2), (2, 3, 4), (), (5000,))))
        order = draw(st.permutations(range(len(shape))))
        p, g = (numbers(draw, shape, dtype, order) for _ in "pg")
        state = [np.abs(numbers(draw, shape, dtype, order)) + 1 if w else None for w in wanted]
        tensors.append((p, g, *(None if s is None else np.asarray(s, dtype) for s in state)))
    group = {name: draw(st.sampled_from(values)) for name, values in options.items()}
    return tensors, wanted, group, [draw(st.integers(1, 9)) for _ in tensors]


DECAYS = {"lr": (0.01,), "weight_decay": (0, 0.1), "maximize": (False, True), "eps": (1e-3,)}


def sgd_steps():
    options = {**DECAYS, "momentum": (0.9,), "dampening": (0, 0.3), "nesterov": (False, True)}

    def arranged(drawn):
        tensors, (has_velocity,), group, counts = drawn
        group = {**group, "momentum": 0.9 if has_velocity else 0}
        return tensors, [count < 5 for count in counts], group

    return steps(1, (0,), **options).map(arranged)


def adam_steps():
    options = {**DECAYS, "betas": ((0.9, 0.99),), "decoupled": (False, True)}

    def arranged(drawn):
        tensors, (_, _, amsgrad), group, counts = drawn
        return tensors, counts, {**group, "amsgrad": amsgrad}

    return steps(3, (2,), **options).map(arranged)


def adagrad_steps():
    arranged = lambda drawn: (drawn[0], drawn[3], drawn[2])  # noqa: E731
    return steps(1, (), **DECAYS, lr_decay=(0, 0.1)).map(arranged)


def rmsprop_steps():
    def arranged(drawn):
        tensors, (_, centered, has_velocity), group, _ = drawn
        group = {**group, "centered": centered, "momentum": 0.9 if has_velocity else 0}
        tensors = [(p, g, v + 0 if a is None else v + a * a, a, b) for p, g, v, a, b in tensors]
        return [tuple(None if a is None else np.asarray(a) for a in t) for t in tensors], group

    return steps(3, (1, 2), **DECAYS, alpha=(0.9,)).map(arranged)


CASES = {
    **{name: convolutions(name) for name in TABLE if name.startswith("conv2d")},
    "sgd_step": sgd_steps(),
    "adam_step": adam_steps(),
    "adagrad_step": adagrad_steps(),
    "rmsprop_step": rmsprop_steps(),
    "cross_entropy": entropies(),
    "cross_entropy_grad": entropies(backward=True),
    "relu": activations(1),
    "relu_grad": activations(2),
    "bias_relu": biased(),
    "bias_relu_grad": biased(backward=True),
    "max_pool2d": max_poolings(),
    "max_pool2d_input_grad": max_pooling_gradients(),
    "avg_pool2d": avg_poolings(),
    "avg_pool2d_input_grad": avg_poolings(backward=True),
    "channel_norm": norms(),
    "channel_norm_grad": norm_gradients(),
    "scale_shift": scalings(),
    "sum": sums(),
}
