"""Parts of a movie that are done, kept in a folder so that a killed build goes on where it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError

Arrays = dict[str, NDArray[Any]]


class Cache:
    """Named sets of arrays in a folder; a set is there whole or not at all.

    ``key`` tells what the parts were made from: parts of another key are not given back.
    Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder = None if folder is None else folder / key

    def get(self, name: str) -> Arrays | None:
        """The arrays kept under this name, or None."""
        if self._folder is None:
            return None
        try:
            path = self._folder / f"{name}.npz"
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return {part: kept[part] for part in kept.files}
        except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
            return None

    def put(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a name; written beside and renamed, so never seen by half.

        Arrays of objects are refused, because they would be pickled.
        """
        if self._folder is None:
            return
        for which, array in arrays.items():
            if array.dtype.hasobject:
                raise UsageError(
                    f"{which} are Python objects, which are not written: give numbers or strings"
                )
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{name}.npz"
        part = target.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy types allow_pickle only
        part.replace(target)

    @property
    def keeps(self) -> bool:
        """Whether there is a folder, so that what is put is kept."""
        return self._folder is not None

    def clear(self) -> None:
        """Remove what is kept under this key."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def key_of(*parts: object) -> str:
    """A short key of numbers, names and arrays (all of a small array, rows of a large one)."""
    total = hashlib.blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, np.ndarray):
            rows = part[:: max(1, len(part) // 64)] if part.ndim else part
            total.update(repr((part.shape, part.dtype.str)).encode())
            total.update(np.ascontiguousarray(rows).tobytes())
        else:
            total.update(repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()
