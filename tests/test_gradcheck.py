"""Gradient checks catch every kind of mistake and name it; what is right, and kinks, they pass."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minicnn
from minicnn import gradcheck, gradgradcheck
from minicnn.autograd import Op
from minicnn.errors import GradcheckError, KinkWarning, ShapeError, UnsupportedError
from minicnn.gradcheck.jacobian import Tolerance
from minicnn.gradcheck.problem import problem_of


def variable(*shape, seed=0):
    """Random float64 numbers that require a gradient."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return minicnn.tensor(values, requires_grad=True)


def at(*values):
    return minicnn.tensor(np.array(values, np.float64), requires_grad=True)


def square_with(derivative):
    """x^2 with a derivative of one's own: a function of (dy, x)."""

    class Square(Op):
        def forward(self, x):
            return x * x

        def dx(self, dy, x):
            return derivative(dy, x)

    Op.registry.remove(Square)
    return lambda x: Square()(x)


def product_with(da, db):
    """a @ b with derivatives of one's own."""

    class Product(Op):
        def forward(self, a, b):
            return a @ b

        def da(self, dy, a, b):
            return da(dy, a, b)

        def db(self, dy, a, b):
            return db(dy, a, b)

    Op.registry.remove(Product)
    return lambda a, b: Product()(a, b)


def message(function, *inputs, check=gradcheck, **options):
    """What a check says against a function."""
    with pytest.raises(GradcheckError) as caught:
        check(function, inputs, **options)
    return str(caught.value)


# ------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("fast_mode", [True, False])
def test_right_gradients_pass(fast_mode):
    def function(a, b):
        return (a @ b).tanh(), a.sum() * b.exp()

    inputs = variable(3, 4), variable(4, 2)
    assert gradcheck(function, inputs, fast_mode=fast_mode) is True
    assert gradgradcheck(function, inputs, fast_mode=fast_mode) is True


def test_inputs_may_be_anything_and_only_variables_are_checked():
    x, w = variable(2, 3), variable(3)
    constant = minicnn.tensor([1.0, 2.0, 3.0])

    def function(parts, factor, options, constant, flag):
        return parts[0] * factor * options["w"] + constant.double() if flag else None

    assert gradcheck(function, ([x, 7], 2.0, {"w": w}, constant, True))
    assert list(problem_of(function, ([x, 7], 2.0, {"w": w}, constant, True)).targets) == [
        "inputs[0][0]",
        "inputs[2]['w']",
    ]


def test_a_single_tensor_need_not_be_in_a_tuple():
    assert gradcheck(lambda x: x.exp(), variable(3))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3)])
def test_tensors_of_few_or_no_elements_can_be_checked(shape):
    assert gradcheck(lambda x: x * x, variable(*shape))
    assert gradgradcheck(lambda x: x * x, variable(*shape))


def test_integer_outputs_are_left_out():
    assert gradcheck(lambda x: x.max(1), variable(3, 4))


def test_outputs_that_are_detached_are_left_out_if_others_are_not():
    assert gradcheck(lambda x: (x * 2, x.detach() * 3), variable(3))


def test_inputs_are_left_as_they_were():
    x = variable(3, 4)
    before, array = x.detach().clone(), x.array
    gradcheck(lambda x: x.sin(), x, fast_mode=False)
    gradgradcheck(lambda x: x.sin(), x)
    assert x.array is array and x.grad is None
    assert (x == before).all()


def test_an_error_of_the_function_itself_is_not_swallowed():
    x = variable(3)
    with pytest.raises(ShapeError, match="do not broadcast"):
        gradcheck(lambda x: x * minicnn.zeros(2).double(), x)
    assert x.array.shape == (3,)


def test_random_numbers_of_the_program_are_not_used():
    state = minicnn.get_rng_state()
    gradcheck(lambda x: x.sin(), variable(3))
    assert minicnn.get_rng_state() == state


