# %% [markdown]
# # 4. Pooling
#
# Pooling makes images smaller: each window of pixels becomes one, its largest or its mean. It has
# no weights. What it does to gradients is the interesting part, and so is what happens where two
# pixels are equal and where windows overlap.
#
# - **Known before:** [notebook 3](03_convolution.ipynb): windows, padding, im2col.
# - **Known after:** maximum and average pooling and their gradients; who gets the gradient of a
#   tie; why gradients add up in overlapping windows; what padding must be for a maximum; how much
#   of a shift pooling forgives, and how much it does not.
# - **Time:** 60 minutes. The notebook runs in 10 seconds.
# - **Source:** [`minicnn/ops/pool.py`](../minicnn/ops/pool.py),
#   [`minicnn/nn/pooling.py`](../minicnn/nn/pooling.py).

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import minicnn
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data import Subset
from minicnn.data.datasets import available
from minicnn.errors import KinkWarning, ShapeError
from minicnn.training import Trainer

minicnn.manual_seed(0)
rng = np.random.default_rng(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## The definitions
#
# Let $W_{pq}$ be the set of pixels under the window of output $(p, q)$: as in convolution, a window
# of $KH \times KW$ pixels with its corner at row $pS - P$, column $qS - P$, for a stride $S$ and a
# padding $P$. Every channel is treated by itself:
#
# $$ y_{ncpq} = \max_{(r, s) \in W_{pq}} x_{ncrs} \qquad \text{(maximum),} $$
#
# $$ y_{ncpq} = \frac{1}{|W_{pq}|} \sum_{(r, s) \in W_{pq}} x_{ncrs} \qquad \text{(average).} $$
#
# By default the stride is the window's size, so that the windows do not overlap.
#
# In NumPy: collect the windows along a new axis, and reduce it. `windows` is the im2col of the last
# notebook, with the channels kept apart.


# %%
def output_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


def under(i, j, OH, OW, stride):
    """The slices of the padded image that lie under window element (i, j)."""
    return (..., slice(i, i + stride * (OH - 1) + 1, stride),
            slice(j, j + stride * (OW - 1) + 1, stride))  # fmt: skip


def windows(x, K, stride, padding, fill):
    """The pixels of every window along the first axis, row by row: (K K, N, C, OH, OW)."""
    OH, OW = (output_size(size, K, stride, padding) for size in x.shape[2:])
    sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(x, sides, constant_values=fill)
    return np.stack([x[under(i, j, OH, OW, stride)] for i, j in np.ndindex(K, K)])


def max_pool2d(x, K, stride, padding=0):
    return windows(x, K, stride, padding, -np.inf).max(axis=0)


def avg_pool2d(x, K, stride, padding=0):
    return windows(x, K, stride, padding, 0.0).mean(axis=0)


# %% [markdown]
# The padding of a maximum is $-\infty$. Zeros would win against negative pixels, and invent a
# largest value that is nowhere in the image. For an average, zeros are the usual convention, and
# they count as pixels (`count_include_pad=True`).

# %%
negative = -np.ones((1, 1, 2, 2))
assert (max_pool2d(negative, 2, 2, 1) == -1).all()
assert (F.max_pool2d(minicnn.tensor(negative), 2, 2, 1).numpy() == -1).all()
print("average with padding:", avg_pool2d(negative, 2, 2, 1).ravel())

SETTINGS = [(2, 2, 0), (3, 3, 1), (3, 2, 1), (3, 1, 0), (2, 3, 0), (4, 2, 2)]  # K, stride, padding

for setting in SETTINGS:
    x = rng.normal(size=(2, 3, 9, 8))
    t = minicnn.tensor(x)
    np.testing.assert_array_equal(max_pool2d(x, *setting), F.max_pool2d(t, *setting).numpy())
    theirs = F.avg_pool2d(t, *setting).numpy()
    np.testing.assert_allclose(avg_pool2d(x, *setting), theirs, rtol=1e-12, atol=1e-15)

# %% [markdown]
# A maximum computes nothing, it chooses. So the results are equal to the last bit; for the average,
# the order of the sum may differ.

# %%
Pictures = available("cifar10", "shapes")
picture = Pictures(train=False)[14][0].numpy()[None]  # (1, 3, H, W)
figure, panels = plt.subplots(1, 5, figsize=(7, 1.9))
shown = {
    "the image": picture,
    "maximum, 2": max_pool2d(picture, 2, 2),
    "average, 2": avg_pool2d(picture, 2, 2),
    "maximum, 4": max_pool2d(picture, 4, 4),
    "average, 4": avg_pool2d(picture, 4, 4),
}
for axes, (name, pixels) in zip(panels, shown.items(), strict=True):
    axes.imshow(np.clip(pixels[0].transpose(1, 2, 0), 0, 1))
    axes.set_title(f"{name}\n{pixels.shape[2]} × {pixels.shape[3]}", fontsize=9)
    axes.axis("off")
plt.show()

# %% [markdown]
# The average blurs. The maximum keeps what stands out, and makes bright things larger: of a
# neighbourhood of answers "is there a stroke here?" it keeps the loudest.
#
# ## The gradient of the average
#
# Each pixel of a window has the slope $1 / |W|$. So the gradient of an output is divided evenly
# among its window, and a pixel in several windows receives from all of them:
#
# $$ \bar x_{rs} = \sum_{(p, q)\,:\,(r, s) \in W_{pq}} \frac{\bar y_{pq}}{|W_{pq}|} . $$
#
# ## The gradient of the maximum
#
# Move one pixel a little. If it is the largest of its window, the output moves with it, slope 1. If
# not, nothing happens, slope 0. So the whole gradient goes to the winner $(r^*, s^*)$, and the
# others learn nothing:
#
# $$ \bar x_{rs} = \sum_{(p, q)\,:\,(r, s) = (r^*, s^*)_{pq}} \bar y_{pq} . $$
#
# Both are sums over windows, and both are col2im: go through the elements $(i, j)$ of the window,
# and add to the slice that was read.


# %%
def add_back(parts, input_hw, K, stride, padding):
    """Add parts (K K, N, C, OH, OW) to the pixels of their windows: the reverse of `windows`."""
    N, C, OH, OW = parts.shape[1:]
    H, W = input_hw
    dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=parts.dtype)
    for part, (i, j) in zip(parts, np.ndindex(K, K), strict=True):
        dx[under(i, j, OH, OW, stride)] += part  # the same pixel may be in several windows
    return dx[:, :, padding : padding + H, padding : padding + W]


