"""Ranks that have unequally many batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.processes import (
    comparison,
    data_place,
    plain,
    sampled,
    synchronized,
    two_ranks,
)
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class RanksUneven(Check):
    """Training data of unequal length on ranks that average their gradients.

    Why it matters: a rank that has used up its data goes on to the next epoch or ends, while
    the others wait in backward for a gradient that does not come: training hangs, or averages
    gradients of different epochs.
    May be wrong when: the loader begins again without end, and the number of steps is fixed.
    References: PyTorch documentation, torch.distributed.algorithms.join.
    """

    id = "ranks-uneven"
    title = "the ranks have unequally many batches"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.RANKS})
    fixes = (
        Fix("let a DistributedSampler divide the data: it gives each rank equally many"),
        Fix("or train inside `with model.join():`, which answers for ranks that are done"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="DistributedDataParallel uneven inputs hang join",
                  keras="distribution/data_parallel",
                  torch="nn.parallel.DistributedDataParallel")  # fmt: skip
    batches: int = 1  # by which the lengths differ

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = comparison(history)
        if data is None or data["joined"] or not synchronized(data):
            return
        lengths = {int(rank): loader["batches"] for rank, loader in data["loaders"].items()}
        if len(lengths) < 2:
            return
        least, most = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        gap = lengths[most] - lengths[least]
        ended = {int(rank) for rank in data["exhausted"]}
        # a loop with a fixed number of steps may never reach the end of the data
        if gap < self.batches or not any(
            lengths[r] == lengths[least] for r in ended & set(lengths)
        ):
            return
        yield self.diagnosis(
            f"rank {least} has {lengths[least]} batches an epoch and rank {most} has "
            f"{lengths[most]}: rank {least} has used them up, and rank {most} waits for "
            f"gradients of {gap} more {'step' if gap == 1 else 'steps'}",
            Evidence("batches-apart", float(gap), limit=float(self.batches), unit="batches"),
            where=Where(split="train"),
            location=data_place(history.run),
            confidence="likely",
            ranks=tuple(sorted((least, most))),
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        short = {"0": plain(16), "1": plain(14)}
        yield fires("one shard is shorter", two_ranks(loaders=short, exhausted={"1": 14}))
        some = {"0": sampled(0, 6), "1": sampled(1, 9)}
        yield fires("hand-made samplers", two_ranks(loaders=some, exhausted={"0": 6}))
        yield quiet("equal shards", two_ranks(exhausted={"0": 8, "1": 8}))
        yield quiet("inside join", two_ranks(loaders=short, exhausted={"1": 14}, joined=True))
        yield quiet("the data are never used up", two_ranks(loaders=short))
        yield quiet(
            "only the longer one is used up",
            two_ranks(loaders=some, exhausted={"1": 9}),
        )
        bare = {"wrapped": False, "inside": 0, "outside": 32, "synchronized": 0.0}
        yield quiet("ranks without a common model",
                    two_ranks(loaders=short, exhausted={"1": 14}, weights=bare))  # fmt: skip
