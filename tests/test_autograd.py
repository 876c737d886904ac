"""The tape: what is recorded, how it is walked, what it keeps, when it lets go."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sharing import shares_memory

import minicnn
from minicnn import autograd
from minicnn.autograd import Op, detect_anomaly, enable_grad, grad, no_grad, set_grad_enabled
from minicnn.errors import (
    AnomalyError,
    DeviceError,
    DTypeError,
    GraphError,
    ShapeError,
    UnsupportedError,
)
from minicnn.tensor import Tensor


def variable(*values, dtype="float64"):
    return minicnn.tensor(np.array(values, dtype), requires_grad=True)


def values(*tensors):
    return [t.tolist() for t in tensors]


# ------------------------------------------------------------------------- walking the graph


def test_a_value_used_twice_gets_both_gradients():
    x = variable(2.0, 3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_the_branches_of_a_diamond_add_up():
    x = variable(0.5)
    a = x.sin()
    (a * a.exp() + a / x).sum().backward()
    s, c = math.sin(0.5), math.cos(0.5)
    expected = c * math.exp(s) * (1 + s) + (c * 0.5 - s) / 0.25
    np.testing.assert_allclose(x.grad.tolist(), [expected], rtol=1e-12)


def test_a_ladder_of_diamonds_is_walked_once_and_not_once_a_path():
    x = variable(1.0)
    y = x
    for _ in range(200):  # 2^200 paths
        y = y * 0.5 + y * 0.5
    y.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [1.0])


def test_gradients_accumulate_until_they_are_cleared():
    x = variable(3.0)
    for _ in range(2):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [4.0]
    held = x.grad
    (x * 2).sum().backward()
    assert held is x.grad and held.tolist() == [6.0]  # the tensor that users hold is the same
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_leaves_with_one_gradient_do_not_share_its_memory():
    a, b = variable(1.0, 2.0), variable(1.0, 2.0)
    g = minicnn.ones(2).double()
    (a + b).backward(g)
    a.grad.mul_(5)
    assert b.grad.tolist() == [1, 1] and g.tolist() == [1, 1]


def test_a_leaf_may_be_the_output():
    x = variable(1.0)
    x.sum().backward()
    x.backward(minicnn.tensor([3.0]))
    assert x.grad.tolist() == [4.0]
    assert grad(x, x, minicnn.tensor([2.0]))[0].tolist() == [2.0]


@pytest.mark.parametrize("length", [20_000])
def test_long_chains_need_no_recursion(length):
    x = variable(1.0)
    y = x
    for _ in range(length):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y  # freeing a chain must not recurse either


def test_long_chains_that_keep_values_are_freed_without_recursion():
    x = variable(1.0)
    y = x
    for _ in range(20_000):
        y = y.sin()
    watch = weakref.ref(y)
    del y
    assert watch() is None
    y = x
    for _ in range(5_000):
        y = y * 1.0001
    (g,) = grad(y.sum(), x, create_graph=True)
    assert abs(g.item() - 1.0001**5000) < 1e-9
    del g, y


def test_only_what_leads_to_the_inputs_is_differentiated():
    called = []

    class Noted(Op):
        def forward(self, a, b):
            return a * b

        def da(self, dy, b):
            called.append("a")
            return dy * b

        def db(self, dy, a):
            called.append("b")
            return dy * a

    Op.registry.remove(Noted)
    a, b = variable(2.0), variable(3.0)
    other = Noted()(b.exp(), b)
    y = Noted()(a, b) + other
    assert grad(y.sum(), a)[0].tolist() == [3.0]
    assert called == ["a"]


def test_gradients_of_constants_are_not_computed():
    class Noted(Op):
        def forward(self, a, b):
            return a * b

        def da(self, dy, b):
            return dy * b

        def db(self, dy, a):
            raise AssertionError("nobody asked")

    Op.registry.remove(Noted)
    a = variable(2.0)
    Noted()(a, minicnn.ones(1).double()).sum().backward()
    assert a.grad.tolist() == [1.0]


# -------------------------------------------------------------------------- backward and grad


def test_backward_needs_a_gradient_for_more_than_one_element():
    x = variable(1.0, 2.0)
    with pytest.raises(
        GraphError, match=r"implied only for a tensor of one element; this has shape \(2,\)"
    ):
        (x * 2).backward()
    (x * 2).backward(minicnn.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 20.0]


def test_the_gradient_must_fit():
    x = variable(1.0, 2.0)
    with pytest.raises(ShapeError, match=r"gradient has shape \(3,\) but the tensor \(2,\)"):
        (x * 2).backward(minicnn.ones(3))
    with pytest.raises(TypeError, match=r"gradient must be a Tensor or None, not float: 1\.0"):
        (x * 2).backward(1.0)
    with pytest.raises(GraphError, match="2 tensors but 1 gradients"):
        autograd.backward([x * 2, x * 3], [minicnn.ones(2)])


def test_backward_without_a_graph_says_so():
    with pytest.raises(GraphError, match=r"does not require a gradient.*no_grad\(\) is not active"):
        minicnn.ones(1).backward()
    x = variable(1.0)
    with no_grad():
        y = x * 2
    with pytest.raises(GraphError, match="does not require a gradient"):
        y.backward()


def test_a_second_pass_says_that_the_graph_is_freed():
    x = variable(1.0)
    y = x.sin().exp()
    y.backward()
    with pytest.raises(
        RuntimeError, match=r"the graph of Exp was already freed.*retain_graph=True"
    ) as error:
        y.backward()
    assert isinstance(error.value, GraphError)
    assert x.grad.tolist() == [math.cos(1.0) * math.exp(math.sin(1.0))]


def test_retain_graph_keeps_it():
    x = variable(1.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0]
    with pytest.raises(GraphError):
        y.backward()


def test_parts_of_a_graph_that_were_not_walked_are_not_freed():
    x = variable(2.0)
    a = x * x
    y, z = a.exp().log() * 1.0, x * x
    grad(y.sum(), a, retain_graph=True)
    grad(y.sum(), a)
    (a + z).sum().backward()  # the part below a was not walked
    assert x.grad.tolist() == [8.0]


def test_backward_may_fill_some_leaves_only():
    a, b = variable(2.0), variable(3.0)
    c = a * b
    (c * c).sum().backward(inputs=[a])
    assert a.grad.tolist() == [36.0] and b.grad is None
    c = a * b
    autograd.backward((c * c).sum(), inputs=[c])
    assert c.grad.tolist() == [12.0]
    with pytest.raises(GraphError, match="inputs is empty"):
        (a * b).sum().backward(inputs=[])


def test_several_outputs_are_walked_together():
    x = variable(1.0, 2.0)
    a, b = x * x, x.exp()
    autograd.backward([a.sum(), b], [None, minicnn.tensor([1.0, 0.0])])
    np.testing.assert_allclose(x.grad.tolist(), [2 + math.e, 4])


def test_grad_returns_gradients_and_stores_none():
    a, b = variable(2.0), variable(5.0)
    da, db = grad((a * a * b).sum(), [a, b])
    assert values(da, db) == [[20.0], [4.0]]
    assert a.grad is None and b.grad is None
    assert not da.requires_grad


def test_grad_of_inputs_that_are_not_used():
    a, b = variable(2.0), variable(5.0, 6.0)
    y = (a * a).sum()
    with pytest.raises(
        GraphError, match=r"the outputs do not depend on inputs\[1\], of shape \(2,\)"
    ):
        grad(y, [a, b], retain_graph=True)
    assert grad(y, [a, b], allow_unused=True, retain_graph=True)[1] is None
    assert values(*grad(y, [a, b], materialize_grads=True)) == [[4.0], [0.0, 0.0]]
    with pytest.raises(GraphError, match="one of the inputs does not require a gradient"):
        grad((a * a).sum(), [minicnn.ones(1)])
    with pytest.raises(UnsupportedError, match="is_grads_batched=True is not covered"):
        grad((a * a).sum(), a, is_grads_batched=True)


def test_grad_of_intermediate_values():
    x = variable(0.5)
    a = x * 3
    b = a.sin()
    (g, h) = grad((b * b).sum(), [a, b])
    np.testing.assert_allclose([g.item(), h.item()], [math.sin(3.0), 2 * math.sin(1.5)])


def test_grad_of_an_intermediate_and_of_what_it_was_made_from():
    x = variable(2.0)
    a = x * x
    da, dx = grad((a * x).sum(), [a, x])
    assert values(da, dx) == [[2.0], [12.0]]


def test_grad_outputs_weigh_the_outputs():
    x = variable(1.0, 2.0)
    a, b = x * 2, x * x
    (g,) = grad([a, b], x, [minicnn.tensor([1.0, 0.0]), minicnn.tensor([0.0, 3.0])])
    assert g.tolist() == [2.0, 12.0]


def test_the_same_input_may_be_asked_for_twice():
    x = variable(3.0)
    assert values(*grad((x * x).sum(), [x, x])) == [[6.0], [6.0]]


# --------------------------------------------------------------------------- higher derivatives

THIRD = {  # f -> (a point, the third derivative there)
    "square": (0.7, lambda x: 0.0),
    "sqrt": (0.7, lambda x: 3 / 8 * x**-2.5),
    "rsqrt": (0.7, lambda x: -15 / 8 * x**-3.5),
    "reciprocal": (0.7, lambda x: -6 * x**-4),
    "exp": (0.7, math.exp),
    "exp2": (0.7, lambda x: 2**x * math.log(2) ** 3),
    "expm1": (0.7, math.exp),
    "log": (0.7, lambda x: 2 / x**3),
    "log2": (0.7, lambda x: 2 / x**3 / math.log(2)),
    "log10": (0.7, lambda x: 2 / x**3 / math.log(10)),
    "log1p": (0.7, lambda x: 2 / (1 + x) ** 3),
    "sin": (0.7, lambda x: -math.cos(x)),
    "cos": (0.7, math.sin),
    "tan": (0.7, lambda x: (2 + 6 * math.tan(x) ** 2) * (1 + math.tan(x) ** 2)),
    "tanh": (0.7, lambda x: (-2 + 6 * math.tanh(x) ** 2) * (1 - math.tanh(x) ** 2)),
    "sigmoid": (0.7, lambda x: (s := 1 / (1 + math.exp(-x))) * (1 - s) * (1 - 6 * s + 6 * s * s)),
    "erf": (0.7, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x) * (4 * x * x - 2)),
    "abs": (-0.7, lambda x: 0.0),
    "neg": (0.7, lambda x: 0.0),
}


@pytest.mark.parametrize("name", THIRD)
def test_third_derivatives_are_analytic(name):
    point, expected = THIRD[name]
    x = variable(point)
    y = getattr(x, name)()
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True, materialize_grads=True)
        y = y if y.requires_grad else y + 0.0 * x
    np.testing.assert_allclose(y.item(), expected(point), rtol=1e-9, atol=1e-12)


def test_third_derivatives_of_powers_products_and_quotients():
    for function, expected in (
        (lambda x: x**5, lambda x: 60 * x**2),
        (lambda x: x**-1.5, lambda x: -1.5 * -2.5 * -3.5 * x**-4.5),
        (lambda x: 2.0**x, lambda x: math.log(2) ** 3 * 2**x),
        (lambda x: x * x * x, lambda x: 6.0),
        (lambda x: x.sin() / x, None),
        (lambda x: x**x, None),
    ):
        x = variable(0.7)
        y = function(x)
        for _ in range(3):
            (y,) = grad(y.sum(), x, create_graph=True)
        if expected is None:  # by differences of the second derivative, which is checked elsewhere
            second = []
            for step in (-1e-5, 1e-5):
                z = variable(0.7 + step)
                (g,) = grad(function(z).sum(), z, create_graph=True)
                second.append(grad(g.sum(), z)[0].item())
            np.testing.assert_allclose(y.item(), (second[1] - second[0]) / 2e-5, rtol=1e-5)
        else:
            np.testing.assert_allclose(y.item(), expected(0.7), rtol=1e-9)


def test_backward_with_create_graph_leaves_gradients_with_a_past():
    x = variable(2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = grad(x.grad.sum(), x)
    assert g.tolist() == [12.0]
    x.grad = None  # it refers to x, so the circle must be cut by hand


def test_a_gradient_penalty_trains_as_in_pytorch():
    torch = pytest.importorskip("torch")
    results = []
    for lib in (minicnn, torch):
        w = lib.tensor([[0.3, -0.2], [0.1, 0.4]], requires_grad=True)
        x = lib.tensor([[1.0, 2.0]], requires_grad=True)
        y = (x @ w).tanh().sum()
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        ((g.norm() - 1) ** 2 + y).backward()
        results.append([w.grad.tolist(), x.grad.tolist()])
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


# ---------------------------------------------------------------------------------------- memory


def _live(function):
    """Call a function without the garbage collector; return what lives of its weak references."""
    gc.collect()
    gc.disable()
    try:
        return [ref() for ref in function() if ref() is not None]
    finally:
        gc.enable()


def network(x, w):
    h = (x @ w).tanh()
    h = h / (h * h).mean().sqrt()
    return h, (h.reshape(-1)[1:] ** 2).sum()


def test_graphs_are_freed_with_their_last_name():
    def run():
        x, w = minicnn.ones(4, 4), minicnn.ones(4, 4, requires_grad=True)
        h, loss = network(x, w)
        watch = [weakref.ref(t) for t in (x, w, h, loss)] + [
            weakref.ref(h.array),
            weakref.ref(loss.grad_fn.op),
        ]
        loss.backward()
        return watch

    assert _live(run) == []


def test_graphs_that_were_never_walked_are_freed():
    def run():
        x, w = minicnn.ones(4, 4), minicnn.ones(4, 4, requires_grad=True)
        h, loss = network(x, w)
        return [weakref.ref(t) for t in (x, w, h, loss)] + [weakref.ref(h.array)]

    assert _live(run) == []


def test_graphs_with_hooks_retained_gradients_and_second_derivatives_are_freed():
    def run():
        x, w = minicnn.ones(4, 4), minicnn.ones(4, 4, requires_grad=True)
        h, loss = network(x, w)
        h.retain_grad()
        h.register_hook(lambda g: g * 2)
        w.register_hook(lambda g: None)
        (g,) = grad(loss, w, create_graph=True)
        (g * g).sum().backward()
        return [weakref.ref(t) for t in (x, w, h, loss, g)]

    assert _live(run) == []


def test_graphs_are_freed_after_an_exception_in_the_middle_of_a_pass():
    class Broken(Op):
        def forward(self, x):
            return x * 1.0

        def dx(self, dy):
            raise ValueError("broken on purpose")

    Op.registry.remove(Broken)

    def run():
        x, w = minicnn.ones(4, 4), minicnn.ones(4, 4, requires_grad=True)
        h, _ = network(x, w)
        loss = (Broken()(h).exp() * 2).sum()
        watch = [weakref.ref(t) for t in (x, w, h, loss)]
        try:
            loss.backward()
        except ValueError:
            pass
        return watch

    assert _live(run) == []
    assert autograd.is_grad_enabled()


def test_values_are_freed_while_the_pass_goes_on():
    """After its own derivative nothing of an operation is kept, though the output still lives."""
    x = minicnn.ones(3, requires_grad=True)
    a = x.sin()
    array = weakref.ref(a.array)
    y = (a * a).sum()
    del a
    y.backward()
    assert array() is None and y.grad_fn.op is None


def test_training_does_not_grow():
    w = minicnn.ones(64, 64, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        sizes = []
        tracemalloc.start()
        for step in range(30):
            h = w
            for _ in range(5):
                h = (h @ w).tanh()
            h.sum().backward()
            with no_grad():
                w -= 0.01 * w.grad
            w.grad = None
            if step in (9, 29):
                sizes.append(tracemalloc.get_traced_memory()[0])
        assert (
            sizes[1] - sizes[0] < 100_000
        )  # one step's arrays are 200 kB; Python's free lists grow a little
    finally:
        tracemalloc.stop()
        gc.enable()


def test_only_needed_values_are_kept():
    x = minicnn.ones(3, requires_grad=True)
    kept = {
        name: set((x * 1).__getattribute__(name)().grad_fn.saved)
        for name in ("exp", "sin", "sum", "neg")
    }
    assert kept == {"exp": set(), "sin": {"x"}, "sum": set(), "neg": set()}
    assert set((x * minicnn.ones(3)).grad_fn.saved) == {"b"}  # dx needs b; db, nobody needs


def test_nothing_is_recorded_without_a_variable():
    y = minicnn.ones(3).sin()
    assert y.grad_fn is None and y.is_leaf and not y.requires_grad


# ----------------------------------------------------------------------------------------- modes


def test_no_grad_records_nothing_and_ends_with_its_block():
    x = variable(1.0)
    with no_grad():
        assert not minicnn.is_grad_enabled()
        assert not (x * 2).requires_grad
        with enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_modes_end_with_an_exception():
    for mode in (no_grad, lambda: set_grad_enabled(False), detect_anomaly):
        with pytest.raises(ZeroDivisionError), mode():
            raise ZeroDivisionError
        assert autograd.is_grad_enabled() and not autograd.modes.thread.anomaly


def test_one_switch_may_be_entered_twice():
    switch = no_grad()
    with switch:
        with switch:
            pass
        assert not autograd.is_grad_enabled()
    assert autograd.is_grad_enabled()


@pytest.mark.parametrize(
    "decorator",
    [
        lambda: no_grad,
        lambda: no_grad(),
        lambda: set_grad_enabled(False),
        lambda: minicnn.inference_mode,
        lambda: minicnn.inference_mode(),
    ],
)
def test_no_grad_decorates_functions(decorator):
    @decorator()
    def function(x, *, factor=1):
        """A docstring."""
        assert not autograd.is_grad_enabled()
        return x * factor

    assert function.__name__ == "function" and function.__doc__ == "A docstring."
    for _ in range(2):
        assert not function(variable(1.0), factor=3).requires_grad
        assert autograd.is_grad_enabled()


def test_enable_grad_decorates_functions():
    @enable_grad()
    def function(x):
        return x * 2

    with no_grad():
        assert function(variable(1.0)).requires_grad
        assert not autograd.is_grad_enabled()


def test_inference_mode_can_be_switched_off():
    with minicnn.inference_mode(False):
        assert (variable(1.0) * 2).requires_grad

    @minicnn.inference_mode(False)
    def function(x):
        return x * 2

    assert function(variable(1.0)).requires_grad


def test_set_grad_enabled_holds_from_its_call_on():
    x = variable(1.0)
    set_grad_enabled(False)
    assert not (x * 2).requires_grad
    set_grad_enabled(True)
    assert (x * 2).requires_grad
    with set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    set_grad_enabled(mode=False)
    set_grad_enabled(mode=True)


def test_a_decorating_set_grad_enabled_does_not_switch_where_it_stands():
    @set_grad_enabled(False)
    def function(x):
        return x * 2

    assert autograd.is_grad_enabled()
    assert not function(variable(1.0)).requires_grad


def test_decorated_generators_switch_only_while_they_run():
    @no_grad()
    def numbers(x):
        received = []
        try:
            for i in range(3):
                assert not autograd.is_grad_enabled()
                received.append((yield x * i))
        except KeyError:
            yield "caught"
        finally:
            assert not autograd.is_grad_enabled()
        return received

    x = variable(1.0)
    for y in numbers(x):
        assert autograd.is_grad_enabled() and not y.requires_grad

    running = numbers(x)
    next(running)
    running.send("a")
    assert running.throw(KeyError()) == "caught" and autograd.is_grad_enabled()
    running.close()

    def outer():
        return (yield from numbers(x))

    with pytest.raises(StopIteration) as end:
        generator = outer()
        next(generator)
        for word in "abc":
            generator.send(word)
    assert end.value.value == ["a", "b", "c"]


def test_modes_belong_to_a_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(autograd.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not autograd.is_grad_enabled()
    assert seen == [True]


def test_threads_may_walk_their_own_graphs_at_once():
    w = variable(*np.linspace(0.1, 1.0, 50))
    results = []

    def work(k):
        x = w.detach().requires_grad_()
        for _ in range(20):
            x.grad = None
            (x.sin() * x * k).sum().backward()
        results.append((k, x.grad.numpy().copy()))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    a = w.detach().numpy()
    for k, g in results:
        np.testing.assert_allclose(g, k * (np.sin(a) + a * np.cos(a)))
    assert len(results) == 4


def test_gradients_are_not_recorded_unless_asked():
    x = variable(2.0)
    (g,) = grad((x**3).sum(), x)
    assert not g.requires_grad
    (g,) = grad((x**3).sum(), x, create_graph=True)
    assert g.requires_grad


def test_backward_works_under_no_grad():
    x = variable(2.0)
    y = (x**3).sum()
    with no_grad():
        y.backward()
        assert not autograd.is_grad_enabled()
    assert x.grad.tolist() == [12.0]


# --------------------------------------------------------------------- detach, data, leaves


def test_detach_shares_memory_and_has_no_past():
    x = variable(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert d.is_leaf and not d.requires_grad and d.array is y.array
    (y * d).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_detach_in_place_cuts_the_past():
    x = variable(1.0)
    y = x * 2
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    with pytest.raises(GraphError, match="detach_: this tensor is a view"):
        (x * 2)[:1].detach_()


def test_data_can_be_read_and_replaced():
    w = variable(1.0, 2.0)
    w.data[0] = 5.0
    assert w.tolist() == [5.0, 2.0] and w.requires_grad and w.is_leaf
    assert not w.data.requires_grad
    w.data = minicnn.zeros(3)
    assert w.shape == (3,) and w.requires_grad
    with pytest.raises(DTypeError, match="a tensor that requires a gradient cannot hold int64"):
        w.data = minicnn.ones(3, dtype=minicnn.int64)


def test_clone_has_memory_of_its_own_and_a_past():
    x = variable(1.0, 2.0)
    y = x.clone()
    assert not shares_memory(y.array, x.array)
    (y * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_leaves_and_results_are_told_apart():
    x = variable(1.0)
    y = x * 2
    assert x.is_leaf and x.grad_fn is None
    assert not y.is_leaf and repr(y.grad_fn) == "<MulBackward>"
    assert "requires_grad=True" in repr(x) and "grad_fn=<MulBackward>" in repr(y)
    assert y.requires_grad_() is y
    with pytest.raises(GraphError, match=r"cannot be unset. Use detach\(\)"):
        y.requires_grad_(False)
    with pytest.raises(DTypeError, match="only floating tensors have gradients, and this is int64"):
        minicnn.ones(2, dtype=minicnn.int64).requires_grad_()
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_the_grad_of_a_result_is_kept_only_on_request():
    x = variable(2.0)
    y, z = x * 3, x * 5
    y.retain_grad()
    assert y.retains_grad and not z.retains_grad
    (y * z).sum().backward()
    assert y.grad.tolist() == [10.0] and z.grad is None
    with pytest.raises(GraphError, match="retain_grad: this tensor does not require a gradient"):
        minicnn.ones(1).retain_grad()
    x.retain_grad()  # of a leaf, it does nothing
    assert not x.retains_grad


def test_retained_gradients_add_up_and_are_their_own_copy():
    x = variable(2.0)
    y = x * 3
    y.retain_grad()
    seed = minicnn.ones(1).double()
    y.backward(seed, retain_graph=True)
    y.backward(seed)
    assert y.grad.tolist() == [2.0] and seed.tolist() == [1.0]


# ----------------------------------------------------------------------------------------- hooks


def test_hooks_see_and_replace_gradients_in_order():
    x = variable(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g + 0.5)
    (y * 3).sum().backward()
    assert seen == [3.0, 30.0] and x.grad.tolist() == [60.5]


def test_hooks_see_the_sum_of_all_uses():
    x = variable(1.0)
    y = x * 2
    seen = []
    for t in (x, y):
        t.register_hook(lambda g: seen.append(g.item()))
    (y * 3 + y * 4).sum().backward()
    assert seen == [7.0, 14.0]


def test_hooks_can_be_removed():
    x = variable(1.0)
    handle = x.register_hook(lambda g: g * 100)
    with x.register_hook(lambda g: g * 100):
        pass
    handle.remove()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_hooks_must_return_gradients():
    x = variable(1.0, 2.0)
    x.register_hook(lambda g: g[:1])
    with pytest.raises(GraphError, match=r"gradient's shape \(2,\), not \(1,\)"):
        (x * 2).sum().backward()
    y = variable(1.0)
    y.register_hook(lambda g: 3.0)
    with pytest.raises(
        GraphError,
        match=r"a hook must return None or a Tensor of the gradient's shape .*, not float",
    ):
        (y * 2).sum().backward()
    with pytest.raises(GraphError, match="register_hook: this tensor does not require a gradient"):
        minicnn.ones(1).register_hook(lambda g: g)


def test_hooks_take_part_in_second_derivatives():
    x = variable(3.0)
    x.register_hook(lambda g: g * g)
    (g,) = grad((x * x).sum(), x, create_graph=True)
    assert g.tolist() == [36.0]
    (h,) = grad(g.sum(), x)  # d(4 x^2)/dx = 8x = 24, and its own hook squares it
    assert h.tolist() == [576.0]


def test_hooks_of_leaves_that_were_not_asked_for_are_not_called():
    a, b = variable(2.0), variable(3.0)
    b.register_hook(lambda g: pytest.fail("nobody asked for b"))
    assert grad((a * b).sum(), a)[0].tolist() == [3.0]


def test_a_hook_may_run_a_pass_of_its_own():
    x, inner = variable(2.0), variable(5.0)

    def hook(g):
        with enable_grad():  # a pass is not recorded, and what its hooks do neither
            (inner * inner).sum().backward()

    x.register_hook(hook)
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0] and inner.grad.tolist() == [10.0]


# --------------------------------------------------------------------------------- dtypes, devices


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gradients_have_the_dtype_of_their_input(dtype):
    x = minicnn.tensor(np.array([1.0, 2.0], dtype), requires_grad=True)
    y = ((x * 2.0).sin() + x**2 - 1.0) @ x
    y.backward()
    assert y.dtype == x.grad.dtype == np.dtype(dtype)


def test_promoted_inputs_get_gradients_of_their_own_dtype():
    a = minicnn.tensor([1.0, 2.0], dtype=minicnn.float16, requires_grad=True)
    b = minicnn.tensor([3.0, 4.0], dtype=minicnn.float64, requires_grad=True)
    c = minicnn.tensor([5, 6])
    y = a * b * c
    assert y.dtype == minicnn.float64
    y.sum().backward()
    assert a.grad.dtype == minicnn.float16 and a.grad.tolist() == [15.0, 24.0]
    assert b.grad.dtype == minicnn.float64 and b.grad.tolist() == [5.0, 12.0]


def test_a_gradient_of_another_dtype_is_converted():
    x = variable(1.0)
    (x * 2).backward(minicnn.tensor([3.0], dtype=minicnn.float16))
    assert x.grad.dtype == minicnn.float64 and x.grad.tolist() == [6.0]


def test_conversions_carry_gradients():
    x = minicnn.tensor([1.5, 2.5], requires_grad=True)
    (x.double() * x.half().double()).sum().backward()
    assert x.grad.dtype == minicnn.float32 and x.grad.tolist() == [3.0, 5.0]


def test_whole_numbers_end_the_graph():
    x = variable(1.5)
    assert not x.long().requires_grad
    assert not (x > 1).requires_grad
    assert not x.argmax().requires_grad


class Elsewhere:
    """An array of another module, as a GPU's would be."""

    def __init__(self, array):
        self.array = array
        self.device = type("Device", (), {"id": 0})

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)


