# %% [markdown]
# # 0. Quick start
#
# A convolutional network learns to read handwritten digits, and then we look at what it gets wrong.
#
# - **Known before:** Python; what an array is.
# - **Known after:** how data, model, loss, optimizer and trainer fit together; how to read learning
#   curves; how to look at mistakes; how to use what was trained.
# - **Time:** 30 minutes to read and to play. The notebook runs in 15 seconds.
# - **Source:** [`minicnn/training/trainer.py`](../minicnn/training/trainer.py),
#   [`minicnn/data/datasets/base.py`](../minicnn/data/datasets/base.py),
#   [`minicnn/visualize/curves.py`](../minicnn/visualize/curves.py).
#
# Nothing here is explained to the bottom. Each of the later notebooks takes one part, derives it,
# builds it from plain NumPy and puts it back.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minicnn as torch  # the names are PyTorch's; here this line is the only difference
import minicnn.nn as nn
import minicnn.optim as optim
from minicnn import visualize
from minicnn.data import Subset, random_split
from minicnn.data.datasets import available
from minicnn.training import Trainer
from minicnn.training.metrics import confusion_matrix

torch.manual_seed(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## The data
#
# A data set is anything with a length and an index. `data[i]` is a pair: an image, of shape
# (channels, height, width) with values from 0 (paper) to 1 (ink), and its label, a number.
#
# The digits that come with minicnn are 1,797 real ones of 8 × 8 pixels. Whoever has MNIST in the
# folder that `MINICNN_DATA` names gets MNIST instead, from the same cell.

# %%
Images = available("mnist", "digits")
data, test = Images(train=True), Images(train=False)
data = Subset(data, range(min(len(data), 5_000)))  # more would take longer than a quick start
images = torch.stack([data[i][0] for i in range(16)])
labels = [data[i][1] for i in range(16)]
print(f"{len(data):,} images to learn from, {len(test):,} to be judged by")
print(f"each has shape {images[0].shape}, values from {images.min():.0f} to {images.max():.0f}")
visualize.images(images, [f"label {label}" for label in labels])

# %% [markdown]
# Three parts are needed. The network learns from the **training** images. The **validation** images
# tell, while it learns, how it does on images that it has never learnt from. Whoever chooses
# something by them (the number of epochs, the learning rate) has used them up. So the **test**
# images wait until everything is chosen, and are used once.

# %%
train, validation = random_split(data, [0.85, 0.15])
print(f"training {len(train):,}, validation {len(validation):,}, test {len(test):,}")

# %% [markdown]
# ## The model
#
# Two convolutions look for strokes, at every place of the image. Each is followed by a ReLU, which
# sets negative numbers to 0: without it, two convolutions in a row would be no more than one.
# Pooling keeps the strongest answer of each 2 × 2 neighbourhood. Then one dense layer weighs
# everything that was found into one score for each digit. The largest score wins.

# %%
channels, height, width = images.shape[1:]
model = nn.Sequential(
    nn.Conv2d(channels, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * (height // 2) * (width // 2), 10),
)
print(torch.summary(model, (channels, height, width)))

# %% [markdown]
# All those parameters are random numbers now. So the network's guesses are, too.

# %%
trainer = Trainer(model, optim.Adam(model.parameters(), lr=3e-3), nn.CrossEntropyLoss())
before = trainer.evaluate(validation)
print(f"before training: loss {before['loss']:.2f}, accuracy {before['accuracy']:.0%}")
print(f"ten equal probabilities would have the loss log(10) = {np.log(10):.2f}")

# %% [markdown]
# ## Training
#
# `fit` goes through the training images once an epoch, in batches of 32. For each batch it does
# what the following five lines would do, and no more.
#
# ```python
# for x, y in DataLoader(train, batch_size=32, shuffle=True):
#     loss = loss_fn(model(x), y)      # forward: how wrong is the network on these 32?
#     optimizer.zero_grad()
#     loss.backward()                  # backward: in which direction is each parameter wrong?
#     optimizer.step()                 # a small step of every parameter in the other direction
# ```
#
# How `backward` knows is the subject of notebook 1, what `step` does of notebook 7.

# %%
history = trainer.fit(train, epochs=10, batch_size=32, validation=validation, verbose=False)
history.plot()

# %% [markdown]
# Read the curves from left to right.
#
# - Both losses fall: it is learning. (If they stay flat, the learning rate is too small, or there
#   is a bug. If they jump up, it is too large.)
# - At first the training loss is the larger one. It is a mean over the epoch, and the network was
#   worse when the epoch began; the validation loss is measured at the end.
# - Later the training loss is the smaller one: the network begins to learn its images by heart.
#   That gap is called overfitting. It is small here.
#
# ## How good is it?
#
# Now, once, the test images.

# %%
after = trainer.evaluate(test)
print(f"test accuracy: {after['accuracy']:.2%}")
assert after["accuracy"] > 0.95

# %%
test_images = torch.stack([test[i][0] for i in range(len(test))])
test_labels = torch.tensor([test[i][1] for i in range(len(test))])
scores = trainer.predict(test_images)  # (N, 10)
predicted = scores.argmax(dim=1)
visualize.confusion(confusion_matrix(predicted, test_labels, 10))

# %% [markdown]
# Each row is a true digit, each column a guess. What is off the diagonal is a mistake, and says
# *which* digits are taken for one another.
#
# ## Its mistakes
#
# Accuracy says how many are wrong. Looking at them says why. Above each image: the truth, the
# guess, and the probability that the network gave its guess.

# %%
visualize.mistakes(test_images, scores.softmax(dim=1), test_labels, most=16)

# %% [markdown]
# ## Using it
#
# A trained network is a function from images to scores. `softmax` makes probabilities of scores
# (notebook 6 says how). Here are the one image of the test that the network is most sure of, and
# the one that it is least sure of.

# %%
probabilities = scores.softmax(dim=1).numpy()  # (N, 10)
certainty = probabilities.max(axis=1)
figure, axes = plt.subplots(1, 4, figsize=(7, 2.2), width_ratios=[1, 2, 1, 2])
for pair, i in zip(axes.reshape(2, 2), [certainty.argmax(), certainty.argmin()], strict=True):
    pair[0].imshow(test_images[int(i), 0].numpy())
    pair[0].axis("off")
    pair[1].bar(range(10), probabilities[i])
    pair[1].set(xticks=range(10), ylim=(0, 1.05), xlabel="digit", title=f"true: {test_labels[i]}")
axes[1].set_ylabel("probability")
plt.show()

# %% [markdown]
# What it has learnt are numbers, and they can be kept. The file holds names and numbers (the
# safetensors format) and nothing that could be executed.

# %%
torch.save(model.state_dict(), "quick_start.safetensors")
again = nn.Sequential(*(layer for layer in model))
again.load_state_dict(torch.load("quick_start.safetensors"))
assert (again(test_images[:8]) == model(test_images[:8])).all()

# %% [markdown]
# ## Exercises
#
# 1. Take the second convolution out (what else must change?). How much accuracy does it cost, and
#    how many multiply-adds does `torch.summary` say it saves?
# 2. Replace `nn.MaxPool2d(2)` by `nn.AvgPool2d(2)`. Does it matter here? Train twice with different
#    seeds before you answer.
# 3. Train with `lr=0.3` and with `lr=3e-6`, and describe the curves.
# 4. Take ten training images only (`Subset(train, range(10))`). What do the two curves do?
# 5. Write the training loop by hand, from the lines above, and reach the same test accuracy.
# 6. Draw a digit of your own as a NumPy array of the images' size, and let the network read it.
#
# From notebook 1 on, the exercises check themselves: `minicnn course start exercises` writes them
# into the folder `exercises`, and `minicnn course check` says what is right.
#
# Next: [1. Tensors and the tape](01_tensors_and_the_tape.ipynb)
