"""PyTorch's own test inputs, run through PyTorch and minicnn side by side.

PyTorch tests its operations with a database, `op_db`: for each one, inputs of every dtype, rank and
memory layout (`sample_inputs`), larger and odder ones (`reference_inputs`), and inputs that must
raise (`error_inputs`). Here every one of them that minicnn has a function, method, operator or
in-place method for is called in both libraries, and all that can be compared is: shape, dtype,
values, whether memory is shared, first and second gradients, and the class of exceptions.

Run as a program it prints what disagrees: ``python tests/opinfo.py [--full] [NAME ...]``.
"""

from __future__ import annotations

import argparse
import inspect
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sharing import shares_memory
from torch.testing._internal.common_methods_invocations import op_db

import minicnn
import minicnn.nn.functional
from minicnn.deferred import settle
from minicnn.errors import UnsupportedError

DTYPES = {
    torch.float64: "float64", torch.float32: "float32", torch.float16: "float16", torch.int64:
    "int64", torch.int32: "int32", torch.int16: "int16", torch.int8: "int8", torch.uint8:
    "uint8", torch.bool: "bool",
}  # fmt: skip
TOLERANCES = {"float16": (2e-2, 5e-3), "float32": (2e-5, 2e-5), "float64": (1e-9, 1e-9)}
# Drawn from different streams, or not set at all: only shape and dtype can agree.
RANDOM = {
    "normal", "uniform", "randn", "randn_like", "rand_like", "randint", "randint_like",
    "multinomial", "bernoulli", "empty", "empty_like", "new_empty", "nn.functional.dropout",
    "nn.functional.dropout2d",
}  # fmt: skip
# OpInfos whose inputs stand in another order than the function's parameters.
REORDERED = {
    "where": lambda f: lambda x, condition, other: f(condition, x, other),
    "einsum": lambda f: lambda operands, equation: f(equation, *operands),
    "nn.functional.embedding": lambda f: lambda weight, input, **k: f(input, weight, **k),
}


# Keyword arguments about the order in memory, which is minicnn's own business; no value depends on
# it.
LAYOUTS = (torch.preserve_format, torch.contiguous_format, torch.channels_last, torch.strided)


class NotComparable(Exception):
    """The sample holds something that minicnn has no counterpart of, such as a complex tensor."""


@dataclass
class Variant:
    """One way to call an operation: as a function, a method, an operator, or in place."""

    name: str
    theirs: Callable
    ours: Callable
    in_place: bool = False


@dataclass
class Disagreement:
    """What went differently: `kind` is one of KINDS."""

    op: str
    kind: str
    text: str


KINDS = {
    "value": "another value, shape or dtype",
    "gradient": "another gradient",
    "memory": "shares memory where PyTorch does not, or the other way round",
    "class": "an exception of an unrelated class",
    "accepts": "gives a result where PyTorch raises",
    "raises": "raises where PyTorch gives a result",
}


# ----------------------------------------------------------------------------------------------
# From PyTorch's arguments to ours


def converted(x: Any) -> Any:
    """Return an argument of PyTorch's as minicnn's, with the same strides in memory."""
    if isinstance(x, torch.Tensor):
        if x.dtype not in DTYPES or x.layout is not torch.strided:
            raise NotComparable(f"{x.dtype}, {x.layout}")
        array = x.detach().numpy()
        copy = np.empty(array.shape, array.dtype)
        if array.ndim and not array.flags.c_contiguous and 0 not in array.strides:
            # One element of room after each: never dense, so never contiguous.
            order = np.argsort([-s for s in array.strides], kind="stable")
            room = np.empty(
                [*(array.shape[d] for d in order[:-1]), 2 * array.shape[order[-1]]], array.dtype
            )
            copy = room[..., ::2].transpose(np.argsort(order))
        copy[...] = array
        return minicnn.from_numpy(copy).requires_grad_(x.requires_grad)
    if isinstance(x, torch.dtype):
        if x not in DTYPES:
            raise NotComparable(str(x))
        return np.dtype(DTYPES[x])
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, (torch.layout, torch.memory_format, complex)):
        raise NotComparable(str(x))
    if isinstance(x, dict):
        x = {key: value for key, value in x.items() if not any(value is d for d in LAYOUTS)}
    return _through(converted, x)


def copied(x: Any) -> Any:
    """Return an argument of PyTorch's with fresh tensors, which are leaves."""
    if isinstance(x, torch.Tensor):
        same = x.detach().clone(memory_format=torch.preserve_format)
        if x.layout is torch.strided and not x.is_contiguous() and 0 not in x.stride():
            order = np.argsort([-s for s in x.stride()], kind="stable").tolist()
            room = torch.empty(
                [*(x.shape[d] for d in order[:-1]), 2 * x.shape[order[-1]]], dtype=x.dtype
            )
            same = room[..., ::2].permute(np.argsort(order).tolist()).copy_(same)
        return same.requires_grad_(x.requires_grad)
    return _through(copied, x)


