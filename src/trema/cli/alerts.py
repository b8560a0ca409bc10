"""``trema alerts``: tell somebody what happens in the runs of a folder, without a page."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from trema.cli.folders import root_folder
from trema.core.errors import MissingExtra, UsageError
from trema.core.text import harmless

if TYPE_CHECKING:
    from trema.api.alerts import Rule, Watcher
    from trema.api.alerts_news import News
    from trema.store.following import Follower

PAUSE = 1.0  # seconds between two looks
_EXTRA = frozenset({"pydantic", "sqlalchemy", "alembic", "psycopg"})
_GRACE = 10.0  # seconds to send what waits when it is ended


def run_alerts(dir: Path | None, config: Path | None) -> None:
    """Follow the runs of a folder and tell what is new, until Ctrl-C.

    Raises
    ------
    UsageError
        When there are no rules, or one cannot be right.
    MissingExtra
        When the packages of the extra ``server`` are not installed.
    """
    root = root_folder(dir)
    try:
        from trema.api.alerts import Watcher, load_rules
        from trema.api.alerts_reading import DEFAULT_NAME
        from trema.api.queries import Queries
        from trema.store.following import Follower
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtra("trema alerts", "server") from error
        raise
    path = config or root / DEFAULT_NAME
    if config is None and not path.is_file():
        raise UsageError(f"expected alerts in {path} but there are none: give --config FILE")
    rules = load_rules(path)  # who calls this command trusts the file
    if not rules:
        raise UsageError(f"expected alerts in {path} but it holds none: add a table [[alert]]")
    follower = Follower(root)
    try:
        watcher = Watcher(Queries(follower.store, root=root, writable=False), rules, told=_told)
        names = harmless(", ".join(rule.name for rule in rules), 500)
        print(f"watching {harmless(root)} for {names}; Ctrl-C ends it", flush=True)
        with _ended_by_signal():
            _watch(follower, watcher)
    finally:
        follower.close()


def _watch(follower: Follower, watcher: Watcher) -> None:
    said: set[str] = set()
    try:
        while True:
            for step in (follower.step, watcher.step):
                try:
                    step()
                except Exception as error:  # a database that is busy now may not be so later
                    _say({f"{type(error).__name__}: {error}"}, said)
            _say({*follower.problems, *watcher.problems}, said)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        watcher.close(_GRACE)
        _say({*watcher.problems}, said)


def _say(problems: set[str], said: set[str]) -> None:
    for problem in sorted(problems - said):
        print(f"trema: {harmless(problem, 500)}", file=sys.stderr, flush=True)
    said |= problems


def _told(rule: Rule, news: News) -> None:
    print(f"told {harmless(rule.name, 100)}: {news.title}", flush=True)


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let a service manager end it as Ctrl-C does."""

    def end(*_: int | FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
