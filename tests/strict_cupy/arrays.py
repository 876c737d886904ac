"""The array of the stand-in: NumPy inside, CuPy's manners outside."""

from __future__ import annotations

import numpy as np

from . import cuda
from .traffic import note

# The methods that CuPy's array has, with its signatures. Those that minicnn has no use for are
# left out: using one fails here first, and then it can be added.
METHODS = """
all(axis=None, out=None, keepdims=False)
any(axis=None, out=None, keepdims=False)
argmax(axis=None, out=None, dtype=None, keepdims=False)
argmin(axis=None, out=None, dtype=None, keepdims=False)
argpartition(kth, axis=-1)
argsort(axis=-1, kind=None)
astype(dtype, order='K', casting=None, subok=None, copy=True)
clip(min=None, max=None, out=None)
copy(order='C')
cumprod(axis=None, dtype=None, out=None)
cumsum(axis=None, dtype=None, out=None)
diagonal(offset=0, axis1=0, axis2=1)
flatten(order='C')
max(axis=None, out=None, keepdims=False)
mean(axis=None, dtype=None, out=None, keepdims=False)
min(axis=None, out=None, keepdims=False)
prod(axis=None, dtype=None, out=None, keepdims=None)
ravel(order='C')
repeat(repeats, axis=None)
reshape(*shape, order='C', copy=None)
round(decimals=0, out=None)
squeeze(axis=None)
std(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
sum(axis=None, dtype=None, out=None, keepdims=False)
swapaxes(axis1, axis2)
take(indices, axis=None, out=None)
trace(offset=0, axis1=0, axis2=1, dtype=None, out=None)
transpose(*axes)
var(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
view(dtype=None, type=None)
"""

OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift radd rsub rmul rtruediv "
    "rfloordiv rmod rpow rmatmul rand ror rxor lt le gt ge eq ne divmod"
).split()
IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split()
UNARY = "neg pos abs invert".split()
SCALARS = (bool, int, float, np.generic)


class Flags:
    """What CuPy's `flags` tells: there is no `writeable`, every array is."""

    def __init__(self, host):
        self.c_contiguous, self.f_contiguous = host.flags.c_contiguous, host.flags.f_contiguous
        self.owndata = host.flags.owndata


class Pointer:
    """The part of CuPy's memory pointer that tells an address."""

    def __init__(self, host):
        self.ptr = host.ctypes.data


class Capsule:
    """What `__dlpack__` hands over."""

    def __init__(self, array):
        self.array = array


class ndarray:
    """An array on the device. It mixes with no NumPy array, and turns into none unasked."""

    __slots__ = ("__weakref__", "_host", "base", "device")
    __hash__ = None  # == compares elements
    __array_ufunc__ = None  # NumPy's operators leave it to ours

    def __init__(self, *arguments, **keywords):
        raise TypeError("cupy.ndarray: make arrays with zeros, asarray ...")

    @property
    def flags(self):
        return Flags(self._host)

    @property
    def data(self):
        return Pointer(self._host)

    @property
    def T(self):
        return wrapped(self._host.T, self)

    @property
    def mT(self):
        return wrapped(self._host.swapaxes(-1, -2), self)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        found = self._host[host_index(self, index, "x[mask]")]
        copied = any(isinstance(part, ndarray) for part in parts)  # also by an index without dims
        return wrapped(found.copy() if copied else found, self)

    def __setitem__(self, index, value):
        same_device("setitem", self, value)
        with np.errstate(all="ignore"):
            self._host[host_index(self, index, None)] = host_of(value, "setitem")

    def fill(self, value):
        self._host.fill(host_of(value, "fill"))

    # --------------------------------------------------- what makes the host wait for the device

    def get(self, stream=None, order="C", out=None, blocking=True):
        note("reads", "get")
        host = self._host.copy(order)
        if out is None:
            return host
        out[...] = host
        return out

    def item(self):
        note("reads", "item")
        return self._host.item()

    def tolist(self):
        note("reads", "tolist")
        return self._host.tolist()

    def nonzero(self):
        note("reads", "nonzero")
        return tuple(wrapped(i, self) for i in self._host.nonzero())

    def __bool__(self):
        note("reads", "bool")
        return bool(self._host)

    def __int__(self):
        note("reads", "int")
        return int(self._host)

    def __float__(self):
        note("reads", "float")
        return float(self._host)

    def __complex__(self):
        note("reads", "complex")
        return complex(self._host)

    def __format__(self, spec):
        note("reads", "format")
        return format(self._host, spec)

    def __repr__(self):
        note("reads", "repr")
        return repr(self._host)

    def __reduce__(self):
        note("reads", "pickle")
        return from_host, (self._host,)

    def set(self, arr, stream=None):
        """Copy a host array into this one; from pinned memory on another stream, nobody waits."""
        if not isinstance(arr, np.ndarray) or arr.shape != self._host.shape:
            raise ValueError(f"set: expected a NumPy array of shape {self._host.shape}")
        stream = stream or cuda.get_current_stream()
        stream.calls.append("copy")
        ahead = cuda.is_pinned(arr) and stream.ptr != 0
        note("ahead" if ahead else "copies", "set")
        self._host[...] = arr

    # --------------------------------------------------- what other libraries are told

    def __array__(self, *arguments, **keywords):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct "
            "a NumPy array explicitly."
        )

    def __array_function__(self, function, types, arguments, keywords):
        raise TypeError(f"numpy.{function.__name__} was called with a CuPy array; use CuPy's")

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return Capsule(self)

    def __dlpack_device__(self):
        return (2, self.device.id)

    @property
    def __cuda_array_interface__(self):
        facts = dict(self._host.__array_interface__)
        facts.update(data=(self._host.ctypes.data, False), stream=1, version=3)
        return facts

    def __deepcopy__(self, memo):
        return self.copy()

    __copy__ = __deepcopy__


