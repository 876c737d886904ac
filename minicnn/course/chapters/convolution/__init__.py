"""Chapter 3: convolution, by loops and by im2col, and its derivatives. With tutorial 3."""

from __future__ import annotations

from ...exercise import Chapter
from . import solution
from .backward import bias_grad, input_grad, weight_grad
from .forward import columns, fast, loops, size
from .library import LIBRARY

CHAPTER = Chapter(
    "03",
    "convolution",
    solution,
    (size, loops, columns, fast, input_grad, weight_grad, bias_grad),
    LIBRARY,
)
