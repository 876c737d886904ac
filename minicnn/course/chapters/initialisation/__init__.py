"""Chapter 8: fans, gains, and the first weights of a deep network. With tutorial 8."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .sizes import backward, compensated, counted, forward
from .weights import he, orthonormal, uniform

CHAPTER = Chapter(
    "08",
    "initialisation",
    solution,
    (counted, compensated, forward, backward, uniform, he, orthonormal),
)
