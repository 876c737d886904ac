"""Modules that hold modules: in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ArgumentError, DimensionError
from .module import Module, indent

S = TypeVar("S", bound="InOrder")


class InOrder(Module):
    """What `Sequential` and `ModuleList` share: children named "0", "1", ... in order."""

    if TYPE_CHECKING:

        def __getitem__(self, idx: Any) -> Any: ...

    def _key(self, index: Any) -> str:
        """Return the name of the child at `index`; a negative one counts from the end."""
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise DimensionError(
                f"{self._get_name()}: index {i} is out of range; it has {len(self)} modules"
            )
        return list(self._modules)[i]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        names = list(self._modules)[idx] if isinstance(idx, slice) else [self._key(idx)]
        for name in names:
            del self._modules[name]
        self._number()

    def _number(self) -> None:
        """Name the children by their positions again."""
        self._modules = {str(i): m for i, m in enumerate(self._modules.values())}

    def append(self: S, module: Module) -> S:
        """Add `module` at the end, and return this container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: S, modules: Iterable[Module]) -> S:
        """Add all `modules` at the end, and return this container."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{self._get_name()}.extend: expected an iterable of modules, got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: S, index: int, module: Module) -> S:
        """Put `module` before the one at `index`, and return this container."""
        if not isinstance(module, Module):
            raise TypeError(
                f"{self._get_name()}.insert: expected a Module, got {type(module).__name__}"
            )
        if not -len(self) <= index <= len(self):
            raise DimensionError(
                f"{self._get_name()}: index {index} is out of range; it has {len(self)} modules"
            )
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._modules = {str(i): m for i, m in enumerate(modules)}
        return self

    def pop(self, key: int | slice) -> Any:
        """Take the module at `key` out, and return it."""
        module = self[key]
        del self[key]
        return module

    def __iadd__(self: S, other: Iterable[Module]) -> S:
        return self.extend(other)


class Sequential(InOrder):
    """Modules in a row: each is called with the result of the one before.

    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5408, 10))

    Args:
        args: the modules; or one ``OrderedDict`` of them, whose keys become their names.
    """

    def __init__(self, *args: Any):
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        for name, module in args[0].items() if named else enumerate(args):
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """Return the result of the last module."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._key(idx)]

    def __add__(self, other: Any) -> Sequential:
        self._check_other(other)
        return Sequential(*self, *other)

    def __iadd__(self: S, other: Any) -> S:
        self._check_other(other)
        return self.extend(other)

    def _check_other(self, other: Any) -> None:
        if not isinstance(other, Sequential):
            raise ArgumentError(
                f"{self._get_name()}: only a Sequential can be added, not {type(other).__name__}; "
                "use append"
            )

    def __mul__(self, other: int) -> Sequential:
        self._check_factor(other)
        return Sequential(*(list(self) * other))

    __rmul__ = __mul__

    def __imul__(self: S, other: int) -> S:
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))

    def _check_factor(self, factor: Any) -> None:
        if not isinstance(factor, int):
            raise TypeError(
                f"{self._get_name()}: can be repeated a whole number of times, not {factor!r}"
            )
        if factor < 1:
            raise ArgumentError(
                f"{self._get_name()}: must be repeated at least once, not {factor} times"
            )


class ModuleList(InOrder):
    """A list of modules. Unlike in a Python list, their parameters are found.

    Args:
        modules: what to begin with.
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[self._key(idx)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        lines = []
        start = 0
        for i, text in enumerate(texts):
            if i + 1 < len(texts) and texts[i + 1] == text:
                continue
            count = i - start + 1
            label = f"({start}): " if count == 1 else f"({start}-{i}): {count} x "
            lines.append(f"\n  {indent(label + text)}")
            start = i + 1
        return f"{self._get_name()}({''.join(lines)}\n)" if lines else f"{self._get_name()}()"


class ModuleDict(Module):
    """A dictionary of modules, in the order of insertion, whose parameters are found.

    Args:
        modules: a mapping from names to modules, or pairs of both.
    """

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take the module `key` out, and return it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> Any:
        """Return the pairs of name and module."""
        return self._modules.items()

    def values(self) -> Any:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs; those of the same name are replaced."""
        for key, module in pairs_of(modules, "ModuleDict"):
            self[key] = module


def pairs_of(source: Any, name: str) -> list[tuple[str, Any]]:
    """Return the (key, value) pairs of a dictionary, also of modules, or of an iterable."""
    if hasattr(source, "items"):
        return list(source.items())
    if not isinstance(source, Iterable):
        raise TypeError(f"{name}.update: expected a mapping or pairs, got {type(source).__name__}")
    pairs = list(source)
    for i, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{name}.update: element {i} must be a pair, got {type(pair).__name__}")
        if len(tuple(pair)) != 2:
            raise ArgumentError(f"{name}.update: element {i} must be a pair, got {pair!r}")
    return [(key, value) for key, value in pairs]


__all__ = ["ModuleDict", "ModuleList", "Sequential"]
