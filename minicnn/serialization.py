"""Saving and loading: `save`, `load`, and `atomic_write` for every file that minicnn writes.

The format is safetensors: a JSON header that says where each array lies, then the bytes of the
arrays. Reading it cannot run anything, unlike a pickle, whose loading may execute whatever its
author wrote. minicnn never unpickles what it loads.

safetensors knows only a flat table of names and arrays. What else a checkpoint needs (nested dicts,
lists, numbers, strings) goes into the header's metadata as JSON, a tree whose leaves are numbers,
strings or names of arrays; a checksum beside it covers the tree and all bytes. Any program that
reads safetensors can read these files, and files of other programs, which have neither tree nor
checksum, load as a plain dict.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .autograd import wrap
from .backend import device, to_device
from .errors import DTypeError, FileError, MissingFileError, UnsupportedError
from .promotion import as_dtype
from .tensor import Tensor

TREE, CHECKSUM = "minicnn.tree", "minicnn.sha256"  # keys of the metadata

_DTYPES = {
    "BOOL": np.dtype("?"),
    **{f"U{8 * n}": np.dtype(f"<u{n}") for n in (1, 2, 4, 8)},
    **{f"I{8 * n}": np.dtype(f"<i{n}") for n in (1, 2, 4, 8)},
    **{f"F{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
}


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write `obj` to a safetensors file. An interrupted save leaves the old file as it was.

    Args:
        obj: a state dict; or any nesting of dicts (with string or integer keys), lists and tuples
            that holds tensors, NumPy arrays, numbers, strings, bools and None, such as ``{"model":
            model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}``. Values are
            saved, gradients and graphs are not. Tensors that share memory are saved once each.
        f: a path, or a file open for writing bytes.
    """
    import json

    from safetensors.numpy import save as serialize

    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_flatten(obj, (), arrays))
    content = serialize(arrays, {TREE: tree, CHECKSUM: _checksum(tree, arrays)})
    if isinstance(f, (str, os.PathLike)):
        with atomic_write(f) as file:
            file.write(content)
    else:
        f.write(content)


