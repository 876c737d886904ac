"""Chapter 1: the derivatives of operations, and the walk back through them. With tutorial 1."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .arrays import matmul, relu, unbroadcast
from .graph import backward, order
from .library import LIBRARY
from .scalars import add, div, mul, tanh

CHAPTER = Chapter(
    "01",
    "tape",
    solution,
    (add, mul, div, tanh, order, backward, unbroadcast, matmul, relu),
    LIBRARY,
)
