"""Every operation and layer has the derivatives it should have, first and second."""

from __future__ import annotations

import io
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minicnn
import minicnn.nn as nn
import minicnn.nn.functional as F
from minicnn import gradcases
from minicnn.autograd import Node, Op, grad, wrap
from minicnn.gradcheck import derivative_of, judge
from minicnn.gradcheck.jacobian import Tolerance
from minicnn.gradcheck.problem import problem_of
from minicnn.tensor import Tensor

CASES = gradcases.all_cases()
by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
TIGHT = Tolerance(eps=1e-6, atol=1e-6, rtol=1e-5)


def outputs_of(function, inputs):
    """Return the floating outputs as a list."""
    found = function(*inputs)
    found = found if isinstance(found, tuple) else (found,)
    return [y for y in found if y.dtype.kind == "f"]


def tape(tensors):
    """Return the types of all operations that the tensors were made by."""
    stack = [t.grad_fn for t in tensors if t.grad_fn is not None]
    found = set()
    while stack:
        node = stack.pop()
        found.add(type(node.op))
        stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    return found


def variables(function, inputs):
    """Return all tensors that a case is differentiated by."""
    return list(problem_of(function, inputs).targets.values())


def seeds_for(tensors, seed=7):
    """Return fixed gradients to begin from, in the dtypes of the tensors."""
    rng = np.random.default_rng(seed)
    return [
        minicnn.tensor(rng.uniform(0.5, 1.5, y.shape).astype(y.dtype), requires_grad=True)
        for y in tensors
    ]


# ----------------------------------------------------------------------------------- the cases


@by_name
def test_derivatives_agree_with_differences_at_first_and_second_order(case):
    for verdict in gradcases.check(case):
        assert verdict.failure is None
        assert not verdict.kinks
        assert verdict.error < 1e-6


def test_names_of_cases_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_every_operation_has_a_case():
    covered = set()
    for case in CASES:
        covered |= tape(outputs_of(*case.build()))
    ours = [op for op in Op.registry if op.__module__.startswith("minicnn.")]
    missing = [op.__name__ for op in ours if op not in covered and not excused(op)]
    assert not missing, f"write a case in minicnn/gradcases for {missing}"
    assert {op.__name__ for op in ours} >= set(gradcases.NOT_DIFFERENTIABLE)


def excused(op):
    """Whether an operation is listed as one without derivatives, and really has none."""
    return op.__name__ in gradcases.NOT_DIFFERENTIABLE and not op._derivatives


def test_every_layer_has_a_case():
    from minicnn.gradcases.layers import NO_DERIVATIVE

    covered = set()
    for case in CASES:
        function, _ = case.build()
        covered |= (
            {type(m) for m in function.modules()} if isinstance(function, nn.Module) else set()
        )
    layers = [c for c in vars(nn).values() if isinstance(c, type) and issubclass(c, nn.Module)]
    missing = {c.__name__ for c in layers if c not in covered} - set(NO_DERIVATIVE)
    assert not missing, f"write a case in minicnn/gradcases/layers.py for {missing}"


def test_completeness_notices_an_operation_without_a_case():
    class Unchecked(Op):
        def forward(self, x):
            return x

        def dx(self, dy):
            return dy

    Unchecked.__module__ = "minicnn.ops.unchecked"
    try:
        with pytest.raises(
            AssertionError, match=r"write a case in minicnn/gradcases for \['Unchecked'\]"
        ):
            test_every_operation_has_a_case()
    finally:
        Op.registry.remove(Unchecked)


@by_name
def test_fast_derivatives_equal_those_that_define_them(case):
    """`fast_backward` and `FusedOp` against the derivative written in operations."""
    function, inputs = case.build()
    outputs, wanted = outputs_of(function, inputs), variables(function, inputs)
    seeds = seeds_for(outputs)
    fast = grad(outputs, wanted, seeds, allow_unused=True)
    recorded = grad(
        outputs_of(function, inputs), wanted, seeds, create_graph=True, allow_unused=True
    )
    compare(fast, recorded)
    known = [g for g in recorded if g is not None and g.requires_grad]
    if known:
        weights = [w.detach() for w in seeds_for(known, seed=8)]
        again = {"grad_outputs": weights, "allow_unused": True, "retain_graph": True}
        second = grad(known, [*wanted, *seeds], **again)
        compare(second, grad(known, [*wanted, *seeds], create_graph=True, **again))


