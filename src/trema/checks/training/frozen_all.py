"""A model without any trainable parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import Facts, optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact, OptimizerInfo, Parameter, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class FrozenAll(Check):
    """Every parameter of the model is frozen, and it is trained.

    Why it matters: nothing can change; the loss only shows the noise of batches and dropout.
    May be wrong when: only statistics of normalization are to be adapted.
    References: Keras, Transfer learning and fine-tuning; PyTorch, Autograd mechanics.
    """

    id = "frozen-all"
    title = "all parameters are frozen"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.OPTIMIZER})
    fixes = (
        Fix("set `trainable = True` (Keras) or `requires_grad_(True)` (PyTorch) for the head"),
        Fix("freeze the backbone before the new head is added, and compile after both"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="all layers frozen no trainable weights {framework}",
        torch="nn.Module",
        keras="layers/base_layer",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        parameters = history.run.parameters
        if not parameters or any(p.trainable for p in parameters):
            return
        if history.step < 0 and not history.finished:  # it may be thawed before training
            return
        optimizers = history.run.optimizers
        yield self.diagnosis(
            f"none of the model's {len(parameters)} parameters is trainable",
            Evidence(Fact.OPTIMIZER, 0.0, unit="trainable parameters"),
            location=history.run.place("freeze", "fit", "step", "backward")
            or (optimizers[0].location if optimizers else None),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(*trainable: bool) -> RunInfo:
            parameters = tuple(
                Parameter(name=f"{i}.weight", shape=(2, 2), dtype="float32", trainable=one)
                for i, one in enumerate(trainable)
            )
            held: tuple[OptimizerInfo, ...] = (optimizer("adam", 1e-3),)
            return RunInfo(parameters=parameters, optimizers=held)

        loss: Facts = {Fact.LOSS: [1.0, 1.0]}
        yield fires("all of three", situation(run(False, False, False), facts=loss))
        yield fires("the only one", situation(run(False), facts=loss))
        yield quiet("a linear probe", situation(run(False, False, True), facts=loss))
        yield quiet("usual", situation(run(True, True), facts=loss))
        yield quiet("not trained yet", situation(run(False, False)))
        yield quiet("no parameters are known", situation(run(), facts=loss))
