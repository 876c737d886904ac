"""Hooks: functions of the user's that run before and after a module, forward and backward.

They are how one looks into a network without changing it: to print the shapes that pass, to keep
the activations of one layer, to see where gradients vanish.

*Forward* hooks are simple: `run` calls them around `forward`. *Backward* hooks need more thought:
the gradients of all inputs of a module must be known when the hook sees them, and it may replace
them. `BackwardGate` lets every input and every output of the module pass through two nodes that
change nothing. A backward pass goes through the nodes in the reverse of the order in which they
were made. So when it comes to the first node next to the outer world, it has been through all
those next to the module: all gradients have been noted, and the hooks can run.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from ..autograd import UNTRACKED, Alias, is_grad_enabled, wrap
from ..backend import array_module
from ..errors import HookError, UnsupportedError
from ..tensor import RemovableHandle, Tensor


class Hook(NamedTuple):
    """A hook and how it wants to be called."""

    function: Callable
    with_kwargs: bool = False
    always_call: bool = False


def register(hooks: OrderedDict, hook: Any, prepend: bool = False) -> RemovableHandle:
    """Add `hook` as the last (or the first) of `hooks`; return the handle that removes it."""
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Hooked:
    """The part of a module that concerns hooks."""

    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_hooks: OrderedDict[int, Hook]
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]
    forward: Callable[..., Any]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`; what it returns replaces the arguments.

        Args:
            hook: with `with_kwargs`, it is called as ``hook(module, args, kwargs)`` and may
                return a new (args, kwargs).
            prepend: run it before the hooks that are already there.
        """
        return register(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after `forward`; what it returns replaces the output.

        Args:
            hook: with `with_kwargs`, it is called as ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks that are already there.
            always_call: run it (with None for the output) even when `forward` raises.
        """
        return register(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the inputs' gradients are known.

        Both are tuples, one entry for each positional argument and each output, None where that
        is no tensor. What the hook returns replaces `grad_input`. If no input wants a gradient,
        the hook runs when the gradients of the outputs are known.
        """
        return register(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` once the outputs' gradients are known.

        What the hook returns replaces `grad_output`.
        """
        return register(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Not covered: PyTorch itself has deprecated it."""
        raise UnsupportedError(
            f"{type(self).__name__}.register_backward_hook is not covered; use "
            "register_full_backward_hook"
        )


def run(module: Any, args: tuple, kwargs: dict) -> Any:
    """Return ``module.forward(*args, **kwargs)`` with the module's hooks around it."""
    result, called = None, set()
    try:
        args, kwargs = _before(module, args, kwargs)
        gate = None
        if module._backward_hooks or module._backward_pre_hooks:
            gate = BackwardGate(module)
            args = gate.pass_inputs(args)
        result = module.forward(*args, **kwargs)
        for number, hook in list(module._forward_hooks.items()):
            called.add(number)
            result = _after(hook, module, args, kwargs, result)
        return result if gate is None else gate.pass_outputs(result)
    except Exception:
        for number, hook in list(module._forward_hooks.items()):
            if hook.always_call and number not in called:
                try:
                    result = _after(hook, module, args, kwargs, result)
                except Exception as error:
                    warnings.warn(
                        f"{type(module).__name__}: a forward hook with always_call=True failed "
                        f"too: {error}",
                        stacklevel=2,
                    )
        raise


def _before(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    for hook in list(module._forward_pre_hooks.values()):
        if hook.with_kwargs:
            changed = hook.function(module, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise HookError(
                        f"{type(module).__name__}: a forward pre-hook with kwargs must return None "
                        f"or (args, kwargs), got {changed!r}"
                    )
                args, kwargs = changed
        else:
            changed = hook.function(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    return args, kwargs


def _after(hook: Hook, module: Any, args: tuple, kwargs: dict, result: Any) -> Any:
    inputs = (args, kwargs) if hook.with_kwargs else (args,)
    changed = hook.function(module, *inputs, result)
    return result if changed is None else changed


class BackwardGate:
    """Two layers of nodes around one call of a module, at which its backward hooks run."""

    def __init__(self, module: Any):
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_output: tuple | None = None

    def pass_inputs(self, args: tuple) -> tuple:
        """Return the arguments, connected to the gate."""
        self.inputs = len(args)
        args, self.sees_inputs = _connect(args, self._at_inputs, zeros=True)
        return args

    def pass_outputs(self, result: Any) -> Any:
        """Return the module's result, connected to the gate."""
        if isinstance(result, tuple):
            return _connect(result, self._at_outputs, zeros=False)[0]
        if not isinstance(result, Tensor):
            warnings.warn(
                f"{type(self.module).__name__}: backward hooks are called only for a module whose "
                f"output is a Tensor or a tuple of Tensors, and this is a {type(result).__name__}",
                stacklevel=4,
            )
            return result
        return _connect((result,), self._at_outputs, zeros=False)[0][0]

    def _at_outputs(self, grad_output: tuple) -> tuple:
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_output)
            if changed is not None:
                grad_output = self._checked(changed, grad_output, "grad_output")
        if self.sees_inputs:
            self.grad_output = grad_output
            return grad_output
        nothing = (None,) * self.inputs
        for hook in self.hooks:
            changed = hook(self.module, nothing, grad_output)
            if changed is not None and any(g is not None for g in changed):
                raise HookError(
                    f"{type(self.module).__name__}: a backward hook must return None where no "
                    "input of the module wants a gradient; set requires_grad_() on an input"
                )
        return grad_output

    def _at_inputs(self, grad_input: tuple) -> tuple:
        if self.grad_output is None:  # the gradient came past the module's outputs
            return grad_input
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = self._checked(changed, grad_input, "grad_input")
        self.grad_output = None
        return grad_input

    def _checked(self, changed: Any, before: tuple, what: str) -> tuple:
        new = (changed,) if isinstance(changed, Tensor) else tuple(changed)
        if len(new) != len(before):
            raise HookError(
                f"{type(self.module).__name__}: a backward hook must return as many gradients as "
                f"{what} has: {len(before)}, not {len(new)}"
            )
        return new


def _connect(values: tuple, at_all: Callable[[tuple], tuple], zeros: bool) -> tuple[Any, bool]:
    """Return `values`, their tensors passed through two nodes, and whether any wants a gradient.

    In a backward pass ``at_all(gradients)`` is called once, with the gradients of all values, and
    returns what replaces them. Tensors that got no gradient have None there, or zeros.
    """
    if not is_grad_enabled():
        return values, False
    wanted = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not wanted:
        return values, False
    noted: dict[int, Tensor] = {}
    replaced: dict[int, Any] = {}
    blanks = [_blank(v) if zeros and isinstance(v, Tensor) else None for v in values]

    def note(i: int, dy: Tensor) -> None:
        replaced.clear()  # of an earlier backward pass through a retained graph
        noted[i] = dy

    def replace(i: int, dy: Tensor) -> Any:
        if not replaced:
            every = (
                noted[j] if j in noted else blank and blank() for j, blank in enumerate(blanks)
            )
            replaced.update(enumerate(at_all(tuple(every))))
            noted.clear()
        g = replaced.pop(i)
        return _blank(dy)() if g is None else g  # a hook said None, and that is zero

    new = list(values)
    for listener in (replace, note):  # the outer nodes first: they are the older ones
        for i in wanted:
            new[i] = _passed(new[i])
            new[i].register_hook(lambda dy, i=i, listener=listener: listener(i, dy))
    kind = type(values)
    return (tuple(new) if kind is tuple else kind(*new)), True


def _blank(x: Tensor) -> Callable[[], Tensor]:
    """Return a function that makes zeros like `x`, without keeping `x` alive."""
    xp, shape, dtype = array_module(x.array), x.shape, x.dtype
    return lambda: wrap(xp.zeros(shape, dtype=dtype))


def _passed(x: Tensor) -> Tensor:
    """Return `x` as a value of its own, which shares its memory and cannot be changed in place."""
    y = Alias()(x)
    y._base, y._chain, y._seen = (x if x._base is None else x._base), (), UNTRACKED
    y._version = x._version
    return y
