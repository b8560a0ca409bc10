"""The best weights, kept by reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class RestoredItself(Check):
    """Weights put back that are the module's own tensors: ``state_dict()`` was kept without a
    copy, and training went on in it.

    Why it matters: what is restored are the last weights, not the best ones, and what is reported
    for the best ones is not what the model does. A reset between folds does nothing either.
    May be wrong when: the last weights are wanted anyway.
    References: PyTorch, Saving and Loading Models: ``best_model_state`` must be copied.
    """

    id = "restored-itself"
    title = "the weights put back are the present ones"
    cause = Cause.TRAINING_LOOP
    severity = Severity.WARNING
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("keep a copy: `best = copy.deepcopy(model.state_dict())`"),
        Fix("or write it to a file with `torch.save` and load that"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="state_dict reference deepcopy best weights early stopping {framework}",
        torch="nn.Module.state_dict",
        keras="callbacks/early_stopping",
    )
    least_steps: int = 1  # training steps between taking the state and putting it back

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        calls = [c for c in observed_calls(history, "restored") if c["steps"] >= self.least_steps]
        if not calls:
            return
        steps = int(calls[-1]["steps"])
        again = f", and so {len(calls)} times" if len(calls) > 1 else ""
        yield self.diagnosis(
            f"the state put back was taken {steps} steps before and is no copy: its tensors are "
            f"the model's own, so nothing is restored{again}",
            Evidence(Fact.CONTROL, float(steps), limit=0.0, unit="steps", name="restored"),
            location=history.run.place("taken", "restore"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("early stopping", controlled("restored", {"steps": 480}))
        yield fires("a reset between folds", controlled("restored", {"steps": 80}, {"steps": 160}))
        yield quiet("put back at once", controlled("restored", {"steps": 0}))
        yield quiet("weights were loaded", controlled("loaded", {"filled": 6, "total": 6}))
        yield quiet("a copy was put back", controlled("restored"))
