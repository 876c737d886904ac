"""``minicnn compare``: does a script compute the same on PyTorch?"""

from __future__ import annotations

import json
import sys
from typing import Any

from ..compare import compare
from ..errors import CompareError


def run(arguments: Any) -> int:
    """Print the report; return 0 if the runs agree, 1 if they differ, 2 if one cannot be run."""
    try:
        report = compare(
            arguments.script,
            arguments.arguments,
            steps=arguments.steps,
            double=arguments.double,
            keep=arguments.keep,
        )
    except CompareError as error:
        if arguments.debug:
            raise
        print(f"minicnn: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else report.text())
    return 0 if report.agree else 1
