"""New tensors: their values, dtypes and memory; random draws and their seeds."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn import Generator, manual_seed

DTYPES = ["float16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]


@pytest.fixture(params=["float32", "float64"])
def default_dtype(request):
    minicnn.set_default_dtype(request.param)
    yield request.param
    minicnn.set_default_dtype("float32")


# ------------------------------------------------------------------------------- from data


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy")
@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"),
        (1.5, "float32"),
        (True, "bool"),
        ([], "float32"),
        ([1, 2.5, True], "float32"),
        ([True, 2], "int64"),
        (range(3), "int64"),
        (np.float64(1), "float64"),
        ([np.float32(1)], "float32"),
        ([np.ones(2), np.ones(2)], "float64"),
        (np.ones(2, np.int16), "int16"),
        ([minicnn.tensor(1.0), 2], "float32"),
        ([minicnn.tensor(1.0, dtype=minicnn.float64)], "float64"),
    ],
)
def test_tensor_takes_its_dtype_from_the_data(data, dtype):
    torch = pytest.importorskip("torch")
    x = minicnn.tensor(data)
    assert x.dtype == dtype
    if not any(isinstance(d, minicnn.Tensor) for d in (data if isinstance(data, list) else [])):
        theirs = torch.tensor(data)
        assert str(theirs.dtype) == f"torch.{dtype}"
        assert x.tolist() == theirs.tolist()


def test_numbers_follow_the_default_dtype_and_arrays_do_not(default_dtype):
    assert minicnn.tensor([1.0]).dtype == default_dtype
    assert minicnn.zeros(2).dtype == default_dtype
    assert minicnn.linspace(0, 1, 3).dtype == default_dtype
    assert minicnn.arange(0.0, 1, 0.5).dtype == default_dtype
    assert minicnn.Tensor(2, 3).dtype == default_dtype
    assert minicnn.tensor(np.ones(2, np.float16)).dtype == "float16"


@pytest.mark.host
def test_tensor_copies_and_from_numpy_shares():
    array = np.zeros(2)
    copied, shared, perhaps = (
        minicnn.tensor(array),
        minicnn.from_numpy(array),
        minicnn.as_tensor(array),
    )
    array[0] = 1
    assert copied.tolist() == [0, 0]
    assert shared.tolist() == perhaps.tolist() == [1, 0]
    assert minicnn.as_tensor(array, dtype=minicnn.float32).dtype == "float32"
    assert minicnn.as_tensor([1, 2]).dtype == "int64"
    assert minicnn.as_tensor(shared) is shared


@pytest.mark.host
def test_dlpack_shares_memory_in_both_directions():
    x, array = minicnn.ones(3), np.arange(3.0)
    assert np.shares_memory(np.from_dlpack(x), x.array)
    assert np.shares_memory(minicnn.from_dlpack(array).array, array)


def test_the_old_constructor_takes_sizes_or_numbers():
    assert minicnn.Tensor(2, 3).shape == (2, 3)
    assert minicnn.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert minicnn.Tensor().shape == (0,)
    assert minicnn.Tensor(np.ones(2, np.int64)).dtype == "float32"
    assert minicnn.Tensor(minicnn.ones(2, dtype=minicnn.float64)).dtype == "float32"


@pytest.mark.host
@pytest.mark.parametrize(
    "name", ["Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte"]
)
def test_older_type_names_make_and_name_tensors(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (getattr(library, f"{name}Tensor") for library in (minicnn, torch))
    x = ours([1, 2])
    assert x.type() == theirs([1, 2]).type() == f"torch.{name}Tensor"
    assert isinstance(x, ours) and not isinstance(minicnn.ones(1).bool(), ours)
    assert ours(2, 3).shape == (2, 3)
    assert minicnn.tensor([1.7]).type(ours).tolist() == torch.tensor([1.7]).type(theirs).tolist()
    assert minicnn.ones(1).type(f"torch.{name}Tensor").dtype == x.dtype


# ------------------------------------------------------------------------------- filled


@pytest.mark.parametrize("dtype", DTYPES)
def test_filled_tensors_have_every_dtype(dtype):
    like = minicnn.ones(2, 3, dtype=dtype)
    made = [
        minicnn.zeros((2, 3), dtype=dtype),
        minicnn.zeros_like(like),
        like.new_zeros(2, 3),
        minicnn.full((2, 3), 0, dtype=dtype),
        minicnn.full_like(like, 0),
        minicnn.zeros(size=(2, 3), dtype=dtype),
    ]
    for x in made:
        assert (x.shape, x.dtype.name) == ((2, 3), dtype)
        assert not x.array.any()
    assert like.array.all()


def test_empty_holds_zeros_so_that_programs_are_reproducible():
    assert minicnn.empty(3).tolist() == minicnn.empty_like(minicnn.ones(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 5, 17, 100])
def test_linspace_ends_exactly(count):
    x = minicnn.linspace(0.1, 0.7, count, dtype=minicnn.float64)
    assert x[0].item() == 0.1
    assert count == 1 or x[-1].item() == 0.7
    assert np.allclose(x.numpy(), np.linspace(0.1, 0.7, count), rtol=1e-15)


def test_logspace_and_eye():
    assert minicnn.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert minicnn.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_requires_grad_makes_a_leaf():
    for x in (minicnn.zeros(2, requires_grad=True), minicnn.randn(2, requires_grad=True)):
        assert x.requires_grad and x.is_leaf


def test_a_shape_equals_size_and_a_tuple():
    x = minicnn.zeros(2, 3)
    assert x.shape == minicnn.Size([2, 3]) == (2, 3)
    assert minicnn.Size(x.shape).numel() == 6


# ------------------------------------------------------------------------------- random


def draws():
    """One draw of everything random."""
    p = minicnn.tensor([0.1, 0.5, 0.9])
    return [
        minicnn.rand(5), minicnn.randn(5), minicnn.randint(0, 9, (5,)), minicnn.randperm(5),
        minicnn.normal(0.0, 2.0, (5,)), minicnn.bernoulli(p), minicnn.multinomial(p, 2),
        minicnn.rand_like(p), minicnn.randn_like(p), minicnn.randint_like(p, 9),
        minicnn.zeros(5).normal_(), minicnn.zeros(5).uniform_(2, 3), minicnn.zeros(5).random_(9),
        minicnn.zeros(5).bernoulli_(0.5),
    ]  # fmt: skip


def test_one_seed_gives_the_same_draws():
    manual_seed(3)
    first = draws()
    second = draws()
    manual_seed(3)
    again = draws()
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a.numpy(), b.numpy()) for a, b in zip(first, second, strict=True))


def test_a_generator_is_a_stream_of_its_own():
    manual_seed(1)
    expected = minicnn.rand(3).tolist()
    manual_seed(1)
    g = Generator().manual_seed(7)
    minicnn.rand(3, generator=g)
    assert minicnn.rand(3).tolist() == expected
    assert g.initial_seed() == 7


def test_the_state_of_a_stream_can_be_restored():
    state = minicnn.get_rng_state()
    first = minicnn.rand(3).tolist()
    minicnn.set_rng_state(state)
    assert minicnn.rand(3).tolist() == first
    g = Generator()
    kept = g.get_state()
    first = minicnn.randn(3, generator=g).tolist()
    g.set_state(kept)
    assert minicnn.randn(3, generator=g).tolist() == first
    assert g.seed() == g.initial_seed()
    before = minicnn.initial_seed()
    assert minicnn.seed() == minicnn.initial_seed()
    manual_seed(before)


def test_every_dtype_sees_the_same_draws():
    values = [minicnn.randn(50, generator=Generator().manual_seed(1), dtype=d) for d in DTYPES[:3]]
    for x in values[:2]:
        assert np.allclose(x.numpy(), values[2].numpy(), rtol=1e-3)


def test_uniform_draws_never_reach_one_in_any_dtype():
    for dtype in DTYPES[:3]:
        x = minicnn.rand(20000, dtype=dtype, generator=Generator().manual_seed(0)).numpy()
        assert 0 <= x.min() and x.max() < 1
        assert abs(x.astype(np.float64).mean() - 0.5) < 0.01


def test_draws_have_their_distribution():
    g = Generator().manual_seed(0)
    x = minicnn.normal(3.0, 2.0, (20000,), generator=g).numpy()
    assert abs(x.mean() - 3) < 0.06 and abs(x.std() - 2) < 0.06
    means = minicnn.normal(minicnn.tensor([0.0, 100.0]), 1e-3, generator=g)
    assert np.allclose(means.numpy(), [0, 100], atol=0.01)
    counts = minicnn.randint(2, 6, (20000,), generator=g).bincount().numpy()
    assert counts[:2].sum() == 0 and np.allclose(counts[2:] / 20000, 0.25, atol=0.02)
    coins = minicnn.bernoulli(minicnn.full((20000,), 0.3), generator=g).numpy()
    assert abs(coins.mean() - 0.3) < 0.02


def test_multinomial_draws_with_the_given_weights():
    g = Generator().manual_seed(0)
    weights = minicnn.tensor([[1.0, 3.0, 0.0], [0.0, 1.0, 1.0]])
    x = minicnn.multinomial(weights, 4000, replacement=True, generator=g)
    assert x.shape == (2, 4000) and x.dtype == "int64"
    assert np.allclose(np.bincount(x[0].numpy(), minlength=3) / 4000, [0.25, 0.75, 0], atol=0.03)
    firsts = [minicnn.multinomial(weights[0], 2, generator=g).tolist() for _ in range(300)]
    assert all(sorted(pair) == [0, 1] for pair in firsts)  # without replacement, and never the 0
    assert abs(np.mean([pair[0] for pair in firsts]) - 0.75) < 0.1


def test_randperm_is_a_permutation():
    assert sorted(minicnn.randperm(50).tolist()) == list(range(50))
    assert minicnn.randperm(3, dtype=minicnn.int32).dtype == "int32"


def test_random_covers_the_dtype():
    x = minicnn.zeros(1000, dtype=minicnn.uint8).random_(generator=Generator().manual_seed(0))
    assert x.numpy().min() < 20 and x.numpy().max() > 230
    assert set(minicnn.zeros(50, dtype=minicnn.bool).random_().tolist()) == {True, False}
    y = minicnn.zeros(1000).random_(2, 5).numpy()
    assert set(y) == {2, 3, 4}