def test_tensors_on_two_devices_do_not_mix():
    x = minicnn.ones(2, 3)
    y = autograd.wrap(Elsewhere(np.ones((2, 3), np.float32)))
    for function in (
        lambda: x + y,
        lambda: y * x,
        lambda: x @ y.array if False else minicnn.maximum(x, y),
    ):
        with pytest.raises(
            DeviceError,
            match=r"all tensors must be on one device; got .*\(2, 3\) on c.*\.to\(device\)",
        ):
            function()


# ------------------------------------------------------------------------------------- anomalies


def test_the_operation_that_made_nan_is_named_forward():
    x = variable(-1.0, 1.0)
    assert minicnn.isnan(x.log()).any()  # silent without detect_anomaly, as in PyTorch
    with (
        detect_anomaly(),
        pytest.raises(AnomalyError, match=r"Log: the forward pass made NaN \(shape \(2,\)\)"),
    ):
        (x * 2).log().sum()
    with detect_anomaly(), pytest.raises(AnomalyError, match="Div: the forward pass made infinity"):
        x / (x - x)


def test_the_operation_that_made_nan_is_named_backward():
    x = variable(0.0, 1.0)
    with detect_anomaly():
        y = x.sqrt()
        with pytest.raises(AnomalyError, match="Sqrt: its derivative for input 0 made infinity"):
            y.sum().backward()
    y = x.sqrt()
    y.sum().backward()
    assert x.grad.tolist() == [math.inf, 0.5]


