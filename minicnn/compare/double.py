"""A script in float64, whatever it says: ``--double``.

In float64 two correct libraries agree to some twelve digits for many steps, so whatever is left is
a difference in what they compute. Every name of float32 is made to mean float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any


def everything(library: Any) -> None:
    """Let `library`, PyTorch or minicnn, compute in float64 only."""
    single, wide = library.float32, library.float64
    library.set_default_dtype(wide)
    library.float32 = library.float = wide
    library.Tensor.float = library.Tensor.double

    def widened(value: Any) -> Any:
        """Return tensors, and those in lists, tuples and dictionaries, in float64."""
        if isinstance(value, library.Tensor):
            if value.dtype != single:
                return value
            return value.detach().to(wide).requires_grad_(value.requires_grad)
        if isinstance(value, dict):
            return {key: widened(part) for key, part in value.items()}
        if type(value) in (list, tuple):
            return type(value)(widened(part) for part in value)
        return value

    def widening(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            return widened(function(*args, **keywords))

        return call

    for name in ("tensor", "as_tensor", "from_numpy"):
        setattr(library, name, widening(getattr(library, name)))
    loader = library.utils.data.DataLoader
    read = loader.__iter__

    def batches(self: Any) -> Iterator[Any]:
        return map(widened, read(self))

    loader.__iter__ = batches
