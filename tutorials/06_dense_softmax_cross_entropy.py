# %% [markdown]
# # 6. Dense layers, softmax and cross-entropy
#
# The end of nearly every classifier: a dense layer makes a score for each class, softmax makes
# probabilities of the scores, and cross-entropy says how bad they are. Together their derivative is
# as short as a derivative can be: what was said minus what is true. In floating point each of the
# three can go wrong, and there is one trick that mends most of it.
#
# - **Known before:** the tape (notebook 1) and gradient checks (notebook 2); logarithms.
# - **Known after:** the derivatives of a dense layer, of softmax and of cross-entropy, and why the
#   last two belong together; why exp overflows, log meets zero, and how log-sum-exp avoids both;
#   label smoothing and class weights.
# - **Time:** 75 minutes to read and to play. The notebook runs in 10 seconds.
# - **Source:** [`minicnn/ops/linear.py`](../minicnn/ops/linear.py),
#   [`minicnn/ops/softmax.py`](../minicnn/ops/softmax.py),
#   [`minicnn/ops/classification.py`](../minicnn/ops/classification.py).

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
# ## A dense layer
#
# Every output is a weighted sum of all inputs, plus a number of its own. For a batch of $N$ vectors
# with $I$ entries each, weights $w$ of shape $(O, I)$ and a bias $b$ of shape $(O)$:
#
# $$
# y_{no} = \sum_{i=1}^{I} x_{ni}\, w_{oi} + b_o ,
# \qquad \text{as matrices} \quad y = x\, w^\top + b .
# $$
#
# For the derivatives, ask of each number where it goes. The input $x_{ni}$ goes into every output
# of its own example $n$; the weight $w_{oi}$ into output $o$ of every example; the bias $b_o$ too.
# The derivative of a number is the sum over all the places where it goes:
#
# $$
# dx_{ni} = \sum_o dy_{no}\, w_{oi}, \qquad
# dw_{oi} = \sum_n dy_{no}\, x_{ni}, \qquad
# db_o = \sum_n dy_{no} .
# $$
#
# As matrices: $dx = dy\,w$, $\;dw = dy^\top x$, and $db$ is the column sum of $dy$. There is only
# one way in which the shapes fit, which is a good way to remember them.


# %%
def dense_forward(x, w, b):
    return x @ w.T + b  # (N, O)


def dense_backward(dy, x, w):
    dx = dy @ w  # (N, O) @ (O, I) = (N, I)
    dw = dy.T @ x  # (O, N) @ (N, I) = (O, I)
    db = dy.sum(axis=0)  # (O,)
    return dx, dw, db


x, w, b = rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=3)
y, dy = dense_forward(x, w, b), rng.normal(size=(4, 3))

inputs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
theirs = F.linear(*inputs)
theirs.backward(torch.tensor(dy))
np.testing.assert_allclose(theirs.detach().numpy(), y, rtol=1e-12)
for mine, tensor in zip(dense_backward(dy, x, w), inputs, strict=True):
    np.testing.assert_allclose(tensor.grad.numpy(), mine, rtol=1e-12)
print("y, dx, dw and db equal minicnn's")

# %% [markdown]
# ## Softmax
#
# Scores $x_1, \dots, x_C$ can be any numbers. Probabilities are positive and sum to one. The
# exponential makes them positive, a division makes them sum to one:
#
# $$
# p_i = \frac{e^{x_i}}{\sum_j e^{x_j}} .
# $$
#
# Only *differences* of scores count: adding the same number $a$ to all of them multiplies numerator
# and denominator by $e^a$. And the scale counts: large scores are sure, small ones undecided.

# %%
scores = np.array([2.0, 1.0, 0.5, -1.0, 0.0])
figure, panels = plt.subplots(1, 4, figsize=(7, 2.4), sharey=True)
for axes, factor in zip(panels, (0.2, 1, 3, 10), strict=True):
    p = np.exp(factor * scores) / np.exp(factor * scores).sum()
    axes.bar(range(5), p)
    axes.set(title=f"{factor:g} times", xlabel="class", xticks=range(5), ylim=(0, 1.05))
