"""Parameter groups: what may be in one."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import ArgumentError
from ..tensor import Tensor

Group = dict[str, Any]


def split_names(params: Any, who: str) -> tuple[list[Tensor], list[str]]:
    """Return the tensors in `params`, and their names if it holds (name, tensor) pairs.

    `who` is the optimizer that error messages speak of, here and below.
    """
    if isinstance(params, set):
        raise TypeError(f"{who}: params is a set, whose order changes between runs; pass a list")
    params = [params] if isinstance(params, Tensor) else list(params)
    named = [isinstance(p, tuple) for p in params]
    if not any(named):
        return params, []
    if not all(named):
        raise ArgumentError(f"{who}: some parameters have names, others not; name all or none")
    return [p for _, p in params], [name for name, _ in params]


def check_params(group: Group, others: list[Group], who: str) -> None:
    """Raise, or warn, if a parameter of `group` cannot be optimized or is there twice."""
    params = group["params"]
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{who}: can only optimize tensors, but one of the params is a {type(p).__name__}. "
                "Pass model.parameters()."
            )
        if not (p.is_leaf or p.retains_grad):
            raise ArgumentError(
                f"{who}: can't optimize a non-leaf tensor, of shape {p.shape}: it is the result of "
                "an operation. Optimize what it was made from, or p.detach().requires_grad_()."
            )
    if len(set(params)) != len(params):
        warnings.warn(
            f"{who}: duplicate parameters in a group; every step updates them more than once",
            stacklevel=5,
        )
    for other in others:
        if ("param_names" in other) != ("param_names" in group):
            raise ArgumentError(f"{who}: some groups have names, others not; name all or none")
        if not set(params).isdisjoint(other["params"]):
            raise ArgumentError(f"{who}: some parameters appear in more than one parameter group")
