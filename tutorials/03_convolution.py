# %% [markdown]
# # 3. Convolution
#
# A convolution slides a small filter over an image and says, at every place, how well the two
# match. It is nearly all of the work that a convolutional network does. This notebook writes it
# with loops, then as one matrix product, and derives its three derivatives, each of which is a
# convolution again.
#
# - **Known before:** [notebook 1](01_tensors_and_the_tape.ipynb) (what a backward pass needs),
#   [notebook 2](02_gradient_checking.ipynb) (why to trust it); matrix products.
# - **Known after:** what stride, padding, dilation and groups do, and the size of the result;
#   im2col; the gradients of images, filters and biases; what a transposed convolution is; why
#   im2col is fast.
# - **Time:** 120 minutes. The notebook runs in 15 seconds.
# - **Source:** [`minicnn/ops/conv.py`](../minicnn/ops/conv.py),
#   [`minicnn/nn/conv.py`](../minicnn/nn/conv.py),
#   [`minicnn/kernels/reference.py`](../minicnn/kernels/reference.py),
#   [`minicnn/kernels/geometry.py`](../minicnn/kernels/geometry.py).

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np

import minicnn
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn.data import Subset
from minicnn.data.datasets import available
from minicnn.training import Trainer

minicnn.manual_seed(0)
rng = np.random.default_rng(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## The definition
#
# Images are arrays $x$ of shape $(N, C, H, W)$: $N$ images of $C$ channels, $H$ rows and $W$
# columns. Filters are $w$ of shape $(F, C, KH, KW)$: $F$ filters, each as deep as the image has
# channels. Each filter makes one channel of the result $y$, of shape $(N, F, OH, OW)$:
#
# $$ y_{n f p q} \;=\; b_f + \sum_{c=0}^{C-1} \sum_{i=0}^{KH-1} \sum_{j=0}^{KW-1}
#    x_{n,\, c,\, p + i,\, q + j} \; w_{f c i j} . $$
#
# (The source calls the place $(p, q)$ `(oh, ow)`.) In words: put the filter's corner on pixel $(p,
# q)$, multiply what lies on top of each other, and add. (Mathematicians flip the filter before they
# do so, and call this one *cross-correlation*. With filters that are learnt, it makes no
# difference.)
#
# Compare that with a dense layer from the same image to the same result. It would have one weight
# for each pair of an input and an output. The convolution leaves out all pairs that are far apart,
# and uses *the same* weights at every place: what has been learnt in one corner is known
# everywhere.

# %%
channels, size, filters = 3, 32, 16
print(f"dense:       {channels * size**2 * filters * (size - 2) ** 2:>11,} weights")
print(f"convolution: {filters * channels * 3 * 3:>11,} weights")

# %% [markdown]
# ## What filters do
#
# Four filters that people have written by hand, on one image. Each answers a question: what is the
# mean here? does it get brighter to the right? does it get brighter downwards? is this pixel unlike
# its neighbours?

# %%
Pictures = available("cifar10", "shapes")
picture = Pictures(train=False)[16][0].numpy()  # (3, H, W)
grey = picture.mean(axis=0)
by_hand = {
    "mean of 3 × 3": np.full((3, 3), 1 / 9),
    "brighter to the right": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4,
    "brighter downwards": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 4,
    "unlike its neighbours": np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]) / 2,
}
w = np.stack(list(by_hand.values()))[:, None]  # (4, 1, 3, 3)
answers = F.conv2d(minicnn.tensor(grey[None, None]), minicnn.tensor(w.astype(np.float32)))

