"""Cases for reductions, orderings, indexing, shapes, joins, matrices and changes in place."""

from __future__ import annotations

import numpy as np

from ..ops import einsum, gather, index, join, linalg, linear, norms, order, pad, reduce
from ..ops.convert import Cast, Move
from ..ops.from_data import tensor
from ..tensor import Tensor
from .case import Case, Recipe, apart, constant, distinct, normal, positive

CASES: list[Case] = []


def case(name: str, function: object, *recipes: Recipe) -> None:
    """Add a case."""
    CASES.append(Case(name, function, recipes))  # type: ignore[arg-type]


ROWS = tensor([[0, 2, 1, 0], [2, 2, 0, 1]])
MASK = tensor(np.array([[True, False, True, False], [False, False, True, True], [True] * 4]))
PAIR = tensor([2, 0, 2])

# ------------------------------------------------------------------------------- reductions
case("sum", lambda x: x.sum(), normal(3, 4))
case("sum-dim", lambda x: x.sum((0, 2)), normal(2, 3, 4))
case("sum-keepdim", lambda x: x.sum(1, keepdim=True), normal(2, 3))
case("mean", lambda x: x.mean(), normal(3, 4))
case("mean-dim", lambda x: x.mean(-1), normal(2, 3))
case("var", lambda x: x.var(), normal(3, 4))
case("var-dim", lambda x: x.var((0, 2), keepdim=True), normal(2, 3, 2))
case("var-biased", lambda x: x.var(1, correction=0), normal(3, 4))
case("std", lambda x: x.std(0), normal(3, 4))
case("var_mean", lambda x: reduce.var_mean(x, 1), normal(3, 4))
case("cumsum", lambda x: x.cumsum(1), normal(3, 4))
case("cumprod", lambda x: x.cumprod(1), apart(2, 5))
case("prod", lambda x: x.prod(), apart(3, 2))
case("prod-dim", lambda x: x.prod(1, keepdim=True), normal(3, 5))
case("logsumexp", lambda x: x.logsumexp(1), normal(3, 4))
case("logsumexp-dims", lambda x: x.logsumexp((0, 1), keepdim=True), normal(3, 4))
case("norm", lambda x: x.norm(), normal(3, 4))
case("norm-dim", lambda x: x.norm(dim=1, keepdim=True), normal(3, 4))
case("norm-1", lambda x: x.norm(p=1, dim=0), apart(3, 4))
case("norm-3", lambda x: x.norm(p=3), apart(3, 4))
case("norm-fraction", lambda x: x.norm(p=1.5, dim=1), apart(3, 4))
case("matrix_norm", lambda x: norms.matrix_norm(x, 1), distinct(3, 4))
case("norm-inf", lambda x: x.norm(p=float("inf")), distinct(3, 4))
case("amax", lambda x: x.amax((0, 1)), distinct(3, 4))
case("amin-dim", lambda x: x.amin(1, keepdim=True), distinct(3, 4))
case("max", lambda x: x.max(), distinct(3, 4))
case("max-dim", lambda x: x.max(1), distinct(3, 4))
case("min-dim", lambda x: x.min(0, keepdim=True), distinct(3, 4))
case("median", lambda x: x.median(), distinct(5))
case("median-dim", lambda x: x.median(1), distinct(3, 4))
case("sort", lambda x: order.sort(x, 1), distinct(3, 4))
case("sort-descending", lambda x: order.sort(x, 0, descending=True), distinct(3, 4))
case("topk", lambda x: order.topk(x, 2, 1), distinct(3, 4))

