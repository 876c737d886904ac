"""Shapes: the same numbers seen otherwise. None of these ops computes anything.

*Views.* reshape, permute, expand, indexing by slices and their relatives share memory with their input wherever
it can be, so changing one in place changes the other, as in PyTorch.

*Where a view has to be a copy.* minicnn keeps images channels-last in memory, though their shape is (N, C, H, W).
`view(N, -1)` of such a tensor must copy where PyTorch would not. The two are then "twins":
while both are alive, changing either in place raises, instead of leaving the other behind unseen.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Op, shares_memory
from ..backend import array_module
from ..errors import ArgumentError, DimensionError, ShapeError, UnsupportedError
from ..promotion import result_type
from ..tensor import Tensor, check_tensor, method
from .index import getitem
from .reduce import many_dims, one_dim

Dims = tuple[int, ...]


@dataclass(eq=False, repr=False)
class Reshape(Op):
    """y = x in another shape, row-major order kept.   dx = dy in the shape of x."""

    shape: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return x.reshape(self.shape)

    def dx(self, dy: Tensor) -> Tensor:
        return Reshape(self.shapes[0])(dy)


@dataclass(eq=False, repr=False)
class Permute(Op):
    """y's dimension i is x's dimension dims[i].   dx = dy permuted back."""

    dims: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return x.transpose(self.dims)

    def dx(self, dy: Tensor) -> Tensor:
        back = tuple(sorted(range(len(self.dims)), key=lambda i: self.dims[i]))
        return Permute(back)(dy)


@dataclass(eq=False, repr=False)
class Expand(Op):
    """y = x repeated along its dimensions of size 1, without a copy.   dx = dy summed over them.

    The sum is the engine's: it undoes every broadcast.
    """

    shape: Dims
    is_view = True

    def forward(self, x: Any) -> Any:
        return array_module(x).broadcast_to(x, self.shape)

    def dx(self, dy: Tensor) -> Tensor:
        return dy


@dataclass(eq=False, repr=False)
class Cat(Op):
    """y = the x_i one after another along `dim`.   dx_i = the part of dy that came from x_i."""

    dim: int

    def forward(self, *xs: Any) -> Any:
        return array_module(xs[0]).concatenate(xs, self.dim)

    def dxs(self, dy: Tensor, i: int) -> Tensor:
        start = sum(shape[self.dim] for shape in self.shapes[:i])
        return dy.narrow(self.dim, start, self.shapes[i][self.dim])


@dataclass(eq=False, repr=False)
class Pad(Op):
    """y = x with `value` around it; widths ((before, after), ...).   dx = dy without the border."""

    widths: tuple[tuple[int, int], ...]
    value: float

    def forward(self, x: Any) -> Any:
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def dx(self, dy: Tensor) -> Tensor:
        inside = (slice(b, b + n) for (b, _), n in zip(self.widths, self.shapes[0], strict=True))
        return getitem(dy, tuple(inside))


@dataclass(eq=False, repr=False)
class Flip(Op):
    """y = x backwards along `dims`.   dx = dy backwards along `dims`."""

    dims: Dims

    def forward(self, x: Any) -> Any:
        return array_module(x).flip(x, self.dims).copy()

    def dx(self, dy: Tensor) -> Tensor:
        return Flip(self.dims)(dy)


@dataclass(eq=False, repr=False)
class Triangle(Op):
    """y = x above (or below) a diagonal of its last two dimensions, else 0.   dx = the same of dy."""

    which: str
    diagonal: int

    def forward(self, x: Any) -> Any:
        return getattr(array_module(x), self.which)(x, self.diagonal)

    def dx(self, dy: Tensor) -> Tensor:
        return Triangle(self.which, self.diagonal)(dy)


# ----------------------------------------------------------------------------------------------
# Reshaping


def as_shape(name: str, size: tuple) -> Dims:
    """Return sizes given as separate numbers or as one sequence, as a tuple of ints."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    try:
        return tuple(n.__index__() for n in size)
    except AttributeError:
        raise TypeError(f"{name}: sizes must be integers, got {size}") from None


