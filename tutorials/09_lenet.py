# %% [markdown]
# # 9. LeNet-5
#
# In 1998 a system built on this network read several million bank cheques a day. It has everything
# that the notebooks before took apart: convolutions, pooling, dense layers, cross-entropy, an
# optimizer, weights that begin at the right size. Here it is put together, counted, trained by hand
# and with `Trainer`, looked into, saved, used, and in the end trained once more on operations that
# are written in this notebook.
#
# - **Known before:** notebooks 3 to 8.
# - **Known after:** how shapes, parameters and multiply-adds of a network are counted; what a
#   training loop consists of; what filters and feature maps look like; how to read a confusion
#   matrix; how to put your own operation under a whole network.
# - **Time:** 90 minutes to read and to play. The notebook runs in 30 seconds.
# - **Source:** [`minicnn/models/lenet.py`](../minicnn/models/lenet.py),
#   [`minicnn/training/trainer.py`](../minicnn/training/trainer.py),
#   [`minicnn/training/summary.py`](../minicnn/training/summary.py),
#   [`minicnn/replacement`](../minicnn/replacement/__init__.py).
#
# The paper: LeCun, Bottou, Bengio and Haffner 1998, *Gradient-based learning applied to document
# recognition*, section II.

# %%
from contextlib import ExitStack
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import minicnn as torch
import minicnn.nn as nn
import minicnn.nn.functional as F
import minicnn.optim as optim
from minicnn import models, visualize
from minicnn.data import DataLoader, TensorDataset
from minicnn.data.datasets import available
from minicnn.training import Trainer
from minicnn.training.metrics import class_report, confusion_matrix

torch.manual_seed(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## The images
#
# LeNet-5 takes 28 × 28 pixels. The shipped digits have 8 × 8 and are enlarged; MNIST, where
# `MINICNN_DATA` has it, fits as it is. Inputs of mean 0 and deviation 1 suit the first weights
# (notebook 8), so the mean of the training pixels is subtracted, and their deviation divided out.

# %%
Images = available("mnist", "digits")


def prepared(data, count):
    """The first `count` images, 28 × 28 and in [0, 1], and their labels."""
    rows = range(min(count, len(data)))
    images = torch.stack([data[i][0] for i in rows])  # (N, 1, 8, 8) or (N, 1, 28, 28)
    if images.shape[-1] != 28:
        images = F.interpolate(images, size=(28, 28), mode="bilinear")
    return images, torch.tensor([data[i][1] for i in rows])


train_images, train_y = prepared(Images(train=True), 12_000)
test_images, test_y = prepared(Images(train=False), 2_000)
mean, std = train_images.mean().item(), train_images.std().item()
train_x, test_x = (train_images - mean) / std, (test_images - mean) / std
print(
    f"{len(train_x):,} images to learn from, {len(test_x):,} to be judged by, {train_x.shape[1:]}"
)
visualize.images(train_images[:10], [f"{label}" for label in train_y[:10].tolist()], columns=5)

# %% [markdown]
# ## The network
#
# The pattern that convolutional networks still follow: convolution finds features wherever they
# are, pooling forgets where exactly they were; after each pair there are more channels and fewer
# pixels, until a short list of features is left for a small dense network to decide on.

# %%
torch.manual_seed(0)
model = nn.Sequential()
model.add_module("c1", nn.Conv2d(1, 6, kernel_size=5, padding=2))  # (6, 28, 28)
model.add_module("relu1", nn.ReLU())
model.add_module("s2", nn.MaxPool2d(2))  # (6, 14, 14)
model.add_module("c3", nn.Conv2d(6, 16, kernel_size=5))  # (16, 10, 10)
model.add_module("relu3", nn.ReLU())
model.add_module("s4", nn.MaxPool2d(2))  # (16, 5, 5)
model.add_module("flatten", nn.Flatten())  # (400,)
model.add_module("c5", nn.Linear(400, 120))
model.add_module("relu5", nn.ReLU())
model.add_module("f6", nn.Linear(120, 84))
model.add_module("relu6", nn.ReLU())
model.add_module("output", nn.Linear(84, 10))

# it is the one that minicnn has under this name
torch.manual_seed(0)
theirs = models.create("lenet5", (1, 28, 28), 10)
assert repr(theirs) == repr(model)
for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
    np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())

