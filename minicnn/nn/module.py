"""`Module`: a layer, or a network made of layers.

*The idea.* A network is a tree. Its leaves hold the parameters, and every other node says in
`forward` how its children are connected. Whoever needs all parameters (an optimizer, a file)
walks over the tree, and the path to a parameter is its name. The tree needs no bookkeeping by the
user: assigning a parameter or a module to an attribute makes it a child::

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3)
            self.fc = nn.Linear(8 * 26 * 26, 10)

        def forward(self, x):
            return self.fc(F.relu(self.conv(x)).flatten(1))
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from ..autograd import no_grad
from ..backend import device as Device
from ..errors import ArgumentError, DTypeError, MinicnnError, RegistrationError
from ..promotion import SUPPORTED, as_dtype
from ..tensor import Tensor
from . import hooks
from .hooks import Hooked
from .parameter import Buffer, Parameter
from .state import Stateful
from .tree import Tree

M = TypeVar("M", bound="Module")
_MEMBERS = ("_parameters", "_buffers", "_modules")


class Module(Hooked, Stateful, Tree):
    """The base of all layers and networks; see the top of this file for an example.

    A subclass calls ``super().__init__()`` first, assigns its parameters and modules to attributes,
    and defines `forward`. The module is then called like a function.

    Attributes:
        training: whether layers that behave differently in training (dropout, batch norm) do so.
    """

    training: bool

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
            _forward_pre_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
        )

    # ------------------------------------------------------------------ calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines this."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function: '
            "define forward(self, input)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
            ):
                return hooks.run(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except MinicnnError as error:
            _say_where(self, error)
            raise
        except TypeError as error:
            _check_call(self, args, kwargs, error)
            raise

    # ------------------------------------------------------------------ members

    def __getattr__(self, name: str) -> Any:  # only called where there is no such attribute
        members = self.__dict__
        for kind in _MEMBERS:
            if kind in members and name in members[kind]:
                return members[kind][name]
        if "_modules" not in members:
            raise RegistrationError(
                f"{type(self).__name__}: '{name}' was asked for before the module was set up; call "
                "super().__init__() first in __init__"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        members = self.__dict__
        if isinstance(value, Parameter):
            self._forget(name, "parameter")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "module")
            self._modules[name] = value
        elif name in members.get("_parameters", ()):
            self._only_none(name, value, "parameter", "a Parameter")
            self._parameters[name] = None
        elif name in members.get("_modules", ()):
            self._only_none(name, value, "module", "a Module")
            self._modules[name] = None
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in members.get("_buffers", ()):
            self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for kind in _MEMBERS:
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def _forget(self, name: str, what: str) -> None:
        """Make room for the member `name`, whatever it was until now."""
        members = self.__dict__
        if "_modules" not in members:
            raise RegistrationError(
                f"{type(self).__name__}: cannot assign {what} '{name}' before Module.__init__() "
                "call; call super().__init__() first in __init__"
            )
        members.pop(name, None)
        for kind in _MEMBERS:
            if name in members[kind] and kind != f"_{what}s":
                del members[kind][name]
        self._non_persistent_buffers_set.discard(name)

    def _only_none(self, name: str, value: Any, what: str, wanted: str) -> None:
        if value is not None:
            raise RegistrationError(
                f"{type(self).__name__}: cannot assign a {type(value).__name__} as {what} "
                f"'{name}'; it must be {wanted} or None"
            )

    def _check_name(self, name: Any, what: str) -> None:
        kind = type(self).__name__
        if "_modules" not in self.__dict__:
            raise RegistrationError(f"{kind}: cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise RegistrationError(f"{kind}: a {what}'s name must be a string, got {name!r}")
        if "." in name or name == "":
            raise RegistrationError(
                f'{kind}: a {what}\'s name can\'t contain "." and can\'t be empty "", got {name!r}'
            )
        if hasattr(self, name) and name not in self.__dict__[f"_{what}s"]:
            raise RegistrationError(
                f"{kind}: attribute '{name}' already exists; give the {what} another name"
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the parameter `name`. None reserves the name: a layer without its bias."""
        self._check_name(name, "parameter")
        if param is not None and not isinstance(param, Parameter):
            self._only_none(name, param, "parameter", "a Parameter")
        if param is not None and not param.is_leaf:
            raise ArgumentError(
                f"{type(self).__name__}: cannot assign a non-leaf Tensor as parameter '{name}': it "
                "is the result of a recorded operation. Compute it in forward(), or detach it "
                "first."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` part of the module's state, without being learned.

        Args:
            name: its attribute.
            tensor: its value, or None to reserve the name.
            persistent: whether it belongs to the `state_dict`.
        """
        self._check_name(name, "buffer")
        if not isinstance(tensor, Tensor):
            self._only_none(name, tensor, "buffer", "a Tensor")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` the child `name`, as assigning it to that attribute does."""
        self._check_name(name, "module")
        if not isinstance(module, Module):
            self._only_none(name, module, "module", "a Module")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    # ------------------------------------------------------------------ changing all of it

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call `fn` on every module below, then on this one; return this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set `training` here and below, and return this module."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train: mode must be True or False, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Set the module to evaluation: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Ask for the gradients of all parameters, or no longer: a frozen layer."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else parameter.grad.detach()
            if parameter.grad is not None:
                parameter.grad.zero_()

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Convert all parameters, gradients and buffers. Parameters stay the same objects."""
        for module in self.children() if recurse else ():
            module._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is not None:
                    for x in (parameter, parameter.grad):
                        new = x if x is None else fn(x)
                        if new is not x:
                            x.data = new
            for name, buffer in self._buffers.items():
                self._buffers[name] = None if buffer is None else fn(buffer)
        return self

    def to(
        self: M, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False
    ) -> M:
        """Move parameters and buffers to a device, and the floating ones to a dtype: in place.

        Call as to(device), to(dtype), to(device, dtype) or to(tensor); returns this module.
        """
        for argument in args:
            if isinstance(argument, Tensor):
                device, dtype = argument.device, argument.dtype
            elif isinstance(argument, Device) or _is_device(argument):
                device = Device("cuda", argument) if isinstance(argument, int) else Device(argument)
            elif argument is not None and not isinstance(argument, bool):
                dtype = argument
        wanted = None if dtype is None else as_dtype(dtype)
        if wanted is not None and wanted.kind != "f":
            raise DTypeError(f"Module.to: only floating dtypes are possible, got {wanted}")

        def convert(x: Tensor) -> Tensor:
            return x.to(device=device, dtype=wanted if x.is_floating_point() else None)

        return self._apply(convert)

    def cpu(self: M) -> M:
        """Move to the computer's own memory."""
        return self.to("cpu")

    def cuda(self: M, device: Any = None) -> M:
        """Move to a CUDA GPU (number `device`; default: the current one)."""
        return self.to("cuda" if device is None else device)

    def float(self: M) -> M:
        """Convert floating parameters and buffers to float32."""
        return self.to(dtype="float32")

    def double(self: M) -> M:
        """Convert floating parameters and buffers to float64."""
        return self.to(dtype="float64")

    def half(self: M) -> M:
        """Convert floating parameters and buffers to float16."""
        return self.to(dtype="float16")

    def type(self: M, dst_type: Any) -> M:
        """Convert all parameters and buffers to `dst_type`."""
        return self._apply(lambda x: x.to(dtype=dst_type))

    # ------------------------------------------------------------------ printing

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the `repr`; layers define it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        below = [f"({name}): {indent(repr(m))}" for name, m in self._modules.items()]
        if len(extra) == 1 and not below:
            return f"{self._get_name()}({extra[0]})"
        lines = "".join(f"\n  {line}" for line in extra + below)
        return f"{self._get_name()}({lines}\n)" if lines else f"{self._get_name()}()"

    def __dir__(self) -> list[str]:
        names = {*dir(self.__class__), *self.__dict__}
        for kind in _MEMBERS:
            names.update(self.__dict__.get(kind, ()))
        return sorted(name for name in names if not name[0].isdigit())


def indent(text: str) -> str:
    """Return `text` with all lines but the first two spaces further in."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line.strip() else "" for line in rest)])


def _is_device(argument: Any) -> bool:
    if isinstance(argument, str):
        return argument not in SUPPORTED
    return isinstance(argument, int) and not isinstance(argument, bool)


def _say_where(module: Module, error: Any) -> None:
    """Add to an error's message which layer it happened in; outer modules make the path longer."""
    if not hasattr(error, "layer"):
        error.layer, error.plain = module, error.args[0] if error.args else ""
    name = next((name for name, m in module.named_modules() if m is error.layer), "")
    place = f"in layer '{name}': " if name else "in "
    layer = type(error.layer).__name__ if error.layer._modules else repr(error.layer)
    error.args = (f"{error.plain}\n  {place}{layer}", *error.args[1:])


def _check_call(module: Module, args: tuple, kwargs: dict, error: TypeError) -> None:
    """Say how the module is called, if `error` came from calling it differently."""
    signature = inspect.signature(module.forward)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as misfit:
        names = [str(p.replace(annotation=p.empty)) for p in signature.parameters.values()]
        given = [type(a).__name__ for a in args]
        given += [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
        raise TypeError(
            f"{type(module).__name__}: {misfit}; it is defined as forward({', '.join(names)}), and "
            f"was called with ({', '.join(given)})"
        ) from None


__all__ = ["Module"]
