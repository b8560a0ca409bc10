"""The heat map: a fact by layer and stretch of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trema.api.models import Card, EpochMark, HeatMap, Number
from trema.api.queries.described import Described
from trema.api.queries.layers import by_layer, owner_of, owners, training_series
from trema.api.queries.plain import text, word
from trema.api.queries.series import unit_of
from trema.core.errors import UsageError, did_you_mean
from trema.core.facts import Fact
from trema.store.base import Points, SeriesKey, Store

COLUMNS = 400
#: Layers whose points are in memory at once.
LAYERS_AT_ONCE = 32
UPDATE_RATIO = "update-ratio"
_LAST = 2**63 - 2  # the greatest step behind which there is another of 64 bits
#: Fact of the map -> fact that is stored, and whether that is one of parameters.
FACTS: Mapping[str, tuple[Fact, bool]] = {
    "activation-mean": (Fact.ACTIVATION_MEAN, False),
    "activation-std": (Fact.ACTIVATION_STD, False),
    "activation-zeros": (Fact.ACTIVATION_ZEROS, False),
    "activation-saturated": (Fact.ACTIVATION_SATURATED, False),
    "activation-nonfinite": (Fact.ACTIVATION_NONFINITE, False),
    "gradient-norm": (Fact.GRADIENT_NORM, True),
    "weight-norm": (Fact.WEIGHT_NORM, True),
    UPDATE_RATIO: (Fact.UPDATE_NORM, True),
}

Line = tuple[NDArray[np.int64], NDArray[np.float64]]  # steps and values, each of shape (n,)


def read_heat_map(
    store: Store,
    described: Described,
    cards: Sequence[Card],
    fact: str,
    *,
    segment: int,
    start: int | None,
    end: int | None,
    columns: int,
) -> HeatMap:
    """The map of a fact between two steps, both included.

    Raises
    ------
    UsageError
        For a fact that has no map.
    """
    if fact not in FACTS:
        raise UsageError(f"there is no map of {fact!r}: {did_you_mean(fact, FACTS)}")
    run, info = described.run.id, described.info(segment)
    stored, of_parameter = FACTS[fact]
    keys = training_series(store, run, str(stored), segment)
    groups = by_layer(keys, of_parameter, info)
    edges = _edges(store, run, keys, start, end, max(1, min(columns, COLUMNS)))
    sums, counts = np.zeros((2, len(groups), max(0, len(edges) - 1)))
    if len(edges):
        names = list(groups)
        for begin in range(0, len(names), LAYERS_AT_ONCE):
            some = {name: groups[name] for name in names[begin : begin + LAYERS_AT_ONCE]}
            lines = _lines(store, run, fact, some, start, end)
            for place, name in enumerate(some, start=begin):
                if name in lines:
                    sums[place], counts[place] = _columns(lines[name], edges)
    seen = np.asarray(counts.any(axis=1))
    layers = [name for name, shown in zip(groups, seen.tolist(), strict=True) if shown]
    known = owners(info)
    # not validated: the numbers come from arrays, and there are many
    return HeatMap.model_construct(
        fact=fact,
        unit=unit_of(fact),
        segment=segment,
        layers=[text(name) for name in layers],
        edges=edges.tolist(),
        cells=_cells(sums[seen], counts[seen]),
        findings=_findings(
            layers, edges, cards, known, segment, epoch_ends(described.epochs, segment)
        ),
    )


def _edges(
    store: Store,
    run: str,
    keys: Mapping[SeriesKey, int],
    start: int | None,
    end: int | None,
    columns: int,
) -> NDArray[np.int64]:
    """Where columns begin, and where the last one ends; each holds an observed step.

    Equal stretches of steps; the series with the most points tells which steps were observed.
    Observation is dense at first and sparse later: a stretch without any belongs to the one before.
    """
    if not keys:
        return np.empty(0, np.int64)
    longest = max(keys, key=lambda key: keys[key])
    points = store.many_series(run, [longest], start=start, end=end).get(longest)
    if points is None:
        return np.empty(0, np.int64)
    steps = np.unique(points.steps)
    if len(steps) > columns:
        bounds = np.linspace(float(steps[0]), float(steps[-1]) + 1, columns + 1)[:-1]
        first = np.unique(np.searchsorted(steps, bounds))
        begins = steps[first[first < len(steps)]]
    else:
        begins = steps
    return np.append(begins, min(int(steps[-1]), _LAST) + 1)


def _lines(
    store: Store,
    run: str,
    fact: str,
    groups: Mapping[str, Sequence[SeriesKey]],
    start: int | None,
    end: int | None,
) -> dict[str, Line]:
    """The values of each layer by step."""
    keys = [key for group in groups.values() for key in group]
    found = store.many_series(run, keys, start=start, end=end)
    lines: dict[str, Line] = {}
    if fact == UPDATE_RATIO:
        weights = {key: _same_place(key, Fact.WEIGHT_NORM) for key in keys}
        sizes = store.many_series(run, list(weights.values()), start=start, end=end)
        for name, group in groups.items():
            pairs = [key for key in group if _numbers(found, key) and _numbers(sizes, weights[key])]
            if pairs:
                update = root_of_squares([found[key] for key in pairs])
                weight = root_of_squares([sizes[weights[key]] for key in pairs])
                lines[name] = _ratio(update, weight)
        return lines
    for name, group in groups.items():
        parts = [found[key] for key in group if _numbers(found, key)]
        if parts:
            single = not FACTS[fact][1]
            lines[name] = (parts[0].steps, parts[0].values) if single else root_of_squares(parts)
    return lines


def _numbers(found: Mapping[SeriesKey, Points], key: SeriesKey) -> bool:
    """Whether there are points of the series, and each is a number."""
    return key in found and found[key].values.ndim == 1


def _same_place(key: SeriesKey, fact: Fact) -> SeriesKey:
    return SeriesKey(
        fact=str(fact), name=key.name, phase=key.phase, segment=key.segment, rank=key.rank
    )


def root_of_squares(parts: Sequence[Points]) -> Line:
    """The norm of a layer from those of its parameters, at steps at which all were observed."""
    first = parts[0].steps
    with np.errstate(all="ignore"):
        if all(np.array_equal(first, part.steps) for part in parts[1:]):
            return first, np.sqrt(sum_of([np.square(part.values) for part in parts]))
        common = first
        for part in parts[1:]:
            common = np.intersect1d(common, part.steps)
        squares = []
        for part in parts:
            # a run that was resumed has a step twice: the last one counts
            steps, places = np.unique(part.steps[::-1], return_index=True)
            values = part.values[::-1][places]
            squares.append(np.square(values[np.searchsorted(steps, common)]))
        return np.asarray(common, np.int64), np.sqrt(sum_of(squares))


def sum_of(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The elementwise sum."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _ratio(update: Line, weight: Line) -> Line:
    steps, change, size = update[0], update[1], weight[1]
    if not np.array_equal(steps, weight[0]):
        common, left, right = np.intersect1d(steps, weight[0], return_indices=True)
        steps, change, size = np.asarray(common, np.int64), change[left], size[right]
    with np.errstate(all="ignore"):
        ratio = change / size
    kept = size != 0  # of weights that are all zero there is no ratio
    return steps[kept], ratio[kept]


def _columns(
    line: Line, edges: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and count of the values in each column."""
    steps, values = line
    width = len(edges) - 1
    place = np.clip(np.searchsorted(edges, steps, side="right") - 1, 0, width - 1)
    with np.errstate(all="ignore"):
        sums = np.bincount(place, weights=values, minlength=width).astype(np.float64)
    return sums, np.bincount(place, minlength=width).astype(np.float64)


