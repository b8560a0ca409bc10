"""Ranks that train on the same samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.processes import (
    alone,
    comparison,
    data_place,
    plain,
    ranks_named,
    sampled,
    synchronized,
    two_ranks,
)
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class RanksSameData(Check):
    """Ranks whose first batches hold the same samples in the same order.

    Why it matters: the average of equal gradients is that gradient. Several processes do the work
    of one, an epoch takes as long as on one, and the batch is as large as that of one.
    May be wrong when: the ranks share one sample on purpose, each computing a part of the model.
    References: PyTorch documentation, torch.utils.data.distributed.DistributedSampler.
    """

    id = "ranks-same-data"
    title = "the ranks train on the same samples"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.RANKS})
    fixes = (
        Fix("divide the data: `DataLoader(data, batch_size, sampler=DistributedSampler(data))`",
            caution="an epoch gets shorter and the whole batch larger: look at the learning rate"),
    )  # fmt: skip
    snippets = snippets_beside(__file__)
    links = Links(search="DistributedSampler every rank same data",
                  keras="distribution/data_parallel",
                  torch="utils.data.distributed.DistributedSampler")  # fmt: skip
    batches: int = 4  # first batches that are equal, and all that were compared
    samples: int = 16  # distinct samples in them: fewer may be equal by chance or by design

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = comparison(history)
        seen = data.get("batches") if data is not None else None
        if data is None or seen is None or not (synchronized(data) or alone(data)):
            return
        if seen["samples"] < self.samples or seen["distinct"] < self.batches:
            return  # one batch again and again: a test of the loop
        same = sorted(
            int(rank)
            for rank, count in seen["same"].items()
            if count >= self.batches and count == seen["compared"][rank]
        )
        if not same:
            return
        count = min(seen["same"][str(rank)] for rank in same)
        yield self.diagnosis(
            f"{ranks_named(same)} trained on the same samples as rank {data['rank']}: the first "
            f"{count} batches are equal, {seen['samples']} samples were compared; "
            f"{_why(data, same)}",
            Evidence("equal-batches", float(count), limit=float(self.batches), unit="batches"),
            where=Where(split="train"),
            location=data_place(history.run),
            confidence="measured",
            ranks=(data["rank"], *same),
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        same = {"same": {"1": 8}}
        both = {"0": plain(), "1": plain()}
        yield fires("no distributed sampler and one seed", two_ranks(batches=same, loaders=both))
        wrong = {"0": sampled(0), "1": sampled(0)}
        yield fires("each sampler was given rank 0", two_ranks(batches=same, loaders=wrong))
        yield quiet("divided data", two_ranks())
        yield quiet("no distributed sampler, but seeds of their own", two_ranks(loaders=both))
        once = {**same, "distinct": 1}
        yield quiet("one batch again and again", two_ranks(batches=once, loaders=both))
        few = {**same, "samples": 4}
        yield quiet("data of four rows", two_ranks(batches=few, loaders=both))
        parts = {"wrapped": False, "inside": 0, "outside": 32, "synchronized": 12.0}
        yield quiet("parts of one model", two_ranks(batches=same, loaders=both, weights=parts))


def _why(data: Mapping[str, Any], same: list[int]) -> str:
    loaders = data["loaders"]
    own = loaders.get(str(data["rank"]))
    if own is None:
        return "nothing divides the data among the ranks"
    if own["replicas"] is None:
        return f"their loaders draw by `{own['sampler']}`, which knows of no other rank"
    if any((loaders.get(str(rank)) or {}).get("rank") == own["rank"] for rank in same):
        return f"each of their samplers takes the part of rank {own['rank']}"
    return "their samplers give each rank the same part"
