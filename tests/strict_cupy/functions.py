"""The functions of the stand-in, by the signatures that CuPy gives them."""

from __future__ import annotations

import numpy as np

from .arrays import Capsule, from_host, host_of, ndarray, same_device, signature_of, wrapped
from .traffic import note

FUNCTIONS = """
all(a, axis=None, out=None, keepdims=False)
any(a, axis=None, out=None, keepdims=False)
argmax(a, axis=None, dtype=None, out=None, keepdims=False)
argmin(a, axis=None, dtype=None, out=None, keepdims=False)
argsort(a, axis=-1, kind=None)
argwhere(a)
array_equal(a1, a2, equal_nan=False)
array_split(ary, indices_or_sections, axis=0)
ascontiguousarray(a, dtype=None)
atleast_1d(*arys)
atleast_2d(*arys)
bincount(x, weights=None, minlength=None)
broadcast_arrays(*args)
broadcast_to(array, shape)
clip(a, a_min, a_max, out=None)
concatenate(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
copyto(dst, src, casting='same_kind', where=None)
count_nonzero(a, axis=None)
cumprod(a, axis=None, dtype=None, out=None)
cumsum(a, axis=None, dtype=None, out=None)
diag(v, k=0)
diagonal(a, offset=0, axis1=0, axis2=1)
dot(a, b, out=None)
einsum(*operands, **kwargs)
empty_like(prototype, dtype=None, order='K', subok=None, shape=None)
expand_dims(a, axis)
flatnonzero(a)
flip(a, axis=None)
full_like(a, fill_value, dtype=None, order='K', subok=None, shape=None)
isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
isin(element, test_elements, assume_unique=False, invert=False)
max(a, axis=None, out=None, keepdims=False)
may_share_memory(a, b, max_work=None)
mean(a, axis=None, dtype=None, out=None, keepdims=False)
median(a, axis=None, out=None, overwrite_input=False, keepdims=False)
min(a, axis=None, out=None, keepdims=False)
moveaxis(a, source, destination)
nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None)
nonzero(a)
ones_like(a, dtype=None, order='K', subok=None, shape=None)
outer(a, b, out=None)
pad(array, pad_width, mode='constant', **kwargs)
prod(a, axis=None, dtype=None, out=None, keepdims=False)
put_along_axis(arr, indices, values, axis)
ravel(a, order='C')
repeat(a, repeats, axis=None)
roll(a, shift, axis=None)
round(a, decimals=0, out=None)
searchsorted(a, v, side='left', sorter=None)
sort(a, axis=-1, kind=None)
split(ary, indices_or_sections, axis=0)
squeeze(a, axis=None)
stack(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
sum(a, axis=None, dtype=None, out=None, keepdims=False)
swapaxes(a, axis1, axis2)
take(a, indices, axis=None, out=None)
take_along_axis(a, indices, axis)
tensordot(a, b, axes=2)
tile(A, reps)
trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None)
tril(m, k=0)
triu(m, k=0)
unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, \
equal_nan=True)
unravel_index(indices, dims, order='C')
var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
where(condition, x=None, y=None)
zeros_like(a, dtype=None, order='K', subok=None, shape=None)
linalg.norm(x, ord=None, axis=None, keepdims=False)
lib.stride_tricks.as_strided(x, shape=None, strides=None)
"""

CREATION = """
arange(start, stop=None, step=1, dtype=None)
empty(shape, dtype=float, order='C')
eye(N, M=None, k=0, dtype=float, order='C')
full(shape, fill_value, dtype=None, order='C')
linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0)
ones(shape, dtype=float, order='C')
tri(N, M=None, k=0, dtype=float)
zeros(shape, dtype=float, order='C')
"""

UFUNCS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or "
    "bitwise_xor ceil copysign cos cosh divide divmod equal exp exp2 expm1 floor floor_divide fmax "
    "fmin fmod greater greater_equal hypot invert isfinite isinf isnan left_shift less less_equal "
    "log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum "
    "mod multiply negative not_equal power reciprocal remainder right_shift rint sign signbit sin "
    "sinh sqrt square subtract tan tanh true_divide trunc"
).split()

# Their results have sizes that only the device knows, so the host waits for it.
WAITING = ("argwhere", "bincount", "flatnonzero", "isin", "nonzero", "unique", "unravel_index")
JOINING = ("concatenate", "stack")  # and more than eight small arrays by one kernel
ATOMIC = ("float16", "float32", "float64", "int32", "uint32", "uint64")  # that scatter-add has


