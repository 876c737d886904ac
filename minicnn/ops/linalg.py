"""Matrix products: matmul of any rank, the linear layer, and einsum.

*The rule to remember.* For Y = A B the gradients are dA = dY B^T and dB = A^T dY: the only products of these
matrices whose shapes fit. Everything here is that rule, with more indices.

Tutorial: `tutorials/06_dense_softmax_cross_entropy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..autograd import Op
from ..backend import array_module
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, check_tensor, method
from .operands import broadcastable
from .shape import Expand, movedim


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


class Linear(Op):
    """y = x w^T + b.   dx = dy w,  dw = dy^T x,  db = dy, both summed over the batch.

    Shapes: x (..., I), w (O, I), b (O), y (..., O). The engine sums db over what was broadcast.
    """

    def forward(self, x: Any, w: Any, b: Any = None) -> Any:
        y = product(x.reshape(-1, x.shape[-1]), w.T)  # (batch, O)
        if b is not None:
            y += b
        return y.reshape(*x.shape[:-1], w.shape[0])

    def dx(self, dy: Tensor, w: Tensor) -> Tensor:
        return matmul(dy, w)

    def dw(self, dy: Tensor, x: Tensor) -> Tensor:
        return MatMul()(dy.reshape(-1, dy.shape[-1]).T, x.reshape(-1, x.shape[-1]))

    def db(self, dy: Tensor) -> Tensor:
        return dy


@dataclass(eq=False, repr=False)
class Einsum(Op):
    """y = einsum(subscripts, *xs).   dx_i = einsum of dy and the other x_j, with the labels exchanged.

    A label that only x_i has was summed over alone: its gradient is the same at every place along it.
    Every label occurs once in each operand (`einsum` takes diagonals first).
    """

    inputs: tuple[str, ...]
    output: str

    def forward(self, *xs: Any) -> Any:
        xp = array_module(xs[0])
        subscripts = f"{','.join(self.inputs)}->{self.output}"
        return xp.einsum(subscripts, *xs, optimize=len(xs) > 1).astype(xs[0].dtype, copy=False)

    def dxs(self, dy: Tensor, i: int, xs: list[Tensor]) -> Tensor:
        labels, shape = self.inputs[i], self.shapes[i]
        others = [label for j, label in enumerate(self.inputs) if j != i]
        known = set("".join(others) + self.output)
        kept = "".join(c for c in labels if c in known)
        partners = [x for j, x in enumerate(xs) if j != i]
        dx = Einsum((self.output, *others), kept)(dy, *partners)
        sizes = iter(dx.shape)
        full = tuple(next(sizes) if c in known else n for c, n in zip(labels, shape, strict=True))
        spread = tuple(n if c in known else 1 for c, n in zip(labels, full, strict=True))
        return Expand(full)(dx.reshape(spread))


def product(a: Any, b: Any) -> Any:
    """Return the matrix product of two arrays; float16 is computed in float32, as GPUs do."""
    if a.dtype == "float16" and isinstance(a.flags.c_contiguous, bool):
        return (a.astype("float32") @ b.astype("float32")).astype("float16")
    return a @ b


def _same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    if a.array.dtype != b.array.dtype:
        raise DTypeError(
            f"{name}: both tensors must have one dtype; got {a.dtype} and {b.dtype}. Convert one with .to()"
        )


@method("matmul", "__matmul__")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product; vectors are rows on the left and columns on the right.

    Leading dimensions broadcast. Two vectors give their dot product.
    """
    a, b = check_tensor(input, "matmul"), check_tensor(other, "matmul", "other")
    _same_dtype("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul: 0-d tensors have no product {a.shape} @ {b.shape}; use *")
    if a.shape[-1] != b.shape[max(0, b.ndim - 2)]:
        raise ShapeError(
            f"matmul: the inner sizes differ: {a.shape} @ {b.shape} needs {a.shape[-1]} == "
            f"{b.shape[max(0, b.ndim - 2)]}"
        )
    if a.ndim == 1:
        y = matmul(a.unsqueeze(0), b)
        return y.squeeze(-2 if b.ndim > 1 else 0)
    if b.ndim == 1:
        return matmul(a, b.unsqueeze(1)).squeeze(-1)
    if a.ndim > 2 and b.ndim == 2:  # one large product instead of many small ones
        y = MatMul()(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b)
        return y.reshape(*a.shape[:-1], b.shape[-1])
    if not broadcastable(a.shape[:-2], b.shape[:-2]):
        raise ShapeError(f"matmul: the leading sizes of {a.shape} and {b.shape} do not broadcast")
    return MatMul()(a, b)


def _of_rank(name: str, rank_a: int, rank_b: int) -> Callable:
    """Return matmul restricted to operands of the given ranks, as PyTorch's `name`, and a method."""

    def function(input: Tensor, other: Tensor) -> Tensor:
        a, b = check_tensor(input, name), check_tensor(other, name, "other")
        if (a.ndim, b.ndim) != (rank_a, rank_b):
            raise ShapeError(
                f"{name}: expected tensors of {rank_a} and {rank_b} dimensions, got {a.shape} and {b.shape}"
            )
        if name == "bmm" and a.shape[0] != b.shape[0]:
            raise ShapeError(f"bmm: the batches differ: {a.shape} and {b.shape}")
        return matmul(a, b)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the product of tensors of {rank_a} and {rank_b} dimensions."
    return method(name)(function)


