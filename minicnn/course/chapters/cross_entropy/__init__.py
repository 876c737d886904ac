"""Chapter 6: dense layers, softmax and cross-entropy, and their traps. With tutorial 6."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .layer import backward, forward
from .library import LIBRARY
from .loss import entropy, entropy_backward
from .probabilities import logarithms, soft, soft_backward

CHAPTER = Chapter(
    "06",
    "cross_entropy",
    solution,
    (forward, backward, soft, soft_backward, logarithms, entropy, entropy_backward),
    LIBRARY,
)
