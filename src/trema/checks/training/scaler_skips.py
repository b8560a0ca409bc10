"""A loss scaler that skips steps again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, said
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ScalerSkips(Check):
    """Many steps are skipped because scaled gradients are not finite.

    Why it matters: a skipped step teaches nothing. Some skips at the start are how the scale is
    found; skips that go on mean gradients that are not finite at any scale.
    May be wrong when: gradients are huge for a while and calm down later.
    References: Micikevicius et al. (2018), Mixed precision training, arXiv:1710.03740.
    """

    id = "scaler-skips"
    title = "the loss scaler skips many steps"
    cause = Cause.NUMERICS
    severity = Severity.WARNING
    needs = frozenset({Fact.LOOP})
    fixes = (
        Fix("run a few steps in float32 to see whether the loss itself is not finite"),
        Fix("use bfloat16, which needs no scaler", caution="needs hardware that has it"),
        Fix("compute losses, softmax and norms in float32 inside autocast"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="GradScaler skips every step inf gradients {framework}",
        torch="amp.GradScaler",
        keras="mixed_precision",
    )
    running: int = 32  # skipped one after the other: no scale helps
    least_updates: int = 64  # before a share is told
    search: int = 24  # updates at the start in which the scale is found
    max_share: float = 0.2  # of the later updates; a healthy run skips one in about 2,000

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = said(history, "scaler")
        if seen is None:
            return
        updates, later = int(seen["updates"]), int(seen["updates"]) - self.search
        place = history.run.place("step", "backward")
        if seen["running"] >= self.running:
            lost = float(seen["running"])
            yield self.diagnosis(
                f"the loss scaler skipped {seen['running']} steps one after the other: no scale "
                "gives finite gradients and no weight moves",
                Evidence(Fact.LOOP, lost, limit=float(self.running), unit="steps"),
                location=place,
                severity=Severity.CRITICAL,
                confidence="measured",
            )
        elif updates >= self.least_updates and seen["late"] > self.max_share * later:
            share = seen["late"] / later
            yield self.diagnosis(
                f"the loss scaler skipped {seen['skipped']} of {updates} steps, "
                f"{share:.0%} of those after the first {self.search}",
                Evidence(Fact.LOOP, share, limit=self.max_share, unit="of steps"),
                location=place,
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def scaler(updates: int, skipped: int, late: int, running: int = 0) -> History:
            data = {"kind": "scaler", "updates": updates, "skipped": skipped, "late": late}
            return looped(said=[data | {"running": running}])

        yield fires("all", scaler(32, 32, 8, 32), severity=Severity.CRITICAL)
        yield fires("every other one", scaler(96, 48, 36), severity=Severity.WARNING)
        yield quiet("three at the start", scaler(64, 3, 0))
        yield quiet("a long search for the scale", scaler(64, 22, 0))
        yield quiet("one later", scaler(96, 4, 1))
        yield quiet("no scaler", looped())