# %% [markdown]
# What has changed since 1998: ReLU for tanh, the maximum for a trainable mean, every map of c3 sees
# all maps of s2 (in the paper only some, to save parameters), and scores with cross-entropy for
# distances to drawn digits.
#
# ## Counting
#
# **Shapes.** A window of $K$ pixels with stride $S$ on $H$ pixels and $P$ more on both sides has
# $\lfloor (H + 2P - K) / S \rfloor + 1$ places (notebook 3).
#
# **Parameters.** Each of the $F$ filters of a convolution has $C \cdot K \cdot K$ weights and a
# bias: $F\,(C K^2 + 1)$. A dense layer has $O\,(I + 1)$. Pooling has none.
#
# **Multiply-adds.** A convolution needs $C K^2$ of them for each of its $F \cdot OH \cdot OW$
# outputs, a dense layer $I$ for each of its $O$ outputs. We count pooling as one operation for each
# pixel of a window, as `torch.summary` does.


# %%
def conv(shape, filters, size, padding=0):
    channels, height, width = shape
    out = (filters, height + 2 * padding - size + 1, width + 2 * padding - size + 1)
    work = filters * out[1] * out[2] * channels * size**2
    return out, filters * (channels * size**2 + 1), work


def pool(shape, size):
    channels, height, width = shape
    out = (channels, (height - size) // size + 1, (width - size) // size + 1)
    return out, 0, channels * out[1] * out[2] * size**2


def dense(inputs, outputs):
    return (outputs,), outputs * (inputs + 1), outputs * inputs


counted = {}
shape = (1, 28, 28)
for name, layer in (
    ("c1", lambda s: conv(s, 6, 5, padding=2)),
    ("s2", lambda s: pool(s, 2)),
    ("c3", lambda s: conv(s, 16, 5)),
    ("s4", lambda s: pool(s, 2)),
    ("c5", lambda s: dense(int(np.prod(s)), 120)),
    ("f6", lambda s: dense(s[0], 84)),
    ("output", lambda s: dense(s[0], 10)),
):
    counted[name] = layer(shape)
    shape = counted[name][0]

summary = torch.summary(model, (1, 28, 28))
for row in summary.rows:
    if row.name in counted:
        assert counted[row.name] == (row.output_shape[1:], row.parameters, row.multiply_adds)
parameters = sum(p for _, p, _ in counted.values())
work = sum(m for _, _, m in counted.values())
assert parameters == summary.total_params == 61_706 and work == summary.multiply_adds
summary

# %%
figure, axes = plt.subplots(figsize=(7, 3))
place = np.arange(len(counted))
axes.bar(
    place - 0.2, [100 * p / parameters for _, p, _ in counted.values()], 0.4, label="parameters"
)
axes.bar(place + 0.2, [100 * m / work for _, _, m in counted.values()], 0.4, label="multiply-adds")
axes.set_xticks(place, counted)
axes.set(ylabel="share of the network, %", xlabel="layer")
axes.legend()
plt.show()

few = (counted["c1"][1] + counted["c3"][1]) / parameters
most = (counted["c1"][2] + counted["c3"][2]) / work
print(f"the convolutions have {few:.0%} of the parameters and do {most:.0%} of the work")
assert few < 0.05 and most > 0.8

# %% [markdown]
# A convolution uses each weight at every place of the image. So the convolutions have few
# parameters and nearly all of the work, and the dense layers the other way round.
#
# ## The training loop, by hand
#
# Five lines for each batch: forward with the loss, forget the old gradients, backward, step, and a
# note of the loss. The loader gets its own stream of random numbers, so that the order of the
# batches can be repeated.

# %%
EPOCHS = 10 if len(train_x) < 5000 else 2
data = TensorDataset(train_x, train_y)


def loader():
    """The training images in batches of 32, in an order that is the same at every call."""
    return DataLoader(data, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(1))


def fresh(dtype=torch.float32):
    """LeNet-5 with its first weights, and its optimizer."""
    torch.manual_seed(0)
    model = models.create("lenet5", (1, 28, 28), 10).to(dtype)
    return model, optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


model, optimizer = fresh()
untrained = model.c1.weight.detach().clone()
batches, means = loader(), []
model.train()
for epoch in range(EPOCHS):
    total = 0.0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    means.append(total / len(data))
    print(f"epoch {epoch + 1}: mean loss {means[-1]:.4f}")

# %% [markdown]
# ## The same with `Trainer`
#
# `Trainer` runs the same lines and keeps a history. From the same weights and the same batches it
# must arrive at the same weights, to the last bit.

# %%
by_hand = model
model, optimizer = fresh()
trainer = Trainer(model, optimizer, nn.CrossEntropyLoss())
history = trainer.fit(loader(), epochs=EPOCHS, validation=(test_x, test_y), verbose=False)

np.testing.assert_allclose(history["loss"], means, rtol=1e-5)
for mine, other in zip(by_hand.parameters(), model.parameters(), strict=True):
    np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())
