"""``minicnn predict``: what a trained network says about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import models
from ..autograd import no_grad
from ..backend import to_device
from ..errors import FileError, MissingFileError, UnknownNameError
from ..nn import Module
from ..nn import functional as F
from ..ops.from_data import from_numpy
from ..serialization import load
from . import results
from .data import find_data
from .judge import short


class Network(NamedTuple):
    """A trained network, and what it needs to be used."""

    model: Module
    input_shape: tuple[int, int, int]
    classes: list[str]
    data: str | None


def run(arguments: Any) -> int:
    """Print a line for each picture, and return the exit code."""
    network = read_network(arguments)
    if arguments.images:
        names, pictures, truth = list(arguments.images), [], None
        for path in arguments.images:
            pictures.append(read_picture(path, network.input_shape, arguments.invert))
        x = np.stack(pictures)
    else:
        x, truth = samples(arguments, network)
        names = [f"sample {i}" for i in range(len(x))]
    shares = probabilities(network.model, x)
    for i, name in enumerate(names):
        best = np.argsort(-shares[i], kind="stable")[: arguments.top]
        said = ", ".join(f"{network.classes[k]} ({shares[i, k]:.1%})" for k in best)
        true = "" if truth is None else f"  [{network.classes[truth[i]]}]"
        print(f"{name}: {said}{true}")
    if truth is not None:
        print(f"right: {(shares.argmax(1) == truth).sum()} of {len(x)}")
    if arguments.save:
        draw(arguments.save, x, shares, truth, network.classes)
    return 0


def read_network(arguments: Any) -> Network:
    """Return the network that the options name."""
    path = Path(arguments.weights) if arguments.weights else results.newest()
    folder = path if path.is_dir() else path.parent
    weights = path / results.WEIGHTS if path.is_dir() else path
    if not weights.exists():
        raise MissingFileError(f"there are no weights at '{weights}'; run 'minicnn train' first")
    if arguments.model:
        config = described_by_options(arguments)
    else:
        try:
            config = results.read_config(folder)
        except MissingFileError:
            raise MissingFileError(
                f"'{weights}' has no {results.CONFIG} beside it; say what it is with --model and "
                "--data"
            ) from None
    try:
        shape, classes = tuple(config["input_shape"]), short(config["classes"])
        model = models.create(config["model"], shape, len(classes))
    except (KeyError, TypeError) as error:
        raise FileError(
            f"'{folder / results.CONFIG}' does not describe a network: {error}"
        ) from error
    state = load(weights)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FileError(f"'{weights}' does not fit the model {config['model']}: {error}") from error
    if arguments.device:
        model.to(arguments.device)
    return Network(model.eval(), shape, classes, config.get("data"))


def described_by_options(arguments: Any) -> dict[str, Any]:
    """Return the description of weights that come without one: that of a data set."""
    from ..data.datasets import get

    if not arguments.data:
        raise UnknownNameError("--model needs --data, whose images and classes the weights are for")
    data = find_data(arguments.data)
    cls = get(data)
    return {
        "model": models.find(arguments.model),
        "input_shape": cls.image_shape,
        "classes": cls.classes,
        "data": data,
    }


def read_picture(path: str, shape: tuple[int, int, int], invert: bool) -> np.ndarray:
    """Return a picture file as an array (C, H, W) in [0, 1], as the network wants it."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                picture = Image.alpha_composite(  # transparent is white, as on a page
                    Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
                )
            if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
                picture = Image.fromarray(to_bytes(np.asarray(picture, dtype=np.float64)))
            picture = picture.convert("L" if channels == 1 else "RGB")
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
            x = np.asarray(picture, dtype=np.float32) / np.float32(255)
    except FileNotFoundError:
        raise MissingFileError(f"there is no picture '{path}'") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise FileError(f"'{path}' cannot be read as a picture: {error}") from error
    x = x[None] if channels == 1 else x.transpose(2, 0, 1)  # (C, H, W)
    return 1 - x if invert else x


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Return 16-bit grey values as 8-bit ones."""
    return (values / (65535 if values.max(initial=0) > 255 else 255) * 255).round().astype(np.uint8)


def samples(arguments: Any, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return the first test samples of a data set and their classes."""
    from ..data.datasets import get

    name = arguments.data or network.data
    if name is None:
        raise UnknownNameError("say with --data which data set the samples are from")
    test = get(find_data(name))(train=False)
    if tuple(test.image_shape) != network.input_shape:
        raise FileError(
            f"the network takes images of shape {network.input_shape}, but those of {name} have "
            f"{tuple(test.image_shape)}"
        )
    count = min(arguments.samples, len(test))
    return np.stack([test[i][0].array for i in range(count)]), test.labels[:count]


@no_grad()
def probabilities(model: Module, x: np.ndarray) -> np.ndarray:
    """Return the probability of each class for each picture: (N, K)."""
    where = next(model.parameters()).device
    parts = [
        to_device(F.softmax(model(from_numpy(x[i : i + 256]).to(where)), dim=1).array, "cpu")
        for i in range(0, len(x), 256)
    ]
    return np.concatenate(parts)


def draw(path: str, x: np.ndarray, shares: np.ndarray, truth: Any, classes: list[str]) -> None:
    """Write a picture of the answers: green if right, red if wrong."""
    from .. import visualize
    from ..visualize.images import RIGHT, WRONG

    said = shares.argmax(1)
    lines = [f"{classes[k]} ({shares[i, k]:.0%})" for i, k in enumerate(said)]
    colours = None
    if truth is not None:
        colours = [RIGHT if a == b else WRONG for a, b in zip(said, truth, strict=True)]
    visualize.save(visualize.images(x, lines, colours=colours), path)
    print(f"written: {path}")
