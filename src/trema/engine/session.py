"""The session of a run: takes in facts, runs the checks, tells the sinks.

Nothing here may raise into a training: every entry point that an adapter calls is guarded. An
error in a check switches this check off for the run, an error elsewhere is noted; both are part
of the findings document.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from trema.checks.base import Check, all_checks, load_plugins
from trema.checks.configure import configured, told
from trema.core.config import Config
from trema.core.facts import (
    Fact,
    RunInfo,
)
from trema.core.version import __version__
from trema.engine.document import (
    SCHEMA,
    finding_data,
    rank_findings,
    with_other_ranks,
)
from trema.engine.findings import Finding, Findings
from trema.engine.mutes import Mutes
from trema.engine.ranks import World, attempt, children_key, this_process
from trema.engine.reproducibility import reproducible
from trema.engine.segment import Segment as Segment  # adapters find it here
from trema.journal.document import read_document
from trema.journal.folder import RunFolder, create_run
from trema.journal.meeting import Meeting, agreed
from trema.journal.writer import Journal

T = TypeVar("T")

#: A finding that goes on is written again at the end of an epoch, but not before so many seconds …
REFRESH_SECONDS = 5.0
#: … and this share of the run's time have passed: about 1,100 times in a day.
REFRESH_SHARE = 0.005


class Sink(Protocol):
    """Something that is told what a run shows: console, JSON file, TensorBoard."""

    def started(self, session: Session) -> None:
        """The run began and its folder is known."""

    def found(self, session: Session, finding: Finding) -> None:
        """A finding appeared, came back or got worse."""

    def gone(self, session: Session, finding: Finding) -> None:
        """A finding stopped occurring."""

    def finished(self, session: Session, document: Mapping[str, Any]) -> None:
        """The run ended; the document holds everything."""


class Session:
    """One run.

    Parameters
    ----------
    name : the run's name; a name in use gets a number
    config : settings
    framework : ``keras``, ``torch``, … or ``other``
    sinks : told about findings
    """

    def __init__(
        self,
        name: str,
        config: Config,
        *,
        framework: str = "other",
        sinks: Iterable[Sink] = (),
    ) -> None:
        self.config = config
        self.framework = framework
        self.state = "running"
        self.exit_code: int | None = None
        self.notes: list[str] = []  # what could not be done, for the summary
        self.segments: list[Segment] = []
        self.failed_checks: dict[str, str] = {}
        self.before_finish: list[Callable[[], None]] = []  # adapters let go of the training
        self.before_crash: list[Callable[[], None]] = []  # adapters tell what they saw so far
        self.sources: Callable[[], Mapping[str, str]] | None = None  # the user's own files
        self.world = this_process()
        self.rank = self.world.rank
        self.meeting: Meeting | None = None  # of several ranks
        self.findings = Findings(self.rank)
        self.name = name
        self.folder: RunFolder | None = None
        self.journal: Journal | None = None
        self._version = __version__
        self._sinks = list(sinks)
        self._ended: dict[str, Any] | None = None  # the document
        self._started = time.time()
        self._steps = 0
        self.checks: dict[str, Check] = {}
        self.check_types: dict[str, type[Check]] = {}
        self.guarded("checks", self._load_checks)
        self.mutes = Mutes(config, self.check_types)
        self.guarded("journal", self._open_journal)
        for sink in self._sinks:
            self.guarded("sink", lambda sink=sink: sink.started(self))  # type: ignore[misc]  # bound

    # construction -------------------------------------------------------------------------

    def _load_checks(self) -> None:
        self.check_types = all_checks()
        self.checks, problems = configured(self.check_types, self.config)
        self.notes += [*self.config.problems, *problems]
        self.failed_checks |= {f"entry point {k}": v for k, v in load_plugins().items()}

    def _open_journal(self) -> None:
        try:
            self.folder = create_run(
                self.config.folder, self.name, framework=self.framework, keys=self.world.keys
            )
            self.journal = Journal(
                self.folder.journal(self.rank), rank=self.rank, limit=self.config.journal_limit
            )
            self.name = self.folder.name
            self.mutes.kept = self.folder.path / "source"
            if self.world.size > 1:
                self.meeting = Meeting(self.folder.path, self.rank, attempt())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.notes.append(f"nothing is kept: {self.config.folder} cannot be written ({reason})")
            return
        self.write(
            "run",
            id=self.folder.id,
            name=self.name,
            framework=self.framework,
            trema=self._version,
            config=told(self.config),
            pid=os.getpid(),
            host=socket.gethostname(),
            ranks=self.world.size,
        )

    # guard --------------------------------------------------------------------------------

    def guarded(self, part: str, action: Callable[[], T]) -> T | None:
        """The result of the action, or None after an error, which is noted once a part."""
        try:
            return action()
        except Exception as error:
            self.failed(part, error)
            return None

    def failed(self, part: str, error: BaseException) -> None:
        """Note an error inside Trema; tests set ``strict`` and get it raised."""
        if self.config.strict:
            raise error
        if part not in self.failed_checks:
            self.failed_checks[part] = f"{type(error).__name__}: {error}"[:500]
            self.write("error", part=part, error=self.failed_checks[part])

    def write(self, kind: str, **fields: Any) -> None:
        """Append a record to the journal, if there is one."""
        if self.journal is None or self.handed_over:
            return
        try:
            self.journal.write(kind, **fields)
        except Exception as error:  # an odd value must not end a training
            if self.config.strict:
                raise
            self.failed_checks.setdefault("journal", f"{type(error).__name__}: {error}"[:500])

    def expect_ranks(self) -> None:
        """Let processes that this one starts as other ranks find its run."""
        folder = self.folder
        if folder is not None and self.world.size < 2:
            self.guarded(
                "ranks", lambda: agreed(self.config.folder, children_key(), lambda: folder.id)
            )

    def lead(self, size: int) -> None:
        """Be rank 0 of a process group that was made after the run began."""
        self.world = World(0, size)
        if self.folder is not None:
            self.meeting = Meeting(self.folder.path, 0, attempt())

    @property
    def handed_over(self) -> bool:
        """Whether processes that this one started train and write the run, and it does not."""
        return not self.segments and self.journal is not None and self.journal.outgrown

    # what adapters call -------------------------------------------------------------------

    @property
    def wanted(self) -> frozenset[Fact]:
        """The union of what the enabled checks need."""
        needs: frozenset[Fact] = frozenset()
        for check in self.checks.values():
            needs |= check.needs | getattr(check, "uses", frozenset())
        return needs

    def open_segment(self, info: RunInfo) -> Segment:
        """A new part of the run: one fit, or one optimizer's lifetime."""
        stated = tuple(k for k in ("inputs", "outputs") if getattr(self.config, k) is not None)
        if stated:
            given = {k: getattr(self.config, k) for k in stated}
            info = dataclasses.replace(info, stated=stated, **given)
        if info.framework != "other":
            self.framework = info.framework
        read = self.config.source and not self.segments
        info = reproducible(info, self.sources if read else None)
        if not self.segments:  # now, so that a run in training or a killed one has them too
            self.keep_sources()
        segment = Segment(self, len(self.segments), info)
        self.segments.append(segment)
        return segment

    def info(self, segment: int) -> RunInfo:
        """What is known of a segment; a program may crash before there is any."""
        return self.segments[segment].info if segment < len(self.segments) else RunInfo()

    def steps(self) -> int:
        """Training steps of all segments."""
        return sum(segment.steps for segment in self.segments)

    def keep_sources(self) -> None:
        """Keep the user's own files with the run; what is kept already stays as it was."""
        folder, sources = self.folder, self.sources
        if folder is None or sources is None or not self.config.source:
            return

        def keep() -> None:
            kept = folder.path / "source"
            new = {name: text for name, text in sources().items() if not (kept / name).exists()}
            folder.save_sources(new)

        self.guarded("source", keep)

    def finish(self, state: str = "finished", exit_code: int | None = None) -> dict[str, Any]:
        """End the run once; a second call returns the same document."""
        if self.state != "running":
            return self._ended or self.document()
        if self.handed_over and self.journal is not None and self.folder is not None:
            self.state, self.exit_code = state, exit_code
            self.journal.close()
            self._ended = read_document(self.folder)
            return self._ended
        for action in self.before_finish:
            self.guarded("adapter", action)
        for segment in self.segments:
            segment.close()
        self.state, self.exit_code = state, exit_code
        document = self.document()
        self.write(
            "end",
            state=state,
            exit_code=exit_code,
            **{k: document[k] for k in ("clear", "not_assessed", "failed_checks", "muted")},
            run=document["run"],
            findings=document["findings"],
        )
        folder = self.folder
        if self.world.size > 1 and self.rank == 0 and folder is not None:
            own = document
            joined = self.guarded(
                "ranks", lambda: with_other_ranks(own, self.rank, folder, self.check_types)
            )
            document = joined or self.document()
        self._ended = document
        for sink in self._sinks:
            self.guarded("sink", lambda sink=sink: sink.finished(self, document))  # type: ignore[misc]  # bound
        if self.journal is not None:
            self.journal.close()
        return document

    # results ------------------------------------------------------------------------------

    def ranked(self, findings: list[Finding]) -> list[tuple[Finding, int, tuple[str, ...]]]:
        """Findings with rank and explanations, most urgent first."""
        infos = [segment.info for segment in self.segments]
        return rank_findings(findings, self.check_types, infos)

    def overhead(self) -> float:
        """Trema's own time as a share of the training time, after the free beginning."""
        shares = [segment.schedule.share() for segment in self.segments]
        return max(shares, default=0.0)

    def document(self) -> dict[str, Any]:
        """The findings document."""
        findings = []
        loud, muted = self.mutes.split(self.findings.all())
        for finding, rank, explained in self.ranked(loud):
            info = self.info(finding.segment)
            data = finding_data(finding, self.check_types.get(finding.check), info)
            findings.append({**data, "rank": rank, "explained_by": list(explained)})
        clear, not_assessed = self.outcomes()
        info = self.info(0)
        journal = self.journal
        return {
            "schema": SCHEMA,
            "trema": self._version,
            "run": {
                "id": self.folder.id if self.folder else "",
                "name": self.name,
                "framework": self.framework,
                "state": self.state,
                "exit_code": self.exit_code,
                "steps": self.steps(),
                "epochs": sum(segment.epochs for segment in self.segments),
                "segments": len(self.segments),
                "seconds": round(time.time() - self._started, 3),
                "overhead": round(self.overhead(), 5),
                "own_seconds": round(sum(s.schedule.own_seconds for s in self.segments), 3),
                "inputs": info.inputs,
                "outputs": info.outputs,
                "records_lost": journal.lost if journal else 0,
                "notes": [*self.notes, *self.mutes.problems],
                "config": told(self.config),
            },
            "findings": findings,
            "clear": clear,
            "not_assessed": not_assessed,
            "failed_checks": [
                {"check": check, "error": error} for check, error in self.failed_checks.items()
            ],
            "muted": muted,
        }

    def outcomes(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Ids of checks that are clear, and of those not assessed with what they miss."""
        found = {finding.check for finding in self.findings.all()}
        clear: list[str] = []
        skipped: list[dict[str, Any]] = []
        for check_id, check in self.checks.items():
            if check_id in found or check_id in self.failed_checks:
                continue
            missing = [segment.missing(check) for segment in self.segments] or [["no training"]]
            if any(not reasons for reasons in missing):
                clear.append(check_id)
            else:
                skipped.append({"check": check_id, "missing": missing[-1]})
        return clear, skipped

    def tell(self, finding: Finding, *, gone: bool = False) -> None:
        """Write a finding to the journal and tell the sinks; what is muted is only written."""
        if self.handed_over:
            return  # it is the others' to tell
        if self.mutes.of(finding) is not None:
            self.write("muted", muted=self.mutes.told(finding))
            return
        self._write_finding(finding, important=True)
        for sink in self._sinks:
            action = sink.gone if gone else sink.found
            self.guarded("sink", lambda action=action: action(self, finding))  # type: ignore[misc]  # bound

    def refresh(self, segment: int, epoch: int) -> None:
        """Write the findings again that were seen in this epoch since they were last written,
        so that who reads along sees them go on. The sinks heard of them already."""
        now = time.monotonic()
        pause = max(REFRESH_SECONDS, REFRESH_SHARE * (time.time() - self._started))
        for finding in self.findings.of(segment):
            moved = finding.last_epoch == epoch and finding.count > finding.told_count
            if moved and now - finding.told_at >= pause and self.mutes.of(finding) is None:
                self._write_finding(finding, important=False)

    def _write_finding(self, finding: Finding, *, important: bool) -> None:
        info = self.info(finding.segment)
        data = finding_data(finding, self.check_types.get(finding.check), info)
        finding.told_count, finding.told_at = finding.count, time.monotonic()
        self.write(
            "finding",
            step=finding.last_step,
            segment=finding.segment,
            important=important,
            finding=data,
        )


def default_name(script: str | Path | None) -> str:
    """A run name from the script's file name; ``run`` when there is none."""
    stem = Path(script).stem if script else ""
    return stem if stem and not stem.startswith(("<", "-", "ipykernel")) else "run"
