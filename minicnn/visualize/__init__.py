"""Pictures of a training, drawn with matplotlib.

Every function returns a `matplotlib.figure.Figure`, which a notebook shows by itself and `save`
writes to a file. None of them touches pyplot: no window opens, no figure stays behind in memory,
and a machine without a display draws as well as any other. matplotlib is imported when something
is drawn.
"""

from __future__ import annotations

from .confusion import confusion
from .curves import curves
from .figure import save
from .images import filters, images, mistakes

__all__ = ["confusion", "curves", "filters", "images", "mistakes", "save"]