def _through(function: Callable, x: Any) -> Any:
    """Apply `function` to what a container holds."""
    if isinstance(x, torch.Size):
        return tuple(x)
    if isinstance(x, (list, tuple)):
        return type(x)(function(part) for part in x)
    if isinstance(x, dict):
        return {key: function(part) for key, part in x.items()}
    return x


def tensors(x: Any) -> list[Any]:
    """Return all tensors, PyTorch's or ours, that a result or an argument holds."""
    if isinstance(x, (torch.Tensor, minicnn.Tensor)):
        return [x]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else ()
    return [t for part in parts for t in tensors(part)]


# ----------------------------------------------------------------------------------------------
# The operations that both have


def our_function(name: str) -> Callable | None:
    """Return minicnn's function of a dotted name, or None."""
    found: Any = minicnn
    for part in name.split("."):
        found = getattr(found, part, None)
    is_function = (
        callable(found) and not isinstance(found, (type, np.dtype)) and not inspect.ismodule(found)
    )
    return found if is_function else None


def our_method(name: str) -> Callable | None:
    """Return minicnn's method of that name, or None."""
    found = inspect.getattr_static(minicnn.Tensor, name, None)
    return found.fget if isinstance(found, property) else found


def variants(op: Any) -> Iterator[Variant]:
    """Yield the ways to call `op` that both libraries have."""
    reorder = REORDERED.get(op.name, lambda f: f)
    by_name = {
        op.name: (op.op, op.method_variant),
        **{a.name: (a.op, a.method_variant) for a in op.aliases},
    }
    fills = op.full_name in ("normal.in_place", "uniform", "zero_")
    for name, (function, as_method) in by_name.items():
        ours = our_function(name)
        if ours is not None and not fills:
            yield Variant(name, function, reorder(ours))
        ours = our_method(name)
        if ours is not None and op.name not in REORDERED and (as_method or name == op.name):
            yield Variant(f"Tensor.{name}", as_method or function, ours, in_place=fills)
    in_place = op.inplace_variant
    ours = our_method(getattr(in_place, "__name__", f"{op.name}_")) if in_place else None
    if ours is not None:
        yield Variant(f"Tensor.{op.name}_", in_place, ours, in_place=True)
    for operator, changes in ((op.operator_variant, False), (op.inplace_operator_variant, True)):
        if operator is not None and our_method(f"__{operator.__name__.strip('_')}__") is not None:
            yield Variant(f"operator.{operator.__name__}", operator, operator, changes)


COVERED = [op for op in op_db if op.full_name != "bmm.triton_optimized" and list(variants(op))]


# ----------------------------------------------------------------------------------------------
# One sample through one variant


def run(op: Any, variant: Variant, sample: Any, second: bool = True) -> Disagreement | None:
    """Call `variant` on `sample` in both libraries; return how they disagree."""
    theirs = copied((sample.input, tuple(sample.args), dict(sample.kwargs)))
    ours = converted((sample.input, tuple(sample.args), dict(sample.kwargs)))
    y, error = _called(variant, variant.theirs, *theirs)
    z, our_error = _called(variant, variant.ours, *ours)

    def differs(kind: str, text: str) -> Disagreement:
        where = (
            f"{variant.name}({shown(sample.input)}, {shown(sample.args)}, {shown(sample.kwargs)})"
        )
        return Disagreement(op.full_name, kind, f"{where}: {text}")

    if our_error is not None and (
        "out" in sample.kwargs or isinstance(our_error, UnsupportedError)
    ):
        return None  # says that it does not cover this
    if error is not None and our_error is not None:
        if isinstance(our_error, type(error)):
            return None
        return differs("class", f"{our_error!r} is no {type(error).__name__}: {error}")
    if error is not None:
        return differs("accepts", f"PyTorch raises {type(error).__name__}: {error}")
    if our_error is not None:
        return differs("raises", repr(our_error))
    if any(t.dtype.is_complex for t in tensors(y)):
        return None
    drawn = op.name in RANDOM
    text = difference(y, z, values=not drawn)
    if text:
        return differs("value", text)
    if variant.in_place:
        if z is not ours[0] and not ours[0].requires_grad:
            return differs("memory", "did not return the tensor itself")
    else:
        text = _sharing(y, theirs, z, ours)
        if text:
            return differs("memory", text)
    text = None if drawn else gradient_difference(y, theirs, z, ours, second)
    return differs("gradient", text) if text else None


