"""Data sets as sequences of samples: subsets, joins, splits, samplers and what makes a batch."""

import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import data
from minicnn.data.dataset import Rows
from minicnn.data.streams import samples_of
from minicnn.errors import ArgumentError, DimensionError, DTypeError, ShapeError

pytestmark = pytest.mark.host


class Squares(data.Dataset):
    """Sample i is i squared."""

    def __init__(self, count=10):
        self.count = count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        return index**2

    def __len__(self):
        return self.count


def tensors(count=6):
    x = minicnn.from_numpy(np.arange(count * 2, dtype=np.float32).reshape(count, 2))
    return x, minicnn.from_numpy(np.arange(count) * 10)


# ------------------------------------------------------------------ Dataset and its relatives


def test_a_dataset_without_getitem_says_what_is_missing():
    with pytest.raises(
        NotImplementedError, match="Empty: a subclass of Dataset must define __getitem"
    ):
        type("Empty", (data.Dataset,), {})()[0]
    with pytest.raises(NotImplementedError, match="IterableDataset must define __iter__"):
        iter(data.IterableDataset())
    with pytest.raises(NotImplementedError, match="Sampler must define __iter__"):
        iter(data.Sampler())


def test_tensor_dataset_gives_rows():
    x, y = tensors()
    row, number = data.TensorDataset(x, y)[2]
    assert row.tolist() == [4, 5] and number.item() == 20
    assert len(data.TensorDataset(x, y)) == 6


def test_tensor_dataset_refuses_what_has_no_rows():
    x, y = tensors()
    with pytest.raises(ShapeError, match=r"must be equally long, got lengths \[6, 3\]"):
        data.TensorDataset(x, y[:3])
    with pytest.raises(
        TypeError, match=r"argument 1 must be a Tensor, not ndarray. Use minicnn.from_n"
    ):
        data.TensorDataset(x, np.zeros(6))
    with pytest.raises(ShapeError, match="at least one dimension"):
        data.TensorDataset(minicnn.tensor(1.0))


def test_rows_read_at_once_equal_rows_read_one_by_one():
    dataset = data.TensorDataset(*tensors())
    rows = samples_of(dataset, [3, 1])
    assert isinstance(rows, Rows) and len(rows) == 2
    assert [[part.tolist() for part in row] for row in rows] == [[[6, 7], 30], [[2, 3], 10]]
    assert rows[-1][1].item() == 10 and [r[1].item() for r in rows[:1]] == [30]
    with pytest.raises(DimensionError, match="sample 2 of a batch of 2"):
        rows[2]


def test_a_new_getitem_in_a_subclass_is_not_bypassed():
    class Doubled(data.TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * 2, y

    (batch, _) = next(iter(data.DataLoader(Doubled(*tensors()), 2)))
    assert batch.tolist() == [[0, 2], [4, 6]]


def test_subset_translates_numbers():
    part = data.Subset(Squares(), [7, 2])
    assert [part[0], part[1]] == [49, 4] and len(part) == 2
    assert samples_of(part, [1, 0]) == [4, 49]
    both = data.Subset(data.TensorDataset(*tensors()), [4, 5])[[0, 1]]
    assert both[1].tolist() == [40, 50]


def test_subset_of_a_subset_reads_at_once():
    inner = data.Subset(data.TensorDataset(*tensors()), [5, 4, 3])
    rows = samples_of(data.Subset(inner, [2, 0]), [0, 1])
    assert isinstance(rows, Rows) and rows.columns[1].tolist() == [30, 50]


def test_concat_dataset_counts_through():
    both = data.ConcatDataset([Squares(3), Squares(2)])
    assert [both[i] for i in range(5)] == [0, 1, 4, 0, 1]
    assert both[-1] == 1 and both[-5] == 0 and len(both) == 5
    assert list(both) == [0, 1, 4, 0, 1]
    assert len(Squares(3) + Squares(4)) == 7


def test_concat_dataset_names_a_number_out_of_range():
    both = data.ConcatDataset([Squares(3), Squares(2)])
    with pytest.raises(IndexError, match="sample 5 of 5; use -5 to 4"):
        both[5]
    with pytest.raises(ValueError, match="sample -6 of 5"):
        both[-6]
    with pytest.raises(ArgumentError, match="at least one data set"):
        data.ConcatDataset([])
    with pytest.raises(ArgumentError, match="Stream is an IterableDataset"):
        data.ConcatDataset([type("Stream", (data.IterableDataset,), {})()])


# ------------------------------------------------------------------ random_split


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(0, 2**31))
def test_a_split_covers_every_sample_once(lengths, seed):
    generator = minicnn.Generator().manual_seed(seed)
    if sum(lengths) == 1:  # PyTorch reads these as fractions, of which some are empty
        return
    parts = data.random_split(range(sum(lengths)), lengths, generator)
    assert [len(part) for part in parts] == lengths
    assert sorted(i for part in parts for i in part.indices) == list(range(sum(lengths)))


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 200))
def test_fractions_split_as_in_pytorch(weights, count):
    torch_data = pytest.importorskip("torch.utils.data")
    fractions = [weight / sum(weights) for weight in weights]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = torch_data.random_split(range(count), fractions)
        except ValueError:  # the fractions sum to a little more than 1
            with pytest.raises(ArgumentError, match="must be whole numbers that sum"):
                data.random_split(range(count), fractions)
            return
        ours = data.random_split(range(count), fractions)
    assert [len(part) for part in ours] == [len(part) for part in theirs]


