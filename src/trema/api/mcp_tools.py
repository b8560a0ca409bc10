"""What an assistant can ask: each method is one tool, its docstring is what the assistant reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from trema.api.mcp_answers import (
    CheckAnswer,
    CompareAnswer,
    FactAnswer,
    FactList,
    FindingList,
    Missing,
    RunAnswer,
    RunList,
    SourceAnswer,
    WhyAnswer,
)
from trema.api.mcp_compare import compare
from trema.api.mcp_facts import facts_over_time, list_series
from trema.api.mcp_finding import Asked, find_run
from trema.api.mcp_shaping import (
    SENTENCES,
    finding_line,
    network_line,
    run_line,
    some,
    word,
    words,
)
from trema.api.mcp_source import read_source
from trema.api.mcp_why import chain, of_symptom
from trema.api.models import Card, CheckPage, Snippet
from trema.api.queries import Queries
from trema.core.diagnosis import Severity
from trema.core.errors import UsageError
from trema.core.text import harmless, harmless_block
from trema.diagnosis.symptoms import SYMPTOMS

Level = Literal["critical", "error", "warning", "info"]
Run = Annotated[
    str, Field(description="id, name, unique beginning of an id, or `last`", max_length=255)
]
Words = Annotated[str, Field(max_length=255)]
Count = Annotated[int, Field(ge=0, le=2**53)]
_LEVELS = list(map(str, Severity))


class Tools:
    """The tools, over one store."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_runs(
        self,
        search: Annotated[
            Words, Field(description="words in name, id, tags or finding to fix first")
        ] = "",
        state: Annotated[
            Literal["", "running", "finished", "crashed", "interrupted", "killed"],
            Field(description="only runs in this state"),
        ] = "",
        after: Annotated[Words, Field(description="`next` of the page before")] = "",
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> RunList:
        """Training runs, the newest first: state, length, findings by severity, what to fix
        first and how the main metric went. Start here."""
        page = self._queries.runs(
            search=search, states=(state,) if state else (), after=after or None, limit=limit
        )
        return RunList(runs=list(map(run_line, page.runs)), total=page.total, next=page.next)

    def get_run(self, run: Run = "last") -> RunAnswer:
        """One run: settings (optimizer, learning rate, loss, versions), network with shapes and
        parameter counts, which checks are clear, which could not be assessed and why."""
        id = find_run(self._queries, run)
        detail = self._queries.run(id)
        return RunAnswer(
            run=run_line(detail.row),
            inputs=some(detail.inputs),
            outputs=some(detail.outputs),
            segments=detail.segments,
            trema_overhead=detail.overhead,
            notes=[harmless(note, 400) for note in detail.notes[:20]],
            settings={
                word(name): harmless(value, 300)
                for name, value in list(detail.settings.items())[:100]
            },
            clear=words(detail.clear, 200),
            not_assessed=[
                Missing(check=word(item.check), missing=words(item.missing, 10))
                for item in detail.not_assessed[:100]
            ],
            failed_checks={
                word(item.check): harmless(item.error, 300) for item in detail.failed_checks[:50]
            },
            sources=[harmless(path, 300) for path in detail.sources[:100]],
            network=network_line(self._queries.network(id)),
        )

    def get_findings(
        self,
        run: Run = "last",
        severity: Annotated[
            Level, Field(description="only findings of this severity or worse")
        ] = "info",
        cause: Annotated[
            Words, Field(description="only of this cause, such as data, loss or learning-rate")
        ] = "",
        state: Annotated[
            Literal["active", "gone", "all"], Field(description="gone: it stopped occurring")
        ] = "active",
        after: Annotated[Words, Field(description="`next` of the page before")] = "",
        limit: Annotated[int, Field(ge=1, le=20)] = 10,
    ) -> FindingList:
        """What Trema found wrong in a run, what to fix first on top: message with numbers, what
        was measured against which limit, place in the source, fixes with diffs, how sure it is.
        `measured` is a fact, `likely` and `possible` are hints to verify."""
        id = find_run(self._queries, run)
        chosen = [card for card in self._cards(id) if _fits(card, severity, cause, state)]
        begin = _place(chosen, after)
        shown = chosen[begin : begin + limit]
        asked = Asked(self._queries, id)
        return FindingList(
            run=id,
            state=word(self._queries.run(id).row.state),
            findings=[finding_line(card, asked.line) for card in shown],
            total=len(chosen),
            next=shown[-1].key if begin + len(shown) < len(chosen) else None,
        )

    def why(
        self,
        finding: Annotated[
            Words,
            Field(description="key of a finding, or loss-nan, not-learning or overfitting"),
        ],
        run: Run = "last",
    ) -> WhyAnswer:
        """Why a finding or a symptom is there: the findings that explain it, what explains those,
        down to the causes that nothing explains, each with evidence and place."""
        id = find_run(self._queries, run)
        if finding in SYMPTOMS:
            asked = Asked(self._queries, id).line
            return of_symptom(id, self._cards(id), self._queries.why(id, finding), asked)
        return chain(id, self._cards(id), finding, Asked(self._queries, id).line)

    def list_facts(
        self,
        run: Run = "last",
        search: Annotated[Words, Field(description="part of a fact or a name")] = "",
        after: Annotated[Count, Field(description="`next` of the page before")] = 0,
    ) -> FactList:
        """Which facts were observed, and for which layers, parameters or metrics: losses, gradient
        and weight norms, activation statistics, learning rates, metrics by epoch, what the
        program logs itself by step (fact log) …"""
        return list_series(self._queries, find_run(self._queries, run), search, after)

    def get_facts(
        self,
        fact: Annotated[Words, Field(description="such as metric, loss, log or gradient-norm")],
        run: Run = "last",
        name: Annotated[
            str | None,
            Field(description="layer, parameter or metric; null for all", max_length=255),
        ] = None,
        phase: Annotated[
            Literal["", "train", "validation"], Field(description="empty for both")
        ] = "",
        segment: Annotated[Count | None, Field(description="null for all")] = None,
        start: Annotated[Count | None, Field(description="first step or epoch")] = None,
        end: Annotated[Count | None, Field(description="last step or epoch")] = None,
        points: Annotated[int, Field(ge=2, le=200, description="at most, of each series")] = 60,
    ) -> FactAnswer:
        """A fact over time, of one name or of the first eight. Long series are thinned: then `low`
        and `high` are the extremes of the stretch that each step stands for, so that spikes show.
        "nan", "inf" and "-inf" stand for values that are not finite."""
        id = find_run(self._queries, run)
        return facts_over_time(
            self._queries,
            id,
            fact,
            name=name,
            phase=phase,
            segment=segment,
            start=start,
            end=end,
            points=points,
        )

    def get_source(
        self,
        run: Run = "last",
        path: Annotated[str, Field(description="one of the run's sources", max_length=1000)] = "",
        finding: Annotated[Words, Field(description="key of a finding, instead of a path")] = "",
        line: Annotated[Count, Field(description="line to show, from 1")] = 0,
        around: Annotated[int, Field(ge=0, le=100, description="lines before and after")] = 20,
    ) -> SourceAnswer:
        """The source as it was when the run started, which may differ from the file now: around a
        finding or a line, or from the top; with the lines that findings point at."""
        id = find_run(self._queries, run)
        cards = self._cards(id) if finding else []
        return read_source(self._queries, id, cards, path, finding, line, around)

    def compare_runs(self, first: Run, second: Run) -> CompareAnswer:
        """Two runs: findings that appeared, went or remain from the first to the second (did a
        fix work?), settings that differ, last values of metrics, difference of the source."""
        runs = [find_run(self._queries, run) for run in (first, second)]
        return compare(self._queries, runs)

    def explain_check(
        self, check: Annotated[Words, Field(description="such as learning-rate-range")]
    ) -> CheckAnswer:
        """What a check looks for, why it matters, when it may be wrong, code with the mistake and
        without it. A general text: what a run did is told by get_findings."""
        return check_answer(self._queries.check(check))

    def _cards(self, run: str) -> Sequence[Card]:
        page = self._queries.cards(run)
        by_key = {card.key: card for card in page.cards}
        return [by_key[key] for key in page.order if key in by_key]


