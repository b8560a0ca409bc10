"""Routes by which clients send their runs: metadata, journals by cursor, source files.

Every request may be repeated: the cursor of a journal moves in the transaction in which its lines
are taken in. A record that breaks a bound is left out and counted, and a note of it is kept in the
run; the lines around it are taken in.
"""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from trema.api import parameters
from trema.api.guard import CALLER
from trema.api.models import JournalCursor, NewRun, NewSource, Received
from trema.api.parameters import problems
from trema.api.unpacking import UnpackingRoute
from trema.api.validating import clean_metadata, read_lines
from trema.core.errors import NotAllowed, UsageError
from trema.store.base import Batch, RunConflict

if TYPE_CHECKING:
    from trema.api.access import Caller
    from trema.store.base import Store

SOURCE_FILES = 500  # of one run
_RUN_ID = re.compile(r"[\w.-]{1,80}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\:]")
_LINES = {
    "requestBody": {
        "required": True,
        "description": "Whole lines of the journal; may be packed by gzip.",
        "content": {"application/x-ndjson": {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(tags=["sending"], route_class=UnpackingRoute)


def run_id(run: parameters.RunId) -> str:
    """An id that could be the name of a folder.

    Raises
    ------
    UsageError
        When it could not.
    """
    if not _RUN_ID.fullmatch(run) or not run.strip("."):
        raise UsageError(
            "expected a run id of 1 to 80 letters, digits, dots, - and _ but got "
            f"{run[:100]!r}: send the name of the run's folder"
        )
    return run


class Sending:
    """Who sends, and where to."""

    def __init__(self, request: Request) -> None:
        self.store: Store = request.app.state.store
        self._request = request

    def origin(self) -> str:
        """The name of the token: whoever follows the client under this name may go on.

        Raises
        ------
        NotAllowed
            On a server that shows a folder.
        """
        if self._request.app.state.settings.mode != "server":
            raise NotAllowed(
                "expected a team server but this one shows a folder: send to one that was started "
                "by trema server"
            )
        caller: Caller = self._request.scope[CALLER]
        names: dict[str, str] = self._request.app.state.__dict__.setdefault("token_names", {})
        if caller.key not in names:
            names.update((token.id, token.name) for token in self.store.tokens())
        return names.get(caller.key, caller.key)

    def own(self, run: str) -> None:
        """Refuse a run that somebody else sent.

        Raises
        ------
        RunConflict
            When it came with a token of another name.
        RunNotFound
            When there is none.
        """
        if self.store.run(run).origin != self.origin():
            raise RunConflict(
                f"run {run!r} was sent with a token of another name: use that token, or another id"
            )


RunId = Annotated[str, Depends(run_id)]
To = Annotated[Sending, Depends(Sending)]
Rank = Annotated[int, Path(ge=0, le=999_999_999, description="Which process of the run, from 0.")]
Place = Annotated[int, Query(ge=0, le=2**53 - 1)]


@router.put("/runs/{run}", responses=problems(409, 413))
def send_run(to: To, run: RunId, new: NewRun) -> Received:
    """Make a run known, or bring what is known of it up to date.

    ``alive: false`` in the metadata says that its process is gone: what did not end was killed.
    """
    metadata = clean_metadata(run, new.metadata)
    gone = metadata.pop("alive", True) is False
    to.store.add_run(run, metadata, origin=to.origin())
    if gone:
        to.store.mark_killed(run)
    return _received(to.store, run)


@router.get("/runs/{run}/journals", responses=problems(404))
def list_journals(to: To, run: RunId) -> Received:
    """How far the journal of each rank was received: where to send on from."""
    return _received(to.store, run)


@router.post("/runs/{run}/journals/{rank}", responses=problems(404, 409, 413), openapi_extra=_LINES)
async def send_journal(
    request: Request,
    to: To,
    run: RunId,
    rank: Rank,
    *,
    start: Annotated[Place, Query(description="Where in the journal the lines begin, in bytes.")],
    head: Annotated[
        str, Query(pattern="^[0-9a-f]{0,64}$", description="Tells journals of one name apart.")
    ] = "",
    skip: Annotated[
        Place, Query(description="Bytes from there on that are left out; then no lines are given.")
    ] = 0,
) -> Received:
    """Take in the lines behind the cursor; the answer has the new one.

    409 with ``expected`` names the byte to send from, when the lines do not begin at the cursor.
    Lines that were taken in before change nothing.
    """
    lines = await request.body()
    return await run_in_threadpool(_take, to, run, rank, start, head, skip, lines)


@router.put("/runs/{run}/sources", status_code=204, responses=problems(404, 409, 413))
def send_source(to: To, run: RunId, new: NewSource) -> None:
    """Keep a file that took part in the run."""
    to.own(run)
    path = _inside(new.path)
    known = to.store.sources(run)
    if path not in known and len(known) >= SOURCE_FILES:
        raise UsageError(f"expected at most {SOURCE_FILES} files of a run: leave out the rest")
    to.store.put_source(run, path, new.text)


def _take(
    to: Sending, run: str, rank: int, start: int, head: str, skip: int, lines: bytes
) -> Received:
    to.own(run)
    if bool(skip) == bool(lines):
        raise UsageError("expected lines, or skip=BYTES and no lines: give one of them")
    read = read_lines(lines)
    records, dropped, end = read.records, read.dropped, start + (skip or len(lines))
    if skip:
        records = [_note(rank, f"{skip:,} bytes from byte {start} on were too large to be sent")]
    elif dropped:
        plural = "s" * (dropped != 1)
        what = f"{dropped} record{plural} from byte {start} on were not kept: {read.reason}"
        records = [*records, _note(rank, what)]
    to.store.ingest(Batch(run=run, rank=rank, start=start, end=end, records=records, head=head))
    return _received(to.store, run, dropped=dropped, only=rank)


def _note(rank: int, text: str) -> dict[str, Any]:
    """A record that tells readers of the run what is missing."""
    fields = {"step": None, "segment": 0, "rank": rank, "part": "sync"}
    return {"v": 1, "t": time.time(), "kind": "error", **fields, "error": text}


def _received(store: Store, run: str, *, dropped: int = 0, only: int | None = None) -> Received:
    journals: Sequence[JournalCursor] = [
        JournalCursor(rank=rank, cursor=state.cursor, head=state.head)
        for rank, state in store.journals(run).items()
        if only is None or rank == only
    ]
    return Received(run=run, journals=list(journals), dropped=dropped)


def _inside(path: str) -> str:
    """The path, when it stays inside the folder of a run."""
    plain = posixpath.normpath(path) == path and not path.startswith(("/", "../"))
    if not plain or path in (".", "..") or _CONTROL.search(path):
        raise UsageError(
            f"expected a relative path such as model/train.py but got {path[:100]!r}: send files "
            "by their place below the working directory"
        )
    return path
