"""Where a recording's files lie, and writing them whole or not at all.

::

    <run>/travel/recording.json            versions, layer, kind, sizes, what was not finite
                 heads/<number>.npz        weights, biases and, when compressed, the basis
                 <split>/samples.npz       indices into the user's data, and labels
                 <split>/<number>.repr.npy, <number>.logits.npy
                 joined/<split>+<split>/…  copies of several splits as one

A frame counts once its head is there, which is written last; it is removed head first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError

FORMAT = 1
FOLDER = "travel"
JOINED = "joined"
#: The split whose samples have no label; a data set gives one for each sample all the same.
POOL = "unlabelled"
#: Names of splits that would meet other parts of the folder.
_TAKEN = ("heads", "movies", "sessions", JOINED)


def checked_split(name: object) -> str:
    """A name that can be a folder.

    Raises
    ------
    UsageError
        When it cannot.
    """
    if isinstance(name, str) and re.fullmatch(r"\w[\w-]{0,60}", name) and name not in _TAKEN:
        return name
    raise UsageError(f"a split's name must be a word such as 'train' or 'test' but got {name!r}")


def head_file(folder: Path, number: int) -> Path:
    """The head of a frame."""
    return folder / "heads" / f"{number}.npz"


def frame_files(folder: Path, split: str, number: int) -> tuple[Path, Path]:
    """Representations and logits of a frame."""
    return folder / split / f"{number}.repr.npy", folder / split / f"{number}.logits.npy"


def write_array(path: Path, array: NDArray[Any]) -> None:
    """An ``.npy`` file, read later by memory map."""
    _whole(path, lambda file: np.lib.format.write_array(file, array, allow_pickle=False))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """An ``.npz`` file."""
    _whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # numpy's own


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    _whole(path, lambda file: file.write(text.encode()))


def _whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove_parts(folder: Path) -> None:
    """Delete what a killed process left half written."""
    for part in [*folder.glob("*.part"), *folder.glob("*/*.part"), *folder.glob(".*.part")]:
        part.unlink(missing_ok=True)