def _fits(card: Card, severity: str, cause: str, state: str) -> bool:
    known = card.severity in _LEVELS
    bad = known and _LEVELS.index(card.severity) <= _LEVELS.index(severity)
    return (
        (bad or severity == "info")
        and (not cause or card.cause == cause)
        and state in ("all", card.state)
    )


def _place(cards: Sequence[Card], after: str) -> int:
    if not after:
        return 0
    for place, card in enumerate(cards, start=1):
        if card.key == after:
            return place
    raise UsageError(f"expected the last finding of a page but got {after[:100]!r}: start anew")


def check_answer(page: CheckPage) -> CheckAnswer:
    """The page of a check."""

    def code(snippets: Sequence[Snippet]) -> dict[str, str]:
        return {word(item.framework): harmless_block(item.code, 4000) for item in snippets[:10]}

    return CheckAnswer(
        id=page.id,
        title=harmless(page.title, 300),
        cause=word(page.cause),
        severity=word(page.severity),
        kind=word(page.kind),
        theory=harmless_block(page.theory, 4 * SENTENCES),
        may_be_wrong=harmless_block(page.may_be_wrong, 2 * SENTENCES),
        bad=code(page.bad),
        good=code(page.good),
        needs=words(page.needs, 50),
        thresholds={
            word(name): harmless(value, 200) for name, value in list(page.thresholds.items())[:50]
        },
    )
