"""Ranks whose random numbers are the same in every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.processes import comparison, loop_place, synchronized, two_ranks
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class RanksSameNoise(Check):
    """Ranks that drop the same units in every step, because their random states are equal.

    Why it matters: the noise of dropout no longer averages out over the ranks: the whole batch has
    the masks of one rank. A common seed is right for building the model; later it need not be.
    May be wrong when: equal noise is wanted, or the noise is small. It seldom changes a result.
    References: Srivastava et al. (2014), Dropout, JMLR 15: masks are drawn for each training case.
    """

    id = "ranks-same-noise"
    title = "the ranks draw the same random numbers"
    cause = Cause.REPRODUCIBILITY
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.RANKS, Fact.LAYERS})
    fixes = (Fix("seed again after the model is wrapped: `torch.manual_seed(seed + rank)`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="DistributedDataParallel seed each rank dropout",
        keras="utils/python_utils",
        torch="manual_seed",
    )
    steps: int = 4  # compared steps, at all of which the states were equal
    rate: float = 0.05  # of the dropout that is concerned

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = comparison(history)
        if data is None or not synchronized(data):
            return
        noise = data["noise"]
        if not noise["moves"] or noise["compared"] < self.steps:
            return
        if noise["torch"] < noise["compared"]:
            return
        dropped = [
            layer
            for layer in history.run.layers
            if layer.kind == "dropout" and float(layer.config.get("rate") or 0.0) >= self.rate
        ]
        if not dropped:
            return
        yield self.diagnosis(
            f"the random states of torch were equal on {len(data['ranks'])} ranks at "
            f"all {noise['compared']} steps compared: {dropped[0].label} may drop the same units "
            "on each",
            Evidence("equal-random-states", float(noise["torch"]), limit=float(self.steps),
                     unit="steps"),
            where=Where(layer=dropped[0].name),
            location=loop_place(history.run),
            confidence="possible",
            ranks=tuple(data["ranks"]),
        )  # fmt: skip

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(rate: float = 0.5) -> RunInfo:
            layer = Layer(name="drop", kind="dropout", class_name="Dropout", config={"rate": rate})
            return RunInfo(framework="torch", layers=(layer,))

        same = {"torch": 8}
        yield fires("dropout with one seed", two_ranks(run(), noise=same))
        yield fires("little dropout", two_ranks(run(0.1), noise=same))
        yield quiet("seeds of their own", two_ranks(run()))
        yield quiet("no dropout", two_ranks(RunInfo(framework="torch", layers=()), noise=same))
        still = {**same, "moves": False}
        yield quiet("nothing is drawn", two_ranks(run(), noise=still))
        yield quiet("equal in a few steps", two_ranks(run(), noise={"torch": 3}))