# --------------------------------------------------------------------------------- indexing
case("index-number", lambda x: x[1], normal(3, 4))
case("index-slice", lambda x: x[1:, ::2], normal(3, 4))
case("index-new-axis", lambda x: x[..., None, 0], normal(3, 4))
case("index-array", lambda x: x[PAIR.to(x.device)], normal(3, 4))
case("index-arrays", lambda x: x[PAIR.to(x.device), :, PAIR.to(x.device)], normal(3, 2, 4))
case("index-mask", lambda x, m: x[m], normal(3, 4), constant(MASK))
case("index_add", lambda v: index.IndexAdd((PAIR.to(v.device).array,), (4, 2))(v), normal(3, 2))
case("index_add-slice", lambda v: index.IndexAdd((slice(1, 4), ...), (5, 2))(v), normal(3, 2))
case("gather", lambda x: x.gather(0, ROWS.to(x.device)), normal(3, 4))
case("take_along_dim", lambda x: gather.take_along_dim(x, ROWS.to(x.device), 0), normal(3, 4))
case("scatter_add", lambda x, v: x.scatter_add(0, ROWS.to(x.device), v), normal(3, 4), normal(2, 4))
case(
    "scatter",
    lambda x, i, v: x.scatter(1, i, v),
    normal(3, 4),
    constant(tensor([[0], [3], [1]])),
    normal(3, 1),
)
case("index_select", lambda x: x.index_select(1, PAIR.to(x.device)), normal(3, 4))
case(
    "index_add-slices",
    lambda x, v: x.index_add(1, PAIR.to(x.device), v, alpha=2),
    normal(2, 3),
    normal(2, 3),
)
case("index_fill", lambda x: x.index_fill(0, PAIR.to(x.device), 3.0), normal(4, 2))
case("masked_select", lambda x, m: x.masked_select(m), normal(3, 4), constant(MASK))
case("masked_fill", lambda x, m: x.masked_fill(m, 2.0), normal(3, 4), constant(MASK))
case("take", lambda x, i: x.take(i), normal(3, 4), constant(tensor([[0, 5], [5, 11]])))

# ----------------------------------------------------------------------------------- shapes
case("reshape", lambda x: x.reshape(2, -1), normal(3, 4))
case("flatten", lambda x: x.flatten(1), normal(2, 3, 2))
case("unflatten", lambda x: x.unflatten(1, (2, 2)), normal(3, 4))
case("squeeze", lambda x: x.squeeze(1).unsqueeze(0), normal(3, 1, 2))
case("permute", lambda x: x.permute(2, 0, 1), normal(2, 3, 4))
case("transpose", lambda x: x.transpose(0, 2), normal(2, 3, 4))
case("movedim", lambda x: x.movedim((0, 1), (2, 0)), normal(2, 3, 4))
case("T", lambda x: x.T, normal(3, 4))
case("expand", lambda x: x.expand(2, 3, 4), normal(3, 1))
case("repeat", lambda x: x.repeat(2, 3), normal(2, 2))
case("tile", lambda x: x.tile(3), normal(2, 2))
case("repeat_interleave", lambda x: join.repeat_interleave(x, 2, 1), normal(2, 3))
case("cat", lambda a, b: join.cat([a, b, a], 1), normal(2, 3), normal(2, 1))
case("stack", lambda a, b: join.stack([a, b], 1), normal(2, 3), normal(2, 3))
case("split", lambda x: x.split([1, 3], 1), normal(2, 4))
case("chunk", lambda x: x.chunk(2, 0), normal(3, 2))
case("unbind", lambda x: x.unbind(1), normal(2, 3))
case("narrow", lambda x: x.narrow(1, 1, 2), normal(2, 4))
case("roll", lambda x: pad.roll(x, (1, -1), (0, 1)), normal(3, 4))
case("flip", lambda x: x.flip(0, 1), normal(3, 4))
case("pad", lambda x: pad.pad(x, (1, 2, 0, 1), value=3.0), normal(2, 3))
case("pad-negative", lambda x: pad.pad(x, (-1, 2)), normal(2, 3))
case("pad-reflect", lambda x: pad.pad(x, (2, 1), mode="reflect"), normal(2, 3))
case("pad-replicate", lambda x: pad.pad(x, (2, 1), mode="replicate"), normal(2, 3))
case("pad-circular", lambda x: pad.pad(x, (2, 1), mode="circular"), normal(2, 3))
case("tril", lambda x: x.tril(), normal(3, 4))
case("triu", lambda x: x.triu(-1), normal(2, 3, 3))
case("diagonal", lambda x: x.diagonal(1, 0, 2), normal(3, 2, 4))
case("diag", lambda x: x.diag(-1), normal(3))
case("trace", lambda x: x.trace(), normal(3, 4))

