"""What people did with runs: mutes, tags, archiving.

Each process appends to its own file ``user/<host>-<pid>.jsonl``, one line an action, so that nobody
waits for another and the index can be rebuilt without losing any of it. The order in which
files are read does not matter: an action carries its time, and taking back a mute is final.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trema.core.numbers import dumps
from trema.journal.folder import is_plain
from trema.journal.reader import read


class Did(Protocol):
    """An action as any keeper of actions has it."""

    @property
    def id(self) -> str: ...
    @property
    def time(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def run(self) -> str | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class UserAction:
    """One thing that a person did."""

    kind: str
    run: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    time: float = field(default_factory=lambda: round(time.time(), 6))


@dataclass(frozen=True, kw_only=True)
class UserMute:
    """A mute in force; ``run`` None holds for all runs, ``finding`` None for all of the check."""

    id: str
    run: str | None
    check: str
    finding: str | None
    reason: str
    time: float

    def covers(self, run: str, check: str, finding: str) -> bool:
        """Whether it silences this finding of this run."""
        return self.check == check and self.run in (None, run) and self.finding in (None, finding)


@dataclass(frozen=True)
class UserState:
    """What all actions together come to.

    mutes : the newest first
    """

    mutes: tuple[UserMute, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    archived: frozenset[str] = frozenset()

    def mute_of(self, run: str, check: str, finding: str) -> UserMute | None:
        """The mute that silences a finding: that of the run before that of the project."""
        found = [mute for mute in self.mutes if mute.covers(run, check, finding)]
        return min(found, key=lambda mute: mute.run is None, default=None)


def fold(actions: Iterable[Did]) -> UserState:
    """What the actions come to; odd ones are passed over."""
    mutes: dict[str, UserMute] = {}
    taken_back: set[str] = set()
    tags: dict[str, tuple[str, ...]] = {}
    archived: set[str] = set()
    for action in sorted(actions, key=lambda action: (action.time, action.id)):
        data = action.data
        if action.kind == "mute" and (mute := _mute(action)):
            mutes[action.id] = mute
        elif action.kind == "unmute":
            taken_back.add(str(data.get("mute")))
        elif action.kind == "tags" and action.run is not None:
            given = data.get("tags")
            words = given if isinstance(given, list | tuple) else ()
            tags[action.run] = tuple(word for word in words if isinstance(word, str))
        elif action.kind == "archive" and action.run is not None:
            (archived.add if data.get("archived") else archived.discard)(action.run)
    valid = [mute for name, mute in mutes.items() if name not in taken_back]
    return UserState(tuple(reversed(valid)), tags, frozenset(archived))


def _mute(action: Did) -> UserMute | None:
    data = action.data
    check, finding, scope = data.get("check"), data.get("finding"), data.get("scope")
    if not isinstance(check, str) or not (finding is None or isinstance(finding, str)):
        return None
    if scope not in ("run", "project") or (scope == "run" and action.run is None):
        return None
    return UserMute(
        id=action.id,
        run=action.run if scope == "run" else None,
        check=check,
        finding=finding,
        reason=str(data.get("reason") or ""),
        time=action.time,
    )


def user_file(root: Path) -> Path:
    """The file that this process appends to."""
    host = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip(".-")[:64] or "host"
    return root / "user" / f"{host}-{os.getpid()}.jsonl"


def append_action(root: Path, action: UserAction) -> None:
    """Keep an action: one line, one write.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    path = user_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "id": action.id,
        "t": action.time,
        "kind": action.kind,
        "run": action.run,
        "data": action.data,
    }
    line = dumps(record).encode("utf-8", "surrogatepass") + b"\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, 0o644)
    try:
        if _torn(file):  # the disk was full, or the process of this number died while writing
            line = b"\n" + line
        if os.write(file, line) != len(line):
            raise OSError(f"{path} took only a part of the line: is the disk full?")
    finally:
        os.close(file)


def _torn(file: int) -> bool:
    size = os.fstat(file).st_size
    if not size:
        return False
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) != b"\n"


def read_actions(root: Path) -> Iterator[UserAction]:
    """The actions of all processes; torn and odd lines are passed over."""
    try:
        paths = sorted(filter(is_plain, (root / "user").glob("*.jsonl")))
    except OSError:
        return
    for path in paths:
        records, _ = read(path)
        for record in records:
            action = action_of(record)
            if action is not None:
                yield action


def action_of(record: Mapping[str, Any]) -> UserAction | None:
    """The action in a line, or None when it is none."""
    identity, moment = record.get("id"), _moment(record.get("t"))
    run, data = record.get("run"), record.get("data")
    if not isinstance(identity, str) or not 0 < len(identity) <= 255 or moment is None:
        return None
    if not isinstance(data, dict) or not (run is None or isinstance(run, str)):
        return None
    return UserAction(id=identity, time=moment, kind=str(record.get("kind")), run=run, data=data)


def _moment(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None  # NaN is not below anything


#: A link in a folder from somebody else must lead no line into another file.
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
