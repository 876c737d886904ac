"""Mixed precision: inside ``with autocast("cuda"):`` each function runs in the dtype that suits it.

*Why two.* A matrix product in float16 takes half the memory and, on tensor cores, a fraction of the
time; its terms are added up in float32 all the same. But float16 ends at 65,504 and has 11 bits:
sums of many elements, exponentials and losses need float32. So products are given float16, those
are given float32, and everything else takes what it gets.

*The rules.* A public function states its rule where it is defined, with `runs_in`; `RULES` lists
them. They are those of PyTorch's CUDA list, here for both devices:

    "lower"     matrix products and convolutions: tensors are cast to the context's dtype
    "float32"   exponentials, powers, sums, norms, softmax, losses: float16 is cast to float32
    "widest"    functions of several tensors that must agree: float32 if one of them is
    "banned"    binary_cross_entropy, whose gradient overflows float16; raises

float64 is never cast. A rule holds for the whole function: what it calls inside is not cast again.

*Derivatives.* The casts are recorded like any operation, so the gradient of a float32 weight is
float32. A backward pass runs in the dtypes of its forward pass, whether a context is open or not.

Source: Micikevicius et al. 2018, "Mixed precision training", sections 3.1 and 3.3.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..backend import cuda, device
from ..errors import AutocastError, DeviceError, DTypeError, UnsupportedError
from ..promotion import as_dtype
from .modes import Switch, thread
from .variable import Variable

FLOAT16, FLOAT32 = np.dtype("float16"), np.dtype("float32")
RULES: dict[str, str] = {}  # the name of a function -> its rule; all others run in what they get

F = TypeVar("F", bound=Callable[..., Any])


class Region(NamedTuple):
    """What holds inside a context: the dtype for each device type, and whether casts are kept."""

    dtypes: dict[str, np.dtype]
    cache_enabled: bool = True


class autocast(Switch):  # lower case, as in PyTorch
    """Run each function inside in the dtype that suits it; as a decorator, inside a function.

    Wrap the forward pass and the loss, not the backward pass. With float16, scale the loss with
    `minicnn.amp.GradScaler`, or small gradients become 0.

    Args:
        device_type: "cuda" or "cpu": tensors elsewhere are left alone.
        dtype: of products and convolutions: float16, the default on "cuda". PyTorch's default on
            "cpu" is bfloat16, which NumPy does not have, so there it must be given.
        enabled: False switches off what an outer context switched on.
        cache_enabled: cast a weight once, not each time it is used, until the outermost context
            ends. Default: as outside; True.

    Raises:
        UnsupportedError: a dtype other than float16.

    Example:
        >>> with minicnn.autocast("cuda"):
        ...     loss = F.cross_entropy(model(images), labels)
        >>> loss.backward()
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(
                f"autocast: expected device_type of type str, got {type(device_type).__name__}: "
                f"{device_type!r}"
            )
        if device_type not in ("cpu", "cuda"):
            raise DeviceError(
                f"autocast: '{device_type}' is not a device type; use 'cuda' or 'cpu'"
            )
        self.device = device_type
        if enabled and device_type == "cuda" and not cuda.is_available():
            warnings.warn(
                f"autocast: disabled, because CUDA is not available. {cuda.why_not()}", stacklevel=2
            )
            enabled = False
        self.enabled = bool(enabled)
        self.fast_dtype = _lower_dtype(device_type, dtype) if enabled else FLOAT16
        self.cache_enabled = cache_enabled

    def __enter__(self) -> autocast:
        outside: Region | None = thread.autocast
        self.before = (*self.before, (outside, thread.casts))
        dtypes = dict(outside.dtypes) if outside is not None else {}
        dtypes.pop(self.device, None)
        if self.enabled:
            dtypes[self.device] = self.fast_dtype
        cache = self.cache_enabled
        if cache is None:
            cache = outside is None or outside.cache_enabled
        thread.autocast = Region(dtypes, cache) if dtypes else None
        if thread.casts is None:
            thread.casts = {}
        return self

    def __exit__(self, *exception: Any) -> None:
        thread.autocast, thread.casts = self.before[-1]  # the outermost one thus drops the casts
        self.before = self.before[:-1]

    def _again(self) -> autocast:
        switch = object.__new__(type(self))
        switch.__dict__.update(self.__dict__, before=())
        return switch


