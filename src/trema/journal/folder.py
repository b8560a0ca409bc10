"""The run folder: names, ids, run.json, and finding runs again."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trema.core.errors import RunNotFound, did_you_mean
from trema.core.nesting import too_deep
from trema.core.numbers import dumps
from trema.journal.meeting import PATIENCE, agreed

SCHEMA = 1
NAME_LIMIT = 120  # characters
METADATA_LIMIT = 2**20  # bytes of run.json


def clean_name(name: str) -> str:
    """A run name without control characters or path separators, at most 120 characters."""
    text = re.sub(r"[\x00-\x1f\x7f/\\\u202a-\u202e\u2066-\u2069]+", "-", name).strip(" .-")
    return text[:NAME_LIMIT] or "run"


@dataclass(frozen=True)
class RunFolder:
    """One folder below ``.trema/runs``."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name, unique below ``runs``."""
        return self.path.name

    @property
    def metadata(self) -> dict[str, Any]:
        """What ``run.json`` holds; empty when it is missing or damaged."""
        path = self.path / "run.json"
        try:
            if not is_plain(path) or path.stat().st_size > METADATA_LIMIT:
                return {}
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) and not too_deep(data) else {}

    @property
    def name(self) -> str:
        """The given name, or the id."""
        return str(self.metadata.get("name", self.id))

    def journals(self) -> list[Path]:
        """The journals of all ranks, rank 0 first."""
        return sorted(filter(is_plain, self.path.glob("rank-*.jsonl")), key=rank_of)

    def journal(self, rank: int) -> Path:
        """The journal of one rank."""
        return self.path / f"rank-{rank}.jsonl"

    def save_sources(self, sources: Mapping[str, str]) -> None:
        """Keep copies of the user's own files: relative path -> text."""
        root = self.path / "source"
        for relative, text in sources.items():
            target = (root / relative).resolve()
            if root.resolve() in target.parents:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", errors="surrogatepass")


def create_run(
    root: Path, name: str, *, framework: str = "other", keys: tuple[str, ...] = ()
) -> RunFolder:
    """A new run folder; a name in use gets a number (``train``, ``train-2``, …).

    Ranks of one distributed run meet in the folder whose id stands in ``TREMA_RUN``, else in that
    of the first of them that came.

    keys : what the processes of one launch share, see :func:`trema.journal.meeting.agreed`

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    runs = root / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    shared = os.environ.get("TREMA_RUN")
    if shared and re.fullmatch(r"[\w.-]{1,80}", shared) and shared.strip("."):
        return _joined(root, shared, name, framework)

    def known(left: tuple[str, ...]) -> str:
        if not left:
            return _new_run(root, name, framework).id
        return agreed(root, left[0], lambda: known(left[1:]))

    try:
        return RunFolder(runs / known(keys))
    except TimeoutError:  # better a run of its own than none
        return _new_run(root, name, framework)


def _new_run(root: Path, name: str, framework: str) -> RunFolder:
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = root / "runs" / f"{stamp}-{secrets.token_hex(3)}"
        try:
            path.mkdir()
            break
        except FileExistsError:
            continue
    _write_metadata(path, _free_name(root, clean_name(name)), framework)
    return RunFolder(path)


def _joined(root: Path, id: str, name: str, framework: str) -> RunFolder:
    """The folder of this id; the process that makes it says what the run is."""
    path = root / "runs" / id
    try:
        path.mkdir()
    except FileExistsError:
        until = time.monotonic() + PATIENCE
        while not (path / "run.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
    if not (path / "run.json").exists():
        _write_metadata(path, _free_name(root, clean_name(name)), framework)
    return RunFolder(path)


def _write_metadata(path: Path, name: str, framework: str) -> None:
    data = {
        "id": path.name,
        "name": name,
        "started": time.time(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "framework": framework,
        "schema": SCHEMA,
    }
    temporary = path / f".run.json.{os.getpid()}"
    temporary.write_text(dumps(data, indent=1), encoding="utf-8")
    os.replace(temporary, path / "run.json")


def _free_name(root: Path, name: str) -> str:
    taken = {run.name for run in list_runs(root)}
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def list_runs(root: Path) -> list[RunFolder]:
    """All runs, newest first."""
    try:
        folders = [path for path in (root / "runs").iterdir() if path.is_dir()]
    except OSError:
        return []
    return [RunFolder(path) for path in sorted(folders, key=lambda p: p.name, reverse=True)]


def find_run(root: Path, wanted: str, *, having: str | None = None) -> RunFolder:
    """The run of this id, name, or unique beginning of an id; ``last`` is the newest.

    With ``having``, a path in the folder of a run, ``last`` is the newest that has it, if any does.

    Raises
    ------
    RunNotFound
        When none fits, or several begin so.
    """
    runs = [run for run in list_runs(root) if run.metadata]
    if not runs:
        raise RunNotFound(f"expected runs in {root} but found none: start one with trema run")
    if wanted == "last":
        fit = [run for run in runs if having is not None and (run.path / having).exists()]
        return max(fit or runs, key=lambda run: float(run.metadata.get("started", 0.0)))
    for run in runs:
        if wanted == run.id:
            return run
    named = [run for run in runs if run.name == wanted]
    begun = named or [run for run in runs if run.id.startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise RunNotFound(f"{len(begun)} runs begin with {wanted!r}: give more of the id")
    hint = did_you_mean(wanted, [run.name for run in runs[:20]])
    raise RunNotFound(f"there is no run {wanted!r}: {hint}")


def is_plain(path: Path) -> bool:
    """Whether it is a file: a link may lead out of the run, and a pipe may never end."""
    return path.is_file() and not path.is_symlink()


def remove_run(run: RunFolder) -> None:
    """Delete a run and all that belongs to it."""
    shutil.rmtree(run.path)


def alive(metadata: dict[str, Any]) -> bool:
    """Whether the process that wrote the run still lives on this machine.

    A run on another host counts as alive: nothing is known about it.
    """
    if metadata.get("host") != socket.gethostname():
        return True
    pid = metadata.get("pid")
    if not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True


def rank_of(path: Path) -> int:
    """The rank whose journal has this path."""
    match = re.search(r"rank-(\d+)", path.name)
    return int(match.group(1)) if match else 0
