"""Matrix products: matmul of any rank and its relatives.

*The rule to remember.* For Y = A B the gradients are dA = dY B^T and dB = A^T dY: the only products
of these matrices whose shapes fit. Everything here is that rule, with more indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import kernels
from ..autograd import Op, runs_in
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .operands import broadcastable, one_dim


class MatMul(Op):
    """Y = A B over the last two dimensions; those before broadcast.   dA = dY B^T,  dB = A^T dY.

    Shapes: A (..., M, K), B (..., K, N), Y (..., M, N); 2 M K N operations for each matrix.
    """

    def forward(self, a: Any, b: Any) -> Any:
        return product(a, b)

    def da(self, dy: Tensor, b: Tensor) -> Tensor:
        return MatMul()(dy, b.mT)

    def db(self, dy: Tensor, a: Tensor) -> Tensor:
        return MatMul()(a.mT, dy)


def product(a: Any, b: Any) -> Any:
    """Return the matrix product of two arrays; float16 is summed in float32, as GPUs do."""
    return kernels.get("matmul", a, b)(a, b)


def one_dtype(name: str, a: Tensor, b: Tensor) -> None:
    """Raise unless both tensors have one dtype, of numbers."""
    if a.array.dtype == bool:
        raise DTypeError(f"{name}: not defined for bool tensors; convert with .float()")
    if a.array.dtype != b.array.dtype:
        raise DTypeError(
            f"{name}: both tensors must have one dtype; got {a.dtype} and {b.dtype}. Convert one"
            " with .to()"
        )


@method("matmul", "__matmul__")
@runs_in("lower")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product; vectors are rows on the left and columns on the right.

    Leading dimensions broadcast. Two vectors give their dot product.
    """
    a, b = check_tensor(input, "matmul"), check_tensor(other, "matmul", "other")
    one_dtype("matmul", a, b)
    left, right = a.array.shape, b.array.shape
    if not left or not right:
        raise ShapeError(f"matmul: 0-d tensors have no product {left} @ {right}; use *")
    if left[-1] != right[max(0, len(right) - 2)]:
        raise ShapeError(
            f"matmul: the inner sizes differ: {left} @ {right} needs {left[-1]} == "
            f"{right[max(0, len(right) - 2)]}"
        )
    if len(left) == 1:
        y = matmul(a.unsqueeze(0), b)
        return y.squeeze(-2 if b.ndim > 1 else 0)
    if len(right) == 1:
        return matmul(a, b.unsqueeze(1)).squeeze(-1)
    if len(right) == 2 < len(left):  # one large product instead of many small ones
        y = MatMul()(a.reshape(math.prod(left[:-1]), left[-1]), b)
        return y.reshape(*left[:-1], right[-1])
    if left[:-2] != right[:-2] and not broadcastable(left[:-2], right[:-2]):
        raise ShapeError(f"matmul: the leading sizes of {left} and {right} do not broadcast")
    return MatMul()(a, b)


def _of_rank(name: str, rank_a: int, rank_b: int, rule: str = "lower") -> Callable:
    """Return matmul restricted to operands of the given ranks, as a function and a method."""

    def function(input: Tensor, other: Tensor) -> Tensor:
        a, b = check_tensor(input, name), check_tensor(other, name, "other")
        if (a.ndim, b.ndim) != (rank_a, rank_b):
            raise ShapeError(
                f"{name}: expected tensors of {rank_a} and {rank_b} dimensions, got {a.shape} and"
                f" {b.shape}"
            )
        if name == "bmm" and a.shape[0] != b.shape[0]:
            raise ShapeError(f"bmm: the batches differ: {a.shape} and {b.shape}")
        return matmul(a, b)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the product of tensors of {rank_a} and {rank_b} dimensions."
    return method(name)(runs_in(rule)(function))


mm, bmm = _of_rank("mm", 2, 2), _of_rank("bmm", 3, 3)
mv, dot = _of_rank("mv", 2, 1), _of_rank("dot", 1, 1, "widest")


@method()
@runs_in("lower")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return beta * input + alpha * (mat1 @ mat2)."""
    return _plus("addmm", input, mm(mat1, mat2), beta, alpha)


@method()
@runs_in("lower")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return beta * input + alpha * (mat @ vec)."""
    return _plus("addmv", input, mv(mat, vec), beta, alpha)


@method()
@runs_in("lower")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return beta * input + alpha * (batch1 @ batch2)."""
    return _plus("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def _plus(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    one_dtype(name, check_tensor(input, name), product)
    if not broadcastable(input.shape, product.shape) or input.ndim > product.ndim:
        raise ShapeError(
            f"{name}: input {input.shape} does not fit the product's shape {product.shape}"
        )
    if product.dtype.kind != "f" and not (isinstance(alpha, int) and isinstance(beta, int)):
        raise DTypeError(
            f"{name}: alpha and beta must be whole numbers for {product.dtype} tensors"
        )
    product = product if alpha == 1 else product * alpha
    if beta == 0:  # PyTorch's rule: then not even NaN in the input counts
        return product
    return product + (input if beta == 1 else input * beta)


@method("outer", "ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the matrix of all products of an element of `input` with one of `vec2`."""
    if check_tensor(input, "outer").ndim != 1 or check_tensor(vec2, "outer", "vec2").ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2


@method()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the products of all rows (vectors along the last dimension) of the two tensors."""
    if check_tensor(input, "inner").ndim == 0 or check_tensor(other, "inner", "other").ndim == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


@runs_in("widest")
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sum of products over dimensions of a and of b.

    `dims` is how many (the last of a with the first of b), or two lists of them.
    """
    check_tensor(a, "tensordot", "a"), check_tensor(b, "tensordot", "b")
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: dims={dims} is too many for {a.shape} and {b.shape}")
        dims = range(a.ndim - dims, a.ndim), range(dims)
    left, right = (
        [one_dim("tensordot", d, x.ndim) for d in ([some] if isinstance(some, int) else some)]
        for some, x in zip(dims, (a, b), strict=True)
    )
    sizes, others = [a.shape[d] for d in left], [b.shape[d] for d in right]
    if sizes != others:
        raise ShapeError(
            f"tensordot: sizes {sizes} of {a.shape} and {others} of {b.shape} are multiplied"
            " together"
        )
    rows = [d for d in range(a.ndim) if d not in left]
    columns = [d for d in range(b.ndim) if d not in right]
    shape = [a.shape[d] for d in rows], [b.shape[d] for d in columns]
    flat_a = a.permute(rows + left).reshape(math.prod(shape[0]), math.prod(sizes))
    flat_b = b.permute(right + columns).reshape(math.prod(sizes), math.prod(shape[1]))
    return matmul(flat_a, flat_b).reshape(shape[0] + shape[1])


ger = outer
__all__ = [
    "matmul", "mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm", "outer", "ger", "inner",
    "tensordot",
]  # fmt: skip