def compare(ours, theirs, tolerance=1e-10):
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(
                a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
            )


@by_name
def test_gradients_of_some_inputs_equal_those_of_all(case):
    """An operation that is asked for one gradient only may take a shorter way to it."""
    function, inputs = case.build()
    wanted = variables(function, inputs)
    seeds = [g.detach() for g in seeds_for(outputs_of(function, inputs))]
    everything = grad(outputs_of(function, inputs), wanted, seeds, allow_unused=True)
    for x, g in zip(wanted, everything, strict=True):
        compare(grad(outputs_of(function, inputs), [x], seeds, allow_unused=True), [g])
    for x in wanted:
        x.requires_grad_(False)
    for x, g in zip(wanted, everything, strict=True):
        x.requires_grad_(True)
        outputs = outputs_of(function, inputs)
        if any(y.requires_grad for y in outputs):
            compare(grad(outputs, [x], seeds, allow_unused=True), [g])
        x.requires_grad_(False)


def in_dtype(case, dtype):
    """Return function and inputs of a case with all floating tensors in `dtype`."""
    function, inputs = case.build()
    if isinstance(function, nn.Module):
        function = function.to(dtype)
    return function, tuple(
        x.detach().to(dtype).requires_grad_(x.requires_grad)
        if isinstance(x, Tensor) and x.is_floating_point()
        else x
        for x in inputs
    )


@by_name
def test_float32_in_gives_float32_out_and_back(case):
    double, inputs = case.build()
    exact = outputs_of(double, inputs)
    seeds = [s.detach() for s in seeds_for(exact)]
    expected = grad(exact, variables(double, inputs), seeds, allow_unused=True)

    function, inputs = in_dtype(case, minicnn.float32)
    outputs, wanted = outputs_of(function, inputs), variables(function, inputs)
    for y, z in zip(outputs, exact, strict=True):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    for create_graph in (False, True):
        options = {"allow_unused": True, "retain_graph": True, "create_graph": create_graph}
        found = grad(outputs, wanted, [s.float() for s in seeds], **options)
        for x, g, e in zip(wanted, found, expected, strict=True):
            assert g is None or (g.dtype == x.dtype == np.float32 and g.shape == x.shape)
            if g is not None:
                np.testing.assert_allclose(g.detach().numpy(), e.numpy(), rtol=1e-3, atol=1e-4)


@by_name
def test_float16_in_gives_float16_out_and_back(case):
    function, inputs = in_dtype(case, minicnn.float16)
    outputs, wanted = outputs_of(function, inputs), variables(function, inputs)
    assert {y.dtype for y in outputs} == {np.dtype("float16")}
    for create_graph in (False, True):
        seeds = [s.detach() for s in seeds_for(outputs)]
        found = grad(
            outputs, wanted, seeds, allow_unused=True, retain_graph=True, create_graph=create_graph
        )
        assert {g.dtype for g in found if g is not None} <= {np.dtype("float16")}


def scattered(x):
    """Return a tensor like x whose elements lie far apart in memory, in another order."""
    order = tuple(reversed(range(x.ndim)))
    wide = minicnn.zeros(*(x.shape[d] for d in order), 2, dtype=x.dtype, device=x.device).array
    wide[..., 0] = x.array.transpose(order)
    y = wrap(wide[..., 0].transpose(order))
    assert not y.array.flags.c_contiguous or y.numel() < 2
    return y.requires_grad_(x.requires_grad)


