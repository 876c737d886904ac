# %% [markdown]
# # Quick start
#
# A convolutional network learns to read handwritten digits: 1,797 real images of 8 x 8 pixels,
# which come with minicnn. Known before: Python. Known after: how data, model, optimizer and trainer
# fit together, and how to look at what a network gets wrong.

# %%
from pathlib import Path

import minicnn as torch  # the names are PyTorch's; this line is the only difference
import minicnn.nn as nn
import minicnn.optim as optim
from minicnn.data.datasets import Digits
from minicnn.training import Trainer

out = Path("runs/quick_start")
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)

# %% [markdown]
# ## The data
#
# A data set is anything with a length and an index: `digits[i]` is an image, of shape (channels,
# height, width) with values from 0 to 1, and its label.

# %%
train, test = Digits(train=True), Digits(train=False)
image, label = train[0]
print(f"{len(train)} images to learn from, {len(test)} to be judged by")
print(f"the first is a {label}; its shape is {image.shape}")
for row in image[0].tolist():
    print("".join(" .:-=+*#%@"[int(9 * pixel)] * 2 for pixel in row))

# %% [markdown]
# ## The model
#
# Two convolutions look for strokes, pooling keeps the strongest answer of each neighbourhood, and a
# linear layer weighs what was found into one score for each digit.

# %%
model = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 10),
)
print(torch.summary(model, (1, 8, 8)))

# %% [markdown]
# ## Training
#
# `fit` goes through the data once an epoch, in batches: forward, loss, backward, and a step of the
# optimizer. What it saw along the way is the history.

# %%
trainer = Trainer(model, optim.Adam(model.parameters(), lr=3e-3), nn.CrossEntropyLoss())
history = trainer.fit(train, epochs=8, batch_size=32, validation=test)
history.plot(out / "curves.png")

# %% [markdown]
# ## Its mistakes
#
# Accuracy says how many are wrong. Looking at them says why.

# %%
images = torch.stack([test[i][0] for i in range(len(test))])
labels = torch.tensor([test[i][1] for i in range(len(test))])
predicted = trainer.predict(images).argmax(dim=1)
wrong = (predicted != labels).nonzero().flatten().tolist()
print(f"test accuracy: {1 - len(wrong) / len(test):.3f}")
for i in wrong[:3]:
    print(f"\nthis {labels[i].item()} was read as a {predicted[i].item()}:")
    for row in images[i, 0].tolist():
        print("".join(" .:-=+*#%@"[int(9 * pixel)] * 2 for pixel in row))

# %% [markdown]
# ## Keeping it
#
# Weights are saved as safetensors: numbers and names, nothing that could be executed.

# %%
torch.save(model.state_dict(), out / "digits.safetensors")
model.load_state_dict(torch.load(out / "digits.safetensors"))
print(f"written: {out / 'digits.safetensors'} and {out / 'curves.png'}")

# %% [markdown]
# ## Exercises
#
# 1. Take the second convolution out. How much accuracy does it cost, and how much time does it
# save? 2. Replace `nn.MaxPool2d(2)` by `nn.AvgPool2d(2)`. Does it matter here? 3. Change the first
# line to `import torch` (and the next two accordingly). What else must change?
