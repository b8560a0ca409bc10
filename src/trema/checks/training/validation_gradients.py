"""Validation that builds graphs nobody uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import VALIDATION, Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ValidationGradients(Check):
    """A pass over other data than the training data with gradients on, and no backward.

    Why it matters: each batch keeps all its activations until its loss is dropped; validation
    takes more time and several times the memory. Results do not change.
    May be wrong when: gradients of the inputs are read in another way than by ``backward``.
    References: PyTorch, torch.no_grad and torch.inference_mode.
    """

    id = "validation-gradients"
    title = "validation runs with gradients on"
    cause = Cause.TRAINING_LOOP
    severity = Severity.INFO
    needs = frozenset({Fact.LOOP})
    fixes = (Fix("validate under `with torch.inference_mode():` or `torch.no_grad()`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="validation without no_grad memory {framework}",
        torch="no_grad",
        keras="models/model_training_apis",
    )
    least_passes: int = 1  # passes over a whole loader

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        _, graphs = loop_values(history, "graph", VALIDATION)
        count = int((graphs > 0).sum())
        if count < self.least_passes or count < len(graphs):
            return
        yield self.diagnosis(
            f"{count} passes over validation data built graphs that no backward used",
            Evidence(Fact.LOOP, float(count), limit=0.0, unit="passes", name="graph"),
            location=history.run.place("evaluation"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("each epoch", looped(validation={"graph": [1.0, 1.0]}))
        yield fires("once", looped(validation={"graph": [1.0]}))
        yield quiet("under no_grad", looped())
        yield quiet("a second loader trains too", looped(validation={"graph": [0.0, 0.0]}))
        yield quiet("a look at the data before", looped(validation={"graph": [1.0, 0.0]}))
