"""The network of a run: layers, how they connect, and which of them reach the loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from trema.api.models import Card, LayerNode, Network
from trema.api.queries.described import Described
from trema.api.queries.places import place_of
from trema.api.queries.plain import bounded, mapping, sequence, text, whole, words
from trema.api.queries.settings import parameter_counts, parameter_size
from trema.core.errors import NotFound

LAYERS = 20_000  # the limit of the graph that adapters read
EDGES = 100_000


def read_network(
    described: Described, segment: int, cards: Sequence[Card], sources: Collection[str]
) -> Network:
    """The network of a segment, as the newest description has it.

    Raises
    ------
    NotFound
        When the run has no such segment.
    """
    if segment not in described.infos and (segment or described.infos):
        raise NotFound(
            f"run {described.run.id!r} has no segment {segment}: it has {described.segments}"
        )
    info = described.info(segment)
    given = info.get("edges")
    edges = _edges(given)
    known = isinstance(given, list | tuple)
    layers = list(map(mapping, sequence(info.get("layers"), LAYERS)))
    used = reaching(edges, words(info.get("head"), LAYERS)) if known else None
    connected = {name for edge in edges for name in edge}
    sizes = _sizes(info)
    found = _findings(cards, segment)
    total, trainable = parameter_counts(info)
    loss = mapping(info.get("loss"))
    return Network(
        segment=segment,
        segments=max(1, described.segments),
        layers=[_node(layer, used, connected, sizes, found, sources) for layer in layers],
        edges=edges,
        known=known,
        parameters=total,
        trainable=trainable,
        loss=(text(loss.get("name")) or text(loss.get("kind"))) or None,
        optimizers=[
            text(optimizer.get("kind"))
            for optimizer in map(mapping, sequence(info.get("optimizers")))
        ],
    )


def _edges(value: Any) -> list[tuple[str, str]]:
    pairs = (words(pair, 3) for pair in sequence(value, EDGES))
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def reaching(edges: Iterable[tuple[str, str]], head: Sequence[str]) -> set[str] | None:
    """The layers whose values reach the loss; None when that cannot be told.

    What follows the head belongs to the loss; where no head is known, whatever feeds nothing does.
    """
    before: dict[str, set[str]] = defaultdict(set)
    behind: dict[str, set[str]] = defaultdict(set)
    for source, target in edges:
        before[target].add(source)
        behind[source].add(target)
    ends = set(head) or {name for name in before if name not in behind}
    return _closure(_closure(ends, behind), before) or None


def _closure(start: Iterable[str], following: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for name in following.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def _sizes(info: Mapping[str, Any]) -> dict[str, tuple[int, bool]]:
    """Parameter -> how many numbers it holds, and whether they are trained."""
    return {
        text(parameter.get("name")): (
            parameter_size(parameter),
            bool(parameter.get("trainable", True)),
        )
        for parameter in map(mapping, sequence(info.get("parameters"), 100_000))
    }


def _findings(cards: Sequence[Card], segment: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for card in cards:
        if card.segment == segment:
            for name in {card.layer, card.parameter} - {None}:
                found[str(name)].append(card.key)
    return found


def _node(
    layer: Mapping[str, Any],
    used: Collection[str] | None,
    connected: Collection[str],
    sizes: Mapping[str, tuple[int, bool]],
    findings: Mapping[str, list[str]],
    sources: Collection[str],
) -> LayerNode:
    name, class_name = text(layer.get("name")), text(layer.get("class_name"))
    parameters = words(layer.get("parameters"), 1000)
    own = [sizes[parameter] for parameter in parameters if parameter in sizes]
    keys = [key for part in (name, *parameters) for key in findings.get(part, ())]
    # a layer without parameters that changes nothing leaves no trace in a graph of operations
    silent = name not in connected and not parameters
    return LayerNode(
        name=name,
        label=_label(name, class_name),
        kind=text(layer.get("kind")) or "other",
        class_name=class_name,
        functional=layer.get("functional") is True,
        shape=_shape(layer.get("output_shape")),
        parameters=sum(size for size, _ in own),
        trainable=sum(size for size, trained in own if trained),
        used=used is None or name in used or silent,
        config=bounded(mapping(layer.get("config"))),
        location=place_of(layer.get("location"), sources),
        findings=list(dict.fromkeys(keys)),
    )


def _label(name: str, class_name: str) -> str:
    if class_name and name.replace(".", "").isdigit():
        return f"{name} {class_name}"
    return name


def _shape(value: Any) -> list[int | None] | None:
    return [whole(size) for size in sequence(value)] if isinstance(value, list | tuple) else None