print("the loop by hand and Trainer have made the same weights")
history.plot()

# %% [markdown]
# (The validation images here are the test images, to save time. We choose nothing by them. Whoever
# does needs a third part: notebook 0.)
#
# ## What it gets right, and what not
#
# Rows are true digits, columns are guesses.

# %%
scores = trainer.predict(test_x)
accuracy = (scores.argmax(dim=1) == test_y).float().mean().item()
matrix = confusion_matrix(scores, test_y)
assert matrix.sum() == len(test_y) and matrix.trace() == round(accuracy * len(test_y))
print(f"test accuracy {accuracy:.2%}")
assert accuracy > 0.93
visualize.confusion(matrix)

# %% [markdown]
# *Precision* is the share of right answers among those that named the digit, *recall* the share of
# the digit's images that were found. They differ where one digit attracts the others.

# %%
print(class_report(matrix))

# %% [markdown]
# Now look at the mistakes, the most confident first. Some would puzzle a person; those are no fault
# of the network. The others are.

# %%
probabilities = scores.softmax(dim=1)
visualize.mistakes(test_images, probabilities, test_y, most=15, columns=5)

# %% [markdown]
# How far can its certainty be trusted? If answers given with 90 % are right 90 % of the time, the
# dots lie on the line. Below the line it is too sure of itself. The number beside a dot says how
# many images it stands for; a few say little.

# %%
certainty = probabilities.max(dim=1).values.numpy()
right = (scores.argmax(dim=1) == test_y).numpy()
edges = np.array([0.0, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0])
figure, axes = plt.subplots(figsize=(5, 3.4))
for low, high in pairwise(edges):
    inside = (certainty > low) & (certainty <= high)
    if inside.any():
        share, middle = right[inside].mean(), certainty[inside].mean()
        axes.plot(middle, share, "o", color="C0")
        axes.annotate(f"{inside.sum()}", (middle, share), (4, -11), textcoords="offset points")
axes.plot([0.3, 1], [0.3, 1], color="#888888", lw=1)
axes.set(xlabel="certainty", ylabel="share of right answers", xlim=(0.3, 1.05), ylim=(0, 1.05))
plt.show()

# %% [markdown]
# ## What its filters look like
#
# The six filters of the first convolution, before and after the training, each stretched from black
# (its smallest weight) to white (its largest).

# %%
both = torch.cat([untrained, model.c1.weight.detach()])
names = [f"before {i}" for i in range(6)] + [f"after {i}" for i in range(6)]
low, high = both.amin(dim=(1, 2, 3), keepdim=True), both.amax(dim=(1, 2, 3), keepdim=True)
visualize.images((both - low) / (high - low), names, columns=6)

# %% [markdown]
# Noise before. After it, light and dark weights lie together in patches, and light beside dark is
# what answers to an edge. In so short a training the eye sees it only faintly, so we measure it:
# how alike are neighbouring weights?


# %%
def likeness(filters):
    """The mean correlation of horizontal and of vertical neighbours."""
    w = filters.numpy()
    pairs = ((w[..., 1:], w[..., :-1]), (w[..., 1:, :], w[..., :-1, :]))
    return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])


before, after = likeness(untrained), likeness(model.c1.weight.detach())
print(f"correlation of neighbours: {before:.2f} before, {after:.2f} after")
assert after > before

# %% [markdown]
# ## What it sees: feature maps
#
# One digit on its way through the network. Each channel is a picture: where does the image have
# what this filter looks for? Black is zero, white the largest value in the layer. A dark picture is
# a filter that hardly answers to this digit.

# %%
with torch.no_grad():
    maps, x = {}, test_x[:1]
    for name, layer in model.named_children():
        x = layer(x)
        maps[name] = x
np.testing.assert_array_equal(x.numpy(), model(test_x[:1]).detach().numpy())

figure, panels = plt.subplots(4, 6, figsize=(7, 5.2))
for axes in panels.ravel():
    axes.axis("off")
for row, name in enumerate(("relu1", "s2", "relu3", "s4")):
    limit = maps[name].max().item()
    for channel in range(6):
        panels[row, channel].imshow(maps[name][0, channel].numpy(), vmin=0, vmax=limit)
        panels[row, channel].set_title(f"{name}, {channel}", fontsize=9)
figure.suptitle(f"a {test_y[0].item()} inside LeNet-5: the first six channels of four layers")
plt.show()

