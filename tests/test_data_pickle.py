"""The reader of pickles admits arrays and containers, and nothing that could run."""

import os
import pickle
import pickletools
import struct

import numpy as np
import pytest

from minicnn.data.datasets import safe_pickle

pytestmark = pytest.mark.host

ran = []


def evil(*arguments):
    ran.append(arguments)


class Evil:
    """Whatever it is given is called when it is unpickled."""

    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


def text(value):
    """A Python 2 string, as the published files have them."""
    raw = value.encode("latin-1") if isinstance(value, str) else value
    return b"T" + struct.pack("<I", len(raw)) + raw


def python2_array(
    content, shape, code="u1", order="|", name="numpy.core.multiarray\n_reconstruct\n"
):
    """An array as Python 2's NumPy pickled it: the very instructions of CIFAR-10's files."""
    return (
        b"c" + name.encode() + b"cnumpy\nndarray\n" + b"K\x00\x85" + text("b") + b"\x87R"
        b"(K\x01(" + b"".join(b"M" + struct.pack("<H", n) for n in shape) + b"t"
        b"cnumpy\ndtype\n" + text(code) + b"K\x00K\x01\x87R"
        b"(K\x03" + text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + text(content) + b"tb"
    )  # fmt: skip


# ------------------------------------------------------------------ what is admitted


def test_python_2_arrays_and_strings_are_read():
    content = b"\x80\x02}(" + text("data") + python2_array(bytes(range(6)), (2, 3)) + b"u."
    loaded = safe_pickle.loads(content)
    assert loaded[b"data"].tolist() == [[0, 1, 2], [3, 4, 5]] and loaded[b"data"].dtype == np.uint8


