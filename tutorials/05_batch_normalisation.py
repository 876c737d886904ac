# %% [markdown]
# # 5. Batch normalisation
#
# A layer learns from inputs whose scale the layers before it keep changing. Batch normalisation
# gives every channel mean 0 and variance 1 over the batch, and lets the network choose a scale and
# a shift of its own afterwards. Networks that have it train at learning rates at which others fail.
# It is also the layer with the most ways to be used wrongly.
#
# - **Known before:** the tape (notebook 1), gradient checks (2), convolution (3).
# - **Known after:** the forward pass; its derivative, once node by node and once in closed form;
#   why two different variances are in use; what changes between training and evaluation, and what
#   happens when that is forgotten.
# - **Time:** 75 minutes to read and to play. The notebook runs in 15 seconds.
# - **Source:** [`minicnn/ops/batch_norm.py`](../minicnn/ops/batch_norm.py),
#   [`minicnn/kernels/norm.py`](../minicnn/kernels/norm.py),
#   [`minicnn/nn/batch_norm.py`](../minicnn/nn/batch_norm.py).
#
# The layer was introduced by Ioffe and Szegedy 2015, *Batch normalization: accelerating deep
# network training by reducing internal covariate shift*, algorithms 1 and 2.

# %%
import textwrap

import matplotlib.pyplot as plt
import numpy as np

import minicnn as torch
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data.datasets import available
from minicnn.errors import ShapeError

torch.manual_seed(0)
plt.style.use("minicnn.visualize.course")
BLUE, ORANGE, GREY = "C0", "C1", "#888888"
rng = np.random.default_rng(0)

# %% [markdown]
# ## The forward pass
#
# Images arrive as $x_{nchw}$: example $n$, channel $c$, row $h$, column $w$. Each channel is
# treated alone. Let it have $m = N \cdot H \cdot W$ values $x_1, \dots, x_m$. Then
#
# $$
# \mu = \frac{1}{m} \sum_{i=1}^m x_i, \qquad
# \sigma^2 = \frac{1}{m} \sum_{i=1}^m (x_i - \mu)^2, \qquad
# \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
# y_i = \gamma \hat{x}_i + \beta .
# $$
#
# The small $\varepsilon$ (here $10^{-5}$) is there because a constant channel has variance 0. The
# scale $\gamma$ and the shift $\beta$ are parameters, one of each for every channel. They begin at
# 1 and 0. In code they are the `weight` and the `bias` of the layer.
#
# We write the forward pass as a chain of small steps and keep every intermediate value. The
# backward pass will need them.

# %%
EPS = 1e-5
AXES = (0, 2, 3)  # everything but the channel


def channel(v):
    """(C,) as (1, C, 1, 1), which broadcasts over images."""
    return v.reshape(1, -1, 1, 1)


def batch_norm_forward(x, gamma, beta, eps=EPS):
    mu = x.mean(AXES, keepdims=True)  # (1, C, 1, 1)
    centred = x - mu  # (N, C, H, W)
    square = centred**2  # (N, C, H, W)
    var = square.mean(AXES, keepdims=True)  # (1, C, 1, 1)
    root = np.sqrt(var + eps)  # (1, C, 1, 1)
    inverse = 1 / root  # (1, C, 1, 1)
    x_hat = centred * inverse  # (N, C, H, W)
    y = channel(gamma) * x_hat + channel(beta)  # (N, C, H, W)
    return y, (centred, root, inverse, x_hat)


x = rng.normal(3.0, 2.0, (8, 3, 5, 5))
gamma, beta = rng.normal(1, 0.3, 3), rng.normal(0, 0.3, 3)
y, kept = batch_norm_forward(x, gamma, beta)

theirs = F.batch_norm(
    torch.tensor(x), None, None, torch.tensor(gamma), torch.tensor(beta), training=True
)
np.testing.assert_allclose(theirs.numpy(), y, rtol=1e-10, atol=1e-10)

