"""A distributed sampler that gives the same order in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.processes import data_place
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Observation, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class SetEpochMissing(Check):
    """A shuffling DistributedSampler whose epoch is never set: each epoch has the same order.

    Why it matters: the sampler draws its order from seed and epoch. Without ``set_epoch`` every
    epoch has the same batches, and each rank sees the same part of the data again and again.
    May be wrong when: the data set itself shuffles before every epoch.
    References: PyTorch documentation, torch.utils.data.distributed.DistributedSampler.set_epoch.
    """

    id = "set-epoch-missing"
    title = "every epoch has the same order"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.SAMPLER})
    fixes = (Fix("call `sampler.set_epoch(epoch)` before each epoch"),)
    snippets = snippets_beside(__file__)
    links = Links(search="DistributedSampler set_epoch same order every epoch",
                  keras="distribution/data_parallel",
                  torch="utils.data.distributed.DistributedSampler")  # fmt: skip
    epochs: int = 3  # that began with the same seed and epoch; two may be a trial and a training

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = history.observations(Fact.SAMPLER)
        if not seen:
            return
        data = seen[-1].data
        if data["passes"] < self.epochs or data["repeated"] < data["passes"]:
            return
        alone = data["replicas"] < 2
        part = "" if alone else ", and each rank saw the same part of the data in all of them"
        yield self.diagnosis(
            f"`set_epoch` was never called: {data['passes']} epochs began with seed and epoch "
            f"unchanged, so they had the same order{part}",
            Evidence("equal-orders", data["repeated"], limit=self.epochs, unit="epochs"),
            where=Where(split="train"),
            location=data_place(history.run),
            confidence="measured",
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        def orders(*epochs: int, replicas: int = 2) -> History:
            data = {
                "passes": len(epochs),
                "repeated": epochs.count(epochs[0]),
                "epochs": list(epochs),
                "replicas": replicas,
            }
            seen = Observation(fact=Fact.SAMPLER, step=10, epoch=len(epochs), data=data)
            return situation(RunInfo(framework="torch"), observations=[seen])

        yield fires("never set", orders(0, 0, 0))
        yield fires("never set on one process", orders(0, 0, 0, 0, replicas=1))
        yield quiet("set before each epoch", orders(0, 1, 2))
        yield quiet("a trial before the first epoch", orders(0, 0, 1))
        yield quiet("two epochs only", orders(0, 0))