def test_the_parameters_of_a_module_are_checked_too():
    nn = pytest.importorskip("minicnn.nn")
    layer = nn.Linear(3, 2).double()
    assert gradcheck(layer, variable(4, 3)) and gradgradcheck(layer, variable(4, 3))
    assert gradcheck(layer, minicnn.ones(4, 3).double())  # only its parameters require a gradient
    wrong = square_with(lambda dy, x: dy * x)
    layer.forward = lambda x: wrong(layer.weight) @ x.T
    assert "with respect to parameter weight[" in message(layer, variable(4, 3))


def test_frozen_parameters_are_not_checked():
    nn = pytest.importorskip("minicnn.nn")
    layer = nn.Linear(3, 2).double()
    layer.weight.requires_grad_(False)
    assert list(problem_of(layer, (variable(4, 3),)).targets) == ["inputs[0]", "parameter bias"]


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    column=st.integers(0, 10**6),
    error=st.sampled_from([0.5, 1.01, -1.0, 2.0]),
)
def test_one_wrong_element_among_all_is_found_and_named(shape, column, error):
    index = np.unravel_index(column % int(np.prod(shape)), shape)
    mask = np.ones(shape)
    mask[index] = error
    scale = minicnn.from_numpy(mask)
    x = at(*np.linspace(1.0, 2.0, mask.size)).detach().reshape(shape).requires_grad_()
    text = message(square_with(lambda dy, x: 2.0 * dy * x * scale), x)
    place = f"[{', '.join(str(int(i)) for i in index)}]"
    assert f"output{place} with respect to inputs[0]{place} is wrong" in text


@pytest.mark.parametrize("fast_mode", [True, False])
def test_the_failure_names_input_element_and_both_values(fast_mode):
    def function(a, b):
        return a.sin(), square_with(lambda dy, x: 3.0 * dy * x)(b)

    text = message(function, variable(2), at(1.0, 4.0), fast_mode=fast_mode)
    assert "the derivative of output 1[1] with respect to inputs[1][1] is wrong" in text
    assert "the backward pass says 12, a central difference 8" in text
    assert (
        "inputs[1] has shape (2,); 2 of the 8 elements" in text
        or not fast_mode
        or "2 of the" in text
    )


def test_a_mistake_in_a_large_input_is_followed_to_its_place():
    mask = np.ones((60, 50))
    mask[41, 7] = 1.5
    scale = minicnn.from_numpy(mask)
    text = message(square_with(lambda dy, x: 2.0 * dy * x * scale), variable(60, 50))
    assert "output[41, 7] with respect to inputs[0][41, 7]" in text


def test_raise_exception_false_returns_false():
    wrong = square_with(lambda dy, x: dy * x)
    assert gradcheck(wrong, variable(3), raise_exception=False) is False
    assert gradcheck(lambda x: x * x, variable(3), raise_exception=False) is True


# -------------------------------------------------------------------------------- likely causes

TWO_DERIVATIVES = {
    "the sign": (lambda dy, x: -2.0 * dy * x, "the sign: the gradient is -1 times"),
    "a lost factor": (lambda dy, x: dy * x, "a factor of 0.5: the 2 of a square was lost"),
    "a doubled factor": (lambda dy, x: 4.0 * dy * x, "a factor of 2: something is counted twice"),
    "another factor": (lambda dy, x: 7.4 * dy * x, "a factor: the gradient is 3.7 times"),
    "a mean for a sum": (
        lambda dy, x: 2.0 * dy * x / 5.0,
        "a factor of 0.2, and 5 is a number of elements here",
    ),
    "no gradient": (lambda dy, x: dy * 0.0, "the backward pass gives no gradient at all: detach()"),
    "None": (lambda dy, x: None, "the backward pass gives no gradient at all: detach()"),
    "NaN": (
        lambda dy, x: dy * (0.0 * x / (x - x)),
        "the backward pass divides by zero or overflows",
    ),
    "flipped": (lambda dy, x: (2.0 * dy * x).flip(0), "the right values at the wrong places"),
    "half of it": (
        lambda dy, x: minicnn.cat([2.0 * (dy * x)[:2], 0.0 * x[2:]]),
        "3 of 5 elements of the input get no gradient: they were detached",
    ),
    "nothing simple": (lambda dy, x: 2.0 * dy * x + 0.1 * x.exp() * dy, "no simple pattern"),
}


