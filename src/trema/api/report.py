"""A run as one HTML page that needs no server, no script and no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trema.api.models import Card, CheckPage, RunDetail, SourceFile
from trema.api.queries import Queries
from trema.api.report_cards import Known, card_html
from trema.api.report_curves import curves, evidence_plots
from trema.api.report_plots import SHAPES, severity, shape, timeline
from trema.api.report_style import stylesheet
from trema.api.report_text import esc, figure, moment, plural, prose, span
from trema.core.errors import TremaError
from trema.core.version import __version__

#: No script, no request: only the style in the page.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CARDS = 200  # findings that are shown whole
_ICON = (
    '<svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" '
    'height="32" rx="7" fill="#12343b"/><circle cx="10" cy="9" r="3.4" fill="#f2b134"/><circle '
    'cx="22" cy="9" r="3.4" fill="#f2b134"/><path d="M6 24c4 0 5-8 10-8s5 5 10 5" fill="none" '
    'stroke="#e9f3f2" stroke-width="2.6" stroke-linecap="round"/></svg>'
)


def report(queries: Queries, run: str) -> Iterator[str]:
    """The page of a run, in parts.

    Raises
    ------
    RunNotFound
        When there is no such run; before the first part.
    """
    detail = queries.run(run)
    page = queries.cards(run)
    by_key = {card.key: card for card in page.cards}
    cards = [by_key[key] for key in page.order if key in by_key]
    cards.sort(key=lambda card: card.mute is not None)  # muted ones last, else as they are ranked
    known = _known(queries, detail, cards[:_CARDS])
    yield _head(detail)
    yield _summary(detail, cards)
    yield from _timelines(detail, cards[:_CARDS], known)
    yield from curves(queries, run, cards[:_CARDS])
    yield from _findings(cards, known)
    yield _settings(detail)
    yield _coverage(detail)
    yield _FOOT


def _known(queries: Queries, detail: RunDetail, cards: Sequence[Card]) -> Known:
    run = detail.row.id
    places = (card.location.source for card in cards if card.location)
    wanted = dict.fromkeys(place for place in places if place)
    return Known(
        framework=detail.row.framework,
        numbers={card.key: number for number, card in enumerate(cards, start=1)},
        titles={card.key: card.title for card in cards},
        checks=dict(_checks(queries, cards)),
        sources=dict(_sources(queries, run, wanted)),
        plots=evidence_plots(queries, run, cards),
    )


def _checks(queries: Queries, cards: Sequence[Card]) -> Iterator[tuple[str, CheckPage]]:
    for name in {card.check for card in cards}:
        try:
            yield name, queries.check(name)
        except TremaError:  # a check of a plug-in that is not installed here
            continue


def _sources(
    queries: Queries, run: str, paths: dict[str, None]
) -> Iterator[tuple[str, SourceFile]]:
    for path in paths:
        try:
            yield path, queries.source(run, path)
        except TremaError:
            continue


# head -------------------------------------------------------------------------------------


def _head(detail: RunDetail) -> str:
    row = detail.row
    name = esc(row.name, 200)
    kind = " → ".join(filter(None, (detail.inputs, detail.outputs)))
    facts = [
        moment(row.started),
        span(row.seconds),
        plural(row.epochs, "epoch"),
        plural(row.steps, "step"),
        esc(row.framework, 60),
        esc(kind, 120),
        f"on {esc(row.host, 100)}" if row.host else "",
        f"Trema took {figure(100 * detail.overhead)} % of the time" if detail.overhead else "",
        *(f"tag: {esc(tag, 64)}" for tag in row.tags[:32]),
    ]
    state = row.state if row.state.isalpha() else ""
    code = f" with code {row.exit_code}" if row.exit_code else ""
    notes = "".join(f'<p class="note">{prose(note)}</p>' for note in detail.notes[:20])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{name} · Trema</title><style>{stylesheet()}</style></head><body>"
        f'<header><div class="brand">{_ICON}Trema {__version__}: report of a training run</div>'
        f'<h1>{name} <em class="chip {esc(state, 20)}">{esc(row.state, 40)}{code}</em></h1>'
        f'<div class="facts">{"".join(f"<span>{fact}</span>" for fact in facts if fact)}</div>'
        f"{notes}</header><main>"
    )


def _summary(detail: RunDetail, cards: Sequence[Card]) -> str:
    shown = [card for card in cards if card.mute is None and card.state != "gone"]
    counts = {kind: sum(severity(card) == kind for card in shown) for kind in SHAPES}
    chips = "".join(
        f'<span class="soft-{kind}">{shape(kind)}<b>{number}</b> {kind}</span>'
        for kind, number in counts.items()
        if number
    )
    if not chips:
        looked = plural(len(detail.clear), "check")
        chips = f'<span class="panel">Nothing found: {looked} clear.</span>'
    return f'<div class="counts">{chips}</div>'


# findings ---------------------------------------------------------------------------------


def _timelines(detail: RunDetail, cards: Sequence[Card], known: Known) -> Iterator[str]:
    if not cards:
        return
    yield "<h2>When it was seen</h2>"
    segments = sorted({card.segment for card in cards})
    for segment in segments:
        own = [card for card in cards if card.segment == segment]
        ends = [mark.epoch + 1 for mark in detail.epochs if mark.segment == segment]
        name = f"<h3>Part {segment + 1}</h3>" if len(segments) > 1 else ""
        rows = timeline(own, max(ends, default=1), dict(known.numbers))
        yield f'<div class="panel">{name}{rows}</div>'


def _findings(cards: Sequence[Card], known: Known) -> Iterator[str]:
    if not cards:
        return
    yield "<h2>Findings, what to fix first on top</h2>"
    for card in cards[:_CARDS]:
        yield card_html(card, known)
    if len(cards) > _CARDS:
        yield f'<p class="soft">{len(cards) - _CARDS} further findings are left out.</p>'


def _settings(detail: RunDetail) -> str:
    if not detail.settings:
        return ""
    items = "".join(
        f"<div><dt>{esc(name, 120)}</dt><dd>{esc(value, 400)}</dd></div>"
        for name, value in list(detail.settings.items())[:200]
    )
    return f'<h2>Settings</h2><dl class="panel">{items}</dl>'


def _coverage(detail: RunDetail) -> str:
    parts = []
    if detail.clear:
        names = ", ".join(f"<code>{esc(name, 80)}</code>" for name in detail.clear[:500])
        parts.append(f"<h4>Clear ({len(detail.clear)})</h4><p>{names}</p>")
    if detail.not_assessed:
        items = "".join(
            f"<li><code>{esc(item.check, 80)}</code>, without "
            f"{esc(', '.join(item.missing[:20]) or 'the facts it needs', 500)}</li>"
            for item in detail.not_assessed[:500]
        )
        parts.append(f"<h4>Not assessed ({len(detail.not_assessed)})</h4><ul>{items}</ul>")
    if detail.failed_checks:
        items = "".join(
            f"<li><code>{esc(item.check, 80)}</code>: {esc(item.error, 500)}</li>"
            for item in detail.failed_checks[:100]
        )
        parts.append(f"<h4>Failed inside Trema</h4><ul>{items}</ul>")
    if detail.muted:
        items = "".join(
            f"<li><code>{esc(item.check, 80)}</code>"
            f"{' at ' + esc(item.where, 200) if item.where else ''}"
            f"{': ' + esc(item.reason, 500) if item.reason else ''} (by {esc(item.by, 40)})</li>"
            for item in detail.muted[:200]
        )
        parts.append(f"<h4>Muted while it ran</h4><ul>{items}</ul>")
    return f'<h2>What was looked for</h2><div class="panel">{"".join(parts)}</div>' if parts else ""


_FOOT = (
    f"</main><footer>Made by Trema {esc(__version__)}, the debugger for the training of neural "
    "networks. This page holds all it shows and loads nothing.</footer></body></html>\n"
)
