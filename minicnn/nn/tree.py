"""Walking over the tree of modules: all parameters, all modules, each with its name.

A name is the path of attributes that leads there: ``features.0.weight``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, nearest
from ..tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class Tree:
    """The part of a module that concerns what is below it."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for this module, whose name is `prefix`, and all below it.

        A module that occurs twice is yielded once, unless `remove_duplicate` is False.
        """
        here: Any = self
        memo = set() if memo is None else memo
        if here in memo:
            return
        if remove_duplicate:
            memo.add(here)
        yield prefix, here
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules directly below this one."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules directly below this one."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        seen = set()
        for path, module in below if recurse else [(prefix, self)]:
            for name, member in module.__dict__[kind].items():
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) for every parameter here and, with `recurse`, below."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield every parameter here and, with `recurse`, below: what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, buffer) for every buffer here and, with `recurse`, below."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield every buffer here and, with `recurse`, below."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """Return the module with the name `target`, such as "features.0"; "" is this module."""
        module: Any = self
        for name in target.split(".") if target else ():
            if name not in module._modules or module._modules[name] is None:
                kind = type(module).__name__
                raise AttributeError(
                    f"{kind} has no module `{name}` ('{target}').{nearest(name, module._modules)}"
                )
            module = module._modules[name]
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` in the place that `target` names; `strict`: there must be one already."""
        path, _, name = target.rpartition(".")
        if not name or not isinstance(module, Tree):
            raise ArgumentError(
                f"set_submodule: expected a name and a Module, got {target!r}, {module!r}"
            )
        if strict:
            self.get_submodule(target)
        setattr(self.get_submodule(path), name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter with the name `target`, such as "features.0.weight"."""
        return self._get_member("_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer with the name `target`."""
        return self._get_member("_buffers", target)

    def _get_member(self, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        members = module.__dict__[kind]
        if members.get(name) is None:
            what = kind.strip("_")[:-1]
            raise AttributeError(
                f"{type(module).__name__} has no {what} `{name}` ('{target}')."
                f"{nearest(name, members)}"
            )
        return members[name]


__all__ = ["Tree"]