def test_anomalies_can_be_switched_on_and_off():
    x = variable(-1.0)
    autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(AnomalyError):
            x.log()
    finally:
        autograd.set_detect_anomaly(False)
    x.log()
    with autograd.set_detect_anomaly(True), pytest.raises(AnomalyError):
        x.log()
    with detect_anomaly(check_nan=False):
        x.log()
    x.log()


# ----------------------------------------------------------------------------- copies and NumPy


def test_leaves_can_be_copied_and_results_cannot():
    x = variable(1.0, 2.0)
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert (
        twin.requires_grad and twin.tolist() == x.tolist() and twin.grad.tolist() == x.grad.tolist()
    )
    assert not shares_memory(twin.array, x.array) and not shares_memory(
        twin.grad.array, x.grad.array
    )
    assert len({id(t) for t in copy.deepcopy([x, x])}) == 1
    with pytest.raises(GraphError, match="deepcopy: only leaf tensors"):
        copy.deepcopy(x * 2)


def test_leaves_can_be_sent_and_results_cannot():
    x = variable(1.0, 2.0)
    back = pickle.loads(pickle.dumps(x))
    assert back.requires_grad and back.tolist() == [1.0, 2.0]
    with pytest.raises(
        GraphError, match=r"pickle: only leaf tensors can be sent; use tensor.detach\(\)"
    ):
        pickle.dumps(x * 2)