x_hat = kept[-1]
np.testing.assert_allclose(x_hat.mean(AXES), 0, atol=1e-12)
np.testing.assert_allclose(x_hat.var(AXES), 1, rtol=1e-4)  # not exactly: there is eps
print("means of the channels before", x.mean(AXES).round(2), "and after", y.mean(AXES).round(2))
print("deviations before           ", x.std(AXES).round(2), "and after", y.std(AXES).round(2))

# %% [markdown]
# After it, the channel's mean is $\beta$ and its deviation is $|\gamma|$, up to $\varepsilon$,
# whatever the layers before have done:

# %%
np.testing.assert_allclose(y.mean(AXES), beta, atol=1e-12)
np.testing.assert_allclose(y.std(AXES), abs(gamma), rtol=1e-4)

# %% [markdown]
# ## The backward pass, node by node
#
# Each line of the forward pass is a node of a graph. The value $x$ goes into two of them, and so
# does `centred`.

# %%
NODES = {
    "x": (0, 1.0), "mean": (1.1, 0.0), "centred": (2.2, 1.0), "square": (3.3, 0.0),
    "var": (4.4, 0.0), "root": (5.5, 0.0), "inverse": (6.6, 0.0), "x_hat": (7.7, 1.0),
    "y": (9.1, 1.0), "gamma": (7.9, 2.0), "beta": (9.1, 2.0),
}  # fmt: skip
EDGES = [
    ("x", "mean"), ("x", "centred"), ("mean", "centred"), ("centred", "square"),
    ("square", "var"), ("var", "root"), ("root", "inverse"), ("inverse", "x_hat"),
    ("centred", "x_hat"), ("x_hat", "y"), ("gamma", "y"), ("beta", "y"),
]  # fmt: skip

figure, axes = plt.subplots(figsize=(7, 2.6))
for source, target in EDGES:
    axes.annotate(
        "", NODES[target], NODES[source],
        arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 19, "shrinkB": 19, "lw": 1.5},
    )  # fmt: skip
for name, place in NODES.items():
    colour = {"x": BLUE, "gamma": BLUE, "beta": BLUE, "y": ORANGE}.get(name, "#333333")
    box = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": colour, "lw": 1.5}
    axes.text(*place, name, ha="center", va="center", fontsize=10, color=colour, bbox=box)
axes.set(xlim=(-0.6, 9.7), ylim=(-0.5, 2.5))
axes.set_title("From x to y: the derivative runs against the arrows")
axes.axis("off")
plt.show()

# %% [markdown]
# Write $d\,\text{name}$ for the derivative of the loss with respect to a node, so $dy$ comes in and
# $dx$, $d\gamma$ and $d\beta$ go out. Go through the nodes from right to left. Two rules do all the
# work:
#
# - what was **broadcast** forward is **summed** backward, and what was averaged over $m$ values
#   hands $1/m$ of its derivative to each of them;
# - a value used **twice** receives the **sum** of two derivatives.
#
# Node by node:
#
# - $y = \gamma \hat{x} + \beta$ gives $d\beta = \sum dy$, $\;d\gamma = \sum dy\,\hat{x}$ and
#   $\;d\hat{x} = \gamma\,dy$.
# - $\hat{x} = \text{centred} \cdot \text{inverse}$ gives
#   $d\,\text{inverse} = \sum d\hat{x} \cdot \text{centred}$, and a first part of
#   $d\,\text{centred}$, which is $d\hat{x} \cdot \text{inverse}$.
# - $\text{inverse} = 1 / \text{root}$ gives $d\,\text{root} = -d\,\text{inverse} / \text{root}^2$.
# - $\text{root} = \sqrt{\text{var} + \varepsilon}$ gives
#   $d\,\text{var} = d\,\text{root} / (2\,\text{root})$.
# - $\text{var} = \frac{1}{m} \sum \text{square}$ gives $d\,\text{square} = d\,\text{var} / m$, the
#   same for every value.
# - $\text{square} = \text{centred}^2$ gives the second part of $d\,\text{centred}$, which is
#   $2\,\text{centred} \cdot d\,\text{square}$.
# - $\text{centred} = x - \mu$ gives $d\mu = -\sum d\,\text{centred}$, and the first part of $dx$,
#   which is $d\,\text{centred}$.
# - $\mu = \frac{1}{m} \sum x$ gives the second part of $dx$, which is $d\mu / m$.