panels[0].set_ylabel("probability")
plt.show()

# %% [markdown]
# **Its derivative.** With the quotient rule, and $\delta_{ij} = 1$ if $i = j$ and 0 otherwise,
#
# $$
# \frac{\partial p_i}{\partial x_j}
#   = \frac{\delta_{ij}\, e^{x_i} \sum_k e^{x_k} - e^{x_i} e^{x_j}}{\big( \sum_k e^{x_k} \big)^2}
#   = p_i\, (\delta_{ij} - p_j) .
# $$
#
# A backward pass needs no matrix of these. It needs
# $dx_j = \sum_i dp_i\, \partial p_i / \partial x_j$, which is one sum for each example:
#
# $$
# dx_j = \sum_i dp_i\, p_i\, (\delta_{ij} - p_j) = p_j \Big( dp_j - \sum_i dp_i\, p_i \Big) .
# $$


# %%
def softmax_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))  # why the maximum: see the traps below
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(dp, p):
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))


x, dp = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
p = softmax_forward(x)
tensor = torch.tensor(x, requires_grad=True)
theirs = F.softmax(tensor, dim=1)
theirs.backward(torch.tensor(dp))
np.testing.assert_allclose(theirs.detach().numpy(), p, rtol=1e-12)
np.testing.assert_allclose(tensor.grad.numpy(), softmax_backward(dp, p), rtol=1e-9, atol=1e-15)

jacobian = np.diag(p[0]) - np.outer(p[0], p[0])  # the whole matrix, for the first example
np.testing.assert_allclose(dp[0] @ jacobian, softmax_backward(dp, p)[0], rtol=1e-9, atol=1e-15)
np.testing.assert_allclose(softmax_forward(x + 7.0), p, rtol=1e-12)  # only differences count

# %% [markdown]
# ## Cross-entropy
#
# Let the network give example $n$, of class $t_n$, the probabilities $p_{n1}, \dots, p_{nC}$. If
# the examples are independent, the probability that it gives to *all* the labels is
# $\prod_n p_{n t_n}$. Good parameters make this large. The logarithm turns the product into a sum,
# the minus sign turns "large" into "small", and the mean makes it independent of the batch:
#
# $$
# L = -\frac{1}{N} \sum_{n=1}^{N} \log p_{n t_n} .
# $$
#
# So cross-entropy is maximum likelihood. For one example it is $-\log p_t$, the *surprise*: 0 for a
# sure and right answer, $\log C$ for guessing, without limit for a sure and wrong one.
#
# **The derivative with respect to the scores.** Put softmax in:
# $-\log p_t = -x_t + \log \sum_j e^{x_j}$. Then
#
# $$
# \frac{\partial (-\log p_t)}{\partial x_j}
#   = -\delta_{jt} + \frac{e^{x_j}}{\sum_k e^{x_k}}
#   = p_j - \delta_{jt} .
# $$
#
# *The probabilities minus the truth*, written $p - y$ with $y$ the one-hot row of the label. No
# product, no division, nothing that vanishes: all the exponentials have cancelled.


# %%
def cross_entropy_forward(x, labels):
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N, C)
    return -log_p[np.arange(len(x)), labels].mean(), log_p


def cross_entropy_backward(log_p, labels):
    dx = np.exp(log_p)  # p
    dx[np.arange(len(dx)), labels] -= 1  # p - y
    return dx / len(dx)  # because the loss is a mean


x, labels = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
loss, log_p = cross_entropy_forward(x, labels)
dx = cross_entropy_backward(log_p, labels)

tensor = torch.tensor(x, requires_grad=True)
theirs = F.cross_entropy(tensor, torch.tensor(labels))
theirs.backward()
np.testing.assert_allclose(theirs.item(), loss, rtol=1e-12)
np.testing.assert_allclose(tensor.grad.numpy(), dx, rtol=1e-9, atol=1e-15)
np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-15)  # what one class gains, others lose

