"""What of a run was sent to a team server, as files beside its journals that anybody can read.

``sync.json`` is written by ``trema sync`` and by the process of rank 0, ``sync-<r>.json`` by that
of rank r, so that ranks never contend. These files are for people and for what need not be asked
again; the server's own cursor decides what is sent.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trema.core.numbers import dumps
from trema.journal.folder import RunFolder, is_plain

_JOURNAL = re.compile(r"rank-(0|[1-9]\d{0,8})\.jsonl")
_STATE = re.compile(r"sync(?:-\d{1,9})?\.json")
_NUMBER = re.compile(r"[0-9]{1,9}")
_STATE_LIMIT = 2**20  # bytes


@dataclass
class Rank:
    """How far the journal of one rank was sent.

    sent : bytes
    skipped : lines that the server does not take because of their size
    dropped : records that the server took but did not keep
    """

    sent: int = 0
    skipped: int = 0
    dropped: int = 0


@dataclass
class Sent:
    """How far a run was sent.

    server : the address, without a token
    sources : path -> size and time of the copy that was sent
    problem : why not everything is sent, None when nothing is wrong
    """

    server: str = ""
    ranks: dict[int, Rank] = field(default_factory=dict)
    sources: dict[str, list[int]] = field(default_factory=dict)
    problem: str | None = None
    time: float = 0.0


def ranks_of(folder: RunFolder) -> dict[int, Path]:
    """The journals of a run by rank, rank 0 first."""
    found = ((_JOURNAL.fullmatch(path.name), path) for path in folder.journals())
    return {int(match[1]): path for match, path in found if match}


def read_sent(folder: RunFolder) -> Sent | None:
    """What all who send this run have noted; None when nobody has."""
    notes = [note for path in sorted(folder.path.glob("sync*.json")) if (note := _read(path))]
    if not notes:
        return None
    notes.sort(key=lambda note: note.time, reverse=True)
    joined = Sent(server=notes[0].server, time=notes[0].time)
    for note in notes:
        if note.server != joined.server:  # only the newest server counts
            continue
        if not joined.ranks or not joined.ranks.keys() >= note.ranks.keys():
            joined.problem = joined.problem or note.problem
        joined.ranks = note.ranks | joined.ranks
        joined.sources = note.sources | joined.sources
    return joined


def unsent(folder: RunFolder) -> int | None:
    """Bytes of whole lines that wait to be sent; None for a run that nobody sends."""
    sent = read_sent(folder)
    if sent is None:
        return None
    waiting = 0
    for rank, path in ranks_of(folder).items():
        waiting += max(0, whole_size(path) - sent.ranks.get(rank, Rank()).sent)
    return waiting


def whole_size(path: Path) -> int:
    """Bytes up to and with the last newline; 0 when the file cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0:
                start = max(0, end - 65536)
                file.seek(start)
                place = file.read(end - start).rfind(b"\n")
                if place >= 0:
                    return start + place + 1
                end = start
    except OSError:
        pass
    return 0


def size(count: int) -> str:
    """Bytes for a person: ``1.2 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} byte{'s' * (count != 1)}"


def write_sent(folder: RunFolder, sent: Sent, *, name: str = "sync.json") -> None:
    """Note it, whole or not at all; a folder that cannot be written is passed over."""
    sent.time = time.time()
    data = {
        "server": sent.server,
        "ranks": {
            str(rank): {**vars(of), "size": _size(folder.journal(rank))}
            for rank, of in sorted(sent.ranks.items())
        },
        "sources": sent.sources,
        "problem": sent.problem,
        "time": sent.time,
    }
    temporary = folder.path / f".{name}.{os.getpid()}-{threading.get_ident()}"
    try:
        temporary.unlink(missing_ok=True)  # it may be a link to elsewhere
        with temporary.open("x", encoding="utf-8") as file:
            file.write(dumps(data, indent=1))
        os.replace(temporary, folder.path / name)
    except (OSError, ValueError):
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            pass


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path) -> Sent | None:
    if not _STATE.fullmatch(path.name):
        return None
    try:
        if not is_plain(path) or path.stat().st_size > _STATE_LIMIT:
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("server"), str):
        return None
    ranks, sources, problem = data.get("ranks"), data.get("sources"), data.get("problem")
    return Sent(
        server=data["server"],
        ranks={
            int(rank): Rank(*(_count(of.get(key)) for key in ("sent", "skipped", "dropped")))
            for rank, of in (ranks.items() if isinstance(ranks, dict) else ())
            if _NUMBER.fullmatch(rank) and isinstance(of, dict)
        },
        sources={
            name: mark
            for name, mark in (sources.items() if isinstance(sources, dict) else ())
            if isinstance(mark, list)
        },
        problem=problem if isinstance(problem, str) else None,
        time=_moment(data.get("time")),
    )


def _moment(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else 0.0


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**63 else 0
