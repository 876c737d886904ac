"""Chapter 2: derivatives from values alone, to check others by. With tutorial 2."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .gradients import directional, gradient, vjp
from .slopes import central, error, one_sided

CHAPTER = Chapter(
    "02",
    "gradient checking",
    solution,
    (central, one_sided, gradient, vjp, directional, error),
)
