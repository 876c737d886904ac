"""Indexing: any index that NumPy knows, read and written, beside PyTorch."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.deferred import settle

torch = pytest.importorskip("torch")
FAILURES = (IndexError, ValueError, TypeError, RuntimeError)


class Both:
    """One part of an index, to be made for either library."""

    def __init__(self, values, dtype):
        self.array = np.array(values, dtype)

    def __repr__(self):
        return f"tensor({self.array.tolist()}, {self.array.dtype})"

    def made(self, library):
        return library.tensor(self.array.tolist(), dtype=getattr(library, self.array.dtype.name))


def made(index, library):
    """Return an index with tensors of `library`."""
    if isinstance(index, (tuple, list)):
        return type(index)(made(part, library) for part in index)
    return index.made(library) if isinstance(index, Both) else index


def places(n):
    """Numbers that are nearly always inside a dimension of size n."""
    return st.integers(-n, max(n - 1, 0)) | st.integers(-6, 6)


@st.composite
def parts(draw, shape):
    """One part of an index for the dimension at hand, and how many dimensions it takes."""
    n = shape[0] if shape else 1
    kind = draw(st.sampled_from("isltmMbne"))
    if kind == "i":
        return draw(places(n)), 1
    if kind == "s":
        start, stop = (draw(st.none() | st.integers(-5, 5)) for _ in range(2))
        return slice(start, stop, draw(st.none() | st.integers(1, 3))), 1
    if kind == "l":
        return draw(st.lists(places(n), max_size=3)), 1
    if kind == "t":
        size = draw(st.sampled_from([(), (1,), (2,), (2, 1), (1, 2), (0,)]))
        values = np.array(draw(st.lists(places(n), min_size=4, max_size=4)))
        values = np.resize(values, size) if size != (0,) else np.zeros(0)
        return Both(values, draw(st.sampled_from(["int64", "int32"]))), 1
    if kind == "m":
        return Both(draw(st.lists(st.booleans(), min_size=n, max_size=n)), "bool"), 1
    if kind == "M" and len(shape) > 1:
        bits = draw(st.lists(st.booleans(), min_size=n * shape[1], max_size=n * shape[1]))
        return Both(np.reshape(bits, shape[:2]), "bool"), 2
    if kind == "b":
        return draw(st.booleans()), 0
    return (None, 0) if kind == "n" else (Ellipsis, 0)


@st.composite
def shapes_and_indices(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4) | st.just(0), max_size=3)))
    index, dims, dotted = [], shape, False
    for _ in range(draw(st.integers(0, 4))):
        part, taken = draw(parts(dims))
        if part is Ellipsis and dotted:
            continue
        dotted = dotted or part is Ellipsis
        index.append(part)
        dims = dims[taken:]
    whole = tuple(index)
    return shape, whole[0] if len(whole) == 1 and draw(st.booleans()) else whole


def outcome(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of masks of other dtypes
        try:
            result = function()
            settle()  # on a GPU, indices out of range are found later
            return result, None
        except FAILURES as error:
            with contextlib.suppress(*FAILURES):
                settle()  # what else was wrong with this index
            return None, error


def data(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1


def same_failure(ours, theirs):
    """Both raise, and what catches PyTorch's exception catches ours."""
    return ours is not None and isinstance(ours, type(theirs))


@settings(max_examples=600)
@given(shapes_and_indices())
def test_reading_agrees_with_pytorch(case):
    shape, index = case
    theirs, error = outcome(lambda: torch.from_numpy(data(shape))[made(index, torch)])
    ours, our_error = outcome(lambda: minicnn.from_numpy(data(shape))[made(index, minicnn)])
    if error is not None:
        assert same_failure(our_error, error), (our_error, error)
    elif 0 in shape and our_error is not None:
        assert "out of bounds" in str(our_error)  # PyTorch does not look when nothing is read
    else:
        assert our_error is None, our_error
        assert ours.shape == tuple(theirs.shape)
        assert np.array_equal(ours.numpy(), theirs.numpy())


@settings(max_examples=600)
@given(shapes_and_indices(), st.data())
def test_writing_agrees_with_pytorch(case, draws):
    shape, index = case
    region, error = outcome(lambda: torch.from_numpy(data(shape))[made(index, torch)])
    fitting = [(), (1,), (2,)]
    if error is None:
        full = tuple(region.shape)
        fitting += [
            full,
            (1, *full),
            full[1:],
            tuple(1 if i % 2 else n for i, n in enumerate(full)),
        ]
    size = draws.draw(st.sampled_from(fitting))
    values = -data(size)
    numbers = draws.draw(st.booleans())

    def write(library):
        x = library.from_numpy(data(shape))
        x[made(index, library)] = -5 if numbers else library.from_numpy(values)
        return x

    theirs, error = outcome(lambda: write(torch))
    ours, our_error = outcome(lambda: write(minicnn))
    if error is not None:
        assert same_failure(our_error, error), (our_error, error)
        return
    if 0 in shape and our_error is not None:
        assert "out of bounds" in str(our_error)
        return
    assert our_error is None, our_error
    once = np.ones(shape, bool) if numbers else _times_named(shape, index) <= 1
    assert np.array_equal(ours.numpy()[once], theirs.numpy()[once])


def _times_named(shape, index):
    """How often an index names each place: one named twice may get either value."""
    numbers = torch.arange(int(np.prod(shape))).reshape(shape)[made(index, torch)]
    return np.bincount(numbers.reshape(-1).numpy(), minlength=int(np.prod(shape))).reshape(shape)


@settings(max_examples=150)
@given(shapes_and_indices())
def test_the_gradient_of_reading_agrees_with_pytorch(case):
    shape, index = case

    def gradient(library):
        x = library.from_numpy(data(shape)).requires_grad_()
        y = x[made(index, library)]
        (y * y).sum().backward()
        return x.grad.numpy()

    theirs, error = outcome(lambda: gradient(torch))
    if error is None and 0 not in shape:
        assert np.array_equal(gradient(minicnn), theirs)


@pytest.mark.parametrize(
    "index",
    [
        (0, slice(None), [1, 2]),  # NumPy puts the list's dimension first here
        ([0, 1], slice(None), [1, 2]),
        (slice(None), [1, 0], 1),
        [[0, 1], [1, 2]],  # a list of lists is a tuple, as it once was in NumPy
        [slice(0, 1)],
        [True, False, True],
        np.array([[0, 1], [1, 2]]),
        np.int64(1),
        range(2),
        (..., None, 0),
        (..., ...),
        (True, 0),
        np.array([True, False, True]),
        np.zeros(0),
    ],
    ids=str,
)
def test_forms_of_an_index_mean_what_they_mean_in_pytorch(index):
    x = np.arange(36.0).reshape(3, 3, 4)
    expected, error = outcome(lambda: torch.from_numpy(x)[index])
    assert error is None
    assert np.array_equal(minicnn.from_numpy(x)[index].numpy(), expected.numpy())


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "float32"])
def test_index_tensors_of_other_dtypes_are_taken_or_refused_as_in_pytorch(kind):
    def read(library):
        return library.arange(3)[library.tensor([1, 0, 1], dtype=getattr(library, kind))].tolist()

    theirs, error = outcome(lambda: read(torch))
    ours, our_error = outcome(lambda: read(minicnn))
    assert ours == theirs
    assert (error is None) == (our_error is None) or same_failure(our_error, error)
