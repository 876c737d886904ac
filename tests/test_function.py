"""`autograd.Function`: operations with a hand-written derivative, beside PyTorch's."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import minicnn


def exponential(function):
    class Exp(function):
        """Saves its output."""

        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            return dy * y

    return Exp.apply


def scaled_product(function):
    class Product(function):
        """Saves its inputs, keeps a number, and computes only the gradients that are wanted."""

        @staticmethod
        def forward(ctx, a, b, factor):
            ctx.save_for_backward(a, None, b)
            ctx.factor = factor
            return a * b * factor

        @staticmethod
        def backward(ctx, dy):
            a, nothing, b = ctx.saved_tensors
            assert nothing is None
            da = dy * b * ctx.factor if ctx.needs_input_grad[0] else None
            db = dy * a * ctx.factor if ctx.needs_input_grad[1] else None
            return da, db, None

    return Product.apply


def eager_product(function):
    class Product(function):
        """Computes a gradient that nobody wants."""

        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, dy):
            a, b = ctx.saved_tensors
            return dy * b, dy * a

    return Product.apply


def sine_and_cosine(function):
    class SinCos(function):
        """Several outputs, of several shapes, one of them without a derivative."""

        @staticmethod
        def forward(ctx, x):
            s, c, largest = x.sin(), x.cos().reshape(-1, 1), x.argmax()
            ctx.save_for_backward(s, c)
            return s, c, largest

        @staticmethod
        def backward(ctx, ds, dc, dlargest):
            s, c = ctx.saved_tensors
            return ds * c.reshape(-1) - dc.reshape(-1) * s

    return SinCos.apply


def power(function):
    class Power(function):
        """PyTorch's second form: a forward without ctx, and setup_context."""

        @staticmethod
        def forward(x, exponent):
            return x**exponent

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.exponent = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return dy * ctx.exponent * x ** (ctx.exponent - 1), None

    return Power.apply


def tripled_gradient(function):
    class Straight(function):
        """Returns its input."""

        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, dy):
            return dy * 3

    return Straight.apply


def unmarked(function):
    class Halves(function):
        """Marks one of two outputs as constant."""

        @staticmethod
        def forward(ctx, x):
            whole = x.floor()
            ctx.mark_non_differentiable(whole)
            return whole, x - whole

        @staticmethod
        def backward(ctx, dwhole, drest):
            return drest

    return Halves.apply


CASES = {
    "saved-output": lambda f, x, b: exponential(f)(x * 1),
    "saved-inputs": lambda f, x, b: scaled_product(f)(x, b, 2.5),
    "one-constant-input": lambda f, x, b: scaled_product(f)(x, b.detach(), 2.5),
    "unwanted-gradient": lambda f, x, b: eager_product(f)(x, b.detach()),
    "several-outputs": lambda f, x, b: (lambda s, c, i: s * s + c.reshape(-1) * b)(
        *sine_and_cosine(f)(x * x)
    ),
    "one-of-several-outputs-used": lambda f, x, b: sine_and_cosine(f)(x)[1],
    "setup-context": lambda f, x, b: power(f)(x, 3),
    "input-returned": lambda f, x, b: tripled_gradient(f)(x),
    "nested": lambda f, x, b: exponential(f)(exponential(f)(x) * b),
    "constant-output": lambda f, x, b: unmarked(f)(x)[1],
}


def derivatives(library, case):
    """Values, gradients and second gradients of a case, as arrays."""
    x = library.tensor([0.1, 0.7, -1.2], dtype=library.float64, requires_grad=True)
    b = library.tensor([2.0, 3.0, 0.5], dtype=library.float64, requires_grad=True)
    y = CASES[case](library.autograd.Function, x, b)
    grad = library.autograd.grad
    first = grad((y * y).sum(), (x, b), create_graph=True, allow_unused=True)
    whole = sum((g * g).sum() for g in first if g is not None)
    second = grad(whole, (x, b), allow_unused=True)
    found = (y, *first, *second)
    return [None if t is None else np.asarray(t.detach().numpy()) for t in found]


@pytest.mark.parametrize("case", CASES)
def test_functions_differentiate_twice_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    ours, theirs = derivatives(minicnn, case), derivatives(torch, case)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.allclose(a, b, rtol=1e-12)


def test_the_outputs_say_what_has_a_gradient():
    x = minicnn.ones(3, requires_grad=True)
    s, c, largest = sine_and_cosine(minicnn.autograd.Function)(x)
    assert (s.requires_grad, c.shape, largest.requires_grad) == (True, (3, 1), False)
    whole, rest = unmarked(minicnn.autograd.Function)(x)
    assert (whole.requires_grad, rest.requires_grad) == (False, True)


def test_the_tape_can_be_walked_from_a_result():
    x = minicnn.ones(2, requires_grad=True)
    y = exponential(minicnn.autograd.Function)(x * 2)
    (before, _), *_ = y.grad_fn.next_functions
    assert (repr(y.grad_fn), repr(before)) == ("<ExpBackward>", "<MulBackward>")
    assert before.next_functions[0][0] is x


def test_nothing_is_recorded_without_need():
    exp = exponential(minicnn.autograd.Function)
    assert not exp(minicnn.ones(2)).requires_grad
    with minicnn.no_grad():
        assert not exp(minicnn.ones(2, requires_grad=True)).requires_grad


def test_a_returned_input_is_a_tensor_of_its_own():
    x = minicnn.ones(2, requires_grad=True)
    y = tripled_gradient(minicnn.autograd.Function)(x)
    assert y is not x and x.is_leaf and not y.is_leaf


def test_a_saved_value_that_was_changed_is_noticed():
    x = minicnn.ones(2, requires_grad=True) * 1
    y = scaled_product(minicnn.autograd.Function)(x, x * 2, 1.0)
    x.mul_(2)
    with pytest.raises(minicnn.errors.InPlaceError, match="Product needs the value of input 0"):
        y.sum().backward()


def test_the_graph_is_freed_by_a_backward_pass():
    y = exponential(minicnn.autograd.Function)(minicnn.ones(2, requires_grad=True))
    y.sum().backward()
    with pytest.raises(minicnn.errors.GraphError, match="already freed"):
        y.sum().backward()


def test_a_gradient_of_a_wrong_shape_is_refused():
    class Wrong(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return minicnn.ones(7)

    with pytest.raises(minicnn.errors.ShapeError, match=r"Wrong has shape \(7,\)"):
        Wrong.apply(minicnn.ones(2, requires_grad=True)).sum().backward()


def test_memory_goes_without_the_garbage_collector():
    gc.disable()
    try:
        y = exponential(minicnn.autograd.Function)(minicnn.ones(2, requires_grad=True) * 1)
        gone = weakref.ref(y)
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_gradcheck_tells_a_wrong_backward():
    class Wrong(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, dy):
            return dy

    x = minicnn.tensor([0.3, 1.7], dtype=minicnn.float64, requires_grad=True)
    assert minicnn.gradcheck(exponential(minicnn.autograd.Function), x)
    assert minicnn.gradgradcheck(exponential(minicnn.autograd.Function), x)
    assert not minicnn.gradcheck(Wrong.apply, x, raise_exception=False)