def function_of(line):
    """Return the function that a line of FUNCTIONS describes."""
    name, signature = signature_of(line)
    theirs = np
    for part in name.split("."):
        theirs = getattr(theirs, part)

    def function(*arguments, **keywords):
        bound = signature.bind(*arguments, **keywords)
        _check_arrays(name, bound)
        if name in WAITING or (
            name == "repeat" and isinstance(bound.arguments["repeats"], ndarray)
        ):
            note("reads", name)
        sources = _arrays_in((*arguments, *keywords.values()))
        same_device(name, *sources)
        if name in JOINING and len(sources) > 8:
            note("copies", name)  # of their addresses, for one kernel
        arguments = [host_of(v, name) for v in arguments]
        keywords = {k: host_of(v, name) for k, v in keywords.items() if (name, k) not in _OURS}
        with np.errstate(all="ignore"):
            result = theirs(*arguments, **keywords)
        if name in ("copyto", "put_along_axis"):
            return None
        if name == "may_share_memory":
            return result
        return wrapped(list(result) if name == "split" else result, *sources)

    function.__name__, function.__signature__ = name, signature
    return function


_OURS = {("argmax", "dtype"), ("argmin", "dtype")}


def _check_arrays(name, bound):
    """Raise unless the first argument is an array, or a sequence of arrays."""
    first = next(iter(bound.arguments.values()))
    if name == "where" and len(bound.arguments) != 3:
        raise TypeError("where: give both x and y; with one argument it waits for the device")
    if name == "einsum":
        first = first[1:]
    parts = first if isinstance(first, (tuple, list)) else (first,)
    if not all(isinstance(part, ndarray) for part in parts):
        found = [type(part).__name__ for part in parts]
        raise TypeError(f"{name}: Only arrays can be passed, got {found}")


def _arrays_in(values):
    found = []
    for value in values:
        if isinstance(value, ndarray):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _arrays_in(value)
    return found


def creation_of(line):
    """Return a function that makes an array on the device from numbers."""
    name, signature = signature_of(line)

    def function(*arguments, **keywords):
        signature.bind(*arguments, **keywords)
        host = [host_of(v, name) for v in arguments]
        keywords = {k: host_of(v, name) for k, v in keywords.items()}
        return wrapped(getattr(np, name)(*host, **keywords))

    function.__name__, function.__signature__ = name, signature
    return function


class ufunc:
    """An elementwise function: arrays and numbers in, `out`, `dtype` and `casting` by name."""

    def __init__(self, name):
        self.name, self._theirs = name, getattr(np, name)
        self.nin, self.nout = self._theirs.nin, self._theirs.nout

    def __call__(self, *arguments, **keywords):
        extra = set(keywords) - {"out", "dtype", "casting"}
        if extra:
            raise TypeError(f"Wrong arguments {extra}")
        out = keywords.pop("out", None)
        values = [*arguments, *([out] if isinstance(out, ndarray) else out or ())]
        sources = _arrays_in(values)
        same_device(self.name, *sources)
        if out is not None:
            keywords["out"] = host_of(out, self.name)
        with np.errstate(all="ignore"):
            result = self._theirs(*(host_of(v, self.name) for v in arguments), **keywords)
        return out if out is not None else wrapped(result, *sources[:1])

    def at(self, a, indices, b=None):
        """Only sums and extrema, only for the types that the GPU adds atomically."""
        if self.name not in ("add", "maximum", "minimum") or a.dtype.name not in ATOMIC:
            raise TypeError(f"{self.name}.at: {a.dtype} is not supported")
        from .arrays import host_index

        with np.errstate(all="ignore"):
            self._theirs.at(a._host, host_index(a, indices, None), host_of(b, "at"))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    if hasattr(a, "array") and isinstance(a.array, ndarray):  # by __cuda_array_interface__
        return wrapped(a.array._host, a.array)
    if isinstance(a, ndarray):
        same = dtype is None or a.dtype == dtype
        return a if same and not copy else a.astype(dtype or a.dtype)
    if isinstance(a, (tuple, list)) and any(isinstance(part, ndarray) for part in a):
        raise TypeError("asarray: a sequence of device arrays; use stack")
    return from_host(np.asarray(a, dtype, order))


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    return asarray(obj, dtype, copy=copy)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a)


def matmul(*args, axes=None, axis=None, keepdims=False, casting="same_kind", dtype=None,
           signature=None, order="K", out=None):  # fmt: skip
    a, b = args
    if not (isinstance(a, ndarray) and isinstance(b, ndarray)):
        raise TypeError("matmul: Only arrays can be passed")
    if out is None:
        return a @ b
    np.matmul(a._host, b._host, out=out._host)
    return out


def from_dlpack(array, *, device=None, copy=None):
    capsule = array.__dlpack__()
    if not isinstance(capsule, Capsule):
        raise BufferError("from_dlpack: not an array of this device")
    return wrapped(capsule.array._host, capsule.array)
