"""A training that goes on with an optimizer that has forgotten all."""

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
class OptimizerStateLost(Check):
    """A training that was resumed, or whose schedule begins in the midst, while the optimizer has
    no state.

    Why it matters: Adam without its averages makes its first steps as long as the rate allows,
    at a point that was reached by small ones; the loss jumps and takes long to come back.
    May be wrong when: the schedule alone was moved on purpose.
    References: PyTorch, saving and loading a general checkpoint; Transformers, `save_only_model`.
    """

    id = "optimizer-state-lost"
    title = "resumed without the optimizer's state"
    cause = Cause.OPTIMIZER
    severity = Severity.WARNING
    needs = frozenset({Fact.LOOP})
    fixes = (
        Fix("save and load `optimizer.state_dict()` beside the weights"),
        Fix("leave `save_only_model` off where a training is to go on"),
        Fix("without the state, warm the rate up again"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="resume training loss jumps optimizer state {framework}",
        torch="optim.Optimizer.load_state_dict",
        keras="callbacks/backup_and_restore",
    )
    least_step: int = 2  # a schedule stepped once before the optimizer is another fault

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = said(history, "resumed")
        if found is None or found["remembered"] or found["step"] < self.least_step:
            return
        yield self.diagnosis(
            f"training goes on at step {found['step']} of its schedule, but the optimizer "
            "remembers nothing of the steps before",
            Evidence(Fact.LOOP, float(found["step"]), limit=0.0, unit="steps", name="resumed"),
            location=history.run.place("fit", "scheduler", "loop", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def resumed(step: int, remembered: int) -> History:
            return looped(said=[{"kind": "resumed", "step": step, "remembered": remembered}])

        yield fires("the weights alone were saved", resumed(400, 0))
        yield fires("early", resumed(3, 0))
        yield quiet("all is there", resumed(400, 12))
        yield quiet("a new training", looped())
        yield quiet("the schedule was stepped once too early", resumed(1, 0))