def _fill_in(name: str, size: Dims, shape: Dims) -> Dims:
    """Return `size` with its -1 replaced by what fits `shape`."""
    count = math.prod(shape)
    known = math.prod(n for n in size if n != -1)
    if size.count(-1) > 1 or any(n < -1 for n in size):
        raise ShapeError(f"{name}: at most one size may be -1 and none below; got {size}")
    if -1 in size:
        if known == 0 or count % known:
            raise ShapeError(
                f"{name}: {shape} has {count} elements, which is no multiple of {known}; "
                f"the size {size} does not fit{_batch_hint(shape, size)}"
            )
        size = tuple(count // known if n == -1 else n for n in size)
    if math.prod(size) != count:
        raise ShapeError(
            f"{name}: {shape} has {count} elements, but {size} needs {math.prod(size)}"
            f"{_batch_hint(shape, size)}"
        )
    return size


def _batch_hint(shape: Dims, size: Dims) -> str:
    if len(shape) < 2:
        return ""
    return (
        f". To keep the batch axis of {shape[0]}, use flatten(1) or {size and 'reshape'}({shape[0]}, -1): "
        f"it gives ({shape[0]}, {math.prod(shape[1:])})"
    )


@method()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Return `input` in another shape (one size may be -1); a view where possible."""
    size = _fill_in("reshape", as_shape("reshape", shape), check_tensor(input, "reshape").shape)
    return _reshape(input, size)


@method()
def view(self: Tensor, *shape: Any) -> Tensor:
    """Return this tensor in another shape, sharing memory; raise where its layout does not allow it."""
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list)):
        raise UnsupportedError(f"view: reading memory as {shape[0]} is not covered; use .to(dtype)")
    size = _fill_in("view", as_shape("view", shape), self.shape)
    return _reshape(self, size, must_share=True)


def _reshape(x: Tensor, size: Dims, must_share: bool = False) -> Tensor:
    y = Reshape(size)(x)
    if not shares_memory(y.array, x.array) and x.array.size:
        if _can_view(logical(x), size):
            y._twin, x._twin = weakref.ref(x), weakref.ref(y)
        elif must_share:
            raise ShapeError(
                f"view: shape {x.shape} with strides {x.stride()} cannot be seen as {size} without a copy; "
                "use reshape, or contiguous() first"
            )
    return y


def logical(x: Tensor) -> np.ndarray:
    """Return an array of no size in memory, with the strides PyTorch's layout would give `x`."""
    base = x if x._base is None else x._base
    n, strides = 1, []
    for size in reversed(base.shape):
        strides.append(n)
        n *= max(size, 1)
    seen = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), base.shape, strides[::-1])
    for op in x._chain if x._base is not None else ():
        seen = op.forward(seen)
    return seen


def _can_view(x: np.ndarray, size: Dims) -> bool:
    try:
        x.view().shape = size
    except (AttributeError, ValueError):
        return False
    return True


@method()
def is_contiguous(self: Tensor) -> bool:
    """Return whether the elements follow each other in row-major order (in PyTorch's layout)."""
    return logical(self).flags.c_contiguous


