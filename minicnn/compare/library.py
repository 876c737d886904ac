"""What the recorder has to know of the library that it watches: little, and here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class Library:
    """PyTorch or minicnn, seen through the names that both have.

    Attributes:
        module: the package.
        name: how people call it.
    """

    def __init__(self, module: Any, name: str):
        self.module, self.name = module, name
        self.Tensor = module.Tensor
        self.Module = module.nn.Module
        self.Optimizer = module.optim.Optimizer

    @property
    def version(self) -> str:
        """The version of the package."""
        return str(self.module.__version__)

    def array(self, x: Any) -> np.ndarray:
        """Return a copy of a tensor's values as they are now."""
        return np.array(x.detach().cpu().numpy())

    def leaves(self, y: Any) -> Iterator[Any]:
        """Yield the tensors that `y` was made of and that collect a gradient, each once."""
        seen: set[int] = set()
        stack = [y.grad_fn] if y.grad_fn is not None else []
        kept = []  # PyTorch makes its nodes' Python objects anew: their ids must not be reused
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            kept.append(node)
            leaf = node if isinstance(node, self.Tensor) else getattr(node, "variable", None)
            if leaf is not None:
                yield leaf
            else:
                stack.extend(edge for edge, _ in node.next_functions if edge is not None)

    def tensors(self, value: Any) -> list[Any]:
        """Return the tensors in the arguments or the result of a module."""
        if isinstance(value, self.Tensor):
            return [value]
        if isinstance(value, (tuple, list)):
            return [x for part in value for x in self.tensors(part)]
        return []
