"""Chapter 4: maximum and average pooling, and their gradients. With tutorial 4."""

from __future__ import annotations

from ...exercise import Chapter
from . import average, maximum, solution
from .library import LIBRARY

CHAPTER = Chapter(
    "04",
    "pooling",
    solution,
    (maximum.forward, maximum.backward, average.forward, average.backward),
    LIBRARY,
)