def _lower_dtype(device_type: str, dtype: Any) -> np.dtype:
    """Return the dtype of products, after checking that there are such tensors."""
    if dtype is None and device_type == "cuda":
        return FLOAT16
    with contextlib.suppress(DTypeError):
        if dtype is not None and as_dtype(dtype) == FLOAT16:
            return FLOAT16
    wanted = f"dtype {dtype}" if dtype is not None else "PyTorch's default for 'cpu', bfloat16,"
    raise UnsupportedError(
        f"autocast: {wanted} is not supported: NumPy has no bfloat16, and wider dtypes gain "
        "nothing. Use dtype=minicnn.float16"
    )


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether functions of tensors on `device_type` are cast here and now."""
    region: Region | None = thread.autocast
    return region is not None and device(device_type).type in region.dtypes


def get_autocast_dtype(device_type: str) -> np.dtype:
    """Return the dtype that products on `device_type` have inside `autocast`.

    Raises:
        UnsupportedError: for "cpu" outside a context, where PyTorch has bfloat16.
    """
    region: Region | None = thread.autocast
    found = None if region is None else region.dtypes.get(device(device_type).type)
    return _lower_dtype(device(device_type).type, None) if found is None else found


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights are kept until the outermost context ends."""
    region: Region | None = thread.autocast
    return region is None or region.cache_enabled


def clear_autocast_cache() -> None:
    """Drop the casts of weights that are kept."""
    if thread.casts is not None:
        thread.casts.clear()


# ----------------------------------------------------------------------------------------------
# The rules


def runs_in(rule: str) -> Callable[[F], F]:
    """Give the decorated public function a rule; see the top of this file."""
    cast = {"lower": _to_lower, "float32": _to_float32, "widest": _to_widest, "banned": _refuse}
    choose = cast[rule]

    def attach(function: F) -> F:
        name = function.__name__

        @functools.wraps(function)
        def with_rule(*arguments: Any, **keywords: Any) -> Any:
            region = thread.autocast
            if region is None:
                return function(*arguments, **keywords)
            thread.autocast = None
            try:
                dtypes = choose(name, region, list(_tensors((arguments, keywords))))
                arguments = tuple(_cast(x, dtypes, region) for x in arguments)
                keywords = {k: _cast(x, dtypes, region) for k, x in keywords.items()}
                return function(*arguments, **keywords)
            finally:
                thread.autocast = region

        RULES[name] = rule
        return with_rule  # type: ignore[return-value]

    return attach


def _to_lower(name: str, region: Region, tensors: list[Any]) -> dict[str, np.dtype]:
    return region.dtypes


def _to_float32(name: str, region: Region, tensors: list[Any]) -> dict[str, np.dtype]:
    return dict.fromkeys(region.dtypes, FLOAT32)


def _to_widest(name: str, region: Region, tensors: list[Any]) -> dict[str, np.dtype]:
    wide = any(x.array.dtype == FLOAT32 and _place(x) in region.dtypes for x in tensors)
    return dict.fromkeys(region.dtypes, FLOAT32) if wide else region.dtypes


def _refuse(name: str, region: Region, tensors: list[Any]) -> dict[str, np.dtype]:
    if any(_place(x) in region.dtypes for x in tensors):
        raise AutocastError(
            f"{name}: not safe inside autocast, where its gradient overflows float16. Use "
            f"{name}_with_logits on the scores before sigmoid, or compute this loss in float32 "
            "inside autocast(..., enabled=False)"
        )
    return {}


def _place(x: Any) -> str:
    return "cpu" if isinstance(x.array, np.ndarray) else "cuda"


def _tensors(x: Any) -> Any:
    """Yield the tensors in an argument, or in the list or dictionary that it is."""
    if isinstance(x, Variable):
        yield x
    elif isinstance(x, (tuple, list, dict)):
        for one in x.values() if isinstance(x, dict) else x:
            yield from _tensors(one)


def _cast(x: Any, dtypes: dict[str, np.dtype], region: Region) -> Any:
    """Return an argument with its float16 and float32 tensors in the dtype for their device."""
    if isinstance(x, (tuple, list)) and any(isinstance(one, Variable) for one in x):
        return [_cast(one, dtypes, region) for one in x]
    if not isinstance(x, Variable) or x.array.dtype not in (FLOAT16, FLOAT32):
        return x
    dtype = dtypes.get(_place(x))
    if dtype is None or x.array.dtype == dtype:
        return x
    if not (region.cache_enabled and dtype == FLOAT16 and x._requires_grad and x._base is None):
        return x.to(dtype)  # type: ignore[attr-defined]
    return _kept_cast(x, dtype)


def _kept_cast(x: Variable, dtype: np.dtype) -> Any:
    """Return the float16 copy of a weight that the open context keeps, made now if need be.

    It must be made anew where the weight has changed since, where only one of both is recorded, and
    where a backward pass has freed the graph it belongs to.
    """
    key = (x, thread.recording)
    kept = thread.casts.get(key)
    if kept is not None:
        y, array, version = kept
        freed = y._node is not None and y._node.op is None
        if array is x.array and version == x._version[0] and not freed:
            return y
    y = x.to(dtype)  # type: ignore[attr-defined]
    thread.casts[key] = y, x.array, x._version[0]
    return y
