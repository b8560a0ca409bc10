"""From what queries answer to what an assistant is told: harmless text, bounded lengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from trema.api.mcp_answers import (
    EvidenceLine,
    FindingLine,
    FixLine,
    LayerLine,
    MetricLine,
    NetworkLine,
    PlaceLine,
    RunLine,
)
from trema.api.models import Card, EvidenceItem, LayerNode, Network, Number, Place, RunRow
from trema.core.text import harmless, harmless_block

WORD, SENTENCES, DIFF = 160, 1200, 4000  # characters
_LAYERS = 60
#: Gives the text of a line of a source file, None when it is not kept.
LineOf = Callable[[str, int], str | None]


def word(value: object) -> str:
    """A name."""
    return harmless(value, WORD)


def some(value: object | None, limit: int = WORD) -> str | None:
    """A text, None when there is none."""
    return harmless(value, limit) if value else None


def words(values: Iterable[object], most: int) -> list[str]:
    """The first names."""
    return [word(value) for value, _ in zip(values, range(most), strict=False)]


def moment(seconds: float) -> str:
    """A point in time, UTC; empty when it is not known."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""


def rounded(value: Number | None) -> Number | None:
    """A number with six digits; more would only cost an assistant's attention."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(f"{value:.6g}")


def numbers(values: Sequence[Number]) -> list[Number]:
    """Numbers with six digits."""
    return [shown for value in values if (shown := rounded(value)) is not None]


def run_line(row: RunRow) -> RunLine:
    """One run."""
    counts = row.counts.model_dump()
    return RunLine(
        id=row.id,
        name=word(row.name),
        framework=word(row.framework),
        state=word(row.state),
        exit_code=row.exit_code,
        started=moment(row.started),
        seconds=round(row.seconds, 1),
        steps=row.steps,
        epochs=row.epochs,
        findings={severity: number for severity, number in counts.items() if number},
        fix_first=some(row.top, 300),
        main_metric=_metric(row),
        tags=words(row.tags, 32),
    )


def _metric(row: RunRow) -> MetricLine | None:
    line = row.sparkline
    if line is None or not line.values:
        return None
    finite = [value for value in map(float, line.values) if math.isfinite(value)]
    return MetricLine(
        name=word(line.metric),
        phase=word(line.phase),
        first=rounded(line.values[0]),
        last=rounded(line.values[-1]),
        lowest=rounded(min(finite)) if finite else None,
        highest=rounded(max(finite)) if finite else None,
    )


def evidence_line(item: EvidenceItem) -> EvidenceLine:
    """What was measured."""
    return EvidenceLine(
        fact=word(item.fact),
        name=word(item.name),
        value=rounded(item.value),
        limit=rounded(item.limit),
        unit=word(item.unit),
        step=item.step,
    )


def place_line(place: Place | None, line_of: LineOf) -> PlaceLine | None:
    """Where it is."""
    if place is None:
        return None
    text = line_of(place.source, place.line) if place.source else None
    return PlaceLine(
        file=harmless(f"cell {place.cell}" if place.cell is not None else place.file, 300),
        line=place.line,
        column=place.column,
        end_line=place.end_line,
        code=None if text is None else harmless(text, 300),
        source=some(place.source, 1000),
    )


def finding_line(card: Card, line_of: LineOf) -> FindingLine:
    """One finding."""
    verdict = (card.confirmation or {}).get("verdict")
    return FindingLine(
        key=card.key,
        rank=card.rank,
        check=word(card.check),
        title=harmless(card.title, 300),
        message=harmless(card.message, SENTENCES),
        cause=word(card.cause),
        severity=word(card.severity),
        confidence=word(card.confidence),
        confirmed=some(verdict),
        state=word(card.state),
        segment=card.segment,
        layer=some(card.layer),
        parameter=some(card.parameter),
        place=place_line(card.location, line_of),
        first_epoch=card.first.epoch,
        last_epoch=card.last.epoch,
        first_step=card.first.step,
        count=card.count,
        evidence=[evidence_line(item) for item in card.evidence[:10]],
        fixes=[
            FixLine(
                text=harmless(fix.text, SENTENCES),
                caution=some(fix.caution, 400),
                diff=harmless_block(fix.diff, DIFF) if fix.diff else None,
            )
            for fix in card.fixes[:6]
        ],
        explained_by=card.explained_by[:20],
        muted=None if card.mute is None else harmless(card.mute.reason, 300),
        documentation=some(card.links.documentation, 500),
    )


def network_line(network: Network) -> NetworkLine | None:
    """The network; unused layers and those with findings come first when not all fit."""
    if not network.layers:
        return None
    telling = {node.name for node in network.layers if node.findings or not node.used}
    chosen = network.layers
    if len(chosen) > _LAYERS:
        chosen = sorted(chosen, key=lambda node: node.name not in telling)[:_LAYERS]
    return NetworkLine(
        parameters=network.parameters,
        trainable=network.trainable,
        loss=some(network.loss),
        optimizers=words(network.optimizers, 10),
        layers=[_layer(node) for node in chosen],
        layers_left_out=len(network.layers) - len(chosen),
    )


def _layer(node: LayerNode) -> LayerLine:
    return LayerLine(
        name=word(node.name),
        kind=word(node.kind),
        class_name=word(node.class_name),
        shape=node.shape[:10] if node.shape is not None else None,
        parameters=node.parameters,
        trainable=node.trainable,
        used=node.used,
        findings=node.findings[:20],
    )