@method()
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return the steps along each dimension (or along `dim`), in elements (in PyTorch's layout)."""
    steps = logical(self).strides
    return steps if dim is None else steps[dim]


@method()
def contiguous(self: Tensor) -> Tensor:
    """Return this tensor if it is contiguous, else a copy that is."""
    return self if is_contiguous(self) else self.clone()


@method("reshape_as", "view_as")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return this tensor in the shape of `other`."""
    return reshape(self, other.shape)


@method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `input` with dimensions start_dim to end_dim made one."""
    shape = check_tensor(input, "flatten").shape
    if not shape:
        return input.reshape(1)
    start, end = (one_dim("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if start > end:
        raise ArgumentError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if start == end:
        return input
    return _reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@method()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return `input` with dimension `dim` split into `sizes`."""
    d = one_dim("unflatten", dim, input.ndim)
    sizes = _fill_in("unflatten", as_shape("unflatten", (sizes,)), (input.shape[d],))
    return _reshape(input, (*input.shape[:d], *sizes, *input.shape[d + 1 :]))


@method()
def ravel(input: Tensor) -> Tensor:
    """Return `input` in one dimension."""
    return input.reshape(-1)


@method()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Return `input` without its dimensions of size 1 (only `dim`, a number or several, if given)."""
    shape = check_tensor(input, "squeeze").shape
    if isinstance(dim, (tuple, list)) and not dim:
        return _reshape(input, shape)
    dims = many_dims("squeeze", dim, len(shape))
    return _reshape(input, tuple(n for d, n in enumerate(shape) if not (n == 1 and d in dims)))


@method()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return `input` with a new dimension of size 1 at `dim`."""
    shape = check_tensor(input, "unsqueeze").shape
    d = one_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape(input, (*shape[:d], 1, *shape[d:]))


# ----------------------------------------------------------------------------------------------
# Reordering


@method()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Return `input` with its dimensions in another order; a view."""
    wanted = as_shape("permute", dims)
    ndim = check_tensor(input, "permute").ndim
    order = tuple(one_dim("permute", d, ndim) for d in wanted)
    if len(order) != ndim or len(set(order)) != ndim:
        raise ShapeError(f"permute: {wanted} does not name each of the {ndim} dimensions once")
    return Permute(order)(input)


@method("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `input` with two dimensions exchanged; a view."""
    ndim = check_tensor(input, "transpose").ndim
    a, b = one_dim("transpose", dim0, ndim), one_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = b, a
    return Permute(tuple(order))(input)


@method("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return `input` with dimension(s) `source` moved to `destination`, the others in order."""
    one = isinstance(source, int)
    pairs = zip((source,), (destination,)) if one else zip(source, destination)  # noqa: B905
    places = {one_dim("movedim", d, input.ndim): one_dim("movedim", s, input.ndim) for s, d in pairs}
    rest = iter(d for d in range(input.ndim) if d not in places.values())
    return Permute(tuple(places[d] if d in places else next(rest) for d in range(input.ndim)))(input)


@method()
def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; a view."""
    if check_tensor(input, "t").ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose")
    return Permute(tuple(reversed(range(input.ndim))))(input)


def _transposed(self: Tensor) -> Tensor:
    """The tensor with its dimensions reversed."""
    return Permute(tuple(reversed(range(self.ndim))))(self)


def _matrix_transposed(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged."""
    return transpose(self, -2, -1)


Tensor.T = property(_transposed)  # type: ignore[misc]
Tensor.mT = property(_matrix_transposed)  # type: ignore[misc]


@method()
def flip(input: Tensor, *dims: Any) -> Tensor:
    """Return `input` backwards along `dims`; a copy."""
    wanted = as_shape("flip", dims)
    found = many_dims("flip", wanted, check_tensor(input, "flip").ndim) if wanted else ()
    return Flip(found)(input)


def fliplr(input: Tensor) -> Tensor:
    """Return `input` with its second dimension backwards."""
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Return `input` with its first dimension backwards."""
    return flip(input, 0)


@method()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return `input` with its elements moved by `shifts` along `dims`; what leaves re-enters."""
    if dims is None:
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    shifts, dims = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, dims))
    for shift, dim in zip(shifts, dims, strict=True):
        d = one_dim("roll", dim, input.ndim)
        n = input.shape[d]
        if n:
            k = -shift % n
            input = cat([input.narrow(d, k, n - k), input.narrow(d, 0, k)], d)
    return input


# ----------------------------------------------------------------------------------------------
# Repeating, joining, splitting


@method()
def expand(self: Tensor, *sizes: Any) -> Tensor:
    """Return a view with dimensions of size 1 stretched; -1 keeps a size."""
    size = as_shape("expand", sizes)
    lead = len(size) - self.ndim
    if lead < 0:
        raise ShapeError(f"expand: {size} has fewer dimensions than the tensor's shape {self.shape}")
    full = tuple(self.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(size))
    for i, n in enumerate(full):
        if n < 0 or (i >= lead and self.shape[i - lead] not in (1, n)):
            raise ShapeError(
                f"expand: {self.shape} cannot become {size}; only dimensions of size 1 can be stretched"
            )
    return Expand(full)(self)


@method()
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Return a view of this tensor with the shape of `other`."""
    return expand(self, other.shape)


@method()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Return a view of `input` stretched to `size`."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors, each stretched to their common shape."""
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    return [expand(x, shape) for x in tensors]


@method()
def repeat(self: Tensor, *repeats: Any) -> Tensor:
    """Return the tensor laid side by side `repeats[i]` times along each dimension; a copy."""
    times = as_shape("repeat", repeats)
    lead = len(times) - self.ndim
    if lead < 0:
        raise ShapeError(f"repeat: {times} has fewer numbers than the shape {self.shape} dimensions")
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: the numbers must not be negative, got {times}")
    shape = (1,) * lead + self.shape
    pairs = [n for pair in zip(times, shape, strict=True) for n in pair]
    split = [n for size in shape for n in (1, size)]
    wide = Expand(tuple(pairs))(_reshape(self, tuple(split)))
    out = tuple(a * b for a, b in zip(times, shape, strict=True))
    return Reshape(out)(wide if wide.numel() != self.numel() else wide.clone())


@method()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """Return `input` repeated; missing numbers on the left count as 1."""
    times = as_shape("tile", dims)
    return repeat(input, (1,) * max(0, input.ndim - len(times)) + times)


@method()
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Return each element repeated `repeats` times in place: 1, 1, 2, 2 ..."""
    if dim is None:
        input, dim = input.reshape(-1), 0
    d = one_dim("repeat_interleave", dim, input.ndim)
    counts = repeats.array if isinstance(repeats, Tensor) else repeats
    xp = array_module(input.array)
    return getitem(input, (*(slice(None),) * d, xp.repeat(xp.arange(input.shape[d]), counts)))


def _promoted(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: expected a list or tuple of Tensors, got one Tensor")
    tensors = [check_tensor(x, name, f"tensors[{i}]") for i, x in enumerate(tensors)]
    if not tensors:
        raise ShapeError(f"{name}: expected at least one tensor, got an empty list")
    if all(x.dtype == tensors[0].dtype for x in tensors):
        return tensors
    dtype = result_type(*tensors)
    return [x.to(dtype) for x in tensors]


def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors joined along an existing dimension; the other sizes must be equal."""
    xs = _promoted("cat", tensors)
    xs = [x for x in xs if x.shape != (0,)] or xs[:1]  # PyTorch's rule: an empty 1-d one is skipped
    if xs[0].ndim == 0:
        raise ShapeError("cat: 0-d tensors cannot be joined; use stack")
    d = one_dim("cat", dim, xs[0].ndim)
    shape = xs[0].shape
    for i, x in enumerate(xs):
        if x.ndim != len(shape) or any(
            k != d and n != m for k, (n, m) in enumerate(zip(x.shape, shape, strict=True))
        ):
            raise ShapeError(
                f"cat: all sizes except along dim {dim} must be equal; tensor 0 has {shape}, "
                f"tensor {i} has {x.shape}"
            )
    return Cat(d)(*xs)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dimension."""
    xs = _promoted("stack", tensors)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ShapeError(
                f"stack: all shapes must be equal; tensor 0 has {xs[0].shape}, tensor {i} has {x.shape}"
            )
    d = one_dim("stack", dim, xs[0].ndim + 1)
    return Cat(d)(*(x.unsqueeze(d) for x in xs))


def hstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the second dimension (the first, of 1-d tensors)."""
    xs = [x.reshape(1) if x.ndim == 0 else x for x in tensors]
    return cat(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the first dimension; 1-d tensors become rows."""
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in tensors], 0)


@method()
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return the view input[start : start + length] along `dim`."""
    d = one_dim("narrow", dim, check_tensor(input, "narrow").ndim)
    size = input.shape[d] if input.ndim else 0
    start = int(start) + (size if start < 0 else 0)
    if not (0 <= start and 0 <= length and start + length <= size):
        raise DimensionError(
            f"narrow: start {start} and length {length} do not fit in size {size} of dim {dim}"
        )
    return getitem(input, (*(slice(None),) * d, slice(start, start + length)))


@method()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return the view of `input` at `index` along `dim`, without that dimension."""
    d = one_dim("select", dim, input.ndim)
    return getitem(input, (*(slice(None),) * d, index))


@method()
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of equal size along `dim` (the last may be smaller), or of the sizes listed."""
    d = one_dim("split", dim, check_tensor(tensor, "split", "tensor").ndim)
    if tensor.ndim == 0:
        raise ShapeError("split: a 0-d tensor cannot be split")
    size, sections = tensor.shape[d], split_size_or_sections
    if isinstance(sections, int):
        if sections < 0 or (sections == 0 and size):
            raise ShapeError(f"split: the size of a part must be positive, got {sections}")
        sections = [min(sections, size - s) for s in range(0, size, sections or 1)] or [size]
    if sum(sections) != size or any(n < 0 for n in sections):
        raise ShapeError(f"split: sizes {list(sections)} do not add up to {size}, the size of dim {dim}")
    starts = np.cumsum([0, *sections]).tolist()
    return tuple(narrow(tensor, d, s, n) for s, n in zip(starts, sections))  # noqa: B905


@method()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` views of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise ArgumentError(f"chunk: chunks must be at least 1, got {chunks}")
    d = one_dim("chunk", dim, check_tensor(input, "chunk").ndim)
    if input.ndim == 0:
        raise ShapeError("chunk: a 0-d tensor cannot be split")
    size = input.shape[d]
    return split(input, -(-size // chunks), d) if size else split(input, [0] * chunks, d)


@method()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views of `input` at every index along `dim`."""
    d = one_dim("unbind", dim, check_tensor(input, "unbind").ndim)
    if input.ndim == 0:
        raise ShapeError("unbind: a 0-d tensor has no dimension to take apart")
    return tuple(select(input, d, i) for i in range(input.shape[d]))


# ----------------------------------------------------------------------------------------------
# Borders and triangles


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with a border. `pad` lists (before, after) from the last dimension backwards.

    mode: "constant" (filled with `value`, default 0), "reflect", "replicate" or "circular". Negative
    widths cut away (constant mode only).
    """
    widths = [int(n) for n in pad]
    check_tensor(input, "pad")
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ShapeError(
            f"pad: pad={tuple(pad)} must hold two numbers for each of at most {input.ndim} dimensions, the last first"
        )
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    if mode != "constant":
        return _pad_with_itself(input, pairs, mode)
    cut = tuple(
        slice(max(0, -b), n - max(0, -a)) for (b, a), n in zip(pairs, input.shape, strict=True)
    )
    if any(n + b + a < 0 for (b, a), n in zip(pairs, input.shape, strict=True)):
        raise ShapeError(f"pad: pad={tuple(pad)} cuts away more than there is in shape {input.shape}")
    if any(b < 0 or a < 0 for b, a in pairs):
        input = getitem(input, cut)
    grow = tuple((max(0, b), max(0, a)) for b, a in pairs)
    return Pad(grow, 0 if value is None else value)(input)


def _pad_with_itself(input: Tensor, pairs: list[tuple[int, int]], mode: str) -> Tensor:
    if mode not in ("reflect", "replicate", "circular"):
        raise UnsupportedError(
            f"pad: mode {mode!r} is not covered; use constant, reflect, replicate or circular"
        )
    for d, ((before, after), n) in enumerate(zip(pairs, input.shape, strict=True)):
        if before == after == 0:
            continue
        limit = {"reflect": n - 1, "circular": n, "replicate": math.inf}[mode]
        if max(before, after) > limit:
            raise ShapeError(
                f"pad: {mode} needs a border of at most {limit} for size {n}; got {(before, after)}"
            )
        places = np.arange(-before, n + after)
        if mode == "replicate":
            places = places.clip(0, n - 1)
        elif mode == "circular":
            places = places % n
        else:
            places = n - 1 - np.abs(n - 1 - np.abs(places))
        input = getitem(input, (*(slice(None),) * d, places))
    return input


@method()
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the lower triangle of the last two dimensions, zeros elsewhere."""
    return _triangle("tril", input, diagonal)


@method()
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the upper triangle of the last two dimensions, zeros elsewhere."""
    return _triangle("triu", input, diagonal)


def _triangle(name: str, input: Tensor, diagonal: int) -> Tensor:
    if check_tensor(input, name).ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 dimensions, got shape {input.shape}")
    return Triangle(name, diagonal)(input)


@method()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return the diagonal over two dimensions, as the last dimension of the result."""
    a, b = one_dim("diagonal", dim1, input.ndim), one_dim("diagonal", dim2, input.ndim)
    x = movedim(input, (a, b), (-2, -1))
    rows, columns = x.shape[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    steps = array_module(input.array).arange(count)
    return getitem(x, (..., steps - min(offset, 0), steps + max(offset, 0)))


@method()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or the matrix that has a vector on its diagonal."""
    if input.ndim == 2:
        return globals()["diagonal"](input, diagonal)
    if input.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    from .index import IndexAdd

    n, steps = input.shape[0] + abs(diagonal), array_module(input.array).arange(input.shape[0])
    index = (steps - min(diagonal, 0), steps + max(diagonal, 0))
    return IndexAdd(index, (n, n))(input)


@method()
def trace(input: Tensor) -> Tensor:
    """Return the sum of a matrix's diagonal."""
    return diagonal(input).sum()


concat = concatenate = cat
swapaxes = swapdims = transpose
moveaxis = movedim
__all__ = [
    "reshape", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute", "transpose", "swapaxes",
    "swapdims", "movedim", "moveaxis", "t", "flip", "fliplr", "flipud", "roll", "broadcast_to",
    "broadcast_tensors", "tile", "repeat_interleave", "cat", "concat", "concatenate", "stack", "hstack",
    "vstack", "narrow", "select", "split", "chunk", "unbind", "tril", "triu", "diagonal", "diag", "trace",
]  # fmt: skip
