# %% [markdown]
# # 8. Initialisation
#
# A network of thirty layers multiplies by thirty matrices. If each makes its input one and a half
# times as large, the output is nearly 200,000 times as large; if each halves it, nothing is left.
# The same holds for the gradients on their way back. Whether a deep network learns is therefore
# decided before its first step, by the size of the random numbers it begins with. This notebook
# derives that size.
#
# - **Known before:** dense layers (notebook 6) and their backward pass; mean and variance.
# - **Known after:** how a layer changes the variance of values and of gradients; the
#   initialisations of Glorot and of He, and which to take when; vanishing and exploding gradients,
#   and how to see them; why weights must not all be equal.
# - **Time:** 75 minutes to read and to play. The notebook runs in 15 seconds.
# - **Source:** [`minicnn/nn/init.py`](../minicnn/nn/init.py),
#   [`minicnn/nn/linear.py`](../minicnn/nn/linear.py).
#
# The papers: Glorot and Bengio 2010, *Understanding the difficulty of training deep feedforward
# neural networks*; He, Zhang, Ren and Sun 2015, *Delving deep into rectifiers*.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import minicnn as torch
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data.datasets import available
from minicnn.nn import init

torch.manual_seed(0)
plt.style.use("minicnn.visualize.course")
rng = np.random.default_rng(0)

# %% [markdown]
# ## Variance through a layer
#
# Take one output of a dense layer without bias, $y = \sum_{i=1}^{n} w_i x_i$. Let the weights be
# drawn independently, with mean 0. For fixed inputs the products are independent too, with mean 0,
# and their variances add:
#
# $$
# \operatorname{Var}(y) = \sum_{i=1}^{n} \operatorname{Var}(w)\, x_i^2
#   \quad \Rightarrow \quad
# \boxed{\; \operatorname{Var}(y) = n_{\text{in}} \operatorname{Var}(w)\; \mathbb{E}[x^2] \;}
# $$
#
# It is $\mathbb{E}[x^2]$, the mean *square* of the input, and not its variance. The two differ
# behind a ReLU, whose output has a positive mean.

# %%
n_in, n_out = 300, 400
for name, x in (
    ("normal", rng.normal(size=(500, n_in))),
    ("behind a ReLU", np.maximum(rng.normal(size=(500, n_in)), 0)),
    ("mean 3", rng.normal(3.0, 1.0, size=(500, n_in))),
):
    w = rng.normal(0, 0.1, (n_out, n_in))
    y = x @ w.T
    predicted = n_in * 0.1**2 * (x**2).mean()
    print(f"{name:<14} mean square {(y**2).mean():6.2f}, predicted {predicted:6.2f}")
    np.testing.assert_allclose((y**2).mean(), predicted, rtol=0.15)

# %% [markdown]
# **The activation.** Before a ReLU the values are as often negative as positive, because the
# weights are. ReLU sets the negative half to zero, so it keeps half of the mean square:
#
# $$
# \mathbb{E}[\operatorname{relu}(y)^2]
#   = \tfrac{1}{2}\, \mathbb{E}[y^2] = \tfrac{1}{2} \operatorname{Var}(y) .
# $$
#
# A layer with its ReLU therefore multiplies the mean square by
# $\frac{1}{2} n_{\text{in}} \operatorname{Var}(w)$, and $L$ of them by the $L$-th power of it.
# There is one value that keeps it:
#
# $$
# \operatorname{Var}(w) = \frac{2}{n_{\text{in}}} \qquad \text{(He et al. 2015).}
# $$
#
# Tanh is nearly the identity for small values, so there the same argument gives
# $\operatorname{Var}(w) = 1 / n_{\text{in}}$.

# %%
y = rng.normal(size=1_000_000)
np.testing.assert_allclose((np.maximum(y, 0) ** 2).mean(), 0.5, atol=0.01)

# %% [markdown]
# **Backward.** The derivative of an input is $dx_i = \sum_{o} w_{oi}\, dy_o$, again a sum of
# products with the weights, over the $n_{\text{out}}$ outputs this time:
#
# $$
# \operatorname{Var}(dx) = n_{\text{out}} \operatorname{Var}(w)\; \mathbb{E}[dy^2] .
# $$
#
# ReLU passes the derivative where its input was positive, which is half of them. So the gradients
# keep their size if $\operatorname{Var}(w) = 2 / n_{\text{out}}$ (with ReLU) or
# $1 / n_{\text{out}}$ (without). Unless $n_{\text{in}} = n_{\text{out}}$, both cannot be had.
# Glorot and Bengio take the middle:
#
# $$
# \operatorname{Var}(w) = \frac{2}{n_{\text{in}} + n_{\text{out}}}
# \qquad \text{(Glorot and Bengio 2010).}
# $$