for _name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides"):
    setattr(ndarray, _name, property(lambda self, name=_name: getattr(self._host, name)))


def wrapped(result, *sources):
    """Return a NumPy result as a device array; as in CuPy, a view names the array it shows."""
    if isinstance(result, (tuple, list)):
        return type(result)(wrapped(part, *sources) for part in result)
    host = np.asarray(result)
    if not host.flags.writeable and sources:  # as NumPy's diagonals are; CuPy's can be written to
        host.flags.writeable = True
    array = object.__new__(ndarray)
    array._host, array.base = host, None
    array.device = sources[0].device if sources else cuda.Device()
    for source in sources:
        if host is source._host or np.may_share_memory(host, source._host):
            array.base = source if source.base is None else source.base
    return array


def from_host(host):
    """Return a device array that holds a copy of a host array."""
    note("copies", "host array")
    return wrapped(np.array(host, order="K", copy=True))


def host_of(value, who):
    """Return what NumPy may compute with, instead of an argument that CuPy would take."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"{who}: Unsupported type {type(value)}; CuPy takes no NumPy arrays")
    if isinstance(value, (tuple, list)):
        return type(value)([host_of(part, who) for part in value])
    return value


def same_device(who, *values):
    """Raise if arrays of two devices meet."""
    devices = {v.device.id for v in values if isinstance(v, ndarray)}
    if len(devices) > 1:
        raise ValueError(f"{who}: Array device must be same, got {sorted(devices)}")


def host_index(array, index, reading):
    """Return an index for NumPy. CuPy wraps integers that are out of range round, silently."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, (list, np.ndarray)):
            raise TypeError(f"index: {type(part).__name__}: CuPy would copy it to the device")
    sizes = [getattr(p, "ndim", 1) if _is_mask(p) else int(p is not None) for p in parts]
    given = sum(n for n, p in zip(sizes, parts, strict=True) if p is not Ellipsis)
    result, dim, dots = [], 0, False
    for part, size in zip(parts, sizes, strict=True):
        if part is Ellipsis:
            dots, dim = True, dim + array.ndim - given
            result.append(part)
            continue
        if _is_mask(part) and reading:
            note("reads", reading)
        host = host_of(part, "index")
        if isinstance(part, ndarray) and not _is_mask(part):
            if part.dtype.kind not in "iu":
                raise IndexError("arrays used as indices must be of integer or boolean type")
            host = host % max(array.shape[dim], 1)
        result.append(host)
        dim += size
    if not dots and all(p is None or isinstance(p, (int, slice)) for p in parts):
        result.append(Ellipsis)  # a view of one element, not a scalar
    return tuple(result)


def _is_mask(part):
    return isinstance(part, ndarray) and part.dtype == bool


def _operator(name):
    def operator(self, other):
        if not isinstance(other, (ndarray, *SCALARS)):
            return NotImplemented
        same_device(name, self, other)
        with np.errstate(all="ignore"):
            result = getattr(self._host, name)(host_of(other, name))
        if result is NotImplemented:
            raise TypeError(f"{name}: Unsupported type {type(other)}")
        return wrapped(result, self)

    return operator


def _in_place(name):
    operator = _operator(name)

    def in_place(self, other):
        return self if operator(self, other) is not NotImplemented else NotImplemented

    return in_place


def _unary(name):
    def operator(self):
        return wrapped(getattr(self._host, name)(), self)

    return operator


def signature_of(line):
    """Return the name and the signature that a line such as ``sum(a, axis=None)`` states."""
    import inspect

    name, _, rest = line.partition("(")
    return name, inspect.signature(eval(f"lambda {rest[:-1]}: None"))


def _method(line):
    name, signature = signature_of(line)

    def method(self, *arguments, **keywords):
        signature.bind(*arguments, **keywords)
        for value in (*arguments, *keywords.values()):
            same_device(name, self, value)
        keywords = {k: host_of(v, name) for k, v in keywords.items()}
        if name == "view" and isinstance(arguments[0], type) and issubclass(arguments[0], ndarray):
            arguments = ()
        if name in ("argmax", "argmin"):  # an integer type that minicnn never chooses
            keywords.pop("dtype", None)
        if name == "repeat" and isinstance(arguments[0], ndarray):
            note("reads", "repeat")
        with np.errstate(all="ignore"):
            host = getattr(self._host, name)(*(host_of(v, name) for v in arguments), **keywords)
        return wrapped(host, self)

    method.__name__, method.__signature__ = name, signature
    return method


for _line in METHODS.split("\n"):
    if _line:
        setattr(ndarray, _line.partition("(")[0], _method(_line))
for _name in OPERATORS:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in IN_PLACE:
    setattr(ndarray, f"__{_name}__", _in_place(f"__{_name}__"))
for _name in UNARY:
    setattr(ndarray, f"__{_name}__", _unary(f"__{_name}__"))
ndarray.__module__ = "cupy"