# %%
def batch_norm_backward(dy, gamma, kept):
    centred, root, inverse, x_hat = kept
    m = dy.size // dy.shape[1]  # values in a channel

    dbeta = dy.sum(AXES)  # (C,)
    dgamma = (dy * x_hat).sum(AXES)  # (C,)
    dx_hat = channel(gamma) * dy  # (N, C, H, W)

    dinverse = (dx_hat * centred).sum(AXES, keepdims=True)  # (1, C, 1, 1)
    droot = -dinverse / root**2  # (1, C, 1, 1)
    dvar = droot / (2 * root)  # (1, C, 1, 1)
    dsquare = dvar / m  # (1, C, 1, 1), the same for every value
    dcentred = dx_hat * inverse + 2 * centred * dsquare  # (N, C, H, W)
    dmu = -dcentred.sum(AXES, keepdims=True)  # (1, C, 1, 1)
    dx = dcentred + dmu / m  # (N, C, H, W)
    return dx, dgamma, dbeta


dy = rng.normal(size=x.shape)
dx, dgamma, dbeta = batch_norm_backward(dy, gamma, kept)

inputs = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
F.batch_norm(inputs[0], None, None, *inputs[1:], training=True).backward(torch.tensor(dy))
for mine, tensor in zip((dx, dgamma, dbeta), inputs, strict=True):
    np.testing.assert_allclose(tensor.grad.numpy(), mine, rtol=1e-9, atol=1e-9)
print("dx, dgamma and dbeta equal minicnn's")

# %% [markdown]
# Both could be wrong in the same way. A finite difference knows nothing of either: along a random
# direction $v$, $\;\langle dx, v \rangle$ must be the slope of $\langle dy, y(x + tv) \rangle$ at
# $t = 0$.

# %%
v, step = rng.normal(size=x.shape), 1e-5
ahead = (dy * batch_norm_forward(x + step * v, gamma, beta)[0]).sum()
behind = (dy * batch_norm_forward(x - step * v, gamma, beta)[0]).sum()
np.testing.assert_allclose((ahead - behind) / (2 * step), (dx * v).sum(), rtol=1e-6, atol=1e-6)

# %% [markdown]
# ## The same in one line
#
# Put the lines above into each other. Write $r = 1 / \sqrt{\sigma^2 + \varepsilon}$, so that
# $\text{centred} = \hat{x} / r$. Then
#
# $$
# d\,\text{var} = -\frac{r^3}{2} \sum_j d\hat{x}_j \frac{\hat{x}_j}{r}
#               = -\frac{r^2}{2} \sum_j d\hat{x}_j \hat{x}_j ,
# \qquad
# d\,\text{centred}_i = r\,d\hat{x}_i + \frac{2}{m} \frac{\hat{x}_i}{r} d\,\text{var}
#               = r \Big( d\hat{x}_i - \hat{x}_i \frac{1}{m} \sum_j d\hat{x}_j \hat{x}_j \Big) .
# $$
#
# The last two steps of the list subtract the mean of $d\,\text{centred}$. The mean of $\hat{x}$ is
# zero, so only the first term has one. With $d\hat{x} = \gamma\,dy$:
#
# $$
# dx_i = \gamma\, r \Big(
#   dy_i
#   - \underbrace{\frac{1}{m} \sum_j dy_j}_{\text{through } \mu}
#   - \hat{x}_i \underbrace{\frac{1}{m} \sum_j dy_j \hat{x}_j}_{\text{through } \sigma^2}
# \Big) .
# $$
#
# This is what minicnn computes: two means and then one pass, where the chain above makes an array
# of the size of $x$ at nearly every step.


# %%
def batch_norm_compact(dy, gamma, kept):
    _, _, inverse, x_hat = kept
    along_one = dy.mean(AXES, keepdims=True)
    along_x = (dy * x_hat).mean(AXES, keepdims=True)
    return channel(gamma) * inverse * (dy - along_one - x_hat * along_x)


