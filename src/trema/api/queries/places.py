"""Places in the source of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from trema.api.models import Place
from trema.api.queries.plain import mapping, text, whole
from trema.core.diagnosis import Location
from trema.source.editor import PRESETS, editor_link

PATH = 1000  # characters
OUTSIDE = "outside/"  # where the sources of a run keep files that are not below its folder
_EDITORS = frozenset(
    {"vscode-insiders", "vscodium", "windsurf", "zed", "idea", "txmt", "mvim", "nvim", "emacs"}
) | {template.partition("://")[0] for template in PRESETS.values()}


def place_of(value: Any, sources: Collection[str], *, editor: Any = None) -> Place | None:
    """The place that a recorded location names, or None when it names none.

    editor : the link that was recorded with it; without one it is made where the file's
        absolute path is known
    """
    location = mapping(value)
    file, line = text(location.get("file"), PATH), _from_one(location.get("line"))
    if not file or line is None:
        return None
    cell, column = whole(location.get("cell")), _from_one(location.get("column"))
    return Place(
        file=file,
        line=line,
        column=column,
        end_line=_from_one(location.get("end_line")),
        end_column=_from_one(location.get("end_column")),
        cell=cell,
        source=source_of(file, cell, sources),
        editor=editor_address(editor) or _own_link(file, line, column, cell),
    )


def source_of(file: str, cell: int | None, sources: Collection[str]) -> str | None:
    """The path among the kept sources that a recorded file means.

    Sources are kept by their path from the working directory; a recorded file is such a path, or
    an absolute one that ends with it. The longest match is the most certain.
    """
    if cell is not None and f"<cell {cell}>" in sources:
        return f"<cell {cell}>"
    path = file.replace("\\", "/")
    if path in sources:
        return path
    if not _absolute(path):
        return None
    below = [source for source in sources if path.endswith(f"/{source}")]
    if below:
        return max(below, key=len)
    outside = OUTSIDE + path.rpartition("/")[2]
    return outside if outside in sources else None


def editor_address(link: Any) -> str | None:
    """The link when it opens an editor: no ``javascript:`` gets through."""
    if not isinstance(link, str) or len(link) > 4 * PATH:
        return None
    scheme, found, _ = link.partition("://" if "://" in link else ":")
    return link if found and scheme.lower() in _EDITORS | {_own_scheme()} else None


def _own_scheme() -> str:
    scheme = os.environ.get("TREMA_EDITOR", "").partition(":")[0].strip().lower()
    return "" if scheme in ("javascript", "data", "vbscript", "file", "http", "https") else scheme


def _own_link(file: str, line: int, column: int | None, cell: int | None) -> str | None:
    if not _absolute(file):  # from which folder is not known here
        return None
    return editor_link(Location(file=file, line=line, column=column, cell=cell))


def _absolute(path: str) -> bool:
    return path.startswith("/") or re.match(r"[A-Za-z]:[\\/]|\\\\", path) is not None


def _from_one(value: Any) -> int | None:
    number = whole(value)
    return number if number is not None and number >= 1 else None


def location_in(record: Mapping[str, Any], sources: Collection[str]) -> Place | None:
    """The place of a record that has a ``location``."""
    return place_of(record.get("location"), sources)
