"""``trema sync``: send runs to a team server, also those of processes that were killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trema.cli.folders import root_folder
from trema.core.errors import UsageError
from trema.core.text import harmless
from trema.journal.background import LOOK_EVERY, pause_after, say
from trema.journal.client import Client, parse_server, read_token
from trema.journal.folder import RunFolder, alive, find_run, list_runs
from trema.journal.sending import Sender, Trouble
from trema.journal.sent import ranks_of, size, whole_size

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

T = TypeVar("T")
TRIES = 5  # attempts without any progress before it gives up


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``trema sync``."""

    server: str | None = None
    token_file: Path | None = None
    follow: bool = False
    dir: Path | None = None


def sync_runs(wanted: Sequence[str], options: Options) -> int:
    """Send these runs, or all; 0 when everything was sent, else 1.

    Raises
    ------
    UsageError
        When no server is named, or it cannot be one.
    RunNotFound
        When a run is not known.
    """
    url = options.server or os.environ.get("TREMA_SERVER", "").strip()
    if not url:
        raise UsageError("expected a server but got none: give --server URL, or set TREMA_SERVER")
    server = parse_server(url, read_token(options.token_file))
    root = root_folder(options.dir)
    if wanted:
        for name in wanted:
            find_run(root, name)
    if server.exposed:
        what = "the token and the runs are" if server.token else "the runs are"
        say(f"{what} sent unencrypted to {server.url}: use https")
    client = Client(server)
    work = Work(client, root, wanted)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        try:
            work.go(bars)
            while options.follow:
                time.sleep(LOOK_EVERY)
                work.go(bars)
        except KeyboardInterrupt:
            pass  # what is left is told
    client.close()
    return work.report()


class Work:
    """What ``trema sync`` has to send, and what became of it."""

    def __init__(self, client: Client, root: Path, wanted: Sequence[str]) -> None:
        self._client = client
        self._root = root
        self._wanted = wanted
        self._senders: dict[str, Sender] = {}
        self._left: dict[str, str] = {}  # run id -> why it is not wholly sent
        self._gone: set[str] = set()  # were sent once and are not on the server any more
        self._bytes = 0

    def go(self, bars: Bars) -> None:
        """Send all that is there now."""
        runs = self._runs()
        self._left = dict.fromkeys((run.id for run in runs), "it was not tried")
        for run in runs:
            try:
                self._send(run, bars)
                del self._left[run.id]
            except Trouble as trouble:
                self._senders[run.id].note(str(trouble))
                self._left[run.id] = str(trouble)
                if trouble.everywhere:
                    self._left = dict.fromkeys(self._left, str(trouble))
                    return

    def report(self) -> int:
        """Say what was sent and what was not; the exit code."""
        ranks = [of for sender in self._senders.values() for of in sender.sent.ranks.values()]
        skipped, dropped = sum(of.skipped for of in ranks), sum(of.dropped for of in ranks)
        if skipped or dropped:
            say(f"{skipped + dropped} records were left out: too large, or past another bound")
        if self._gone:
            say(
                f"{_runs(len(self._gone))} that had been sent are not on the server any more: "
                "name them to send them again"
            )
        url = self._client.server.url
        if self._left:
            unsent = sum(self._waiting(find_run(self._root, run)) for run in self._left)
            why = next(reversed(self._left.values()))
            runs = _runs(len(self._left))
            if unsent:
                say(f"{size(unsent)} of {runs} are not sent to {url}: {why}")
            else:
                say(f"whether {url} has all of {runs} is not known: {why}")
            return 1
        print(f"sent {size(self._bytes)} to {harmless(url)}" if self._bytes else "all is sent")
        return 0

    def _runs(self) -> list[RunFolder]:
        """The runs to send, the oldest first."""
        if self._wanted:
            return [find_run(self._root, name) for name in self._wanted]
        runs = [run for run in list_runs(self._root) if run.metadata and ranks_of(run)]
        return [run for run in reversed(runs) if run.id not in self._gone]

    def _send(self, run: RunFolder, bars: Bars) -> None:
        sender = self._senders.get(run.id)
        if sender is None:
            sender = self._senders[run.id] = Sender(self._client, run)
            if sender.known and self._settled(sender):
                return
        total = sum(whole_size(path) for path in ranks_of(run).values())
        task = None
        while (progress := _patiently(sender.send_next)) is not None:
            if not progress.bytes:
                continue
            self._bytes += progress.bytes
            if task is None:
                task = bars.add_task(harmless(run.name), total=total)
            done = sum(of.sent for of in sender.sent.ranks.values())
            bars.update(task, completed=done, total=max(total, done))
            if done >= total and alive(run.metadata):  # what is written now comes the next time
                break
        sender.note()

    def _settled(self, sender: Sender) -> bool:
        """Whether nothing is to be sent of a run that was sent before."""
        if _patiently(sender.on_server):
            if sender.complete:
                sender.note()
            return sender.complete
        if not self._wanted:
            self._gone.add(sender.folder.id)
        return not self._wanted

    def _waiting(self, run: RunFolder) -> int:
        sender = self._senders.get(run.id)
        ranks = sender.sent.ranks if sender is not None else {}
        return sum(
            max(0, whole_size(path) - (ranks[rank].sent if rank in ranks else 0))
            for rank, path in ranks_of(run).items()
        )


def _patiently(action: Callable[[], T]) -> T:
    """The result of an action that is tried again when the server is away for a while."""
    failures = 0
    while True:
        try:
            return action()
        except Trouble as trouble:
            failures += 1
            if trouble.lasting or failures >= TRIES:
                raise
            time.sleep(max(pause_after(failures - 1), trouble.after or 0.0))


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