mm, bmm = _of_rank("mm", 2, 2), _of_rank("bmm", 3, 3)
mv, dot = _of_rank("mv", 2, 1), _of_rank("dot", 1, 1)


@method()
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return beta * input + alpha * (mat1 @ mat2)."""
    y = mm(mat1, mat2)
    return (y if alpha == 1 else y * alpha) + (input if beta == 1 else input * beta)


@method("outer", "ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the matrix of all products of an element of `input` with one of `vec2`."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input @ weight.T + bias. Shapes: input (..., I), weight (O, I), bias (O)."""
    x, w = check_tensor(input, "linear"), check_tensor(weight, "linear", "weight")
    if x.ndim == 0 or w.ndim not in (1, 2) or x.shape[-1] != w.shape[-1]:
        raise ShapeError(_linear_misfit(x.shape, w.shape))
    _same_dtype("linear", x, w)
    if w.ndim == 1:
        y = matmul(x, w)
        return y if bias is None else y + bias
    if bias is None:
        return Linear()(x, w)
    _same_dtype("linear", x, bias)
    if bias.shape not in ((w.shape[0],), (1,), ()):
        raise ShapeError(f"linear: bias {bias.shape} does not fit weight {w.shape}; expected ({w.shape[0]},)")
    return Linear()(x, w, bias)


def _linear_misfit(x: tuple[int, ...], w: tuple[int, ...]) -> str:
    """Say what is wrong with a linear layer's input, and what the user probably meant."""
    message = f"linear: input {x} must end in in_features={w[-1] if w else 0} of weight {w}"
    features = math.prod(x[1:])
    if len(x) > 2 and w and features == w[-1]:
        return f"{message}. Flatten it first: x.flatten(1) gives ({x[0]}, {features})"
    if len(x) > 2:
        return f"{message}. Flattened with x.flatten(1) it needs in_features={features}"
    if len(x) == 2 and w and x[1] % w[-1] == 0 and x[1]:
        batch = x[0] * (x[1] // w[-1])
        return (
            f"{message}. Set in_features={x[1]}; or, if the batch has {batch} samples, a reshape before "
            "has moved part of the batch axis into the features: use x.flatten(1)"
        )
    if len(x) == 2 and w and x[1] and w[-1] % x[1] == 0:
        return (
            f"{message}. Set in_features={x[1]}; or a reshape before has moved features into the batch axis: "
            "use x.flatten(1)"
        )
    return f"{message}. Set in_features={x[-1] if x else 1}"


def einsum(equation: str, *operands: Any) -> Tensor:
    """Return the Einstein sum: ``einsum("nchw,fc->nfhw", x, w)``.

    Labels are letters; those missing on the right of "->" are summed over. "..." stands for further
    dimensions, which broadcast. Without "->" the result has the labels that occur once, in order.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    xs = [check_tensor(x, "einsum", f"operands[{i}]") for i, x in enumerate(operands)]
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(xs):
        raise ShapeError(f"einsum: '{equation}' names {len(terms)} operands, but {len(xs)} were given")
    terms, right = _spell_out(equation, terms, right if arrow else None, xs)
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        if len(term) != x.ndim:
            raise ShapeError(f"einsum: '{term}' has {len(term)} labels, but operand {i} is {x.shape}")
        for label, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(label, n) not in (n, 1) and n != 1:
                raise ShapeError(
                    f"einsum: label '{label}' is {sizes[label]} in one operand and {n} in operand {i}"
                )
            sizes[label] = max(sizes[label], n) if n and sizes[label] else 0
        terms[i], xs[i] = _take_diagonals(term, x)
    dtypes = {x.dtype for x in xs}
    if len(dtypes) > 1:
        raise DTypeError(f"einsum: all operands must have one dtype; got {sorted(map(str, dtypes))}")
    return Einsum(tuple(terms), right)(*xs)


def _spell_out(
    equation: str, terms: list[str], right: str | None, xs: list[Tensor]
) -> tuple[list[str], str]:
    """Replace "..." by labels of its own, and write the right-hand side out."""
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    extra = [x.ndim - len(t.replace("...", "")) if "..." in t else 0 for t, x in zip(terms, xs)]  # noqa: B905
    dots = "".join(spare[: max(extra)])
    terms = [t.replace("...", dots[len(dots) - max(n, 0) :]) for t, n in zip(terms, extra)]  # noqa: B905
    everything = "".join(terms)
    if right is None:
        once = sorted(c for c in set(everything) if everything.count(c) == 1 and c not in dots)
        return terms, dots + "".join(once)
    right = right.replace("...", dots)
    unknown = [c for c in right if c not in everything]
    if unknown or len(set(right)) != len(right):
        raise ShapeError(
            f"einsum: the result's labels '{right}' must each occur once, and on the left of '{equation}' too"
        )
    return terms, right


def _take_diagonals(term: str, x: Tensor) -> tuple[str, Tensor]:
    """Return the operand with every label once: x_ii becomes the diagonal of x."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            a = term.index(label)
            b = term.index(label, a + 1)
            x = movedim(x.diagonal(0, a, b), -1, 0)
            term = label + term[:a] + term[a + 1 : b] + term[b + 1 :]
    return term, x


__all__ = ["matmul", "mm", "bmm", "mv", "dot", "addmm", "outer", "einsum"]