def load(
    f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True
) -> Any:
    """Read what `save` wrote, or any safetensors file (then a dict of tensors).

    Args:
        f: a path, or a file open for reading bytes.
        map_location: the device that the tensors go to; default: the CPU, wherever they were saved
            from.
        weights_only: accepted for PyTorch's sake; nothing but values is ever loaded.

    Raises `FileError` if the file is truncated or altered, `MissingFileError` if it is not there,
    and `UnsupportedError` if it is a pickle, as `torch.save` writes it.
    """
    import json

    if not weights_only:
        raise UnsupportedError("load: minicnn never unpickles, so weights_only must be True")
    if map_location is not None and not isinstance(map_location, (str, device)):
        raise UnsupportedError(
            f"load: map_location must be a device or its name, got {map_location!r}"
        )
    content, name = _read(f)
    arrays, metadata = _parse(content, name)
    if TREE not in metadata and CHECKSUM not in metadata:
        return {key: _tensor(array, map_location) for key, array in arrays.items()}
    if _checksum(metadata.get(TREE, ""), arrays) != metadata.get(CHECKSUM):
        raise FileError(
            f"load: '{name}' was altered after it was saved: its checksum does not match. Use "
            "another copy."
        )
    return _build(json.loads(metadata[TREE]), arrays, map_location)


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "wb", **options: Any
) -> Iterator[IO[Any]]:
    """Open a file for writing that takes the place of `path` only when all of it is on the disk.

    The new content goes to a temporary file in the same folder, which is renamed at the end: one
    step that either happens or does not. If anything goes wrong on the way (a full disk, Ctrl-C)
    the temporary file is removed, and the old file stays as it was.

    Args:
        path: the file to write. If it is a link, the file that it points to is replaced.
        mode: "wb" or "w"; `options` go to `open` (``encoding="utf-8", newline=""``).
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise MissingFileError(f"save: there is no folder '{target.parent}'; make it first")
    if target.exists() and not target.is_file():  # a device or a pipe cannot be replaced
        with open(target, mode, **options) as stream:
            yield stream
        return
    draft = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(draft, mode.replace("w", "x"), **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o7777)
        os.replace(draft, target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the renaming to the disk, on systems where a folder can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# ---------------------------------------------------------------------- the tree


def _flatten(node: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """Return `node` as JSON, with its arrays put into `arrays` under dotted names."""
    if node is None or type(node) in (bool, int, str):
        return node
    if type(node) is float:
        return node if np.isfinite(node) else {"float": repr(node)}
    if isinstance(node, dict):
        for key in node:
            if type(key) not in (str, int):
                raise UnsupportedError(
                    f"save: {_where(path)} has the key {key!r}; use strings or integers"
                )
        items = [[key, _flatten(value, (*path, str(key)), arrays)] for key, value in node.items()]
        return {"ordered" if isinstance(node, OrderedDict) else "dict": items}
    if type(node) in (list, tuple):
        parts = [_flatten(part, (*path, str(i)), arrays) for i, part in enumerate(node)]
        return {type(node).__name__: parts}
    for kind, cls in (("tensor", Tensor), ("array", np.ndarray), ("scalar", np.generic)):
        if isinstance(node, cls):
            return {kind: _add(arrays, path, node.array if isinstance(node, Tensor) else node)}
    hint = "; save its state_dict()" if hasattr(node, "state_dict") else ""
    raise UnsupportedError(
        f"save: {_where(path)} is a {type(node).__name__}. Tensors, arrays, numbers, strings, "
        f"None, and dicts, lists and tuples of them can be saved{hint}"
    )


def _add(arrays: dict[str, np.ndarray], path: tuple[str, ...], array: Any) -> str:
    """Put an array under a free name made of `path`, and return the name."""
    host = np.asarray(to_device(array, "cpu") if not isinstance(array, np.generic) else array)
    little = host.dtype.newbyteorder("<")
    if little not in _DTYPES.values():
        raise DTypeError(f"save: {_where(path)} has the dtype {host.dtype}, which cannot be saved")
    stem = name = ".".join(path) or "value"
    copies = 1
    while name in arrays or name == "__metadata__":  # {"a.b": x, "a": {"b": y}}
        copies += 1
        name = f"{stem}#{copies}"
    arrays[name] = np.asarray(host, dtype=little, order="C")
    return name


def _build(node: Any, arrays: dict[str, np.ndarray], where: Any) -> Any:
    """Return what `_flatten` was given."""
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind in ("dict", "ordered"):
        items = ((key, _build(part, arrays, where)) for key, part in value)
        return OrderedDict(items) if kind == "ordered" else dict(items)
    if kind in ("list", "tuple"):
        parts = [_build(part, arrays, where) for part in value]
        return parts if kind == "list" else tuple(parts)
    if kind == "float":
        return float(value)
    if kind == "tensor":
        return _tensor(arrays[value], where)
    return arrays[value][()] if kind == "scalar" else arrays[value]


def _where(path: tuple[str, ...]) -> str:
    return "obj" + "".join(f"[{part!r}]" for part in path)


def _tensor(array: np.ndarray, where: Any) -> Tensor:
    as_dtype(array.dtype)  # raises for uint16, which only other programs' files have
    return wrap(to_device(array, where or "cpu"))


# ---------------------------------------------------------------------- the file


def _checksum(tree: str, arrays: dict[str, np.ndarray]) -> str:
    """Return a SHA-256 over the tree and every array's name, dtype, shape and bytes."""
    import hashlib

    digest = hashlib.sha256(tree.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _read(f: Any) -> tuple[bytes, str]:
    """Return a file's content and its name for messages."""
    if not isinstance(f, (str, os.PathLike)):
        return f.read(), str(getattr(f, "name", "the stream"))
    try:
        return Path(f).read_bytes(), os.fspath(f)
    except FileNotFoundError:
        raise MissingFileError(f"load: there is no file '{os.fspath(f)}'") from None


def _parse(content: bytes, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays (in the order of the header) and the metadata of a safetensors file."""
    import json

    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(content))  # checks that header, offsets and length fit together
    except SafetensorError as error:
        if content[:2] == b"PK" or (content[:1] == b"\x80" and content[1:2] <= b"\x05"):
            raise UnsupportedError(
                f"load: '{name}' is a pickle, as torch.save writes it. Loading a pickle can run "
                "any program hidden in it, so minicnn does not. Where PyTorch is installed, "
                "convert it: safetensors.torch.save_file(torch.load(path, weights_only=True), "
                "new_path)"
            ) from None
        raise FileError(
            f"load: '{name}' is truncated, altered or no safetensors file: {error}"
        ) from error
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    return {key: _array(tensors[key], key, name) for key in header}, metadata


def _array(tensor: dict[str, Any], key: str, name: str) -> np.ndarray:
    """Return one tensor of the file as a new array."""
    kind, data = tensor["dtype"], tensor["data"]
    if kind == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind in _DTYPES:
        values = np.frombuffer(data, dtype=_DTYPES[kind]).copy()
    else:
        raise DTypeError(
            f"load: '{key}' in '{name}' has the dtype {kind}, which NumPy does not know"
        )
    return values.reshape(tensor["shape"])


__all__ = ["atomic_write", "load", "save"]
