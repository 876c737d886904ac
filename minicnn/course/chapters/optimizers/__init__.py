"""Chapter 7: the update rules of optimizers, from gradient descent to AdamW. With tutorial 7."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .averages import bias_corrected, decayed
from .library import LIBRARY
from .squares import averaged, summed
from .velocity import ahead, heavy_ball, plain

CHAPTER = Chapter(
    "07",
    "optimizers",
    solution,
    (plain, heavy_ball, ahead, summed, averaged, bias_corrected, decayed),
    LIBRARY,
)
