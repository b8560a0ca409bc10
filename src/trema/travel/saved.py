"""A movie in a folder: sets of arrays, and a document that names them.

The files of arrays carry a digest of what they hold in their names, and the document is renamed
into place last. So a folder holds the old movie or the new one, never parts of both, and one that
is written while another process reads is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trema.core.errors import NotFound, UsageError
from trema.travel.cache import Arrays, Cache

#: 2: arrays in files named by their content. 1: in movie.npz and projector.npz.
FORMAT = 2
_NAMES = ("movie", "projector")
_DOCUMENT = "movie.json"


def write(folder: Path, about: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Put a movie into a folder in place of the one that is there."""
    for above in (folder, *folder.parents):
        if above.is_file():
            raise UsageError(f"expected a folder for the movie but {above} is a file: name another")
    cache = Cache(folder.parent, folder.name)
    files = {name: f"{name}-{_digest(parts[name])}" for name in _NAMES}
    for name, file in files.items():
        cache.put(file, parts[name])
    part = folder / f"{_DOCUMENT}.{os.getpid()}.part"
    document = {"format": FORMAT, **about, "files": files}
    part.write_text(json.dumps(document), encoding="utf-8")
    part.replace(folder / _DOCUMENT)
    for old in folder.glob("*.npz"):
        if old.stem not in files.values():
            old.unlink(missing_ok=True)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """What ``write`` put there.

    Raises
    ------
    NotFound
        When there is no movie.
    UsageError
        When it was written by another version, or files are missing or damaged.
    """
    cache = Cache(folder.parent, folder.name)
    for _ in range(2):  # a movie that is saved in between takes the files of the old one away
        about = _about(folder)
        found = {name: cache.get(about["files"][name]) for name in _NAMES}
        parts = {name: arrays for name, arrays in found.items() if arrays is not None}
        if len(parts) == len(_NAMES):
            return about, parts
    raise UsageError(f"the movie in {folder} is damaged: build it anew")


def _about(folder: Path) -> dict[str, Any]:
    path = folder / _DOCUMENT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise NotFound(f"no movie in {folder}") from None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise UsageError(f"{path} is damaged: build the movie anew")
    if about.get("format") == 1:
        about["files"] = {name: name for name in _NAMES}
    elif about.get("format") != FORMAT:
        raise UsageError(f"{folder} was written by another version of Trema: build it anew")
    files = about.get("files")
    if not isinstance(files, dict) or any(_strange(files.get(name)) for name in _NAMES):
        raise UsageError(f"{path} is damaged: build the movie anew")
    return about


def _strange(name: Any) -> bool:
    """Whether this is no plain name of a file in the folder."""
    return not isinstance(name, str) or not name.replace("-", "").isalnum()


def _digest(arrays: Mapping[str, Any]) -> str:
    total = hashlib.blake2b(digest_size=12)
    for name, array in sorted(arrays.items()):
        total.update(repr((name, array.shape, array.dtype.str)).encode())
        total.update(np.ascontiguousarray(array).tobytes() if not array.dtype.hasobject else b"")
    return total.hexdigest()