def _called(
    variant: Variant, function: Callable, x: Any, args: Any, keywords: Any
) -> tuple[Any, Any]:
    if variant.in_place and isinstance(x, (torch.Tensor, minicnn.Tensor)) and x.requires_grad:
        x = x.clone()  # a leaf that requires a gradient may not be changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(x, *args, **keywords)
            settle()  # on a GPU, indices out of range are found later
            return result, None
        except Exception as error:
            return None, error


def _sharing(y: Any, theirs: Any, z: Any, ours: Any) -> str | None:
    if minicnn.get_default_device().type != "cpu":
        return None  # the inputs came there by a copy, which is laid out anew
    sources = {t.untyped_storage().data_ptr() for t in tensors(theirs) if t.numel()}
    for i, (a, b) in enumerate(zip(tensors(y), tensors(z), strict=True)):
        expected = a.numel() > 0 and a.untyped_storage().data_ptr() in sources
        found = b.numel() > 0 and any(shares_memory(b.array, t.array) for t in tensors(ours))
        if expected != found:
            return f"result {i} shares memory: {found}, expected {expected}"
    return None


def difference(theirs: Any, ours: Any, scale: float = 1, values: bool = True) -> str | None:
    """Return how a result differs from PyTorch's in type, shape, dtype or values, or None."""
    if isinstance(theirs, torch.Tensor):
        expected = theirs.detach().numpy(force=True)
        if not isinstance(ours, minicnn.Tensor) or (ours.shape, ours.dtype) != (
            expected.shape,
            expected.dtype,
        ):
            found = getattr(ours, "dtype", type(ours).__name__), getattr(ours, "shape", ())
            return f"{found} instead of {expected.dtype, expected.shape}"
        return array_difference(ours.numpy(force=True), expected, scale) if values else None
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or len(theirs) != len(ours):
            return f"{ours!r} instead of {theirs!r}"
        pairs = zip(theirs, ours, strict=True)
        return next((d for d in (difference(a, b, scale, values) for a, b in pairs) if d), None)
    if isinstance(theirs, (int, float)):
        same = type(theirs) is type(ours) and np.isclose(theirs, ours, 1e-5, 1e-8, equal_nan=True)
        return None if same else f"{ours!r} instead of {theirs!r}"
    return None if theirs == ours else f"{ours!r} instead of {theirs!r}"


def array_difference(found: Any, expected: np.ndarray, scale: float = 1) -> str | None:
    """Return where two arrays differ by more than the tolerance of their dtype."""
    found = np.asarray(found)
    rtol, atol = TOLERANCES.get(expected.dtype.name, (0, 0))
    with np.errstate(all="ignore"):
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in (found, expected)]
        same = np.isclose(*wide, rtol * scale, atol * scale, equal_nan=True)
    if same.all():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(~np.atleast_1d(same)))
    values = np.atleast_1d(found)[at], np.atleast_1d(expected)[at]
    return f"{values[0]} instead of {values[1]} at {at} ({(~same).sum()} of {same.size} differ)"


def gradient_difference(y: Any, theirs: Any, z: Any, ours: Any, second: bool) -> str | None:
    """Return how first (fast and recorded) or second gradients differ, of one random direction
    each.
    """
    for a, b in zip(tensors(y), tensors(z), strict=True):
        if a.requires_grad != b.requires_grad:
            return f"requires_grad is {b.requires_grad}, expected {a.requires_grad}"
    outs = [(a, b) for a, b in zip(tensors(y), tensors(z), strict=True) if a.requires_grad]
    leaves = [[t for t in tensors(x) if t.requires_grad] for x in (theirs, ours)]
    if not outs or not leaves[0]:
        return None
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal(a.shape) for a, _ in outs]
    seeds = [
        torch.from_numpy(np.asarray(d)).to(a.dtype) for d, (a, _) in zip(draws, outs, strict=True)
    ]
    our_seeds = [
        minicnn.from_numpy(np.asarray(d)).to(b.device, b.dtype)
        for d, (_, b) in zip(draws, outs, strict=True)
    ]
    for seed in (*seeds, *our_seeds):
        seed.requires_grad_()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = torch.autograd.grad(
                [a for a, _ in outs], leaves[0], seeds, create_graph=True, allow_unused=True
            )
    except RuntimeError:
        return None  # PyTorch has no derivative here
    grad = minicnn.autograd.grad
    options = {"retain_graph": True, "allow_unused": True}
    for recorded in (False, True):
        found = grad([b for _, b in outs], leaves[1], our_seeds, create_graph=recorded, **options)
        for i, (e, f) in enumerate(zip(expected, found, strict=True)):
            text = _pair_difference(e, f, 1)
            if text:
                return f"gradient {i} ({'recorded' if recorded else 'fast'}): {text}"
    if not second:
        return None
    sums: list[list[Any]] = [[], []]
    for e, f in zip(expected, found, strict=True):
        if e is not None and f is not None:
            draw = np.asarray(rng.standard_normal(e.shape))
            sums[0] += [(e * torch.from_numpy(draw).to(e.dtype)).sum()] if e.requires_grad else []
            sums[1] += [(f * minicnn.from_numpy(draw).to(f.dtype)).sum()] if f.requires_grad else []
    if not sums[0] or not sums[1]:
        return None
    try:
        expected = torch.autograd.grad(sum(sums[0]), leaves[0] + seeds, allow_unused=True)
    except RuntimeError:
        return None
    found = grad(sum(sums[1]), leaves[1] + our_seeds, **options)
    pairs = enumerate(zip(expected, found, strict=True))
    return next(
        (f"second gradient {i}: {d}" for i, p in pairs if (d := _pair_difference(*p, 10))), None
    )


