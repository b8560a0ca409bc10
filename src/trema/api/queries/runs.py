"""The list of runs: filtered, sorted, in pages; and what is known of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from trema.api.models import (
    FailedCheck,
    MutedFinding,
    NotAssessed,
    RunDetail,
    RunPage,
    RunRow,
)
from trema.api.queries.cards import Deck
from trema.api.queries.context import Context
from trema.api.queries.described import Described
from trema.api.queries.people import PeopleView
from trema.api.queries.plain import mapping, maybe_text, real, sequence, text, words
from trema.api.queries.rows import Entry, Rows
from trema.api.queries.settings import settings_of
from trema.core.errors import RunNotFound, UsageError, did_you_mean

PAGE = 1000  # rows at most
NAMES = 1000  # items of the lists of a run


class RunList:
    """Questions about many runs.

    Searching looks into name, id, tags, framework and the finding to fix first; every word must
    be in one of them, in capitals or not.
    """

    def __init__(self, context: Context, rows: Rows) -> None:
        self._context = context
        self._rows = rows
        self._orders: dict[str, Callable[[Entry, PeopleView], Any]] = {
            "started": lambda entry, view: entry.run.started,
            "updated": lambda entry, view: entry.run.updated,
            "name": lambda entry, view: entry.run.name.casefold(),
            "state": lambda entry, view: context.state_of(entry.run),
            "seconds": lambda entry, view: _progress(entry)[0],
            "steps": lambda entry, view: _progress(entry)[1],
            "findings": self._urgency,
        }

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        search: str,
        tags: Collection[str],
        states: Collection[str],
        sort: str,
        order: str,
        archived: bool,
    ) -> RunPage:
        """A page of the list.

        Raises
        ------
        RunNotFound
            When the run that the page shall come after is not in the list.
        UsageError
            For an order that does not exist.
        """
        if sort not in self._orders:
            raise UsageError(f"runs are not sorted by {sort!r}: {did_you_mean(sort, self._orders)}")
        if order not in ("asc", "desc"):
            raise UsageError(f"expected the order asc or desc but got {order!r}")
        entries, view = self._rows.entries(), self._context.people.view()
        found = [entry for entry in entries if (entry.run.id in view.state.archived) == archived]
        if tags:
            found = [e for e in found if set(tags) <= set(view.state.tags.get(e.run.id, ()))]
        if states:
            found = [entry for entry in found if self._context.state_of(entry.run) in states]
        found = self._search(found, view, search.casefold().split())
        if sort in ("seconds", "steps"):
            self._rows.measure(found)
        rule = self._orders[sort]
        found.sort(key=lambda e: (rule(e, view), e.run.id), reverse=order == "desc")
        begin = self._place(found, after)
        shown = found[begin : begin + max(1, min(limit, PAGE))]
        more = begin + len(shown) < len(found)
        known = {entry.run.id for entry in entries}
        return RunPage(
            runs=self._rows.rows(shown, view),
            next=shown[-1].run.id if more else None,
            total=len(found),
            tags=sorted({text(tag) for run in known for tag in view.state.tags.get(run, ())}),
            revision=self._rows.revision() + view.number,
        )

    def row(self, run: str) -> RunRow:
        """The row of one run."""
        return self._rows.rows([self._rows.entry(run)], self._context.people.view())[0]

    def _search(self, found: list[Entry], view: PeopleView, wanted: list[str]) -> list[Entry]:
        if not wanted:
            return found
        self._rows.measure(found)
        return [
            entry for entry in found if all(word in self._words(entry, view) for word in wanted)
        ]

    def _words(self, entry: Entry, view: PeopleView) -> str:
        run, progress = entry.run, entry.progress
        parts = [run.name, run.id, progress.framework if progress else run.framework]
        parts += view.state.tags.get(run.id, ())
        parts.append(self._rows.verdict(entry, view).top or "")
        return "\n".join(parts).casefold()

    def _urgency(self, entry: Entry, view: PeopleView) -> tuple[int, ...]:
        counts = self._rows.verdict(entry, view).counts
        return (counts.critical, counts.error, counts.warning, counts.info)

    def _place(self, found: list[Entry], after: str | None) -> int:
        if after is None:
            return 0
        for place, entry in enumerate(found, start=1):
            if entry.run.id == after:
                return place
        raise RunNotFound(
            f"expected the last run of the page before but {after[:100]!r} is not in this list: "
            "read it from the start"
        )


def _progress(entry: Entry) -> tuple[float, int]:
    return (entry.progress.seconds, entry.progress.steps) if entry.progress else (0.0, 0)


def run_detail(context: Context, row: RunRow, described: Described, deck: Deck) -> RunDetail:
    """What is known of one run."""
    run, end, info = described.run, described.end or {}, described.first_info()
    facts = mapping(end.get("run"))
    notes = words(facts.get("notes"), NAMES)
    if row.state == "killed":
        notes.append("the run did not end by itself: shown is what was written until then")
    notes += deck.notes()
    return RunDetail(
        row=row,
        trema=described.trema,
        inputs=maybe_text(facts.get("inputs")) or maybe_text(info.get("inputs")),
        outputs=maybe_text(facts.get("outputs")) or maybe_text(info.get("outputs")),
        overhead=real(facts.get("overhead")),
        segments=described.segments,
        notes=notes,
        epochs=described.thinned_epochs(),
        clear=words(end.get("clear"), NAMES),
        not_assessed=[
            NotAssessed(check=text(item.get("check")), missing=words(item.get("missing")))
            for item in map(mapping, sequence(end.get("not_assessed"), NAMES))
        ],
        failed_checks=_failed(described),
        muted=[*_recorded_mutes(end), *muted_by_people(deck)],
        settings=settings_of(context, run, described, row),
        sources=list(context.sources(run.id)),
    )


def _failed(described: Described) -> list[FailedCheck]:
    if described.end is None:
        return [FailedCheck(check=part, error=error) for part, error in described.failed[:NAMES]]
    return [
        FailedCheck(check=text(item.get("check")), error=text(item.get("error"), 2000))
        for item in map(mapping, sequence(described.end.get("failed_checks"), NAMES))
    ]


def _recorded_mutes(end: Mapping[str, Any]) -> list[MutedFinding]:
    return [
        MutedFinding(
            check=text(item.get("check")),
            where=maybe_text(item.get("where")),
            reason=maybe_text(item.get("reason"), 2000),
            by=text(item.get("by")),
        )
        for item in map(mapping, sequence(end.get("muted"), NAMES))
    ]


def muted_by_people(deck: Deck) -> list[MutedFinding]:
    """The findings of a run that people muted."""
    return [
        MutedFinding(
            check=card.check,
            where=card.layer or card.parameter,
            reason=card.mute.reason or None,
            by="user",
        )
        for card in deck.cards
        if card.mute is not None
    ]