np.testing.assert_allclose(batch_norm_compact(dy, gamma, kept), dx, rtol=1e-10, atol=1e-12)

# %% [markdown]
# The formula is a projection. Adding a constant to a channel does not change $y$, so the gradient
# has no part along the constant direction. Stretching a channel does not change $y$ either, so the
# gradient has (almost) no part along $\hat{x}$. What is left along $\hat{x}$ is due to
# $\varepsilon$ alone: it is $\varepsilon / (\sigma^2 + \varepsilon)$ of what came in.

# %%
np.testing.assert_allclose(dx.sum(AXES), 0, atol=1e-10)
left = (dx * x_hat).sum(AXES)
came_in = gamma * kept[2].ravel() * (dy * x_hat).sum(AXES)
np.testing.assert_allclose(left, came_in * EPS / (x.var(AXES) + EPS), rtol=1e-5)
print(f"along x_hat there came in {came_in.round(3)}, and {left.round(8)} is left")

# %% [markdown]
# ## Two variances
#
# The batch is divided by its own deviation, with $m$ in the denominator. That is the exact variance
# of *these* numbers. As an estimate of the variance of *all* data it is too small, because the mean
# was fitted to the same numbers:
#
# $$
# \mathbb{E}\Big[ \frac{1}{m} \sum_i (x_i - \mu)^2 \Big]
#   = \sigma_{\text{true}}^2 - \operatorname{Var}(\mu)
#   = \sigma_{\text{true}}^2 - \frac{\sigma_{\text{true}}^2}{m}
#   = \frac{m-1}{m}\, \sigma_{\text{true}}^2 .
# $$
#
# Dividing by $m - 1$ instead makes the estimate right on average: *unbiased*. The running average
# of the layer, which stands for all data, uses that one.

# %%
sizes = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32])
draws = [rng.normal(size=(20_000, m)) for m in sizes]  # the true variance is 1
biased = np.array([d.var(1).mean() for d in draws])
unbiased = np.array([d.var(1, ddof=1).mean() for d in draws])
np.testing.assert_allclose(biased, (sizes - 1) / sizes, atol=0.05)
np.testing.assert_allclose(unbiased, 1, atol=0.05)

figure, axes = plt.subplots(figsize=(7, 3.4))
axes.plot(sizes, biased, "o", color=ORANGE, label="sum of squares / m")
axes.plot(sizes, (sizes - 1) / sizes, color=ORANGE, lw=1, label="(m - 1) / m")
axes.plot(sizes, unbiased, "s", color=BLUE, label="sum of squares / (m - 1)")
axes.axhline(1, color=BLUE, lw=1)
axes.set_xscale("log", base=2)
axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
axes.set(xlabel="values in the batch, m", ylabel="mean estimate", ylim=(0.4, 1.15))
axes.set_title("20,000 batches from data of variance 1")
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Running statistics
#
# When the network is used, there may be one image and no batch. So training keeps running averages,
# with a *momentum* $\alpha$ (default 0.1), and evaluation uses them in place of $\mu$ and
# $\sigma^2$:
#
# $$
# \text{running} \leftarrow (1 - \alpha)\,\text{running} + \alpha\,\text{new} .
# $$
#
# **Convention.** Here and in PyTorch $\alpha$ is the weight of the *new* value. In Keras and
# TensorFlow `momentum` is the weight of the *old* one: 0.9 there is 0.1 here.

# %%
layer = nn.BatchNorm2d(3, dtype=torch.float64)
mean, var = np.zeros(3), np.ones(3)  # where they begin
batches = [rng.normal(3.0, 2.0, (8, 3, 5, 5)) for _ in range(60)]
seen = []
for batch in batches:
    layer(torch.tensor(batch))
    mean = 0.9 * mean + 0.1 * batch.mean(AXES)
    var = 0.9 * var + 0.1 * batch.var(AXES, ddof=1)  # unbiased
    seen.append((mean[0], var[0]))
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-10)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-10)