@pytest.mark.host
def test_numpy_shares_memory_and_refuses_to_lose_the_graph():
    x = minicnn.ones(3)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 1, 1]
    w = variable(1.0)
    with pytest.raises(GraphError, match=r"NumPy would not record.*tensor.detach\(\).numpy\(\)"):
        w.numpy()
    with pytest.raises(GraphError):
        np.asarray(w)
    assert w.detach().numpy().tolist() == [1.0] and w.numpy(force=True).tolist() == [1.0]


def test_numpy_arrays_and_numbers_take_part():
    x = minicnn.tensor([1.0, 2.0], requires_grad=True)
    for y in (np.float64(2.0) * x, x * np.float32(2.0), np.int64(2) * x):
        assert isinstance(y, Tensor) and y.dtype == minicnn.float32 and y.requires_grad
    assert np.sin(minicnn.zeros(2)).tolist() == [0.0, 0.0]


# --------------------------------------------------------------------------------- one's own ops


def test_a_derivative_may_ask_for_any_input_and_the_result():
    class Scaled(Op):
        def forward(self, x, factor, shift=0.0):
            return x * factor + shift

        def dx(self, dy, factor, y):
            assert y.requires_grad == autograd.is_grad_enabled()
            return dy * factor

    Op.registry.remove(Scaled)
    x = variable(1.0)
    y = Scaled()(x, 3.0)
    y.sum().backward()
    assert x.grad.tolist() == [3.0] and repr(Scaled()) == "Scaled()"