def avg_pool2d_backward(dy, x, K, stride, padding=0):
    parts = np.broadcast_to(dy / (K * K), (K * K, *dy.shape))
    return add_back(parts, x.shape[2:], K, stride, padding)


def max_pool2d_backward(dy, x, K, stride, padding=0):
    winner = windows(x, K, stride, padding, -np.inf).argmax(axis=0)  # (N, C, OH, OW)
    is_winner = np.arange(K * K).reshape(-1, 1, 1, 1, 1) == winner  # (K K, N, C, OH, OW)
    return add_back(is_winner * dy, x.shape[2:], K, stride, padding)


for setting in SETTINGS:
    x = rng.normal(size=(2, 3, 9, 8))
    for function, backward in [
        (F.max_pool2d, max_pool2d_backward),
        (F.avg_pool2d, avg_pool2d_backward),
    ]:
        t = minicnn.tensor(x, requires_grad=True)
        y = function(t, *setting)
        dy = rng.normal(size=y.shape)
        (theirs,) = minicnn.autograd.grad(y, t, minicnn.tensor(dy))
        mine = backward(dy, x, *setting)
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-12, atol=1e-14)

# %% [markdown]
# Here is where the gradient goes, for a gradient of 1 at every output. Where the windows do
# not overlap, they are framed.


