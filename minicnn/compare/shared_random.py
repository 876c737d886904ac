"""Random numbers: PyTorch's functions, drawing what minicnn's draw.

Two libraries that start from one seed draw different numbers. So in PyTorch's run every function
that draws is replaced by minicnn's own, called with the same arguments: initial weights, dropout
masks, the order of the batches and `randn` are then the same numbers in both runs, as long as both
ask for them in the same order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import random as ours
from ..data import (
    DataLoader,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from ..data.dataset import Rows
from ..nn import init
from ..ops import creation, draw
from ..ops.dropout import draw_mask
from ..ops.from_data import from_numpy
from ..random import Generator
from ..tensor import Tensor

FUNCTIONS = (
    "rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like",
    "randn_like", "randint_like",
)  # fmt: skip
IN_PLACE = ("normal_", "uniform_", "bernoulli_", "random_")
INITIAL = (
    "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_",
    "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_",
)  # fmt: skip


class Exchange:
    """Turns PyTorch's tensors, dtypes and generators into minicnn's, and tensors back."""

    def __init__(self, torch: Any):
        self.torch = torch
        self.generators: dict[int, tuple[Any, Generator]] = {}

    def ours(self, value: Any) -> Any:
        """Return an argument as minicnn understands it."""
        if isinstance(value, self.torch.Tensor):
            return from_numpy(value.detach().cpu().numpy().copy())
        if isinstance(value, self.torch.dtype):
            return np.dtype(str(value).removeprefix("torch."))
        if isinstance(value, self.torch.Generator):
            return self.generator(value)
        if isinstance(value, self.torch.Size):
            return tuple(value)
        return value

    def generator(self, generator: Any) -> Generator:
        """Return the generator of minicnn's that stands for one of PyTorch's."""
        if generator is None or generator is self.torch.default_generator:
            return ours.default_generator
        if id(generator) not in self.generators:
            fresh = Generator().manual_seed(generator.initial_seed())
            self.generators[id(generator)] = generator, fresh
        return self.generators[id(generator)][1]

    def theirs(self, x: Tensor) -> Any:
        """Return a tensor of minicnn's as one of PyTorch's."""
        return self.torch.from_numpy(np.array(x.detach().array))

    def call(self, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Call a function of minicnn's with PyTorch's arguments."""
        return function(*map(self.ours, args), **{k: self.ours(v) for k, v in keywords.items()})


def share(torch: Any) -> None:
    """Replace PyTorch's random functions."""
    exchange = Exchange(torch)
    _share_generators(torch, exchange)
    for name in FUNCTIONS:
        setattr(torch, name, _drawing(torch, exchange, getattr(draw, name)))
    torch.utils.data.dataset.randperm = torch.randperm  # imported there by name
    for name in IN_PLACE:
        setattr(torch.Tensor, name, _filling(exchange, getattr(Tensor, name)))
    for name in ("bernoulli", "multinomial"):
        setattr(torch.Tensor, name, getattr(torch, name))
    for name in INITIAL:
        setattr(torch.nn.init, name, _filling(exchange, getattr(init, name)))
    _share_dropout(torch)
    _share_loading(torch, exchange)


def _share_generators(torch: Any, exchange: Exchange) -> None:
    class Shared(torch.Generator):
        def manual_seed(self, seed: int) -> Any:
            exchange.generator(self).manual_seed(seed)
            return super().manual_seed(seed)

    seed_theirs = torch.manual_seed

    def manual_seed(seed: int) -> Any:
        ours.manual_seed(seed)
        return seed_theirs(seed)

    torch.Generator = Shared
    torch.manual_seed = torch.random.manual_seed = manual_seed
    torch.seed, torch.initial_seed = ours.seed, ours.initial_seed
    torch.get_rng_state, torch.set_rng_state = ours.get_rng_state, ours.set_rng_state


