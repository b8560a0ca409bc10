"""Validation batches that the model is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ValidationTrained(Check):
    """Optimizer steps on a second data set, always in eval mode, epoch by epoch beside the first
    one, which is trained on in train mode.

    Why it matters: the model has seen its validation data, so that their score says nothing about
    new data; overfitting cannot be seen.
    May be wrong when: a model adapts itself to a second data set in eval mode on purpose, in turns
    with the first.
    References: PyTorch, Training with PyTorch; Transfer Learning tutorial (phases of one loop).
    """

    id = "validation-trained"
    title = "the validation data are trained on"
    cause = Cause.TRAINING_LOOP
    severity = Severity.ERROR
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("call `backward` and `step` only in the training phase: `if phase == 'train':`"),
        Fix("validate under `with torch.inference_mode():`, where `backward` fails at once"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="optimizer.step in validation phase train val loop {framework}",
        torch="inference_mode",
        keras="models/model_training_apis",
    )
    least_passes: int = 2  # over the second data set with steps, all in eval mode

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for call in observed_calls(history, "trained-in-eval")[-1:]:
            if call["passes"] < self.least_passes:
                continue
            yield self.diagnosis(
                f"the optimizer makes {call['steps']} steps in each pass over a second data set "
                "while the model is in eval mode: what it is judged on is trained on",
                Evidence(Fact.CONTROL, float(call["steps"]), limit=0.0, unit="steps", name="eval"),
                where=Where(split="validation"),
                location=history.run.place("foreign-step", "step"),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def passes(count: int) -> History:
            return controlled("trained-in-eval", {"passes": count, "steps": 13})

        yield fires("two epochs", passes(2))
        yield fires("more", passes(5))
        yield quiet("once, to calibrate", passes(1))
        yield quiet("never", controlled("trained-in-eval"))
        yield quiet("another call", controlled("restored", {"steps": 3}))
