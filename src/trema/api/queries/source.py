"""The source of a run, with marks at the lines of its findings."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.models import Card, Mark, SourceFile
from trema.api.queries.context import Context
from trema.core.diagnosis import Severity
from trema.core.errors import NotFound

LIMIT = 1_000_000  # characters


def read_source(context: Context, run: str, path: str, cards: Sequence[Card]) -> SourceFile:
    """A file that the run recorded; never one of this machine.

    Raises
    ------
    NotFound
        When the run kept no file of this path.
    """
    kept = context.store.source(run, path)
    if kept is None:
        raise NotFound(
            f"run {run!r} kept no file {path[:200]!r}: choose one of the sources of the run"
        )
    shown = kept[:LIMIT].encode("utf-8", "replace").decode("utf-8")
    return SourceFile(
        path=path, text=shown, truncated=len(kept) > LIMIT, marks=marks_of(path, cards)
    )


def marks_of(path: str, cards: Sequence[Card]) -> list[Mark]:
    """The marks of a file from top to bottom; findings of one place share one."""
    places: dict[tuple[int, int, int | None, int | None], list[Card]] = {}
    for card in cards:
        place = card.location
        if place is None or place.source != path or card.mute is not None:
            continue
        end = max(place.line, place.end_line or place.line)
        span = (place.line, end, place.column, place.end_column)
        places.setdefault(span, []).append(card)
    return [
        Mark(
            line=line,
            end_line=end,
            column=column,
            end_column=end_column,
            keys=[card.key for card in found],
            severity=_worst(found),
        )
        for (line, end, column, end_column), found in sorted(
            places.items(), key=lambda item: (item[0][0], item[0][2] or 0, item[0][1])
        )
    ]


def _worst(cards: Sequence[Card]) -> str:
    known = list(Severity)  # from critical to info
    return min(
        (card.severity for card in cards),
        key=lambda severity: known.index(Severity(severity)) if severity in known else len(known),
    )
