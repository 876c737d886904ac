"""Downloading a file so that it is either there and right, or not there.

What arrives grows in ``<name>.part``. Only when its checksum is right is it moved to its name, in
one step, so that nobody ever reads half a file. An interrupted download goes on where it stopped:
the next request asks the server for the rest with a ``Range`` header. A server that ignores the
header sends all again, and a part that turns out wrong is thrown away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileError

TIMEOUT = 30.0  # seconds without a byte
TRIES = 3  # attempts at one mirror when the connection breaks
PAUSE = 1.0  # seconds before the second attempt, twice that before the third
CHUNK = 2**17


def md5_of(path: Path) -> str:
    """Return a file's MD5 checksum, which guards against accidents and is what publishers give."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def download(urls: Sequence[str], path: Path, md5: str) -> None:
    """Fetch a file from the first of its mirrors that has it.

    Args:
        urls: where the same file can be had.
        path: where it goes; folders are made.
        md5: its checksum. Raises `FileError` if no mirror gives a file with it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with _alone(path.parent):
        if path.exists() and md5_of(path) == md5:  # another process has just fetched it
            return
        failures = []
        for url in urls:
            failure = _from_mirror(url, part, md5)
            if failure is None:
                os.replace(part, path)
                return
            failures.append(f"\n  {url}: {failure}")
    raise FileError(
        f"download: '{path.name}' could not be fetched:{''.join(failures)}\nFetch it by other "
        f"means and put it at '{path}', or name the folder that holds the data sets in "
        "MINICNN_DATA."
    )


def _from_mirror(url: str, part: Path, md5: str) -> str | None:
    """Fill `part` from one mirror; return what went wrong."""
    import socket
    from http.client import HTTPException
    from urllib.error import HTTPError

    failure: str | None = None
    for attempt in range(TRIES):
        time.sleep(PAUSE * attempt)
        resumed = part.exists()
        try:
            _fetch(url, part)
        except HTTPError as error:
            failure = f"HTTP {error.code} {error.reason}"
            if error.code < 500:  # asking again will not help
                break
        except (OSError, HTTPException) as error:  # URLError is an OSError
            failure = f"{type(error).__name__}: {error}"
            if isinstance(getattr(error, "reason", None), socket.gaierror):  # no such host
                break
        else:
            found = md5_of(part)
            if found == md5:
                return None
            failure = f"checksum mismatch: MD5 {found} instead of {md5}"
            part.unlink()
            if not resumed:  # the whole file came from this mirror, and it is another file
                break
    return failure


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what is missing of the file at `url`."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "minicnn", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:  # nothing comes after `have`: all is there, or too much
            return
        raise
    with response:
        resumes = response.status == 206
        sent = response.headers.get("Content-Range", "")
        if resumes and not sent.startswith(f"bytes {have}-"):
            raise ConnectionError(f"asked for the bytes from {have} on, the server sent '{sent}'")
        start = have if resumes else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        with open(part, "ab" if resumes else "wb") as file, _bar(part, start, total) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    size = part.stat().st_size
    if total is not None and size < total:
        raise ConnectionError(f"the connection ended after {size} of {total} bytes")


def _bar(part: Path, start: int, total: int | None) -> Any:
    from tqdm import tqdm

    name = part.name.removesuffix(".part")
    return tqdm(
        desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=None, leave=False
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time download into a folder (on systems that have `fcntl`)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # and the lock goes with it
