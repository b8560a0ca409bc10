"""Settings that stand in a file: ``trema.toml``, or ``[tool.trema]`` of ``pyproject.toml``.

The nearest one upwards from the script counts, else the nearest upwards from the working directory.
A mistake in it is told in one sentence and the rest holds: a training must not end for a typing
error in a file.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "trema.toml"
PROJECT = "pyproject.toml"


@dataclass(frozen=True)
class SettingsFile:
    """What the nearest file says, unread."""

    path: Path | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def find_file(script: str | os.PathLike[str] | None = None) -> SettingsFile:
    """The nearest file with settings, from the script upwards, else from here upwards."""
    for start in _starts(script):
        for folder in (start, *start.parents):
            found = _read(folder)
            if found is not None:
                return found
    return SettingsFile()


def _starts(script: str | os.PathLike[str] | None) -> Iterator[Path]:
    given = script if script is not None else main_file()
    try:
        if given is not None:
            yield Path(given).resolve().parent
        yield Path.cwd()
    except (OSError, RuntimeError):  # a folder that is gone, a circle of links
        return


def main_file() -> str | None:
    """The script of this process; None where that is an installed command."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(file, str):
        return None
    path = os.path.abspath(file)
    folders = (sysconfig.get_path(name) for name in ("scripts", "purelib", "platlib", "stdlib"))
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if any(path.startswith(os.path.join(folder, "")) for folder in (*folders, here)):
        return None
    return path


def _read(folder: Path) -> SettingsFile | None:
    own, project = folder / NAME, folder / PROJECT
    if own.is_file():
        return _table(own)
    if project.is_file():
        found = _table(project)
        if found.problems and b"tool.trema" not in _bytes(project):
            return None  # somebody else's broken file
        tool = found.table.get("tool")
        table = tool.get("trema") if isinstance(tool, Mapping) else None
        if isinstance(table, Mapping) or found.problems:
            return SettingsFile(project, table or {}, found.problems)
    return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _table(path: Path) -> SettingsFile:
    try:
        with path.open("rb") as file:
            return SettingsFile(path, tomllib.load(file))
    except (OSError, ValueError) as error:  # not UTF-8 is a ValueError too
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return SettingsFile(path, {}, (f"nothing of {path} holds: it is no TOML ({reason})",))