# %%
def show_routes(panels, x, setting, title):
    K, stride, padding = setting
    dy = np.ones_like(max_pool2d(x, *setting))
    pictures = [x, max_pool2d_backward(dy, x, *setting), avg_pool2d_backward(dy, x, *setting)]
    looks = [
        {"cmap": "gray", "vmin": 0, "vmax": 12},
        {"cmap": "viridis", "vmin": 0, "vmax": 5},
        {"cmap": "viridis", "vmin": 0, "vmax": 5},
    ]
    names = [title, "gradient of the maximum", "gradient of the average"]
    for axes, values, look, name in zip(panels, pictures, looks, names, strict=True):
        axes.imshow(values[0, 0], **look)
        for (i, j), value in np.ndenumerate(values[0, 0]):
            colour = "black" if value > 0.6 * look["vmax"] else "white"
            axes.text(j, i, f"{value:.2g}", ha="center", va="center", color=colour, fontsize=7)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=9)
        if stride == K:
            for edge in np.arange(K, values.shape[2], K):
                axes.axhline(edge - 0.5, color="C1", linewidth=2)
                axes.axvline(edge - 0.5, color="C1", linewidth=2)


numbers = np.array(
    [
        [1, 3, 2, 0, 5, 4],
        [2, 9, 1, 4, 3, 1],
        [0, 1, 8, 2, 2, 7],
        [3, 2, 4, 6, 1, 0],
        [5, 1, 0, 2, 3, 3],
        [4, 2, 1, 7, 0, 2],
    ],
    dtype=np.float64,
)[None, None]
figure, panels = plt.subplots(2, 3, figsize=(7, 4.8))
show_routes(panels[0], numbers, (2, 2, 0), "image, windows of 2 × 2")
show_routes(panels[1], numbers, (3, 1, 0), "image, windows of 3 × 3, stride 1")
plt.show()

# %% [markdown]
# Above, windows side by side: one pixel in four gets the whole gradient of its window, or each a
# quarter. Below, overlapping windows: the 9 wins in four windows and is paid four times, the 8 in
# five. For the average, a pixel in the middle is in nine windows and a corner in one. In every
# picture the sum is the number of windows: without padding, pooling passes the gradient on and
# loses nothing.

# %%
for K, stride in [(2, 2), (3, 1)]:
    dy = np.ones_like(max_pool2d(numbers, K, stride))
    for backward in (max_pool2d_backward, avg_pool2d_backward):
        np.testing.assert_allclose(backward(dy, numbers, K, stride).sum(), dy.size, rtol=1e-12)

# %% [markdown]
# ## Ties
#
# Two pixels are equal and both the largest. Then the maximum has a kink there, as ReLU has at 0
# (notebook 2): moving either of them *up* moves the output, moving it *down* does not. Any split of
# the gradient between them is defensible, but one must be chosen. minicnn, like PyTorch, gives all
# of it to the **first**, row by row. `argmax` does that by itself.
#
# The tempting way, comparing with the maximum, gives the whole gradient to *each* of them:


# %%
def wrong_backward(dy, x, K, stride, padding=0):
    pixels = windows(x, K, stride, padding, -np.inf)
    is_largest = pixels == pixels.max(axis=0)
    return add_back(is_largest * dy, x.shape[2:], K, stride, padding)


tie = np.array([[[[5.0, 5.0], [1.0, 5.0]]]])
one = np.ones((1, 1, 1, 1))
t = minicnn.tensor(tie, requires_grad=True)
(theirs,) = minicnn.autograd.grad(F.max_pool2d(t, 2), t, minicnn.tensor(one))

print("first of the largest:", max_pool2d_backward(one, tie, 2, 2).ravel())
print("minicnn:             ", theirs.numpy().ravel())
print("each of the largest: ", wrong_backward(one, tie, 2, 2).ravel())
np.testing.assert_array_equal(max_pool2d_backward(one, tie, 2, 2), theirs.numpy())
assert wrong_backward(one, tie, 2, 2).sum() == 3, "one unit of gradient has become three"

