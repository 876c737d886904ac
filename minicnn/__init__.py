"""minicnn: a from-scratch engine for learning convolutional networks, with PyTorch's API.

    import minicnn as torch
    import minicnn.nn as nn
    import minicnn.nn.functional as F
    import minicnn.optim as optim

What is learned here is true there: the same names, argument order, defaults and semantics, for the
part that minicnn covers. What it does not cover raises.
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import autograd, errors, function, linalg
from .autograd import (
    autocast,
    clear_autocast_cache,
    detect_anomaly,
    enable_grad,
    get_autocast_dtype,
    inference_mode,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .backend import (
    device,
    get_default_device,
    set_default_device,
)
from .ops.protocols import *
from .ops.from_data import *
from .ops.choose import *
from .ops.compare import *
from .ops.division import *
from .ops.arithmetic import *
from .ops.rounding import *
from .ops.elementwise import *
from .ops.index import *
from .ops.gather import *
from .ops.search import *
from .ops.views import *
from .ops.shape import *
from .ops.join import *
from .ops.pad import *
from .ops.diagonal import *
from .ops.order import *
from .ops.reduce import *
from .ops.scan import *
from .ops.norms import *
from .ops.linalg import *
from .ops.einsum import *
from .ops.convert import *
from .ops.creation import *
from .ops.creation import one_hot
from .ops import inplace as _inplace
from .ops.draw import *
from .ops.legacy import *
from .ops.activation import prelu, relu, relu_
from .ops.softmax import log_softmax, softmax
from .printing import get_printoptions, set_printoptions
from .promotion import can_cast, get_default_dtype, promote_types, result_type, set_default_dtype
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .threads import get_num_threads, set_num_threads
from .tensor import Size, Tensor
from .gradcheck import gradcheck, gradgradcheck

from ._version import __version__

float16 = half = _np.dtype("float16")
float32 = float = _np.dtype("float32")
float64 = double = _np.dtype("float64")
uint8 = _np.dtype("uint8")
int8 = _np.dtype("int8")
int16 = short = _np.dtype("int16")
int32 = int = _np.dtype("int32")
int64 = long = _np.dtype("int64")
bool = _np.dtype("bool")
dtype = _np.dtype
newaxis = None
finfo, iinfo = _np.finfo, _np.iinfo
from math import e, inf, nan, pi  # noqa: E402


def is_tensor(obj: Any) -> Any:
    """Return whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> Any:
    """Return whether `input` has a floating dtype."""
    return input.is_floating_point()


def numel(input: Tensor) -> Any:
    """Return the number of elements of `input`."""
    return input.numel()


_SUBMODULES = (
    "amp",
    "backends",
    "course",
    "cuda",
    "data",
    "models",
    "nn",
    "optim",
    "replacement",
    "training",
    "utils",
    "visualize",
)
_ELSEWHERE = {
    "accelerator": "backends",
    "replace": "replacement",
    "GradScaler": "amp",
    "get_float32_matmul_precision": "backends",
    "set_float32_matmul_precision": "backends",
    "save": "serialization",
    "load": "serialization",
    "summary": "training.summary",
}


def __getattr__(name: str) -> Any:
    # Imported when first used, so that `import minicnn` stays quick.
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _ELSEWHERE:
        found = getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
        globals()[name] = found
        return found
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    known = [known for known in __dir__() if not known.startswith("_")]
    raise errors.UnsupportedNameError(
        f"minicnn.{name}: minicnn has no such name, though PyTorch"
        f" may.{errors.nearest(name, known)}"
    )


def __dir__() -> Any:
    return sorted([*globals(), *_SUBMODULES, *_ELSEWHERE])