# --------------------------------------------------------------------------------- matrices
case("matmul", lambda a, b: a @ b, normal(2, 3), normal(3, 4))
case("matmul-batch", lambda a, b: a @ b, normal(2, 2, 3), normal(2, 3, 2))
case("matmul-broadcast", lambda a, b: a @ b, normal(2, 1, 2, 3), normal(3, 3, 2))
case("matmul-batch-matrix", lambda a, b: a @ b, normal(2, 2, 3), normal(3, 2))
case("matmul-vectors", lambda a, b: a @ b, normal(3), normal(3))
case("matmul-matrix-vector", lambda a, b: a @ b, normal(2, 3), normal(3))
case("matmul-vector-matrix", lambda a, b: a @ b, normal(3), normal(2, 3, 2))
case(
    "addmm",
    lambda c, a, b: linalg.addmm(c, a, b, beta=0.5, alpha=2),
    normal(4),
    normal(2, 3),
    normal(3, 4),
)
case("outer", linalg.outer, normal(3), normal(2))
case("inner", linalg.inner, normal(2, 3), normal(4, 3))
case(
    "tensordot",
    lambda a, b: linalg.tensordot(a, b, ([0, 2], [1, 0])),
    normal(2, 3, 4),
    normal(4, 2),
)
case("addmv", linalg.addmv, normal(2), normal(2, 3), normal(3))
case("baddbmm", linalg.baddbmm, normal(2, 4), normal(2, 2, 3), normal(2, 3, 4))
case("linear", linear.linear, normal(2, 3), normal(4, 3), normal(4))
case("linear-no-bias", linear.linear, normal(2, 2, 3), normal(4, 3))
case("linear-vector", linear.linear, normal(3), normal(4, 3), normal(4))
case("einsum-matmul", lambda a, b: einsum.einsum("ij,jk->ik", a, b), normal(2, 3), normal(3, 2))
case(
    "einsum-batch",
    lambda a, b: einsum.einsum("...ij,kj->...ki", a, b),
    normal(2, 2, 3),
    normal(4, 3),
)
case(
    "einsum-three",
    lambda a, b, c: einsum.einsum("i,ij,j", a, b, c),
    normal(2),
    normal(2, 3),
    normal(3),
)
case("einsum-diagonal", lambda a: einsum.einsum("iij->ji", a), normal(3, 3, 2))
case("einsum-sum", lambda a, b: einsum.einsum("ij,k->i", a, b), normal(2, 3), normal(2))

# ------------------------------------------------------------------------------ conversions
case("clone", lambda x: x.clone(), normal(3))
case("cast", lambda x: Cast(x.dtype)(x), normal(3))
case("move", lambda x: Move(x.device, x.device)(x), normal(3))


# --------------------------------------------------------------------------------- in place
def overwritten(x: Tensor, v: Tensor) -> Tensor:
    """Assign through an index, a view and an array of places."""
    y = x * 1.0
    y[0] = v
    y[1:].T[2:] *= v[0]
    y[tensor([2, 0]), tensor([0, 3])] = v[1:3] ** 2
    return y


def rebuilt(x: Tensor, v: Tensor) -> Tensor:
    """Change a base after a view of it was taken, and use both."""
    y = x.sin()
    view = y.reshape(-1)[1:9:2]
    y.mul_(v).add_(x)
    return view * y[0]


case("setitem", overwritten, normal(3, 4), normal(4))
case("inplace-on-base", rebuilt, normal(3, 4), normal(4))
case("inplace-chain", lambda x: (x * 1).mul_(x).sin_().add_(x).pow_(2), normal(3))
case("inplace-positive", lambda x: (x * 1).log_().exp_().sqrt_(), positive(3))