def test_a_derivative_is_summed_over_what_was_broadcast_and_must_fit():
    class Wrong(Op):
        def forward(self, x):
            return x * 2

        def dx(self, dy):
            return minicnn.ones(4)

    Op.registry.remove(Wrong)
    with pytest.raises(
        ShapeError,
        match=r"a derivative of Wrong has shape \(4,\), which cannot belong to an input of shape",
    ):
        Wrong()(minicnn.ones(3, requires_grad=True)).sum().backward()
    x, y = variable([1.0], [2.0]), variable(1.0, 2.0, 3.0)
    (x * y).sum().backward()
    assert x.grad.tolist() == [[6.0], [6.0]] and y.grad.tolist() == [3.0, 3.0, 3.0]


def test_every_operation_tells_what_it_is():
    for op in Op.registry:
        assert (op.__doc__ and op.__doc__.startswith(("y = ", "Y = ", "loss"))) or op.__doc__[
            0
        ].isalpha(), op


# ------------------------------------------------------------------------------- random programs

UNARY = {
    "sin": lambda lib, x, k: x.sin(),
    "tanh": lambda lib, x, k: x.tanh(),
    "sigmoid": lambda lib, x, k: x.sigmoid(),
    "exp": lambda lib, x, k: x.tanh().exp(),
    "log": lambda lib, x, k: (x * x + 0.5).log(),
    "sqrt": lambda lib, x, k: (x * x + 0.1).sqrt(),
    "pow": lambda lib, x, k: x ** (k % 3 + 1),
    "erf": lambda lib, x, k: x.erf(),
    "neg": lambda lib, x, k: -x,
    "scale": lambda lib, x, k: 0.3 * x - k,
    "rdiv": lambda lib, x, k: 1.0 / (x * x + 1.0),
    "sum": lambda lib, x, k: x.sum(k % x.ndim, keepdim=True) if x.ndim else x,
    "mean": lambda lib, x, k: x.mean(k % x.ndim) if x.ndim else x,
    "amax": lambda lib, x, k: x.amax(k % x.ndim, keepdim=True) if x.ndim else x,
    "logsumexp": lambda lib, x, k: x.logsumexp(k % x.ndim, keepdim=True) if x.ndim else x,
    "var": lambda lib, x, k: x.var(k % x.ndim, correction=0, keepdim=True) if x.ndim else x,
    "cumsum": lambda lib, x, k: x.cumsum(k % x.ndim) if x.ndim else x,
    "flatten": lambda lib, x, k: x.flatten(),
    "transpose": lambda lib, x, k: x.transpose(0, -1) if x.ndim > 1 else x,
    "unsqueeze": lambda lib, x, k: x.unsqueeze(k % (x.ndim + 1)) if x.ndim < 4 else x,
    "slice": lambda lib, x, k: x[k % x.shape[0] :] if x.ndim else x,
    "pick": lambda lib, x, k: x[lib.tensor([0, k % x.shape[0], 0])] if x.ndim else x,
    "flip": lambda lib, x, k: x.flip(0) if x.ndim else x,
    "sort": lambda lib, x, k: x.sort(-1)[0] if x.ndim else x,
    "clamp": lambda lib, x, k: x.clamp(-0.8, 0.9),
    "abs": lambda lib, x, k: x.abs(),
    "detach": lambda lib, x, k: x.detach() + x,
    "float": lambda lib, x, k: x.float().double(),
}
BINARY = {
    "add": lambda lib, x, y: x + y,
    "sub": lambda lib, x, y: x - y,
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / (y * y + 1.0),
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "where": lambda lib, x, y: lib.where(x > y, x, y * 0.5),
    "matmul": lambda lib, x, y: x.flatten() @ y.flatten() if x.numel() == y.numel() else x,
    "outer": lambda lib, x, y: lib.outer(x.flatten()[:3], y.flatten()[:2]),
    "cat": lambda lib, x, y: lib.cat([x.flatten(), y.flatten()])[:12],
}
steps = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 9), st.integers(0, 9)),
)


