"""The DataLoader in one process: batches, order, random streams. Workers: test_data_workers.py."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import data
from minicnn.data.streams import one_by_one
from minicnn.errors import ArgumentError, UnsupportedError

pytestmark = pytest.mark.host


class Noisy(data.Dataset):
    """Sample i is (i, three random numbers from the three sources that a user may draw from)."""

    def __init__(self, count=12):
        self.count = count

    def __getitem__(self, index):
        draws = [minicnn.rand(1).item(), random.random(), np.random.rand()]
        return index, np.array(draws)

    def __len__(self):
        return self.count


class Stream(data.IterableDataset):
    def __init__(self, count=5):
        self.count = count

    def __iter__(self):
        for i in range(self.count):
            yield i, random.random()

    def __len__(self):
        return self.count


def seeded(seed=0):
    return minicnn.Generator().manual_seed(seed)


def numbers(loader):
    return [batch.tolist() for batch in loader]


# ------------------------------------------------------------------ batches and order


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.booleans())
def test_batches_are_pytorchs(count, size, drop_last):
    torch_data = pytest.importorskip("torch.utils.data")
    ours = data.DataLoader(range(count), size, drop_last=drop_last)
    theirs = torch_data.DataLoader(range(count), size, drop_last=drop_last)
    assert numbers(ours) == numbers(theirs) and len(ours) == len(theirs)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12))
def test_shuffling_loses_nothing(count, size):
    loader = data.DataLoader(range(count), size, shuffle=True, generator=seeded())
    first, second = ([i for batch in numbers(loader) for i in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(count))


def test_the_order_depends_on_the_seed_alone():
    def epochs(seed):
        loader = data.DataLoader(range(20), 4, shuffle=True, generator=seeded(seed))
        return [numbers(loader) for _ in range(2)]

    assert epochs(1) == epochs(1) != epochs(2)
    assert epochs(1)[0] != epochs(1)[1], "every epoch has an order of its own"


def test_manual_seed_decides_the_order_when_no_generator_is_given():
    loader = data.DataLoader(range(20), 4, shuffle=True)
    orders = []
    for _ in range(2):
        minicnn.manual_seed(5)
        orders.append(numbers(loader))
    assert orders[0] == orders[1]


def test_the_order_is_drawn_when_iteration_starts():
    minicnn.manual_seed(5)
    reference = numbers(data.DataLoader(range(20), 4, shuffle=True))
    minicnn.manual_seed(5)
    batches = iter(data.DataLoader(range(20), 4, shuffle=True))
    minicnn.rand(100)  # what a training step draws does not disturb the order
    assert numbers(batches) == reference


def test_a_tensor_dataset_comes_in_batches_of_tensors():
    x, y = minicnn.rand(5, 2), minicnn.arange(5)
    batches = list(data.DataLoader(data.TensorDataset(x, y), 2))
    assert [type(batch) for batch in batches] == [list] * 3
    assert np.array_equal(np.concatenate([b[0].numpy() for b in batches]), x.numpy())
    assert [b[1].tolist() for b in batches] == [[0, 1], [2, 3], [4]]


def test_a_collate_fn_gets_the_samples_as_a_sequence():
    dataset = data.TensorDataset(minicnn.arange(4), minicnn.arange(4) * 2)
    loader = data.DataLoader(dataset, 2, collate_fn=lambda batch: [int(y) for _, y in batch])
    assert list(loader) == [[0, 2], [4, 6]]


def test_batch_size_none_gives_single_samples():
    dataset = data.TensorDataset(minicnn.arange(3))
    assert [x.item() for (x,) in data.DataLoader(dataset, batch_size=None)] == [0, 1, 2]
    assert list(data.DataLoader(range(3), batch_size=None)) == [0, 1, 2]


def test_samplers_decide_the_order():
    assert numbers(data.DataLoader(range(9), 2, sampler=[8, 1, 5])) == [[8, 1], [5]]
    loader = data.DataLoader(range(9), batch_sampler=[[8, 1], (5,), np.array([0, 2])])
    assert numbers(loader) == [[8, 1], [5], [0, 2]] and len(loader) == 3
    assert loader.batch_size is None


def test_keys_need_not_be_numbers():
    loader = data.DataLoader({"a": 1, "b": 2}, 2, sampler=["b", "a"])
    assert numbers(loader) == [[2, 1]]


def test_an_iterable_dataset_is_read_through():
    batches = [batch[0].tolist() for batch in data.DataLoader(Stream(5), 2)]
    assert batches == [[0, 1], [2, 3], [4]] and len(data.DataLoader(Stream(5), 2)) == 3
    dropped = data.DataLoader(Stream(5), 2, drop_last=True)
    assert len(list(dropped)) == len(dropped) == 2
    single = data.DataLoader(Stream(3), batch_size=None)
    assert [i for i, _ in single] == [0, 1, 2] and len(single) == 3


# ------------------------------------------------------------------ random streams


def test_augmentation_depends_on_the_seed_alone():
    def draws(seed):
        return [x.tolist() for _, x in data.DataLoader(Noisy(), 4, generator=seeded(seed))]

    assert draws(1) == draws(1) != draws(2)


def test_augmentation_differs_between_samples_and_epochs():
    loader = data.DataLoader(Noisy(), 4, generator=seeded())
    values = np.concatenate([x.numpy() for _ in range(2) for _, x in loader])  # (24, 3)
    assert len(np.unique(values)) == values.size


def test_augmentation_does_not_depend_on_the_batch_size():
    def draws(size):
        loader = data.DataLoader(Noisy(), size, shuffle=True, generator=seeded())
        return np.concatenate([x.numpy() for _, x in loader])

    assert np.array_equal(draws(1), draws(5))


def test_a_sample_that_comes_twice_is_augmented_in_two_ways():
    (_, draws), *_ = data.DataLoader(Noisy(), 2, sampler=[3, 3])
    assert len(np.unique(draws.numpy())) == 6


def test_a_subset_draws_like_the_whole():
    loader = data.DataLoader(data.Subset(Noisy(), range(12)), 4, generator=seeded())
    whole = data.DataLoader(Noisy(), 4, generator=seeded())
    assert [x.tolist() for _, x in loader] == [x.tolist() for _, x in whole]


def test_loading_leaves_the_users_generators_alone():
    def next_draws():
        return minicnn.rand(1).item(), random.random(), np.random.rand()

    minicnn.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = next_draws()
    minicnn.manual_seed(0), random.seed(0), np.random.seed(0)
    loader = data.DataLoader(Noisy(), 4, generator=seeded())
    batches = iter(loader)
    next(batches)
    assert next_draws() == expected, "between two batches, and with the loader half way"


def test_an_exception_gives_the_users_generators_back():
    class Broken(Noisy):
        def __getitem__(self, index):
            raise KeyError(index)

    before = minicnn.random.default_generator.numpy, np.random.get_bit_generator()
    with pytest.raises(KeyError):
        next(iter(data.DataLoader(Broken())))
    assert before == (minicnn.random.default_generator.numpy, np.random.get_bit_generator())


def test_what_a_collate_fn_draws_depends_on_the_seed_alone():
    def mixed(batch):
        return random.random(), [row[1][1] for row in batch]

    def draws():
        return list(data.DataLoader(Noisy(), 4, collate_fn=mixed, generator=seeded()))

    (first, samples), (second, _), _ = draws()
    assert draws() == draws() and first != second and first not in samples


def test_streams_of_an_iterable_dataset_are_reproducible():
    def draws():
        return [x.tolist() for _, x in data.DataLoader(Stream(), 2, generator=seeded())]

    assert draws() == draws() and len({x for batch in draws() for x in batch}) == 5


def test_outside_a_loader_reading_draws_from_the_usual_generators():
    random.seed(1)
    expected = [random.random() for _ in range(3)]
    random.seed(1)
    assert one_by_one(lambda _: random.random(), range(3)) == expected


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shuffle": True, "sampler": [0]}, "sampler and shuffle both decide the order"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler decides the batches"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler decides the batches"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None makes no batches"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"batch_size": 2.0}, "batch_size must be a positive integer, got 2.0"),
        ({"num_workers": -1}, "num_workers must not be negative, got -1"),
        ({"timeout": -1}, "timeout must not be negative, got -1"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor must be at least 1, got 0"),
        ({"prefetch_factor": 2}, "prefetch_factor=2 concerns workers, and num_workers is 0"),
        ({"persistent_workers": True}, "persistent_workers=True concerns workers"),
        ({"timeout": 3}, "timeout=3 concerns workers"),
        ({"multiprocessing_context": "spawn"}, "multiprocessing_context='spawn' concerns workers"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        data.DataLoader(range(4), **options)


def test_an_iterable_dataset_decides_its_own_order_and_process():
    with pytest.raises(ArgumentError, match="shuffle must be left out; got shuffle=True"):
        data.DataLoader(Stream(), shuffle=True)
    with pytest.raises(ArgumentError, match="sampler must be left out"):
        data.DataLoader(Stream(), sampler=[1])
    with pytest.raises(UnsupportedError, match="num_workers=2, use num_workers=0"):
        data.DataLoader(Stream(), num_workers=2)


def test_what_was_decided_cannot_be_changed_later():
    loader = data.DataLoader(range(4), 2)
    with pytest.raises(ValueError, match="batch_size cannot be changed after the loader was made"):
        loader.batch_size = 4
    loader.collate_fn = list
    assert list(loader) == [[0, 1], [2, 3]]


def test_utils_data_is_pytorchs_path():
    from minicnn.utils import data as utils_data

    assert utils_data.DataLoader is data.DataLoader
    assert all(getattr(data, name) is getattr(utils_data, name) for name in utils_data.__all__)
