"""What every optimizer shares: parameter groups, state, and the walk over the parameters.

An optimizer is an update rule that is applied to each parameter on its own, element by element::

    p <- p - f(dL/dp, state of p)

A subclass writes that rule in `update(param, group)`, on arrays, and nothing else. All the rest is
here. The rules that come with minicnn take all parameters of a group at once, in `update_all`, and
are computed in `kernels.steps`: a GPU then needs one launch for all of them.

A *parameter group* is a dictionary: its ``"params"`` and the options that hold for them. The
options are read anew at every step, which is how a scheduler, or you, change a learning rate on
the way. The *state* is what a rule remembers of one parameter (a velocity, a mean of squares): a
dictionary of tensors, ``optimizer.state[param]``. Both go into `state_dict`, in PyTorch's form.

The updates change ``param.array`` in place: every name for a parameter keeps seeing its newest
value, and a step needs no memory but for temporaries.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from ..autograd import enable_grad, wrap
from ..autograd.modes import thread
from ..errors import ArgumentError, ShapeError, UnknownNameError, UnsupportedError
from ..tensor import Tensor
from .groups import Group, check_params, split_names
from .on_device import count_on_device, recorded_options, update_unless


class Optimizer:
    """The base of all optimizers.

    Args:
        params: an iterable of tensors, of (name, tensor) pairs, or of parameter groups, which are
            dictionaries with the key ``"params"`` and the options that differ from the defaults.
        defaults: the options of groups that do not say otherwise.

    A subclass defines `update`, or `update_all`, and may name, for the checks here, the options
    that must not be negative (`non_negative`) and the state that has its parameter's shape
    (`buffers`).
    """

    non_negative: ClassVar[tuple[str, ...]] = ()
    buffers: ClassVar[tuple[str, ...]] = ()
    found_inf: Any = None  # set by a `GradScaler`: see `update_all`

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._loads = 0  # how often another state was loaded: a captured step notices
        self._opt_called = False  # a scheduler warns when it is stepped first
        self.check_options(defaults)
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params should be an iterable of tensors or dictionaries, but got "
                f"{type(params).__name__}. Pass model.parameters(), or [tensor]."
            )
        groups = list(params)
        if not groups:
            raise ArgumentError(f"{self._name}: got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        text = f"{self._name} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(
                f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"
            )
        return text + ")"

    # ---- what a training loop calls

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with ``set_to_none=False`` fill them with zeros instead.

        A step passes over a parameter whose gradient is None; zeros still move it by its momentum.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    if p.grad.grad_fn is not None:
                        p.grad = p.grad.detach()
                    p.grad.array.fill(0)
                    p.grad.bump()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients anew; it is called first.

        Returns:
            What `closure` returned, or None.
        """
        self._opt_called = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with np.errstate(all="ignore"):  # silent when a training diverges, like every operation
            for group in self.param_groups:
                options = {**group, **{name: self._plain(group[name]) for name in self.defaults}}
                if thread.recorder is not None:
                    options = recorded_options(thread.recorder, self, group, options)
                params = [p for p in group["params"] if p.grad is not None]
                if params:
                    self.update_all(params, {**options, "found_inf": self.found_inf})
                for p in params:
                    if thread.recorder is not None:
                        count_on_device(self.state.get(p, {}), p)
                    p.bump()
        return loss

    def update_all(self, params: list[Tensor], group: Group) -> None:
        """Change all `params` in place, by their gradients and the options in `group`.

        Where ``group["found_inf"]``, a bool array (), is not None but true, nothing may change.
        """
        for p in params:
            if group["found_inf"] is None:
                self.update(p, group)
            else:
                update_unless(group["found_inf"], self, p, group)

    def update(self, param: Tensor, group: Group) -> None:
        """Change ``param.array`` in place, by ``param.grad`` and the options in `group`."""
        raise NotImplementedError(f"{self._name}: define update(param, group), or step(closure)")

    # ---- parameter groups

    def add_param_group(self, param_group: Group) -> None:
        """Optimize the tensors ``param_group["params"]`` too, with the group's own options."""
        if not isinstance(param_group, dict):
            raise TypeError(
                f"{self._name}: a parameter group is a dictionary, got {type(param_group).__name__}"
            )
        if "params" not in param_group:
            raise UnknownNameError(
                f"{self._name}: a parameter group needs the key 'params'; got {list(param_group)}"
            )
        group = {**self.defaults, **param_group}
        self.check_options(group)
        group["params"], names = split_names(param_group["params"], self._name)
        if names:
            group["param_names"] = names
        check_params(group, self.param_groups, self._name)
        self.param_groups.append(group)

    # ---- options

    def check_options(self, options: dict[str, Any]) -> None:
        """Raise an `ArgumentError` for an option whose value cannot be."""
        for name in self.non_negative:
            value = self._plain(options[name])
            if not isinstance(value, (int, float)):
                raise TypeError(f"{self._name}: {name} must be a number, got {value!r}")
            if not value >= 0.0:
                raise ArgumentError(
                    f"{self._name}: {name} must not be negative or NaN, got {value}"
                )

    def _plain(self, value: Any) -> Any:
        """Return a NumPy scalar as a Python number: a float64 would promote float32 arrays."""
        if isinstance(value, (tuple, list)):
            return tuple(self._plain(item) for item in value)
        if isinstance(value, Tensor):
            raise UnsupportedError(
                f"{self._name}: options are numbers; a tensor is not supported. Pass value.item()."
            )
        return value.item() if isinstance(value, np.generic) else value

    # ---- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the options, with the parameters replaced by their position.

        The form is PyTorch's: ``{"state": {0: {"exp_avg": ...}, ...}, "param_groups": [{"lr": ...,
        "params": [0, 1]}, ...]}``. The tensors are the optimizer's own, not copies.
        """
        index: dict[Any, int] = {}
        position = 0
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(p, position)
                position += 1
        groups = [{**g, "params": [index[p] for p in g["params"]]} for g in self.param_groups]
        state = {index.get(p, p): values for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned, be it here or in PyTorch.

        Parameters are matched by their position. If anything does not fit, nothing is changed.
        """
        groups = copy.deepcopy(state_dict["param_groups"])
        sizes = [len(g["params"]) for g in self.param_groups]
        saved_sizes = [len(g["params"]) for g in groups]
        if sizes != saved_sizes:
            raise ArgumentError(
                f"{self._name}: the state dict is of another optimizer: its parameter groups have "
                f"{saved_sizes} parameters, these {sizes}"
            )
        params: dict[int, Tensor] = {}
        for group, saved in zip(self.param_groups, groups, strict=True):
            params.update(zip(saved["params"], group["params"], strict=True))
            saved["params"] = group["params"]
            for name in (*self.defaults, "param_names"):  # what an older state dict lacks
                if name in group:
                    saved.setdefault(name, group[name])
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for i, values in state_dict["state"].items():
            if i in params:
                state[params[i]] = {k: self._load(params[i], i, k, v) for k, v in values.items()}
            else:
                state[i] = copy.deepcopy(values)
        self.state, self.param_groups = state, groups
        self._loads += 1

    def _load(self, param: Tensor, i: int, name: str, value: Any) -> Any:
        """Return a copy of one saved value: a tensor on the parameter's device and in its dtype."""
        if not (isinstance(value, Tensor) or hasattr(value, "__array__")):
            return copy.deepcopy(value)
        if name in self.buffers and tuple(value.shape) != param.shape:
            raise ShapeError(
                f"{self._name}: the state dict does not fit: '{name}' of parameter {i} has shape "
                f"{tuple(value.shape)}, but the parameter has {param.shape}"
            )
        if name == "step":  # counted on the host, in float32, whatever the parameter
            return wrap(np.array(float(value), np.float32))
        saved = value if isinstance(value, Tensor) else wrap(np.asarray(value))
        return saved.detach().to(device=param.device, dtype=param.dtype, copy=True)
