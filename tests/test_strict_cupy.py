"""The stand-in for CuPy: its names and signatures are CuPy's, and it refuses what CuPy refuses."""

import inspect
import warnings

import numpy as np
import pytest
import strict_cupy
from strict_cupy import arrays as strict_array
from strict_cupy import cuda, functions

LINES = [line for line in (functions.FUNCTIONS + functions.CREATION).split("\n") if line]
METHODS = [line for line in strict_array.METHODS.split("\n") if line]


@pytest.fixture(scope="module")
def cupy():
    """The real package, which can be imported without a GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns when it finds no CUDA
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if cupy is strict_cupy:
        pytest.skip("the stand-in is in CuPy's place")
    return cupy


def bare(signature):
    """Names, kinds and defaults, without types."""
    parameters = signature.parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


def named(module, path):
    for part in path.split("."):
        module = getattr(module, part)
    return module


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition("(")[0])
def test_functions_have_the_signatures_of_cupy(cupy, line):
    name, ours = strict_array.signature_of(line)
    assert bare(ours) == bare(inspect.signature(named(cupy, name)))


@pytest.mark.parametrize("line", METHODS, ids=lambda line: line.partition("(")[0])
def test_methods_have_the_signatures_of_cupy(cupy, line):
    name, ours = strict_array.signature_of(line)
    stated = getattr(cupy.ndarray, name).__doc__
    if name == "view":  # written in Python
        theirs = inspect.signature(cupy.ndarray.view)
        assert bare(ours) == bare(theirs)[1:]
        return
    first = stated.strip().partition("\n")[0].partition(" -> ")[0]
    rest = first.partition("(self")[2].lstrip(", ").replace("int axis", "axis")
    rest = rest.replace("Py_ssize_t ", "")
    assert bare(ours) == bare(strict_array.signature_of(f"{name}({rest}")[1])


@pytest.mark.parametrize("name", functions.UFUNCS)
def test_ufuncs_are_ufuncs_of_cupy(cupy, name):
    theirs = getattr(cupy, name)
    assert isinstance(theirs, cupy.ufunc)
    ours = functions.ufunc(name)
    assert (ours.nin, ours.nout) == (theirs.nin, theirs.nout)


@pytest.mark.parametrize("name", ["asarray", "array", "asnumpy", "matmul"])
def test_functions_written_out_have_the_signatures_of_cupy(cupy, name):
    ours = bare(inspect.signature(getattr(strict_cupy, name)))
    theirs = bare(inspect.signature(getattr(cupy, name)))
    if name == "matmul":  # CuPy takes its operands as *args
        assert {p[0] for p in ours} == {p[0] for p in theirs}
    else:
        assert ours == theirs


def test_every_other_name_is_one_of_cupy(cupy):
    public = {n for n in vars(strict_cupy) if not n.startswith("_")}
    ours = public - {"install", "watched", "annotations", "sys", "types", "np", "arrays", "traffic"}
    assert not [n for n in ours - {"functions"} if not hasattr(cupy, n)]
    attributes = {n for n in dir(strict_cupy.ndarray) if not n.startswith("__")}
    assert not [n for n in attributes - {"_host"} if not hasattr(cupy.ndarray, n)]
    for mine, theirs in (
        (cuda.Stream, cupy.cuda.Stream),
        (cuda.Event, cupy.cuda.Event),
        (cuda.Device, cupy.cuda.Device),
    ):
        ours = {n for n in dir(mine) if not n.startswith("_")} - {"calls", "is_non_blocking", "id"}
        assert not [n for n in ours - {"ptr"} if not hasattr(theirs, n)]
    for name in vars(cuda.runtime):
        assert hasattr(cupy.cuda.runtime, name)


@pytest.mark.parametrize(
    "name",
    ["errstate", "block", "insert", "put_mask", "nditer", "RawModule", "ElementwiseKernel"],
)
def test_what_cupy_lacks_and_what_needs_a_gpu_is_not_there(name):
    assert not hasattr(strict_cupy, name)


X = strict_cupy.asarray(np.arange(6.0).reshape(2, 3))
REFUSED = {
    "becoming a NumPy array": (lambda: np.asarray(X), "Implicit conversion to a NumPy array"),
    "NumPy's functions": (lambda: np.sum(X), "use CuPy's"),
    "NumPy's ufuncs": (lambda: np.exp(X), "does not support ufuncs"),
    "a NumPy operand": (lambda: X * np.ones(3), "does not support ufuncs"),
    "a NumPy operand before it": (lambda: np.ones(3) * X, "unsupported operand"),
    "a NumPy argument": (lambda: strict_cupy.maximum(X, np.ones(3)), "takes no NumPy arrays"),
    "a NumPy index": (lambda: X[np.array([0])], "CuPy would copy it"),
    "a list as index": (lambda: X[[0]], "CuPy would copy it"),
    "writing a NumPy array": (lambda: X.__setitem__(0, np.ones(3)), "takes no NumPy arrays"),
    "sum(where=)": (lambda: strict_cupy.sum(X, where=X > 1), "unexpected keyword argument 'where'"),
    "min(initial=)": (lambda: X.min(initial=0), "unexpected keyword argument 'initial'"),
    "take(mode=)": (lambda: strict_cupy.take(X, X, mode="clip"), "unexpected keyword argument"),
    "where(condition)": (lambda: strict_cupy.where(X > 1), "give both x and y"),
    "a sum of a list": (lambda: strict_cupy.sum([1, 2]), "Only arrays can be passed"),
    "ufunc(where=)": (lambda: strict_cupy.exp(X, where=X > 1), "Wrong arguments"),
    "adding int64 at places": (
        lambda: strict_cupy.add.at(strict_cupy.zeros(2, "int64"), X[0].astype("int64"), 1),
        "int64 is not supported",
    ),
}


@pytest.mark.parametrize(("call", "text"), REFUSED.values(), ids=REFUSED)
def test_what_fails_on_a_gpu_is_refused(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_two_devices_do_not_mix():
    with cuda.Device(1):
        other = strict_cupy.zeros((2, 3))
    with pytest.raises(ValueError, match="Array device must be same"):
        X + other


def test_reductions_and_elements_are_arrays_without_dimensions():
    for y in (X.sum(), X.max(), strict_cupy.mean(X), X[0, 0], X @ X.T @ X[:, 0] @ X[:, 0]):
        assert type(y) is strict_cupy.ndarray and y.ndim == 0


def test_views_name_their_base_and_write_through():
    x = strict_cupy.zeros((2, 3))
    view = x.T[1:]
    view[...] = 1.0
    assert view.base is x and x._host.sum() == 4
    assert (x + 1).base is None and x[x > 0].base is None


def test_an_index_out_of_range_goes_round_as_in_cupy():
    assert X[strict_cupy.asarray(np.array([2, -3]))].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_reads_and_copies_are_counted():
    with strict_cupy.watched() as traffic:
        y = (X * 2 + 1).sum()
        strict_cupy.where(X > 2, X, 0)
        assert not traffic.reads and not traffic.copies
        float(y), bool(y > 0), y.item(), X[X > 2], X.nonzero(), strict_cupy.unique(X)
        assert len(traffic.reads) == 6
        strict_cupy.asarray(np.ones(2)), strict_cupy.array([1, 2])
        assert len(traffic.copies) == 2
        strict_cupy.stack([y] * 8)
        assert len(traffic.copies) == 2
        strict_cupy.stack([y] * 9)
        assert len(traffic.copies) == 3
    float(y)
    assert len(traffic.reads) == 6