def test_a_split_depends_on_the_generator_alone():
    def order(seed):
        parts = data.random_split(range(50), [0.5, 0.5], minicnn.Generator().manual_seed(seed))
        return [part.indices for part in parts]

    assert order(1) == order(1) != order(2)


def test_impossible_splits_are_refused():
    with pytest.raises(ArgumentError, match=r"length 10, or fractions that sum to 1; got \[3, 8\]"):
        data.random_split(range(10), [3, 8])
    with pytest.raises(ArgumentError, match=r"fraction 0 must lie in \[0, 1\], got 1.5"):
        data.random_split(range(10), [1.5, -0.5])
    with pytest.raises(ArgumentError, match="whole numbers"):
        data.random_split(range(10), [-2, 12])
    with pytest.warns(UserWarning, match="part 1 is empty"):
        data.random_split(range(1), [0.6, 0.4])


# ------------------------------------------------------------------ samplers


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.booleans())
def test_batches_hold_every_number_in_order(count, size, drop_last):
    sampler = data.BatchSampler(data.SequentialSampler(range(count)), size, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    whole = count // size * size if drop_last else count
    assert [i for batch in batches for i in batch] == list(range(whole))
    torch_data = pytest.importorskip("torch.utils.data")
    assert batches == list(torch_data.BatchSampler(range(count), size, drop_last))


def test_random_sampler_permutes_anew_at_every_epoch():
    sampler = data.RandomSampler(range(20), generator=minicnn.Generator().manual_seed(3))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(20)) and first != second
    again = data.RandomSampler(range(20), generator=minicnn.Generator().manual_seed(3))
    assert list(again) == first


def test_random_sampler_may_give_more_or_fewer_numbers():
    more = list(data.RandomSampler(range(4), num_samples=10))
    assert len(more) == 10 and sorted(more[:4]) == sorted(more[4:8]) == [0, 1, 2, 3]
    assert len(set(data.RandomSampler(range(9), num_samples=5))) == 5
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=100))
    assert len(drawn) == 100 and set(drawn) == {0, 1, 2}


def test_subset_random_sampler_permutes_the_given_numbers():
    sampler = data.SubsetRandomSampler([5, 7, 9], minicnn.Generator().manual_seed(0))
    assert sorted(sampler) == [5, 7, 9] and len(sampler) == 3


def test_weighted_sampler_follows_the_weights():
    generator = minicnn.Generator().manual_seed(0)
    counts = np.bincount(list(data.WeightedRandomSampler([1, 0, 3], 4000, generator=generator)))
    assert counts[1] == 0 and abs(counts[2] / 4000 - 0.75) < 0.03
    distinct = data.WeightedRandomSampler([1, 2, 3, 0], 3, replacement=False, generator=generator)
    assert sorted(distinct) == [0, 1, 2] and len(distinct) == 3


