# %% [markdown]
# # 7. Optimizers
#
# The gradient says in which direction the loss falls fastest. It does not say how far to go. An
# optimizer is an answer to that question, and the answers that are in use can be seen at work: on
# surfaces with two parameters one watches them go downhill.
#
# - **Known before:** the tape (notebook 1); notebook 6 for the network at the end.
# - **Known after:** how far a step may go, and why; momentum and Nesterov's form of it; Adagrad,
#   RMSprop and Adam, and what the bias correction corrects; why AdamW is not Adam with an L2
#   penalty; how to find a learning rate.
# - **Time:** 90 minutes to read and to play. The notebook runs in 20 seconds.
# - **Source:** [`minicnn/optim/sgd.py`](../minicnn/optim/sgd.py),
#   [`minicnn/optim/adagrad.py`](../minicnn/optim/adagrad.py),
#   [`minicnn/optim/rmsprop.py`](../minicnn/optim/rmsprop.py),
#   [`minicnn/optim/adam.py`](../minicnn/optim/adam.py),
#   [`minicnn/optim/adamw.py`](../minicnn/optim/adamw.py).

# %%
import matplotlib.pyplot as plt
import numpy as np

import minicnn as torch
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data.datasets import available

torch.manual_seed(0)
plt.style.use("minicnn.visualize.course")
rng = np.random.default_rng(0)

# %% [markdown]
# ## Surfaces
#
# Four functions of two parameters, each with a difficulty of its own. Their gradients come from
# minicnn's tape.
#
# - **Ravine**, $\frac{1}{2}(x^2 + 25 y^2)$: 25 times steeper across than along.
# - **Rosenbrock**, $(1 - x)^2 + 10\,(y - x^2)^2$: a bent ravine; the lowest point is $(1, 1)$.
# - **Beale**,
#   $(\frac{3}{2} - x + xy)^2 + (\frac{9}{4} - x + xy^2)^2 + (\frac{21}{8} - x + xy^3)^2$: plateaus
#   between steep walls; the lowest point is $(3, \frac{1}{2})$.
# - **Saddle**, $\frac{1}{2}(x^2 - y^2) + \frac{1}{4} y^4$: flat at $(0, 0)$, which is no minimum;
#   the lowest points are $(0, \pm 1)$.


# %%
def ravine(x, y):
    return 0.5 * (x**2 + 25 * y**2)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def saddle(x, y):
    return 0.5 * (x**2 - y**2) + 0.25 * y**4


def gradient(surface, p):
    """The gradient of a surface at p, an array of two numbers."""
    tensor = torch.tensor(p, requires_grad=True)
    surface(tensor[0], tensor[1]).backward()
    return tensor.grad.numpy()


STARTS = {ravine: (-4.5, 1.2), rosenbrock: (-1.2, 1.5), beale: (1.0, 1.5), saddle: (-1.5, 1e-3)}
LOWEST = {ravine: (0, 0), rosenbrock: (1, 1), beale: (3, 0.5), saddle: (0, 1)}
WINDOWS = {
    ravine: (-5, 5, -2, 2),
    rosenbrock: (-2, 2, -1, 3),
    beale: (0, 3.5, -1.7, 1.9),
    saddle: (-2, 2, -1.6, 1.6),
}

# %% [markdown]
# A *rule* takes a parameter `p`, its gradient `g` and a dictionary in which it may remember things,
# and returns the new parameter. `walk` follows a rule, `walk_minicnn` one of minicnn's optimizers.


# %%
def walk(rule, surface, steps, start=None, **options):
    """The places that a rule visits: an array (steps + 1, 2)."""
    p, state = np.array(start or STARTS[surface], float), {}
    places = [p]
    for _ in range(steps):
        p = rule(p, gradient(surface, p), state, **options)
        places.append(p)
    return np.array(places)