figure, axes = plt.subplots(2, 5, figsize=(7, 3.1))
axes[0, 0].set_title("the image", fontsize=8)
axes[0, 0].imshow(np.clip(picture.transpose(1, 2, 0), 0, 1))
axes[1, 0].imshow(grey, vmin=0, vmax=1)
for k, (name, kernel) in enumerate(by_hand.items()):
    axes[0, k + 1].set_title(name, fontsize=8)
    most = 2 * abs(kernel).max()  # twice, so that the numbers can be read
    axes[0, k + 1].imshow(kernel, cmap="RdBu_r", vmin=-most, vmax=most)
    for i, j in np.ndindex(3, 3):
        text = f"{kernel[i, j]:.2g}"
        axes[0, k + 1].text(j, i, text, ha="center", va="center", fontsize=7)
    limits = (0, 1) if k == 0 else (-0.6, 0.6)
    colours = "gray" if k == 0 else "RdBu_r"
    axes[1, k + 1].imshow(answers[0, k].numpy(), cmap=colours, vmin=limits[0], vmax=limits[1])
for place in axes.ravel():
    place.set(xticks=[], yticks=[])
    place.spines[:].set_visible(False)
plt.show()

# %% [markdown]
# Above the filters, below their answers: red is positive, blue is negative, white is nothing. A
# network writes such filters for itself, and its later layers filter the answers of the earlier
# ones.
#
# ## Stride, padding, dilation
#
# Three numbers change where the filter is put and what lies under it.
#
# - **Padding** $P$: surround the image by $P$ zeros on each side, so that the border gets its turn.
# - **Stride** $S$: move the filter by $S$ pixels instead of one.
# - **Dilation** $D$: spread the filter: its elements lie $D$ pixels apart.
#
# Element $(i, j)$ of the filter, at output $(p, q)$, then lies on row $pS + iD - P$ and column
# $qS + jD - P$ of the image. How many outputs are there in a row of $H$ pixels? The filter reaches
# over $D(K - 1) + 1$ pixels. What remains, $H + 2P - D(K-1) - 1$, is the way that its first pixel
# can go, in steps of $S$, and the place where it starts counts too:
#
# $$ OH = \left\lfloor \frac{H + 2P - D(K - 1) - 1}{S} \right\rfloor + 1 . $$


# %%
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def show_windows(axes, size, stride, padding, dilation, kernel=3):
    """Draw an image, its padding, and the pixels under the filter for two neighbouring outputs."""
    count = output_size(size, kernel, stride, padding, dilation)
    whole = size + 2 * padding
    for row, column in np.ndindex(whole, whole):
        inside = padding <= min(row, column) and max(row, column) < padding + size
        face = "white" if inside else "#dddddd"
        axes.add_patch(plt.Rectangle((column, row), 1, 1, facecolor=face, edgecolor="#999999"))
    for i, j in np.ndindex(kernel, kernel):
        row, column = i * dilation, j * dilation
        axes.add_patch(plt.Rectangle((column + 0.08, row + 0.08), 0.84, 0.84, facecolor="C5"))
        axes.add_patch(plt.Circle((column + stride + 0.5, row + 0.5), 0.22, facecolor="C1"))
    axes.set(xlim=(-0.1, whole + 0.1), ylim=(whole + 0.1, -0.1), aspect="equal")
    axes.axis("off")
    title = f"stride {stride}, padding {padding},\ndilation {dilation}: {count} × {count} outputs"
    axes.set_title(title, fontsize=9)


figure, panels = plt.subplots(1, 4, figsize=(7, 2.2))
for axes, (stride, padding, dilation) in zip(
    panels, [(1, 0, 1), (1, 1, 1), (2, 1, 1), (1, 0, 2)], strict=True
):
    show_windows(axes, 6, stride, padding, dilation)
plt.show()

# %% [markdown]
# White is the image of $6 \times 6$, grey the padding. Blue squares are the pixels under the filter
# for the first output, orange dots those for its right neighbour.
#
# The formula, against minicnn, for every combination of small numbers:

# %%
tried = 0
for H, K, S, P, D in itertools.product(range(3, 9), (1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)):
    if output_size(H, K, S, P, D) >= 1:
        y = F.conv2d(minicnn.zeros(1, 1, H, H), minicnn.zeros(1, 1, K, K), None, S, P, D)
        assert y.shape[2] == output_size(H, K, S, P, D)
        tried += 1
print(f"{tried} combinations agree")

