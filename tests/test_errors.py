"""What the tensor core says when it refuses: every `raise` of these files, with its text."""

from __future__ import annotations

import ast
import copy
import pickle
import types
from pathlib import Path

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import errors, linalg
from minicnn.autograd import Function
from minicnn.autograd.variable import wrap
from minicnn.deferred import settle

PACKAGE = Path(minicnn.__file__).parent
FILES = [
    "__init__.py", "backends.py", "tensor.py",
    "promotion.py", "printing.py", "function.py", "linalg.py",
    *(f"ops/{name}.py" for name in (
        "operands", "choose", "compare", "division", "arithmetic", "rounding", "elementwise",
        "index", "gather", "search", "views", "shape", "join", "pad", "diagonal", "order", "reduce",
        "scan", "norms", "linalg", "linear", "einsum", "convert", "from_data", "protocols",
        "creation", "draw", "legacy", "inplace",
    )),
]  # fmt: skip

x = minicnn.arange(12.0).reshape(3, 4)  # float32 (3, 4)
v = minicnn.arange(3.0)
n = minicnn.tensor([2, 0, 1])
b = minicnn.tensor([True, False, True])
scalar = minicnn.tensor(2.0)
half = minicnn.ones(3, dtype=minicnn.float64)


def leaf():
    return minicnn.ones(3, requires_grad=True)


def result():
    return leaf() * 2


def on_gpu():
    """A tensor whose array is no NumPy array, as a CUDA array would be."""
    array = types.SimpleNamespace(device=types.SimpleNamespace(id=0), ndim=2, shape=(2, 2))
    return wrap(_Array(**vars(array)))


class _Array(types.SimpleNamespace):
    dtype = np.dtype("float32")
    base = None


class Foreign:
    """Memory of a device that is neither a CPU nor a CUDA GPU."""

    def __dlpack_device__(self):
        return (8, 0)


class Add(Function):
    """A function whose backward returns what `gradients` says."""

    gradients = staticmethod(lambda dy: (dy, dy))

    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @classmethod
    def backward(cls, ctx, dy):
        return cls.gradients(dy)


def backward_of(gradients):
    kind = type("Add", (Add,), {"gradients": staticmethod(gradients)})
    return kind.apply(leaf(), leaf()).sum().backward()


class Marks(Function):
    """A function that calls a method of its context."""

    call = staticmethod(lambda ctx, a: None)

    @classmethod
    def forward(cls, ctx, a):
        cls.call(ctx, a)
        return a + 1, a.double()


def marking(call):
    return type("Marks", (Marks,), {"call": staticmethod(call)}).apply(leaf())


def under_no_grad():
    with minicnn.no_grad():
        return result()[:2]


def changed_view():
    y = result()
    with minicnn.no_grad():
        view = y[:2]
    view += 1


def twins():
    """An image in channels-last memory, whose flat view had to be a copy."""
    image = wrap(np.zeros((2, 3, 4, 5), np.float32).transpose(0, 3, 1, 2)) * 1.0
    flat = image.view(2, -1)
    image += 1
    return flat


DT, SH, DIM, ARG = errors.DTypeError, errors.ShapeError, errors.DimensionError, errors.ArgumentError
NO, GR, IP = errors.UnsupportedError, errors.GraphError, errors.InPlaceError
NAME = errors.UnsupportedNameError