def walk_minicnn(kind, surface, steps, start=None, **options):
    """The places that an optimizer of minicnn visits."""
    p = torch.tensor(np.array(start or STARTS[surface], float), requires_grad=True)
    optimizer = kind([p], **options)
    places = [p.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        surface(p[0], p[1]).backward()
        optimizer.step()
        places.append(p.detach().numpy().copy())
    return np.array(places)


def same(rule, kind, options, their_options=None):
    """Assert that rule and optimizer visit the same places, on every surface, for 50 steps."""
    for surface in STARTS:
        mine = walk(rule, surface, 50, **options)
        theirs = walk_minicnn(kind, surface, 50, **(their_options or options))
        np.testing.assert_allclose(theirs, mine, rtol=1e-7, atol=1e-9)
    print(f"{rule.__name__} visits the same places as minicnn.optim.{kind.__name__}")


def draw(axes, surface, paths):
    """Contours of a surface, and paths on it by name."""
    left, right, low, high = WINDOWS[surface]
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
    z = surface(x, y)
    levels = np.quantile(z, np.linspace(0, 1, 16) ** 2)
    axes.contour(x, y, z, levels=levels[1:-1], colors="#c4c4c4", linewidths=0.8)
    for (name, places), marker in zip(paths.items(), "osD^vP", strict=False):
        axes.plot(*places.T, "-", marker=marker, ms=3, lw=1.2, label=name)
    axes.plot(*LOWEST[surface], "*", color="black", ms=11)
    axes.set(xlim=(left, right), ylim=(low, high), xlabel="x", ylabel="y")


# %% [markdown]
# ## Gradient descent, and how far a step may go
#
# $$
# p \leftarrow p - \eta\, g
# $$


# %%
def sgd(p, g, state, lr):
    return p - lr * g


same(sgd, optim.SGD, {"lr": 0.01})

# %% [markdown]
# Near a minimum every smooth surface is a quadratic one, and in the right coordinates a sum
# $\frac{1}{2} \sum_k \lambda_k p_k^2$. There the gradient is $\lambda_k p_k$, and each coordinate
# goes its own way:
#
# $$
# p_k \leftarrow p_k - \eta \lambda_k p_k = (1 - \eta \lambda_k)\, p_k
# \qquad \text{so after } t \text{ steps} \qquad p_k = (1 - \eta \lambda_k)^t\, p_k^{(0)} .
# $$
#
# It converges if $|1 - \eta \lambda_k| < 1$ for every $k$, so **if and only if
# $\eta < 2 / \lambda_{\max}$**. The steepest direction sets the limit; the flattest one then needs
# the more steps. In the ravine $\lambda = 1$ and $25$, and the limit is $2 / 25 = 0.08$.

# %%
rates = (0.01, 0.076, 0.0815)
paths = {rate: walk(sgd, ravine, 30, lr=rate) for rate in rates}
figure, panels = plt.subplots(3, 1, figsize=(7, 6), sharex=True)
for axes, rate, what in zip(panels, rates, ("slow", "just below", "just above"), strict=True):
    draw(axes, ravine, {"SGD": paths[rate]})
    axes.set(title=f"learning rate {rate}: {what}", xlabel="")
panels[-1].set_xlabel("x")
plt.show()

t = np.arange(31)[:, None]
for rate, places in paths.items():
    predicted = (1 - rate * np.array([1, 25])) ** t * STARTS[ravine]
    np.testing.assert_allclose(places, predicted, rtol=1e-9, atol=1e-12)
assert abs(paths[0.076][-1, 1]) < 1.2 < abs(paths[0.0815][-1, 1])

# %% [markdown]
# Even at the best rate the error of the slowest coordinate shrinks only by
# $(\kappa - 1) / (\kappa + 1)$ a step, where $\kappa = \lambda_{\max} / \lambda_{\min}$ is the
# *condition number*: 25 here, and many thousands in a network.
#
# ## Momentum
#
# A ball does not follow the gradient; it has a velocity, which the gradient changes:
#
# $$
# b \leftarrow \mu\, b + g, \qquad p \leftarrow p - \eta\, b .
# $$
#
# The velocity is a sum of past gradients, of which each counts $\mu^{\text{age}}$. Along the ravine
# they agree, and add up to $1 + \mu + \mu^2 + \dots = 1 / (1 - \mu)$ times the step: ten times,
# with $\mu = 0.9$. Across it they alternate and cancel.
#
# **Nesterov's form** looks ahead: it takes the gradient where the velocity is about to carry the
# parameter,
#
# $$
# b \leftarrow \mu\, b + g(q - \eta \mu b), \qquad q \leftarrow q - \eta\, b .
# $$
#
# Libraries keep the point $p = q - \eta \mu b$ at which the gradient is taken, since that is where
# the network is evaluated. With the new $b$,
#
# $$
# p_{\text{new}} = q_{\text{new}} - \eta \mu b = q - \eta b - \eta \mu b
#   = p + \eta \mu b_{\text{old}} - \eta b - \eta \mu b = p - \eta\, (g + \mu b) ,
# $$
#
# because $\mu b_{\text{old}} - b = -g$.


# %%
def momentum(p, g, state, lr, mu=0.9):
    state["b"] = mu * state.get("b", 0.0) + g
    return p - lr * state["b"]


def nesterov(p, g, state, lr, mu=0.9):
    state["b"] = mu * state.get("b", 0.0) + g
    return p - lr * (g + mu * state["b"])


same(momentum, optim.SGD, {"lr": 0.005}, {"lr": 0.005, "momentum": 0.9})
same(nesterov, optim.SGD, {"lr": 0.005}, {"lr": 0.005, "momentum": 0.9, "nesterov": True})

# the form that looks ahead, written as it is derived, is the same
q, b, looked_ahead = np.array(STARTS[ravine]), np.zeros(2), []
for _ in range(50):
    looked_ahead.append(q - 0.02 * 0.9 * b)
    b = 0.9 * b + gradient(ravine, looked_ahead[-1])
    q = q - 0.02 * b
np.testing.assert_allclose(looked_ahead, walk(nesterov, ravine, 49, lr=0.02), rtol=1e-9, atol=1e-12)

# %%
STEPS = 60
paths = {rule.__name__: walk(rule, ravine, STEPS, lr=0.02) for rule in (sgd, momentum, nesterov)}
figure, panels = plt.subplots(2, 1, figsize=(7, 5.4))
draw(panels[0], ravine, paths)
panels[0].legend(ncols=3, loc="lower right")
for name, places in paths.items():
    panels[1].semilogy(np.linalg.norm(places, axis=1), label=name)
panels[1].set(xlabel="step", ylabel="distance to the minimum")
panels[1].grid()
plt.show()

far = {name: np.linalg.norm(places[-1]) for name, places in paths.items()}
print({name: f"{distance:.1e}" for name, distance in far.items()})
assert far["nesterov"] < far["momentum"] < far["sgd"]

# %% [markdown]
# Momentum overshoots and comes back; Nesterov's form sees the slope at the far side earlier, and
# brakes.
#
# ## A step for every coordinate: Adagrad and RMSprop
#
# The ravine is difficult because one learning rate has to do for both directions. Adagrad gives
# each coordinate its own, the smaller the larger its gradients have been:
#
# $$
# s \leftarrow s + g^2, \qquad p \leftarrow p - \eta\, \frac{g}{\sqrt{s} + \varepsilon} .
# $$
#
# All operations are per element. The sum only grows, so the steps shrink like $1 / \sqrt{t}$ at
# least. That is right for a convex problem and wrong for a long training. RMSprop takes a moving
# average instead, which forgets:
#
# $$
# v \leftarrow \alpha v + (1 - \alpha)\, g^2, \qquad
# p \leftarrow p - \eta\, \frac{g}{\sqrt{v} + \varepsilon} .
# $$


# %%
def adagrad(p, g, state, lr, eps=1e-10):
    state["s"] = state.get("s", 0.0) + g**2
    return p - lr * g / (np.sqrt(state["s"]) + eps)


def rmsprop(p, g, state, lr, alpha=0.99, eps=1e-8):
    state["v"] = alpha * state.get("v", 0.0) + (1 - alpha) * g**2
    return p - lr * g / (np.sqrt(state["v"]) + eps)


same(adagrad, optim.Adagrad, {"lr": 0.1})
same(rmsprop, optim.RMSprop, {"lr": 0.01})

# %% [markdown]
# ## Adam
#
# Adam has both: a velocity, and a step for every coordinate.
#
# $$
# m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad
# v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2, \qquad
# p \leftarrow p - \eta\, \frac{\hat{m}}{\sqrt{\hat{v}} + \varepsilon} .
# $$
#
# **What the hats correct.** Both averages begin at 0 and are too small at first. Write the second
# one out:
#
# $$
# v_t = (1 - \beta_2) \sum_{i=1}^{t} \beta_2^{\,t-i} g_i^2
# \quad \Rightarrow \quad
# \mathbb{E}[v_t] = \mathbb{E}[g^2]\, (1 - \beta_2) \sum_{i=1}^{t} \beta_2^{\,t-i}
#                 = \mathbb{E}[g^2]\, (1 - \beta_2^{\,t}) ,
# $$
#
# if the gradients have the same distribution at every step. So dividing by $1 - \beta_2^{\,t}$
# makes it right: $\hat{v} = v / (1 - \beta_2^{\,t})$, and likewise
# $\hat{m} = m / (1 - \beta_1^{\,t})$.


# %%
def adam(p, g, state, lr, betas=(0.9, 0.999), eps=1e-8, correct=True):
    beta1, beta2 = betas
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
    if correct:
        m, v = m / (1 - beta1**t), v / (1 - beta2**t)
    return p - lr * m / (np.sqrt(v) + eps)


same(adam, optim.Adam, {"lr": 0.05})

# %% [markdown]
# With a constant gradient the picture is simplest: every step should have the length $\eta$.
# Without the correction the first steps are too *long*, because $\beta_2$ forgets more slowly than
# $\beta_1$ and the denominator is the smaller the longer its memory.

# %%
lengths = {}
for correct in (True, False):
    p, state, lengths[correct] = 0.0, {}, []
    for _ in range(200):
        new = adam(p, 3.0, state, lr=1.0, correct=correct)
        lengths[correct].append(p - new)
        p = new
figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(range(1, 201), lengths[False], color="C1", ls="--", label="without the correction")
axes.plot(range(1, 201), lengths[True], color="C0", label="with it")
axes.set(xlabel="step", ylabel="length / learning rate", ylim=(0, None))
axes.grid()
axes.legend()
plt.show()

np.testing.assert_allclose(lengths[True], 1, rtol=1e-7)
assert max(lengths[False]) > 5

# %% [markdown]
# **The scale of the loss cancels.** Multiply the loss by 1000: Adam visits the same places, because
# $m$ and $\sqrt{v}$ both grow by 1000. Gradient descent would need another learning rate.


# %%
def tall(x, y):
    return 1000 * beale(x, y)


start = STARTS[beale]
np.testing.assert_allclose(
    walk(adam, tall, 50, start, lr=0.05), walk(adam, beale, 50, start, lr=0.05), atol=1e-6
)

# %% [markdown]
# ## On the surfaces
#
# Every method with a rate that suits it, on all of the difficult surfaces. The star is the lowest
# point. On the saddle all begin beside the ridge, at $y = 0.001$, where the slope away from it is
# nearly zero.

# %%
METHODS = {
    "SGD": (sgd, {rosenbrock: 0.02, beale: 0.01, saddle: 0.1}),
    "momentum": (momentum, {rosenbrock: 0.003, beale: 0.003, saddle: 0.1}),
    "Adagrad": (adagrad, {rosenbrock: 0.5, beale: 0.5, saddle: 0.5}),
    "RMSprop": (rmsprop, {rosenbrock: 0.02, beale: 0.02, saddle: 0.02}),
    "Adam": (adam, {rosenbrock: 0.2, beale: 0.2, saddle: 0.2}),
}
figure, panels = plt.subplots(3, 1, figsize=(7, 11))
visited = {}
for axes, surface in zip(panels, (rosenbrock, beale, saddle), strict=True):
    visited[surface] = {
        name: walk(rule, surface, 80, lr=rates[surface]) for name, (rule, rates) in METHODS.items()
    }
    draw(axes, surface, visited[surface])
    axes.set_title(f"{surface.__name__}, 80 steps")
figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
plt.show()

# %%
away = {name: int((abs(p[:, 1]) > 0.5).argmax()) for name, p in visited[saddle].items()}
print("steps until the saddle is left behind:", away)
for surface, paths in visited.items():
    assert all(surface(*places[-1]) < surface(*places[0]) for places in paths.values())
assert max(away["Adagrad"], away["RMSprop"], away["Adam"]) < away["SGD"]

# %% [markdown]
# Beside the ridge the gradient across is tiny. Gradient descent moves by a tiny step. The methods
# that divide by the size of the gradient move by a whole one.
#
# ## Weight decay: Adam is not AdamW
#
# An L2 penalty $\frac{\lambda}{2} p^2$ adds $\lambda p$ to the gradient. For gradient descent that
# is the same as shrinking every weight by the factor $1 - \eta\lambda$ at each step. For Adam it is
# not: the penalty's gradient is divided by $\sqrt{v}$ with the rest, so weights with large
# gradients are hardly decayed. AdamW shrinks the weights themselves and leaves the averages alone:
#
# $$
# p \leftarrow (1 - \eta \lambda)\, p, \qquad \text{then Adam's step with the plain } g .
# $$
#
# Two groups of 400 weights start at 1. Their gradients are noise around 0, of deviation 0.1 and of
# deviation 10. Nothing but the decay should move their mean.


# %%
def adam_l2(p, g, state, lr, decay):
    return adam(p, g + decay * p, state, lr)


def adamw(p, g, state, lr, decay):
    return adam(p * (1 - lr * decay), g, state, lr)


same(adam_l2, optim.Adam, {"lr": 0.05, "decay": 0.1}, {"lr": 0.05, "weight_decay": 0.1})
same(adamw, optim.AdamW, {"lr": 0.05, "decay": 0.1}, {"lr": 0.05, "weight_decay": 0.1})

scale = np.repeat([0.1, 10.0], 400)
noise = rng.normal(size=(300, 800)) * scale
means = {}
for rule in (adam_l2, adamw):
    p, state, means[rule] = np.ones(800), {}, []
    for g in noise:
        p = rule(p, g, state, lr=0.01, decay=0.2)
        means[rule].append((p[:400].mean(), p[400:].mean()))

figure, panels = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for axes, (rule, title) in zip(panels, ((adam_l2, "Adam, L2"), (adamw, "AdamW")), strict=True):
    small, large = np.array(means[rule]).T
    axes.plot(small, label="small gradients")
    axes.plot(large, "--", label="large gradients")
    axes.plot((1 - 0.01 * 0.2) ** np.arange(1, 301), ":", color="black", label="$(1 - ηλ)^t$")
    axes.set(title=title, xlabel="step", ylim=(0, 1.1))
    axes.legend(loc="lower left")
panels[0].set_ylabel("mean of the weights")
plt.show()

small, large = means[adam_l2][-1]
assert large > small + 0.3  # the L2 penalty hardly acts where gradients are large
np.testing.assert_allclose(means[adamw][-1], 0.998**300, atol=0.06)

# %% [markdown]
# ## On a network
#
# A small convolutional network, the shipped digits (or Fashion-MNIST, halved to 14 × 14, where
# `MINICNN_DATA` has it), three epochs, and a range of learning rates for each optimizer. The same
# weights and the same batches every time.

# %%
Images = available("fashion-mnist", "digits")
data = Images(train=True)
rows = range(min(len(data), 2000))
images = torch.stack([data[i][0] for i in rows])
images = F.avg_pool2d(images, 2) if images.shape[-1] == 28 else images
images = (images - data.mean[0]) / data.std[0]
labels = torch.tensor([data[i][1] for i in rows])
side = images.shape[-1]


def train(make, epochs=3, batch_size=64):
    """The loss at every step, cut off where it is no number."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * (side // 2) ** 2, 10),
    )  # fmt: skip
    optimizer, order, losses = make(model.parameters()), np.random.default_rng(0), []
    for _ in range(epochs):
        shuffled = order.permutation(len(labels))
        for start in range(0, len(labels) - batch_size + 1, batch_size):
            batch = torch.tensor(shuffled[start : start + batch_size])
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(min(loss.item(), 1e3))
            if not np.isfinite(losses[-1]) or losses[-1] == 1e3:
                return np.array(losses)
    return np.array(losses)


OPTIMIZERS = {
    "SGD": lambda params, lr: optim.SGD(params, lr=lr),
    "momentum": lambda params, lr: optim.SGD(params, lr=lr, momentum=0.9),
    "Nesterov": lambda params, lr: optim.SGD(params, lr=lr, momentum=0.9, nesterov=True),
    "Adagrad": lambda params, lr: optim.Adagrad(params, lr=lr),
    "RMSprop": lambda params, lr: optim.RMSprop(params, lr=lr),
    "Adam": lambda params, lr: optim.Adam(params, lr=lr),
}
rates = 10.0 ** np.arange(-4, 2)
curves = {
    (name, rate): train(lambda params, make=make, rate=rate: make(params, rate))
    for name, make in OPTIMIZERS.items()
    for rate in rates
}
per_epoch = len(labels) // 64


def final(losses):
    """The mean of the last epoch; infinity if the training broke off."""
    return losses[-per_epoch:].mean() if len(losses) == 3 * per_epoch else np.inf


table = {name: np.array([final(curves[name, rate]) for rate in rates]) for name in OPTIMIZERS}
for name, row in table.items():
    print(f"{name:>9}", "  ".join(f"{value:6.3f}" for value in row))

# %%
STYLES = dict(zip(OPTIMIZERS, ("o-", "s-", "D--", "^-", "v-", "P-"), strict=True))
figure, panels = plt.subplots(2, 1, figsize=(7, 6.6))
for name, style in STYLES.items():
    panels[0].semilogx(rates, np.minimum(table[name], 3), style, ms=5, label=name)
    best = rates[table[name].argmin()]
    smooth = np.convolve(curves[name, best], np.ones(10) / 10, mode="valid")
    panels[1].plot(smooth, style.strip("osD^vP"), label=f"{name}, {best:g}")
panels[0].axhline(np.log(10), color="#888888", lw=1)
panels[0].set(xlabel="learning rate", ylabel="loss of the third epoch", ylim=(0, 3))
panels[1].set(xlabel="step", ylabel="loss, mean of 10 steps", ylim=(0, None))
panels[0].legend(loc="upper left", bbox_to_anchor=(1, 1))
panels[1].legend(ncols=2, title="each at its best rate")
for axes in panels:
    axes.grid()
plt.show()

# %% [markdown]
# Two things are worth noticing.
#
# - Every optimizer has a range of good rates, with failure on both sides: too small, and it has not
#   moved in three epochs; too large, and it does not converge. The ranges differ: Adam's best rate
#   is smaller than that of plain SGD.
# - At its own best rate, each of them trains this network. A comparison at *one* rate says more
#   about the rate than about the optimizers.

# %%
best = {name: rates[row.argmin()] for name, row in table.items()}
assert best["Adam"] < best["SGD"]
assert all(row.min() < 1.0 for row in table.values())
assert all(row.min() < 0.7 * row[0] for row in table.values())  # the smallest rate is too small
assert all(row.min() < 0.7 * row[-1] for row in table.values())  # the largest too large

# %% [markdown]
# **What it costs.** Momentum, Adagrad and RMSprop keep one number for each parameter, Adam two:

# %%
for name, make in OPTIMIZERS.items():
    p = nn.Parameter(torch.ones(1000))
    optimizer = make([p], 0.1)
    p.sum().backward()
    optimizer.step()
    kept = sum(value.numel() for value in optimizer.state[p].values() if value.numel() == 1000)
    print(f"{name:>9}: {kept // 1000} numbers for each parameter")
    assert kept == {"SGD": 0, "Adam": 2000}.get(name, 1000)

# %% [markdown]
# ## Summary
#
# - Gradient descent converges on a quadratic if and only if $\eta < 2 / \lambda_{\max}$.
# - Momentum adds up what agrees and cancels what alternates.
# - Adagrad, RMSprop and Adam give every element a step of its own, so the scale of the loss does
#   not matter to them. Adam corrects averages that begin at zero.
# - With Adam, use AdamW for weight decay.
# - Begin with Adam at 0.001 or momentum at 0.01, then try rates in steps of three.
#
# ## Exercises
#
# `minicnn course check 07` checks your own update rules, step by step. Then, here:
#
# 1. Derive the best learning rate for the ravine, $2 / (\lambda_{\min} + \lambda_{\max})$, and show
#    that the distance then shrinks by $(\kappa - 1) / (\kappa + 1)$ a step. Assert it.
# 2. For which $\mu$ does the heavy ball stop swinging in a one-dimensional quadratic? (Write its
#    step as a $2 \times 2$ matrix and look at the eigenvalues.)
# 3. Turn the ravine by 45°. Which methods do not notice, and which do?
# 4. Give `sgd` gradients with noise. To what distance from the minimum does it get, depending on
#    the rate? What does a rate that falls like $1 / t$ change?
# 5. Add `amsgrad` to `adam`, and compare with `optim.Adam(..., amsgrad=True)`.
#
# Next: [8. Initialisation](08_initialisation.ipynb)