def _drawing(torch: Any, exchange: Exchange, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def drawn(*args: Any, **keywords: Any) -> Any:
        floating = function.__name__ in ("rand", "randn", "normal")
        has_tensor = any(isinstance(x, torch.Tensor) for x in [*args, *keywords.values()])
        if floating and keywords.get("dtype") is None and not has_tensor:
            keywords["dtype"] = torch.get_default_dtype()
        for name in ("device", "layout", "pin_memory", "names"):
            keywords.pop(name, None)
        requires_grad = keywords.pop("requires_grad", False)
        out = keywords.pop("out", None)
        y = exchange.theirs(exchange.call(function, *args, **keywords))
        return (y if out is None else out.copy_(y)).requires_grad_(requires_grad)

    return drawn


def _filling(exchange: Exchange, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def filled(tensor: Any, *args: Any, **keywords: Any) -> Any:
        x = creation.empty(tuple(tensor.shape), dtype=exchange.ours(tensor.dtype))
        exchange.call(function, x, *args, **keywords)
        with exchange.torch.no_grad():
            return tensor.copy_(exchange.theirs(x))

    return filled


def _share_dropout(torch: Any) -> None:
    F = torch.nn.functional

    def dropping(channels: int | None) -> Callable[..., Any]:
        def dropout(
            input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
        ) -> Any:
            if not training or p == 0.0:
                return input
            shape = tuple(input.shape)
            if channels is not None:  # whole channels: one number for what comes after them
                kept = input.dim() - channels
                shape = (*shape[:kept], *(1,) * channels)
            dtype = np.dtype(str(input.dtype).removeprefix("torch."))
            mask = torch.from_numpy(np.ascontiguousarray(draw_mask(np.empty(0, dtype), shape, p)))
            return input.mul_(mask) if inplace else input * mask

        return dropout

    F.dropout, F.dropout1d, F.dropout2d = dropping(None), dropping(1), dropping(2)
    torch.dropout = lambda input, p, train: F.dropout(input, p, train)


def _share_loading(torch: Any, exchange: Exchange) -> None:
    """Let PyTorch's loaders read in the order, and with the random numbers, of minicnn's."""
    data = torch.utils.data
    by_itself = data.DataLoader.__iter__

    def order(kind: type, *names: str) -> Callable[[Any], Iterator[int]]:
        def __iter__(self: Any) -> Iterator[int]:
            options = {name: exchange.ours(getattr(self, name)) for name in names}
            options = {k: np.asarray(v.array) if isinstance(v, Tensor) else v
                       for k, v in options.items()}  # fmt: skip
            return iter(kind(**options, generator=exchange.generator(self.generator)))

        return __iter__

    def batches(self: Any) -> Iterator[Any]:
        if isinstance(self.dataset, data.IterableDataset):
            return by_itself(self)
        batched = self.batch_sampler is not None
        which = {"batch_sampler": self.batch_sampler} if batched else {"sampler": self.sampler}

        def collate(samples: Any) -> Any:
            return self.collate_fn(_converted(exchange, samples))

        if not batched:
            which["batch_size"] = None
        generator = exchange.generator(self.generator)
        return iter(DataLoader(self.dataset, collate_fn=collate, generator=generator, **which))

    data.RandomSampler.__iter__ = order(RandomSampler, "data_source", "replacement", "num_samples")
    data.SubsetRandomSampler.__iter__ = order(SubsetRandomSampler, "indices")
    data.WeightedRandomSampler.__iter__ = order(
        WeightedRandomSampler, "weights", "num_samples", "replacement"
    )
    # Sample by sample, each in its own stream of random numbers.
    data.Subset.__getitems__ = Subset.__getitems__
    data.DataLoader.__iter__ = batches


def _converted(exchange: Exchange, value: Any) -> Any:
    """Return a sample with its tensors as PyTorch's: minicnn's data sets give minicnn's."""
    if isinstance(value, Tensor):
        return exchange.theirs(value)
    if isinstance(value, Rows):
        return [_converted(exchange, sample) for sample in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_converted(exchange, part) for part in value)
    if isinstance(value, list):
        return [_converted(exchange, part) for part in value]
    return value
