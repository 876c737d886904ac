"""State dicts: all that a module has learned, as a flat dictionary from name to tensor.

The name of a parameter is its path through the attributes: ``features.0.weight`` is the attribute
`weight` of the module "0" of the module `features`. Names, order and shapes are PyTorch's, so
that weights go from one to the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..autograd import no_grad
from ..errors import StateDictError
from ..tensor import RemovableHandle, Tensor
from .hooks import register
from .parameter import Parameter

EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: the names that only one side has."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        missing, unexpected = self
        return f"IncompatibleKeys(missing_keys={missing}, unexpected_keys={unexpected})"


class Stateful:
    """The part of a module that concerns its state dict."""

    _version = 1  # of the layout of a module's own entries; a subclass that changes it counts up
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, Callable]
    _state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_post_hooks: OrderedDict[int, Callable]

    # ------------------------------------------------------------------ saving

    def state_dict(self, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Return every parameter and persistent buffer by name, sharing memory with the module.

        Args:
            destination: a dictionary to add to; by default a new one.
            prefix: what every name begins with.
            keep_vars: give the parameters themselves rather than detached tensors.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        version = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = version
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            if hook(self, destination, prefix, version) is not None:
                raise StateDictError(
                    f"{type(self).__name__}: a state_dict post-hook must return None; change the "
                    "dictionary it is given"
                )
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Add this module's own entries, without those of its children."""
        for name, x in self._own_state().items():
            destination[prefix + name] = x if keep_vars else x.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        buffers = {
            k: b for k, b in self._buffers.items() if k not in self._non_persistent_buffers_set
        }
        members = [*self._parameters.items(), *buffers.items()]
        return {name: x for name, x in members if x is not None}

    def get_extra_state(self) -> Any:
        """Return what else to keep in the state dict; goes with `set_extra_state`."""
        raise NotImplementedError(f"{type(self).__name__}: get_extra_state is not defined")

    def set_extra_state(self, state: Any) -> None:
        """Take what `get_extra_state` returned."""
        raise NotImplementedError(f"{type(self).__name__}: set_extra_state is not defined")

    # ------------------------------------------------------------------ loading

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of `state_dict` into this module's parameters and buffers.

        Args:
            state_dict: tensors by name, as `state_dict()` returns them.
            strict: raise for names that only one side has. With False they are returned.
            assign: take the tensors themselves instead of copying their values. An optimizer made
                before does not know them.

        Returns:
            The names that are missing from `state_dict`, and those that the module does not expect.

        Raises:
            StateDictError: naming every missing and unexpected name, and every tensor whose shape
            differs.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                "load_state_dict: expected a dictionary of tensors, got "
                f"{type(state_dict).__name__}. Pass what minicnn.load(path) or module.state_dict() "
                "returned."
            )
        metadata = getattr(state_dict, "_metadata", None) or {}
        found = IncompatibleKeys([], [])
        errors: list[str] = []
        _load(self, OrderedDict(state_dict), "", metadata, assign, found, errors)
        if strict and (found.unexpected_keys or found.missing_keys):
            errors = [*_complaints(found), *errors]
        if errors:
            lines = "\n\t".join([*errors, *_ways_out(found, errors, strict)])
            raise StateDictError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}"
            )
        return found

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own entries, without those of its children."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                self,
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        own = self._own_state()
        for name, x in own.items():
            key = prefix + name
            if key in state_dict:
                problem = self._take(name, x, key, state_dict[key], local_metadata)
                error_msgs.extend(problem)
            elif strict:
                missing_keys.append(key)
        has_extra = type(self).set_extra_state is not Stateful.set_extra_state
        if has_extra and prefix + EXTRA_STATE in state_dict:
            self.set_extra_state(state_dict[prefix + EXTRA_STATE])
        elif has_extra and strict:
            missing_keys.append(prefix + EXTRA_STATE)
        expected = {*own, *([EXTRA_STATE] if has_extra else [])}
        for key in state_dict if strict else ():
            if key.startswith(prefix):
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (self._modules if dot else expected):
                    unexpected_keys.append(key)

    def _take(
        self, name: str, x: Tensor, key: str, new: Any, metadata: dict[str, Any]
    ) -> list[str]:
        """Copy `new` into the member `x`, or put it in its place; return what is wrong with it."""
        if not isinstance(new, Tensor):
            return [
                f'While copying the parameter named "{key}", expected a minicnn Tensor but '
                "received "
                f"{type(new)}; convert it with minicnn.tensor() or minicnn.from_numpy()"
            ]
        if x.ndim == 0 and new.shape == (1,):
            new = new[0]
        if new.shape != x.shape:
            return [
                f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, "
                f"the shape in current model is {x.shape}."
            ]
        if not metadata.get("assign_to_params_buffers", False):
            with no_grad():
                x.copy_(new)
            return []
        if isinstance(x, Parameter):
            if isinstance(new, Parameter):
                new.requires_grad_(x.requires_grad)
            else:
                new = Parameter(new, requires_grad=x.requires_grad)
        setattr(self, name, new)
        return []

    # ------------------------------------------------------------------ hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` collects."""
        return register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)``, which may change the dict."""
        return register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call a hook before this module loads; it may change the state dict, which is a copy.

        Its arguments: module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs.
        """
        return register(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the two lists."""
        return register(self._load_state_dict_post_hooks, hook)


def _load(
    module: Any,
    state_dict: OrderedDict,
    prefix: str,
    metadata: Any,
    assign: bool,
    found: IncompatibleKeys,
    errors: list[str],
) -> None:
    """Load `module` and then its children, each from the entries that begin with its prefix."""
    local = dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(
        state_dict, prefix, local, True, found.missing_keys, found.unexpected_keys, errors
    )
    for name, child in module._modules.items():
        if child is not None:
            inner = f"{prefix}{name}."
            part = OrderedDict((k, v) for k, v in state_dict.items() if k.startswith(inner))
            _load(child, part, inner, metadata, assign, found, errors)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, found) is not None:
            raise StateDictError(
                f"{type(module).__name__}: a load_state_dict post-hook must return None; change "
                "the lists of names that it is given"
            )


def _complaints(found: IncompatibleKeys) -> list[str]:
    """Name all that only one side has, in PyTorch's words."""
    lines = []
    for kind, keys in (("Missing", found.missing_keys), ("Unexpected", found.unexpected_keys)):
        if keys:
            names = ", ".join(f'"{key}"' for key in keys)
            lines.append(f"{kind} key(s) in state_dict: {names}. ")
    return lines


def _ways_out(found: IncompatibleKeys, errors: list[str], strict: bool) -> list[str]:
    """Say what the user can do about it."""
    missing, unexpected = set(found.missing_keys), found.unexpected_keys
    if unexpected:
        head = unexpected[0].partition(".")[0] + "."
        if missing and missing <= {key.removeprefix(head) for key in unexpected}:
            return [
                f"The names begin with '{head}'; remove it: {{k[{len(head)}:]: v for k, v in ...}}."
            ]
    if any(error.startswith("size mismatch") for error in errors):
        return [
            "Build the model with the sizes it was saved with, or leave the entry out of the dict."
        ]
    if strict and (missing or unexpected):
        return ["Pass strict=False to load only the names that both sides have."]
    return []
