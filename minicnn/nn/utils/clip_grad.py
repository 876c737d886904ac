"""Clipping gradients: keep one bad batch from throwing the parameters far away.

Call these after ``loss.backward()`` and before ``optimizer.step()``: they change ``p.grad`` itself.

Source: Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks",
algorithm 1.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...autograd import wrap
from ...backend import array_module, as_array
from ...errors import AnomalyError, ArgumentError
from ...ops.from_data import tensor
from ...tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor, so that together their norm is at most `max_norm`.

    dp <- dp min(1, max_norm / (norm + 1e-6))

    The direction of the step stays the same; only its length is cut.

    Args:
        parameters: a tensor or an iterable of them; those without a gradient are passed over.
        max_norm: the largest norm allowed.
        norm_type: the p of the p-norm; may be ``inf``.
        error_if_nonfinite: raise if the norm is NaN or infinite (which waits for a GPU's result).

    Returns:
        The norm before clipping, a tensor of one element.
    """
    if isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn(
                "clip_grad_norm_: parameters is an empty generator, nothing is clipped; was it "
                "used up before?",
                stacklevel=2,
            )
    parameters = _listed(parameters, "clip_grad_norm_")
    grads = [p.grad for p in parameters if p.grad is not None]
    total_norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total_norm)
    return total_norm


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor
) -> None:
    """Scale all gradients as `clip_grad_norm_` does, by a norm that is already known."""
    if not max_norm >= 0:
        raise ArgumentError(f"clip_grad_norm_: max_norm must not be negative, got {max_norm}")
    norm = total_norm.array
    with np.errstate(all="ignore"):
        # The factor is applied even where it is 1: to ask a GPU whether it is would cost more.
        factor = array_module(norm).minimum(float(max_norm) / (norm + 1e-6), 1.0)
        for p in _listed(parameters, "clip_grads_with_norm_"):
            if p.grad is not None:
                p.grad.array *= factor.astype(p.grad.dtype)
                p.grad.bump()


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to the range from -clip_value to clip_value.

    dp <- min(max(dp, -clip_value), clip_value)
    """
    limit = float(clip_value)
    if not limit >= 0:
        raise ArgumentError(f"clip_grad_value_: clip_value must not be negative, got {clip_value}")
    for p in _listed(parameters, "clip_grad_value_"):
        if p.grad is not None:
            g = p.grad.array
            array_module(g).clip(g, -limit, limit, out=g)
            p.grad.bump()


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Return the p-norm of all elements of all tensors, as one vector; a tensor of one element.

    (sum_i |x_i|^p)^(1/p), and for p = inf the largest |x_i|
    """
    p = float(norm_type)
    arrays = [t.array for t in _listed(tensors, "get_total_norm")]
    if not arrays:
        return tensor(0.0)
    # The norm of the tensors' norms is the norm of all. They are not stacked: for more than eight
    # arrays CuPy sends a table of addresses from the host, which cannot be captured.
    found = [_norm(x, p) for x in arrays]
    norms = array_module(found[0]).empty(len(found), np.result_type(*{x.dtype for x in found}))
    for i, norm in enumerate(found):
        norms[i] = norm
    total_norm = _norm(norms, p)
    if error_if_nonfinite and not array_module(total_norm).isfinite(total_norm):
        raise AnomalyError(
            f"clip_grad_norm_: the total norm of order {p} of the gradients is not finite, so they "
            "cannot be clipped. Pass error_if_nonfinite=False to scale them all the same."
        )
    return wrap(total_norm)


def _norm(x: Any, p: float) -> Any:
    """Return the p-norm of all elements of an array, as a 0-d array of its dtype."""
    flat = x.reshape(-1)
    if x.dtype == np.float16:  # whose squares overflow from 256 on
        flat = flat.astype(np.float32)
    with np.errstate(all="ignore"):
        return as_array(array_module(x).linalg.norm(flat, p)).astype(x.dtype)


def _listed(tensors: Any, name: str) -> list[Tensor]:
    """Return one tensor or an iterable of them as a list of tensors."""
    items = [tensors] if isinstance(tensors, Tensor) else tensors
    if isinstance(items, Iterable):
        items = list(items)
        if all(isinstance(item, Tensor) for item in items):
            return items
    raise TypeError(
        f"{name}: expected tensors, such as model.parameters(), got {type(tensors).__name__}"
    )
