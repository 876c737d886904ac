"""Digits, which come with minicnn, and Shapes, which it draws."""

import gzip
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import data
from minicnn.data import datasets, transforms
from minicnn.data.datasets import digits as digits_module
from minicnn.data.datasets.shapes import FIGURES, draw
from minicnn.errors import ArgumentError, DimensionError, FileError, UnknownNameError

pytestmark = pytest.mark.host

# ------------------------------------------------------------------ what all image data sets do


@pytest.fixture(params=["digits", "shapes"])
def dataset(request):
    options = {"count": 30, "size": 16} if request.param == "shapes" else {}
    return datasets.get(request.param)(**options)


def test_a_sample_is_a_float_image_and_an_int(dataset):
    image, label = dataset[3]
    assert image.shape == dataset.image_shape and image.dtype == np.float32
    assert 0 <= image.numpy().min() and image.numpy().max() <= 1
    assert type(label) is int and 0 <= label < len(dataset.classes)
    assert dataset[-1][1] == dataset[len(dataset) - 1][1]


def test_a_batch_is_what_its_samples_are(dataset):
    images, labels = next(iter(data.DataLoader(dataset, 7, sampler=[5, 2, 2, 9, 0, 1, 3])))
    assert labels.dtype == np.int64 and images.is_contiguous()
    for row, i in enumerate([5, 2, 2, 9, 0, 1, 3]):
        image, label = dataset[i]
        assert np.array_equal(images[row].numpy(), image.numpy()) and labels[row].item() == label


def test_a_collate_fn_gets_ints_as_labels(dataset):
    (batch,) = data.DataLoader(dataset, 2, sampler=[1, 0], collate_fn=list)
    assert [type(label) for _, label in batch] == [int, int]


def test_transforms_get_the_stored_picture_and_cannot_change_it(dataset):
    def blacken(picture):
        picture[:] = 0
        return picture

    before = dataset.images.copy()
    dataset.transform, dataset.target_transform = blacken, lambda label: -label
    picture, label = dataset[5]
    assert not picture.any() and label == -dataset.labels[5]
    assert np.array_equal(dataset.images, before)


def test_to_tensor_as_transform_changes_nothing(dataset):
    plain = dataset[4][0].numpy()
    dataset.transform = transforms.ToTensor()
    assert np.array_equal(dataset[4][0].numpy(), plain)


def test_random_transforms_do_not_depend_on_the_workers(dataset):
    dataset.transform = transforms.Compose(
        [transforms.RandomCrop(8, padding=2), transforms.ToTensor()]
    )

    def images(**options):
        loader = data.DataLoader(
            dataset, 8, shuffle=True, generator=minicnn.Generator().manual_seed(4), **options
        )
        return np.concatenate([x.numpy() for x, _ in loader])

    assert np.array_equal(images(), images(num_workers=2))


def test_a_number_out_of_range_is_named(dataset):
    with pytest.raises(DimensionError, match=f"sample {len(dataset)} of {len(dataset)}; use -"):
        dataset[len(dataset)]
    assert len(list(dataset)) == len(dataset), "and ends a for loop"


def test_classes_have_numbers(dataset):
    assert list(dataset.class_to_idx.values()) == list(range(10))
    assert f"{len(dataset)} images of {dataset.image_shape}, 10 classes" in repr(dataset)


def test_every_data_set_has_a_name_and_figures():
    assert datasets.names() == ["digits", "shapes", "mnist", "fashion-mnist", "cifar10"]
    for name in datasets.names():
        cls = datasets.get(name)
        assert cls.name == name and len(cls.classes) == 10
        assert len(cls.mean) == len(cls.std) == cls.image_shape[0]


def test_an_unknown_data_set_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"'minst' is not known.* Did you mean 'mnist'\?"):
        datasets.get("minst")


# ------------------------------------------------------------------ Digits


def test_digits_are_1797_images_in_two_stratified_parts():
    train, test = datasets.Digits(), datasets.Digits(train=False)
    assert (len(train), len(test)) == (1438, 359)
    whole = np.bincount(np.concatenate([train.labels, test.labels]))
    assert whole.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.all(abs(np.bincount(test.labels) - whole / 5) <= 0.5)


def test_digits_figures_are_those_of_the_training_part():
    images = datasets.Digits().images
    assert images.dtype == np.float32 and images.min() == 0 and images.max() == 1
    assert round(float(images.mean()), 4) == datasets.Digits.mean[0]
    assert round(float(images.std()), 4) == datasets.Digits.std[0]
    assert np.array_equal(images * 16, np.round(images * 16)), "the counts of the original"