# %% [markdown]
# The last layers are lists of numbers. Two images of one digit should be close there, two of
# different digits far apart. The picture shows the 84 numbers of f6 for twelve images of each of
# four digits, one image a row.

# %%
chosen = [np.flatnonzero(test_y.numpy() == digit)[:12] for digit in (0, 1, 4, 9)]
with torch.no_grad():
    features = model[:11](test_x[torch.tensor(np.concatenate(chosen))]).numpy()  # (48, 84)
figure, axes = plt.subplots(figsize=(7, 3.6))
picture = axes.imshow(features, aspect="auto", cmap="viridis")
axes.set_yticks([6 + 12 * i for i in range(4)], ["0", "1", "4", "9"])
for line in (12, 24, 36):
    axes.axhline(line - 0.5, color="white", lw=1.5)
axes.set(xlabel="unit of f6", ylabel="true digit")
figure.colorbar(picture, label="activation")
plt.show()

unit = features / np.linalg.norm(features, axis=1, keepdims=True)
alike = (unit @ unit.T).reshape(4, 12, 4, 12).mean(axis=(1, 3))  # (4, 4): digit with digit
print("mean cosine between images of 0, 1, 4 and 9:")
print(alike.round(2))
assert (np.diag(alike) > (alike - np.diag([np.inf] * 4)).max(axis=1)).all()

# %% [markdown]
# ## Saved, loaded, used
#
# What is kept is a dictionary of names and numbers, in the safetensors format, which cannot execute
# anything. The network itself is code, and is built anew.

# %%
torch.save(model.state_dict(), "lenet.safetensors")

reader = models.create("lenet5", (1, 28, 28), 10)
reader.load_state_dict(torch.load("lenet.safetensors"))
reader.eval()


def read(image):
    """The digit in one image (1, 28, 28) with values in [0, 1], and how sure the network is."""
    with torch.no_grad():
        p = F.softmax(reader(((image - mean) / std).unsqueeze(0)), dim=1)[0]
    return int(p.argmax()), float(p.max())


np.testing.assert_array_equal(reader(test_x).detach().numpy(), model(test_x).detach().numpy())
for i in range(5):
    digit, p = read(test_images[i])
    print(f"test image {i}: read as {digit} ({p:.1%}), is {test_y[i].item()}")

# %% [markdown]
# ## On your own operations
#
# Everything above ran on minicnn's convolution. Is it replaceable? Here are the operations of this
# network once more, in plain NumPy, as notebooks 3, 4, 6 and 7 derive them. Put yours in their
# place: the exercises of those notebooks ask for the same functions.


# %%
def columns(x, size):
    """(N, C, H, W) as (N, OH, OW, C, K, K): what each place of a window sees."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5)


def conv2d(x, w, b, stride=1, padding=0):
    assert stride == 1
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    seen = columns(x, w.shape[2])  # (N, OH, OW, C, K, K)
    y = np.tensordot(seen, w, axes=((3, 4, 5), (1, 2, 3)))  # (N, OH, OW, F)
    return (y + b).transpose(0, 3, 1, 2)  # (N, F, OH, OW)


def conv2d_backward(dy, x, w, b, stride=1, padding=0):
    size, height, width = w.shape[2], *x.shape[2:]
    seen = columns(np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))), size)
    dw = np.tensordot(dy, seen, axes=((0, 2, 3), (0, 1, 2)))  # (F, C, K, K)
    # dx: the kernel flipped, filters and channels exchanged, over dy with a border of K - 1
    border = size - 1
    dy_seen = columns(np.pad(dy, ((0, 0), (0, 0), (border, border), (border, border))), size)
    flipped = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # (C, F, K, K)
    dx = np.tensordot(dy_seen, flipped, axes=((3, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    dx = dx[:, :, padding : padding + height, padding : padding + width]
    return dx, dw, dy.sum(axis=(0, 2, 3))


def blocks(x, size):
    """(N, C, H, W) as (N, C, H / K, W / K, K K): windows that do not overlap."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // size, size, w // size, size).transpose(0, 1, 2, 4, 3, 5)
    return x.reshape(n, c, h // size, w // size, size * size)


def max_pool2d(x, kernel_size, stride):
    assert stride == kernel_size
    return blocks(x, kernel_size).max(axis=-1)


def max_pool2d_backward(dy, x, kernel_size, stride):
    n, c, h, w = x.shape
    first = blocks(x, kernel_size).argmax(axis=-1)  # of several equal ones the first
    d = np.zeros((*dy.shape, kernel_size**2), dy.dtype)
    np.put_along_axis(d, first[..., None], dy[..., None], axis=-1)
    d = d.reshape(*dy.shape, kernel_size, kernel_size).transpose(0, 1, 2, 4, 3, 5)
    return d.reshape(n, c, h, w)


def relu(x):
    return np.maximum(x, 0)


def relu_backward(dy, x):
    return dy * (x > 0)


def linear(x, w, b):
    return x @ w.T + b


def linear_backward(dy, x, w, b):
    return dy @ w, dy.T @ x, dy.sum(axis=0)


def cross_entropy(x, target):
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(x)), target].mean()