@by_name
def test_results_do_not_depend_on_the_layout_in_memory(case):
    function, inputs = case.build()
    seeds = [s.detach() for s in seeds_for(outputs_of(function, inputs))]
    moved = tuple(scattered(x) if isinstance(x, Tensor) else x for x in inputs)
    if case.name == "inplace-on-base":  # its view would have to be a copy, and that is refused
        with pytest.raises(minicnn.errors.InPlaceError, match="do not share memory here"):
            function(*moved)
        return
    plain, other = outputs_of(function, inputs), outputs_of(function, moved)
    compare(other, plain, 1e-12)
    for create_graph in (False, True):
        options = {"allow_unused": True, "retain_graph": True, "create_graph": create_graph}
        expected = grad(plain, variables(function, inputs), seeds, **options)
        found = grad(other, variables(function, moved), [scattered(s) for s in seeds], **options)
        compare(found, expected, 1e-11)


# ----------------------------------------------------------------------------------- the table


def test_the_report_lists_name_errors_time_and_result():
    out = io.StringIO()
    assert gradcases.gradcheck_report("matmul", out) is True
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["name", "1st", "order", "2nd", "order", "time", "result"]
    assert any(line.startswith("matmul-broadcast ") and line.endswith(" ms  ok") for line in lines)
    assert lines[-1].endswith(" s, 0 failed") and len(lines) > 5


def test_the_report_of_nothing_is_a_failure():
    out = io.StringIO()
    assert gradcases.gradcheck_report("no such case", out) is False
    assert out.getvalue().splitlines()[-1].startswith("0 checked")


def test_the_report_tells_failures_and_kinks(monkeypatch):
    module = ModuleType("family")
    x = gradcases.case.constant(minicnn.tensor([0.0, 1.0], dtype="float64", requires_grad=True))
    module.CASES = [
        gradcases.Case("bent", lambda x: F.relu(x), (x,)),
        gradcases.Case("broken", lambda x: x * x.detach(), (x,)),
        gradcases.Case("crash", lambda x: x @ minicnn.ones(3).double(), (x,)),
    ]
    monkeypatch.setattr(gradcases, "FAMILIES", ["family"])
    monkeypatch.setattr(gradcases.importlib, "import_module", lambda *names: module)
    out = io.StringIO()
    assert gradcases.gradcheck_report(file=out) is False
    bent, broken, crash = out.getvalue().splitlines()[1:4]
    assert "kink: output[0] has a kink at inputs[0][0]" in bent
    assert "FAIL: the derivative of output[1] with respect to inputs[0][1] is wrong" in broken
    assert "FAIL: ShapeError: matmul: the inner sizes differ" in crash
    assert out.getvalue().splitlines()[-1].startswith("3 checked") and "2 failed" in out.getvalue()


# ------------------------------------------------------- shapes and options that nobody thought of


def normal(*shape, seed=0):
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return minicnn.tensor(values, requires_grad=True)


def distinct(*shape, seed=0):
    """Numbers no two of which are near each other: no ties for a maximum."""
    count = int(np.prod(shape))
    values = (np.random.default_rng([seed, *shape]).permutation(count) - count / 2) * 0.3 + 0.1
    return minicnn.tensor(values.reshape(shape), requires_grad=True)


def check(function, *inputs):
    """Assert that the derivatives of both orders agree with differences."""
    first = problem_of(function, inputs)
    for order, problem in ((1, first), (2, derivative_of(first))):
        verdict = judge(problem, TIGHT, order=order)
        assert verdict.failure is None
        assert not verdict.kinks


small = st.integers(1, 3)
pairs = st.one_of(small, st.tuples(small, small))
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def two(value):
    return value if isinstance(value, tuple) else (value, value)


