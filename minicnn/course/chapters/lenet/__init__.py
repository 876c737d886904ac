"""Chapter 9: counting a network, and training and judging it. With tutorial 9."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .counting import convolution, whole_network
from .data import batches, standard
from .judging import confusion, right_share
from .training import epoch

CHAPTER = Chapter(
    "09",
    "lenet",
    solution,
    (convolution, whole_network, standard, batches, epoch, right_share, confusion),
)
