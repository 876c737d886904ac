"""Published data sets: where their files are found, how they are checked, and the real ones."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from minicnn import data
from minicnn.data import datasets
from minicnn.data.datasets import cifar10, files, mnist
from minicnn.errors import FileError, MissingFileError

pytestmark = pytest.mark.host

REAL = os.environ.get("MINICNN_DATA")
without_data = pytest.mark.skipif(
    not REAL, reason="needs the real data sets: set MINICNN_DATA to their folder"
)


def md5(content):
    return hashlib.md5(content).hexdigest()


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A data set in MNIST's form with 5 images, and its files, which lie nowhere yet."""
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    rng = np.random.default_rng(0)
    content = {
        f"{part}-{kind}": idx(rng.integers(0, 10, shape, dtype=np.uint8))
        for part in ("train", "t10k")
        for kind, shape in (("images-idx3-ubyte.gz", (5, 28, 28)), ("labels-idx1-ubyte.gz", (5,)))
    }

    class Tiny(datasets.MNIST):
        mirrors = ()
        md5 = {name: md5(value) for name, value in content.items()}

    return Tiny, content


def write(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        (folder / name).write_bytes(value)


# ------------------------------------------------------------------ where files are found


def test_a_data_set_is_here_when_all_its_files_are(tiny, tmp_path, monkeypatch):
    cls, content = tiny
    assert not cls.is_here()
    first = dict([content.popitem()])
    write(tmp_path / "data" / "mnist", first)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "data"))
    assert not cls.is_here()
    write(tmp_path / "data" / "mnist", content)
    assert cls.is_here()


def test_available_is_the_first_that_is_here(tiny, tmp_path, monkeypatch):
    cls, content = tiny
    monkeypatch.setitem(datasets._BY_NAME, "mnist", cls)
    assert datasets.available("mnist", "digits") is datasets.Digits
    with pytest.raises(MissingFileError, match="none of cifar10, mnist is on this machine; let MI"):
        datasets.available("cifar10", "mnist")
    write(tmp_path / "cache" / "mnist", content)
    assert datasets.available("mnist", "digits") is cls


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "."])
def test_files_are_found_in_root(tiny, tmp_path, folder):
    Tiny, content = tiny
    write(tmp_path / "here" / folder, content)
    dataset = Tiny(tmp_path / "here")
    assert len(dataset) == 5 and dataset.data.shape == (5, 28, 28)
    assert dataset.data.dtype == np.uint8 and dataset.targets.dtype == np.int64
    assert Tiny(str(tmp_path / "here"), train=False)[0][0].shape == (1, 28, 28)


def test_files_are_found_in_minicnn_data_and_in_the_cache(tiny, tmp_path, monkeypatch):
    Tiny, content = tiny
    write(tmp_path / "shared/mnist", content)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "shared"))
    assert len(Tiny()) == 5
    monkeypatch.delenv("MINICNN_DATA")
    write(tmp_path / "cache/mnist", content)
    assert len(Tiny()) == 5


def test_root_comes_first(tiny, tmp_path, monkeypatch):
    Tiny, content = tiny
    write(tmp_path / "shared/mnist", dict.fromkeys(content, b"not these"))
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "shared"))
    write(tmp_path / "own", content)
    assert len(Tiny(tmp_path / "own")) == 5


def test_with_root_alone_other_folders_do_not_count(tiny, tmp_path, monkeypatch):
    Tiny, content = tiny
    write(tmp_path / "shared/mnist", content)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "shared"))
    message = (
        r"Tiny: 'train-images-idx3-ubyte.gz' is in none of the folders '.*own/mnist'.*download=True"
    )
    with pytest.raises(FileNotFoundError, match=message) as caught:
        Tiny(tmp_path / "own")
    assert "shared" not in str(caught.value)
    assert len(Tiny(tmp_path / "own", download=True)) == 5, "download=True takes the nearest copy"


