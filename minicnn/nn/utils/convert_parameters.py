"""All parameters as one vector, and back: how mathematics writes them."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ShapeError
from ...ops.join import cat
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all elements of all `parameters`, one after the other, in one dimension.

    The result is a copy, differentiable with respect to every parameter.
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let `parameters` hold the elements of `vec`, in the order of `parameters_to_vector`.

    As in PyTorch the parameters share the memory of `vec` from then on.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    parameters = list(parameters)
    count = sum(p.numel() for p in parameters)
    if vec.shape != (count,):
        raise ShapeError(
            f"vector_to_parameters: the parameters have {count} elements, so vec must have shape "
            f"({count},); got {vec.shape}"
        )
    start = 0
    for p in parameters:
        end = start + p.numel()
        p.data = vec.detach()[start:end].reshape(p.shape)
        start = end