@st.composite
def convolutions(draw, transposed=False):
    """Draw input and weight shapes and options that fit together."""
    groups = draw(st.integers(1, 3))
    c, f = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(small, small))
    options = {
        "stride": draw(pairs),
        "dilation": draw(st.one_of(st.integers(1, 2), st.tuples(small, st.integers(1, 2)))),
        "padding": draw(
            st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 1)))
        ),
        "groups": groups,
    }
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    n = draw(st.integers(1, 2))
    if transposed:
        limits = [
            max(s, d) - 1
            for s, d in zip(two(options["stride"]), two(options["dilation"]), strict=True)
        ]
        options["output_padding"] = tuple(draw(st.integers(0, limit)) for limit in limits)
        return (n, c, *size), (c, f // groups, *kernel), (f,), options
    if draw(st.integers(0, 4)) == 0:
        options["stride"], options["padding"] = 1, "same"
    return (n, c, *size), (f, c // groups, *kernel), (f,), options


@given(convolutions(), st.booleans())
@settings(max_examples=80)
def test_conv2d_for_all_shapes_and_options(drawn, biased):
    x, w, b, options = drawn
    inputs = [normal(*x), normal(*w, seed=1)] + [normal(*b, seed=2)] * biased
    fits(lambda: F.conv2d(*inputs, **options))
    check(lambda *inputs: F.conv2d(*inputs, **options), *inputs)


@given(convolutions(transposed=True), st.booleans())
@settings(max_examples=60)
def test_conv_transpose2d_for_all_shapes_and_options(drawn, biased):
    x, w, b, options = drawn
    inputs = [normal(*x), normal(*w, seed=1)] + [normal(*b, seed=2)] * biased
    fits(lambda: F.conv_transpose2d(*inputs, **options))
    check(lambda *inputs: F.conv_transpose2d(*inputs, **options), *inputs)


def fits(call):
    """Leave out what does not fit: a kernel larger than its input, an empty output."""
    try:
        call()
    except minicnn.errors.ShapeError:
        assume(False)


@given(convolutions(), st.booleans())
@settings(max_examples=25)
def test_conv1d_for_all_shapes_and_options(drawn, biased):
    x, w, b, options = drawn
    options = {k: v[1] if isinstance(v, tuple) else v for k, v in options.items()}
    inputs = [normal(*x[:3]), normal(*w[:3], seed=1)] + [normal(*b, seed=2)] * biased
    fits(lambda: F.conv1d(*inputs, **options))
    check(lambda *inputs: F.conv1d(*inputs, **options), *inputs)


@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
    kernel=pairs,
    stride=st.one_of(st.none(), pairs),
    padding=st.integers(0, 1),
    dilation=pairs,
    ceil_mode=st.booleans(),
)
@settings(max_examples=60)
def test_max_pool2d_for_all_shapes_and_options(size, kernel, stride, padding, dilation, ceil_mode):
    x, options = distinct(*size), (kernel, stride, padding, dilation, ceil_mode)
    fits(lambda: F.max_pool2d(x, *options))
    check(lambda x: F.max_pool2d(x, *options), x)


@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
    kernel=pairs,
    stride=st.one_of(st.none(), pairs),
    padding=st.integers(0, 1),
    ceil_mode=st.booleans(),
    include=st.booleans(),
    divisor=st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=60)
def test_avg_pool2d_for_all_shapes_and_options(
    size, kernel, stride, padding, ceil_mode, include, divisor
):
    x, options = normal(*size), (kernel, stride, padding, ceil_mode, include, divisor)
    fits(lambda: F.avg_pool2d(x, *options))
    check(lambda x: F.avg_pool2d(x, *options), x)


@given(
    size=st.tuples(small, small, st.integers(1, 6), st.integers(1, 6)),
    out=st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
@settings(max_examples=30)
def test_adaptive_pooling_for_all_sizes(size, out):
    check(lambda x: F.adaptive_avg_pool2d(x, out), normal(*size))
    check(lambda x: F.adaptive_max_pool2d(x, out), distinct(*size))


@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 4), st.integers(1, 4)),
    out=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    mode=st.sampled_from([("nearest", None), ("bilinear", False), ("bilinear", True)]),
)
@settings(max_examples=30)
def test_interpolation_for_all_sizes(size, out, mode):
    check(lambda x: F.interpolate(x, out, mode=mode[0], align_corners=mode[1]), normal(*size))