@pytest.mark.parametrize("name", TWO_DERIVATIVES)
def test_the_likely_cause_is_named(name):
    derivative, cause = TWO_DERIVATIVES[name]
    assert f"Likely cause: {cause}" in message(square_with(derivative), variable(5))


def test_a_transposed_gradient_is_named():
    right = product_with(lambda dy, a, b: dy @ b.T, lambda dy, a, b: a.T @ dy)
    wrong = product_with(lambda dy, a, b: dy @ b.T, lambda dy, a, b: (a.T @ dy).T)
    inputs = variable(3, 3), variable(3, 3, seed=1)
    assert gradcheck(right, inputs)
    text = message(wrong, *inputs)
    assert "with respect to inputs[1]" in text and "the gradient is transposed" in text


def test_a_missing_sum_over_the_batch_is_named():
    wrong = product_with(lambda dy, a, b: dy @ b.T, lambda dy, a, b: a[:1].T @ dy[:1])
    text = message(wrong, variable(4, 3), variable(3, 2))
    assert "6 of 8 outputs compared pass no gradient back: a missing sum over the batch" in text


def test_a_missing_term_is_named():
    text = message(lambda x: x[:2] * x[1:].detach(), variable(3))
    assert "part of the gradient is right and part is zero: a missing term" in text


def test_a_cut_graph_is_named():
    assert "cuts the graph" in message(lambda x, y: x.detach() * 2.0 + y, variable(3), variable(3))
    assert "cuts the graph" in message(
        lambda x: minicnn.tensor(x.detach().numpy()) ** 2, variable(3)
    )


def test_a_derivative_of_a_wrong_shape_is_reported():
    text = message(square_with(lambda dy, x: dy.reshape(-1)[:2]), variable(3, 3))
    assert (
        "a derivative of Square has shape (2,), which cannot belong to an input of shape (3, 3)"
        in text
    )
    assert (
        gradcheck(square_with(lambda dy, x: dy[:1]), variable(2, 3, 3), raise_exception=False)
        is False
    )
    text = message(
        square_with(lambda dy, x: dy.reshape(-1)[:2]), variable(3, 3), check=gradgradcheck
    )
    assert "the backward pass cannot be run" in text


def test_a_gradient_of_a_wrong_dtype_is_reported():
    x = variable(3)
    y = x * 1.0
    problem = problem_of(lambda y: y * 2, y)

    def single(dy):
        return dy.float()

    def function(y):
        z = y * 1.0
        return z * 2

    assert gradcheck(function, y, check_grad_dtypes=True)
    y.register_hook(single)
    assert gradcheck(lambda y: y * 2, y, rtol=1e-2)
    assert "the gradient of inputs[0] is float32, but inputs[0] is float64" in message(
        lambda y: y * 2, y, check_grad_dtypes=True, rtol=1e-2
    )
    assert problem.targets


def test_single_precision_is_named_as_the_cause():
    x = minicnn.tensor([0.3, 1.3, 2.0, -1.5], requires_grad=True)
    with pytest.warns(
        UserWarning, match=r"inputs\[0\] is float32; finite differences need float64"
    ):
        text = message(lambda x: x.sin(), x)
    assert "Likely cause: precision: the input is float32" in text


@pytest.mark.host
def test_a_value_kept_on_self_is_found_at_second_order():
    class Cube(Op):
        def forward(self, x):
            self.square = x * x
            return x * x * x

        def dx(self, dy):
            return dy * (3.0 * minicnn.from_numpy(self.square))

    Op.registry.remove(Cube)
    assert gradcheck(lambda x: Cube()(x), variable(3))
    text = message(lambda x: Cube()(x), variable(3), check=gradgradcheck)
    assert "the first derivative is right and its own derivative is not" in text
    assert "kept a value on self that is not piecewise constant" in text


def test_at_second_order_a_wrong_first_derivative_is_told_apart():
    wrong = square_with(lambda dy, x: dy * x.detach())
    text = message(wrong, variable(3), check=gradgradcheck)
    assert text.startswith(
        "gradgradcheck: the first derivative is wrong already: the derivative of output["
    )


