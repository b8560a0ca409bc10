"""Sends one run to a team server: what it is, its journals by the server's cursor, its source.

Every request may be repeated. The server keeps a cursor for the journal of each rank and moves it
in the same transaction in which it takes in the lines behind it. A sender that does not know
whether a request was carried out asks for the cursors, so that nothing is lost and nothing doubled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trema.core.numbers import encode
from trema.journal.client import Answer, Client, Unreachable
from trema.journal.folder import RunFolder, alive
from trema.journal.lines import Piece, begins_line, head_of, next_piece
from trema.journal.sent import Rank, Sent, ranks_of, read_sent, whole_size, write_sent

T = TypeVar("T")

#: Bytes of journal in one request.
BATCH = 2**20
SOURCE_FILES = 500  # of one run
SOURCE_LIMIT = 1_000_000  # characters
_PATIENCE = 16  # batches that are taken until a larger one is tried
_WEAK = 64 * 1024  # bytes; a batch that the network cuts off again and again shrinks to this


class Trouble(Exception):
    """Something could not be sent.

    lasting : trying again soon does not help
    everywhere : it is so for every run
    after : seconds that the server asks to wait
    """

    def __init__(
        self,
        why: str,
        *,
        lasting: bool = False,
        everywhere: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(why)
        self.lasting = lasting
        self.everywhere = everywhere or not lasting
        self.after = after


@dataclass(frozen=True)
class Progress:
    """What one request brought.

    bytes : of the journal that the server took with it
    more : whether more is likely to wait already
    """

    bytes: int = 0
    more: bool = True


class Sender:
    """Sends one run.

    Parameters
    ----------
    ranks : whose journals; None: of all
    sources : whether the copies of the user's files are sent too
    name : of the file in which it notes how far it came

    ``known`` says whether it is noted that this server has some of the run.
    """

    def __init__(
        self,
        client: Client,
        folder: RunFolder,
        *,
        ranks: Collection[int] | None = None,
        sources: bool = True,
        name: str = "sync.json",
    ) -> None:
        self.folder = folder
        self._client = client
        self._ranks = ranks
        self._sources = sources and sources_allowed()
        self._name = name
        self._introduced = False
        self._asked = False  # the cursors are those of the server
        self._batch = self._ceiling = BATCH
        self._taken = 0  # batches since the server last refused one for its size
        self._broken = 0  # times that the network cut off a batch, one after the other
        self._stuck: dict[int, str] = {}  # rank -> why its journal cannot be sent
        self._told: dict[str, Any] = {}  # metadata that the server has
        self._told_gone = False  # it knows that the process of the run is gone
        self._told_unsent = 0  # bytes, as it knows
        self.sent = self._read()

    def _read(self) -> Sent:
        """What was noted before, as far as it is about this server."""
        old, url = read_sent(self.folder), self._client.server.url
        started = old is not None and any(of.sent for of in old.ranks.values())
        here = old is not None and old.server == url
        self.known, self._elsewhere = started and here, started and not here
        sent = old if old is not None and here else Sent(server=url)
        ranks = {rank: sent.ranks.get(rank, Rank()) for rank in self._mine()}
        return Sent(server=url, ranks=ranks, sources=sent.sources)

    def _mine(self) -> dict[int, Path]:
        journals = ranks_of(self.folder)
        if self._ranks is None:
            return journals
        return {rank: path for rank, path in journals.items() if rank in self._ranks}

    # what a caller does -------------------------------------------------------------------

    def send_next(self) -> Progress | None:
        """Send what comes next; None when everything that is there was sent.

        Raises
        ------
        Trouble
            When it could not be sent now.
        """
        return self._guarded(self._next)

    def note(self, problem: str | None = None) -> None:
        """Write down how far it came; a server that took nothing does not hide one that did."""
        if self._elsewhere and not any(of.sent for of in self.sent.ranks.values()):
            return
        self.sent.problem = problem
        write_sent(self.folder, self.sent, name=self._name)

    def on_server(self) -> bool:
        """Whether the server has the run.

        Raises
        ------
        Trouble
            When that cannot be told now.
        """
        return self._guarded(self._ask)

    @property
    def complete(self) -> bool:
        """Whether the server said that it has all that is there, and all else is noted as sent."""
        if not self._asked or self._stuck:
            return False
        journals = self._mine().items()
        return all(whole_size(path) <= self._rank(rank).sent for rank, path in journals) and not (
            self._sources and any(self._new_sources())
        )

    # one request at a time ----------------------------------------------------------------

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except Unreachable as error:
            self._asked = False
            raise Trouble(str(error)) from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Trouble(f"the run cannot be read ({reason})", lasting=True) from error

    def _ask(self) -> bool:
        answer = self._client.request("GET", ("runs", self.folder.id, "journals"))
        if answer.good:
            self._take_cursors(answer)
        elif answer.status != 404:
            raise _trouble(answer)
        return answer.good

    def _rank(self, rank: int) -> Rank:
        return self.sent.ranks.setdefault(rank, Rank())

    def _new_sources(self) -> Iterator[tuple[str, Path, list[int]]]:
        return (item for item in _sources(self.folder) if self.sent.sources.get(item[0]) != item[2])

    def _next(self) -> Progress | None:
        if not self._introduced:
            self._introduce()
            return Progress()
        if not self._asked:
            if not self._ask():  # the server lost it, or somebody deleted it
                self._forget()
            return Progress()
        if self._backlog_changed():
            self._introduce()
            return Progress()
        for rank, path in self._mine().items():
            if rank not in self._stuck:
                piece = next_piece(path, self._rank(rank).sent, self._batch)
                if piece is not None:
                    return self._send(rank, path, piece)
        if self._sources:
            for source in self._new_sources():
                return self._send_source(*source)
        metadata = self.folder.metadata
        gone = not alive(metadata)
        if self._told != metadata or gone > self._told_gone:
            self._introduce(gone=gone)
            return Progress()
        if self._stuck:
            self._asked = False  # the next time may show that somebody put it right
            raise Trouble(next(iter(self._stuck.values())), lasting=True)
        return None

    def _forget(self) -> None:
        self._introduced = False
        self._stuck.clear()
        self.sent.sources.clear()

    def _introduce(self, *, gone: bool = False) -> None:
        """Say what the run is; and, once all is sent, that nothing more will be written."""
        metadata = self.folder.metadata
        unsent = self._backlog()
        facts = {"unsent": unsent, **({"alive": False} if gone else {})}
        body = {"metadata": {**encode(metadata), **facts}}
        answer = self._client.request("PUT", ("runs", self.folder.id), json_body=body)
        if not answer.good:
            raise _trouble(answer, missing=True)
        self._take_cursors(answer)
        self._introduced, self._told, self._told_gone = True, metadata, gone
        self._told_unsent = unsent

    def _backlog(self) -> int:
        """Bytes that wait; 0 when they are so few that they will be sent before anybody looks."""
        waiting = 0
        for rank, path in self._mine().items():
            waiting += max(0, whole_size(path) - self._rank(rank).sent)
        return waiting if waiting >= _WEAK else 0

    def _backlog_changed(self) -> bool:
        """Whether so much more or less waits that the server should know."""
        backlog, told = self._backlog(), self._told_unsent
        return backlog > 2 * told or 2 * backlog < told

    def _take_cursors(self, answer: Answer) -> None:
        journals = answer.data.get("journals")
        if not isinstance(journals, list):
            raise Unreachable("it answers, but not as a Trema server does")
        known = {item.get("rank"): item for item in journals if isinstance(item, dict)}
        for rank, path in self._mine().items():
            item = known.get(rank, {})
            head, cursor = item.get("head") or "", item.get("cursor", 0)
            if head and head != head_of(path):
                self._stuck[rank] = (
                    f"the server has another journal of rank {rank} under this id: delete the "
                    "run there to send this one"
                )
                continue
            self._move(rank, path, cursor)
        self._asked = True

    def _move(self, rank: int, path: Path, cursor: object) -> None:
        """Take the server's cursor for ours, when it lies between two lines of the journal."""
        if not isinstance(cursor, int) or cursor < 0 or not begins_line(path, cursor):
            self._stuck[rank] = (
                f"the server expects the journal of rank {rank} from byte {cursor}, where no line "
                "begins: delete the run there to send it anew"
            )
            return
        self._stuck.pop(rank, None)
        self._rank(rank).sent = cursor

    def _send(self, rank: int, path: Path, piece: Piece) -> Progress:
        query: dict[str, Any] = {"start": piece.start, "head": head_of(path)}
        if not piece.data:
            query["skip"] = piece.end - piece.start
        try:
            answer = self._post(rank, query, piece.data)
        except Unreachable:
            self._broken += 1
            if self._broken > 1:
                self._batch = max(_WEAK, min(self._batch, len(piece.data)) // 2)
            raise
        self._broken = 0
        if answer.status == 413 and piece.data:
            if not piece.single:
                self._batch = self._ceiling = max(1, len(piece.data) // 2)
                self._taken = 0
                return Progress()
            if len(piece.data) <= _WEAK:  # its size cannot be why: nothing is left out for that
                raise Trouble(answer.error)
            query["skip"] = len(piece.data)
            answer = self._post(rank, query, b"")
        if answer.good:
            full = 2 * len(piece.data) >= self._batch or "skip" in query
            self._taken += 1
            if self._taken % _PATIENCE == 0:  # a refusal may have been a mistake
                self._ceiling = min(2 * self._ceiling, BATCH)
            self._batch = min(2 * self._batch, self._ceiling)
            return Progress(self._took(rank, path, answer, skipped="skip" in query), more=full)
        if answer.status == 404:
            self._asked = False
        elif answer.status == 409 and isinstance(answer.data.get("expected"), int):
            self._move(rank, path, answer.data["expected"])
        elif answer.status in (400, 409, 422):
            self._stuck[rank] = answer.error
        else:
            raise _trouble(answer)
        return Progress()

    def _post(self, rank: int, query: dict[str, Any], data: bytes) -> Answer:
        words = ("runs", self.folder.id, "journals", rank)
        return self._client.request("POST", words, query=query, body=data)

    def _took(self, rank: int, path: Path, answer: Answer, *, skipped: bool) -> int:
        """Note the new cursor; by how many bytes it moved."""
        journals, of = answer.data.get("journals"), self._rank(rank)
        before = of.sent
        for item in journals if isinstance(journals, list) else ():
            if isinstance(item, dict) and item.get("rank") == rank:
                self._move(rank, path, item.get("cursor"))
        if of.sent <= before:  # it says so, but moved nothing
            raise Unreachable("it answers, but not as a Trema server does")
        dropped = answer.data.get("dropped")
        of.dropped += dropped if isinstance(dropped, int) else 0
        of.skipped += skipped
        return of.sent - before

    def _send_source(self, name: str, path: Path, mark: list[int]) -> Progress:
        text = path.read_bytes().decode("utf-8", "replace")[:SOURCE_LIMIT]
        answer = self._client.request(
            "PUT", ("runs", self.folder.id, "sources"), json_body={"path": name, "text": text}
        )
        if answer.status == 404:
            self._asked = False
            return Progress()
        # a file that the server refuses for what it is does not hold up the rest
        if not answer.good and answer.status not in (409, 413, 422):
            raise _trouble(answer)
        self.sent.sources[name] = mark
        return Progress()


def sources_allowed() -> bool:
    """Whether the user's files may leave the machine: not with ``TREMA_SYNC_SOURCE=0``."""
    return os.environ.get("TREMA_SYNC_SOURCE", "1").strip().lower() not in ("0", "false", "no")


def _sources(folder: RunFolder) -> Iterator[tuple[str, Path, list[int]]]:
    """The copies of the user's files: path in the run, file, size and time of writing."""
    root = folder.path / "source"
    if root.is_symlink():  # it leads out of the run
        return
    count = 0
    for parent, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            if count >= SOURCE_FILES or path.is_symlink() or not path.is_file():
                continue
            count += 1
            facts = path.stat()
            yield path.relative_to(root).as_posix(), path, [facts.st_size, facts.st_mtime_ns]


def _trouble(answer: Answer, *, missing: bool = False) -> Trouble:
    """What an answer that is no success means for the sender."""
    if answer.status == 404 and missing:
        return Trouble("it is no Trema server that takes runs", lasting=True, everywhere=True)
    why = answer.error
    if answer.status == 401:
        why = "it does not know the token: give one that may write in TREMA_TOKEN or a --token-file"
    lasting = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
    everywhere = answer.status in (401, 403, 421)
    return Trouble(why, lasting=lasting, everywhere=everywhere, after=answer.retry_after)
