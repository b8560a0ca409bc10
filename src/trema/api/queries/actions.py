"""What people do: mute, tag, archive, delete.

A local action is kept in the run folder first, so that the index can be rebuilt without losing it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from trema.api.models import Mute, Mutes, NewMute, NewPrune, NewTags, Pruned
from trema.api.queries.context import Context
from trema.api.queries.plain import text
from trema.api.queries.rows import Entry, Rows
from trema.core.errors import (
    NotAllowed,
    NotFound,
    RunActive,
    RunNotFound,
    UnknownCheck,
    UsageError,
    did_you_mean,
)
from trema.journal.folder import RunFolder, alive, remove_run
from trema.journal.user import UserAction, UserMute, append_action

DAY = 86_400.0  # seconds
#: Seconds without a record after which a run of another machine may be deleted.
QUIET = 3600.0


class Actions:
    """Writes what people do; each raises NotAllowed where writing is not."""

    def __init__(self, context: Context, rows: Rows) -> None:
        self._context = context
        self._rows = rows

    # mutes ----------------------------------------------------------------------------------

    def mutes(self) -> Mutes:
        """The mutes in force, the newest first."""
        return Mutes(mutes=[_mute(mute) for mute in self._context.people.view().state.mutes])

    def mute(self, new: NewMute) -> Mute:
        """Silence a finding or a check.

        Raises
        ------
        UsageError
            When the scope is the run and none is named, or there is no such finding.
        UnknownCheck
            When no check of this id is installed and no finding is of it.
        RunNotFound
            When there is no such run.
        """
        self._allow()
        run = new.run if new.scope == "run" else None
        if new.scope == "run" and run is None:
            raise UsageError("expected a run for a mute of the scope run but got none: name one")
        self._check_known(run, new)
        data = {
            "scope": new.scope,
            "check": new.check,
            "finding": new.finding,
            "reason": new.reason,
        }
        action = self._keep("mute", run, data)
        return Mute(
            id=action.id,
            scope=new.scope,
            run=run,
            check=new.check,
            finding=new.finding,
            reason=new.reason,
            time=action.time,
        )

    def _check_known(self, run: str | None, new: NewMute) -> None:
        heads = (
            [head for entry in self._rows.entries() for head in entry.heads]
            if run is None
            else self._rows.entry(run).heads
        )
        ids = {head.id for head in heads if head.check == new.check}
        if new.check not in self._context.checks and not ids:
            hint = did_you_mean(new.check[:100], self._context.checks)
            raise UnknownCheck(f"there is no check {new.check[:100]!r}: {hint}")
        if new.finding is not None and new.finding not in ids:
            raise UsageError(
                f"expected a finding of {new.check!r} but there is none of id "
                f"{new.finding[:100]!r}: take the id from its card"
            )

    def unmute(self, id: str) -> None:
        """Take a mute back.

        Raises
        ------
        NotFound
            When it is not in force.
        """
        self._allow()
        known = {mute.id: mute for mute in self._context.people.view().state.mutes}
        if id not in known:
            raise NotFound(f"there is no mute {id[:100]!r}: it may have been taken back before")
        self._keep("unmute", known[id].run, {"mute": id})

    # runs -----------------------------------------------------------------------------------

    def tag(self, run: str, new: NewTags) -> None:
        """Give a run these tags in place of those it has."""
        self._allow()
        self._context.store.run(run)
        tags = list(dict.fromkeys(tag.strip() for tag in new.tags if tag.strip()))
        self._keep("tags", run, {"tags": tags})

    def archive(self, run: str, archived: bool) -> None:
        """Put a run aside, or take it back."""
        self._allow()
        self._context.store.run(run)
        self._keep("archive", run, {"archived": archived})

    def delete(self, run: str) -> None:
        """Delete a run; on a local server its folder too.

        Raises
        ------
        RunNotFound
            When there is no such run.
        RunActive
            While its process writes it.
        UsageError
            When its folder cannot be deleted.
        """
        self._allow()
        entry = self._rows.entry(run)
        if self._active(entry):
            raise RunActive(f"run {run!r} is still being written: end its process first")
        self._remove(run)

    def prune(self, new: NewPrune) -> Pruned:
        """Delete runs beyond the newest ``keep`` and runs older than ``days``, or say which.

        Raises
        ------
        UsageError
            When neither is given.
        """
        self._allow()
        if new.keep is None and new.days is None:
            raise UsageError("expected keep or days but got neither: say which runs are to go")
        chosen = [entry.run.id for entry in self._old(new) if not self._active(entry)]
        if not new.dry:
            for run in chosen:
                try:
                    self._remove(run)
                except RunNotFound:
                    pass  # somebody was first
        return Pruned(runs=[text(run) for run in chosen], dry=new.dry)

    def _old(self, new: NewPrune) -> Sequence[Entry]:
        entries = sorted(
            self._rows.entries(), key=lambda entry: (entry.run.started, entry.run.id), reverse=True
        )
        limit = time.time() - new.days * DAY if new.days is not None else None
        return [
            entry
            for place, entry in enumerate(entries)
            if (new.keep is not None and place >= new.keep)
            or (limit is not None and entry.run.started < limit)
        ]

    def _active(self, entry: Entry) -> bool:
        """Whether somebody still writes the run, as far as can be told from here."""
        run = entry.run
        if run.state != "running":
            return False
        if self._context.mode == "local" and run.metadata.get("host") == socket.gethostname():
            return alive(dict(run.metadata))
        return time.time() - run.updated < QUIET

    def _remove(self, run: str) -> None:
        root = self._context.root
        folder = run_folder(root, run) if root is not None else None
        if folder is not None:
            try:
                remove_run(folder)
            except OSError as error:
                raise UsageError(
                    f"the folder of run {run!r} cannot be deleted ({error.strerror}): "
                    "look at its permissions"
                ) from error
        try:
            self._context.store.delete_run(run)
        except RunNotFound:
            if folder is None:  # else whoever follows the folder was first
                raise

    # keeping --------------------------------------------------------------------------------

    def _allow(self) -> None:
        if not self._context.writable:
            raise NotAllowed("this server may only be read: ask who runs it")

    def _keep(self, kind: str, run: str | None, data: Mapping[str, object]) -> UserAction:
        action = UserAction(kind=kind, run=run, data=data)
        if self._context.root is not None:
            try:
                append_action(self._context.root, action)
            except OSError as error:
                raise UsageError(
                    f"{self._context.root / 'user'} cannot be written "
                    f"({error.strerror or error}): make room or look at its permissions"
                ) from error
        self._context.store.add_action(action.id, time=action.time, kind=kind, run=run, data=data)
        return action


def run_folder(root: Path, run: str) -> RunFolder | None:
    """The folder of a run, strictly below the folder of all runs; None when it is gone.

    Raises
    ------
    UsageError
        When the name leads elsewhere, or a link does.
    """
    runs = (root / "runs").resolve()
    path = runs / run
    inside = path.parent == runs and path.name == run and run not in ("", ".", "..")
    if not inside or path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UsageError(
            f"expected the folder of a run but {run[:100]!r} is none: remove it by hand"
        )
    return RunFolder(path) if path.exists() else None


def _mute(mute: UserMute) -> Mute:
    return Mute(
        id=mute.id,
        scope="project" if mute.run is None else "run",
        run=mute.run,
        check=text(mute.check),
        finding=mute.finding,
        reason=text(mute.reason, 2000),
        time=mute.time,
    )
