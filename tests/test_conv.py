"""Convolutions as users call them: values, gradients, sizes and errors, also against PyTorch."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import autograd, kernels
from minicnn.errors import DTypeError, ShapeError, UnsupportedError
from minicnn.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from minicnn.ops.from_data import tensor

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # PyTorch's


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def rand(*shape, dtype="float64", seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def both(torch, ours, theirs, *arrays):
    """Compare values, gradients and second derivatives of two functions of float64 arrays."""
    a = [tensor(x, requires_grad=True) for x in arrays]
    b = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, z = ours(*a), theirs(*b)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
    seed = rand(*y.shape, seed=1)
    g, h = tensor(seed, requires_grad=True), torch.tensor(seed, requires_grad=True)
    da = autograd.grad(y, a, g, create_graph=True)
    db = torch.autograd.grad(z, b, h, create_graph=True)
    for p, q in zip(da, db, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), atol=1e-11)
    dda = autograd.grad(sum((p * p).sum() for p in da), [*a, g], materialize_grads=True)
    ddb = torch.autograd.grad(sum((q * q).sum() for q in db), [*b, h], materialize_grads=True)
    for p, q in zip(dda, ddb, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), atol=1e-9)


# ------------------------------------------------------------------------ without PyTorch


def test_conv2d_and_its_gradients_are_the_naive_loops():
    x, w, b = rand(2, 4, 6, 5), rand(6, 2, 3, 2), rand(6)
    arguments = ((2, 1), ((1, 1), (2, 2)), (1, 2), 2)
    leaves = [tensor(a, requires_grad=True) for a in (x, w, b)]
    y = conv2d(*leaves, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    expected = oracles.conv2d(x, w, *arguments) + b[:, None, None]
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
    dy = rand(*y.shape)
    y.backward(tensor(dy))
    dx = oracles.conv2d_input_grad(dy, w, (6, 5), *arguments)
    dw = oracles.conv2d_weight_grad(dy, x, (3, 2), *arguments)
    for leaf, gradient in zip(leaves, (dx, dw, dy.sum((0, 2, 3))), strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), gradient, atol=1e-12)


def test_conv2d_is_the_same_on_the_reference_kernels():
    x, w = rand(2, 9, 6, 5), rand(4, 9, 3, 3)
    y = conv2d(tensor(x), tensor(w), padding="same")
    with kernels.use("reference"):
        z = conv2d(tensor(x), tensor(w), padding="same")
    np.testing.assert_allclose(y.numpy(), z.numpy(), atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_transposed_convolution_is_the_transpose_of_convolution(data):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = data.draw(pair), data.draw(pair), data.draw(pair)
    groups = data.draw(st.sampled_from((1, 2)))
    padding = tuple(data.draw(st.integers(0, dilation[a] * (kernel[a] - 1))) for a in (0, 1))
    spare = tuple(data.draw(st.integers(0, max(stride[a], dilation[a]) - 1)) for a in (0, 1))
    x = rand(2, 2 * groups, *data.draw(pair), seed=1)
    w = rand(2 * groups, 3, *kernel, seed=2)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    try:
        y = conv_transpose2d(tensor(x), tensor(w), output_padding=spare, **options)
    except ShapeError:
        return  # more was cut off than there is
    g = rand(*y.shape, seed=3)
    back = conv2d(tensor(g), tensor(w), **options).numpy()
    # Output padding may leave room for one window more than there were pixels.
    back = back[:, :, : x.shape[2], : x.shape[3]]
    assert np.vdot(y.numpy(), g) == pytest.approx(np.vdot(x, back), abs=1e-10)


def test_a_number_a_pair_and_valid_mean_the_same():
    x, w = tensor(rand(1, 2, 6, 6)), tensor(rand(3, 2, 3, 3))
    for stride in (2, (2,), (2, 2), [2, 2]):
        y = conv2d(x, w, stride=stride, padding="valid")
        np.testing.assert_array_equal(y.numpy(), conv2d(x, w, None, 2, 0).numpy())


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_keeps_the_size(kernel, dilation):
    x, w = tensor(rand(1, 2, 7, 8)), tensor(rand(3, 2, kernel, kernel))
    assert conv2d(x, w, padding="same", dilation=dilation).shape == (1, 3, 7, 8)
    assert conv1d(x[:, :, 0], w[:, :, 0], padding="same", dilation=dilation).shape == (1, 3, 8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_results_and_gradients_keep_the_dtype(dtype):
    x = tensor(rand(1, 3, 5, 5, dtype=dtype), requires_grad=True)
    w = tensor(rand(3, 3, 2, 2, dtype=dtype), requires_grad=True)
    b = tensor(rand(3, dtype=dtype), requires_grad=True)
    for function in (conv2d, conv_transpose2d):
        y = function(x, w, b, stride=2)
        x.grad = w.grad = b.grad = None
        y.sum().backward()
        assert {str(t.dtype) for t in (y, x.grad, w.grad, b.grad)} == {dtype}


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    x, w = (
        tensor(rand(0, 3, 5, 5), requires_grad=True),
        tensor(rand(4, 3, 3, 3), requires_grad=True),
    )
    y = conv2d(x, w)
    assert y.shape == (0, 4, 3, 3)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not w.grad.numpy().any()
    assert conv_transpose2d(tensor(rand(0, 4, 3, 3)), w).shape == (0, 3, 5, 5)


def test_only_the_gradients_that_are_needed_keep_their_inputs_alive():
    x, w = tensor(rand(1, 3, 5, 5)), tensor(rand(4, 3, 3, 3), requires_grad=True)
    assert set(conv2d(x, w)._node.saved) == {"x"}


SHAPES = [
    (conv2d, (8, 3, 32, 32), (16, 4, 3, 3), {}, r"conv2d: input has 3 channels but weight .* 4;"),
    (conv2d, (8, 32, 32, 3), (16, 3, 3, 3), {}, r"channels seem .*input.permute\(0, 3, 1, 2\)"),
    (conv2d, (32, 32, 3), (16, 3, 3, 3), {}, r"input.permute\(2, 0, 1\)"),
    (conv1d, (8, 32, 3), (16, 3, 3), {}, r"input.permute\(0, 2, 1\)"),
    (conv1d, (8, 3), (16, 8, 4), {}, r"conv1d: the kernel, dilated \(4,\), .* input \(3,\)"),
    (conv2d, (8, 32), (16, 3, 3, 3), {}, r"expected an input .* \(N, C, H, W\) or \(C, H, W\)"),
    (conv1d, (8, 3, 4, 4), (16, 3, 3), {}, r"conv1d: expected an input of shape \(N, C, L\)"),
    (conv2d, (1, 3, 8, 8), (16, 3, 3), {}, r"weight must have 4 dimensions"),
    (conv2d, (1, 3, 8, 8), (16, 3, 0, 3), {}, r"kernel of at least 1, got \(16, 3, 0, 3\)"),
    (conv2d, (1, 3, 8, 8), (0, 3, 3, 3), {}, r"groups must divide the first size of weight"),
    (conv2d, (1, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}, r"groups must divide .* groups 2"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"groups": 0}, r"groups must be an integer of at least 1"),
    (conv2d, (1, 4, 2, 8), (4, 4, 3, 3), {}, r"kernel, dilated \(3, 3\), is larger .* \(2, 8\)"),
    (conv2d, (1, 4, 0, 8), (4, 4, 3, 3), {"padding": 2}, r"got input size \(0, 8\)"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"stride": 0}, r"stride must be at least 1, got 0"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"dilation": (1, 0)}, r"dilation must be at least 1"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"padding": -1}, r"padding must be at least 0"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"stride": (1, 2, 3)}, r"stride must be a number or 2"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"padding": "full"}, r"'same' or 'valid', got 'full'"),
    (conv2d, (1, 4, 8, 8), (4, 4, 3, 3), {"padding": "same", "stride": 2}, r"needs stride 1"),
    (conv_transpose2d, (1, 3, 4, 4), (4, 3, 3, 3), {}, r"_transpose2d: input has 3 channels but"),
    (conv_transpose2d, (1, 4, 4, 4), (4, 3, 3, 3), {"output_padding": 1}, r"less than stride"),
    (conv_transpose2d, (1, 4, 1, 1), (4, 3, 3, 3), {"padding": 3}, r"would have size \(-3, -3\)"),
    (conv_transpose1d, (1, 4, 1), (4, 3, 3), {"padding": 3}, r"would have size \(-3,\)"),
    (conv_transpose2d, (1, 4, 4, 4), (4, 3, 3, 3), {"output_padding": -1}, r"at least 0, got -1"),
]  # fmt: skip


@pytest.mark.parametrize("function, x, w, options, message", SHAPES)
def test_shapes_that_do_not_fit_are_named(function, x, w, options, message):
    with pytest.raises(ShapeError, match=message):
        function(tensor(rand(*x)), tensor(rand(*w)), **options)


@pytest.mark.parametrize("function, x, w, options, message", SHAPES)
def test_pytorch_refuses_the_same_with_a_base_of_our_exception(
    torch, function, x, w, options, message
):
    with pytest.raises(RuntimeError) as error:
        getattr(torch.nn.functional, function.__name__)(torch.rand(x), torch.rand(w), **options)
    assert issubclass(ShapeError, error.type)


def test_a_bias_of_the_wrong_shape_is_named(torch):
    x, w = rand(1, 4, 8, 8), rand(3, 4, 3, 3)
    for bias in (rand(4), rand(3, 1)):
        with pytest.raises(ShapeError, match=r"bias must have shape \(3,\), one number per output"):
            conv2d(tensor(x), tensor(w), tensor(bias))
        with pytest.raises(RuntimeError):
            torch.nn.functional.conv2d(*(torch.tensor(a) for a in (x, w, bias)))


def test_dtypes_that_differ_are_named():
    x, w, b = tensor(rand(1, 4, 8, 8)), tensor(rand(3, 4, 3, 3)), tensor(rand(3))
    with pytest.raises(DTypeError, match=r"input is float64 but weight is float32; convert one"):
        conv2d(x, w.to("float32"), b)
    with pytest.raises(DTypeError, match=r"input is float64 but bias is float32"):
        conv2d(x, w, b.to("float32"))
    with pytest.raises(UnsupportedError, match="conv2d: not defined for bool tensors"):
        conv2d(tensor(np.ones((1, 1, 2, 2), bool)), tensor(np.ones((1, 1, 2, 2), bool)))


def test_arguments_of_the_wrong_type_are_named():
    x, w = tensor(rand(1, 4, 8, 8)), tensor(rand(3, 4, 3, 3))
    with pytest.raises(TypeError, match=r"stride must be an integer, got 1\.5"):
        conv2d(x, w, stride=1.5)
    with pytest.raises(TypeError, match="conv2d: weight must be a Tensor, not ndarray"):
        conv2d(x, w.numpy())
    with pytest.raises(TypeError, match="padding must be an integer, got 'same'"):
        conv_transpose2d(x, tensor(rand(4, 3, 3, 3)), padding="same")


# ----------------------------------------------------------------------------- against it


CONVOLUTIONS = {
    "plain": {},
    "stride2-pad1": {"stride": 2, "padding": 1},
    "pairs": {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
    "same": {"padding": "same"},
    "same-dilated": {"padding": "same", "dilation": (2, 3)},
    "valid": {"padding": "valid", "stride": 2},
    "padding-beyond-kernel": {"padding": 4},
    "windows-that-miss-the-image": {"padding": (10, 9), "stride": (19, 25)},
    "grouped": {"groups": 2, "padding": 1},
    "depthwise": {"groups": 4, "padding": 1},
    "depthwise-stride2": {"groups": 4, "padding": 1, "stride": 2},
}


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_conv2d_agrees_with_pytorch_to_second_order(torch, options):
    groups = options.get("groups", 1)
    x, w, b = rand(2, 4, 7, 8), rand(4, 4 // groups, 3, 2), rand(4)
    both(
        torch,
        lambda *t: conv2d(*t, **options),
        lambda *t: torch.nn.functional.conv2d(*t, **options),
        x, w, b,
    )  # fmt: skip


TRANSPOSED = {
    "plain": {},
    "stride2-pad1": {"stride": 2, "padding": 1, "output_padding": 1},
    "pairs": {"stride": (1, 3), "padding": (0, 1), "output_padding": (0, 2), "dilation": (1, 2)},
    "output-padding-below-dilation": {"dilation": 2, "output_padding": 1},
    "grouped": {"groups": 2, "stride": 2},
}


@pytest.mark.parametrize("options", TRANSPOSED.values(), ids=TRANSPOSED.keys())
def test_conv_transpose2d_agrees_with_pytorch_to_second_order(torch, options):
    x, w, b = rand(2, 4, 3, 4), rand(4, 2, 3, 2), rand(2 * options.get("groups", 1))
    both(
        torch,
        lambda *t: conv_transpose2d(*t, **options),
        lambda *t: torch.nn.functional.conv_transpose2d(*t, **options),
        x, w, b,
    )  # fmt: skip


def test_arguments_have_the_order_of_pytorch(torch):
    x, w, b = rand(2, 4, 5, 6), rand(6, 2, 3, 3), rand(6)
    arguments = (2, 1, 2, 2)  # stride, padding, dilation, groups
    both(
        torch,
        lambda *t: conv2d(*t, *arguments),
        lambda *t: torch.nn.functional.conv2d(*t, *arguments),
        x, w, b,
    )  # fmt: skip
    w, arguments = rand(4, 3, 3, 3), (3, 1, 2, 2, 2)  # stride, padding, output_padding, groups, d
    both(
        torch,
        lambda *t: conv_transpose2d(*t, *arguments),
        lambda *t: torch.nn.functional.conv_transpose2d(*t, *arguments),
        x, w, b,
    )  # fmt: skip


def test_one_dimensional_and_unbatched_forms_agree_with_pytorch(torch):
    functional = torch.nn.functional
    x, w, b = rand(2, 4, 9), rand(6, 2, 3), rand(6)
    wt = rand(4, 3, 3)
    for one in (x, x[0]):
        both(
            torch,
            lambda *t: conv1d(*t, 2, 1, 2, 2),
            lambda *t: functional.conv1d(*t, 2, 1, 2, 2),
            one, w, b,
        )  # fmt: skip
        both(
            torch,
            lambda *t: conv1d(*t, padding="same", groups=2),
            lambda *t: functional.conv1d(*t, padding="same", groups=2),
            one, w, b,
        )  # fmt: skip
        both(
            torch,
            lambda *t: conv_transpose1d(*t, 2, 1, 1, 2, 1),
            lambda *t: functional.conv_transpose1d(*t, 2, 1, 1, 2, 1),
            one, wt, b,
        )  # fmt: skip
    image, w2 = rand(4, 5, 6), rand(3, 4, 2, 2)
    both(torch, conv2d, functional.conv2d, image, w2)
    both(torch, conv_transpose2d, functional.conv_transpose2d, image, rand(4, 3, 2, 2))


@pytest.mark.parametrize("channels, filters", [(3, 16), (16, 8), (64, 64)])
def test_float32_agrees_with_pytorch_to_rounding(torch, channels, filters):
    x = rand(3, channels, 12, 12, dtype="float32")
    w = rand(filters, channels, 3, 3, dtype="float32") / np.float32(3 * channels**0.5)
    a = [tensor(t, requires_grad=True) for t in (x, w)]
    b = [torch.tensor(t, requires_grad=True) for t in (x, w)]
    y, z = conv2d(*a, padding=1), torch.nn.functional.conv2d(*b, padding=1)
    # A sum of K products in float32, of size 1 on the whole, is known to about sqrt(K) 2^-24.
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-5)
    dy = rand(*y.shape, dtype="float32")
    y.backward(tensor(dy))
    z.backward(torch.tensor(dy))
    for p, q in zip(a, b, strict=True):
        scale = float(q.grad.abs().max())
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=2e-6 * scale)