def test_random_functions_are_found():
    text = message(lambda x: x * float(np.random.default_rng().random()), variable(3))
    assert "the function is not deterministic: two calls differ by" in text and "dropout" in text
    rng = np.random.default_rng(0)
    noisy = square_with(lambda dy, x: 2.0 * dy * x + 1e-9 * float(rng.random()))
    assert "the backward pass is not deterministic" in message(noisy, variable(3))
    assert gradcheck(noisy, variable(3), nondet_tol=1e-6)


def test_a_function_without_a_graph_has_no_second_derivative():
    text = message(lambda x: x.detach() * 2.0, variable(3), check=gradgradcheck)
    assert text == "gradgradcheck: no output requires a gradient; is the graph cut?"


def test_functions_that_change_their_input_are_found():
    def function(x):
        x.data.mul_(1.001)
        return x * 2.0

    assert "the function changes inputs[0] in place" in message(function, variable(3))


def test_values_that_are_not_finite_are_found():
    assert "output[1] is NaN or infinite at this point" in message(lambda x: x.log(), at(1.0, -1.0))


# ---------------------------------------------------------------------------------------- kinks


def relu(x):
    return minicnn.where(x > 0, x, 0.0)


@pytest.mark.parametrize("fast_mode", [True, False])
@pytest.mark.parametrize(
    "function, x, what",
    [
        (relu, at(0.0, 1.0, -1.0), r"output\[0\] has a kink at inputs\[0\]\[0\]"),
        (relu, at(1.0, 3e-7), r"output\[1\] has a kink \(within eps\) at inputs\[0\]\[1\]"),
        (lambda x: x.floor(), at(0.5, 2.0), r"output\[1\] has a jump at inputs\[0\]\[1\]"),
        (lambda x: x.max(0).values, at(1.0, 2.0, 2.0), r"output has a kink at inputs\[0\]\[1\]"),
        (lambda x: x.sqrt(), at(1.0, 3e-7), r"output\[1\] has an edge of its domain"),
    ],
)
def test_kinks_are_said_and_not_failed(function, x, what, fast_mode):
    with pytest.warns(KinkWarning, match=what):
        assert gradcheck(function, x, fast_mode=fast_mode, rtol=1e-5)


def test_a_mistake_beside_a_kink_is_still_found():
    def function(x):
        return relu(x) + square_with(lambda dy, x: dy * x)(x)

    assert "inputs[0][2] is wrong" in message(function, at(0.0, 1.0, 2.0))


@pytest.mark.host
def test_a_mistake_at_a_kink_is_found_where_no_slope_is_like_it():
    class Relu(Op):
        def forward(self, x):
            return np.maximum(x, 0)

        def dx(self, dy):
            return dy * 7.0

    Op.registry.remove(Relu)
    assert "says 7" in message(lambda x: Relu()(x), at(0.0))


def test_a_strong_bend_is_no_kink():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradcheck(lambda x: (x * 200.0).sin(), at(0.0, 0.1))
        wrong = square_with(lambda dy, x: 1.9 * dy * x)
        assert "is wrong" in message(lambda x: wrong(x * 300.0), at(1.0, 0.1))


def test_kinks_of_a_derivative_are_found_at_second_order():
    with pytest.warns(KinkWarning, match=r"gradient\[1\] has a jump at inputs\[0\]\[1\]"):
        assert gradgradcheck(relu, at(1.0, 0.0))


@pytest.mark.host
def test_many_kinks_in_a_large_input_do_not_hide_a_mistake():
    values = np.linspace(-1.0, 1.0, 400)
    values[::2] = 0.0
    mask = np.ones(400)
    mask[333] = 0.9
    scale = minicnn.from_numpy(mask)

    class Relu(Op):
        def forward(self, x):
            return np.maximum(x, 0)

        def dx(self, dy, x):
            return dy * (x > 0).double() * scale

    Op.registry.remove(Relu)
    x = minicnn.tensor(values, requires_grad=True)
    assert "inputs[0][333]" in message(lambda x: Relu()(x), x)
    mask[333] = 1.0
    with pytest.warns(KinkWarning):
        assert gradcheck(lambda x: Relu()(x), x)