def test_nothing_is_downloaded_when_it_was_forbidden(tiny):
    with pytest.raises(MissingFileError, match="Pass download=True, or put it there"):
        tiny[0](download=False)


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_CACHE", "~/somewhere")
    assert files.cache_folder() == Path("~/somewhere").expanduser()
    monkeypatch.delenv("MINICNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "minicnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache" / "minicnn"


# ------------------------------------------------------------------ damaged files


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-7], lambda c: c[:50] + b"x" + c[51:], lambda c: b""]
)
def test_a_damaged_file_is_named_and_left_alone(tiny, tmp_path, damage):
    Tiny, content = tiny
    name = "train-labels-idx1-ubyte.gz"
    write(tmp_path / "mnist", content | {name: damage(content[name])})
    with pytest.raises(
        FileError, match=rf"Tiny: the file '.*{name}' is truncated or altered.*put a good"
    ):
        Tiny(tmp_path)
    with pytest.raises(FileError, match="Delete it, and it is downloaded again"):
        Tiny(tmp_path, download=True)
    assert (tmp_path / "mnist" / name).read_bytes() == damage(content[name])
    assert (tmp_path / "mnist/train-images-idx3-ubyte.gz").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x08\x01\0\0\0\x05abcd", r"announces \(5,\) values, but 4 follow"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "does not begin like an IDX file"),
        (b"", "does not begin like an IDX file"),
    ],
)
def test_an_idx_file_must_keep_its_promises(content, message):
    with pytest.raises(ValueError, match=message):
        mnist.parse_idx(content)


def test_a_file_that_is_no_idx_file_is_named(tiny, tmp_path):
    Tiny, content = tiny
    name = "train-images-idx3-ubyte.gz"
    for broken in (b"no gzip", gzip.compress(b"no idx"), gzip.compress(b"\0\0\x08\x03\0")):
        write(tmp_path / "mnist", content | {name: broken})
        Tiny.md5[name] = md5(broken)
        with pytest.raises(FileError, match=f"Tiny: the file '.*{name}' is broken"):
            Tiny(tmp_path)


# ------------------------------------------------------------------ CIFAR-10's archive


def cifar_batch(seed, count=4):
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
        b"labels": rng.integers(0, 10, count).tolist(),
    }