@given(
    size=st.tuples(st.integers(1, 4), small, st.integers(1, 3), st.integers(1, 3)),
    rank=st.integers(2, 4),
    affine=st.booleans(),
)
@settings(max_examples=40)
def test_batch_norm_for_all_shapes(size, rank, affine):
    shape = size[:rank]
    assume(
        np.prod(shape) // shape[1] > 2
    )  # of two numbers the result is 1 and -1: no derivative to see
    parameters = [normal(shape[1], seed=1), normal(shape[1], seed=2)] if affine else []
    check(lambda x, *p: F.batch_norm(x, None, None, *p, training=True), normal(*shape), *parameters)


@given(shape=shapes, last=st.integers(1, 4), affine=st.booleans())
@settings(max_examples=40)
def test_layer_norm_for_all_shapes(shape, last, affine):
    inner = shape[-min(last, len(shape)) :]
    assume(np.prod(inner) > 2)
    parameters = [normal(*inner, seed=1), normal(*inner, seed=2)] if affine else []
    check(lambda x, *p: F.layer_norm(x, inner, *p), normal(*shape), *parameters)


@given(
    n=small,
    groups=small,
    width=st.integers(1, 2),
    size=st.lists(small, max_size=2).map(tuple),
    affine=st.booleans(),
)
@settings(max_examples=40)
def test_group_norm_for_all_shapes(n, groups, width, size, affine):
    channels = groups * width
    assume(width * np.prod(size) > 2)
    parameters = [normal(channels, seed=1), normal(channels, seed=2)] if affine else []
    check(lambda x, *p: F.group_norm(x, groups, *p), normal(n, channels, *size), *parameters)


@given(channels=st.integers(1, 6), size=st.integers(1, 6), beta=st.sampled_from([0.5, 0.75, 1.0]))
@settings(max_examples=20)
def test_local_response_norm_for_all_sizes(channels, size, beta):
    check(lambda x: F.local_response_norm(x, size, 0.3, beta, 1.5), normal(2, channels, 2))


REDUCTIONS = {
    "sum": normal, "mean": normal, "var": normal, "std": normal, "logsumexp": normal,
    "norm": normal, "amax": distinct, "amin": distinct,
}  # fmt: skip


@given(
    shape=shapes, name=st.sampled_from(sorted(REDUCTIONS)), keepdim=st.booleans(), data=st.data()
)
@settings(max_examples=100)
def test_reductions_for_all_dims(shape, name, keepdim, data):
    choice = st.sets(st.integers(0, len(shape) - 1), min_size=1)
    dims = tuple(d - len(shape) * data.draw(st.booleans()) for d in data.draw(choice))
    if name in ("var", "std", "norm"):
        assume(np.prod([shape[d] for d in dims]) > 1)
    options = {"correction": data.draw(st.integers(0, 1))} if name in ("var", "std") else {}
    check(
        lambda x: getattr(x, name)(dim=dims, keepdim=keepdim, **options), REDUCTIONS[name](*shape)
    )


ALONG = {
    "cumsum": lambda x, d: x.cumsum(d),
    "prod": lambda x, d: x.prod(d),
    "max": lambda x, d: x.max(d),
    "min": lambda x, d: x.min(d, keepdim=True),
    "median": lambda x, d: x.median(d),
    "sort": lambda x, d: x.sort(d),
    "topk": lambda x, d: x.topk(x.shape[d], d),
    "softmax": lambda x, d: F.softmax(x, d),
    "log_softmax": lambda x, d: F.log_softmax(x, d),
    "flip": lambda x, d: x.flip(d),
    "chunk": lambda x, d: x.chunk(2, d),
    "unbind": lambda x, d: x.unbind(d),
    "normalize": lambda x, d: F.normalize(x, dim=d),
    "roll": lambda x, d: minicnn.roll(x, 1, d),
}


