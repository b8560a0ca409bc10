"""What is kept of runs, as plain data: the one place where the web application, assistants and
exports ask. Each method says what its module does; here they only meet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from trema.api.models import (
    CardPage,
    CellDetail,
    Changes,
    CheckPage,
    Comparison,
    EventPage,
    HeatMap,
    Mute,
    Mutes,
    Network,
    NewMute,
    NewPrune,
    NewTags,
    Pruned,
    RunDetail,
    RunPage,
    RunRow,
    SeriesAnswer,
    SeriesList,
    SourceFile,
    Status,
)
from trema.api.queries.actions import Actions
from trema.api.queries.cards import Deck, Decks, card_page
from trema.api.queries.cell import read_cell
from trema.api.queries.changes import changes_since
from trema.api.queries.checks import check_page, find_check
from trema.api.queries.comparing import Side, check_runs, compare_runs
from trema.api.queries.context import Context, Mode
from trema.api.queries.document import findings_document
from trema.api.queries.events import read_events
from trema.api.queries.heat import read_heat_map
from trema.api.queries.network import read_network
from trema.api.queries.rows import Rows, revision_of
from trema.api.queries.runs import RunList, run_detail
from trema.api.queries.series import list_series, read_series
from trema.api.queries.source import read_source
from trema.core.errors import UsageError
from trema.core.version import __version__
from trema.diagnosis.symptoms import symptom_named
from trema.diagnosis.why import Answer, answer
from trema.store.base import Store

__all__ = ["Queries"]


class Queries:
    """Questions about the runs in a store; many threads may ask at once.

    Parameters
    ----------
    store : the index of the runs
    root : the ``.trema`` folder of a local server; None for a team server
    mode : ``local`` or ``server``
    writable : whether people may mute, tag, archive and delete
    """

    def __init__(
        self,
        store: Store,
        *,
        root: Path | None = None,
        mode: str = "local",
        writable: bool = True,
    ) -> None:
        if mode not in ("local", "server"):
            raise UsageError(f"expected the mode local or server but got {mode!r}")
        self.store = store
        self._context = Context(store, root, cast(Mode, mode), writable)
        self._decks = Decks(self._context)
        self._rows = Rows(self._context, self._decks)
        self._list = RunList(self._context, self._rows)
        self._actions = Actions(self._context, self._rows)

    def status(self) -> Status:
        """The server, but for its problems: those who follow and alert know them."""
        context = self._context
        return Status(
            version=__version__,
            mode=context.mode,
            writable=context.writable,
            folder=str(context.root) if context.root is not None else None,
            revision=self._rows.revision() + context.people.view().number,
            problems=[],
        )

    # runs -----------------------------------------------------------------------------------

    def runs(
        self,
        *,
        after: str | None = None,
        limit: int = 100,
        search: str = "",
        tags: Collection[str] = (),
        states: Collection[str] = (),
        sort: str = "started",
        order: str = "desc",
        archived: bool = False,
    ) -> RunPage:
        """Runs in the order asked for, a page at a time."""
        return self._list.page(
            after=after,
            limit=limit,
            search=search,
            tags=tags,
            states=states,
            sort=sort,
            order=order,
            archived=archived,
        )

    def run(self, run: str) -> RunDetail:
        """One run."""
        deck = self._deck(run)
        described = self._context.described(deck.run)
        return run_detail(self._context, self._list.row(run), described, deck)

    def cards(self, run: str, *, after: int = 0) -> CardPage:
        """Findings that changed since a cursor, and the order of all."""
        return card_page(self._deck(run), after)

    def check(self, id: str) -> CheckPage:
        """One check."""
        return find_check(self._context.checks, id)

    def checks(self) -> list[CheckPage]:
        """All checks."""
        return [check_page(check) for check in self._context.checks.values()]

    # what was recorded ----------------------------------------------------------------------

    def series_list(
        self, run: str, *, facts: Collection[str] = (), after: int = 0, limit: int = 1000
    ) -> SeriesList:
        """The series of a run in order of appearance."""
        return list_series(self._context, run, facts, after, limit)

    def series(
        self,
        run: str,
        keys: Sequence[tuple[str, int]],
        *,
        start: int | None = None,
        end: int | None = None,
        width: int = 1000,
    ) -> SeriesAnswer:
        """Points of series, thinned so that spikes survive."""
        revision = self._revision(run)
        return read_series(self._context, run, keys, revision, start=start, end=end, width=width)

    def network(self, run: str, segment: int = 0) -> Network:
        """The layers of the network and how they connect."""
        deck = self._deck(run)
        sources = self._context.sources(run)
        return read_network(self._context.described(deck.run), segment, deck.cards, sources)

    def heat_map(
        self,
        run: str,
        fact: str,
        *,
        segment: int = 0,
        start: int | None = None,
        end: int | None = None,
        columns: int = 120,
    ) -> HeatMap:
        """A fact by layer and stretch of steps."""
        deck = self._deck(run)
        return read_heat_map(
            self.store,
            self._context.described(deck.run),
            deck.cards,
            fact,
            segment=segment,
            start=start,
            end=end,
            columns=columns,
        )

    def cell(self, run: str, layer: str, step: int, *, segment: int = 0) -> CellDetail:
        """What was observed of one layer near a step."""
        deck = self._deck(run)
        described = self._context.described(deck.run)
        return read_cell(self.store, described, deck.cards, layer, step, segment=segment)

    def source(self, run: str, path: str) -> SourceFile:
        """A file as it was when the run started."""
        return read_source(self._context, run, path, self._deck(run).cards)

    def events(
        self, run: str, *, kinds: Collection[str] = (), after: int = 0, limit: int = 500
    ) -> EventPage:
        """Records of the journal, oldest first."""
        return read_events(self._context, run, kinds, after, limit)

    def document(self, run: str) -> dict[str, Any]:
        """The findings document, for export and assistants."""
        deck = self._deck(run)
        return findings_document(self._list.row(run), self._context.described(deck.run), deck)

    def why(self, run: str, symptom: str | None = None) -> Answer:
        """Why a run shows a symptom, or what is wrong with it.

        Raises
        ------
        UsageError
            For a symptom that does not exist.
        """
        asked = symptom_named(symptom) if symptom is not None else None
        causes = {name: str(check.cause) for name, check in self._context.checks.items()}
        return answer(self.document(run), self._context.relations, causes, asked)

    def compare(self, runs: Sequence[str]) -> Comparison:
        """Runs side by side, the first one being what the others are compared with."""
        check_runs(runs)
        sides = [Side(self.run(run), self._deck(run).cards) for run in runs]
        return compare_runs(self._context, sides)

    # what changed ---------------------------------------------------------------------------

    def changes(self, cursor: str | None) -> Changes:
        """What changed since a cursor."""
        return changes_since(self._context, self._rows, cursor)

    # what people do -------------------------------------------------------------------------

    def mutes(self) -> Mutes:
        """The mutes in force, the newest first."""
        return self._actions.mutes()

    def mute(self, new: NewMute) -> Mute:
        """Silence a finding or a check, in one run or in the project."""
        return self._actions.mute(new)

    def unmute(self, id: str) -> None:
        """Let what was muted speak again."""
        self._actions.unmute(id)

    def tag(self, run: str, new: NewTags) -> RunRow:
        """Give a run these tags in place of those it has."""
        self._actions.tag(run, new)
        return self._list.row(run)

    def archive(self, run: str, archived: bool) -> RunRow:
        """Put a run aside, or take it back."""
        self._actions.archive(run, archived)
        return self._list.row(run)

    def delete(self, run: str) -> None:
        """Delete a run and all that belongs to it."""
        self._actions.delete(run)

    def prune(self, new: NewPrune) -> Pruned:
        """Delete old runs, or only say which."""
        return self._actions.prune(new)

    def _deck(self, run: str) -> Deck:
        return self._decks.of(self.store.run(run))

    def _revision(self, run: str) -> int:
        return revision_of(self._rows.entry(run), self._context.people.view())
