"""What was observed of one layer at one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from trema.api.models import Card, CellDetail, Distribution, Number
from trema.api.queries.described import Described
from trema.api.queries.heat import epoch_ends, layer_of, step_spans
from trema.api.queries.layers import OF_LAYER, OF_PARAMETER, layer_order, owners
from trema.api.queries.plain import numbers, text, word
from trema.core.errors import NotFound
from trema.core.facts import Fact
from trema.core.reduce import QUANTILES
from trema.store.base import Points, SeriesKey, Store

#: Steps on both sides in which the nearest observed step is looked for, one after the other.
REACH = (0, 100, 10_000, 2**62)
PARAMETERS = 64  # of one layer


def read_cell(
    store: Store,
    described: Described,
    cards: Sequence[Card],
    layer: str,
    step: int,
    *,
    segment: int,
) -> CellDetail:
    """The layer at the observed step nearest to the one asked for.

    Distributions are observed more rarely: each says at which step it was.

    Raises
    ------
    NotFound
        When neither the description nor an observation has such a layer.
    """
    run, info = described.run.id, described.info(segment)
    known = owners(info)
    parameters = [name for name, owner in known.items() if owner == layer][:PARAMETERS]
    rank = min(store.journals(run), default=0)

    def key(fact: Fact, name: str) -> SeriesKey:
        return SeriesKey(fact=str(fact), name=name, segment=segment, rank=rank)

    scalars = [key(fact, layer) for fact in OF_LAYER]
    scalars += [key(fact, name) for name in parameters for fact in OF_PARAMETER]
    near = nearest(store, run, scalars, step)
    if not near and layer not in layer_order(info):
        raise NotFound(f"run {run!r} has no layer {layer[:100]!r}: take one from its network")
    at = _nearest_step(near, step)
    return CellDetail(
        layer=layer,
        step=at,
        facts={} if at is None else _facts(near, at, layer),
        distributions=_distributions(
            store,
            run,
            [key(Fact.ACTIVATION_QUANTILES, layer)]
            + [
                key(fact, name)
                for fact in (Fact.GRADIENT_QUANTILES, Fact.WEIGHT_QUANTILES)
                for name in parameters
            ],
            step if at is None else at,
        ),
        findings=_findings(described, cards, layer, at, known, segment),
    )


def nearest(
    store: Store, run: str, keys: Collection[SeriesKey], step: int, *, every: bool = False
) -> dict[SeriesKey, Points]:
    """Points around a step, read from as few steps as will do.

    every : until each series has one; else until any has
    """
    found: dict[SeriesKey, Points] = {}
    for reach in REACH:
        missing = [key for key in keys if key not in found]
        if not missing or (found and not every):
            break
        found |= store.many_series(run, missing, start=step - reach, end=step + reach)
    return found


def _nearest_step(points: Mapping[SeriesKey, Points], step: int) -> int | None:
    steps = [int(part.steps[np.abs(part.steps - step).argmin()]) for part in points.values()]
    return min(steps, key=lambda found: (abs(found - step), found), default=None)


def _facts(points: Mapping[SeriesKey, Points], step: int, layer: str) -> dict[str, Number]:
    facts: dict[str, Number] = {}
    for key, part in points.items():
        places = np.flatnonzero(part.steps == step)
        if len(places) and part.values.ndim == 1:
            name = key.fact if key.name == layer else f"{key.fact} of {text(key.name)}"
            facts[text(name)] = word(float(part.values[places[-1]]))
    return facts


def _distributions(
    store: Store, run: str, keys: Sequence[SeriesKey], step: int
) -> list[Distribution]:
    found = nearest(store, run, keys, step, every=True)
    shown = []
    for key in keys:
        part = found.get(key)
        if part is None or part.values.ndim != 2 or part.values.shape[1] != len(QUANTILES):
            continue
        place = int(np.abs(part.steps - step).argmin())
        shown.append(
            Distribution(
                fact=key.fact,
                name=text(key.name),
                step=int(part.steps[place]),
                probabilities=list(QUANTILES),
                values=numbers(part.values[place]),
            )
        )
    return shown


def _findings(
    described: Described,
    cards: Sequence[Card],
    layer: str,
    step: int | None,
    known: Mapping[str, str],
    segment: int,
) -> list[str]:
    if step is None:
        return []
    ends = epoch_ends(described.epochs, segment)
    return [
        card.key
        for card in cards
        if card.segment == segment
        and layer_of(card, known) == layer
        and any(first <= step <= last for first, last in step_spans(card, ends))
    ]
