"""Two runs side by side for an assistant: only what differs, and what became of the findings."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.mcp_answers import (
    CompareAnswer,
    ComparedLine,
    ComparedMetric,
    ComparedSource,
    SettingLine,
)
from trema.api.mcp_shaping import DIFF, rounded, run_line, some, word
from trema.api.queries import Queries
from trema.core.text import harmless, harmless_block

_FINDINGS, _SETTINGS, _METRICS, _SOURCES = 60, 60, 60, 6


def compare(queries: Queries, runs: Sequence[str]) -> CompareAnswer:
    """What differs from the first run to the second."""
    found = queries.compare(runs)
    settings = [item for item in found.settings if not item.same]
    sources = [item for item in found.sources if item.status != "same"]
    lists: tuple[tuple[Sequence[object], int], ...] = (
        (found.findings, _FINDINGS),
        (settings, _SETTINGS),
        (found.metrics, _METRICS),
        (sources, _SOURCES),
    )
    return CompareAnswer(
        runs=[run_line(row) for row in found.runs],
        findings=[
            ComparedLine(
                verdict=item.verdict,
                severity=word(item.severity),
                title=harmless(item.title, 300),
                check=word(item.check),
                states=list(item.states),
                keys=item.keys,
            )
            for item in found.findings[:_FINDINGS]
        ],
        settings=[
            SettingLine(name=word(item.name), values=[some(value, 300) for value in item.values])
            for item in settings[:_SETTINGS]
        ],
        metrics=[
            ComparedMetric(
                name=word(item.name),
                phase=word(item.phase),
                axis=item.axis,
                last=[rounded(value) for value in item.last],
            )
            for item in found.metrics[:_METRICS]
        ],
        sources=[
            ComparedSource(
                path=harmless(item.path, 300),
                status=item.status,
                diff=harmless_block(item.diff, DIFF),
            )
            for item in sources[:_SOURCES]
        ],
        left_out=sum(max(0, len(items) - most) for items, most in lists),
    )