# %% [markdown]
# The first values, 0 and 1, are forgotten slowly. After $T$ batches they still count with
# $(1 - \alpha)^T$: 35 % after 10 batches, 0.5 % after 50. A network that is evaluated after a few
# steps of training is evaluated with statistics that are not yet those of its data.

# %%
figure, panels = plt.subplots(1, 2, figsize=(7, 2.8))
steps = np.arange(1, 61)
for axes, index, name, begin, true in (
    (panels[0], 0, "running mean", 0, 3),
    (panels[1], 1, "running variance", 1, 4),
):
    axes.plot(steps, [s[index] for s in seen], color=BLUE, lw=2, label="channel 0")
    expected = true + (begin - true) * 0.9**steps
    axes.plot(steps, expected, "--", color=ORANGE, label=r"expected: first value fades as $0.9^T$")
    axes.axhline(true, color=GREY, lw=1)
    axes.set(xlabel="batches T", ylabel=name)
    axes.legend(loc="lower right")
plt.show()
assert abs(seen[-1][0] - 3) < 0.3 and abs(seen[-1][1] - 4) < 0.8

# %% [markdown]
# In evaluation nothing depends on the batch. The layer is then one multiplication and one addition
# for each channel:
#
# $$
# y = s x + t, \qquad
# s = \frac{\gamma}{\sqrt{\text{running var} + \varepsilon}}, \qquad
# t = \beta - s \cdot \text{running mean} .
# $$

# %%
layer.eval()
scale = layer.weight.detach().numpy() / np.sqrt(var + layer.eps)
shift = layer.bias.detach().numpy() - scale * mean
evaluated = layer(torch.tensor(x)).detach().numpy()
np.testing.assert_allclose(evaluated, channel(scale) * x + channel(shift), rtol=1e-8, atol=1e-8)

# %% [markdown]
# ## Seen at work: the activations
#
# The data are the shipped digits of 8 × 8 pixels, or MNIST where `MINICNN_DATA` has it, halved to
# 14 × 14 to save time. First a stack of eight convolutions that has not been trained, once as it is
# and once with batch normalisation before every ReLU.

# %%
Images = available("mnist", "digits")
train_set, test_set = Images(train=True), Images(train=False)


def tensors(data, count):
    """The first `count` images, with mean 0 and deviation 1 over the data, and their labels."""
    chosen = range(min(count, len(data)))
    images = torch.stack([data[i][0] for i in chosen])
    if images.shape[-1] == 28:
        images = F.avg_pool2d(images, 2)
    return (images - data.mean[0]) / data.std[0], torch.tensor([data[i][1] for i in chosen])


train_x, train_y = tensors(train_set, 5000)
test_x, test_y = tensors(test_set, 1000)
print(train_set, tuple(train_x.shape))


def network(depth, width, normalised):
    layers, channels = [], 1
    for i in range(depth):
        stride = 2 if i in (1, 3) else 1  # half the size, twice
        layers.append(nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=not normalised))
        layers += [nn.BatchNorm2d(width)] if normalised else []
        layers.append(nn.ReLU())
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def before_relu(model, images):
    """What goes into every ReLU of a network, layer by layer."""
    found = []
    for layer in model:
        if isinstance(layer, nn.ReLU):
            found.append(images.numpy().ravel())
        images = layer(images)
    return found


figure, panels = plt.subplots(1, 2, figsize=(7, 4), sharey=True)
deviations = {}
for axes, normalised in zip(panels, (False, True), strict=True):
    torch.manual_seed(0)
    with torch.no_grad():
        values = before_relu(network(8, 16, normalised), train_x[:256])
    deviations[normalised] = np.array([v.std() for v in values])
    for i, v in enumerate(values):
        counts, edges = np.histogram(v, bins=np.linspace(-3, 3, 121))
        heights = 0.9 * counts / counts.max()
        colour = BLUE if normalised else ORANGE
        axes.fill_between((edges[1:] + edges[:-1]) / 2, i, i + heights, color=colour, alpha=0.75)
    axes.set(xlabel="input of the ReLU", title="with" if normalised else "without")
    axes.set_yticks(range(8), [f"layer {i + 1}" for i in range(8)])
