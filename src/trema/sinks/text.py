"""Text from the user's program, made harmless for a terminal."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trema.core.text import UNSAFE, harmless

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["LINE_LIMIT", "harmless", "harmless_same_length", "place", "prose", "source_line"]

_CODE = re.compile(r"`([^`\n]+)`")
LINE_LIMIT = 200  # characters of a source line that are shown


def prose(value: object, style: str = "") -> Text:
    """Harmless text in which `` `code` `` is set apart by colour; never read as markup."""
    from rich.text import Text

    text = Text(style=style)
    for number, part in enumerate(_CODE.split(harmless(value))):
        text.append(part, style="cyan" if number % 2 else "")
    return text


def place(location: Mapping[str, Any]) -> str:
    """``train.py:31``, or ``cell 3:2``; the file from the working directory where it is below."""
    cell = location.get("cell")
    file = f"cell {cell}" if cell is not None else _relative(str(location.get("file", "")))
    return harmless(f"{file}:{location.get('line')}")


def _relative(file: str) -> str:
    try:
        path = Path(file)
        if path.is_absolute() and path.is_relative_to(Path.cwd()):
            return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        pass
    return file


def source_line(location: Mapping[str, Any]) -> tuple[str, int, int] | None:
    """The line without its indent, and the columns of the marked part: start and end from 0.

    The end equals the start when no columns are known, and is the next column when only the start
    is. None when the file cannot be read.
    """
    line = linecache.getline(str(location.get("file", "")), int(location.get("line") or 0))
    if not line.strip():
        return None
    plain = line.rstrip().replace("\t", " ")
    indent = len(plain) - len(plain.lstrip())
    column = location.get("column")
    if column is None or not indent < column <= len(plain):
        return harmless_same_length(plain[indent:][:LINE_LIMIT]), 0, 0
    end = location.get("end_column")
    several_lines = location.get("end_line") not in (None, location.get("line"))
    stop = len(plain) if several_lines else int(column) if end is None else int(end) - 1
    shown = harmless_same_length(plain[indent:][:LINE_LIMIT])
    start = int(column) - 1 - indent
    return shown, min(start, len(shown)), max(start, min(stop - indent, len(shown)))


def harmless_same_length(text: str) -> str:
    """The text with each control character replaced by one that keeps the columns."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