# %% [markdown]
# That is no corner case. After a ReLU whole windows are 0, and an image of a digit has a background
# of one colour. How many windows of the digits have a tie?

# %%
Images = available("mnist", "digits")
train, test = Images(train=True), Images(train=False)
train = Subset(train, range(min(len(train), 3000)))
digits = np.stack([train[i][0].numpy() for i in range(500)])  # (500, C, H, W)
pixels = windows(digits, 2, 2, 0, -np.inf)
tied = (pixels == pixels.max(axis=0)).sum(axis=0) > 1
print(f"{tied.mean():.0%} of all windows of 2 × 2 have a tie")
assert tied.mean() > 0.1

# %% [markdown]
# `gradcheck` knows: at a tie it finds a kink, says so, and checks the rest.

# %%
x = minicnn.tensor(tie, requires_grad=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert minicnn.gradcheck(lambda x: F.max_pool2d(x, 2), x)
assert [warning.category for warning in caught] == [KinkWarning]

x = minicnn.tensor(rng.permutation(np.arange(72.0)).reshape(1, 2, 6, 6), requires_grad=True)
assert minicnn.gradcheck(lambda x: F.max_pool2d(x, 3, 2, 1), x)  # no two pixels are equal
assert minicnn.gradgradcheck(lambda x: F.avg_pool2d(x, 3, 2, 1), x)

# %% [markdown]
# Why can the maximum be differentiated twice at all? Which pixel wins is piecewise constant: a
# small step of the image changes nothing about it. *Given* the winners, pooling only selects, which
# is linear, and the derivative of selecting is putting back. So minicnn keeps the winners from the
# forward pass (one byte for each window) and nothing else.
#
# ## What pooling forgives
#
# Shift the image by one pixel to the right. How much does the result change? If the winner stays in
# its window, not at all. Let us shift digits by 0, 1, 2, ... pixels and compare. The measure is the
# cosine of the angle between the two results, as long vectors: 1 is no change.


# %%
def shifted(x, pixels):
    """Images moved to the right by so many pixels, with zeros coming in."""
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (pixels, 0)))[..., : x.shape[3]]


def likeness(a, b):
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()


edges = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 4
room = np.pad(digits, ((0, 0), (0, 0), (4, 4), (4, 4)))  # so that no stroke leaves the image
found = {}
for name, pool in {
    "no pooling": lambda y: y,
    "average 2 × 2": lambda y: avg_pool2d(y, 2, 2),
    "maximum 2 × 2": lambda y: max_pool2d(y, 2, 2),
    "maximum 4 × 4": lambda y: max_pool2d(y, 4, 4),
}.items():

    def answer(x, pool=pool):
        y = F.conv2d(minicnn.tensor(x), minicnn.tensor(edges[None, None]), padding=1)
        return pool(F.relu(y).numpy())

    found[name] = [likeness(answer(room), answer(shifted(room, s))) for s in range(5)]

figure, axes = plt.subplots(figsize=(6, 3))
for (name, values), marker in zip(found.items(), "os^D", strict=True):
    axes.plot(range(5), values, marker=marker, label=name)
axes.set(xlabel="shift, in pixels", ylabel="likeness to the unshifted", ylim=(0, 1.02))
axes.set_xticks(range(5))
axes.grid(True)
axes.legend(loc="lower left")
plt.show()
assert found["no pooling"][1] < found["maximum 2 × 2"][1] < found["maximum 4 × 4"][1]

# %% [markdown]
# Pooling *softens* the dependence on the place; it does not remove it. A window of $2 \times 2$
# forgives about one pixel, and only to those answers that happen not to cross the border of a
# window. Several layers of convolution and pooling forgive more. If the place must not matter at
# all, average over the whole image: *global average pooling*, one number for each channel.

# %%
x = minicnn.tensor(digits[:4])
everywhere = F.adaptive_avg_pool2d(x, 1)
np.testing.assert_allclose(everywhere.numpy()[..., 0, 0], digits[:4].mean(axis=(2, 3)), rtol=1e-5)

