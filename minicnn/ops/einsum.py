"""Einstein summation: one notation for products, sums, traces and transposes.

``einsum("nchw,fc->nfhw", x, w)`` multiplies elements whose labels agree and sums over the labels
that are missing on the right. The derivative of an einsum is an einsum: exchange the result's
labels with the input's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..autograd import Op, runs_in
from ..backend import array_module
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, check_tensor
from .shape import movedim
from .views import Expand


@dataclass(eq=False, repr=False)
class Einsum(Op):
    """y = einsum(subscripts, *xs).   dx_i = einsum of dy and the other x_j, labels exchanged.

    A label that only x_i has was summed over alone: its gradient is the same at every place along
    it. Every label occurs once in each operand (`einsum` takes diagonals first).
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


@runs_in("lower")
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
        raise ShapeError(
            f"einsum: '{equation}' names {len(terms)} operands, but {len(xs)} were given"
        )
    terms, right = _spell_out(equation, terms, right if arrow else None, xs)
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        if len(term) != x.ndim:
            raise ShapeError(
                f"einsum: '{term}' has {len(term)} labels, but operand {i} is {x.shape}"
            )
        for label, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(label, n) not in (n, 1) and n != 1:
                raise ShapeError(
                    f"einsum: label '{label}' is {sizes[label]} in one operand and {n} in"
                    f" operand {i}"
                )
            sizes[label] = max(sizes[label], n) if n and sizes[label] else 0
        terms[i], xs[i] = _take_diagonals(term, x)
    dtypes = {x.dtype for x in xs}
    if len(dtypes) > 1 or (xs[0].dtype.kind != "f" and xs[0].dtype != "int64"):
        raise DTypeError(
            "einsum: all operands must have one dtype, floating or int64; got"
            f" {sorted(map(str, dtypes))}"
        )
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
            f"einsum: the result's labels '{right}' must each occur once, and on the left of"
            f" '{equation}' too"
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


__all__ = ["einsum"]
