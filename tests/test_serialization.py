"""Saving and loading: what comes back, what the files are to others, what damage does."""

import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import Tensor
from minicnn.errors import DTypeError, FileError, MissingFileError, UnsupportedError
from minicnn.serialization import atomic_write, load, save


def same(a, b):
    """Whether two saved values are equal, including types, dtypes, shapes and order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and np.array_equal(
            a.numpy(), b.numpy(), equal_nan=a.dtype.kind == "f"
        )
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def through(value, tmp_path):
    save(value, tmp_path / "file.safetensors")
    return load(tmp_path / "file.safetensors")


def state():
    """A state dict like a small network's."""
    rng = np.random.default_rng(0)
    return OrderedDict(
        (name, minicnn.from_numpy(rng.standard_normal(shape).astype(np.float32)))
        for name, shape in [("conv.weight", (4, 1, 3, 3)), ("conv.bias", (4,)), ("a.last", (2, 5))]
    )


# ------------------------------------------------------------------ what comes back


def test_a_state_dict_comes_back_in_its_order(tmp_path):
    assert same(through(state(), tmp_path), state())
    assert list(through(state(), tmp_path)) == ["conv.weight", "conv.bias", "a.last"]


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)], ids=str)
def test_every_dtype_and_shape_comes_back(dtype, shape, tmp_path):
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) - 1, dtype=dtype)
    value = {"tensor": minicnn.from_numpy(array), "array": array, "scalar": np.dtype(dtype).type(1)}
    assert same(through(value, tmp_path), value)


def test_special_floats_come_back_bit_for_bit(tmp_path):
    array = np.array([np.nan, -0.0, np.inf, 5e-324])
    loaded = through({"x": array, "list": [float("nan"), -0.0, float("inf"), 5e-324]}, tmp_path)
    assert loaded["x"].tobytes() == np.array(loaded["list"]).tobytes() == array.tobytes()


def test_views_are_saved_as_they_look(tmp_path):
    x = minicnn.from_numpy(np.arange(24.0).reshape(4, 6))
    value = {
        "transposed": minicnn.from_numpy(x.numpy().T),
        "strided": minicnn.from_numpy(x.numpy()[::2, 1::3]),
        "backwards": minicnn.from_numpy(x.numpy()[::-1]),
        "expanded": minicnn.from_numpy(np.broadcast_to(x.numpy()[0], (3, 6))),
        "fortran": np.asfortranarray(x.numpy()),
        "big-endian": np.arange(3, dtype=">f4"),
    }
    loaded = through(value, tmp_path)
    assert all(np.array_equal(loaded[key], value[key]) for key in value)
    assert loaded["transposed"].is_contiguous()


def test_shared_tensors_are_saved_once_each(tmp_path):
    shared = minicnn.ones(3)
    loaded = through({"a": shared, "b": shared}, tmp_path)
    loaded["a"].array[:] = 5
    assert loaded["b"].tolist() == [1, 1, 1]


def test_a_checkpoint_comes_back(tmp_path):
    checkpoint = {
        "model": state(),
        "optimizer": {
            "state": {0: {"step": 7, "momentum_buffer": minicnn.ones(2)}, 1: {}},
            "param_groups": [
                {"lr": 0.1, "betas": (0.9, 0.999), "nesterov": False, "params": [0, 1]}
            ],
        },
        "generator": minicnn.Generator().manual_seed(3).get_state(),
        "epoch": 3,
        "best": None,
        "name": 'LeNet-5 "π" \ud800',
        "history": [],
        "nothing": {},
    }
    assert same(through(checkpoint, tmp_path), checkpoint)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.floats(width=32), max_size=3).map(lambda v: minicnn.from_numpy(np.array(v, "f4"))),
    st.lists(st.integers(0, 9), max_size=3).map(lambda v: np.array(v, dtype=np.int16)),
)
keys = st.one_of(st.text(), st.integers(), st.sampled_from(["a", "b", "a.b", "__metadata__", "0"]))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(trees)
def test_any_tree_comes_back(tree):
    stream = io.BytesIO()
    save(tree, stream)
    stream.seek(0)
    assert same(load(stream), tree)