@given(shape=shapes, name=st.sampled_from(sorted(ALONG)), data=st.data())
@settings(max_examples=100)
def test_operations_along_a_dim_for_all_dims(shape, name, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    if name == "normalize":
        assume(shape[dim] > 1)
    check(lambda x: ALONG[name](x, dim), distinct(*shape))


@given(
    shape=shapes,
    data=st.data(),
    name=st.sampled_from(["add", "sub", "mul", "div", "maximum", "where"]),
)
@settings(max_examples=60)
def test_broadcasting_for_all_shapes(shape, data, name):
    other = tuple(n if data.draw(st.booleans()) else 1 for n in shape)[
        data.draw(st.integers(0, len(shape))) :
    ]
    a, b = normal(*shape), normal(*other, seed=1)
    if data.draw(st.booleans()):
        a, b = b, a
    mask = minicnn.tensor(np.random.default_rng(2).random(shape) < 0.5)
    functions = {
        "div": lambda a, b: a / (b.abs() + 0.5),
        "where": lambda a, b: minicnn.where(mask, a, b),
    }
    check(functions.get(name) or getattr(minicnn, name), a, b)


@st.composite
def indices(draw, shape):
    """Draw an index of any kind: numbers, slices, None, `...`, arrays, masks, in any order."""
    parts, d = [], 0
    arrays = draw(st.booleans())
    count = draw(st.integers(1, 3))
    while d < len(shape):
        n = shape[d]
        kind = draw(st.sampled_from(["number", "slice", "all", "None", "array", "mask"]))
        if kind == "None":
            parts.append(None)
            if len(parts) < 6:
                continue
        elif kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2]))))
        elif kind == "array" and arrays:
            values = [draw(st.integers(-n, n - 1)) for _ in range(count)]
            parts.append(minicnn.tensor(values))
        elif kind == "mask" and arrays and count == 1:
            parts.append(minicnn.tensor(np.arange(n) == draw(st.integers(0, n - 1))))
        else:
            parts.append(slice(None))
        d += 1
    if draw(st.booleans()):
        parts = [*parts[: draw(st.integers(0, len(parts)))], ...]
    return tuple(parts)


@given(shape=shapes, data=st.data())
@settings(max_examples=100)
def test_indexing_of_every_kind(shape, data):
    index = data.draw(indices(shape))
    check(lambda x: x[index], normal(*shape))


@given(shape=shapes, data=st.data())
@settings(max_examples=80)
def test_assignment_of_every_kind(shape, data):
    index = data.draw(indices(shape))
    region = np.zeros(shape)[tuple(p.numpy() if isinstance(p, Tensor) else p for p in index)].shape
    value = tuple(n if data.draw(st.booleans()) else 1 for n in region)[
        data.draw(st.integers(0, len(region))) :
    ]

    def function(x, v):
        y = x.sin()
        y[index] = v
        return y

    if not any(isinstance(part, Tensor) for part in index):
        check(function, normal(*shape), normal(*value, seed=1))
    else:  # a place named twice has one of the values, and which one is not said: only x is checked
        check(lambda x: function(x, minicnn.zeros(value).double()), normal(*shape))


@given(
    batch=st.lists(small, max_size=2).map(tuple),
    m=small, k=small, n=small, data=st.data(),
)  # fmt: skip
@settings(max_examples=60)
def test_matmul_for_all_ranks(batch, m, k, n, data):
    def leading():
        kept = tuple(b if data.draw(st.booleans()) else 1 for b in batch)
        return kept[data.draw(st.integers(0, len(batch))) :]

    a = (*leading(), m, k) if data.draw(st.integers(0, 3)) else (k,)
    b = (*leading(), k, n) if data.draw(st.integers(0, 3)) else (k,)
    check(lambda a, b: a @ b, normal(*a), normal(*b, seed=1))


@given(data=st.data(), count=st.integers(1, 3))
@settings(max_examples=60)
def test_einsum_for_all_subscripts(data, count):
    sizes = dict(zip("abcd", (2, 3, 1, 2), strict=True))
    terms = [data.draw(st.text("abcd", min_size=1, max_size=3)) for _ in range(count)]
    known = sorted(set("".join(terms)))
    output = "".join(data.draw(st.permutations(known)))[: data.draw(st.integers(0, len(known)))]
    equation = ",".join(terms) + ("->" + output if data.draw(st.booleans()) else "")
    inputs = [normal(*(sizes[c] for c in term), seed=i) for i, term in enumerate(terms)]
    check(lambda *xs: minicnn.einsum(equation, *xs), *inputs)


