"""What the script calls its tensors and modules: the variables through which it reaches them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from .library import Library


class Names:
    """Names of parameters and modules, found in the variables of the script.

    A thing keeps the first name that is found for it, and is kept alive: another one could have
    the same id later.
    """

    def __init__(self, library: Library):
        self.library = library
        self.known: dict[int, tuple[str, Any]] = {}
        # The frames of the library and of this package are not the script's.
        self.packages = (str(Path(library.module.__file__).parent), str(Path(__file__).parents[1]))

    def of(self, thing: Any) -> str | None:
        """Return the name of a parameter or a module, or None if the script has none for it."""
        if id(thing) not in self.known:
            for frame in self._frames():
                for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
                    if not name.startswith("__"):
                        self._note(name, value, depth=0)
        return self.known.get(id(thing), (None, None))[0]

    def _frames(self) -> Iterator[FrameType]:
        """The frames of the script and of the modules it imported, the outermost first."""
        frames, frame = [], sys._getframe(1)
        while frame is not None:
            if not frame.f_code.co_filename.startswith((*self.packages, "<frozen")):
                frames.append(frame)
            frame = frame.f_back  # type: ignore[assignment]
        return reversed(frames)

    def _note(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, self.library.Tensor):
            if not (value.is_leaf and value.requires_grad):
                return  # one of many that come and go; what is noted is kept
            self.known.setdefault(id(value), (name, value))
        elif isinstance(value, self.library.Module):
            for path, module in value.named_modules():
                self.known.setdefault(id(module), (_dotted(name, path), module))
            for path, parameter in value.named_parameters():
                self.known.setdefault(id(parameter), (_dotted(name, path), parameter))
        elif depth > 2:
            return
        elif isinstance(value, (list, tuple)) and len(value) <= 1000:
            for i, part in enumerate(value):
                self._note(f"{name}[{i}]", part, depth + 1)
        elif isinstance(value, dict) and len(value) <= 1000:
            for key, part in list(value.items()):
                self._note(f"{name}[{key!r}]", part, depth + 1)
        elif getattr(type(value), "__module__", "") == "__main__":  # an object of the script's
            for key, part in list(getattr(value, "__dict__", {}).items()):
                self._note(_dotted(name, key), part, depth + 1)


def _dotted(name: str, path: str) -> str:
    return f"{name}.{path}" if path else name