# %% [markdown]
# ## A network on *this* pooling
#
# Our functions go under a network, as the convolution did in notebook 3. The arguments are those
# that `minicnn.replace` hands over; what we do not support (a dilation, `ceil_mode`) we do not
# name, and a layer that needs it would raise.


# %%
def train_it():
    minicnn.manual_seed(0)
    channels, height, width = train[0][0].shape
    model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (height // 2) * (width // 2), 10),
    )
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=5e-3))
    history = trainer.fit(train, epochs=3, batch_size=32, verbose=False)
    return history["loss"], trainer.evaluate(test)["accuracy"]


with minicnn.replace("max_pool2d", forward=max_pool2d, backward=max_pool2d_backward) as replaced:
    my_losses, my_accuracy = train_it()
their_losses, their_accuracy = train_it()

batches = -(-len(train) // 32)
assert replaced.calls.backward == 3 * batches, "once in every batch of three epochs"
print(f"our pooling ran {replaced.calls.forward} times, its backward {replaced.calls.backward}")
print("ours:   ", [round(loss, 3) for loss in my_losses], f"{my_accuracy:.1%}")
print("minicnn:", [round(loss, 3) for loss in their_losses], f"{their_accuracy:.1%}")
np.testing.assert_allclose(my_losses, their_losses, rtol=1e-4)

# %% [markdown]
# And with the gradient given to each of several winners?

# %%
with minicnn.replace("max_pool2d", forward=max_pool2d, backward=wrong_backward):
    wrong_losses, wrong_accuracy = train_it()
print("wrong:  ", [round(loss, 3) for loss in wrong_losses], f"{wrong_accuracy:.1%}")
assert wrong_accuracy > 0.8, "it learns all the same"
assert wrong_losses != my_losses

# %% [markdown]
# It trains as well, and nobody would notice. Here the mistake is even nearly harmless, by luck:
# nearly all ties of this network are windows of zeros *after a ReLU*, whose derivative there is 0
# whatever arrives. Put the pooling before the ReLU, or pool an image, and the luck is over. A check
# does not depend on luck.
#
# ## Sizes that do not divide
#
# With 9 columns, a window of 2 and a stride of 2, the last column is in no window and is ignored.
# `ceil_mode=True` lets a last window hang over the edge instead. And a padding of more than half a
# window is refused: a window could then lie wholly in the padding, and its maximum would be
# $-\infty$.

# %%
x = minicnn.randn(1, 1, 9, 9)
print(F.max_pool2d(x, 2).shape, F.max_pool2d(x, 2, ceil_mode=True).shape)
assert F.max_pool2d(x, 2).shape[2] == 4 and F.max_pool2d(x, 2, ceil_mode=True).shape[2] == 5
try:
    F.max_pool2d(x, 2, padding=2)
except ShapeError as error:
    print(error)
else:
    raise AssertionError("this padding should be refused")

# %% [markdown]
# ## Exercises
#
# Write them with `minicnn course start exercises`, check them with `minicnn course check 04`. Then
# put yours under the network above.
# For discussion:
#
# 1. Average pooling is a convolution. With which filters, and how many groups? Check it.
# 2. What is the *matrix* of average pooling (notebook 3)? Why has maximum pooling none?
# 3. Divide the gradient of a tie evenly among the winners. For which of the three rules (first,
#    each, evenly) is the sum of the gradient right?
# 4. Replace the pooling of the network above by a stride of 2 in the convolution. Compare accuracy,
#    time and number of multiplications.
# 5. Shift the digits by exactly 4 pixels. How does the result of "maximum 4 × 4" compare with the
#    unshifted one? Why is their likeness low all the same?
#
# Sources: K. Fukushima 1980, "Neocognitron"; Y. LeCun et al. 1998, "Gradient-based learning applied
# to document recognition", section II; M. Lin, Q. Chen, S. Yan 2013, "Network in network" (global
# average pooling).
#
# Next: [5. Batch normalisation](05_batch_normalisation.ipynb)