def _cells(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> list[list[Number | None]]:
    with np.errstate(all="ignore"):
        means = sums / counts
    cells: list[list[Number | None]] = means.tolist()
    for row, column in np.argwhere(~np.isfinite(means)).tolist():
        cells[row][column] = word(means[row, column]) if counts[row, column] else None
    return cells


# findings -----------------------------------------------------------------------------------


def _findings(
    layers: Sequence[str],
    edges: NDArray[np.int64],
    cards: Sequence[Card],
    known: Mapping[str, str],
    segment: int,
    ends: Mapping[int, int],
) -> list[list[int]]:
    width = max(0, len(edges) - 1)
    counts = {name: np.zeros(width, np.int64) for name in layers}
    for card in cards:
        layer = layer_of(card, known)
        if layer in counts and card.segment == segment and card.mute is None:
            inside = np.zeros(width, np.bool_)
            for first, last in step_spans(card, ends):
                inside |= (edges[:-1] <= last) & (edges[1:] > first)
            counts[layer] += inside
    return [counts[name].tolist() for name in layers]


def layer_of(card: Card, known: Mapping[str, str]) -> str | None:
    """The layer that a finding is about, by itself or by its parameter."""
    if card.layer is not None or card.parameter is None:
        return card.layer
    return owner_of(card.parameter, known)


def epoch_ends(epochs: Sequence[EpochMark], segment: int) -> dict[int, int]:
    """Epoch -> its last step."""
    return {
        mark.epoch: mark.step
        for mark in epochs
        if mark.segment == segment and mark.step is not None
    }


def step_spans(card: Card, ends: Mapping[int, int]) -> list[tuple[int, int]]:
    """The stretches of steps in which a finding was seen; none before training."""
    first, last = card.first.step, card.last.step
    if last is None:
        return []
    low = first if first is not None else 0
    spans = []
    for begin, end in card.spans:
        before = ends.get(begin - 1)
        begins = low if before is None else max(low, before + 1)
        stops = min(last, ends.get(end, last))
        if begins <= stops:
            spans.append((begins, stops))
    return spans or [(low, last)]