@pytest.mark.parametrize("dtype", ["u1", "i8", "<f4", ">f4", ">i2", "f8", "?", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_todays_numpy_are_read(dtype, order):
    array = np.array([[1, 2, 3], [4, 5, 0]], dtype=dtype, order=order)
    loaded = safe_pickle.loads(pickle.dumps({"x": array}, 3))["x"]
    assert loaded.dtype == array.dtype and np.array_equal(loaded, array)


def test_containers_and_plain_values_are_read():
    value = {"a": [1, 2.5, None, True], "b": ("x", b"y", {"z": -(2**70)}), "c": [[], {}, ()]}
    assert safe_pickle.loads(pickle.dumps(value, 3)) == value


# ------------------------------------------------------------------ what is refused

HOSTILE = {
    "os.system": Evil(os.system, "true"),
    "eval": Evil(eval, "1"),
    "exec": Evil(exec, "1"),
    "getattr": Evil(getattr, "text", "format"),
    "own-function": Evil(evil, 1),
    "open": Evil(open, "/etc/passwd"),
    "np.load": Evil(np.load, "x.npy"),
    "np.fromfile": Evil(np.fromfile, "/etc/passwd"),
    "np.frombuffer": Evil(np.frombuffer, b"abc"),
    "memmap": Evil(np.memmap, "/etc/passwd"),
    "codecs.encode": Evil(__import__("codecs").encode, "a", "rot13"),
    "instance": Evil(Evil, 1),
    "object-array": np.array([Evil(evil, 1), 2], dtype=object),
    "structured-array": np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]),
    "string-array": np.array(["a"]),
    "date-array": np.array(["2020-01-01"], dtype="M8[D]"),
    "dtype-alone": [np.dtype("u1")],
    "class-alone": [np.ndarray],
    "nested": {"data": [({"x": (Evil(evil, 2),)},)]},
    "reduce-in-reduce": Evil(evil, Evil(evil, Evil(os.getcwd))),
    "complex": 1j,
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_everything_else_is_refused(value, protocol):
    with pytest.raises(pickle.UnpicklingError):
        safe_pickle.loads(pickle.dumps(value, protocol))
    assert not ran


ASSEMBLED = {
    "global-of-os": (b"cos\nsystem\n" + text("true") + b"\x85R.", "asks for os.system"),
    "path-through-numpy": (
        b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93\x8c\x04true\x85R.",
        "instruction SHORT_BINUNICODE",
    ),
    "builtins-of-numpy": (b"cnumpy\n__builtins__\n.", "asks for numpy.__builtins__"),
    "dotted-name": (
        b"cnumpy\ncore.multiarray.os.system\n.",
        "asks for numpy.core.multiarray.os.system",
    ),
    "inst": (b"(" + text("true") + b"ios\nsystem\n.", "instruction INST"),
    "obj": (b"(cos\nsystem\n" + text("true") + b"o.", "instruction OBJ"),
    "newobj": (b"cnumpy\nndarray\nK\x05\x85\x81.", "instruction NEWOBJ"),
    "newobj-ex": (b"\x80\x04cnumpy\nndarray\nK\x05\x85}\x92.", "instruction NEWOBJ_EX"),
    "call-ndarray": (b"cnumpy\nndarray\nK\x05\x85R.", "ndarray is called in an unusual way"),
    "call-dtype-with-object": (
        b"cnumpy\ndtype\n" + text("O8") + b"K\x00K\x01\x87R.",
        "dtype b'O8' is not an array of numbers",
    ),
    "call-dtype-with-list": (b"cnumpy\ndtype\n]K\x00K\x01\x87R.", "unhashable"),
    "reconstruct-another-class": (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nmemmap\nK\x00\x85" + text("b") + b"\x87R.",
        "asks for numpy.memmap",
    ),
    "reconstruct-a-recorder": (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85" + text("b") + b"\x87R.",
        "_reconstruct is called in an unusual way",
    ),
    "build-on-a-name": (
        b"cnumpy\ndtype\n}" + text("__call__") + b"K\x01sb.",
        "dtype cannot be given a state",
    ),
    "build-slots-on-a-name": (
        b"cnumpy\ndtype\nN}" + text("name") + text("_reconstruct") + b"s\x86b.",
        "dtype cannot be given a state",
    ),
    "build-a-dtype-with-fields": (
        b"cnumpy\ndtype\n"
        + text("u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text("|")
        + b"N)}K\x01K\x01K\x00tb.",
        "the dtype u1 has an unusual state",
    ),
    "array-of-a-list": (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
        b"(K\x01)cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R\x89]tb.",
        "must consist of a dtype and bytes",
    ),
    "array-without-state": (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R.",
        "value",
    ),
    "shape-that-does-not-fit": (python2_array(b"abc", (60000, 60000)) + b".", "cannot reshape"),
    "persistent-id": (b"Pfile\n.", "instruction PERSID"),
    "binary-persistent-id": (b"K\x01Q.", "instruction BINPERSID"),
    "extension": (b"\x82\x01.", "instruction EXT1"),
    "out-of-band-buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
    "contains-itself": (b"]q\x00h\x00a.", "recursion"),
    "nested-tuples": (
        b"})" + b"\x85" * 500_000 + b"K\x01s.",
        "makes more than 1000 tuples",
    ),
    "truncated": (python2_array(b"abcdef", (2, 3))[:-20], "ValueError: "),
    "nothing": (b"", "ValueError: "),
    "no-pickle": (b"\xff\xfe hello", "ValueError: "),
}


@pytest.mark.parametrize(("content", "message"), ASSEMBLED.values(), ids=ASSEMBLED)
def test_hand_made_attacks_are_refused(content, message):
    with pytest.raises(pickle.UnpicklingError, match=f"(?i){message}"):
        safe_pickle.loads(content)
    assert not ran


def test_an_attack_leaves_the_reader_as_it_was():
    for content, _ in ASSEMBLED.values():
        with pytest.raises(pickle.UnpicklingError):
            safe_pickle.loads(content)
    good = python2_array(b"abcdef", (2, 3)) + b"."
    assert safe_pickle.loads(good).tolist() == [[97, 98, 99], [100, 101, 102]]


def test_the_attacks_are_pickles_that_would_have_worked():
    assert [op.name for op, _, _ in pickletools.genops(ASSEMBLED["global-of-os"][0])][
        -2
    ] == "REDUCE"
    assert pickle.loads(pickle.dumps(Evil(evil, "here"), 2)) is None
    assert ran.pop() == ("here",)