# -------------------------------------------------------------------------------------- options


def test_given_gradients_of_the_outputs_are_used():
    x, g = variable(3), variable(3, seed=1)
    assert gradgradcheck(lambda x: x.exp(), x, g)
    assert gradgradcheck(lambda x: (x.exp(), x.sum()), x, (g, variable(seed=2)))
    assert gradgradcheck(lambda x: x.exp(), x, gen_non_contig_grad_outputs=True)


@pytest.mark.parametrize(
    "check, option, text",
    [
        (
            gradcheck,
            {"check_batched_grad": True},
            "gradcheck: check_batched_grad=True is not covered",
        ),
        (gradcheck, {"check_forward_ad": True}, "gradcheck: check_forward_ad=True is not covered"),
        (
            gradcheck,
            {"check_backward_ad": False},
            "gradcheck: check_backward_ad=False is not covered",
        ),
        (
            gradcheck,
            {"check_batched_forward_grad": True},
            "check_batched_forward_grad=True is not covered",
        ),
        (gradcheck, {"masked": True}, "gradcheck: masked=True is not covered"),
        (gradgradcheck, {"check_fwd_over_rev": True}, "check_fwd_over_rev=True is not covered"),
        (gradgradcheck, {"check_rev_over_rev": False}, "check_rev_over_rev=False is not covered"),
    ],
)
def test_what_is_not_covered_raises(check, option, text):
    with pytest.raises(UnsupportedError, match=text):
        check(lambda x: x, variable(2), **option)


def test_without_a_variable_there_is_nothing_to_check():
    with pytest.raises(ValueError, match="gradcheck: none of the inputs requires a gradient"):
        gradcheck(lambda x: x, minicnn.ones(2))


def test_overlapping_inputs_are_refused():
    with pytest.raises(GradcheckError, match=r"elements of inputs\[0\] \(3, 2\) overlap in memory"):
        gradcheck(lambda x: x * 2, minicnn.ones(2).double().expand(3, 2).requires_grad_())


def test_the_function_must_return_tensors():
    with pytest.raises(
        GradcheckError, match="must return a Tensor or a tuple of Tensors, not float"
    ):
        gradcheck(lambda x: 1.0, variable(2))


def test_the_signatures_are_pytorchs():
    torch = pytest.importorskip("torch")
    import inspect

    for ours, theirs in (
        (gradcheck, torch.autograd.gradcheck),
        (gradgradcheck, torch.autograd.gradgradcheck),
    ):
        here, there = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
        assert list(here) == list(there)
        for name in here:
            if name not in ("fast_mode", "inputs", "func", "grad_outputs"):
                assert here[name].kind == there[name].kind
                assert bool(here[name].default) == bool(there[name].default) or name == "masked"
                if isinstance(here[name].default, float):
                    assert here[name].default == there[name].default


def test_it_is_found_where_pytorch_has_it():
    assert (
        minicnn.autograd.gradcheck is gradcheck and minicnn.autograd.gradgradcheck is gradgradcheck
    )


def test_the_tolerance_is_pytorchs():
    tolerance = Tolerance(atol=0.1, rtol=0.5)
    assert tolerance.allows(2.5, 1.7) and not tolerance.allows(2.8, 1.7)


@pytest.mark.parametrize("fast_mode", [True, False])
def test_pytorch_agrees_on_what_is_right(fast_mode):
    torch = pytest.importorskip("torch")
    x = torch.tensor(variable(3).detach().numpy(), requires_grad=True)
    for ours, theirs in (
        (lambda x: x.sin(), lambda x: x.sin()),
        (lambda x: x.detach() * x, lambda x: x.detach() * x),
        (lambda x: x.norm() * x, lambda x: x.norm() * x),
    ):
        here = gradcheck(ours, variable(3), raise_exception=False)
        there = torch.autograd.gradcheck(theirs, x, raise_exception=False, fast_mode=fast_mode)
        assert here == there


def test_messages_are_one_paragraph():
    text = message(square_with(lambda dy, x: dy * x), variable(3))
    assert "\n" not in text and not re.search(r"  ", text)
