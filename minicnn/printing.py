"""How tensors are printed: as PyTorch prints them.

All elements of a tensor get the same width, so that columns align. Whole numbers are printed
without decimals, others with `precision` of them; in scientific notation when the sizes are far
apart. A tensor of more than `threshold` elements is summarised: the first and last `edgeitems`
along each dimension.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import UnknownNameError, nearest

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is not given stays as it is, except `sci_mode`.

    Args:
        precision: decimals of a floating number (4).
        threshold: how many elements are printed in full (1000).
        edgeitems: elements shown at each end of a dimension of a longer one (3).
        linewidth: characters in a line (80).
        profile: "default", "short" or "full", to be changed by the others.
        sci_mode: use scientific notation always (True), never (False) or as needed (None).
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise UnknownNameError(
                f"set_printoptions: profile '{profile}' is not known; use default, short or full."
                f"{nearest(profile, _PROFILES)}"
            )
        _options.update(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the options for printing, as `set_printoptions` takes them."""
    return dict(_options)


def described(prefix: str, array: np.ndarray, remarks: list[str]) -> str:
    """Return ``prefix(elements, remark, remark ...)``, broken into lines."""
    text = f"{prefix}({_elements(array, len(prefix) + 1)}"
    position = len(text) - text.rfind("\n") + 1
    for remark in remarks:
        if position + len(remark) + 2 > _options["linewidth"]:
            text += ",\n" + " " * (len(prefix) + 1) + remark
            position = len(prefix) + 1 + len(remark)
        else:
            text += ", " + remark
            position += len(remark) + 2
    return text + ")"


def _elements(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    shortened = array.size > _options["threshold"]
    return _nested(array, indent, shortened, _Format(_edges(array) if shortened else array))


def _edges(array: np.ndarray) -> np.ndarray:
    """Return what is left of an array when the middle of every long dimension is taken out."""
    edge = _options["edgeitems"]
    for d, n in enumerate(array.shape):
        if n > 2 * edge:
            array = array.take([*range(edge), *range(n - edge, n)], d)
    return array


def _nested(array: np.ndarray, indent: int, shortened: bool, formatted: _Format) -> str:
    """Return the elements in brackets, the rows of inner dimensions on lines of their own."""
    if array.ndim == 0:
        return formatted(array.item())
    edge = _options["edgeitems"]
    cut = shortened and len(array) > 2 * edge
    rows = [*array[:edge], ..., *array[-edge:]] if cut and edge else [...] if cut else [*array]
    if array.ndim > 1:
        texts = ["..." if r is ... else _nested(r, indent + 1, shortened, formatted) for r in rows]
        return f"[{(',' + chr(10) * (array.ndim - 1) + ' ' * (indent + 1)).join(texts)}]"
    texts = [" ..." if r is ... else formatted(r.item()) for r in rows]
    per_line = max(1, (_options["linewidth"] - indent) // (formatted.width + 2))
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(lines)}]"


class _Format:
    """One way to write all elements of a tensor, in one width."""

    def __init__(self, array: np.ndarray):
        self.spec, self.point = "", ""
        values = array.ravel()
        if array.dtype.kind == "f":
            values = values[np.isfinite(values) & (values != 0)].astype(np.float64)
            whole = bool((values == np.ceil(values)).all())
            self.spec, self.point = self._notation(np.abs(values), whole)
        self.width = max((len(self.text(v)) for v in values.tolist()), default=1)

    def _notation(self, sizes: np.ndarray, whole: bool) -> tuple[str, str]:
        scientific = _options["sci_mode"]
        if scientific is None and sizes.size:
            low, high = sizes.min(), sizes.max()
            scientific = high / low > 1000 or high > 1e8 or low < 1e-4
        if scientific and sizes.size:
            return f".{_options['precision']}e", ""
        return (".0f", ".") if whole else (f".{_options['precision']}f", "")

    def text(self, value: Any) -> str:
        point = self.point if isinstance(value, float) and math.isfinite(value) else ""
        return f"{value:{self.spec}}{point}" if self.spec else str(value)

    def __call__(self, value: Any) -> str:
        return self.text(value).rjust(self.width)


__all__ = ["get_printoptions", "set_printoptions"]
