"""Which series belong to which layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from trema.api.queries.plain import mapping, sequence, text
from trema.core.facts import TRAIN, Fact
from trema.store.base import SeriesKey, Store

LAYERS = 2000  # shown at once
OF_LAYER = (
    Fact.ACTIVATION_MEAN,
    Fact.ACTIVATION_STD,
    Fact.ACTIVATION_ZEROS,
    Fact.ACTIVATION_SATURATED,
    Fact.ACTIVATION_NONFINITE,
)
OF_PARAMETER = (
    Fact.GRADIENT_NORM,
    Fact.WEIGHT_NORM,
    Fact.UPDATE_NORM,
    Fact.GRADIENT_NONFINITE,
    Fact.WEIGHT_NONFINITE,
)


def owners(info: Mapping[str, Any]) -> dict[str, str]:
    """Parameter -> layer, as the description says."""
    found = {
        text(parameter): text(layer.get("name"))
        for layer in map(mapping, sequence(info.get("layers"), 20_000))
        for parameter in sequence(layer.get("parameters"), 1000)
    }
    for parameter in map(mapping, sequence(info.get("parameters"), 100_000)):
        layer = parameter.get("layer")
        if isinstance(layer, str):
            found[text(parameter.get("name"))] = text(layer)
    return found


def owner_of(parameter: str, known: Mapping[str, str]) -> str:
    """The layer of a parameter; of one that is not described, what its name begins with."""
    return known.get(parameter) or parameter.rpartition(".")[0] or parameter


def layer_order(info: Mapping[str, Any]) -> dict[str, int]:
    """Layer -> its place in the network."""
    layers = map(mapping, sequence(info.get("layers"), 20_000))
    return {text(layer.get("name")): place for place, layer in enumerate(layers)}


def training_series(store: Store, run: str, fact: str, segment: int) -> dict[SeriesKey, int]:
    """Series of a fact in training, one for each name, of the lowest rank that has it."""
    found: dict[str, tuple[SeriesKey, int]] = {}
    for key, points in store.keys_of([run], fact).get(run, {}).items():
        if key.phase == TRAIN and key.segment == segment:
            known = found.get(key.name)
            if known is None or key.rank < known[0].rank:
                found[key.name] = (key, points)
    return dict(found.values())


def by_layer(
    keys: Mapping[SeriesKey, int], parameter: bool, info: Mapping[str, Any]
) -> dict[str, list[SeriesKey]]:
    """Layer -> its series, in the order of the network.

    parameter : whether the names are those of parameters
    """
    known, order = owners(info), layer_order(info)
    found: dict[str, list[SeriesKey]] = defaultdict(list)
    for key in keys:
        found[owner_of(key.name, known) if parameter else key.name].append(key)
    last = len(order)
    names = sorted(found, key=lambda name: order.get(name, last))[:LAYERS]
    return {name: found[name] for name in names}