def test_samplers_refuse_impossible_options():
    with pytest.raises(ArgumentError, match="num_samples must be a positive integer, got 0"):
        data.RandomSampler([])
    with pytest.raises(TypeError, match="replacement must be a bool, got 1"):
        data.RandomSampler(range(3), replacement=1)
    with pytest.raises(ArgumentError, match="batch_size must be a positive integer, got True"):
        data.BatchSampler(range(3), True, False)
    with pytest.raises(ArgumentError, match="drop_last must be a bool, got None"):
        data.BatchSampler(range(3), 2, None)
    with pytest.raises(ArgumentError, match="replacement must be a bool"):
        data.WeightedRandomSampler([1], 1, replacement="yes")
    with pytest.raises(ShapeError, match=r"a sequence, got shape \(1, 1\)"):
        data.WeightedRandomSampler([[1]], 1)
    with pytest.raises(ArgumentError, match="finite, not negative and not all zero"):
        data.WeightedRandomSampler([1, -1], 1)
    with pytest.raises(ArgumentError, match="cannot draw 2 different samples where 1 have"):
        data.WeightedRandomSampler([1, 0], 2, replacement=False)


# ------------------------------------------------------------------ collating

Point = namedtuple("Point", "x y")

BATCHES = {
    "floats": [1.0, 2.0],
    "ints": [1, 2],
    "bools": [True, False],
    "float-then-int": [1.5, 2],
    "int-then-float": [1, 2.5],
    "float32-scalars": [np.float32(1), np.float32(2)],
    "float16-scalars": [np.float16(1), np.float16(2)],
    "int8-scalars": [np.int8(1), np.int8(2)],
    "bool-scalars": [np.bool_(True), np.bool_(False)],
    "arrays": [np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)],
    "float64-arrays": [np.zeros(3), np.ones(3)],
    "uint8-arrays": [np.zeros(3, np.uint8), np.ones(3, np.uint8)],
    "0-d-arrays": [np.array(1.0), np.array(2.0)],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "tuples": [(1, 2.0), (3, 4.0)],
    "lists": [[1, "a"], [2, "b"]],
    "dicts": [{"x": 1, "name": "a"}, {"x": 2, "name": "b"}],
    "ordered-dicts": [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "namedtuples": [Point(1, 2.0), Point(3, 4.0)],
    "nested": [{"p": Point((1, 2), "s")}, {"p": Point((3, 4), "t")}],
    "ranges": [range(3), range(3)],
}


def described(batch):
    """The types, dtypes and values of a batch, without whose tensors they are."""
    if hasattr(batch, "tolist"):
        return "tensor", str(batch.dtype).removeprefix("torch."), batch.tolist()
    if isinstance(batch, dict):
        return type(batch).__name__, [(key, described(value)) for key, value in batch.items()]
    if isinstance(batch, (list, tuple)):
        return type(batch).__name__, [described(part) for part in batch]
    return batch


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_collate_agrees_with_pytorch(batch):
    torch_data = pytest.importorskip("torch.utils.data")
    assert described(data.default_collate(batch)) == described(torch_data.default_collate(batch))


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_convert_agrees_with_pytorch(batch):
    torch_data = pytest.importorskip("torch.utils.data")
    assert described(data.default_convert(batch)) == described(torch_data.default_convert(batch))


def test_collate_stacks_tensors_and_keeps_their_dtype():
    batch = data.default_collate([minicnn.zeros(2, dtype=minicnn.float64)] * 3)
    assert batch.shape == (3, 2) and batch.dtype == np.float64


def test_collate_takes_arrays_of_foreign_byte_order():
    batch = data.default_collate([np.array([1, 2], dtype=">i4")])
    assert batch.dtype == np.int32 and batch.tolist() == [[1, 2]]


def test_collate_keeps_what_a_dict_carries_besides():
    class Record(dict):
        source = "camera"

    batch = data.default_collate([Record(x=1), Record(x=2)])
    assert isinstance(batch, Record) and batch.source == "camera" and batch["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("batch", "kind", "message"),
    [
        ([None], DTypeError, r"found <class 'NoneType'>. Give the DataLoader a collate_fn"),
        ([{1}], TypeError, "found <class 'set'>"),
        ([np.array("s")], TypeError, "found an array of dtype <U1"),
        (
            [np.zeros(3), np.zeros(4)],
            ShapeError,
            r"sample 0 is \(3,\) and sample 1 is \(4,\). Resize",
        ),
        ([(1, 2), (1,)], RuntimeError, r"equal size, got sequences of lengths \[1, 2\]"),
        ([{"a": 1}, {}], KeyError, "a"),
        ([], ArgumentError, "the batch is empty"),
    ],
    ids=["none", "set", "strings", "shapes", "lengths", "keys", "empty"],
)
def test_collate_says_what_it_cannot_join(batch, kind, message):
    with pytest.raises(kind, match=message):
        data.default_collate(batch)
