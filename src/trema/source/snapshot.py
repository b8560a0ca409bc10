"""The user's own files that took part in a run, to be kept beside its journal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import chain

from trema.source.frames import is_user_file
from trema.source.notebook import cell_number, cells, is_cell
from trema.source.reading import MAX_BYTES, read_source

MAX_TOTAL = 20_000_000  # characters of all files together


def user_sources(main_file: str | None = None, cwd: str | None = None) -> dict[str, str]:
    """Text by absolute path of each loaded module below `cwd` or beside the main script.

    Libraries are left out, and so are files above 1 MB and all that come after 20 MB in total.
    The cells of a notebook are there as ``<cell 3>``.
    """
    sources: dict[str, str] = {}
    total = 0
    for name, text in chain(_files(main_file, cwd), _cells()):
        total += len(text)
        if total > MAX_TOTAL:
            break
        sources[name] = text
    return sources


def relative(file: str, cwd: str | None = None) -> str:
    """A path as a reader knows it: with forward slashes, from `cwd` where the file is below it."""
    if is_cell(file) or file.startswith("<"):
        return file
    try:
        path = os.path.relpath(file, cwd or os.getcwd())
    except (OSError, ValueError):  # another drive, or a working directory that is gone
        path = file
    outside = path == os.pardir or path.startswith(os.pardir + os.sep)
    return (file if outside else path).replace(os.sep, "/")


def kept_name(file: str, cwd: str | None = None) -> str:
    """The name under which a file is kept: from `cwd` where it is below it, else its own name."""
    number = cell_number(file)
    if number is not None:
        return f"<cell {number}>"
    short = relative(file, cwd)
    return short if not os.path.isabs(short) else f"outside/{os.path.basename(file)}"


def _files(main_file: str | None, cwd: str | None) -> Iterator[tuple[str, str]]:
    try:
        folders = [os.path.realpath(cwd or os.getcwd())]
    except OSError:
        folders = []
    if main_file is not None:
        folders.append(os.path.dirname(os.path.realpath(main_file)))
    for file in dict.fromkeys(chain([main_file] if main_file else [], _module_files())):
        path = os.path.abspath(file)
        if is_cell(file) or not is_user_file(file) or not _is_below(path, folders):
            continue
        text = read_source(path)
        if text is not None:
            yield path, text


def _module_files() -> Iterator[str]:
    for module in list(sys.modules.values()):
        try:  # a lazy module would load itself when asked in the usual way
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue
        if isinstance(file, str) and file.endswith(".py"):
            yield file


def _is_below(path: str, folders: list[str]) -> bool:
    real = os.path.realpath(path)
    return any(real.startswith(os.path.join(folder, "")) for folder in folders)


def _cells() -> Iterator[tuple[str, str]]:
    for number, text in cells().items():
        if len(text) <= MAX_BYTES:
            yield f"<cell {number}>", text
