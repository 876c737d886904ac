"""Random numbers, always from a seed.

Every random value in minicnn (initial weights, shuffling, augmentation) is drawn on the host from a
`Generator`, so that one seed gives the same values on every device. For dropout only a key is
drawn, and each device computes the same mask of it (`minicnn.kernels.noise`). The default
generator starts from a fixed seed: a program without `manual_seed` gives the same numbers at every
run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

DEFAULT_SEED = 67280421310721


class Generator:
    """A stream of random numbers: ``Generator().manual_seed(0)``. `numpy` is NumPy's."""

    def __init__(self, device: Any = "cpu"):
        self.device = device
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed` (any integer) and return this generator."""
        self._seed = int(seed)
        self.numpy = np.random.Generator(np.random.PCG64(self._seed % 2**64))
        return self

    def initial_seed(self) -> int:
        """Return the seed that this generator last started from."""
        return self._seed

    def seed(self) -> int:
        """Start from a seed drawn from the operating system, and return it."""
        return self.manual_seed(int(np.random.SeedSequence().generate_state(1)[0])).initial_seed()

    def key(self) -> tuple[int, int]:
        """Draw a key of 2 x 32 bits, from which `minicnn.kernels.noise` computes a whole mask."""
        first, second = self.numpy.integers(2**32, size=2).tolist()
        return first, second

    def get_state(self) -> dict:
        """Return the state of the stream, for `set_state`."""
        return {"seed": self._seed, "bits": self.numpy.bit_generator.state}

    def set_state(self, new_state: dict) -> None:
        """Continue from a state that `get_state` returned."""
        self._seed = new_state["seed"]
        self.numpy.bit_generator.state = new_state["bits"]


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator from `seed`."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """Return the seed that the default generator last started from."""
    return default_generator.initial_seed()


def seed() -> int:
    """Start the default generator from a seed drawn from the operating system; return it."""
    return default_generator.seed()


def get_rng_state() -> dict:
    """Return the default generator's state."""
    return default_generator.get_state()


def set_rng_state(new_state: dict) -> None:
    """Continue the default generator from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)
