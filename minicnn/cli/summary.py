"""``minicnn summary``: the layers of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import models
from ..errors import ArgumentError
from ..training import summary
from . import results


def run(arguments: Any) -> int:
    """Print the table, and return the exit code."""
    name, shape, classes = arguments.model or "digits_cnn", arguments.input_shape, arguments.classes
    if arguments.weights:
        if arguments.model:
            raise ArgumentError("summary: --weights names the model itself; leave out --model")
        path = Path(arguments.weights)
        config = results.read_config(path if path.is_dir() else path.parent)
        name, shape, classes = config["model"], tuple(config["input_shape"]), len(config["classes"])
    name = models.find(name)
    shape = shape or models.default_input_shape(name)
    model = models.create(name, shape, classes)
    print(f"{name}, {classes} classes")
    print(summary(model, shape, batch_size=arguments.batch_size))
    return 0
