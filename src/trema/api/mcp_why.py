"""From a finding to its causes: the chain of what explains what."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.mcp_answers import WhyAnswer, WhyStep
from trema.api.mcp_shaping import SENTENCES, LineOf, evidence_line, place_line, word
from trema.api.models import Card
from trema.core.errors import UsageError
from trema.core.text import harmless
from trema.diagnosis.chains import chain as chain_of
from trema.diagnosis.why import Answer

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
    reached, root = chain_of(begin.key, {card.key: card.explained_by for card in cards}, _STEPS)
    return WhyAnswer(
        run=run,
        finding=begin.key,
        chain=[_step(by_key[key], line_of) for key in reached],
        root=root,
        explains=[card.key for card in cards if begin.key in card.explained_by][:_STEPS],
        summary=_summary(begin, [by_key[key] for key in root]),
    )


def of_symptom(run: str, cards: Sequence[Card], found: Answer, line_of: LineOf) -> WhyAnswer:
    """What shows a symptom and what explains that, or what was looked at without a result."""
    by_key = {card.key: card for card in cards}
    keys = [key for key in found.step_keys() if key in by_key][:_STEPS]
    said = found.summary()
    if not found.explained:
        missing = [str(item.get("check")) for item in found.not_assessed]
        said += f"; clear: {', '.join(found.clear) or 'nothing'}"
        said += f"; not assessed: {', '.join(missing) or 'nothing'}"
    return WhyAnswer(
        run=run,
        finding=found.symptom.name if found.symptom is not None else "",
        chain=[_step(by_key[key], line_of) for key in keys],
        root=[key for key in found.root_keys() if key in by_key][:_STEPS],
        explains=[],
        summary=harmless(said, 2 * SENTENCES),
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
