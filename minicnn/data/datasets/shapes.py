"""Shapes: colour pictures of ten geometric figures, drawn by minicnn itself.

A figure is a *signed distance* sd(x, y): negative inside, positive outside, growing by one per unit
of length. Drawing it without jagged edges is then one line, since a pixel whose centre lies sd
pixels from the outline is covered by about ``0.5 - sd`` of its area, clipped to [0, 1].

Size, place, turn and colours of every picture are random, so that only the form tells the class: a
model that looks at single pixels learns nothing here, and a convolutional network does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, hypot, pi, sin
from typing import Any

import numpy as np

from ...errors import ArgumentError
from .base import ImageDataset

# Each figure fits into the unit circle; `x` grows to the right, `y` downwards.


def _box(x: Any, y: Any, half_width: float, half_height: float) -> Any:
    return np.maximum(abs(x) - half_width, abs(y) - half_height)


def _circle(x: Any, y: Any) -> Any:
    return np.hypot(x, y) - 0.9


def _ring(x: Any, y: Any) -> Any:
    return abs(np.hypot(x, y) - 0.72) - 0.22


def _crescent(x: Any, y: Any) -> Any:
    return np.maximum(np.hypot(x, y) - 0.95, 0.8 - np.hypot(x - 0.5, y))


def _triangle(x: Any, y: Any) -> Any:
    sides = (0, 2 * pi / 3, 4 * pi / 3)  # the directions in which the three sides lie
    return np.maximum.reduce([x * cos(a) + y * sin(a) for a in sides]) - 0.48


def _square(x: Any, y: Any) -> Any:
    return _box(x, y, 0.7, 0.7)


def _bar(x: Any, y: Any) -> Any:
    return _box(x, y, 0.95, 0.28)


def _star(x: Any, y: Any) -> Any:
    # Fold the plane onto one tenth of the star, whose outline is there one line through
    # the outer corner (1, 0) and the inner corner at an angle of 36 degrees.
    angle = abs((np.arctan2(y, x) + pi / 5) % (2 * pi / 5) - pi / 5)
    radius = np.hypot(x, y)
    inner_x, inner_y = 0.42 * cos(pi / 5), 0.42 * sin(pi / 5)
    distance = (radius * np.cos(angle) - 1) * inner_y + radius * np.sin(angle) * (1 - inner_x)
    return distance / hypot(1 - inner_x, inner_y)


def _cross(x: Any, y: Any) -> Any:
    return np.minimum(_box(x, y, 0.95, 0.28), _box(x, y, 0.28, 0.95))


def _heart(x: Any, y: Any) -> Any:
    # Two arms, as wide as a square, grow from its neighbouring sides and end in half discs.
    x, y = x + 0.22, y + 0.22
    arms = np.minimum(_box(x - 0.09, y, 0.54, 0.45), _box(x, y - 0.09, 0.45, 0.54))
    discs = np.minimum(np.hypot(x - 0.63, y), np.hypot(x, y - 0.63)) - 0.45
    return np.minimum(arms, discs)


def _arrow(x: Any, y: Any) -> Any:
    head = np.maximum(0.05 - x, (0.65 * (x - 1) + 0.95 * abs(y)) / hypot(0.65, 0.95))
    return np.minimum(head, _box(x + 0.4, y, 0.55, 0.2))


FIGURES: dict[str, Callable[[Any, Any], Any]] = {
    "circle": _circle,
    "ring": _ring,
    "crescent": _crescent,
    "triangle": _triangle,
    "square": _square,
    "bar": _bar,
    "star": _star,
    "cross": _cross,
    "heart": _heart,
    "arrow": _arrow,
}


class Shapes(ImageDataset):
    """Colour pictures of ten figures, from circles to arrows, that differ in all but their form.

    Picture i shows figure ``i % 10`` and depends only on (`seed`, `train`, i, `size`): more
    pictures never change the first ones, and two sizes show the same scene.

    Args:
        train: the training part or the test part, which have no picture in common.
        transform: makes a sample's image of a (size, size, 3) uint8 array.
        target_transform: makes a sample's target of the class number.
        size: height and width in pixels, at least 8.
        count: how many pictures; default: 10,000 for training, 2,000 for testing.
        seed: another seed, other pictures.
        lazy: draw a picture each time it is asked for, instead of all of them now.
    """

    name = "shapes"
    classes = tuple(FIGURES)
    mean = (0.5, 0.5, 0.5)
    std = (0.29, 0.29, 0.29)
    image_shape = (3, 32, 32)

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        *,
        size: int = 32,
        count: int | None = None,
        seed: int = 0,
        lazy: bool = False,
    ):
        super().__init__(train, transform, target_transform)
        count = (10_000 if train else 2_000) if count is None else count
        if size < 8:
            raise ArgumentError(f"Shapes: size must be at least 8 pixels, got {size}")
        if count < 1:
            raise ArgumentError(f"Shapes: count must be at least 1, got {count}")
        self.size = size
        self.seed = seed
        self.image_shape = (3, size, size)
        self.labels = np.arange(count, dtype=np.int64) % len(FIGURES)
        self._images = None if lazy else self._draw_all()

    @property
    def images(self) -> np.ndarray:  # type: ignore[override]
        """All pictures, a uint8 array (N, size, size, 3)."""
        if self._images is None:
            self._images = self._draw_all()
        return self._images

    def picture(self, index: int) -> np.ndarray:
        return self._pictures(np.array([index % len(self)]))[0].copy()

    def _pictures(self, rows: np.ndarray) -> np.ndarray:
        if self._images is not None:
            return self._images[rows]
        return draw(rows.tolist(), self.size, self.seed, self.train)

    def _draw_all(self) -> np.ndarray:
        planes = np.empty((len(self), 3, self.size, self.size), dtype=np.uint8)
        pictures = planes.transpose(0, 2, 3, 1)  # (N, size, size, 3), and (N, C, H, W) in memory
        block = max(1, 2**16 // self.size**2)  # pictures drawn together: what fits into the cache
        for start in range(0, len(self), block):
            rows = range(start, min(start + block, len(self)))
            pictures[rows.start : rows.stop] = draw(rows, self.size, self.seed, self.train)
        return pictures


def draw(indices: Sequence[int], size: int, seed: int, train: bool) -> np.ndarray:
    """Return the pictures of these numbers as a uint8 array (n, size, size, 3)."""
    noise = np.empty((len(indices), 3, size, size), dtype=np.float32)
    scenes = [_scene(index, seed, train, noise[row]) for row, index in enumerate(indices)]
    place, colours = (np.stack(parts) for parts in zip(*scenes, strict=True))
    centre_x, centre_y, radius, cosine, sine = place.T[:, :, None, None]  # (5, n, 1, 1)
    middles = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1  # pixel centres in [-1, 1]
    right, down = (middles - centre_x) / radius, (middles[:, None] - centre_y) / radius
    x, y = cosine * right + sine * down, cosine * down - sine * right  # (n, size, size)
    distance = np.empty_like(x)
    labels = np.asarray(indices) % len(FIGURES)
    for number, figure in enumerate(FIGURES.values()):
        rows = labels == number
        if rows.any():
            distance[rows] = figure(x[rows], y[rows])
    cover = np.clip(0.5 - distance * radius * (size / 2), 0, 1)[:, None]  # (n, 1, size, size)
    front, first, last = colours[..., None, None].swapaxes(0, 1)  # (n, 3, 1, 1) each
    slope = (middles + middles[:, None]) / 4 + 0.5  # 0 ... 1 along the diagonal
    picture = first + slope * (last - first)  # (n, 3, size, size)
    picture += cover * (front - picture)
    picture += noise
    levels = (np.clip(picture, 0, 1, out=picture) * 255 + 0.5).astype(np.uint8)
    return levels.transpose(0, 2, 3, 1)  # (n, size, size, 3)


def _scene(index: int, seed: int, train: bool, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the place and three colours of picture `index`, and fill in its `noise`."""
    key = np.array([seed % 2**64, 2 * index + (not train)], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    radius = rng.uniform(0.4, 0.9)
    centre = rng.uniform(radius - 1, 1 - radius, 2)  # all of the figure is in the picture
    turn = rng.uniform(0, 2 * pi)
    first = rng.random(3)
    front = rng.random(3)
    while np.linalg.norm(front - first) < 0.6:  # a figure that can be told from its background
        front = rng.random(3)
    last = np.clip(first + rng.uniform(-0.25, 0.25, 3), 0, 1)
    strength = rng.uniform(0, 0.07)
    rng.standard_normal(out=noise, dtype=np.float32)
    noise *= strength
    place = np.array([*centre, radius, cos(turn), sin(turn)], dtype=np.float32)
    return place, np.array([front, first, last], dtype=np.float32)