REGRESSION = {
    "mse_loss": F.mse_loss,
    "huber_loss": lambda x, t, **o: F.huber_loss(x, t, delta=0.8, **o),
    "smooth_l1_loss": lambda x, t, **o: F.smooth_l1_loss(x, t, beta=0.8, **o),
    "l1_loss": F.l1_loss,
    "binary_cross_entropy": lambda x, t, **o: F.binary_cross_entropy(x.sigmoid(), t.sigmoid(), **o),
    "binary_cross_entropy_with_logits": lambda x, t, **o: F.binary_cross_entropy_with_logits(
        x, t.sigmoid(), **o
    ),
    "kl_div": lambda x, t, **o: F.kl_div(x, t, log_target=True, **o),
}
reductions = st.sampled_from(["none", "mean", "sum"])


@given(shape=shapes, name=st.sampled_from(sorted(REGRESSION)), reduction=reductions)
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore:.*reduction.*mean")
def test_losses_for_all_shapes(shape, name, reduction):
    check(
        lambda x, t: REGRESSION[name](x, t, reduction=reduction),
        normal(*shape),
        normal(*shape, seed=1),
    )


@given(
    n=small, classes=st.integers(2, 4), size=st.lists(st.integers(1, 2), max_size=2).map(tuple),
    reduction=reductions, smoothing=st.sampled_from([0.0, 0.1, 1.0]), weighted=st.booleans(),
    kind=st.sampled_from(["labels", "ignored", "probabilities", "nll"]),
)  # fmt: skip
@settings(max_examples=80)
def test_classification_losses_for_all_shapes_and_options(
    n, classes, size, reduction, smoothing, weighted, kind
):
    rng = np.random.default_rng(n)
    x = normal(n, classes, *size)
    options = {"reduction": reduction}
    if weighted:
        options["weight"] = minicnn.tensor(rng.uniform(0.5, 1.5, classes))
    labels = rng.integers(0, classes, (n, *size))
    if kind == "ignored":
        options["ignore_index"] = 0
        labels[0] = 1
    if kind == "nll":
        check(lambda x: F.nll_loss(x, minicnn.tensor(labels), **options), x)
    elif kind == "probabilities":
        target = minicnn.tensor(rng.dirichlet(np.ones(classes), (n, *size)), requires_grad=True)
        target = target.detach().movedim(-1, 1).clone().requires_grad_()
        check(lambda x, t: F.cross_entropy(x, t, label_smoothing=smoothing, **options), x, target)
    else:
        check(
            lambda x: F.cross_entropy(
                x, minicnn.tensor(labels), label_smoothing=smoothing, **options
            ),
            x,
        )


@given(shape=st.lists(st.integers(2, 4), min_size=1, max_size=3).map(tuple), data=st.data())
@settings(max_examples=40)
def test_padding_for_all_widths_and_modes(shape, data):
    mode = data.draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    least = -1 if mode == "constant" else 0
    count = data.draw(st.integers(1, len(shape)))
    widths = tuple(data.draw(st.integers(least, 1)) for _ in range(2 * count))
    check(lambda x: F.pad(x, widths, mode), normal(*shape))


@given(shape=shapes, data=st.data())
@settings(max_examples=60)
def test_changes_of_shape_for_all_shapes(shape, data):
    """Permute, reshape, expand, repeat and diagonal, one after another."""
    order = data.draw(st.permutations(range(len(shape))))
    times = [data.draw(st.integers(1, 2)) for _ in shape]
    offset = data.draw(st.integers(-1, 1))

    def function(x):
        y = x.permute(*order).reshape(-1, 1).expand(-1, 3)
        z = x.repeat(*times).flatten() * y.sum()
        return (y.diagonal(offset) * 2.0, z) if y.shape[0] > 1 else z

    check(function, normal(*shape))
