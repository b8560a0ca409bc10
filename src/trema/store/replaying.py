"""What stands beside the journals: the sources of a run, and what people did."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from trema.core.errors import UsageError
from trema.core.nesting import too_deep
from trema.journal.folder import RunFolder
from trema.journal.reader import Cursor, read
from trema.store.base import Store

#: Bytes kept of a source file.
SOURCE_BYTES = 1_000_000
#: Source files kept of a run.
SOURCE_FILES = 1000


def keep_sources(store: Store, folder: RunFolder, known: Collection[str]) -> dict[str, str]:
    """Put the sources of a run into the store, but those that are known.

    Parameters
    ----------
    known : ``path size time`` of files that need not be read, as this function answered before

    Returns
    -------
    Path of each file to ``path size time``.
    """
    seen = {}
    for path, entry in _files(folder.path / "source"):
        try:
            found = entry.stat(follow_symlinks=False)
            seen[path] = mark = f"{path} {found.st_size} {found.st_mtime_ns}"
            if mark in known:
                continue
            text = _text(Path(entry.path))
            if store.source(folder.id, path) != text:
                store.put_source(folder.id, path, text)
        except (OSError, UsageError):  # gone meanwhile, not to be read, or a name too long
            continue
    return seen


def _files(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files below a folder by their path in it; links are not followed: they may lead out."""
    folders, left = [] if root.is_symlink() else [(str(root), "")], SOURCE_FILES
    while folders:
        place, prefix = folders.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, f"{prefix}{entry.name}/"))
            elif entry.is_file(follow_symlinks=False) and left > 0:
                left -= 1
                yield f"{prefix}{entry.name}", entry


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(SOURCE_BYTES)
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # cut in the middle of a character, or no UTF-8 at all
        return data.decode("utf-8", "replace")


class Replay:
    """Brings what people did from ``user/*.jsonl`` into a store; each call reads on.

    A line that is damaged, or no action, is skipped. An action is known by its id, so one
    that the store has is not added again.
    """

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._folder = root / "user"
        self._cursors: dict[str, Cursor] = {}
        self._known: set[str] | None = None

    def step(self) -> int:
        """Take in what is new; the number of actions added."""
        found = sorted(self._lines(), key=lambda line: line["t"])  # of several processes
        if not found:
            return 0
        if self._known is None:  # the whole history is read: most of it is in the store
            self._known = {action.id for action in self._store.actions()}
        return sum(self._add(line) for line in found if line["id"] not in self._known)

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with os.scandir(self._folder) as entries:
                files = [
                    (entry.name, entry.stat().st_size)
                    for entry in entries
                    if entry.name.endswith(".jsonl") and entry.is_file()
                ]
        except OSError:
            return
        for name, size in files:
            cursor = self._cursors.get(name, Cursor())
            if size == cursor.offset:
                continue
            records, after = read(self._folder / name, cursor if size > cursor.offset else Cursor())
            self._cursors[name] = after
            yield from (record for record in records if _is_action(record))

    def _add(self, line: dict[str, Any]) -> bool:
        try:
            return self._store.add_action(
                line["id"], time=line["t"], kind=line["kind"], run=line["run"], data=line["data"]
            )
        except UsageError:  # an id that is too long
            return False


def _is_action(record: dict[str, Any]) -> bool:
    time, run = record.get("t"), record.setdefault("run", None)
    return (
        isinstance(record.get("id"), str)
        and isinstance(time, int | float)
        and abs(time) < 1e300  # an int may be too large for a float
        and math.isfinite(time)
        and (run is None or isinstance(run, str))
        and isinstance(record.get("data"), dict)
        and not too_deep(record["data"])
    )
