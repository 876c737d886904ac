"""Numbers drawn on the host for operations on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .modes import thread


def from_host(draw: Callable[[], np.ndarray]) -> Any:
    """Return ``draw()``, an array made on the host.

    A step that is being captured keeps `draw`, and calls it anew before each of its runs; what is
    returned then is on the GPU.
    """
    recorder = thread.recorder
    if recorder is not None and recorder.capturing:
        return recorder.feed(draw)
    return draw()
