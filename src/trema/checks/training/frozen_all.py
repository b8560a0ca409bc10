"""A model without any trainable parameter, or without any but a bias."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.progress import waited
from trema.checks.sketch import Facts, optimizer
from trema.checks.sketch_runs import CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, OptimizerInfo, Parameter, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class FrozenAll(Check):
    """Every parameter of the model is frozen, or all but the bias of one layer, and it is trained.

    Why it matters: nothing can change; the loss only shows the noise of batches and dropout. A
    bias alone shifts all answers alike.
    May be wrong when: only statistics of normalization are to be adapted, or a trained network is
    calibrated; a bias alone is therefore told only of a run that does worse than a constant.
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

    steps: int = 64  # training steps after which a bias alone is told …
    epochs: int = 2  # … or finished epochs
    end: int = 20  # training steps when training is over

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        parameters = history.run.parameters
        if any(p.trainable for p in parameters):
            yield from self._bias_only(history)
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

    def _bias_only(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        free = [p for p in run.parameters if p.trainable]
        layer = run.layer(free[0].layer or "")
        if len(free) > 1 or not free[0].name.endswith("bias") or len(run.parameters) == 1:
            return
        if layer is None or layer.kind == "normalization" or history.beats_baseline() is not False:
            return
        if not waited(history, steps=self.steps, epochs=self.epochs, end=self.end):
            return
        values = sum(math.prod(p.shape) for p in run.parameters)
        trained = math.prod(free[0].shape)
        yield self.diagnosis(
            f"only `{free[0].name}` is trainable, {trained} of the model's {values} values: it "
            "shifts all answers alike, and a constant prediction does better",
            Evidence(Fact.OPTIMIZER, trained / max(1, values), unit="of all values"),
            where=Where(parameter=free[0].name),
            location=run.place("freeze")
            or (run.optimizers[0].location if run.optimizers else None),
            confidence="measured",
            severity=Severity.ERROR,
            title="all weights are frozen but a bias",
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

        def but(*free: str) -> RunInfo:
            whole = mlp(20, 32, 32, CLASSES)
            return replace(
                whole,
                parameters=tuple(replace(p, trainable=p.name in free) for p in whole.parameters),
            )

        worse = noisy(2.9, 2.7)
        yield fires("all but a bias", training(but("fc3.bias"), worse), severity=Severity.ERROR)
        yield quiet("a trained network is calibrated", training(but("fc3.bias"), noisy(0.4, 0.3)))
        yield quiet(
            "biases of all layers", training(but("fc1.bias", "fc2.bias", "fc3.bias"), worse)
        )
        yield quiet("a probe that fails", training(but("fc3.weight", "fc3.bias"), worse))
        yield quiet("the first steps", training(but("fc3.bias"), worse[:10], epochs=0))
        yield fires("the only one", situation(run(False), facts=loss))
        yield quiet("a linear probe", situation(run(False, False, True), facts=loss))
        yield quiet("usual", situation(run(True, True), facts=loss))
        yield quiet("not trained yet", situation(run(False, False)))
        yield quiet("no parameters are known", situation(run(), facts=loss))