def test_digits_are_the_file_that_uci_published():
    lines = gzip.decompress(digits_module.FILE.read_bytes()).decode().split()
    published = "".join(line.rpartition(",")[0] + "\n" for line in lines) + "\n"
    assert hashlib.sha256(published.encode()).hexdigest() == (
        "85f89a0333cbbcf5b1a42f3d4d74013ee35f5e44dbeb5f9b54f78ce5b4f94910"  # of optdigits.tes
    )


def test_digits_are_split_as_their_readme_says():
    table = np.loadtxt(gzip.open(digits_module.FILE, "rt"), dtype=int, delimiter=",")
    test, rng = np.zeros(1797, dtype=int), np.random.default_rng(0)
    for digit in range(10):
        members = np.flatnonzero(table[:, 64] == digit)
        test[rng.permutation(members)[: round(len(members) / 5)]] = 1
    assert np.array_equal(table[:, 65], test)


@pytest.mark.parametrize("damage", ["truncated", "altered", "shortened", "missing"])
def test_a_damaged_digits_file_is_named(damage, tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    content = digits_module.FILE.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[:30_000])
    elif damage == "altered":
        path.write_bytes(content[:20_000] + b"\x00\x01\x02" + content[20_003:])
    elif damage == "shortened":
        path.write_bytes(gzip.compress(b"".join(gzip.decompress(content).splitlines(True)[:9])))
    monkeypatch.setattr(digits_module, "FILE", path)
    with pytest.raises(FileError, match=r"digits.csv.gz.*install minicnn again"):
        datasets.Digits()


# ------------------------------------------------------------------ Shapes


def test_shapes_are_reproducible_and_balanced():
    first, second = datasets.Shapes(count=40), datasets.Shapes(count=40)
    assert np.array_equal(first.images, second.images) and first.images.dtype == np.uint8
    assert np.bincount(first.labels).tolist() == [4] * 10
    assert first.classes == tuple(FIGURES)


def test_a_shape_depends_on_its_number_alone():
    many, few = datasets.Shapes(count=300), datasets.Shapes(count=25)
    assert np.array_equal(many.images[:25], few.images)
    lazy = datasets.Shapes(count=300, lazy=True)
    assert np.array_equal(lazy.picture(299), many.images[299])
    assert np.array_equal(lazy[-1][0].numpy(), many[299][0].numpy())
    assert lazy._images is None and np.array_equal(lazy.images, many.images)


def test_seed_part_and_number_change_a_shape():
    pictures = [
        draw([i], 16, seed, train)[0].tobytes()
        for i in (0, 10)
        for seed in (0, 1)
        for train in (0, 1)
    ]
    assert len(set(pictures)) == 8


def test_lazy_shapes_come_in_batches():
    lazy, ready = (datasets.Shapes(count=20, size=12, lazy=lazy) for lazy in (True, False))
    for (x, _), (y, _) in zip(data.DataLoader(lazy, 6), data.DataLoader(ready, 6), strict=True):
        assert np.array_equal(x.numpy(), y.numpy())


def test_two_sizes_show_the_same_scene():
    large, small = draw(range(20), 64, 0, True), draw(range(20), 16, 0, True)
    shrunk = large.reshape(20, 16, 4, 16, 4, 3).mean((2, 4))
    difference = abs(shrunk - small)
    assert difference.mean() < 16, "up to the noise, which every pixel has for itself"


@settings(deadline=None, max_examples=20)
@given(st.integers(8, 70), st.integers(0, 10**6), st.integers(-(2**40), 2**70))
def test_any_size_number_and_seed_can_be_drawn(size, index, seed):
    picture = draw([index], size, seed, True)
    assert picture.shape == (1, size, size, 3) and picture.std() > 3


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_fill_the_unit_circle_and_are_distances(figure):
    grid = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(grid, grid)
    distance = FIGURES[figure](x, y)
    inside = distance < 0
    assert np.hypot(x, y)[inside].max() < 1.01, "rotating it never moves it out of the picture"
    assert np.hypot(x, y)[inside].max() > 0.6
    steps = np.hypot(*np.gradient(distance, grid[1] - grid[0]))
    edge = abs(distance) < 0.05
    assert 0.9 < np.median(steps[edge]) < 1.1, "so that edges are one pixel soft"


def test_shapes_refuse_what_cannot_be_drawn():
    with pytest.raises(ArgumentError, match="size must be at least 8 pixels, got 7"):
        datasets.Shapes(size=7)
    with pytest.raises(ArgumentError, match="count must be at least 1, got 0"):
        datasets.Shapes(count=0)


def test_shapes_figures_are_about_right():
    images = datasets.Shapes(count=1000).images / 255
    assert np.allclose(images.mean((0, 1, 2)), datasets.Shapes.mean, atol=0.02)
    assert np.allclose(images.std((0, 1, 2)), datasets.Shapes.std, atol=0.02)