# %%
dy = rng.normal(size=(500, n_out))
w = rng.normal(0, 0.1, (n_out, n_in))
np.testing.assert_allclose(((dy @ w) ** 2).mean(), n_out * 0.1**2 * (dy**2).mean(), rtol=0.1)

# %% [markdown]
# **Normal or uniform?** It does not matter: only the variance came in. A uniform distribution on
# $[-a, a]$ has the variance $a^2 / 3$, so $a = \sqrt{3 \operatorname{Var}(w)}$. For Glorot's
# variance this is the well-known $\sqrt{6 / (n_{\text{in}} + n_{\text{out}})}$.
#
# **Convolutions.** One output is a sum over $C$ channels and $KH \times KW$ places, so
# $n_{\text{in}} = C \cdot KH \cdot KW$. These counts are called *fan in* and *fan out*. For weights
# of shape $(F, C, KH, KW)$ the fan out is $F \cdot KH \cdot KW$.

# %%
images = rng.normal(size=(8, 16, 20, 20)).astype(np.float32)
kernel = rng.normal(0, 0.1, (32, 16, 3, 3)).astype(np.float32)
out = F.conv2d(torch.tensor(images), torch.tensor(kernel)).numpy()
np.testing.assert_allclose((out**2).mean(), 16 * 3 * 3 * 0.1**2 * (images**2).mean(), rtol=0.1)


# %% [markdown]
# ## In a few lines, and minicnn's own
#
# The *gain* stands for what the activation takes away: $\sqrt{2}$ for ReLU, 1 for none. From the
# same stream of random numbers both must give the same weights.


# %%
def fans(shape):
    """How many inputs an output has, and how many outputs an input: weights (F, C, ...)."""
    places = int(np.prod(shape[2:]))
    return shape[1] * places, shape[0] * places


def glorot_uniform(shape, rng, gain=1.0):
    fan_in, fan_out = fans(shape)
    a = gain * np.sqrt(3 * 2 / (fan_in + fan_out))
    return a * (2 * rng.random(shape) - 1)


def he_uniform(shape, rng):
    a = np.sqrt(3 * 2 / fans(shape)[0])
    return a * (2 * rng.random(shape) - 1)


def glorot_normal(shape, rng, gain=1.0):
    return gain * np.sqrt(2 / sum(fans(shape))) * rng.standard_normal(shape)


def he_normal(shape, rng):
    return np.sqrt(2 / fans(shape)[0]) * rng.standard_normal(shape)


for mine, theirs in (
    (glorot_uniform, init.xavier_uniform_),
    (glorot_normal, init.xavier_normal_),
    (he_uniform, init.kaiming_uniform_),
    (he_normal, init.kaiming_normal_),
):
    for shape in ((40, 60), (32, 16, 3, 3)):
        stream = torch.Generator().manual_seed(1)
        filled = theirs(torch.empty(*shape, dtype=torch.float64), generator=stream)
        drawn = mine(shape, torch.Generator().manual_seed(1).numpy)
        np.testing.assert_allclose(filled.numpy(), drawn, rtol=1e-12, atol=1e-15)
    print(f"{mine.__name__:<14} gives the same weights as init.{theirs.__name__}")

assert init.calculate_gain("relu") == np.sqrt(2) and init.calculate_gain("linear") == 1

# %% [markdown]
# ## Thirty layers
#
# A stack of thirty dense layers of width 256, forward and backward, in NumPy. Everything is kept,
# to be looked at. At the end a random gradient is sent back.

# %%
WIDTH, DEPTH = 256, 30
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}


def stack(scale, seed=0):
    """Weights of variance scale² / n."""
    draw = np.random.default_rng(seed)
    return [scale / np.sqrt(WIDTH) * draw.standard_normal((WIDTH, WIDTH)) for _ in range(DEPTH)]


