"""Ranks that should train one model and train several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.processes import (
    alone,
    comparison,
    loop_place,
    plain,
    ranks_named,
    shards,
    synchronized,
    two_ranks,
)
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show

_AROUND = Fix("call the wrapped model itself: `ddp(x)`, not `ddp.module(x)`")
_WRAP = Fix(
    "wrap the model after moving it to its device: `model = DistributedDataParallel(model)`"
)
_AFTER = Fix(
    "load weights before the model is wrapped, or on every rank: wrapping copies those of rank 0"
)


@register
@dataclass(frozen=True, kw_only=True)
class RanksDiverge(Check):
    """Parameters that differ between ranks which are meant to train one model.

    Why it matters: each rank follows its own gradients, learns from its own share of the data
    only, and the one that is saved has seen a fraction of it. In DistributedDataParallel,
    gradients are averaged that belong to different weights.
    May be wrong when: the ranks average their weights themselves from time to time, as local SGD
    does, at moments that were not seen.
    References: Li et al. (2020), PyTorch Distributed: Experiences on Accelerating Data Parallel
    Training, VLDB 13(12), section 3: replicas start equal and get equal gradients.
    """

    id = "ranks-diverge"
    title = "the ranks train different models"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.RANKS})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"overfitting", "underfitting", "loss-oscillating", "train-eval-gap"}
    )
    fixes = (_WRAP, _AROUND, _AFTER)
    snippets = snippets_beside(__file__)
    links = Links(search="DistributedDataParallel parameters differ ranks",
        keras="distribution/data_parallel",
                  torch="nn.parallel.DistributedDataParallel")  # fmt: skip
    distance: float = 1e-3  # of a parameter's values on two ranks, by their norm; equal ones have 0

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = comparison(history)
        weights = data.get("weights") if data is not None else None
        if data is None or weights is None:
            return
        apart = sorted(int(r) for r, d in weights["greatest"].items() if d > self.distance)
        if not apart:
            return
        place = loop_place(history.run)
        if weights["wrapped"] and not weights["inside"]:
            why = "DistributedDataParallel wraps the model, but training calls the module in it"
            fixes: tuple[Fix, ...] = (_AROUND,)
        elif weights["wrapped"] and weights["outside"]:
            why = "some forward passes went around DistributedDataParallel"
            fixes = (_AROUND, _AFTER)
        elif synchronized(data):
            why = (
                "the model runs in DistributedDataParallel, so they were equal when it was wrapped"
            )
            fixes, place = (_AFTER,), None  # somewhere between wrapping and training
        elif alone(data) and shards(data):
            why = "nothing averages gradients: no collective operation ran in the last steps"
            fixes, place = (_WRAP,), history.run.place("step", "loop")
        else:
            return
        greatest = max(weights["greatest"].values())
        differ = max(weights["differ"].values())
        yield self.diagnosis(
            f"{ranks_named([data['rank'], *apart])} hold different parameters at step "
            f"{weights['step']}: `{weights['parameter']}` by {show(100 * greatest)} % of its norm, "
            f"{differ} of {weights['compared']} parameters compared; {why}",
            Evidence("parameter-distance", greatest, limit=self.distance,
                     step=weights["step"], name=weights["parameter"]),
            where=Where(),
            location=place,
            confidence="measured",
            fixes=fixes,
            ranks=(data["rank"], *apart),
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        far = {
            "greatest": {"1": 0.4},
            "differ": {"1": 4},
            "distances": [0, 0.01, 0.1, 0.2, 0.3, 0.4],
        }
        bare = {"wrapped": False, "inside": 0, "outside": 32, "synchronized": 0.0}
        yield fires("weights changed after wrapping", two_ranks(weights=far))
        yield fires(
            "`ddp.module` is called", two_ranks(weights={**far, "inside": 0, "outside": 32})
        )
        yield fires("not wrapped, nothing is averaged", two_ranks(weights={**far, **bare}))
        yield quiet("equal replicas", two_ranks())
        close = {"greatest": {"1": 2e-7}, "differ": {"1": 3}}
        yield quiet("equal but for rounding", two_ranks(weights=close))
        synced = {**far, **bare, "synchronized": 4.0}
        yield quiet("gradients or weights are averaged by hand", two_ranks(weights=synced))
        own = {"0": plain(), "1": plain()}
        yield quiet("an ensemble: a model a rank, each on all data",
                    two_ranks(weights={**far, **bare}, loaders=own))  # fmt: skip
