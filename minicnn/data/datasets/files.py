"""Finding the files of a published data set on this machine, or fetching them.

They are looked for in these folders, in this order:

    root             the argument, if given
    MINICNN_DATA     the environment variable
    the cache        MINICNN_CACHE, else XDG_CACHE_HOME/minicnn, else ~/.cache/minicnn

With `root` given and no ``download=True``, `root` alone counts, as in torchvision. Each file is
compared with its published checksum before anything in it is used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import FileError, MissingFileError
from ..download import download as fetch


def cache_folder() -> Path:
    """Return the folder that downloads go to when no `root` is given."""
    if own := os.environ.get("MINICNN_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minicnn"


class Place:
    """Where the files of one data set may be.

    Args:
        dataset: its name, for messages.
        root: the user's folder, or None.
        download: whether missing files may be fetched; None means: if no `root` is given.
        folders: the subfolders to look in; downloads go to the first.
    """

    def __init__(
        self,
        dataset: str,
        root: str | os.PathLike[str] | None,
        download: bool | None,
        folders: Sequence[str],
    ):
        self.dataset = dataset
        self.may_download = root is None if download is None else download
        own = Path(root).expanduser() if root is not None else None
        shared = os.environ.get("MINICNN_DATA")
        bases = [own] if own else []
        if own is None or self.may_download:
            bases += [Path(shared).expanduser()] if shared else []
            bases.append(cache_folder())
        self.candidates = [base / folder for base in bases for folder in folders]
        self.target = (own or cache_folder()) / folders[0]

    def find(self, name: str) -> Path | None:
        """Return the path of file `name`, or None."""
        return next((f / name for f in self.candidates if (f / name).is_file()), None)

    def ensure(self, name: str, md5: str, mirrors: Sequence[str]) -> Path:
        """Return the path of file `name`, downloaded from a mirror (a folder's URL) if absent."""
        path = self.find(name)
        if path is None:
            if not self.may_download:
                raise self.missing(name)
            path = self.target / name
            fetch([mirror + name for mirror in mirrors], path, md5)
        return path

    def read(self, path: Path, md5: str) -> bytes:
        """Return the content of a file after comparing it with its checksum."""
        content = path.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != md5:
            raise self.altered(path, found, md5)
        return content

    def altered(self, path: Path, found: str, md5: str) -> FileError:
        """Return the error that says that a file is not what was published."""
        again = (
            ", and it is downloaded again." if self.may_download else " and put a good copy there."
        )
        return FileError(
            f"{self.dataset}: the file '{path}' is truncated or altered, or belongs to another "
            f"data set: its MD5 checksum is {found} instead of {md5}. Delete it{again}"
        )

    def missing(self, name: str) -> MissingFileError:
        """Return the error that says that file `name` is nowhere."""
        searched = ", ".join(f"'{folder}'" for folder in self.candidates)
        return MissingFileError(
            f"{self.dataset}: '{name}' is in none of the folders {searched}. Pass download=True, "
            "or put it there."
        )