def _pair_difference(expected: Any, found: Any, scale: float) -> str | None:
    """Compare two gradients; None and zeros mean the same."""
    if expected is None and found is None:
        return None
    like = expected.detach().numpy(force=True) if expected is not None else found.numpy(force=True)
    zeros = np.zeros(like.shape, like.dtype)
    return array_difference(
        zeros if found is None else found.numpy(force=True),
        zeros if expected is None else like,
        scale,
    )


def shown(x: Any) -> str:
    """Return a short description of an argument."""
    if isinstance(x, torch.Tensor):
        values = f" {x.tolist()}" if x.numel() < 5 else ""
        return f"{str(x.dtype)[6:]}{list(x.shape)}{'' if x.is_contiguous() else ' strided'}{values}"
    if isinstance(x, (list, tuple)):
        return f"({', '.join(map(shown, x))})"
    if isinstance(x, dict):
        return ", ".join(f"{k}={shown(v)}" for k, v in x.items())
    return repr(x)


# ----------------------------------------------------------------------------------------------
# All samples of one operation


def spread(samples: list[Any], limit: int | None) -> list[Any]:
    """Return at most `limit` of the samples, evenly chosen."""
    if limit is None or len(samples) <= limit:
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]


def samples_of(op: Any, dtype: torch.dtype, limit: int | None) -> list[Any]:
    """Return samples of one dtype (at most `limit`), and some of them in strided memory."""
    wants_gradient = dtype.is_floating_point and op.supports_autograd
    make = op.sample_inputs_func
    if limit is None and op.reference_inputs_func is not None:
        make = op.reference_inputs_func
    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # PyTorch's makers draw from all three
    try:
        found = spread(list(make(op, "cpu", dtype, wants_gradient)), limit)
    except Exception:
        return []  # PyTorch's own maker of inputs refuses the dtype
    return found + [s.noncontiguous() for s in found[:: 1 if limit is None else 3]]


def disagreements(op: Any, limit: int | None = None) -> tuple[int, list[Disagreement]]:
    """Run all samples (at most `limit` per dtype) of `op`; return how many, and what disagreed."""
    count, found = 0, []
    make_errors = op.error_inputs_func
    errors = [e.sample_input for e in make_errors(op, "cpu")] if make_errors is not None else []
    for dtype in DTYPES:
        second = dtype == torch.float64
        for sample in samples_of(op, dtype, limit):
            for variant in variants(op):
                try:
                    found.append(run(op, variant, sample, second))
                    count += 1
                except NotComparable:
                    pass
    for sample in errors:
        is_tensor = isinstance(sample.input, (torch.Tensor, list, tuple)) or op.name in (
            "arange",
            "linspace",
        )
        for variant in variants(op):
            # Methods of a number, and what NumPy's 64 dimensions cannot hold, have no counterpart.
            if variant.in_place or not is_tensor or any(t.ndim > 64 for t in tensors(sample.input)):
                continue
            try:
                found.append(run(op, variant, sample))
                count += 1
            except NotComparable:
                pass
    return count, [d for d in found if d is not None]


def main() -> None:
    """Print what disagrees, by operation."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="operations of op_db (default: all covered)")
    parser.add_argument(
        "--full", action="store_true", help="all reference inputs, not six for a dtype"
    )
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    for op in COVERED:
        if options.names and op.name not in options.names and op.full_name not in options.names:
            continue
        count, found = disagreements(op, None if options.full else 6)
        totals["compared"] += count
        kinds = Counter(d.kind for d in found)
        totals.update(kinds)
        if found:
            print(f"{op.full_name:36s} {count:6d} compared; {dict(kinds)}")
        for kind in kinds:
            print("   ", kind, next(d.text for d in found if d.kind == kind)[:300])
    print(dict(totals))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
