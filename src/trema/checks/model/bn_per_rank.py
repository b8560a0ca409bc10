"""Batch normalization that sees only the small part of a batch that its rank holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.model.bn_small_batch import is_batch_norm
from trema.checks.processes import comparison, normalization, synchronized, two_ranks
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class BnPerRank(Check):
    """Batch normalization over a few samples of a rank, while all ranks together hold many.

    Why it matters: each rank normalizes by the mean and spread of its own few samples, so a sample
    gets other activations on another rank, and the running averages kept are those of rank 0.
    May be wrong when: images have many positions, whose statistics are good with few samples too.
    References: Peng et al. (2018), MegDet: A Large Mini-Batch Object Detector, CVPR, section 3.3.
    """

    id = "bn-per-rank"
    title = "batch normalization over the few samples of a rank"
    cause = Cause.ARCHITECTURE
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.RANKS, Fact.LAYERS, Fact.BATCH_SIZE})
    explains: ClassVar[frozenset[str]] = frozenset({"train-eval-gap", "loss-oscillating"})
    fixes = (
        Fix("gather the statistics: wrap `nn.SyncBatchNorm.convert_sync_batchnorm(model)`",
            caution="each of these layers then waits for all ranks"),
        Fix("use group normalization, which does without the batch",
            caution="changes the model; saved weights no longer fit"),
    )  # fmt: skip
    snippets = snippets_beside(__file__)
    links = Links(
        search="SyncBatchNorm DistributedDataParallel small batch",
        torch="nn.SyncBatchNorm",
        keras="layers/normalization_layers/batch_normalization",
    )
    samples: float = 4.0  # of a rank, at most
    total: float = 16.0  # of all ranks together, at least: Wu & He (2018), figure 1

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = comparison(history)
        if data is None or not synchronized(data):
            return
        own = [
            layer
            for layer in history.run.layers
            if is_batch_norm(layer) and "sync" not in layer.class_name.lower()
        ]
        _, sizes = history.array(Fact.BATCH_SIZE, last=64)
        if not own or len(sizes) < 4:
            return
        batch = float(np.median(sizes))
        if batch > self.samples or batch * data["world"] < self.total:
            return
        yield self.diagnosis(
            f"{own[0].label} may normalize poorly, one of {len(own)} batch normalizations: a rank "
            f"holds {batch:.0f} samples of the {batch * data['world']:.0f} in a step",
            Evidence("samples-per-rank", batch, limit=self.samples, name=own[0].name),
            where=Where(layer=own[0].name),
            location=own[0].location,
            confidence="possible",
            ranks=tuple(data["ranks"]),
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        def sized(batch: float, name: str = "BatchNorm2d", world: int = 8) -> History:
            run = RunInfo(framework="torch", layers=(normalization(name),))
            return two_ranks(run, world=world, facts={Fact.BATCH_SIZE: np.full(8, batch)})

        yield fires("two images on each of eight ranks", sized(2))
        yield fires("four on each of four ranks", sized(4, world=4))
        yield quiet("32 on each", sized(32))
        yield quiet("gathered over the ranks", sized(2, "SyncBatchNorm"))
        yield quiet("few samples in all", sized(2, world=2))
