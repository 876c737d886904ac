"""Judging a trained network by the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import visualize
from ..backend import to_device
from ..nn import functional as F
from ..ops.from_data import from_numpy
from ..training.metrics import confusion_matrix
from . import results


class Verdict(NamedTuple):
    """What the test images said."""

    numbers: dict[str, float]
    confusion: np.ndarray
    probabilities: np.ndarray
    data: Any

    def draw(self, folder: Path, title: str) -> None:
        """Write the confusion matrix, and the mistakes if there are any."""
        accuracy = self.numbers["test_accuracy"]
        head = f"{title}\n{accuracy:.2%} of {len(self.data):,} test images"
        figure = visualize.confusion(self.confusion, short(self.data.classes), head)
        visualize.save(figure, folder / results.CONFUSION)
        wrong = np.flatnonzero(self.probabilities.argmax(1) != self.data.labels)
        if len(wrong):
            pictures = np.stack([self.data[int(i)][0].array for i in wrong])
            figure = visualize.mistakes(
                pictures,
                self.probabilities[wrong],
                self.data.labels[wrong],
                short(self.data.classes),
            )
            visualize.save(figure, folder / results.MISTAKES)


def judge(trainer: Any, data: Any) -> Verdict:
    """Return the verdict of a test set."""
    output = trainer.predict(data).cpu()
    loss = F.cross_entropy(output, from_numpy(data.labels)).item()
    shares = to_device(F.softmax(output, dim=1).array, "cpu")
    confusion = confusion_matrix(shares, data.labels)
    accuracy = float(np.trace(confusion) / len(data))
    return Verdict({"test_accuracy": accuracy, "test_loss": loss}, confusion, shares, data)


def short(classes: Any) -> list[str]:
    """Return class names without the explanation that MNIST's have ("7 - seven")."""
    return [str(name).split(" - ")[0] for name in classes]
