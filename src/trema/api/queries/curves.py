"""The small curve of each run: its main metric over the epochs, or its loss over the steps.

The loss over the steps is the one that was observed, else the one that the program logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trema.api.models import Sparkline
from trema.api.queries.plain import numbers, text
from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.store.base import SeriesKey, Store, Window

WIDTH = 64  # points


def main_curves(store: Store, runs: Sequence[str]) -> dict[str, Sparkline]:
    """The curve of each of these runs that has one."""
    if not runs:
        return {}
    metrics = store.keys_of(runs, str(Fact.METRIC))
    chosen = {run: key for run in runs if (key := _main(metrics.get(run, {}))) is not None}
    if rest := [run for run in runs if run not in chosen]:
        losses = store.keys_of(rest, str(Fact.LOSS))
        chosen |= {run: key for run in rest if (key := _longest(losses.get(run, {}), TRAIN))}
    if rest := [run for run in rest if run not in chosen]:
        logged = store.keys_of(rest, str(Fact.LOG))
        chosen |= {run: key for run in rest if (key := _main(logged.get(run, {})))}
    return {
        run: _sparkline(chosen[run], window)
        for run, window in store.curves(chosen, WIDTH).items()
        if len(window.steps)
    }


def _main(keys: Mapping[SeriesKey, int]) -> SeriesKey | None:
    losses = {key: points for key, points in keys.items() if key.name == "loss"}
    return _longest(losses, VALIDATION) or _longest(losses, TRAIN)


def _longest(keys: Mapping[SeriesKey, int], phase: str) -> SeriesKey | None:
    """The series with the most points; of equal ones the newest part, the lowest rank."""
    found = [key for key, points in keys.items() if key.phase == phase and points]
    return max(found, key=lambda key: (keys[key], key.segment, -key.rank), default=None)


def _sparkline(key: SeriesKey, window: Window) -> Sparkline:
    return Sparkline(
        metric=text(key.name) or key.fact,
        phase=key.phase,
        steps=window.steps.tolist(),
        values=numbers(window.values),
    )