figure.suptitle("Eight untrained layers, with and without batch normalisation")
plt.show()

for normalised, name in ((False, "without"), (True, "with")):
    print(f"{name:>7}: deviations {deviations[normalised].round(3)}")

# %% [markdown]
# Without it, the activations shrink from layer to layer, and the last layer hardly tells one image
# from another. (Notebook 8 says why, and what else helps.) With it every layer receives the same
# scale, by construction.

# %%
assert deviations[False][-1] < 0.2 * deviations[False][0]
np.testing.assert_allclose(deviations[True], 1, atol=0.02)

# %% [markdown]
# ## Seen at work: the learning rate
#
# Now such networks are trained, for a range of learning rates. To be fair to the one without, both
# begin with weights that keep the scale of the activations (He's; notebook 8 derives them). What is
# drawn is the loss of the third epoch.


# %%
def train(model, rate, epochs, batch_size=64):
    """Plain SGD; return the mean loss of the last epoch, or infinity if it diverged."""
    optimizer = optim.SGD(model.parameters(), lr=rate)
    order = np.random.default_rng(0)
    for _ in range(epochs):
        losses = []
        rows = order.permutation(len(train_x))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            chosen = torch.tensor(rows[start : start + batch_size])
            loss = F.cross_entropy(model(train_x[chosen]), train_y[chosen])
            if not np.isfinite(loss.item()):
                return np.inf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return float(np.mean(losses))


def he(model):
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return model


rates = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
final = {}
for normalised in (False, True):
    final[normalised] = []
    for rate in rates:
        torch.manual_seed(0)
        final[normalised].append(train(he(network(6, 16, normalised)), rate, epochs=3))
    print("with   " if normalised else "without", np.round(final[normalised], 3))

# %%
figure, axes = plt.subplots(figsize=(7, 3.6))
axes.semilogx(rates, np.minimum(final[False], 3), "o-", color=ORANGE, label="without")
axes.semilogx(rates, np.minimum(final[True], 3), "s-", color=BLUE, label="with batch normalisation")
axes.axhline(np.log(10), color=GREY, lw=1)
axes.text(rates[0], np.log(10) + 0.05, "guessing: log 10", color="#555555", fontsize=9)
axes.set(xlabel="learning rate", ylabel="loss of the third epoch", ylim=(0, 2.7))
axes.legend(loc="lower left")
plt.show()

worked = {key: sum(loss < 0.7 for loss in losses) for key, losses in final.items()}
print(f"below 0.7: {worked[False]} of {len(rates)} without, {worked[True]} with")
assert worked[True] >= worked[False] + 2

# %% [markdown]
# ## Training against evaluation, and what goes wrong
#
# **`model.eval()` forgotten.** In training mode an image's result depends on its neighbours in the
# batch. We train a network, and then judge it in both modes: on mixed batches, and on batches of
# one class each.

# %%
torch.manual_seed(0)
model = network(4, 16, normalised=True)
train(model, 0.1, epochs=6)


def accuracy(model, batches):
    with torch.no_grad():
        right = [(model(test_x[b]).argmax(dim=1) == test_y[b]).numpy() for b in batches]
    return np.concatenate(right).mean()


mixed = np.array_split(np.random.default_rng(1).permutation(len(test_x)), 8)
by_class = [np.flatnonzero(test_y.numpy() == k) for k in range(10)]
state = {name: value.clone() for name, value in model.state_dict().items()}
table = {}
for mode in ("eval", "train"):
    for name, batches in (("mixed batches", mixed), ("one class a batch", by_class)):
        model.load_state_dict(state)  # because in training mode the statistics move
        model.train(mode == "train")
        table[mode, name] = accuracy(model, batches)
        print(f"{mode:>5} mode, {name:<17}: accuracy {table[mode, name]:.3f}")