# %% [markdown]
# ## Why not the squared error?
#
# One could minimise $\lVert p - y \rVert^2$ instead. Its derivative has to pass through softmax,
# and $p_i (\delta_{ij} - p_j)$ is nearly zero wherever the network is sure, *right or wrong*. We
# let minicnn differentiate both, for two classes with the scores $(s, 0)$ of which the first is
# right.

# %%
s = np.linspace(-10, 10, 201)
pairs = np.stack([s, np.zeros_like(s)], axis=1)  # (201, 2)
truth = torch.tensor(np.tile([1.0, 0.0], (len(s), 1)))
pulls, losses = {}, {}
for name in ("cross-entropy", "squared error"):
    tensor = torch.tensor(pairs, requires_grad=True)
    if name == "cross-entropy":
        each = F.cross_entropy(tensor, truth, reduction="none")
    else:
        each = ((F.softmax(tensor, dim=1) - truth) ** 2).sum(1)
    each.sum().backward()
    losses[name], pulls[name] = each.detach().numpy(), -tensor.grad.numpy()[:, 0]

figure, panels = plt.subplots(1, 2, figsize=(7, 3))
for name, style in (("cross-entropy", "-"), ("squared error", "--")):
    panels[0].plot(s, losses[name], style, label=name)
    panels[1].plot(s, pulls[name], style, label=name)
panels[0].set(ylabel="loss", title="how bad it is")
panels[1].set(ylabel="pull on the right score", title="how strongly it is corrected")
for axes in panels:
    axes.set_xlabel("sure and wrong  ←  s  →  sure and right")
    axes.grid()
    axes.legend()
plt.show()

assert pulls["cross-entropy"][0] > 0.99 and pulls["squared error"][0] < 1e-3

# %% [markdown]
# At $s = -10$ the network is sure and wrong. Cross-entropy pulls with full strength. The squared
# error hardly pulls at all: such a network would stay where it is.
#
# ## Numerical traps
#
# A float32 reaches from about $10^{-45}$ to $3.4 \cdot 10^{38}$. The exponential leaves that range
# at $-104$ and at $88.7$. Scores of 100 are nothing special in a network that trains badly.
#
# **1. Overflow.** `exp(100)` is infinite, and infinity over infinity is not a number. Because only
# differences count, the largest score can be subtracted from all: then the largest exponential is
# $e^0 = 1$, and the sum lies between 1 and $C$.

# %%
large = np.array([[100.0, 99.0, 0.0]], np.float32)
with np.errstate(all="ignore"):
    naive = np.exp(large) / np.exp(large).sum(axis=1, keepdims=True)
print("naive:  ", naive)
print("shifted:", softmax_forward(large))
assert np.isnan(naive).any()
np.testing.assert_allclose(softmax_forward(large), F.softmax(torch.tensor(large), 1).numpy())

# %% [markdown]
# **2. The logarithm of zero.** The shift does not help if softmax and logarithm are two steps: a
# probability of $e^{-110}$ is 0 in float32, and its logarithm is $-\infty$. Do both at once,
#
# $$
# \log p_i = x_i - \max_k x_k - \log \sum_j e^{\,x_j - \max_k x_k} ,
# $$
#
# and the answer is simply $-110$. The last term is called *log-sum-exp*. This is why there is a
# `log_softmax`, and why `cross_entropy` takes scores and not probabilities.
#
# The picture shows the loss of scores $(s, 0)$, in float32, by three formulas. The exact value is
# $\log(1 + e^{-s})$.

# %%
s = np.linspace(-130, 130, 521)
pairs = np.stack([s, np.zeros_like(s)], axis=1).astype(np.float32)
exact = np.logaddexp(0, -s)  # float64, and never out of range
with np.errstate(all="ignore"):
    e = np.exp(pairs)
    in_steps = -np.log(e[:, 0] / e.sum(axis=1))
    shifted = -np.log(softmax_forward(pairs)[:, 0])
fused = F.cross_entropy(
    torch.tensor(pairs), torch.zeros(len(s), dtype=torch.int64), reduction="none"
).numpy()

