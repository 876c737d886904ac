"""Exercise: the training loop."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

epoch = Exercise(
    solution.train_epoch,
    inputs.epochs,
    returns="loss",
    size="a float",
    hints=(
        "For each batch: the loss, the old gradients forgotten, backward, step, and a note of the "
        "loss.",
        "The mean of the batches' means is not the mean over the samples, if one batch is smaller.",
    ),
    mistakes=(
        mistake(
            "gradients never forgotten",
            "It does not call optimizer.zero_grad() for each batch, so that the gradients of all "
            "batches add up.",
            ("        optimizer.zero_grad()\n", ""),
        ),
        mistake(
            "nothing changed between batches",
            "The parameters are the same for all batches: call backward and then step for each "
            "batch, and zero_grad before backward, not between the two.",
            ("        optimizer.zero_grad()\n        loss.backward()\n",
             "        loss.backward()\n        optimizer.zero_grad()\n"),
        ),
        mistake(
            "step before the gradients",
            "It steps before loss.backward(), without this batch's gradients.",
            ("        optimizer.zero_grad()\n        loss.backward()\n        optimizer.step()\n",
             "        optimizer.step()\n        optimizer.zero_grad()\n        loss.backward()\n"),
        ),
        mistake(
            "two steps for a batch",
            "It steps twice for each batch.",
            ("        optimizer.step()\n", "        optimizer.step()\n        optimizer.step()\n"),
        ),
        mistake(
            "mean without weights",
            "It takes the mean of the batches' losses: a smaller batch counts less, by its number "
            "of samples.",
            ("loss.item() * len(y)", "loss.item()"),
            ("samples += len(y)", "samples += 1"),
        ),
        mistake(
            "sum of means divided by the samples",
            "It adds the batches' mean losses and divides by the number of samples: multiply each "
            "by its len(y) first.",
            ("loss.item() * len(y)", "loss.item()"),
        ),
        mistake(
            "sum for mean",
            "It adds up the losses of all samples: divide by their number.",
            ("total / samples", "total"),
        ),
        mistake(
            "divided by the number of batches",
            "It divides the sum over the samples by the number of batches.",
            ("total / samples", "total / len(batches)"),
        ),
        mistake(
            "last batch dropped",
            "It leaves out the last batch.",
            ("in batches:", "in batches[:-1] or batches:"),
        ),
        mistake(
            "smaller batch dropped",
            "It leaves out a last batch that is smaller than the first.",
            ("in batches:", "in [b for b in batches if len(b[1]) == len(batches[0][1])]:"),
        ),
        mistake(
            "loss of the last batch",
            "It returns the loss of the last batch: the mean over all samples is asked for.",
            ("return total / samples", "return loss.item()"),
        ),
        mistake(
            "loss after the step",
            "It notes the loss after the step: note the one that the step was computed from.",
            ("loss.item() * len(y)", "loss_fn(model(x), y).item() * len(y)"),
        ),
        mistake(
            "left in evaluation",
            "It does not call model.train(): batch normalisation then uses running statistics, "
            "and dropout drops nothing.",
            ("    model.train()\n", ""),
        ),
    ),
)  # fmt: skip