def build(lib, leaves, program):
    """Run a program on copies of `leaves`; return them and all values."""
    leaves = [lib.tensor(x, requires_grad=True) for x in leaves]
    tensors = list(leaves)
    for name, i, j in program:
        x = tensors[i % len(tensors)]
        y = (
            UNARY[name](lib, x, j)
            if name in UNARY
            else BINARY[name](lib, x, tensors[j % len(tensors)])
        )
        tensors.append(y)
    return leaves, tensors


def broadcasts(leaves, program):
    try:
        build(minicnn, leaves, program)
    except ShapeError:
        return False
    return True


@given(
    program=st.lists(steps, min_size=1, max_size=12),
    shape=st.sampled_from([(3,), (2, 3), (2, 1, 3), ()]),
)
@settings(max_examples=250)
def test_random_expressions_have_pytorchs_values_and_gradients(program, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    leaves = [rng.standard_normal(shape), rng.standard_normal(shape[-1:])]
    assume(broadcasts(leaves, program))
    results = []
    for lib in (minicnn, torch):
        inputs, tensors = build(lib, leaves, program)
        tensors = [t for t in tensors if t.requires_grad]
        loss = (
            sum(t.sum() * (0.5 + 0.1 * i) for i, t in enumerate(tensors))
            + (tensors[-1].tanh() ** 2).sum()
        )
        first = lib.autograd.grad(loss, inputs, create_graph=True)
        again = sum((g * g).sum() for g in first)
        second = lib.autograd.grad(again, inputs, allow_unused=True) if again.requires_grad else ()
        results.append((tensors, first, second))
    ours, theirs = results
    for a, b in zip(
        [*ours[0], *ours[1], *ours[2]], [*theirs[0], *theirs[1], *theirs[2]], strict=True
    ):
        if a is None or b is None:  # PyTorch sometimes has zeros for what does not depend on it
            assert all(t is None or not t.numpy(force=True).any() for t in (a, b))
            continue
        a, b = a.detach().numpy(force=True), b.detach().numpy(force=True)
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * max(1.0, np.abs(b).max(initial=0)))


@given(program=st.lists(steps, min_size=1, max_size=10))
@settings(max_examples=100)
def test_random_expressions_are_freed_without_the_garbage_collector(program):
    leaves = [np.ones((2, 3)), np.ones(3)]
    assume(broadcasts(leaves, program))
    gc.disable()
    try:
        inputs, tensors = build(minicnn, leaves, program)
        watch = [weakref.ref(t) for t in tensors]
        sum(t.sum() for t in tensors if t.requires_grad).backward()
        del inputs, tensors
        assert all(ref() is None for ref in watch)
    finally:
        gc.enable()