def through(weights, x, dy, activation):
    """The values before each activation, those after it, and their gradients."""
    f, slope = ACTIVATIONS[activation]
    before, after = [], [x]
    for w in weights:
        before.append(after[-1] @ w.T)
        after.append(f(before[-1]))
    gradients = [dy]
    for w, z in zip(reversed(weights), reversed(before), strict=True):
        gradients.append((gradients[-1] * slope(z)) @ w)
    return before, after, gradients[::-1]


x, dy = rng.normal(size=(200, WIDTH)), rng.normal(size=(200, WIDTH))

# minicnn's tape finds the same
weights = stack(1.5)
before, after, gradients = through(weights, x, dy, "tanh")
tensor = start = torch.tensor(x, requires_grad=True)
for w in weights:
    tensor = torch.tanh(F.linear(tensor, torch.tensor(w)))
tensor.backward(torch.tensor(dy))
np.testing.assert_allclose(tensor.detach().numpy(), after[-1], rtol=1e-7, atol=1e-9)
np.testing.assert_allclose(start.grad.numpy(), gradients[0], rtol=1e-7, atol=1e-9)

# %% [markdown]
# The size of values and gradients, layer by layer, for weights of variance $s^2 / n$. The theory
# for ReLU: each layer multiplies the deviation by $s / \sqrt{2}$, both ways.


# %%
def root_mean_square(values):
    return np.array([np.sqrt((v**2).mean()) for v in values])


scales = {"relu": (1.0, np.sqrt(2), 2.0), "tanh": (0.7, 1.0, 5 / 3)}
figure, panels = plt.subplots(2, 2, figsize=(7, 5.6), sharex=True)
sizes = {}
for column, activation in zip(panels.T, scales, strict=True):
    for i, s in enumerate(scales[activation]):
        _, after, gradients = through(stack(s), x, dy, activation)
        sizes[activation, s] = root_mean_square(after), root_mean_square(gradients)
        label = {np.sqrt(2): "s = √2: He", 5 / 3: "s = 5/3"}.get(s, f"s = {s:g}")
        for axes, size in zip(column, sizes[activation, s], strict=True):
            axes.semilogy(size, color=f"C{i}", marker="os^"[i], ms=3, label=label)
    column[0].set_title(activation)
    column[0].legend()
    column[1].set_xlabel("layer")
    for axes in column:
        axes.grid()
        axes.set_ylim(1e-6, 1e6)
panels[0, 0].set_ylabel("values")
panels[1, 0].set_ylabel("gradients")
figure.suptitle("root mean square, layer by layer")
plt.show()

layers = np.arange(DEPTH + 1)
for s in scales["relu"]:
    forward, backward = sizes["relu", s]
    np.testing.assert_allclose(
        np.log(forward / forward[0]), layers * np.log(s / np.sqrt(2)), atol=1
    )
    np.testing.assert_allclose(
        np.log(backward / backward[-1]), layers[::-1] * np.log(s / np.sqrt(2)), atol=1
    )

# %% [markdown]
# Forward one reads the upper pictures from left to right, backward the lower ones from right to
# left. With ReLU, He's scale keeps both for thirty layers. A scale of 1, which is only $\sqrt{2}$
# less, loses a factor of $\sqrt{2}^{30} \approx 33{,}000$.
#
# Tanh holds its values below 1 whatever the weights, so nothing explodes forward. But it bends:
# with $s = 1$ each layer takes a little away. The gain $5/3$ that is customary for tanh makes up
# for the bending. On the way back the gradients then grow, by more than ten in thirty layers.