# %% [markdown]
# In evaluation mode the order of the test images does not matter. In training mode it does: when a
# batch holds one class only, what tells this class from the others is in the batch's mean, and is
# subtracted. Below is what the network says about one and the same image in three different
# batches.

# %%
assert table["eval", "mixed batches"] == table["eval", "one class a batch"]
assert table["train", "one class a batch"] < table["eval", "mixed batches"] - 0.2

one = test_x[:1]
companies = {
    "ten others": test_x[1:11],
    "other ten": test_x[11:21],
    "zeros only": test_x[by_class[0]],
}
figure, panels = plt.subplots(2, 3, figsize=(7, 4), sharey=True)
for row, mode in enumerate(("eval", "train")):
    for axes, (name, others) in zip(panels[row], companies.items(), strict=True):
        model.load_state_dict(state)
        model.train(mode == "train")
        with torch.no_grad():
            p = F.softmax(model(torch.cat([one, others])), dim=1)[0].numpy()
        axes.bar(range(10), p, color=BLUE if mode == "eval" else ORANGE)
        axes.set(title=f"{mode} mode, among {name}", ylim=(0, 1.05))
        axes.title.set_fontsize(10)
        axes.set_xticks(range(10))
    panels[row][0].set_ylabel("probability")
for axes in panels[1]:
    axes.set_xlabel("digit")
plt.show()

# %% [markdown]
# Evaluating in training mode also *changes* the network: every forward pass moves the running
# statistics towards the test data.

# %%
model.load_state_dict(state)
model.train()
accuracy(model, by_class)
moved = [name for name, value in model.state_dict().items() if not (value == state[name]).all()]
assert moved and all("running" in name or "num_batches" in name for name in moved)
print(f"{len(moved)} buffers have changed, among them {moved[0]}")

# %% [markdown]
# **A batch of one.** A single vector in training mode is its own mean: the result would be $\beta$,
# whatever the input. minicnn refuses, as PyTorch does. A single *image* has $H \cdot W$ values in
# each channel and passes. But then it is normalised by itself, which is another layer: instance
# normalisation.

# %%
dense = nn.BatchNorm1d(4)
try:
    dense(torch.randn(1, 4))
except ShapeError as error:
    print(textwrap.fill(str(error), 90))
else:
    raise AssertionError("a batch of one vector must raise")

single = torch.randn(1, 3, 6, 6)
alone = nn.BatchNorm2d(3)(single).detach().numpy()
np.testing.assert_allclose(alone, F.instance_norm(single).numpy(), atol=1e-5)

# %% [markdown]
# Small batches make the statistics noisy. Below some eight images a batch, group normalisation,
# which does not look at other images at all, is the usual way out: `minicnn/ops/norm.py`.
#
# ## Summary
#
# - Forward: centre, divide by the deviation, scale, shift, for each channel.
# - Backward: $dx = \gamma r\,(dy - \overline{dy} - \hat{x}\,\overline{dy\,\hat{x}})$. The two means
#   are the paths through $\mu$ and $\sigma^2$; without them the gradient is wrong.
# - The batch is normalised with the biased variance; the running variance is the unbiased one.
# - `model.train()` before training, `model.eval()` before use.
#
# ## Exercises
#
# `minicnn course check 05` checks your functions. Then, here:
#
# 1. Leave the term with $\hat{x}$ out of `batch_norm_compact`. Which of the asserts of this
#    notebook fail? Is the direction of the gradient still usable?
# 2. A convolution before the layer has a bias $b$. Show that $dL/db = 0$ in training. Check it with
#    minicnn, and say why `bias=False` stands in `network`.
# 3. *Folding.* In evaluation, a convolution with batch normalisation after it is one convolution
#    with other weights and a bias. Derive them, build it, and assert that both give the same.
# 4. Let `momentum=None` and compare the running mean with the mean of all batches. What does
#    PyTorch's documentation call this?
# 5. Draw the accuracy in training mode against the batch size 1, 2, 4, ..., 128 of mixed batches.
#
# Next: [6. Dense layers, softmax and cross-entropy](06_dense_softmax_cross_entropy.ipynb)
