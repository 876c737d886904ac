"""Chapter 5: batch normalisation, its gradient, and what evaluation does. With tutorial 5."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .evaluation import evaluated, folded, running
from .library import LIBRARY
from .training import backward, forward

CHAPTER = Chapter(
    "05",
    "batch_norm",
    solution,
    (forward, backward, running, evaluated, folded),
    LIBRARY,
)
