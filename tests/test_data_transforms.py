"""Transforms of images, on arrays and on tensors."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.data import transforms as T
from minicnn.errors import ArgumentError, DTypeError, ShapeError, UnsupportedError

pytestmark = pytest.mark.host


def photo(height=6, width=8, channels=3):
    """An image whose pixels are all different."""
    values = np.arange(height * width * max(channels, 1), dtype=np.uint8)
    return values.reshape((height, width, channels) if channels else (height, width))


def on_tensor(transform, image):
    """What a transform makes of the same image as a tensor, brought back to (H, W, C)."""
    return transform(minicnn.from_numpy(image.transpose(2, 0, 1))).numpy().transpose(1, 2, 0)


FIXED = [
    T.Pad(2),
    T.Pad((1, 2), fill=7),
    T.Pad((1, 2, 3, 0), padding_mode="edge"),
    T.Pad(2, padding_mode="reflect"),
    T.Pad(2, padding_mode="symmetric"),
    T.CenterCrop(3),
    T.CenterCrop((4, 5)),
    T.CenterCrop(10),
    T.RandomHorizontalFlip(1.0),
    T.RandomVerticalFlip(1.0),
    T.RandomHorizontalFlip(0.0),
    T.Resize((3, 4)),
    T.Resize(12, "nearest"),
    T.Resize(3, T.InterpolationMode.BICUBIC),
    T.RandomRotation((90, 90), expand=True),
]


@pytest.mark.parametrize("transform", FIXED, ids=repr)
def test_arrays_and_tensors_are_transformed_alike(transform):
    image = photo()
    result = transform(image)
    assert result.dtype == np.uint8
    assert np.array_equal(on_tensor(transform, image), result)
    grey = transform(photo(channels=0))
    assert grey.shape == result.shape[:2]
    batch = minicnn.from_numpy(np.stack([image.transpose(2, 0, 1)] * 2))
    assert np.array_equal(transform(batch).numpy()[1].transpose(1, 2, 0), result)


@pytest.mark.parametrize("transform", FIXED, ids=repr)
def test_transforms_leave_their_input_alone_and_can_be_sent(transform):
    image = photo()
    pickle.loads(pickle.dumps(transform))(image)
    assert np.array_equal(image, photo())


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 1, 3]))
def test_to_tensor_moves_channels_first_and_scales_bytes(height, width, channels):
    image = photo(height, width, channels)
    x = T.ToTensor()(image)
    planes = image.reshape(height, width, -1).transpose(2, 0, 1)
    assert x.dtype == np.float32 and x.is_contiguous()
    assert np.array_equal(x.numpy(), planes.astype(np.float32) / np.float32(255))


def test_to_tensor_keeps_floats_as_they_are():
    image = np.random.default_rng(0).random((4, 5, 3))
    x = T.ToTensor()(image)
    assert x.dtype == np.float64 and np.array_equal(x.numpy(), image.transpose(2, 0, 1))
    x.array[:] = 0
    assert image.any(), "the tensor has memory of its own"


def test_pillow_images_are_taken():
    image = pytest.importorskip("PIL.Image").fromarray(photo())
    assert np.array_equal(T.ToTensor()(image).numpy(), T.ToTensor()(photo()).numpy())
    assert np.array_equal(T.CenterCrop(2)(image), T.CenterCrop(2)(photo()))


def test_normalize_is_x_minus_mean_over_std():
    x = minicnn.rand(3, 4, 5)
    mean, std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    y = T.Normalize(mean, std)(x)
    expected = (x.numpy() - np.float32(mean)[:, None, None]) / np.float32(std)[:, None, None]
    assert y.dtype == np.float32 and np.array_equal(y.numpy(), expected)
    changed = T.Normalize(mean, std, inplace=True)(x)
    assert changed is x and np.array_equal(x.numpy(), expected)


def test_normalize_broadcasts_one_number_and_batches():
    x = minicnn.rand(2, 3, 4, 5)
    assert np.allclose(T.Normalize((0.5,), (0.5,))(x).numpy(), x.numpy() * 2 - 1, atol=1e-6)
    assert np.allclose(T.Normalize(0.5, 0.5)(x).numpy(), x.numpy() * 2 - 1, atol=1e-6)


def test_normalize_passes_gradients_on():
    x = minicnn.rand(3, 2, 2).requires_grad_()
    T.Normalize((0.0,), (4.0,))(x).sum().backward()
    assert np.all(x.grad.numpy() == 0.25)


def test_padding_modes_are_numpys():
    image = photo()
    for mode in ("edge", "reflect", "symmetric"):
        padded = T.Pad((1, 2, 3, 4), padding_mode=mode)(image)
        assert np.array_equal(padded, np.pad(image, [(2, 4), (1, 3), (0, 0)], mode=mode))
    coloured = T.Pad(1, fill=(1, 2, 3))(image)
    assert coloured[0, 0].tolist() == [1, 2, 3] and np.array_equal(coloured[1:-1, 1:-1], image)


def test_crops_and_flips_are_numpys_slices():
    image = photo(6, 8)
    assert np.array_equal(T.RandomHorizontalFlip(1.0)(image), np.fliplr(image))
    assert np.array_equal(T.RandomVerticalFlip(1.0)(image), np.flipud(image))
    assert np.array_equal(T.CenterCrop((2, 4))(image), image[2:4, 2:6])
    assert np.array_equal(T.CenterCrop((8, 4))(image)[1:7], image[:, 2:6])
    assert np.array_equal(T.RandomCrop((6, 8))(image), image)
    means = photo(6, 8, 0).reshape(3, 2, 4, 2).mean((1, 3))
    assert np.abs(T.Resize((3, 4), "box")(photo(6, 8, 0)) - means).max() <= 0.5


def test_random_crop_shows_every_place_equally_often():
    minicnn.manual_seed(0)
    corners = [int(T.RandomCrop(4)(photo(6, 6, 0))[0, 0]) for _ in range(900)]
    counts = np.bincount(corners)
    assert set(np.flatnonzero(counts)) == {6 * i + j for i in range(3) for j in range(3)}
    assert counts[counts > 0].min() > 60


def test_random_crop_pads_first():
    minicnn.manual_seed(1)
    crops = [T.RandomCrop(6, padding=2, fill=200)(photo(6, 6, 0)) for _ in range(50)]
    assert all(crop.shape == (6, 6) for crop in crops) and any((c == 200).any() for c in crops)
    assert T.RandomCrop((10, 9), pad_if_needed=True)(photo()).shape == (10, 9, 3)


def test_random_flip_happens_with_its_probability():
    minicnn.manual_seed(2)
    flips = [T.RandomHorizontalFlip(0.3)(photo())[0, 0, 0] != 0 for _ in range(1000)]
    assert abs(np.mean(flips) - 0.3) < 0.05


def test_rotation_by_a_quarter_turn_is_exact():
    image = photo(6, 6, 0)
    assert np.array_equal(T.RandomRotation((90, 90))(image), np.rot90(image))
    angles = T.RandomRotation(10)
    assert angles.degrees == (-10, 10) and angles(image).shape == (6, 6)


def test_the_seed_decides_random_transforms():
    chain = T.Compose([T.RandomCrop(4, padding=1), T.RandomHorizontalFlip(), T.RandomRotation(20)])
    results = []
    for _ in range(2):
        minicnn.manual_seed(3)
        results.append([chain(photo()).tolist() for _ in range(5)])
    assert results[0] == results[1]


def test_resize_keeps_proportions_for_one_number():
    assert T.Resize(3)(photo(6, 8)).shape == (3, 4, 3)
    assert T.Resize(3)(photo(8, 6)).shape == (4, 3, 3)
    assert T.Resize(6, max_size=7)(photo(6, 8)).shape == (5, 7, 3)
    assert T.Resize([2, 5])(photo()).shape == (2, 5, 3)


def test_resize_averages_floats_where_it_shrinks():
    image = np.random.default_rng(0).random((8, 8, 2))
    small = T.Resize(1, "box")(image)
    assert small.dtype == np.float64 and np.allclose(small[0, 0], image.mean((0, 1)), atol=1e-6)


def test_compose_and_lambda_read_well():
    chain = T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,)), T.Lambda(abs)])
    assert chain(photo()).shape == (3, 6, 8)
    assert repr(chain) == (
        "Compose(\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n    Lambda()\n)"
    )
    assert repr(T.CenterCrop(3)) == "CenterCrop(size=(3, 3))"


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: T.ToTensor()(np.zeros(3)), ShapeError, r"got ndarray of shape \(3,\)"),
        (lambda: T.ToTensor()(minicnn.zeros(3, 2, 2)), ShapeError, "ToTensor: .* got Tensor"),
        (lambda: T.ToTensor()(np.full((2, 2), "a")), DTypeError, "dtype <U1 has no numbers"),
        (lambda: T.Lambda(3), TypeError, "lambd must be callable, got int"),
        (lambda: T.Normalize(0, 0), ArgumentError, "std must not be zero, got 0"),
        (lambda: T.Normalize(0, 1)(photo()), TypeError, r"Put ToTensor\(\) before Normalize"),
        (
            lambda: T.Normalize(0, 1)(minicnn.zeros(3, 2, 2, dtype=minicnn.uint8)),
            DTypeError,
            "expected a float tensor, got uint8",
        ),
        (
            lambda: T.Normalize((0, 0), (1, 1))(minicnn.zeros(3, 2, 2)),
            ShapeError,
            r"2 means and 2 stds do not fit a tensor \(..., C, H, W\) of shape \(3, 2, 2\)",
        ),
        (lambda: T.Normalize(0, 1)(minicnn.zeros(2, 2)), ShapeError, "1 means and 1 stds"),
        (
            lambda: T.CenterCrop(2)(np.zeros(3)),
            ShapeError,
            r"\(H, W, C\), got an array of shape \(3,\)",
        ),
        (
            lambda: T.CenterCrop(2)(minicnn.zeros(3, 3)),
            ShapeError,
            r"\(..., C, H, W\), got shape \(3, 3\)",
        ),
        (
            lambda: T.CenterCrop(2)(minicnn.zeros(1, 3, 3).requires_grad_()),
            UnsupportedError,
            "passes no gradients on",
        ),
        (lambda: T.RandomCrop(9)(photo()), ValueError, r"size \(9, 9\) is larger than .* \(6, 8\)"),
        (lambda: T.Pad(-1), ArgumentError, "1, 2 or 4 whole numbers that are not negative, got -1"),
        (lambda: T.Pad((1, 2, 3)), ArgumentError, "1, 2 or 4 whole numbers"),
        (lambda: T.Pad(1, padding_mode="wrap"), ArgumentError, "Pad: padding_mode must be one of"),
        (lambda: T.CenterCrop(0), ArgumentError, "size must be one positive integer or two, got 0"),
        (lambda: T.RandomHorizontalFlip(2), ArgumentError, r"p must lie in \[0, 1\], got 2"),
        (lambda: T.RandomRotation(-5), ArgumentError, "one angle must not be negative, got -5"),
        (lambda: T.RandomRotation((1, 2, 3)), ArgumentError, "must be one number or two"),
        (lambda: T.RandomRotation(5, "lanczos"), ArgumentError, "interpolation must be one of"),
        (
            lambda: T.Resize(5, "cubic"),
            ArgumentError,
            "Resize: interpolation must be .* got 'cubic'",
        ),
        (lambda: T.Resize(5, antialias=False), UnsupportedError, "antialias=False is not covered"),
        (lambda: T.Resize((5, 5), max_size=6), ArgumentError, "max_size needs one number as size"),
        (lambda: T.Resize(5)(np.zeros((4, 4), int)), DTypeError, "uint8 or float image, got int64"),
        (
            lambda: type("Half", (T.Pad.__base__,), {})()(photo()),
            NotImplementedError,
            "Half: must define apply",
        ),
    ],
)
def test_mistakes_are_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
