"""What of the findings is silenced in the code or by the settings; all of it is listed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from trema.core.config import Config
from trema.core.diagnosis import Location
from trema.core.errors import did_you_mean
from trema.engine.findings import Finding
from trema.source.mutes import MuteComment, mute_at, mute_comments
from trema.source.reading import read_source
from trema.source.snapshot import kept_name


class Mutes:
    """The mutes of one run; comments are read from the kept source, else from the file."""

    def __init__(self, config: Config, known: Collection[str]) -> None:
        self.kept: Path | None = None  # the folder of the kept source
        self.problems: list[str] = []
        self._config = config
        self._known = known
        self._files: dict[str, dict[int, MuteComment]] = {}

    def of(self, finding: Finding) -> MuteComment | None:
        """The comment that silences a finding, or None."""
        location = finding.diagnosis.location
        if location is None:
            return None
        comments = self._comments(location)
        return mute_at(comments, finding.check, location.line, location.end_line)

    def split(self, findings: list[Finding]) -> tuple[list[Finding], list[dict[str, Any]]]:
        """The findings that count, and what is muted as the findings document lists it."""
        loud = [finding for finding in findings if self.of(finding) is None]
        place = self._config.place("ignore")
        by_file = f"ignored in {place}" if place.endswith(".toml") else "ignored by configuration"
        muted = [
            {"check": check, "where": "", "reason": by_file, "by": "config"}
            for check in self._config.ignore
        ]
        muted += [self.told(f) for f in findings if self.of(f) is not None]
        return loud, muted

    def told(self, finding: Finding) -> dict[str, Any]:
        """A finding that a comment silences, as the findings document lists it."""
        comment, location = self.of(finding), finding.diagnosis.location
        return {
            "check": finding.check,
            "where": f"{_short(location)}:{location.line}" if location is not None else "",
            "reason": comment.reason if comment is not None else "",
            "by": "comment",
            "title": finding.diagnosis.title,
            "finding": finding.id,
        }

    def _comments(self, location: Location) -> dict[int, MuteComment]:
        known = self._files.get(location.file)
        if known is not None:
            return known
        text = self._kept_text(location)
        if text is None:
            text = read_source(location.file)
        if text is None:
            return {}
        comments = self._files[location.file] = mute_comments(text)
        for comment in comments.values():
            for check in sorted((comment.checks or frozenset()) - set(self._known)):
                hint = did_you_mean(check, self._known)
                place = f"{_short(location)}:{comment.line}"
                self.problems.append(f"{place} mutes {check!r:.80}, but that is no check: {hint}")
        return comments

    def _kept_text(self, location: Location) -> str | None:
        if self.kept is None:
            return None
        try:
            return (self.kept / kept_name(location.file)).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None


def _short(location: Location) -> str:
    if location.cell is not None:
        return f"cell {location.cell}"
    return kept_name(location.file).removeprefix("outside/")
