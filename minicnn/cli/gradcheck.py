"""``minicnn gradcheck``: is every gradient right?"""

from __future__ import annotations

from typing import Any

from ..errors import UnknownNameError, nearest
from ..gradcases import all_cases, gradcheck_report


def run(arguments: Any) -> int:
    """Print the table, and return 1 if a gradient is wrong."""
    names = [case.name for case in all_cases()]
    pattern = arguments.name
    if pattern is not None and not any(pattern.lower() in name.lower() for name in names):
        raise UnknownNameError(
            f"gradcheck: nothing has '{pattern}' in its name.{nearest(pattern, names)}"
        )
    return 0 if gradcheck_report(pattern) else 1