# %% [markdown]
# **Groups** $G$ split the channels and the filters into $G$ equal parts, and the filters of a part
# see the channels of that part only. So a filter is only $C / G$ deep, and $w$ has the shape
# $(F, C/G, KH, KW)$. With $G = C$ (*depthwise*) every channel has filters of its own.

# %%
figure, panels = plt.subplots(1, 3, figsize=(7, 2.3))
for axes, G in zip(panels, (1, 2, 4), strict=True):
    seen = np.kron(np.eye(G), np.ones((8 // G, 4 // G)))  # (F, C): does filter f see channel c?
    axes.imshow(seen, cmap="cividis", vmin=-0.3, vmax=1.2)
    axes.set(xlabel="channel", xticks=range(4), yticks=range(8))
    axes.set_title(f"groups {G}: {int(seen.sum())} × KH KW weights", fontsize=9)
    for edge in np.arange(0.5, 7):
        axes.axhline(edge, color="white", linewidth=0.7)
        axes.axvline(edge, color="white", linewidth=0.7) if edge < 3 else None
panels[0].set_ylabel("filter")
plt.show()

# %% [markdown]
# ## With loops
#
# The definition, word for word. Every index on its left is a loop; the sum over $c$ is left to
# NumPy.


# %%
def pad(x, padding):
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def conv2d_loops(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    N, C, H, W = x.shape
    filters, depth, KH, KW = w.shape  # depth = C / groups
    OH = output_size(H, KH, stride, padding, dilation)
    OW = output_size(W, KW, stride, padding, dilation)
    x = pad(x, padding)
    y = np.zeros((N, filters, OH, OW), dtype=x.dtype)
    for n, f, p, q in np.ndindex(y.shape):
        first = f // (filters // groups) * depth  # the first channel of this filter's group
        for i, j in np.ndindex(KH, KW):
            pixels = x[
                n, first : first + depth, p * stride + i * dilation, q * stride + j * dilation
            ]
            y[n, f, p, q] += (pixels * w[f, :, i, j]).sum()
        y[n, f, p, q] += b[f]
    return y


# %% [markdown]
# These settings will be with us to the end: each option alone, then several together, with images
# that are not square.

# %%
SETTINGS = [
    {"stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    {"stride": 2, "padding": 0, "dilation": 1, "groups": 1},
    {"stride": 1, "padding": 2, "dilation": 1, "groups": 1},
    {"stride": 1, "padding": 0, "dilation": 2, "groups": 1},
    {"stride": 1, "padding": 1, "dilation": 1, "groups": 2},
    {"stride": 1, "padding": 1, "dilation": 1, "groups": 4},
    {"stride": 2, "padding": 1, "dilation": 2, "groups": 2},
    {"stride": 3, "padding": 2, "dilation": 1, "groups": 2},
]


def example(groups, **_):
    """Images, filters and biases in float64."""
    x, b = rng.normal(size=(2, 4, 9, 8)), rng.normal(size=8)
    return x, rng.normal(size=(8, 4 // groups, 3, 2)), b


def tensors(*arrays):
    return [minicnn.tensor(a, requires_grad=True) for a in arrays]


# float64 sums of a few dozen terms, in another order: a few roundings of 1e-16.
CLOSE = {"rtol": 1e-10, "atol": 1e-12}

for setting in SETTINGS:
    x, w, b = example(**setting)
    theirs = F.conv2d(*tensors(x, w, b), **setting)
    np.testing.assert_allclose(conv2d_loops(x, w, b, **setting), theirs.detach().numpy(), **CLOSE)

# %% [markdown]
# ## im2col: one matrix product
#
# The loops are slow because each step of them is a call of NumPy for a handful of numbers. Put the
# pixels under each window into a **column** of a matrix. There are $C \cdot KH \cdot KW$ of them,
# and $N \cdot OH \cdot OW$ windows. A filter, laid out in the same order, is a **row**. Then the
# definition is the product of two matrices, and nothing in computing has been made faster with more
# care than that:
#
# $$ \underbrace{Y}_{F \times N\,OH\,OW} \;=\; \underbrace{\text{filters}}_{F \times C\,KH\,KW}
#    \;\cdot\; \underbrace{\text{columns}}_{C\,KH\,KW \times N\,OH\,OW} . $$
#
# Making the columns takes a loop over the filter's few elements only. For a fixed $(i, j)$, the
# pixels that lie under that element, in all windows at once, are a *slice* of the padded image:
# start at $(iD, jD)$ and take every $S$-th.


# %%
def under(i, j, OH, OW, stride, dilation):
    """The slices of the padded image that lie under filter element (i, j)."""
    rows = slice(i * dilation, i * dilation + stride * (OH - 1) + 1, stride)
    columns = slice(j * dilation, j * dilation + stride * (OW - 1) + 1, stride)
    return (slice(None), slice(None), rows, columns)


def im2col(x, KH, KW, stride, padding, dilation):
    N, C, H, W = x.shape
    OH = output_size(H, KH, stride, padding, dilation)
    OW = output_size(W, KW, stride, padding, dilation)
    x = pad(x, padding)
    columns = np.empty((C, KH, KW, N, OH, OW), dtype=x.dtype)
    for i, j in np.ndindex(KH, KW):
        pixels = x[under(i, j, OH, OW, stride, dilation)]  # (N, C, OH, OW)
        columns[:, i, j] = pixels.transpose(1, 0, 2, 3)  # (C, N, OH, OW)
    return columns


def conv2d(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    filters, depth, KH, KW = w.shape
    columns = im2col(x, KH, KW, stride, padding, dilation)
    N, OH, OW = columns.shape[3:]
    columns = columns.reshape(groups, depth * KH * KW, N * OH * OW)
    rows = w.reshape(groups, filters // groups, depth * KH * KW)
    y = rows @ columns  # (groups, F / groups, N OH OW): one product for each group
    y = y.reshape(filters, N, OH, OW).transpose(1, 0, 2, 3)  # (N, F, OH, OW)
    return y + b[:, None, None]


for setting in SETTINGS:
    x, w, b = example(**setting)
    theirs = F.conv2d(*tensors(x, w, b), **setting)
    np.testing.assert_allclose(conv2d(x, w, b, **setting), theirs.detach().numpy(), **CLOSE)

# %%
small = np.arange(25.0).reshape(1, 1, 5, 5)
columns = im2col(small, 3, 3, 1, 0, 1).reshape(9, 9)
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
for axes, matrix in ((left, small[0, 0]), (right, columns)):
    axes.imshow(matrix, cmap="viridis", vmin=0, vmax=24)
    for (i, j), number in np.ndenumerate(matrix):
        colour = "white" if number < 16 else "black"
        axes.text(j, i, f"{number:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set(xticks=[], yticks=[])
left.set_title("an image of 5 × 5")
left.add_patch(plt.Rectangle((0.5, -0.5), 3, 3, fill=False, edgecolor="C1", linewidth=3))
right.set_title("its columns for a filter of 3 × 3")
right.add_patch(plt.Rectangle((0.5, -0.5), 1, 9, fill=False, edgecolor="C1", linewidth=3))
right.set(xlabel="window (p, q)", ylabel="filter element (i, j)")
plt.show()

# %% [markdown]
# The framed window on the left is the framed column on the right. Most pixels stand in the matrix
# nine times: memory is paid for speed. `minicnn` makes the columns of a few images at a time, so
# that they stay in the processor's cache.
#
# ## What it brings


# %%
def seconds(function, times):
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        spent.append(time.perf_counter() - begin)
    return min(spent)


x = rng.normal(size=(32, 16, 24, 24)).astype(np.float32)
w = rng.normal(size=(32, 16, 3, 3)).astype(np.float32)
b = np.zeros(32, np.float32)
tx, tw, tb = (minicnn.tensor(a) for a in (x, w, b))
spent = {
    "loops (one image, times 32)": seconds(lambda: conv2d_loops(x[:1], w, b), 1) * len(x),
    "im2col": seconds(lambda: conv2d(x, w, b), 10),
    "minicnn": seconds(lambda: F.conv2d(tx, tw, tb), 10),
}
figure, axes = plt.subplots(figsize=(7, 1.7))
bars = axes.barh(list(spent), [1e3 * s for s in spent.values()], color=["C1", "C0", "C2"])
axes.bar_label(bars, [f"{1e3 * s:,.3g} ms" if s < 1 else f"{s:,.0f} s" for s in spent.values()])
axes.set(xscale="log", xlabel="time for 32 images of 16 × 24 × 24 and 32 filters, milliseconds")
axes.set_xlim(min(spent.values()) * 300, max(spent.values()) * 10_000)
axes.invert_yaxis()
plt.show()
assert spent["im2col"] < spent["loops (one image, times 32)"] / 20

# %% [markdown]
# ## The three derivatives
#
# The backward pass is given $\bar y$ (`dy`), the gradient of the loss with respect to each output.
# It must find the gradients with respect to $b$, $w$ and $x$. In all three cases: *who has touched
# whom?*
#
# **Bias.** $b_f$ was added to every output of filter $f$, each time with slope 1:
#
# $$ \bar b_f = \sum_{n,p,q} \bar y_{n f p q} . $$
#
# **Filters.** $w_{fcij}$ met the pixel $x_{n,c,\,pS+iD-P,\,qS+jD-P}$ when output $(p, q)$ of image
# $n$ was made:
#
# $$ \bar w_{f c i j} = \sum_{n,p,q} \bar y_{n f p q}\; x_{n,\,c,\,pS + iD - P,\; qS + jD - P} . $$
#
# In terms of im2col, $Y = \text{filters} \cdot \text{columns}$, and notebook 1 has said what the
# derivative of a matrix product is: $\overline{\text{filters}} = \bar Y \cdot \text{columns}^\top$.
#
# **Images.** By the same rule, $\overline{\text{columns}} = \text{filters}^\top \cdot \bar Y$. But
# a pixel stands in several columns, once for each window that saw it. Forward it was copied there,
# so backward its gradients are added: for each $(i, j)$, add what comes back to the slice that was
# read. This is **col2im**, and it is im2col in reverse, line by line.


# %%
def conv2d_bias_grad(dy):
    return dy.sum(axis=(0, 2, 3))


def as_rows(dy, groups):
    N, filters, OH, OW = dy.shape
    return dy.transpose(1, 0, 2, 3).reshape(groups, filters // groups, N * OH * OW)


def conv2d_weight_grad(dy, x, KH, KW, stride, padding, dilation, groups):
    columns = im2col(x, KH, KW, stride, padding, dilation)
    depth = x.shape[1] // groups
    columns = columns.reshape(groups, depth * KH * KW, -1)
    dw = as_rows(dy, groups) @ columns.transpose(0, 2, 1)  # (groups, F / groups, C / groups KH KW)
    return dw.reshape(dy.shape[1], depth, KH, KW)


def conv2d_input_grad(dy, w, H, W, stride, padding, dilation, groups):
    N, filters, OH, OW = dy.shape
    _, depth, KH, KW = w.shape
    rows = w.reshape(groups, filters // groups, depth * KH * KW)
    dcolumns = rows.transpose(0, 2, 1) @ as_rows(dy, groups)  # (groups, C / groups KH KW, N OH OW)
    dcolumns = dcolumns.reshape(depth * groups, KH, KW, N, OH, OW)
    dx = np.zeros((N, depth * groups, H + 2 * padding, W + 2 * padding), dtype=dy.dtype)
    for i, j in np.ndindex(KH, KW):
        part = dcolumns[:, i, j].transpose(1, 0, 2, 3)  # (N, C, OH, OW)
        dx[under(i, j, OH, OW, stride, dilation)] += part
    return dx[:, :, padding : padding + H, padding : padding + W]


def conv2d_backward(dy, x, w, b, stride, padding, dilation, groups):
    geometry = (stride, padding, dilation, groups)
    dx = conv2d_input_grad(dy, w, *x.shape[2:], *geometry)
    dw = conv2d_weight_grad(dy, x, *w.shape[2:], *geometry)
    return dx, dw, conv2d_bias_grad(dy)


for setting in SETTINGS:
    arrays = example(**setting)
    parameters = tensors(*arrays)
    y = F.conv2d(*parameters, **setting)
    dy = rng.normal(size=y.shape)
    mine = conv2d_backward(dy, *arrays, **setting)
    theirs = minicnn.autograd.grad(y, parameters, minicnn.tensor(dy))
    for m, t in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(m, t.numpy(), **CLOSE)

# %% [markdown]
# ## Each of them is again a convolution
#
# Read the formula of $\bar w$ once more:
#
# $$ \bar w_{f c i j} = \sum_n \sum_{p, q}
#    x_{n,\,c,\; iD + pS - P,\; jD + qS - P}\;\; \bar y_{n f p q} . $$
#
# It *is* the definition of a convolution, with the roles exchanged: $(i, j)$ are the places of the
# output, $(p, q)$ run over the elements of a filter, and that filter is $\bar y$. Even the options
# have changed places: $D$ is now the stride and $S$ the dilation. The sum over channels is the sum
# over images. So the gradient of the filters is a convolution of the images with the gradient.


# %%
def weight_grad_as_convolution(dy, x, KH, KW, stride, padding, dilation):
    images = x.transpose(1, 0, 2, 3)  # (C, N, H, W): the channels are the "batch"
    filters = dy.transpose(1, 0, 2, 3)  # (F, N, OH, OW)
    zeros = np.zeros(len(filters))
    dw = conv2d(images, filters, zeros, stride=dilation, padding=padding, dilation=stride)
    return dw[:, :, :KH, :KW].transpose(1, 0, 2, 3)  # pixels that no window reached are cut off


# %% [markdown]
# And $\bar x$? Ask which outputs have seen pixel $r$ of a row: those with $r = pS + iD - P$ for
# some $i$. Take first $S = 1$. Then $p = r + P - iD$: where the filter's element $i$ was $iD$ to
# the *right* of the window's start, the output is $iD$ to the *left*. So $\bar x$ is a convolution
# of $\bar y$ with the filter **flipped**, in rows and in columns. It sums over $f$, so the filters'
# first two axes change places. And near the border less than the whole filter lies on $\bar y$, so
# $\bar y$ is padded, with $D(K - 1) - P$ zeros.
#
# With a stride $S > 1$, only every $S$-th place had an output. Put $S - 1$ zeros between the
# elements of $\bar y$ where there was none, and the case is the one before.


# %%
def input_grad_as_convolution(dy, w, H, W, stride, padding, dilation):
    N, filters, OH, OW = dy.shape
    _, depth, KH, KW = w.shape
    reach_h, reach_w = dilation * (KH - 1), dilation * (KW - 1)
    wide = np.zeros((N, filters, H + 2 * padding + reach_h, W + 2 * padding + reach_w))
    rows = slice(reach_h, reach_h + stride * (OH - 1) + 1, stride)
    columns = slice(reach_w, reach_w + stride * (OW - 1) + 1, stride)
    wide[:, :, rows, columns] = dy  # zeros between, and zeros around
    flipped = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # (C, F, KH, KW)
    dx = conv2d(wide, np.ascontiguousarray(flipped), np.zeros(depth), dilation=dilation)
    return dx[:, :, padding : padding + H, padding : padding + W]


for setting in [s for s in SETTINGS if s["groups"] == 1]:
    x, w, b = example(**setting)
    geometry = setting["stride"], setting["padding"], setting["dilation"]
    dy = rng.normal(size=conv2d(x, w, b, **setting).shape)
    dx, dw, db = conv2d_backward(dy, x, w, b, **setting)
    np.testing.assert_allclose(weight_grad_as_convolution(dy, x, 3, 2, *geometry), dw, **CLOSE)
    np.testing.assert_allclose(input_grad_as_convolution(dy, w, 9, 8, *geometry), dx, **CLOSE)

# %% [markdown]
# There is one idea behind all three. Let $\langle a, b \rangle$ be the sum of all products of
# elements. The number
#
# $$ \begin{aligned}
#    \langle \operatorname{conv}(x, w),\, g \rangle
#    &= \langle x,\, \operatorname{input\_grad}(g, w) \rangle \\
#    &= \langle w,\, \operatorname{weight\_grad}(g, x) \rangle
#    \end{aligned} $$
#
# is linear in each of $x$, $w$ and $g$. The three operations are one, seen from three sides. So the
# derivatives of each are made of the other two, and
# [`minicnn/ops/conv.py`](../minicnn/ops/conv.py) has second and third derivatives without another
# line.

# %%
x, w, b = example(groups=1)
g = rng.normal(size=(2, 8, 7, 7))
plain = (1, 0, 1, 1)
seen_from = [
    (conv2d(x, w, np.zeros(8)) * g).sum(),
    (x * conv2d_input_grad(g, w, 9, 8, *plain)).sum(),
    (w * conv2d_weight_grad(g, x, 3, 2, *plain)).sum(),
]
print([f"{number:.10f}" for number in seen_from])
np.testing.assert_allclose(seen_from, seen_from[0], rtol=1e-12)
assert minicnn.gradgradcheck(F.conv2d, tuple(tensors(x[:1], w[:2], b[:2])))

# %% [markdown]
# ## As a matrix, and the transposed convolution
#
# Convolution is linear in $x$, so there is a matrix $M$ with $y = M x$ (images and results laid out
# as long vectors). Nobody computes with it, since it is nearly all zeros, but it can be looked at:
# column $k$ is the result for an image that is 1 at pixel $k$ and 0 elsewhere.


# %%
def matrix_of(function, size):
    """The matrix of a linear function of images (size, size)."""
    basis = np.eye(size * size).reshape(-1, 1, size, size)
    return function(basis).reshape(size * size, -1).T


kernel = np.array([[[[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]]])
M = matrix_of(lambda x: conv2d(x, kernel, np.zeros(1)), 6)  # (16, 36)
back = matrix_of(lambda dy: conv2d_input_grad(dy, kernel, 6, 6, 1, 0, 1, 1), 4)  # (36, 16)
np.testing.assert_array_equal(back, M.T)

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.4), width_ratios=[36, 16])
for axes, matrix, title in ((left, M, "convolution"), (right, back, "its input gradient")):
    axes.imshow(matrix, cmap="RdBu_r", vmin=-2, vmax=2)
    axes.set(xlabel="pixel that goes in", title=title)
    axes.set(xticks=range(0, matrix.shape[1], 4), yticks=range(0, matrix.shape[0], 4))
left.set_ylabel("pixel that comes out")
plt.show()

# %% [markdown]
# The filter's rows return in every row of the matrix, one step further each time: the same weights
# at every place. And the gradient of the images is the **transposed** matrix, as the derivative of
# a linear function always is.
#
# That second matrix turns few pixels into many. Networks that make images use it as a layer of its
# own, which is then called **transposed convolution**: each pixel paints the filter, scaled by its
# value, and where paintings overlap they add up. Our `conv2d_input_grad` is that layer.

# %%
for setting in SETTINGS:
    x, w, b = example(**setting)
    OH, OW = conv2d(x, w, b, **setting).shape[2:]
    small = rng.normal(size=(2, 8, OH, OW))
    large = F.conv_transpose2d(
        minicnn.tensor(small),
        minicnn.tensor(w),
        stride=setting["stride"],
        padding=setting["padding"],
        groups=setting["groups"],
        dilation=setting["dilation"],
    )
    mine = conv2d_input_grad(small, w, *large.shape[2:], **setting)
    np.testing.assert_allclose(mine, large.numpy(), **CLOSE)

# %% [markdown]
# Where the filter's size is no multiple of the stride, some pixels are painted more often than
# others, and the result has a pattern of squares that was in no image. Here is a constant image,
# enlarged with constant filters:

# %%
figure, panels = plt.subplots(1, 3, figsize=(7, 2.5))
for axes, K in zip(panels, (2, 3, 4), strict=True):
    painted = F.conv_transpose2d(minicnn.ones(1, 1, 6, 6), minicnn.ones(1, 1, K, K), stride=2)
    shown = axes.imshow(painted[0, 0].numpy(), cmap="viridis", vmin=0, vmax=4)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"filter {K} × {K}, stride 2", fontsize=9)
figure.colorbar(shown, ax=panels, label="times painted", ticks=range(5), shrink=0.8)
plt.show()

# %% [markdown]
# ## A network on *this* convolution
#
# `minicnn.replace` puts functions of arrays in the place of an operation. From here on, and until
# the end of the `with` block, every convolution of the network below, forward and backward, is the
# one that we have written above. A counter says how often it ran.

# %%
Images = available("mnist", "digits")
train, test = Images(train=True), Images(train=False)
train = Subset(train, range(min(len(train), 3000)))
channels, height, width = train[0][0].shape


def new_network():
    minicnn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * -(-height // 2) * -(-width // 2), 10),
    )


def train_it(model):
    minicnn.manual_seed(1)
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=5e-3))
    history = trainer.fit(train, epochs=4, batch_size=32, verbose=False)
    return history["loss"], trainer.evaluate(test)["accuracy"]


mine = new_network()
with minicnn.replace("conv2d", forward=conv2d, backward=conv2d_backward) as replaced:
    my_losses, my_accuracy = train_it(mine)
print(f"our convolution ran {replaced.calls.forward} times, its backward {replaced.calls.backward}")
print(f"test accuracy: {my_accuracy:.1%}")

batches = -(-len(train) // 32)
assert replaced.calls.backward == 4 * batches * 2, "two layers, in every batch of four epochs"
assert replaced.calls.forward > replaced.calls.backward, "and forward in the evaluation too"
assert my_accuracy > 0.9

# %% [markdown]
# The same training on minicnn's own convolution. In float32 the two add in different orders, so
# they differ in the seventh digit at first, and a training makes such differences larger. The
# losses still agree to three digits.

# %%
their_losses, their_accuracy = train_it(new_network())
print("ours:   ", [round(loss, 3) for loss in my_losses], f"{my_accuracy:.1%}")
print("minicnn:", [round(loss, 3) for loss in their_losses], f"{their_accuracy:.1%}")
np.testing.assert_allclose(my_losses, their_losses, rtol=0.02)

# %% [markdown]
# ## Exercises
#
# Write them with `minicnn course start exercises`, check them with `minicnn course check 03`. Then
# put yours under the network above: import them, and pass them to `minicnn.replace`.
# For discussion:
#
# 1. Which padding keeps the size, for a filter of $K$, a dilation $D$ and stride 1? What if $K$ is
#    even?
# 2. Two filters of $3 \times 3$ in a row see $5 \times 5$ pixels. Compare weights and
#    multiplications with one filter of $5 \times 5$. What else is different?
# 3. In `weight_grad_as_convolution`, when is there something to cut off?
# 4. A convolution of $1 \times 1$ is a matrix product without im2col. Of which matrices?
# 5. How much memory do the columns of a batch of 128 images of $64 \times 56 \times 56$ take, for
#    filters of $3 \times 3$? And the images themselves?
# 6. Write `input_grad_as_convolution` with groups.
#
# Sources: K. Chellapilla, S. Puri, P. Simard 2006, "High performance convolutional neural networks
# for document processing" (im2col); V. Dumoulin, F. Visin 2016, "A guide to convolution arithmetic
# for deep learning"; A. Odena, V. Dumoulin, C. Olah 2016, "Deconvolution and checkerboard
# artifacts".
#
# Next: [4. Pooling](04_pooling.ipynb)