figure, panels = plt.subplots(1, 3, figsize=(7, 3.2), sharey=True)
for axes, values, title in (
    (panels[0], in_steps, "softmax, then log"),
    (panels[1], shifted, "shift, then log"),
    (panels[2], fused, "log-sum-exp: minicnn"),
):
    lost = ~np.isfinite(values)
    axes.fill_between(s, -10, 140, where=lost, color="C1", alpha=0.35, label="inf or NaN")
    axes.plot(s, exact, color="#bbbbbb", lw=5, label="exact")
    axes.plot(s, np.where(lost, np.nan, values), color="C0", label="float32")
    axes.set(title=title, xlabel="score s", ylim=(-10, 140))
panels[0].set_ylabel("loss")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

assert np.isnan(in_steps[-1]) and np.isinf(in_steps[0])
assert np.isfinite(shifted[-1]) and np.isinf(shifted[0])
np.testing.assert_allclose(fused, exact, rtol=1e-6, atol=1.2e-7)

# %% [markdown]
# **3. What float32 cannot tell from zero.** For $s = 20$ the exact loss is $2 \cdot 10^{-9}$. The
# sum $1 + e^{-20}$ rounds to 1 in float32, because the next number above 1 is
# $1 + 1.2 \cdot 10^{-7}$. The loss is then exactly 0, and so is the gradient of the right score.
# This error is harmless, since it is far smaller than any step that would matter. But it explains
# why a float32 loss that has become tiny ends at 0.

# %%
small = F.cross_entropy(torch.tensor([[20.0, 0.0]]), torch.tensor([0]))
assert small.item() == 0.0 and np.log1p(np.exp(-20.0)) > 2e-9

# %% [markdown]
# **4. Cancellation.** Only differences of scores count, in mathematics. In float32 the numbers near
# 1,000,000 are 0.06 apart. Scores that carry such an offset have lost their difference before any
# formula sees them.

# %%
differences = np.array([[0.10, 0.12, 0.30]])
for offset in (0.0, 1e3, 1e6):
    rounded = (differences + offset).astype(np.float32)
    print(f"offset {offset:9,.0f}: p = {softmax_forward(rounded)[0].round(4)}")
first, second, _ = softmax_forward((differences + 1e6).astype(np.float32))[0]
assert first == second  # their difference of 0.02 is gone

# %% [markdown]
# ## Softer truths, and classes that count more
#
# **Label smoothing** asks for a little less than certainty: of the truth, a share $s$ is spread
# evenly over all classes, $q = (1 - s)\, y + s / C$. The loss is $-\sum_c q_c \log p_c$, and its
# derivative is $p - q$. It is smallest at $p = q$, where the scores are finite; without smoothing
# the network pushes them apart for ever.
#
# **Class weights** $w_c$ let rare classes count more. The mean is then a weighted one:
#
# $$
# L = \frac{\sum_n w_{t_n} \, (-\log p_{n t_n})}{\sum_n w_{t_n}} .
# $$

# %%
x, labels = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
_, log_p = cross_entropy_forward(x, labels)

q = 0.9 * np.eye(5)[labels] + 0.1 / 5
tensor = torch.tensor(x, requires_grad=True)
theirs = F.cross_entropy(tensor, torch.tensor(labels), label_smoothing=0.1)
theirs.backward()
np.testing.assert_allclose(theirs.item(), -(q * log_p).sum(axis=1).mean(), rtol=1e-12)
np.testing.assert_allclose(tensor.grad.numpy(), (np.exp(log_p) - q) / 6, rtol=1e-9, atol=1e-15)

weights = np.array([1.0, 2.0, 0.5, 1.0, 4.0])
each = -log_p[np.arange(6), labels]
mine = (weights[labels] * each).sum() / weights[labels].sum()
theirs = F.cross_entropy(torch.tensor(x), torch.tensor(labels), weight=torch.tensor(weights))
np.testing.assert_allclose(theirs.item(), mine, rtol=1e-12)