def archive_of(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, value in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(value)
            tar.addfile(member, io.BytesIO(value))
    return stream.getvalue()


@pytest.fixture
def little_cifar(monkeypatch, tmp_path):
    """A data set in CIFAR-10's form with 4 images in a file; its files."""
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    names = list(datasets.CIFAR10.md5)
    content = {name: pickle.dumps(cifar_batch(i), 3) for i, name in enumerate(names)}

    class Little(datasets.CIFAR10):
        mirrors = ()
        md5 = {name: md5(value) for name, value in content.items()}

    return Little, content


@pytest.mark.parametrize(
    "folder", ["cifar10/cifar-10-batches-py", "cifar-10-batches-py", "cifar10", "."]
)
def test_cifar_batches_become_images(little_cifar, tmp_path, folder):
    Little, content = little_cifar
    write(tmp_path / "root" / folder, content)
    dataset = Little(tmp_path / "root")
    assert dataset.data.shape == (20, 32, 32, 3) and isinstance(dataset.targets, list)
    second = cifar_batch(1)
    assert dataset.targets[4:8] == second[b"labels"]
    planes = second[b"data"][2].reshape(3, 32, 32)
    assert np.array_equal(dataset.images[6], planes.transpose(1, 2, 0))
    image, _ = dataset[6]
    assert np.array_equal(image.numpy(), planes.astype(np.float32) / np.float32(255))
    batch, _ = next(iter(data.DataLoader(dataset, 8)))
    assert np.array_equal(batch[6].numpy(), image.numpy()) and batch.is_contiguous()


def test_an_archive_that_is_there_is_unpacked(little_cifar, tmp_path):
    Little, content = little_cifar
    whole = archive_of((f"cifar-10-batches-py/{name}", value) for name, value in content.items())
    Little.archive_md5 = md5(whole)
    write(tmp_path / "root", {"cifar-10-python.tar.gz": whole})
    assert len(Little(tmp_path / "root", train=False)) == 4
    inside = tmp_path / "root/cifar10/cifar-10-batches-py"
    assert sorted(path.name for path in inside.iterdir()) == sorted(content)
    assert (tmp_path / "root/cifar-10-python.tar.gz").exists(), "it is the user's"


def test_an_altered_archive_is_not_unpacked(little_cifar, tmp_path):
    Little, _ = little_cifar
    write(tmp_path, {"cifar-10-python.tar.gz": b"anything"})
    with pytest.raises(FileError, match=r"cifar-10-python.tar.gz' is truncated or altered"):
        Little(tmp_path)


def test_missing_batches_are_named(little_cifar, tmp_path):
    Little, content = little_cifar
    with pytest.raises(MissingFileError, match="Little: 'data_batch_1' is in none of the folders"):
        Little(tmp_path)
    write(tmp_path, {"test_batch": content["test_batch"]})
    assert len(Little(tmp_path, train=False)) == 4, "the test part needs no more than its own file"


def test_an_archive_writes_only_what_is_expected_where_it_is_expected(tmp_path):
    good = b"good"
    link = tarfile.TarInfo("cifar-10-batches-py/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("cifar-10-batches-py/wanted2")
    device.type, device.linkname = tarfile.LNKTYPE, "cifar-10-batches-py/wanted"
    members = [
        ("../outside", b"evil"),
        ("/tmp/minicnn-evil", b"evil"),
        ("cifar-10-batches-py/../../outside", b"evil"),
        ("cifar-10-batches-py/unexpected", b"evil"),
        (link, b""),
        ("cifar-10-batches-py/wanted", b"an altered copy"),
        ("cifar-10-batches-py/wanted", good),
    ]
    archive = tmp_path / "a/archive.tar.gz"
    write(archive.parent, {archive.name: archive_of(members)})
    target = tmp_path / "a/b/target"
    cifar10.extract(archive, {"wanted": md5(good)}, target)
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if not p.is_dir()}
    assert written == {"a/archive.tar.gz", "a/b/target/wanted"}
    assert (target / "wanted").read_bytes() == good
    write(archive.parent, {archive.name: archive_of([*members, (device, b"")])})
    with pytest.raises(FileError, match=r"holds no good copy of \['cifar-10-batches-py/wanted2'\]"):
        cifar10.extract(archive, {"wanted2": md5(good)}, target)


def test_a_truncated_archive_is_named(tmp_path):
    whole = archive_of([("cifar-10-batches-py/x", os.urandom(10_000))])
    for broken in (whole[:4000], b"nothing", b""):
        write(tmp_path, {"archive": broken})
        with pytest.raises(FileError, match=r"archive '.*archive' cannot be unpacked"):
            cifar10.extract(tmp_path / "archive", {"x": ""}, tmp_path)


@pytest.mark.parametrize(
    "batch",
    [
        {b"data": [1, 2], b"labels": [0]},
        {b"labels": [0]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.float32), b"labels": [0]},
        {b"data": np.zeros((1, 3071), np.uint8), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": ["a"]},
        [1],
    ],
)
def test_a_batch_of_another_form_is_named(little_cifar, tmp_path, batch):
    Little, _ = little_cifar
    content = pickle.dumps(batch, 3)
    write(tmp_path, {"test_batch": content})
    Little.md5["test_batch"] = md5(content)
    with pytest.raises(FileError, match=r"Little: the file '.*test_batch' is broken"):
        Little(tmp_path, train=False)


# ------------------------------------------------------------------ the real files

DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
PUBLISHED = {  # training images, per class, mean and std of their pixels
    "mnist": (60_000, DIGITS, (0.1307,), (0.3081,)),
    "fashion-mnist": (60_000, [6000] * 10, (0.2860,), (0.3530,)),
    "cifar10": (50_000, [5000] * 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


@pytest.mark.data
@without_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_real_data_has_its_published_figures(name):
    cls = datasets.get(name)
    train_count, per_class, mean, std = PUBLISHED[name]
    train, test = cls(), cls(train=False)
    assert (len(train), len(test)) == (train_count, 10_000)
    assert np.bincount(train.labels).tolist() == per_class
    images = train.images.reshape(train_count, -1, len(mean))  # (N, H W, C)
    counts = np.zeros((len(mean), 256))
    for start in range(0, train_count, 1000):
        block = images[start : start + 1000]
        counts += [np.bincount(block[..., c].ravel(), minlength=256) for c in range(len(mean))]
    share, level = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    found_mean = share @ level
    found_std = np.sqrt(share @ level**2 - found_mean**2)
    assert np.round(found_mean, 4).tolist() == list(mean) == list(cls.mean)
    assert np.round(found_std, 4).tolist() == list(std) == list(cls.std)
    image, label = test[0]
    assert image.shape == cls.image_shape and 0 <= label < 10


@pytest.mark.data
@without_data
def test_real_data_is_found_by_root_too():
    assert len(datasets.MNIST(REAL, train=False)) == 10_000
    assert len(datasets.FashionMNIST(Path(REAL) / "fashion-mnist", train=False)) == 10_000
    assert len(datasets.CIFAR10(Path(REAL) / "cifar10", train=False)) == 10_000


@pytest.mark.data
@without_data
def test_one_data_set_is_not_mistaken_for_another():
    with pytest.raises(FileError, match="or belongs to another data set"):
        datasets.MNIST(Path(REAL) / "fashion-mnist", train=False)