# %%
forward, backward = sizes["tanh", 5 / 3]
np.testing.assert_allclose(forward[-1], forward[DEPTH // 2], rtol=0.05)  # stays where it is
assert sizes["tanh", 1.0][0][-1] < 0.5 * forward[-1] and backward[0] > 10 * backward[-1]

# %% [markdown]
# ## What the histograms look like
#
# First the values of a tanh network. With small weights they collapse towards zero. With large ones
# they sit at $\pm 1$, where tanh is flat: the units are *saturated* and their derivative is nearly
# zero.

# %%
SHOWN = (1, 6, 12, 18, 24, 30)


def ridges(axes, values, bins, colour):
    """A histogram for each shown layer, one above the other."""
    for row, i in enumerate(SHOWN):
        counts, edges = np.histogram(values[i], bins=bins)
        heights = 0.9 * counts / max(counts.max(), 1)
        middles = (edges[1:] + edges[:-1]) / 2
        axes.fill_between(middles, row, row + heights, color=colour, alpha=0.8, step="mid")
    axes.set_yticks(range(len(SHOWN)), [f"layer {i}" for i in SHOWN])


figure, panels = plt.subplots(1, 3, figsize=(7, 4), sharey=True)
tanh_values = {}
for axes, (s, name) in zip(
    panels,
    ((0.5, "s = 0.5: collapsed"), (5 / 3, "s = 5/3"), (8.0, "s = 8: saturated")),
    strict=True,
):
    tanh_values[s] = through(stack(s), x, dy, "tanh")
    ridges(axes, tanh_values[s][1], np.linspace(-1, 1, 61), "C0")
    axes.set(title=name, xlabel="value after tanh")
plt.show()

_, after, _ = tanh_values[8.0]
saturated = (abs(after[-1]) > 0.99).mean()
print(f"s = 8: {saturated:.0%} of the last layer's units are beyond 0.99")
assert saturated > 0.5 and abs(tanh_values[0.5][1][-1]).max() < 1e-6

# %% [markdown]
# Now the gradients of ReLU networks. They differ by so many powers of ten that the picture shows
# the logarithm of their size. The gradient enters at layer 30 and goes down.

# %%
figure, panels = plt.subplots(1, 3, figsize=(7, 4), sharey=True)
for axes, (s, name) in zip(
    panels,
    ((0.8, "s = 0.8: vanish"), (np.sqrt(2), "s = √2: He"), (2.5, "s = 2.5: explode")),
    strict=True,
):
    _, _, gradients = through(stack(s), x, dy, "relu")
    logs = [np.log10(abs(g[g != 0])) for g in gradients]
    ridges(axes, logs, np.linspace(-11, 11, 89), "C1")
    axes.set(title=name, xlabel="log₁₀ of |gradient|")
plt.show()

# %% [markdown]
# A step of gradient descent changes the weights in proportion to these numbers. On the left the
# first layers stand still; on the right they are thrown away with the first step.
#
# ## What a layer begins with when nobody says anything
#
# minicnn draws the weights of `nn.Linear` and `nn.Conv2d` as PyTorch does: uniformly on
# $[-1 / \sqrt{n}, 1 / \sqrt{n}]$ with $n$ the fan in. Its variance is $1 / (3n)$, six times less
# than He's. Each layer with its ReLU divides the deviation by $\sqrt{6}$, and twenty of them by
# $\sqrt{6}^{20} = 6^{10}$: sixty million. Networks of a few layers do not care. Deep ones have
# batch normalisation (notebook 5), or need another initialisation.

# %%
torch.manual_seed(0)
layer = nn.Linear(400, 300)
w = layer.weight.detach().numpy()
assert abs(w).max() <= 1 / np.sqrt(400)
np.testing.assert_allclose(w.var(), 1 / (3 * 400), rtol=0.02)
ratio = init.kaiming_uniform_(nn.Linear(400, 300).weight).detach().numpy().var() / w.var()
np.testing.assert_allclose(ratio, 6, rtol=0.03)

# %% [markdown]
# ## A deep network that does not train, and then does
#
# Twenty dense layers of 64 units with ReLU, on the shipped digits (or MNIST, where `MINICNN_DATA`
# has it). The same network, the same batches, the same optimizer; only the first weights differ.

# %%
Images = available("mnist", "digits")
data = Images(train=True)
rows = range(min(len(data), 3000))
images = (torch.stack([data[i][0] for i in rows]).flatten(1) - data.mean[0]) / data.std[0]
labels = torch.tensor([data[i][1] for i in rows])


def deep(initialise):
    """Twenty dense layers, their biases zero and their weights drawn by `initialise`."""
    torch.manual_seed(0)
    sizes = [images.shape[1], *[64] * 19, 10]
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
        initialise(layers[-2].weight)
        init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


def train(model, epochs=8, batch_size=32):
    """The loss at every step, and the gradients' sizes at the first, layer by layer."""
    optimizer = optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    order, losses, first = np.random.default_rng(0), [], None
    for _ in range(epochs):
        shuffled = order.permutation(len(labels))
        for start in range(0, len(labels) - batch_size + 1, batch_size):
            batch = torch.tensor(shuffled[start : start + batch_size])
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            if first is None:
                matrices = [p.grad.numpy() for p in model.parameters() if p.ndim == 2]
                first = root_mean_square(matrices)
            optimizer.step()
            losses.append(loss.item())
    return np.array(losses), first


STARTS = {
    "PyTorch's default": lambda w: init.kaiming_uniform_(w, a=np.sqrt(5)),
    "Glorot": init.xavier_uniform_,
    "He": init.kaiming_uniform_,
}
results = {name: train(deep(initialise)) for name, initialise in STARTS.items()}

figure, panels = plt.subplots(2, 1, figsize=(7, 6))
for (name, (losses, first)), style in zip(results.items(), ("--", "-.", "-"), strict=True):
    smooth = np.convolve(losses, np.ones(10) / 10, mode="valid")
    panels[0].plot(smooth, style, label=name)
    panels[1].semilogy(range(1, 21), first, style, marker="o", ms=4, label=name)
panels[0].axhline(np.log(10), color="#888888", lw=1)
panels[0].set(xlabel="step", ylabel="loss, mean of 10 steps", ylim=(0, None))
panels[1].set(xlabel="layer", ylabel="gradient at step 1", xticks=range(2, 21, 2))
for axes in panels:
    axes.grid()
panels[0].legend(loc="center right")
plt.show()

last = {name: losses[-40:].mean() for name, (losses, _) in results.items()}
print({name: round(float(value), 3) for name, value in last.items()})
assert abs(last["PyTorch's default"] - np.log(10)) < 0.05  # guessing, to the end
assert last["He"] < 1.0

# %% [markdown]
# With the default the gradient of every weight begins below one in a million: the network guesses
# to the end. Nothing is wrong with its layers, its data or its optimizer.

# %%
assert results["PyTorch's default"][1].max() < 1e-6 < results["He"][1].min()

# %% [markdown]
# ## Why random at all?
#
# Because of symmetry. If all the units of a layer begin with the same weights, they compute the
# same, receive the same gradient, and stay the same for ever. However wide the layer, it is one
# unit.

# %%
twins = nn.Sequential(nn.Linear(images.shape[1], 16), nn.ReLU(), nn.Linear(16, 10))
for p in twins.parameters():
    init.constant_(p, 0.1)
train(twins, epochs=3)
w = twins[0].weight.detach().numpy()
print(f"the 16 units differ by at most {abs(w - w[0]).max():.1e}, and have moved by up to", end=" ")
print(f"{abs(w - 0.1).max():.2f}")
np.testing.assert_allclose(w, np.broadcast_to(w[0], w.shape), atol=1e-5)
assert abs(w - 0.1).max() > 0.01

# %% [markdown]
# Biases may begin at zero: the weights have broken the symmetry already.
#
# ## Summary
#
# - Forward a layer multiplies the mean square by $n_{\text{in}} \operatorname{Var}(w)$, backward by
#   $n_{\text{out}} \operatorname{Var}(w)$; ReLU halves both.
# - ReLU: He, $2 / n_{\text{in}}$. Tanh and sigmoid: Glorot, $2 / (n_{\text{in}} + n_{\text{out}})$.
# - What is a little wrong in one layer is hopeless in thirty.
# - Batch normalisation repairs the scale at every layer. Residual connections help differently:
#   they add the identity, which keeps every size.
#
# ## Exercises
#
# `minicnn course check 08` checks your own initialisers. Then, here:
#
# 1. For a leaky ReLU with slope $a$ derive $\operatorname{Var}(w) = 2 / ((1 + a^2)\, n)$, and
#    assert it against `init.calculate_gain("leaky_relu", a)`.
# 2. Draw the size of values and gradients for *orthogonal* weights (`init.orthogonal_`) without an
#    activation. Why is the curve perfectly flat?
# 3. Put `nn.BatchNorm1d` before every ReLU of `deep`, and begin with PyTorch's default. Does it
#    train?
# 4. Let every layer be $x + \operatorname{relu}(w x)$. How does the variance grow with the depth,
#    and what must $\operatorname{Var}(w)$ be for 30 layers to double it?
# 5. In `twins`, let only the last layer be random. Do the 16 units become different? Why?
#
# Next: [9. LeNet-5](09_lenet.ipynb)
