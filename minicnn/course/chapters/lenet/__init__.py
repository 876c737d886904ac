"""Chapter 9: counting a network, and training and judging it. With tutorial 9."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .counting import convolution, whole_network
from .judging import confusion, right_share
from .training import batches, epoch, standard

CHAPTER = Chapter(
    "09",
    "lenet",
    solution,
    (convolution, whole_network, standard, batches, epoch, right_share, confusion),
)
