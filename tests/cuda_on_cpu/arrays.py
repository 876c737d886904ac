"""Arrays for the stand-in: NumPy's, in memory with an untouchable page at one end."""

from __future__ import annotations

import ctypes
import mmap
import random

import numpy as np

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_coin = random.Random(0)


def guarded(shape, dtype, order="C"):
    """Return an array full of NaN bytes that ends, or begins, where memory may not be touched."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    dtype = np.dtype(dtype)
    size = max(1, int(np.prod(shape))) * dtype.itemsize
    room = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, room + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (start, start + PAGE + room):
        if _libc.mprotect(guard, PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (room - size if _coin.random() < 0.5 else 0)
    flat = np.frombuffer(memory, np.uint8, size, offset)
    flat.fill(0xFF)
    return flat.view(dtype)[: int(np.prod(shape))].reshape(shape, order=order)


def _like(prototype, dtype=None, shape=None):
    """Return a guarded array laid out in memory as NumPy's `empty_like` would do."""
    model = np.empty_like(prototype, dtype=dtype, shape=shape)
    order = sorted(range(model.ndim), key=lambda axis: -model.strides[axis])
    dense = guarded([model.shape[axis] for axis in order], model.dtype)
    return dense.transpose(np.argsort(order)) if order else dense


class _Memory:
    def __init__(self, array):
        self.ptr = array.__array_interface__["data"][0]


class _Device:
    id = 0


class ndarray:
    """What kernels' host code asks of a CuPy array. NumPy's functions refuse it."""

    __array_ufunc__ = None
    device = _Device()

    def __init__(self, host):
        self.host = host

    @property
    def data(self):
        return _Memory(self.host)

    def __array__(self, *arguments, **keywords):
        raise TypeError("implicit conversion to a NumPy array")

    def __getattr__(self, name):
        if name.startswith("__") or name == "host":
            raise AttributeError(name)
        value = getattr(self.host, name)
        return _wrapping(value) if callable(value) else wrap(value)

    def __len__(self):
        return len(self.host)

    def __getitem__(self, index):
        return wrap(self.host[unwrap(index)])

    def __setitem__(self, index, value):
        self.host[unwrap(index)] = unwrap(value)


def _operator(name):
    def method(self, *others):
        if any(isinstance(other, np.ndarray) for other in others):
            raise TypeError(f"{name}: a NumPy array among arrays of the GPU")
        result = getattr(self.host, name)(*map(unwrap, others))
        return result if result is NotImplemented else wrap(result)

    return method


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    for _prefix in ("", "r", "i"):
        setattr(ndarray, f"__{_prefix}{_name}__", _operator(f"__{_prefix}{_name}__"))
for _name in "lt le gt ge eq ne neg pos abs invert".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
ndarray.__hash__ = None
ndarray.__module__ = "cupy"


def unwrap(value):
    """Return NumPy's view of an array of the stand-in, also within tuples and lists."""
    if isinstance(value, (tuple, list)):
        return type(value)(unwrap(item) for item in value)
    return value.host if isinstance(value, ndarray) else value


def _is_guarded(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return isinstance(array.base, memoryview | mmap.mmap)


def wrap(value):
    """Return a NumPy array or scalar as an array of the stand-in; views stay views."""
    if isinstance(value, tuple):
        return tuple(wrap(item) for item in value)
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    value = np.asarray(value)
    if not _is_guarded(value):
        copy = _like(value)
        copy[...] = value
        value = copy
    return ndarray(value)


def _wrapping(function):
    def call(*arguments, **keywords):
        keywords = {name: unwrap(value) for name, value in keywords.items()}
        return wrap(function(*map(unwrap, arguments), **keywords))

    return call


def asarray(value, dtype=None):
    """Copy to the stand-in's memory, with the layout it has."""
    return wrap(np.asarray(unwrap(value), dtype))


def asnumpy(value):
    """Copy to NumPy."""
    return value.host.copy(order="K")


_CREATORS = {
    "empty": lambda shape, dtype=float, order="C": ndarray(guarded(shape, dtype, order)),
    "empty_like": lambda a, dtype=None, order="K", subok=None, shape=None: ndarray(
        _like(a.host, dtype, shape)
    ),
}


def delegated(name):
    """Return the function or the name `name` of NumPy, for arrays of the stand-in."""
    if name in _CREATORS:
        return _CREATORS[name]
    value = getattr(np, name)
    return value if isinstance(value, type) or not callable(value) else _wrapping(value)
