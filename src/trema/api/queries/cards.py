"""Findings as cards: ranked, with what people did to them and where they point."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trema.api.models import (
    Card,
    CardPage,
    EvidenceItem,
    FixItem,
    HistoryPoint,
    LinkSet,
    Moment,
    MuteState,
)
from trema.api.queries.context import Context
from trema.api.queries.people import PeopleView
from trema.api.queries.places import editor_address, place_of
from trema.api.queries.plain import (
    SENTENCES,
    bounded,
    count,
    mapping,
    maybe_text,
    number,
    sequence,
    text,
    web_link,
    whole,
)
from trema.core.facts import Fact
from trema.diagnosis.documents import rank_documents
from trema.journal.user import UserMute
from trema.store.base import Run, SeriesKey, StoredFinding
from trema.store.upserting import digest

EVIDENCE = 20  # items of a card
FIXES = 20
DIFF = 100_000  # characters
TIMES = 1000  # spans and points of the history
CARDS = 2000  # of a run: nobody reads more, and a page that shows them stays quick
#: Findings of which it is told what explains them: that takes time by their number squared.
RANKED = 200
_KEPT = 64  # runs
#: A cursor of cards holds the run's revision and the count of what people did beside it.
_ACTIONS = 2**20


def key_of(finding: StoredFinding) -> str:
    """The identity of a finding in its run."""
    return f"{finding.segment}:{text(finding.id)}"


@dataclass(frozen=True)
class Deck:
    """All cards of a run, the most urgent first, those that are muted last.

    documents : of the findings, in the same order, with rank and explained_by
    left_out : how many findings have no card, because there are too many
    """

    run: Run
    view: PeopleView
    cards: tuple[Card, ...]
    documents: tuple[dict[str, Any], ...]
    left_out: int = 0

    def notes(self) -> list[str]:
        """What to know of the cards, a sentence each."""
        if not self.left_out:
            return []
        return [f"{self.left_out:,} further findings are not shown, only the {CARDS:,} worst"]

    def active(self) -> list[Card]:
        """The cards that count: active and not muted."""
        return [card for card in self.cards if card.state == "active" and card.mute is None]


class Decks:
    """Builds the cards of runs and keeps those last asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[object, Deck]] = OrderedDict()

    def of(self, run: Run) -> Deck:
        """The cards of a run."""
        view = self._context.people.view()
        sources = self._context.sources(run.id)
        # times tell apart a run that was deleted and read again up to the same revision
        stamp = (run.revision, run.started, run.updated, run.state, view.changes(run.id), sources)
        with self._lock:
            known = self._kept.get(run.id)
            if known is not None and known[0] == stamp:
                self._kept.move_to_end(run.id)
                return known[1]
        deck = _deck(self._context, run, view, sources)
        with self._lock:
            self._kept[run.id] = (stamp, deck)
            self._kept.move_to_end(run.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return deck


def card_page(deck: Deck, after: int) -> CardPage:
    """The cards that changed since the cursor: with a new finding also those it explains, and
    all when somebody muted something."""
    seen, actions = divmod(after, _ACTIONS)
    now = deck.view.changes(deck.run.id) % _ACTIONS
    cards = list(deck.cards)
    if after and actions == now:
        changed = {card.key for card in cards if card.revision > seen}
        cards = [
            card for card in cards if card.key in changed or changed.intersection(card.explained_by)
        ]
    return CardPage(
        cards=cards,
        order=[card.key for card in deck.cards],
        revision=deck.run.revision * _ACTIONS + now,
    )


def _deck(context: Context, run: Run, view: PeopleView, sources: Sequence[str]) -> Deck:
    everything = context.store.findings(run.id)  # the worst first
    found = everything[:CARDS]
    muted = {
        key_of(item): mute
        for item in found
        if (mute := view.mute_of(run.id, item.check, item.id)) is not None
    }
    documents = order(context, run, found, muted)
    by_key = {key_of(item): item for item in found}
    series = _series_of(context, run.id, found)
    cards = []
    for rank, document in enumerate(documents, start=1):
        key = f"{document['segment']}:{text(document['id'])}"
        mute = muted.get(key)
        state = _muted(mute) if mute is not None else None
        item = by_key[key]
        kind = getattr(context.checks.get(item.check), "kind", "")
        cards.append(_card(item, document, rank, str(kind), state, series, sources))
    return Deck(run, view, tuple(cards), tuple(documents), len(everything) - len(found))


def order(
    context: Context, run: Run, found: Sequence[StoredFinding], muted: Mapping[str, object]
) -> list[dict[str, Any]]:
    """The documents of findings, the most urgent first; what is muted explains nothing.

    A run that ended has ranked its findings itself.
    """
    documents = {
        key_of(item): {**item.document, "id": item.id, "check": item.check, "segment": item.segment}
        for item in found
    }
    loud = [document for key, document in documents.items() if key not in muted]
    quiet = [document for key, document in documents.items() if key in muted]
    ranks = [document.get("rank") for document in loud]
    if run.state == "running" or quiet or not _ranked(ranks):
        rest = [{**document, "explained_by": []} for document in loud[RANKED:]]
        loud = [*rank_documents(loud[:RANKED], context.relations), *rest]
        loud = [{**document, "rank": rank} for rank, document in enumerate(loud, start=1)]
    else:
        loud.sort(key=lambda document: int(document["rank"]))
    last = len(loud)
    return loud + [
        {**document, "rank": last + rank, "explained_by": []}
        for rank, document in enumerate(quiet, start=1)
    ]


def _ranked(ranks: Sequence[Any]) -> bool:
    known = [rank for rank in ranks if whole(rank) is not None and rank > 0]
    return len(set(known)) == len(ranks)


def _series_of(
    context: Context, run: str, found: Sequence[StoredFinding]
) -> dict[tuple[int, int, str, str], str]:
    """(segment, rank, fact, name) of evidence -> key of its series, where there is one."""
    wanted: dict[str, tuple[int, int, str, str]] = {}
    for item in found:
        rank = min(item.ranks, default=0)
        for evidence in sequence(item.document.get("evidence"), EVIDENCE):
            fact, name = (text(mapping(evidence).get(part)) for part in ("fact", "name"))
            # training has the last word, but metrics are told of where validation goes wrong
            phases = ("train", "validation") if fact == Fact.METRIC else ("validation", "train")
            for phase in phases:
                key = SeriesKey(fact=fact, name=name, phase=phase, segment=item.segment, rank=rank)
                wanted[digest(key)] = (item.segment, rank, fact, name)
    if not wanted:
        return {}
    known = context.store.find_series(run, list(wanted))
    return {wanted[mark]: mark for mark in wanted if mark in known}


def _card(
    finding: StoredFinding,
    document: Mapping[str, Any],
    rank: int,
    kind: str,
    mute: MuteState | None,
    series: Mapping[tuple[int, int, str, str], str],
    sources: Sequence[str],
) -> Card:
    where, links = mapping(document.get("where")), mapping(document.get("links"))
    place = place_of(document.get("location"), sources, editor=links.get("editor"))
    first, last = _moment(document.get("first")), _moment(document.get("last"))
    explained = [
        f"{finding.segment}:{text(cause)}"
        for cause in sequence(document.get("explained_by"))
        if isinstance(cause, str)
    ]
    confirmation = document.get("confirmation")
    reporter = min(finding.ranks, default=0)
    return Card(
        key=key_of(finding),
        id=text(finding.id),
        check=text(finding.check),
        cause=text(finding.cause),
        kind=kind,
        severity=text(finding.severity),
        state=text(finding.state),
        rank=rank,
        explained_by=explained,
        segment=finding.segment,
        ranks=list(finding.ranks),
        title=text(document.get("title"), 1000),
        message=text(document.get("message"), SENTENCES),
        confidence=text(document.get("confidence")) or "possible",
        confirmation=bounded(confirmation) if isinstance(confirmation, Mapping) else None,
        where=bounded(where),
        layer=maybe_text(where.get("layer")),
        parameter=maybe_text(where.get("parameter")),
        location=place,
        first=first,
        last=last,
        count=count(document.get("count"), 1),
        spans=_spans(document.get("spans"), first, last),
        history=[_point(item) for item in sequence(document.get("history"), TIMES)],
        evidence=[
            _evidence(mapping(item), finding.segment, reporter, series)
            for item in sequence(document.get("evidence"), EVIDENCE)
        ],
        fixes=[_fix(mapping(item)) for item in sequence(document.get("fixes"), FIXES)],
        links=LinkSet(
            documentation=web_link(links.get("documentation")),
            search=web_link(links.get("search")),
            editor=editor_address(links.get("editor")),
        ),
        mute=mute,
        revision=finding.revision,
    )


def _muted(mute: UserMute) -> MuteState:
    return MuteState(
        id=mute.id,
        scope="project" if mute.run is None else "run",
        reason=text(mute.reason, 2000),
        time=mute.time,
    )


def _moment(value: Any) -> Moment:
    data = mapping(value)
    return Moment(step=whole(data.get("step")), epoch=whole(data.get("epoch")))


def _spans(value: Any, first: Moment, last: Moment) -> list[tuple[int, int]]:
    spans = [
        (begin, end)
        for item in sequence(value, TIMES)
        if len(pair := sequence(item)) == 2
        and (begin := whole(pair[0])) is not None
        and (end := whole(pair[1])) is not None
    ]
    if spans or first.epoch is None:
        return spans
    return [(first.epoch, last.epoch if last.epoch is not None else first.epoch)]


def _point(item: Any) -> HistoryPoint:
    data = mapping(item)
    return HistoryPoint(
        epoch=whole(data.get("epoch")),
        step=whole(data.get("step")),
        value=number(data.get("value")),
    )


def _evidence(
    item: Mapping[str, Any],
    segment: int,
    rank: int,
    series: Mapping[tuple[int, int, str, str], str],
) -> EvidenceItem:
    fact, name = text(item.get("fact")), text(item.get("name"))
    return EvidenceItem(
        fact=fact,
        name=name,
        value=number(item.get("value")),
        limit=number(item.get("limit")),
        unit=text(item.get("unit")),
        step=whole(item.get("step")),
        key=series.get((segment, rank, fact, name)),
    )


def _fix(item: Mapping[str, Any]) -> FixItem:
    return FixItem(
        text=text(item.get("text"), SENTENCES),
        caution=maybe_text(item.get("caution"), SENTENCES),
        diff=maybe_text(item.get("diff"), DIFF),
    )