def cross_entropy_backward(dy, x, target):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(x)), target] -= 1
    return dy * p / len(x)


def momentum(p, g, v, lr, momentum):
    v = momentum * v + g
    return p - lr * v, v


# %% [markdown]
# `torch.replace` puts a function under the library: every convolution of every network is then the
# student's. It counts the calls. We train for two epochs on 1,280 images, eighty steps, once with
# the library's operations and once with these. Both in float64: sums are rounded differently when
# they are added in another order, and eighty steps of training enlarge the difference. From the
# 16th digit it stays invisible; from the 7th, in float32, it can reach a few per cent of the loss.

# %%
STEPS = 80
OWN = {
    "conv2d": {"forward": conv2d, "backward": conv2d_backward},
    "max_pool2d": {"forward": max_pool2d, "backward": max_pool2d_backward},
    "relu": {"forward": relu, "backward": relu_backward},
    "linear": {"forward": linear, "backward": linear_backward},
    "cross_entropy": {"forward": cross_entropy, "backward": cross_entropy_backward},
    "momentum": {"step": momentum},
}


def eighty_steps():
    model, optimizer = fresh(torch.float64)
    order, losses = torch.Generator().manual_seed(1), []
    few = TensorDataset(train_x[:1280].double(), train_y[:1280])
    for x, y in [batch for _ in range(2) for batch in DataLoader(few, 32, True, generator=order)]:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


library, library_losses = eighty_steps()
with ExitStack() as stack:
    replaced = {
        name: stack.enter_context(torch.replace(name, **functions))
        for name, functions in OWN.items()
    }
    own, own_losses = eighty_steps()

for name, one in replaced.items():
    print(f"{name:>13}: {one.calls}")
for name, each_step in {
    "conv2d": 2,
    "max_pool2d": 2,
    "relu": 4,
    "linear": 3,
    "cross_entropy": 1,
}.items():
    calls = replaced[name].calls
    assert calls.forward == calls.backward == each_step * STEPS
assert replaced["momentum"].calls.step == 10 * STEPS  # five weights and five biases

# %%
figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(library_losses, color="#bbbbbb", lw=5, label="minicnn's operations")
axes.plot(own_losses, color="C1", label="those of this notebook")
axes.set(xlabel="step", ylabel="loss of the batch", ylim=(0, None))
axes.grid()
axes.legend()
plt.show()

np.testing.assert_allclose(own_losses, library_losses, rtol=1e-6)
for mine, other in zip(own.parameters(), library.parameters(), strict=True):
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), atol=1e-6)
assert np.mean(own_losses[-5:]) < 0.8 * np.mean(own_losses[:5])

# %% [markdown]
# The same losses and the same weights. Every number of this training came from functions that fit
# on one page.
#
# ## Summary
#
# - Convolutions: few parameters, most of the work. Dense layers: the other way round.
# - A training loop is five lines for each batch. `Trainer` runs the same.
# - Look at mistakes, filters and feature maps; accuracy is one number.
# - An operation is right when the network trained on it is the same network.
#
# ## Exercises
#
# `minicnn course check 09` checks your functions. Then, here:
#
# 1. Put your own functions from the exercises of notebooks 3, 4 and 6 into `OWN`. If the losses
#    part, which assert of which notebook would have found it?
# 2. Replace ReLU and maximum by tanh and mean pooling, as in 1998. What does it cost?
# 3. Count LeNet-5 for 3 × 32 × 32 images, then ask
#    `torch.summary(models.create("lenet5", (3, 32, 32)), (3, 32, 32))`.
# 4. c5 is dense here and a 5 × 5 convolution in the paper. Show that they are the same, by copying
#    the weights of one into the other and asserting equal outputs.
# 5. Shift the test images by 1, 2, 3, ... pixels (`torch.roll`), and draw the accuracy. Do the same
#    for a network of dense layers only.
# 6. Let a filter of c1 be zero, one after the other. Which one costs the most accuracy?