CASES = [
    # --------------------------------------------------------------------- names
    (lambda: minicnn.softmx, NAME, r"minicnn\.softmx: minicnn has no such name.*mean 'softmax'\?"),
    (lambda: minicnn.__missing__, AttributeError, "module 'minicnn' has no attribute"),
    (lambda: linalg.svd, NAME, r"linalg\.svd: minicnn has no such function, though PyTorch may"),
    (lambda: linalg.__missing__, AttributeError, "module 'minicnn.linalg' has no attribute"),
    (
        lambda: minicnn.set_float32_matmul_precision("low"),
        ARG,
        "'low' is not known; use 'highest', 'high' or",
    ),
    (lambda: minicnn.backends.mkldnn, NAME, r"backends\.mkldnn: minicnn has no such backend"),
    (lambda: minicnn.backends.__missing__, AttributeError, "module 'minicnn.backends' has no"),
    (lambda: x.reshap, NAME, r"Tensor\.reshap: minicnn has no such attribute.*'reshape'\?"),
    (lambda: x._missing, AttributeError, "Tensor has no attribute '_missing'"),
    # --------------------------------------------------------------------- tensor.py
    (lambda: x.size(2), DIM, r"size: dim 2 is out of range for a tensor of shape \(3, 4\)"),
    (lambda: result().requires_grad_(False), GR, "requires_grad_: .* Use detach"),
    (lambda: n.requires_grad_(), DT, r"only floating tensors have gradients, and this is int64"),
    (lambda: result()[:2].detach_(), GR, "detach_: this tensor is a view of another"),
    (lambda: setattr(leaf(), "data", n), DT, "requires a gradient cannot hold int64"),
    (lambda: v.retain_grad(), GR, "retain_grad: this tensor does not require a gradient"),
    (lambda: v.register_hook(print), GR, "register_hook: this tensor does not require a gradient"),
    (lambda: minicnn.exp([1.0]), TypeError, r"exp: input must be a Tensor, not list\. Use minicnn"),
    # --------------------------------------------------------------------- promotion.py
    (lambda: minicnn.set_default_dtype("int64"), DT, "expected a floating dtype, got int64"),
    (lambda: minicnn.zeros(1, dtype="complex64"), DT, "dtype: complex64 is not supported; use one"),
    (lambda: minicnn.result_type("a"), DT, "expected a Tensor or a number, got str: 'a'"),
    (lambda: minicnn.set_printoptions(profile="ful"), ValueError, "profile 'ful' is not known"),
    # --------------------------------------------------------------------- function.py
    (lambda: marking(lambda ctx, a: ctx.mark_dirty(a)), NO, "mark_dirty: a Function that changes"),
    (
        lambda: marking(lambda ctx, a: ctx.set_materialize_grads(False)),
        NO,
        "set_materialize_grads: False is not covered",
    ),
    (lambda: marking(lambda ctx, a: None), DT, "Marks: all outputs with a gradient must have one"),
    (lambda: backward_of(lambda dy: dy), GR, "each of the 2 arguments of forward; it returned 1"),
    (lambda: backward_of(lambda dy: (1.0, dy)), GR, "must return Tensors or None, not float"),
    # --------------------------------------------------------------------- operands.py
    (lambda: x + "one", TypeError, r"add: expected Tensors or numbers, got str: 'one'; make a"),
    (lambda: minicnn.full((2,), "a", dtype=minicnn.int8), TypeError, "full: expected a number, go"),
    (lambda: minicnn.full((2,), 300, dtype=minicnn.int8), DT, "300 is out of the range of int8"),
    (lambda: minicnn.add(1, 2), TypeError, "add: at least one operand must be a Tensor"),
    (lambda: minicnn.cat(x), TypeError, "cat: expected a list or tuple of Tensors, got one Tensor"),
    (lambda: minicnn.cat([]), SH, "cat: expected at least one tensor, got an empty list"),
    (lambda: b - b, DT, r"sub: not defined for bool tensors; use logical_xor or \^"),
    (lambda: x + v, SH, r"add: shapes \(3, 4\) and \(3,\) do not broadcast; counted from the righ"),
    (lambda: x.masked_select(b), SH, r"masked_select: shapes \(3, 4\) and \(3,\) do not broadcast"),
    (lambda: minicnn.zeros(2.0), TypeError, r"zeros: sizes must be integers, got \(2\.0,\)"),
    (lambda: x.sum("a"), TypeError, "sum: dim must be an integer, not str: 'a'"),
    (lambda: x.sum(2), DIM, "sum: dim 2 is out of range for a tensor of 2 dimensions; use -2 to 1"),
    (lambda: x.sum((0, -2)), DIM, r"sum: a dimension appears twice in dim=\(0, -2\)"),
    (lambda: x.sum(dim=0, axis=0), TypeError, "sum: got both axis= and dim="),
    # --------------------------------------------------------------------- choose, compare
    (lambda: minicnn.where(n, n, 0), DT, "where: condition must be a bool tensor, not int64"),
    (lambda: x.clamp(), ARG, "clamp: at least one of min and max must be given"),
    (lambda: b.clamp(False, True), DT, "clamp: not defined for bool tensors"),
    (lambda: x & x, DT, "bitwise_and: expected integer or bool tensors, got float32"),
    (lambda: minicnn.bitwise_or(1, 2), TypeError, "bitwise_or: at least one operand must be a"),
    (lambda: ~x, DT, "bitwise_not: expected an integer or bool tensor, got float32"),
    # --------------------------------------------------------------------- division, arithmetic
    (lambda: x.div(2, rounding_mode="up"), ARG, "rounding_mode must be None, 'trunc' or 'floor'"),
    (lambda: b // b, DT, r"floor_divide: not defined for bool tensors; convert one with \.int"),
    (lambda: n % n, ARG, r"remainder: an integer cannot be divided by zero; convert with \.float"),
    (lambda: n.add(n, alpha=0.5), DT, r"add: alpha=0\.5 must be an integer for int64 tensors"),
    (lambda: n.sub(n, alpha=False), DT, "sub: alpha=False must be a number for int64 tensors"),
    (lambda: b**b, DT, "pow: not defined for bool tensors"),
    (lambda: n**-1, DT, r"pow: an integer tensor to a negative power; convert it with \.float"),
    (lambda: x.addcdiv(n, n), DT, "addcdiv: not defined for two integer tensors"),
    (lambda: v.lerp(half, 0.5), DT, r"lerp: expected one floating dtype, got \['float32', 'float6"),
    # --------------------------------------------------------------------- rounding, elementwise
    (lambda: n.round(decimals=1), DT, "round: decimals=1 needs a floating tensor, got int64"),
    (lambda: b.floor(), DT, "floor: not defined for bool tensors"),
    (lambda: b.abs(), DT, "abs: not defined for bool tensors"),
    # --------------------------------------------------------------------- index.py
    (lambda: x[::-1], ARG, r"index: the step of a slice must be positive, got -1; use flip\(\)"),
    (lambda: x[1.0], DIM, "index: a tensor is indexed with integers, slices.*; got float"),
    (lambda: x[5], DIM, r"index: index 5 is out of bounds.*the tensor has shape \(3, 4\)"),
    (
        lambda: x[:, b],
        DIM,
        r"index: a mask of shape \(3,\) does not fit a tensor of shape \(3, 4\) at dim 1",
    ),
    # --------------------------------------------------------------------- gather.py
    (lambda: v.gather(0, v), DT, r"gather: index must be int64, not float32; use \.long\(\)"),
    (lambda: x.gather(0, n), SH, r"as many dimensions as input; got index \(3,\), input \(3, 4\)"),
    (
        lambda: x.gather(0, minicnn.zeros(3, 5, dtype=minicnn.int64)),
        SH,
        r"gather: index \(3, 5\) is larger than input \(3, 4\) along dim 1; only dim 0 may be",
    ),
    (lambda: v.gather(0, n + 1), DIM, "gather: index 3 is out of bounds along dim 0 of size 3"),
    (lambda: v.gather(0, n, sparse_grad=True), NO, "gather: sparse_grad=True is not covered"),
    (lambda: x.take_along_dim(n, 0), SH, r"input \(3, 4\) and indices \(3,\) must have equally ma"),
    (lambda: v.scatter(0, n, v, reduce="multiply"), NO, "scatter: reduce='multiply' is not covere"),
    (lambda: v.scatter(0, n, n), DT, "scatter: src is int64 but input float32; convert one"),
    (lambda: v.scatter_add(0, n, v[:2]), SH, r"index \(3,\) does not fit into src \(2,\)"),
    (lambda: v.index_add(0, n, n), DT, "index_add: source is int64 but input float32"),
    (lambda: x.index_add(0, n, v), SH, r"source must have shape \(3, 4\), got \(3,\)"),
    (lambda: x.index_select(0, n[None]), SH, r"index must have one dimension, not shape \(1, 3\)"),
    (lambda: x.index_select(0, v), DT, "index_select: index must be int64 or int32, not float32"),
    (lambda: x.index_fill(0, n + 1, 0), DIM, "index_fill: index 3 is out of bounds along dim 0 of"),
    (lambda: v.masked_fill(b, v), SH, r"masked_fill: value must be a number or 0-d, not shape \(3"),
    (lambda: n.masked_fill(b, 0.5), DT, r"masked_fill: 0\.5 cannot be written into int64"),
    (lambda: v.masked_fill(n, 1), DT, "masked_fill: mask must be a bool tensor, not int64"),
    (lambda: v.take(v), DT, "take: index must be int64, not float32"),
    (lambda: v.take(n + 1), ARG, "take: index out of range for a tensor of 3 elements"),
    # --------------------------------------------------------------------- search.py
    (lambda: v.bincount(), DT, "bincount: expected integers, got float32"),
    (lambda: (n - 1).bincount(), ARG, r"numbers not below 0, and minlength not below 0; got \(3"),
    (lambda: n.bincount(v[:2]), SH, r"bincount: weights \(2,\) and input \(3,\) differ"),
    # --------------------------------------------------------------------- views, shape
    (lambda: x.T.view(12), SH, r"view: shape \(4, 3\) with strides \(1, 4\) cannot be seen as \(1"),
    (lambda: x.reshape(-1, -1), SH, r"at most one size may be -1 and none below; got \(-1, -1\)"),
    (
        lambda: x.reshape(-1, 5),
        SH,
        r"reshape: \(3, 4\) has 12 elements, which is no multiple of 5.*keep the batch axis of 3, "
        r"use flatten\(1\)",
    ),
    (lambda: v.reshape(4), SH, r"reshape: \(3,\) has 3 elements, but \(4,\) needs 4"),
    (lambda: x.view(minicnn.int32), NO, "view: reading memory as int32 is not covered; use"),
    (lambda: x.flatten(1, 0), ARG, "flatten: start_dim 1 comes after end_dim 0"),
    (lambda: x.permute(0), SH, r"permute: \(0,\) does not name each of the 2 dimensions once"),
    (lambda: x.movedim((0, 1), (0,)), SH, r"movedim: \(0, 1\) and \(0,\) must be equally many"),
    (lambda: x.movedim((0, 0), (0, 1)), SH, r"movedim: \(0, 0\) to \(0, 1\) names a dimension twi"),
    (lambda: x[None].t(), SH, r"t: expected at most 2 dimensions, got shape \(1, 3, 4\)"),
    (lambda: x.expand(4), SH, r"expand: \(4,\) has fewer dimensions than the tensor's shape"),
    (lambda: x.expand(2, 4), SH, r"expand: \(3, 4\) cannot become \(2, 4\); only dimensions of si"),
    # --------------------------------------------------------------------- join.py
    (lambda: minicnn.cat([scalar]), SH, "cat: 0-d tensors cannot be joined; use stack"),
    (lambda: minicnn.cat([x, x.T]), SH, r"tensor 0 has \(3, 4\), tensor 1 has \(4, 3\)"),
    (lambda: minicnn.stack([x, v]), SH, r"stack: all shapes must be equal; tensor 0 has \(3, 4\)"),
    (lambda: scalar.narrow(0, 0, 1), SH, "narrow: a 0-d tensor has no part to take"),
    (lambda: v.narrow(0, scalar, 1), DT, "narrow: start must be a whole number, got float32"),
    (lambda: v.narrow(0, 2, 2), DIM, "narrow: start 2 and length 2 do not fit in size 3 of dim 0"),
    (lambda: scalar.select(0, 0), DIM, "select: a 0-d tensor has no dimension to select from"),
    (lambda: scalar.split(1), SH, "split: a 0-d tensor cannot be split"),
    (lambda: v.split(0), SH, "split: the size of a part must be positive, got 0"),
    (lambda: v.split([1, 1]), SH, r"split: sizes \[1, 1\] do not add up to 3, the size of dim 0"),
    (lambda: v.chunk(0), ARG, "chunk: chunks must be at least 1, got 0"),
    (lambda: scalar.chunk(1), SH, "chunk: a 0-d tensor cannot be split"),
    (lambda: scalar.unbind(), DIM, "unbind: a 0-d tensor has no dimension to take apart"),
    (lambda: x.repeat(2), SH, r"repeat: \(2,\) has fewer numbers than the shape \(3, 4\)"),
    (lambda: x.repeat(1, -1), SH, r"repeat: the numbers must not be negative, got \(1, -1\)"),
    (lambda: v.repeat_interleave(-1), SH, "repeats must be a whole number, or 3 of them"),
    (
        lambda: v.repeat_interleave(2, output_size=5),
        SH,
        "repeat_interleave: output_size=5, but there are 6",
    ),
    # --------------------------------------------------------------------- pad, diagonal
    (lambda: F.pad(v, (1,)), SH, r"pad: pad=\(1,\) must hold two numbers for each of at most 1"),
    (lambda: F.pad(v, (-2, -2)), SH, r"pad: pad=\(-2, -2\) cuts away more than there is in shape"),
    (lambda: F.pad(v, (1, 1), "mirror"), NO, "pad: mode 'mirror' is not covered; use constant"),
    (lambda: F.pad(v, (3, 0), "reflect"), SH, "pad: reflect needs a border of at most 2 for size"),
    (lambda: v.fliplr(), SH, r"fliplr: expected at least 2 dimensions, got shape \(3,\)"),
    (lambda: scalar.flipud(), SH, "flipud: expected at least 1 dimension, got a 0-d tensor"),
    (lambda: x.roll((1, 2), 0), SH, r"roll: shifts=\(1, 2\) and dims=\(0,\) must be equally many"),
    (lambda: v.tril(), SH, r"tril: expected at least 2 dimensions, got shape \(3,\)"),
    (lambda: x.diagonal(0, 1, 1), DIM, "diagonal: dim1=1 and dim2=1 must name two dimensions"),
    (lambda: x[None].diag(), SH, r"diag: expected a vector or a matrix, got shape \(1, 3, 4\)"),
    (lambda: v.trace(), SH, r"trace: expected a matrix, got shape \(3,\)"),
    # --------------------------------------------------------------------- order, reduce, scan
    (lambda: v[:0].max(), DIM, r"amax: there is nothing to choose from along dim \(0,\) of shape"),
    (lambda: b.argmax(), DT, "argmax: not defined for bool tensors"),
    (lambda: b.topk(1), DT, "topk: not defined for bool tensors"),
    (lambda: v.topk(4), SH, "topk: k=4 is not between 0 and 3, the size along dim -1"),
    (lambda: b.median(), DT, "median: not defined for bool tensors"),
    (lambda: n.mean(), DT, r"mean: expected a floating tensor, got int64; use \.float\(\)\.mean"),
    (lambda: n.std(), DT, r"std: expected a floating tensor, got int64; use \.float\(\)\.std"),
    (lambda: b.cumsum(0, dtype=minicnn.bool), DT, "cumsum: dtype=bool is not defined"),
    # --------------------------------------------------------------------- norms
    (lambda: x.norm("nuc"), NO, "norm: p='nuc' is not covered; use a number or 'fro'"),
    (lambda: linalg.matrix_norm(x, 2), NO, r"matrix_norm: ord=2 is not covered \(it needs singula"),
    (lambda: linalg.norm(x[None], 2), SH, "norm: ord=2 needs a vector, a matrix, or dim; got shap"),
    (lambda: linalg.matrix_norm(v), SH, r"matrix_norm: expected a matrix and two dimensions, got"),
    (lambda: n.norm(), DT, r"norm: expected a floating tensor, got int64; use \.float\(\)"),
    # --------------------------------------------------------------------- linalg, linear
    (lambda: b @ b, DT, "matmul: not defined for bool tensors"),
    (lambda: v @ half, DT, "matmul: both tensors must have one dtype; got float32 and float64"),
    (lambda: v @ scalar, SH, r"matmul: 0-d tensors have no product \(3,\) @ \(\); use \*"),
    (lambda: x @ x, SH, r"matmul: the inner sizes differ: \(3, 4\) @ \(3, 4\) needs 4 == 3"),
    (
        lambda: minicnn.ones(2, 3, 3) @ minicnn.ones(5, 3, 3),
        SH,
        r"matmul: the leading sizes of \(2, 3, 3\) and \(5, 3, 3\) do not broadcast",
    ),
    (lambda: minicnn.mm(x, v), SH, "mm: expected tensors of 2 and 2 dimensions, got"),
    (
        lambda: minicnn.bmm(minicnn.ones(2, 3, 3), minicnn.ones(5, 3, 3)),
        SH,
        r"bmm: the batches differ: \(2, 3, 3\) and \(5, 3, 3\)",
    ),
    (lambda: minicnn.addmm(x, x, x.T), SH, r"addmm: input \(3, 4\) does not fit the product's sha"),
    (
        lambda: n.addmv(n.diag(), n, alpha=0.5),
        DT,
        "addmv: alpha and beta must be whole numbers for int64 tensors",
    ),
    (lambda: x.outer(v), SH, r"outer: expected two vectors, got \(3, 4\) and \(3,\)"),
    (lambda: minicnn.tensordot(x, v, 2), SH, r"tensordot: dims=2 is too many for \(3, 4\) and \(3"),
    (lambda: minicnn.tensordot(x, v, 1), SH, r"tensordot: sizes \[4\] of \(3, 4\) and \[3\] of"),
    (
        lambda: F.linear(minicnn.ones(8, 2, 5), minicnn.ones(3, 10)),
        SH,
        r"linear: input \(8, 2, 5\) must end in in_features=10 of weight \(3, 10\)\. Flatten it "
        r"first: x\.flatten\(1\) gives \(8, 10\)",
    ),
    (
        lambda: F.linear(minicnn.ones(8, 2, 5), minicnn.ones(3, 7)),
        SH,
        r"Flattened with x\.flatten\(1\) it needs in_features=10",
    ),
    (
        lambda: F.linear(minicnn.ones(2, 40), minicnn.ones(3, 10)),
        SH,
        r"Set in_features=40; or, if the batch has 8 samples, a reshape before has moved part of "
        r"the batch axis into the features: use x\.flatten\(1\)",
    ),
    (
        lambda: F.linear(minicnn.ones(16, 5), minicnn.ones(3, 10)),
        SH,
        r"Set in_features=5; or a reshape before has moved features into the batch axis",
    ),
    (lambda: F.linear(v, minicnn.ones(2, 4)), SH, r"of weight \(2, 4\)\. Set in_features=3"),
    (lambda: F.linear(x, x, minicnn.ones(2)), SH, r"linear: bias \(2,\) does not fit weight"),
    # --------------------------------------------------------------------- einsum
    (lambda: minicnn.einsum("i,j", v), SH, "einsum: 'i,j' names 2 operands, but 1 were given"),
    (lambda: minicnn.einsum("i", x), SH, r"einsum: 'i' has 1 labels, but operand 0 is \(3, 4\)"),
    (
        lambda: minicnn.einsum("ij,jk", x, x),
        SH,
        "einsum: label 'j' is 4 in one operand and 3 in operand 1",
    ),
    (lambda: minicnn.einsum("i,i", v, half), DT, r"one dtype, floating or int64; got \['float32'"),
    (lambda: minicnn.einsum("i->ij", v), SH, "the result's labels 'ij' must each occur once, and"),
    # --------------------------------------------------------------------- from_data, protocols
    (lambda: minicnn.tensor([[1], [1, 2]]), SH, "tensor: the nested sequences do not form an arra"),
    (lambda: minicnn.tensor([1, None]), DT, "tensor: cannot make an array of NoneType: None"),
    (lambda: minicnn.tensor("a"), TypeError, "tensor: cannot make an array of str: 'a'"),
    (lambda: minicnn.tensor([300], dtype=minicnn.int8), DT, "tensor: 300 is out of the range of i"),
    (lambda: minicnn.from_numpy([1]), TypeError, r"from_numpy: expected a numpy\.ndarray, got lis"),
    (lambda: minicnn.from_dlpack(Foreign()), NO, "from_dlpack: device type 8 is not supported"),
    (lambda: minicnn.Tensor(2.5), TypeError, r"Tensor: expected sizes or a sequence of numbers, g"),
    (lambda: x.item(), SH, r"item: only a tensor of one element is a number; this has shape \(3"),
    (lambda: leaf().numpy(), GR, r"numpy: this tensor requires a gradient.*detach\(\)\.numpy\(\)"),
    (lambda: x.gather(0, on_gpu()), RuntimeError, r"gather: .* on cpu, \(2, 2\) on cuda:0"),
    (lambda: on_gpu().numpy(), TypeError, r"numpy: this tensor is on cuda:0; use tensor\.cpu\(\)"),
    (lambda: on_gpu().requires_grad_().__cuda_array_interface__, GR, "array_interface__: this"),
    (lambda: np.from_dlpack(leaf()), BufferError, "dlpack: this tensor requires a gradient"),
    (lambda: copy.deepcopy(result()), GR, "deepcopy: only leaf tensors can be copied"),
    (lambda: pickle.dumps(result()), GR, "pickle: only leaf tensors can be sent"),
    (lambda: bool(x), SH, r"bool: a tensor of shape \(3, 4\) has no single value\. Use \.any\(\)"),
    (lambda: float(x), SH, r"float: a tensor of shape \(3, 4\) has no single value\.$"),
    (lambda: [1, 2, 3][scalar], TypeError, "index: only integer tensors can be an index, not floa"),
    (lambda: len(scalar), TypeError, "len: a 0-d tensor has no length"),
    (lambda: list(scalar), TypeError, r"iter: a 0-d tensor cannot be iterated over; use \.item"),
    (lambda: "a" in x, DT, "in: a tensor holds numbers, not str"),
    # --------------------------------------------------------------------- creation
    (lambda: minicnn.zeros(-1), SH, r"zeros: sizes must not be negative, got \(-1,\)"),
    (lambda: minicnn.arange(2, dtype=minicnn.bool), DT, "arange: dtype=bool is not defined"),
    (lambda: minicnn.arange(float("inf")), ARG, "arange: the range from 0 to inf has no end"),
    (lambda: minicnn.arange(0, 2, -1), ARG, "arange: no step of -1 leads from 0 to 2"),
    (lambda: minicnn.linspace(0, 1, -1), ARG, "linspace: steps must not be negative, got -1"),
    (lambda: minicnn.linspace(0, 1, 2, dtype=minicnn.bool), DT, "linspace: dtype=bool is not def"),
    (lambda: minicnn.logspace(0, 1, 2, dtype=minicnn.int64), DT, "logspace: expected a floating d"),
    (lambda: minicnn.eye(-1), SH, "eye: sizes must not be negative, got n=-1, m=None"),
    (lambda: F.one_hot(v), DT, r"one_hot: labels must be int64, not float32; use \.long\(\)"),
    (lambda: F.one_hot(n[:0]), errors.LabelError, "num_classes must be given for an empty tensor"),
    (lambda: F.one_hot(n, 2), errors.LabelError, "labels must lie in 0 to 1; found 2"),
    (lambda: v.isclose(half), DT, "isclose: float32 and float64 differ"),
    (lambda: v.isclose(v, -1), ARG, "isclose: rtol=-1 and atol=1e-08 must not be negative"),
    (lambda: minicnn.meshgrid(v, indexing="ji"), ARG, "indexing must be 'ij' or 'xy', not 'ji'"),
    (lambda: minicnn.meshgrid(x), SH, r"meshgrid: expected tensors of one dimension, got \[\(3, 4"),
    (lambda: minicnn.meshgrid(v, half), DT, "meshgrid: expected one dtype, got float64 and others"),
    # --------------------------------------------------------------------- draw
    (lambda: minicnn.rand(2, dtype=minicnn.int64), DT, "rand: only floating dtypes can be drawn"),
    (lambda: minicnn.randint(3, 4, 5), TypeError, r"randint: call it as randint\(low, high, size"),
    (lambda: minicnn.randint(3, 3, (1,)), ARG, "randint: high must be above low, got low=3, high="),
    (
        lambda: minicnn.randint(300, (1,), dtype=minicnn.int8),
        ARG,
        "randint: 0 to 300 is out of the range of int8",
    ),
    (lambda: minicnn.randperm(-1), ARG, "randperm: n must not be negative, got -1"),
    (lambda: minicnn.normal(0.0, 1.0), TypeError, "normal: size is missing"),
    (lambda: minicnn.normal(v, -1.0), ARG, r"normal: std must not be negative, got -1\.0"),
    (lambda: minicnn.bernoulli(v), ARG, "bernoulli: probabilities must lie between 0 and 1"),
    (lambda: minicnn.multinomial(x[None], 1), SH, "multinomial: expected one or two dimensions"),
    (lambda: minicnn.multinomial(-v, 1), ARG, "multinomial: each row needs finite weights, not ne"),
    (lambda: minicnn.multinomial(v, 4), ARG, "num_samples=4 must be at least 1 and.* at most 3"),
    (lambda: v.clone().normal_(0, -1), ARG, "normal_: std must not be negative, got -1"),
    (lambda: v.clone().uniform_(0, 1, 2), TypeError, "uniform_: expected at most from and to"),
    (lambda: v.clone().uniform_(2, 1), ARG, "uniform_: expected from <= to, got from=2, to=1"),
    (lambda: v.clone().random_(5, 3), ARG, "random_: expected from < to, got from=5, to=3"),
    (lambda: v.type("torch.FlotTensor"), DT, r"'torch\.FlotTensor' is not covered.*FloatTensor"),
    # --------------------------------------------------------------------- in place
    (lambda: v[:1].expand(3).add_(1), IP, r"add_: elements of this tensor \(3,\) share one place"),
    (lambda: leaf().mul_(2), IP, r"mul_: a leaf tensor that requires a gradient cannot be changed"),
    (changed_view, IP, "add_: this view was made under no_grad, so its change in place cannot be"),
    (twins, IP, "add_: .* do not share memory here, because the images are kept channels-last"),
    (lambda: x.clone().__setitem__(9, 0), DIM, "setitem: .*the tensor has shape"),
    (lambda: x.clone().__setitem__(0, "a"), TypeError, "setitem: cannot write <U1 into a tensor"),
    (lambda: x.clone().__setitem__(0, v), SH, r"a value of shape \(3,\) does not fit a region of"),
    (lambda: n.clone().add_(0.5), DT, "add_: the result is float32 and cannot be stored in int64"),
    (lambda: v.clone().add_(x.T), SH, r"add_: the result \(4, 3\) does not fit into \(3,\)"),
    (lambda: v.clone().fill_(v), SH, r"fill_: value must be a number or 0-d, not shape \(3,\)"),
]  # fmt: skip


ON_THE_HOST = ("numpy: this", "array_interface", "gather: .* on cpu")  # they say where they are
ON_ANY_DEVICE = [
    pytest.param(*case, marks=pytest.mark.host if case[2].startswith(ON_THE_HOST) else ())
    for case in CASES
]


@pytest.mark.parametrize(("call", "kind", "text"), ON_ANY_DEVICE, ids=[c[2][:40] for c in CASES])
def test_refusal_names_the_rule_and_the_values(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
        settle()  # on a GPU, indices out of range are found later


def raise_statements():
    """Where the core raises: the lines of every `raise` that names an exception."""
    for name in FILES:
        for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                yield PACKAGE / name, node.lineno, node.end_lineno


def raised_at(call):
    """The lines of the package that an exception passed through."""
    try:
        call()
    except Exception as error:
        trace = error.__traceback__
        while trace is not None:
            yield Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno
            trace = trace.tb_next


@pytest.mark.host
def test_every_raise_of_the_core_has_a_case():
    reached = {place for call, _, _ in CASES for place in raised_at(call)}
    untested = [
        f"{path.relative_to(PACKAGE)}:{first}"
        for path, first, last in raise_statements()
        if not any((path, line) in reached for line in range(first, last + 1))
    ]
    assert not untested


def test_a_missing_name_is_an_attribute_error_so_hasattr_works():
    assert not hasattr(minicnn, "compile")
    assert not hasattr(x, "cdouble")
    assert hasattr(x, "exp")
    assert getattr(x, "cdouble", None) is None
    with pytest.raises(NotImplementedError):
        minicnn.compile(x)


def test_tensors_can_be_copied_and_pickled_though_they_answer_for_missing_names():
    y = pickle.loads(pickle.dumps(leaf()))
    assert y.requires_grad and y.tolist() == [1.0, 1.0, 1.0]
    z = copy.copy(leaf())
    assert z.requires_grad
    assert copy.deepcopy([leaf(), n])[1].tolist() == [2, 0, 1]