# %% [markdown]
# ## Put together: a classifier of one layer
#
# A dense layer and cross-entropy are already a classifier, called softmax regression. We train it
# with the functions of this notebook, and beside it with minicnn. After every step the weights must
# agree. The data are the shipped digits, or MNIST where `MINICNN_DATA` has it.

# %%
Images = available("mnist", "digits")
train, test = Images(train=True), Images(train=False)


def flat(data, count):
    """Images as rows of float64 numbers, and their labels."""
    rows = range(min(count, len(data)))
    pixels = np.stack([data[i][0].numpy().ravel() for i in rows]).astype(np.float64)
    return pixels, np.array([data[i][1] for i in rows])


train_x, train_y = flat(train, 2000)
test_x, test_y = flat(test, 1000)
features = train_x.shape[1]
w, b = np.zeros((10, features)), np.zeros(10)

layer = nn.Linear(features, 10, dtype=torch.float64)
nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
optimizer = optim.SGD(layer.parameters(), lr=0.5)
their_x, their_y = torch.tensor(train_x), torch.tensor(train_y)

losses = []
for _ in range(150):
    loss, log_p = cross_entropy_forward(dense_forward(train_x, w, b), train_y)
    _, dw, db = dense_backward(cross_entropy_backward(log_p, train_y), train_x, w)
    w, b = w - 0.5 * dw, b - 0.5 * db
    losses.append(loss)

    their_loss = F.cross_entropy(layer(their_x), their_y)
    optimizer.zero_grad()
    their_loss.backward()
    optimizer.step()
    np.testing.assert_allclose(their_loss.item(), loss, rtol=1e-9)
    np.testing.assert_allclose(layer.weight.detach().numpy(), w, rtol=1e-6, atol=1e-9)

predicted = dense_forward(test_x, w, b).argmax(axis=1)
accuracy = (predicted == test_y).mean()
print(f"loss {losses[0]:.3f} (that is log 10) to {losses[-1]:.3f}; test accuracy {accuracy:.1%}")
np.testing.assert_allclose(losses[0], np.log(10), rtol=1e-12)
assert accuracy > 0.8

# %% [markdown]
# Every class has one weight for each pixel, so its weights are a picture. Red pixels speak for the
# class, blue ones against it. The score is the sum of the weights under the ink: a dense layer
# compares with one *template* for each class. That is all it can do, and why convolutions are worth
# their effort.

# %%
side = int(features**0.5)
limit = abs(w).max()
figure, panels = plt.subplots(2, 5, figsize=(7, 3.2))
for digit, axes in enumerate(panels.ravel()):
    picture = axes.imshow(w[digit].reshape(side, side), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_title(f"{digit}")
    axes.axis("off")
figure.colorbar(picture, ax=panels, label="weight", shrink=0.9)
plt.show()

# %% [markdown]
# ## Summary
#
# - Dense: $y = x w^\top + b$; backward $dy\,w$, $\;dy^\top x$ and the column sum of $dy$.
# - Softmax: $dx = p\,(dp - \sum dp\,p)$. Cross-entropy of scores: $dx = (p - y) / N$.
# - Give `cross_entropy` scores. A softmax before it is a mistake that raises no error: the network
#   learns, but badly (exercise 3).
# - Subtract the maximum; keep log and exp together.
#
# ## Exercises
#
# `minicnn course check 06` checks your own `dense`, `softmax` and `cross_entropy`. Then, here:
#
# 1. Forget to divide by $N$ in `cross_entropy_backward`. What would you have to change so that the
#    training above gives the same weights?
# 2. Write `log_softmax_backward(dy, log_p)`, and check it against minicnn.
# 3. Train with `F.cross_entropy(F.softmax(layer(x), 1), y)`. Where does the loss stop, and why can
#    it not go below $\log(e + 9) - 1 \approx 1.46$?
# 4. For two classes, write softmax as a sigmoid of one number, and find the derivative of
#    `binary_cross_entropy_with_logits`. Which number would overflow, and how is it avoided?
# 5. Make one class of the training data ten times rarer. What do class weights change: the
#    accuracy, or which mistakes are made?
#
# Next: [7. Optimizers](07_optimizers.ipynb)
