"""The thread that sends the runs of a process while they are written.

It looks at the journals every second or two, uses a small share of one core, and never raises.
Training waits for it in one place only: when the process ends, for a few seconds at most.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from trema.core.text import harmless
from trema.journal.client import Client, Server
from trema.journal.folder import RunFolder
from trema.journal.sending import Progress, Sender, Trouble
from trema.journal.sent import size, whole_size

LOOK_EVERY = 1.5  # seconds between looks at the journals
SHARE = 0.1  # of one core that the thread may use while training
LONGEST_PAUSE = 60.0  # seconds between attempts
LAST_TRIES = 3  # attempts at the end of the process before it gives up
_TIMEOUT = 20.0  # seconds
_dice = random.Random()  # its own: the random numbers of the training are not touched


@dataclass
class Job:
    """A journal to send.

    talks : whether to tell on the standard error stream what is not sent
    ended : nothing more will be written
    """

    folder: RunFolder
    rank: int
    talks: bool
    ended: bool = False
    sender: Sender | None = None  # made by the thread
    noted: tuple[Any, ...] = ()  # what was last written down
    trouble: str | None = None  # why this one cannot be sent although others can
    again: float = 0.0  # when to try again, on the monotonic clock

    def send(self, client: Client) -> Progress | None:
        """Send what comes next."""
        if self.sender is None:
            name = "sync.json" if self.rank == 0 else f"sync-{self.rank}.json"
            self.sender = Sender(
                client, self.folder, ranks={self.rank}, sources=self.rank == 0, name=name
            )
        return self.sender.send_next()

    def note(self, problem: str | None) -> None:
        """Write down how far it came, if that changed."""
        problem = self.trouble or problem
        if self.sender is None:
            return
        of, sources = self.sender.sent.ranks.get(self.rank), self.sender.sent.sources
        now = (of and tuple(vars(of).values()), len(sources), problem)
        if now != self.noted:
            self.noted = now
            self.sender.note(problem)

    def unsent(self) -> int:
        """Bytes of whole lines that wait."""
        of = self.sender.sent.ranks.get(self.rank) if self.sender is not None else None
        return max(0, whole_size(self.folder.journal(self.rank)) - (of.sent if of else 0))


class Process:
    """The runs of this process and the thread that sends them.

    server : where to
    wait : seconds that the end of the process waits at most
    """

    def __init__(self, server: Server, *, wait: float) -> None:
        self._client = Client(server, timeout=_TIMEOUT)
        self._wait = wait
        self._pid = os.getpid()
        self._jobs: list[Job] = []
        self._wake = threading.Event()
        self._done = threading.Event()  # all was sent, or it is no use to try again
        self._ending = False
        self._said: set[str] = set()
        self._problem: str | None = None
        self._thread: threading.Thread | None = None

    def add(self, job: Job) -> None:
        """Send this journal from now on."""
        server = self._client.server
        if server.exposed:
            what = "the token and the runs are" if server.token else "the runs are"
            self._say(f"{what} sent unencrypted to {server.url}: use https", job.talks)
        self._jobs.append(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="trema-sync", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread can be had: trema sync sends it later
                self._wait = 0.0

    def hurry(self) -> None:
        """Look at the journals now."""
        self._wake.set()
        if self._ending:
            self.end()

    def end(self) -> None:
        """Wait for the rest, at most as long as allowed, and say what is left."""
        if os.getpid() != self._pid:
            return
        self._done.clear()
        self._ending = True
        self._wake.set()
        try:
            self._done.wait(self._wait)
        except KeyboardInterrupt:  # the user does not want to wait
            pass
        for job in list(self._jobs):
            if left := job.unsent():
                problem = job.trouble or self._problem
                why = f" ({problem})" if problem else ""
                say(
                    f"{size(left)} of run {job.folder.name} are not sent to "
                    f"{self._client.server.url}{why}: run trema sync to send them",
                    job.talks,
                )

    def _say(self, text: str, talks: bool) -> None:
        if talks and text not in self._said:
            self._said.add(text)
            say(text)

    # the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        failures, was_ending = 0, False
        while True:
            began, ending = time.thread_time(), self._ending
            if ending and not was_ending:
                failures, was_ending = 0, True
            try:
                progress = self._round(ending)
                failures, self._problem = 0, None
                pause = LOOK_EVERY
                if progress is not None and (progress.more or ending):
                    pause = (time.thread_time() - began) * (1 / SHARE - 1)
                elif progress is None and ending:
                    self._done.set()
            except Trouble as trouble:
                failures += 1
                pause = self._after(trouble, failures)
            except Exception as error:  # whatever it is, the training goes on
                failures += 1
                pause = self._after(Trouble(f"{type(error).__name__}: {error}"[:300]), failures)
            for job in self._jobs:
                job.note(self._problem)
            self._rest(pause, failures)

    def _round(self, ending: bool) -> Progress | None:
        """Send one thing of each run; None when there was nothing to send."""
        sent: list[Progress] = []
        for job in list(self._jobs):
            ended = job.ended
            if not ending and time.monotonic() < job.again:
                continue
            try:
                progress = job.send(self._client)
            except Trouble as trouble:
                if not trouble.lasting:
                    raise
                self._hold(job, str(trouble))  # the others go on
                continue
            job.trouble = None
            if progress is not None:
                sent.append(progress)
            elif ended:
                job.note(None)
                self._jobs.remove(job)
        if not sent:
            return None
        return Progress(sum(part.bytes for part in sent), any(part.more for part in sent))

    def _hold(self, job: Job, why: str) -> None:
        """Leave a run aside for a while, because trying again soon would not help."""
        job.trouble, job.again = why, time.monotonic() + LONGEST_PAUSE
        url = self._client.server.url
        self._say(f"run {job.folder.name} is not sent to {url}: {why}", job.talks)

    def _after(self, trouble: Trouble, failures: int) -> float:
        """Seconds to wait before the next attempt."""
        self._problem = str(trouble)
        asked = trouble.after or 0.0
        if self._ending and (failures >= LAST_TRIES or asked > self._wait):
            self._done.set()
        return max(pause_after(failures), asked)

    def _rest(self, pause: float, failures: int) -> None:
        if self._done.is_set():
            self._client.close()
            self._wake.wait()  # the process ends, unless another run does
        elif self._ending:
            self._wake.wait(0.3 * failures)
        else:
            self._wake.wait(pause)
        self._wake.clear()


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures: growing, and drawn so that clients spread out."""
    longest = min(LONGEST_PAUSE, 2.0 ** min(failures, 10))
    return longest * (0.5 + 0.5 * _dice.random())


def say(text: str, talks: bool = True) -> None:
    """One line on the standard error stream."""
    if not talks or sys.stderr is None:
        return
    try:
        print(f"trema: {harmless(text)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass
