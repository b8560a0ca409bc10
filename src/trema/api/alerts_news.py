"""What an alert says: as text for a chat, as JSON, as environment of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trema.api.models import Card, RunRow
from trema.core.text import harmless

_LONG, _SHORT = 1000, 200  # characters
# signs that a chat would read as a link or as a call of all its members
_INERT = str.maketrans({"<": "‹", ">": "›", "@": "＠"})


@dataclass(frozen=True, kw_only=True)
class News:
    """Something that happened in a run: a finding, a crash or an end.

    mark : tells it apart from other news of its kind and run
    """

    kind: str  # finding, crashed, finished
    row: RunRow
    mark: str
    card: Card | None = None
    url: str | None = None

    @property
    def key(self) -> str:
        """What tells it apart from other news."""
        return "\0".join((self.kind, self.row.id, self.mark))

    @property
    def title(self) -> str:
        """One short line."""
        name = harmless(self.row.name, _SHORT)
        if self.card is not None:
            return f"{self.card.severity} in {name}: {harmless(self.card.title, _SHORT)}"
        return f"{name} {_ENDS.get(self.row.state, 'ended')}"

    @property
    def text(self) -> str:
        """What a person reads: title, message, place and first fix."""
        return "\n".join(
            part for part in (f"Trema: {self.title}", *self._details(), self.url) if part
        )

    def _details(self) -> list[str]:
        if self.card is None:
            counts = self.row.counts.model_dump().items()
            found = ", ".join(f"{number} {severity}" for severity, number in counts if number)
            head = (
                f"{self.row.epochs:,} epochs, {self.row.steps:,} steps, {_span(self.row.seconds)}"
            )
            worst = f"to fix first: {harmless(self.row.top, _SHORT)}" if self.row.top else ""
            return [head, f"findings: {found or 'none'}", worst]
        fix = self.card.fixes[0].text if self.card.fixes else ""
        return [
            harmless(self.card.message, _LONG),
            f"at {_place(self.card)}" if self.card.location else "",
            f"fix: {harmless(fix, _LONG)}" if fix else "",
        ]

    def document(self, rule: str) -> dict[str, Any]:
        """The JSON that a webhook gets and a program reads; ``text`` is what a chat shows."""
        row = self.row
        return {
            "text": self.text.translate(_INERT),
            "source": "trema",
            "kind": self.kind,
            "rule": rule,
            "title": self.title,
            "url": self.url,
            "run": {
                "id": row.id,
                "name": harmless(row.name, _SHORT),
                "framework": harmless(row.framework, _SHORT),
                "state": row.state,
                "exit_code": row.exit_code,
                "started": row.started,
                "updated": row.updated,
                "steps": row.steps,
                "epochs": row.epochs,
            },
            "finding": self.card and _finding(self.card),
        }

    def environment(self, rule: str) -> dict[str, str]:
        """The variables that a program finds."""
        card = self.card
        values = {
            "KIND": self.kind,
            "RULE": rule,
            "TITLE": self.title,
            "TEXT": self.text,
            "RUN": self.row.id,
            "RUN_NAME": harmless(self.row.name, _SHORT),
            "STATE": self.row.state,
            "URL": self.url or "",
            "SEVERITY": card.severity if card else "",
            "CHECK": harmless(card.check, _SHORT) if card else "",
        }
        return {f"TREMA_ALERT_{name}": value.replace("\0", "") for name, value in values.items()}


_ENDS: Mapping[str, str] = {
    "finished": "has finished",
    "crashed": "has crashed",
    "killed": "was killed",
    "interrupted": "was interrupted",
}


def _place(card: Card) -> str:
    place = card.location
    if place is None:
        return ""
    file = f"cell {place.cell}" if place.cell is not None else harmless(place.file, _SHORT)
    return f"{file}:{place.line}"


def _finding(card: Card) -> dict[str, Any]:
    fix = card.fixes[0].text if card.fixes else None
    return {
        "key": card.key,
        "id": card.id,
        "check": harmless(card.check, _SHORT),
        "cause": harmless(card.cause, _SHORT),
        "severity": card.severity,
        "confidence": harmless(card.confidence, _SHORT),
        "title": harmless(card.title, _SHORT),
        "message": harmless(card.message, _LONG),
        "layer": card.layer and harmless(card.layer, _SHORT),
        "parameter": card.parameter and harmless(card.parameter, _SHORT),
        "place": _place(card) or None,
        "epoch": card.first.epoch,
        "step": card.first.step,
        "fix": fix and harmless(fix, _LONG),
    }


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
