"""Hooks of modules: when they run, what they are given, and what they may change."""

from __future__ import annotations

import gc
import warnings
import weakref

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.errors import HookError, InPlaceError, UnsupportedError


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def plain(value):
    """Tensors of either library as lists, inside tuples and dictionaries."""
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def both(torch, scenario):
    """Run a scenario, which returns what it saw, in either library, and compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = scenario(minicnn, nn), scenario(torch, torch.nn)
    assert ours == theirs
    return ours


def test_forward_hooks_run_in_pytorchs_order_with_its_arguments(torch):
    def scenario(library, nn):
        seen = []

        class Net(nn.Module):
            def forward(self, x, y=0):
                seen.append(("forward", plain(x), plain(y)))
                return x * 2 + y

        def note(name):
            return lambda module, *rest: seen.append((name, type(module).__name__, *plain(rest)))

        m = Net()
        m.register_forward_pre_hook(note("pre 1"))
        m.register_forward_pre_hook(note("pre 2"), with_kwargs=True)
        m.register_forward_pre_hook(note("pre first"), prepend=True)
        m.register_forward_hook(note("post 1"))
        m.register_forward_hook(note("post 2"), with_kwargs=True)
        m.register_forward_hook(note("post first"), prepend=True)
        m(library.tensor([1.0]))
        m(library.tensor([1.0]), y=3)
        return seen

    assert len(both(torch, scenario)) == 14


def test_forward_hooks_replace_arguments_and_results(torch):
    def scenario(library, nn):
        m = nn.Identity()
        m.register_forward_pre_hook(lambda module, args: args[0] + 1)
        m.register_forward_pre_hook(lambda module, args: (args[0] * 10,))
        m.register_forward_hook(lambda module, args, y: y + args[0])
        m.register_forward_hook(lambda module, args, y: None)
        m.register_forward_pre_hook(
            lambda module, args, kwargs: ((), {"input": args[0] - 1}), with_kwargs=True
        )
        m.register_forward_hook(
            lambda module, args, kwargs, y: y * kwargs["input"], with_kwargs=True
        )
        del m._forward_hooks[next(iter(m._forward_hooks))]
        return plain(m(library.tensor([1.0])))

    assert both(torch, scenario) == [361.0]


def test_a_removed_hook_is_silent_and_modules_are_fast_again():
    m, seen = nn.Identity(), []
    with m.register_forward_hook(lambda *_: seen.append(1)):
        m(1)
    handle = m.register_forward_pre_hook(lambda *_: seen.append(2))
    handle.remove()
    handle.remove()
    m(1)
    assert seen == [1] and not m._forward_hooks and not m._forward_pre_hooks


def test_a_hook_may_remove_itself_while_it_runs():
    m, seen = nn.Identity(), []

    def once(module, args, y):
        seen.append(y)
        handle.remove()

    handle = m.register_forward_hook(once)
    m.register_forward_hook(lambda module, args, y: seen.append("second"))
    m(1), m(2)
    assert seen == [1, "second", "second"]


def test_always_called_hooks_run_when_forward_raises(torch):
    def scenario(library, nn):
        class Net(nn.Module):
            def forward(self, x):
                raise KeyError("inner")

        seen = []
        m = Net()
        m.register_forward_hook(lambda *rest: seen.append("ordinary"))
        m.register_forward_hook(lambda module, args, y: seen.append((args, y)), always_call=True)
        m.register_forward_hook(lambda *rest: 1 / 0, always_call=True)
        with pytest.raises(KeyError, match="inner"):
            m(3)
        return seen

    assert both(torch, scenario) == [((3,), None)]


def test_an_always_called_hook_that_fails_too_is_a_warning():
    m = nn.Linear(2, 2)
    m.register_forward_hook(lambda *rest: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="Linear: a forward hook with always_call=True failed too"):
        with pytest.raises(RuntimeError, match="in_features=2"):
            m(minicnn.ones(1, 3))


def test_a_pre_hook_with_kwargs_must_return_both():
    m = nn.Identity()
    m.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True)
    with pytest.raises(HookError, match=r"must return None or \(args, kwargs\), got \(1,\)"):
        m(1)


# ------------------------------------------------------------------------------- backward


def several(nn):
    """A module with three inputs and three outputs, of which one has no gradient."""

    class Net(nn.Module):
        def forward(self, a, b, c):
            return a * 2 + a * b, (b * 3).detach(), a * a * c

    return Net()


def watched(module, seen):
    module.register_full_backward_hook(
        lambda m, dx, dy: seen.append(("hook", plain(dx), plain(dy)))
    )
    module.register_full_backward_pre_hook(lambda m, dy: seen.append(("pre", plain(dy))))
    return module


@pytest.mark.parametrize("output", [0, 2, "both"])
@pytest.mark.parametrize("third", ["leaf", "constant", "number"])
def test_backward_hooks_get_pytorchs_gradients(torch, output, third):
    def scenario(library, nn):
        seen = []
        m = watched(several(nn), seen)
        a = library.tensor([1.0, 2.0], requires_grad=True)
        b = library.tensor([3.0, 4.0], requires_grad=True)
        c = {
            "leaf": library.tensor([2.0, 2.0], requires_grad=True),
            "constant": library.tensor([2.0, 2.0]),
            "number": 2.0,
        }[third]
        y = m(a, b, c)
        target = (y[0] * y[2]).sum() if output == "both" else y[output].sum()
        target.backward(retain_graph=True)
        target.backward()
        return [*seen, plain(a.grad), [t.requires_grad for t in y]]

    both(torch, scenario)


def test_backward_hooks_of_nested_modules_run_from_the_output_inwards(torch):
    def scenario(library, nn):
        seen = []
        model = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Identity())
        for name, module in model.named_modules():
            module.register_full_backward_hook(
                lambda m, dx, dy, name=name: seen.append((name, "dx"))
            )
            module.register_full_backward_pre_hook(
                lambda m, dy, name=name: seen.append((name, "dy"))
            )
        x = library.tensor([0.5], requires_grad=True)
        model(x).backward()
        return seen

    assert len(both(torch, scenario)) == 12


def test_backward_hooks_replace_gradients(torch):
    def scenario(library, nn):
        m = several(nn)
        m.register_full_backward_pre_hook(lambda m, dy: (dy[0] * 10, None, dy[2]))
        m.register_full_backward_hook(lambda m, dx, dy: (dx[0] + 1, dx[1] * 2, None))
        m.register_full_backward_hook(lambda m, dx, dy: (dx[0] * 100, dx[1], dx[2]))
        a, b, c = (library.tensor([v], requires_grad=True) for v in (1.0, 2.0, 3.0))
        y = m(a, b, c)
        (y[0] + y[2]).sum().backward()
        return plain((a.grad, b.grad)), c.grad is None or plain(c.grad) == [0.0]

    assert both(torch, scenario) == (([4700.0], [20.0]), True)


def test_a_single_replacement_need_not_be_a_tuple():
    m = nn.Tanh()
    m.register_full_backward_hook(lambda m, dx, dy: dx[0] * 0 + 5)
    x = minicnn.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [5, 5]


def test_backward_hooks_run_without_inputs_that_want_a_gradient(torch):
    def scenario(library, nn):
        seen = []
        m = watched(nn.Linear(1, 1), seen)
        for p in m.parameters():
            p.data = library.ones(p.shape)
        m(library.tensor([[2.0]])).backward()
        return seen

    assert both(torch, scenario) == [("pre", ([[1.0]],)), ("hook", (None,), ([[1.0]],))]


def test_backward_hooks_do_not_run_where_nothing_is_recorded():
    seen = []
    m = watched(nn.Linear(1, 1), seen)
    with minicnn.no_grad():
        m(minicnn.ones(1, 1, requires_grad=True))
    watched(nn.Tanh(), seen)(minicnn.ones(1))
    assert seen == []


def test_backward_hooks_see_the_gradients_of_grad_and_of_second_derivatives():
    seen = []
    m = watched(nn.Tanh(), seen)
    x = minicnn.tensor([0.5], dtype="float64", requires_grad=True)
    y = m(x)
    (dx,) = minicnn.autograd.grad(y.sum(), x, create_graph=True)
    assert [name for name, *_ in seen] == ["pre", "hook"]
    assert seen[1][1] == (dx.tolist(),)
    (ddx,) = minicnn.autograd.grad(dx.sum(), x)
    t = np.tanh(0.5)
    np.testing.assert_allclose(ddx.numpy(), [-2 * t * (1 - t * t)])


def test_backward_hooks_that_return_nonsense_are_refused():
    x = minicnn.ones(2, requires_grad=True)
    m = nn.Tanh()
    m.register_full_backward_hook(lambda m, dx, dy: (dx[0], dx[0]))
    with pytest.raises(HookError, match="as many gradients as grad_input has: 1, not 2"):
        m(x).sum().backward()
    m = nn.Tanh()
    m.register_full_backward_pre_hook(lambda m, dy: ())
    with pytest.raises(HookError, match="as many gradients as grad_output has: 1, not 0"):
        m(x).sum().backward()
    m = nn.Linear(2, 1)
    m.register_full_backward_hook(lambda m, dx, dy: (dy[0],))
    with pytest.raises(HookError, match="must return None where no input of the module wants"):
        m(x.detach()).sum().backward()


def test_backward_hooks_on_other_outputs_are_a_warning():
    class Net(nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    m = Net()
    m.register_full_backward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match="a Tensor or a tuple of Tensors, and this is a dict"):
        m(minicnn.ones(1, requires_grad=True))


def test_named_tuples_stay_named_tuples():
    from typing import NamedTuple

    class Both(NamedTuple):
        first: object
        second: object

    class Net(nn.Module):
        def forward(self, x):
            return Both(x * 2, x * 3)

    m = Net()
    m.register_full_backward_hook(lambda *_: None)
    x = minicnn.ones(1, requires_grad=True)
    y = m(x)
    assert type(y) is Both
    y.second.backward()
    assert x.grad.tolist() == [3]


def test_a_hooked_modules_input_cannot_be_changed_in_place():
    m = nn.Sequential(nn.ReLU(inplace=True))
    m.register_full_backward_hook(lambda *_: None)
    with pytest.raises(InPlaceError, match=r"relu_: .*change a copy"):
        m(minicnn.ones(2, requires_grad=True) * 1)


def test_changing_what_a_hooked_module_passed_on_is_noticed():
    m = nn.Identity()
    m.register_full_backward_hook(lambda *_: None)
    x = minicnn.ones(2, requires_grad=True) * 1
    y = (m(x) ** 2).sum()
    x.detach().add_(1)
    with pytest.raises(InPlaceError, match="changed in place"):
        y.backward()


def test_hooked_graphs_are_freed_without_the_garbage_collector():
    m = nn.Tanh()
    m.register_full_backward_hook(lambda *_: None)
    gc.disable()
    try:
        x = minicnn.ones(2, requires_grad=True)
        y = m(x * 2)
        middle = weakref.ref(y)
        y.sum().backward()
        del y
        assert middle() is None
        y = m(x * 3)  # and without a backward pass
        node = weakref.ref(y)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_the_deprecated_backward_hook_is_not_covered():
    with pytest.raises(UnsupportedError, match="use register_full_backward_hook"):
        nn.Tanh().register_backward_hook(lambda *_: None)
