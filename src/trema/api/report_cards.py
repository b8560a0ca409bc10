"""Findings of a report: what was seen, where, why it matters and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trema.api.models import Card, CheckPage, EvidenceItem, Place, Snippet, SourceFile
from trema.api.report_plots import severity, shape
from trema.api.report_text import block, esc, figure, link, paragraphs, prose

_AROUND = 4  # lines before and after the place
_MOST_LINES = 40
_FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras"}


@dataclass(frozen=True)
class Known:
    """What cards of one run need to be shown."""

    framework: str
    numbers: Mapping[str, int]  # key of a card -> number in the report
    titles: Mapping[str, str]
    checks: Mapping[str, CheckPage]
    sources: Mapping[str, SourceFile]
    plots: Mapping[str, str] = field(default_factory=dict)  # key of a card -> figure


def card_html(card: Card, known: Known) -> str:
    """One finding."""
    kind = severity(card)
    number = known.numbers[card.key]
    head = (
        f'<header><span class="kind">{shape(kind)}{esc(card.severity)}</span>'
        f"<h3>{number}. {prose(card.title, 300)}</h3>{_chips(card)}</header>"
    )
    left = _fixes(card) + _excerpt(card.location, known)
    right = _evidence(card) + known.plots.get(card.key, "")
    return (
        f'<article class="card s-{kind}" id="finding-{number}">{head}'
        f'<p class="message">{prose(card.message)}</p>{_meta(card)}{_explained(card, known)}'
        f'{_muted(card)}<div class="columns"><div>{left}</div><div>{right}</div></div>'
        f"{_theory(known.checks.get(card.check), known.framework)}{_links(card)}</article>"
    )


def _chips(card: Card) -> str:
    names = [card.cause, *(["no longer seen"] if card.state == "gone" else [])]
    if card.confirmation and card.confirmation.get("verdict"):
        names.append(f"{card.confirmation['verdict']} by experiment")
    return "".join(f'<em class="chip">{esc(name, 60)}</em>' for name in names if name)


def _meta(card: Card) -> str:
    first, last = card.first.epoch, card.last.epoch
    if first is None:
        when = "before training"
    elif last is None or first == last:
        when = f"epoch {first}"
    else:
        when = f"epochs {first} to {last}"
    if card.first.step is not None:
        when += f", first at step {card.first.step:,}"
    parts = [
        f"seen {when}, {card.count:,} time{'s' * (card.count != 1)}",
        f"confidence: {esc(card.confidence, 40)}" if card.confidence else "",
        f"check: <code>{esc(card.check, 80)}</code>",
        f"layer: <code>{esc(card.layer, 120)}</code>" if card.layer else "",
        f"parameter: <code>{esc(card.parameter, 120)}</code>" if card.parameter else "",
        f"ranks: {', '.join(map(str, card.ranks[:16]))}" if len(card.ranks) > 1 else "",
        f"part {card.segment + 1}" if card.segment else "",
    ]
    return f'<p class="meta">{"".join(f"<span>{part}</span>" for part in parts if part)}</p>'


def _explained(card: Card, known: Known) -> str:
    causes = [key for key in card.explained_by if key in known.numbers]
    if not causes:
        return ""
    named = ", ".join(
        f'<a href="#finding-{known.numbers[key]}">{known.numbers[key]}. '
        f"{esc(known.titles[key], 200)}</a>"
        for key in causes
    )
    return f'<p class="note">Explained by {named}: fix that first.</p>'


def _muted(card: Card) -> str:
    if card.mute is None:
        return ""
    reason = f": {esc(card.mute.reason)}" if card.mute.reason else ""
    return f'<p class="note">Muted for this {esc(card.mute.scope)}{reason}</p>'


def _evidence(card: Card) -> str:
    if not card.evidence:
        return ""
    rows = "".join(_measured(item) for item in card.evidence)
    return (
        '<h4>Measured</h4><div class="table"><table><tr><th>fact</th><th class="number">value</th>'
        f'<th class="number">limit</th><th class="number">step</th></tr>{rows}</table></div>'
    )


def _measured(item: EvidenceItem) -> str:
    name = f" of <code>{esc(item.name, 120)}</code>" if item.name else ""
    unit = f" {esc(item.unit, 40)}" if item.unit else ""
    step = "–" if item.step is None else f"{item.step:,}"
    return (
        f"<tr><td>{esc(item.fact, 120)}{name}</td>"
        f'<td class="number">{figure(item.value)}{unit if item.value is not None else ""}</td>'
        f'<td class="number">{figure(item.limit)}{unit if item.limit is not None else ""}</td>'
        f'<td class="number">{step}</td></tr>'
    )


def _fixes(card: Card) -> str:
    if not card.fixes:
        return ""
    items = []
    for fix in card.fixes:
        caution = f'<br><span class="caution">{prose(fix.caution)}</span>' if fix.caution else ""
        diff = _diff(fix.diff) if fix.diff else ""
        items.append(f"<li>{prose(fix.text)}{caution}{diff}</li>")
    return f'<h4>What helps, the cheapest first</h4><ol class="fixes">{"".join(items)}</ol>'


def _diff(text: str) -> str:
    def kind(line: str) -> str:
        changed = line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
        return f' class="{"add" if line[0] == "+" else "cut"}"' if changed else ""

    lines = text[:8000].splitlines()
    return f'<pre class="diff">{"".join(f"<span{kind(x)}>{block(x)}</span>" for x in lines)}</pre>'


def _links(card: Card) -> str:
    places = (
        link(card.links.documentation, "Documentation"),
        link(card.links.search, "Search Stack Overflow"),
    )
    shown = " · ".join(filter(None, places))
    return f'<p class="meta" style="margin-top:12px">{shown}</p>' if shown else ""


# source -----------------------------------------------------------------------------------


def _excerpt(place: Place | None, known: Known) -> str:
    if place is None:
        return ""
    cell = f"cell {place.cell}" if place.cell is not None else esc(place.file, 300)
    head = f"<h4>{cell}, line {place.line:,}</h4>"
    source = known.sources.get(place.source or "")
    lines = source.text.splitlines() if source else []
    if not 0 < place.line <= len(lines):
        return head
    last = min(max(place.line, place.end_line or place.line), place.line + _MOST_LINES)
    first = max(1, place.line - _AROUND)
    shown = range(first, min(len(lines), last + _AROUND) + 1)
    rows = "".join(_line(lines[n - 1], n, place, n in range(place.line, last + 1)) for n in shown)
    return f'{head}<pre><code class="source" style="background:none;padding:0">{rows}</code></pre>'


def _line(text: str, number: int, place: Place, hit: bool) -> str:
    text = text[:400]
    kind = ' class="hit"' if hit else ""
    return (
        f"<span{kind}><i>{number}</i>{_marked(text, number, place) if hit else block(text)}</span>"
    )


def _marked(text: str, number: int, place: Place) -> str:
    indent = len(text) - len(text.lstrip())
    start = place.column - 1 if place.column and number == place.line else indent
    end = len(text)
    if place.end_column and number == (place.end_line or place.line):
        end = place.end_column - 1
    if place.column is None or not 0 <= start < end <= len(text):
        return block(text)
    return f"{block(text[:start])}<b>{block(text[start:end])}</b>{block(text[end:])}"


# theory -----------------------------------------------------------------------------------


def _theory(check: CheckPage | None, framework: str) -> str:
    if check is None:
        return ""
    parts = [paragraphs(check.theory)]
    if check.may_be_wrong:
        parts.append(f"<h4>May be wrong when</h4>{paragraphs(check.may_be_wrong)}")
    bad, good = _snippets(check.bad, framework), _snippets(check.good, framework)
    if bad or good:
        parts.append(
            f'<div class="columns"><div><h4>Bad</h4>{bad}</div><div><h4>Good</h4>{good}</div></div>'
        )
    return f"<details><summary>Why it matters</summary>{''.join(parts)}</details>"


def _snippets(snippets: list[Snippet], framework: str) -> str:
    own = [item for item in snippets if item.framework == framework] or snippets
    return "".join(
        f"<pre>{block(item.code, 8000)}</pre>"
        if len(own) == 1
        else f'<p class="caution">{esc(_FRAMEWORKS.get(item.framework, item.framework))}</p>'
        f"<pre>{block(item.code, 8000)}</pre>"
        for item in own
    )
