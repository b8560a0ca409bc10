"""Backward passes whose gradients are thrown away, because the optimizer does not step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped, said
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class StepMissing(Check):
    """No ``step`` at all, or one for many batches while ``zero_grad`` runs for each.

    Why it matters: only ``step`` changes the weights. What ``zero_grad`` clears before a step was
    computed for nothing.
    May be wrong when: gradients are only measured and the weights are meant to stand still.
    Adversarial inner loops call ``backward`` on another line and are left out.
    References: PyTorch, Optimization tutorial; TrainCheck (Jiang et al., OSDI 2025).
    """

    id = "step-missing"
    title = "gradients are computed but no step follows"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOOP})
    fixes = (
        Fix("call `optimizer.step()` after `loss.backward()`, inside the loop over batches"),
        Fix("with a `GradScaler`, call `scaler.step(optimizer)` and `scaler.update()`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="optimizer step missing weights do not change {framework}",
        torch="optim.Optimizer.step",
        keras="optimizers",
    )
    least_passes: int = 8  # backward passes without a step, at the end of a run
    least_wasted: int = 4  # passes thrown away before each step; SAM and GANs waste one or two
    least_steps: int = 3  # observed steps in which that was so

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        never = said(history, "no-step")
        if history.step < 0:
            if never is not None and not never["moved"] and never["backwards"] >= self.least_passes:
                yield self._never(history, int(never["backwards"]), never.get("beside", 0))
            return
        steps, wasted = loop_values(history, "wasted")
        _, backwards = loop_values(history, "backwards")
        if len(wasted) != len(backwards):  # other optimizers came or went: they share backward
            return
        often = (wasted >= self.least_wasted) & (wasted >= 0.75 * (backwards - 1))
        if often.sum() >= self.least_steps and often.mean() >= 0.8:
            lost, all_of_them = int(wasted[often].sum()), int(backwards[often].sum())
            yield self.diagnosis(
                f"the gradients of {lost} of {all_of_them} backward passes were cleared before a "
                f"step used them: the optimizer steps once for about "
                f"{all_of_them / often.sum():.0f} batches",
                Evidence(
                    Fact.LOOP,
                    lost / all_of_them,
                    unit="of passes",
                    name="wasted",
                    step=int(steps[-1]),
                ),
                location=history.run.place("step", "backward"),
                severity=Severity.ERROR,
                confidence="measured",
                title="most gradients are thrown away",
            )

    def _never(self, history: History, passes: int, beside: int) -> Diagnosis:
        optimizers = history.run.optimizers
        message = f"backward gave gradients {passes} times, `step` was never called"
        if beside:
            kind = f" `{optimizers[0].kind}`" if optimizers else ""
            message = (
                f"backward gave the parameters of this optimizer{kind} gradients {passes} times, "
                f"but its `step` was never called, while {beside} other "
                f"{'optimizer steps' if beside == 1 else 'optimizers step'}"
            )
        made = optimizers[0].location if optimizers else None
        return self.diagnosis(
            f"{message} and no weight moved",
            Evidence(Fact.LOOP, float(passes), limit=0.0, unit="passes", name="no-step"),
            location=(made if beside else None)
            or history.run.place("step-interval", "backward")
            or made,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def never(backwards: int, moved: bool) -> History:
            data = {"kind": "no-step", "backwards": backwards, "moved": moved}
            return looped(steps=0, said=[data])

        yield fires("never", never(16, moved=False), severity=Severity.CRITICAL)
        other = {"kind": "no-step", "backwards": 90, "moved": False, "beside": 1}
        yield fires("one of two", looped(steps=0, said=[other]), severity=Severity.CRITICAL)
        yield fires("once an epoch", looped(backwards=40.0, wasted=39.0), severity=Severity.ERROR)
        yield quiet("weights are changed by hand", never(256, moved=True))
        yield quiet("a few passes so far", never(4, moved=False))
        data = {"kind": "no-step", "backwards": 16, "moved": False}
        yield quiet("the step came later", looped(said=[data], wasted=0.0))
        yield quiet("accumulation keeps all gradients", looped(backwards=32.0, wasted=0.0))
        yield quiet("sharpness-aware: two passes a step", looped(backwards=2.0, wasted=1.0))
        yield quiet("several lines call backward", looped(backwards=8.0, wasted=0.0))
