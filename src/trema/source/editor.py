"""Links that open a location in the reader's editor."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from trema.core.diagnosis import Location
from trema.source.notebook import is_cell

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "vscode": "vscode://file/{file}:{line}:{column}",
        "cursor": "cursor://file/{file}:{line}:{column}",
        "pycharm": "pycharm://open?file={file}&line={line}&column={column}",
        "sublime": "subl://open?url=file://{file}&line={line}&column={column}",
    }
)


def editor_link(location: Location, template: str | None = None) -> str | None:
    """A link to a location; None for notebook cells and where no editor is known.

    `template` is a name of `PRESETS` or holds ``{file}``, ``{line}`` and ``{column}``; its default
    is the environment variable TREMA_EDITOR, then Visual Studio Code. Values are URL-quoted.
    """
    if location.cell is not None or is_cell(location.file) or not location.file:
        return None
    chosen = os.environ.get("TREMA_EDITOR", "vscode") if template is None else template
    pattern = PRESETS.get(chosen.strip().lower(), chosen)
    if "{file}" not in pattern:
        return None
    values = {
        "file": quote(_path(location.file, pattern), safe="/:"),
        "line": str(location.line),
        "column": str(location.column or 1),
    }
    return re.sub(r"\{(file|line|column)\}", lambda found: values[found.group(1)], pattern)


def _path(file: str, pattern: str) -> str:
    """An absolute path with forward slashes, and one slash between the template and it."""
    windows = re.match(r"[A-Za-z]:[\\/]|\\\\", file) is not None
    path = file.replace("\\", "/") if windows else os.path.abspath(file)
    before = pattern[: pattern.index("{file}")]
    if before.endswith("://"):
        return path if path.startswith("/") else f"/{path}"
    return path.removeprefix("/") if before.endswith("/") else path
