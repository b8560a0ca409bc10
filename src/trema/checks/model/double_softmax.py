"""Probabilities given to a loss that applies softmax or sigmoid itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.outputs import Head, Outputs, read_head, read_outputs, several_outputs
from trema.checks.sketch import Facts, classifier, cross_entropy, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, LossInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class DoubleSoftmax(Check):
    """Softmax or sigmoid in the model before a loss that applies it once more.

    Why it matters: probabilities taken for logits lie within 0…1, so the second softmax is
    nearly flat: gradients are small, and the loss cannot fall below a floor.
    May be wrong when: outputs are bounded on purpose to keep the model from being confident.
    References: PyTorch, `nn.CrossEntropyLoss` ("unnormalized logits"); Keras, `from_logits`.
    """

    id = "double-softmax"
    title = "softmax is applied twice"
    cause = Cause.LOSS
    severity = Severity.ERROR
    needs = frozenset({Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {
            Fact.OUTPUT_MIN,
            Fact.OUTPUT_MAX,
            Fact.OUTPUT_ROW_SUM_MIN,
            Fact.OUTPUT_ROW_SUM_MAX,
            Fact.LAYERS,
        }
    )
    fixes = (
        Fix("remove the softmax or sigmoid from the model; apply it where you predict"),
        Fix("take the loss for probabilities: `from_logits=False`, `NLLLoss`, `BCELoss`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="softmax before CrossEntropyLoss {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )
    least_steps: int = 3  # observed, when only the outputs tell

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        loss = history.run.loss
        if loss is None or loss.reads != "logits" or several_outputs(history):
            return
        head, outputs = read_head(history.run), read_outputs(history)
        found = self._judge(history, loss, head, outputs)
        if found is not None:
            yield found

    def _judge(
        self, history: History, loss: LossInfo, head: Head, outputs: Outputs | None
    ) -> Diagnosis | None:
        name = f"`{loss.name}`" if loss.name else loss.kind
        if head.function == "log-softmax" and loss.kind == "cross-entropy":
            message = f"{name} applies log-softmax, and the model did so before: it has no effect"
            return self._found(loss, head, message, outputs, severity=Severity.INFO)
        expected = "sigmoid" if loss.kind == "binary-cross-entropy" else "softmax"
        known = head.function in ("softmax", "sigmoid")
        if outputs is None:
            if not known:
                return None
            message = f"{name} applies {expected}, and the model already ends with {head.function}"
            return self._found(loss, head, message, None)
        if not outputs.within_unit:
            return None
        if known:
            message = (
                f"{name} applies {expected}, and the model already ends with {head.function}: "
                f"outputs range from {show(outputs.minimum)} to {show(outputs.maximum)}"
            )
            return self._found(loss, head, message, outputs)
        if loss.kind != "cross-entropy" or head.function is not None:
            return None
        if outputs.sums_to_one and outputs.steps >= self.least_steps:
            message = (
                f"{name} applies softmax, and each row of the outputs already lies within 0 to 1 "
                "and sums to 1"
            )
            return self._found(loss, head, message, outputs)
        return None

    def _found(
        self,
        loss: LossInfo,
        head: Head,
        message: str,
        outputs: Outputs | None,
        *,
        severity: Severity | None = None,
    ) -> Diagnosis:
        if outputs is None:
            seen = Evidence(Fact.LOSS_KIND, 1.0, unit="from the model alone")
        else:
            seen = Evidence(
                Fact.OUTPUT_MAX, outputs.maximum, step=outputs.first_step, name=outputs.name
            )
        return self.diagnosis(
            message,
            seen,
            where=Where(layer=head.layer.name if head.layer is not None else None),
            location=(head.layer.location if head.layer is not None else None) or loss.location,
            severity=severity,
            confidence="measured" if outputs is not None else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def net(reads: str, kind: str, activation: str | None, units: int = 10) -> RunInfo:
            layers = (dense("fc1", 64, 32, "relu"), dense("fc2", 32, units, activation))
            return classifier(*layers, loss=cross_entropy(reads, kind), head=1, framework="keras")

        def seen(low: float, high: float, *sums: float) -> Facts:
            facts: Facts = {Fact.OUTPUT_MIN: [low] * 4, Fact.OUTPUT_MAX: [high] * 4}
            if sums:
                facts[Fact.OUTPUT_ROW_SUM_MIN] = [sums[0]] * 4
                facts[Fact.OUTPUT_ROW_SUM_MAX] = [sums[1]] * 4
            return facts

        ones = seen(0.01, 0.7, 0.999, 1.001)
        yield fires(
            "softmax before a loss on logits",
            situation(net("logits", "cross-entropy", "softmax"), facts=ones),
            cause=Cause.LOSS,
            severity=Severity.ERROR,
        )
        yield fires(
            "sigmoid before a loss on logits",
            situation(net("logits", "binary-cross-entropy", "sigmoid", 1), facts=seen(0.1, 0.9)),
        )
        hidden = RunInfo(framework="keras", loss=cross_entropy("logits"))
        yield fires("a softmax that only the outputs show", situation(hidden, facts=ones))
        twice = classifier(
            dense("fc", 32, 10), op("log-softmax"), loss=cross_entropy("logits"), framework="torch"
        )
        yield fires(
            "log-softmax before cross-entropy",
            situation(twice, facts=seen(-6, -0.1)),
            severity=Severity.INFO,
        )
        yield quiet(
            "logits into a loss on logits",
            situation(net("logits", "cross-entropy", None), facts=seen(-4, 5, -3, 6)),
        )
        yield quiet(
            "softmax into a loss on probabilities",
            situation(net("probabilities", "cross-entropy", "softmax"), facts=ones),
        )
        yield quiet(
            "logits that happen to lie within 0 to 1",
            situation(net("logits", "cross-entropy", None), facts=seen(0.1, 0.4, 0.9, 2.1)),
        )
        yield quiet(
            "the values refute the structure",
            situation(net("logits", "cross-entropy", "softmax"), facts=seen(-4, 5, -3, 6)),
        )
        yield quiet(
            "logits of no known head within 0 to 1 for a binary loss",
            situation(
                RunInfo(loss=cross_entropy("logits", "binary-cross-entropy")),
                facts=seen(0.1, 0.9, 1.0, 1.0),
            ),
        )