def test_names_that_would_collide_are_kept_apart(tmp_path):
    value = {"a.b": minicnn.zeros(1), "a": {"b": minicnn.ones(1)}, "__metadata__": minicnn.ones(2)}
    assert same(through(value, tmp_path), value)


def test_only_values_are_saved(tmp_path):
    x = minicnn.ones(2).requires_grad_()
    y = through({"y": x * 2}, tmp_path)["y"]
    assert y.tolist() == [2, 2] and not y.requires_grad


def test_map_location_decides_the_device(tmp_path):
    save(state(), tmp_path / "x")
    assert load(tmp_path / "x", map_location="cpu")["conv.bias"].device.type == "cpu"
    assert load(tmp_path / "x", minicnn.device("cpu"))["conv.bias"].device.type == "cpu"
    with pytest.raises(UnsupportedError, match="map_location must be a device or its name"):
        load(tmp_path / "x", map_location={"cuda:0": "cpu"})
    with pytest.raises(UnsupportedError, match="never unpickles, so weights_only must be True"):
        load(tmp_path / "x", weights_only=False)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"a": {1, 2}}, UnsupportedError, r"obj\['a'\] is a set. Tensors, arrays, numbers"),
        ({"a": [object()]}, UnsupportedError, r"obj\['a'\]\['0'\] is a object"),
        ({(1, 2): 3}, UnsupportedError, r"obj has the key \(1, 2\); use strings or integers"),
        ({"a": np.array([None])}, DTypeError, r"obj\['a'\] has the dtype object"),
        ({"a": np.array(["x"])}, DTypeError, "has the dtype <U1, which cannot be saved"),
        ({"a": np.complex128(1j)}, DTypeError, "dtype complex128"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(value, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        save(value, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_whole_module_is_not_saved(tmp_path):
    class Model:
        def state_dict(self):
            return state()

    with pytest.raises(UnsupportedError, match=r"obj is a Model\..*; save its state_dict\(\)"):
        save(Model(), tmp_path / "x")


# ------------------------------------------------------------------ what the files are to others


def test_other_programs_read_the_files(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    save(state(), tmp_path / "x.safetensors")
    arrays = safetensors.load_file(tmp_path / "x.safetensors")
    assert set(arrays) == set(state())
    assert all(np.array_equal(arrays[name], x.numpy()) for name, x in state().items())


def test_pytorch_reads_the_files(tmp_path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    save({"model": state(), "epoch": 1}, tmp_path / "x.safetensors")
    tensors = load_file(tmp_path / "x.safetensors")
    assert np.array_equal(tensors["model.conv.weight"].numpy(), state()["conv.weight"].numpy())


def test_files_of_other_programs_load_as_a_dict_of_tensors(tmp_path):
    from safetensors.numpy import save_file

    arrays = {"w": np.ones((2, 3), np.float16), "b": np.array(3, np.int64)}
    save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "np"})
    loaded = load(tmp_path / "x.safetensors")
    assert same(loaded, {name: minicnn.from_numpy(arrays[name]) for name in loaded})


def foreign(kind, shape, data):
    header = json.dumps(
        {"x": {"dtype": kind, "shape": shape, "data_offsets": [0, len(data)]}}
    ).encode()
    return io.BytesIO(len(header).to_bytes(8, "little") + header + data)


def test_bfloat16_loads_as_float32():
    raw = np.array([0x3F80, 0xC000, 0x7F80], dtype="<u2").tobytes()
    x = load(foreign("BF16", [3], raw))["x"]
    assert x.dtype == np.float32 and x.tolist() == [1.0, -2.0, np.inf]


def test_dtypes_that_tensors_do_not_have_are_named():
    with pytest.raises(DTypeError, match="'x' in 'the stream' has the dtype F8_E4M3"):
        load(foreign("F8_E4M3", [2], b"ab"))
    with pytest.raises(DTypeError, match="uint16 is not supported"):
        load(foreign("U16", [1], b"ab"))


@pytest.mark.parametrize("form", ["pickle", "torch", "torch-legacy"])
def test_a_pickle_is_refused_and_the_reason_given(form, tmp_path):
    path = tmp_path / "model.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    else:
        torch = pytest.importorskip("torch")
        torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(
        UnsupportedError, match=r"model.pt' is a pickle.*can run any program.*convert it"
    ):
        load(path)


# ------------------------------------------------------------------ damage


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "weights"
    save(state(), path)
    content = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(
            FileError, match=r"load: '.*weights' is truncated, altered or no safetensors"
        ):
            load(path)


def test_every_altered_byte_is_noticed(tmp_path):
    path = tmp_path / "weights"
    save({"w": minicnn.ones(3), "epoch": 1}, path)
    content = path.read_bytes()
    reference = load(path)
    unnoticed = []
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 0x01
        path.write_bytes(altered)
        try:
            loaded = load(path)
        except FileError as error:
            assert "weights" in str(error)
        else:
            if not same(loaded, reference):
                unnoticed.append(position)
    assert not unnoticed


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"load: there is no file '.*nothing'"):
        load(tmp_path / "nothing")
    with pytest.raises(MissingFileError, match=r"save: there is no folder '.*none'; make it first"):
        save({}, tmp_path / "none" / "x")


# ------------------------------------------------------------------ atomic writing


def test_an_error_while_writing_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("old")
    for error in (OSError("disk full"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic_write(path) as file:
            file.write(b"half of the new")
            raise error
        assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_at_the_end_keeps_the_old_file_too(step, tmp_path, monkeypatch):
    save({"epoch": 1}, tmp_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space left"):
            save({"epoch": 2}, tmp_path / "x")
    assert load(tmp_path / "x") == {"epoch": 1} and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_and_not_replaced():
    with pytest.raises(OSError, match="No space left"):
        save({"x": minicnn.ones(10_000)}, "/dev/full")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_text_may_be_written(tmp_path):
    with atomic_write(tmp_path / "x.csv", "w", encoding="utf-8", newline="") as file:
        file.write("ä\r\n")
    assert (tmp_path / "x.csv").read_bytes() == "ä\r\n".encode()


@pytest.mark.skipif(os.name != "posix", reason="file modes and links are POSIX's")
def test_mode_and_links_are_respected(tmp_path):
    path, link = tmp_path / "real", tmp_path / "link"
    before = os.umask(0o027)
    try:
        save({"epoch": 1}, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640, "a new file gets the usual mode"
    path.chmod(0o604)
    link.symlink_to(path)
    save({"epoch": 2}, link)
    assert link.is_symlink() and load(path) == {"epoch": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o604, "an old one keeps its mode"


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "x"
    save({"v": np.zeros(100_000), "epoch": 0}, path)
    stop = threading.Event()

    def write():
        epoch = 0
        while not stop.is_set():
            epoch += 1
            save({"v": np.full(100_000, epoch), "epoch": epoch}, path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            loaded = load(path)
            assert (loaded["v"] == loaded["epoch"]).all()
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_while_saving_leaves_a_whole_file(tmp_path):
    code = (
        "import numpy as np, sys; from minicnn.serialization import save\n"
        "v = np.zeros(3_000_000)\n"
        "try:\n"
        f"    for i in range(10**6): save({{'v': v, 'i': i}}, r'{tmp_path / 'x'}'); print(i, "
        "flush=True)\nexcept KeyboardInterrupt: sys.exit(130)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(minicnn.__file__).parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    process.stdout.readline()
    time.sleep(0.13)
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    process.stdout.close()
    assert process.wait(20) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and load(tmp_path / "x")[
        "v"
    ].size == 3_000_000
