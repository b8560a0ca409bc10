"""From a finding to its causes: the chain of what explains what."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.mcp_answers import WhyAnswer, WhyStep
from trema.api.mcp_shaping import SENTENCES, LineOf, evidence_line, place_line, word
from trema.api.models import Card
from trema.core.errors import UsageError
from trema.core.text import harmless

_STEPS = 20  # of a chain


def chain(run: str, cards: Sequence[Card], key: str, line_of: LineOf) -> WhyAnswer:
    """The finding, then what explains it, and so on; each finding once.

    Raises
    ------
    UsageError
        When the run has no such finding.
    """
    by_key = {card.key: card for card in cards}
    begin = find(cards, key)
    reached = [begin]
    for card in reached:  # grows while it is read
        new = (by_key[cause] for cause in card.explained_by if cause in by_key)
        reached += [cause for cause in new if cause not in reached][: _STEPS - len(reached)]
    root = [c for c in reached if not any(cause in by_key for cause in c.explained_by)]
    return WhyAnswer(
        run=run,
        finding=begin.key,
        chain=[_step(card, line_of) for card in reached],
        root=[card.key for card in root],
        explains=[card.key for card in cards if begin.key in card.explained_by][:_STEPS],
        summary=_summary(begin, root),
    )


def find(cards: Sequence[Card], key: str) -> Card:
    """The finding of this key, or the only one whose id or check it is.

    Raises
    ------
    UsageError
        When there is none, or more than one.
    """
    for card in cards:
        if card.key == key:
            return card
    like = [card for card in cards if key in (card.id, card.check)]
    if len(like) != 1:
        keys = ", ".join(card.key for card in (like or cards)[:10]) or "none"
        raise UsageError(f"expected the key of a finding but got {key[:100]!r}: there are {keys}")
    return like[0]


def _step(card: Card, line_of: LineOf) -> WhyStep:
    return WhyStep(
        key=card.key,
        title=harmless(card.title, 300),
        message=harmless(card.message, SENTENCES),
        severity=word(card.severity),
        confidence=word(card.confidence),
        state=word(card.state),
        explained_by=card.explained_by[:20],
        evidence=[evidence_line(item) for item in card.evidence[:10]],
        place=place_line(card.location, line_of),
        fix=harmless(card.fixes[0].text, SENTENCES) if card.fixes else None,
    )


def _summary(begin: Card, root: Sequence[Card]) -> str:
    if [card.key for card in root] == [begin.key]:
        return "no other finding explains this one: its own fixes apply"
    titles = "; ".join(f"{card.key} ({harmless(card.title, 200)})" for card in root[:5])
    return f"fix first: {titles or 'these findings explain each other'}"
