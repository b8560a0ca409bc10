"""A loss that reads probabilities and gets something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.outputs import EDGE, Head, Outputs, read_head, read_outputs, several_outputs
from trema.checks.sketch import Facts, classifier, cross_entropy, dense, op
from trema.core.diagnosis import Cause, Confidence, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, LossInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show

#: Losses over classes: a single row is a distribution.
CLASSES = frozenset({"cross-entropy", "nll"})
PROBABILITY_LOSSES = CLASSES | {"binary-cross-entropy", "kl-divergence"}


@register
@dataclass(frozen=True, kw_only=True)
class MissingSoftmax(Check):
    """Logits given to a loss that reads probabilities or log-probabilities.

    Why it matters: the loss takes a logarithm of numbers that are no probabilities; it clips
    them, so gradients vanish, or falls below zero without end, and nothing useful is learned.
    May be wrong when: a custom layer makes probabilities; measured outputs then tell.
    References: Keras `from_logits`; PyTorch `nn.NLLLoss`; Schoop et al. (2021), Umlaut, bug A1.
    """

    id = "missing-softmax"
    title = "the loss reads probabilities but gets logits"
    cause = Cause.LOSS
    severity = Severity.CRITICAL
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
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss"})
    fixes = (
        Fix("let the loss do it: `from_logits=True` (Keras), `nn.CrossEntropyLoss` (PyTorch)"),
        Fix('or end the model with `activation="softmax"` (Keras), `nn.LogSoftmax(dim=1)`'),
    )
    binary_fixes: ClassVar[tuple[Fix, ...]] = (
        Fix("let the loss do it: `from_logits=True` (Keras), `nn.BCEWithLogitsLoss` (PyTorch)"),
        Fix('or end the model with `activation="sigmoid"` (Keras), `nn.Sigmoid()` (PyTorch)'),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="from_logits softmax {loss} {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )

    def missing(self, history: History) -> list[str]:
        """Without outputs the graph must be known: an operation may stand after the last layer."""
        missing = super().missing(history)
        if history.run.edges is None and not history.observed(Fact.OUTPUT_MIN):
            missing.append(str(Fact.OUTPUT_MIN))
        return missing

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        loss = history.run.loss
        if loss is None or loss.kind not in PROBABILITY_LOSSES or several_outputs(history):
            return
        head, outputs = read_head(history.run), read_outputs(history)
        if loss.reads == "probabilities":
            found = self._probabilities(history, loss, head, outputs)
        elif loss.reads == "log-probabilities":
            found = self._log_probabilities(history, loss, head, outputs)
        else:
            return
        if found is not None:
            yield found

    # what the loss reads ------------------------------------------------------------------

    def _probabilities(
        self, history: History, loss: LossInfo, head: Head, outputs: Outputs | None
    ) -> Diagnosis | None:
        reader = f"{_name(loss)} reads probabilities"
        if outputs is None:
            if head.function != "linear" or history.run.edges is None:
                return None
            message = f"{reader}, but {_ends(head)} gives logits"
            return self._found(history, loss, head, message, None)
        seen = _range_evidence(outputs)
        if not outputs.within_unit:
            message = (
                f"{reader}, but outputs range from {show(outputs.minimum)} to "
                f"{show(outputs.maximum)}"
            )
            return self._found(history, loss, head, message + _and_head(head), seen)
        if loss.kind not in CLASSES or outputs.sums_to_one is not False or outputs.sums is None:
            return None
        if head.function == "softmax":
            return None  # a softmax over another axis than the last
        low, high = outputs.sums
        message = f"{reader}, but rows of the outputs sum to {show(low)} to {show(high)}, not to 1"
        return self._found(
            history,
            loss,
            head,
            message + _and_head(head),
            Evidence(Fact.OUTPUT_ROW_SUM_MAX, high, limit=1.0, step=outputs.first_step),
            severity=Severity.WARNING if head.function == "sigmoid" else Severity.ERROR,
        )

    def _log_probabilities(
        self, history: History, loss: LossInfo, head: Head, outputs: Outputs | None
    ) -> Diagnosis | None:
        reader = f"{_name(loss)} reads log-probabilities"
        if outputs is None:
            known = head.function in ("linear", "softmax", "sigmoid")
            if not known or history.run.edges is None:
                return None
            what = "logits" if head.function == "linear" else "probabilities"
            message = f"{reader}, but {_ends(head)} gives {what}"
            return self._found(history, loss, head, message, None)
        if outputs.maximum <= EDGE:
            return None
        seen = Evidence(
            Fact.OUTPUT_MAX, outputs.maximum, limit=0.0, step=outputs.first_step, name=outputs.name
        )
        message = (
            f"{reader}, which are never above 0, but outputs range from {show(outputs.minimum)} to "
            f"{show(outputs.maximum)}"
        )
        return self._found(history, loss, head, message + _and_head(head), seen)

    def _found(
        self,
        history: History,
        loss: LossInfo,
        head: Head,
        message: str,
        seen: Evidence | None,
        *,
        severity: Severity | None = None,
    ) -> Diagnosis:
        place = head.last or head.layer
        confidence: Confidence = "likely" if seen is None else "measured"
        evidence = seen or Evidence(Fact.LOSS_KIND, 1.0, unit="from the model alone")
        return self.diagnosis(
            message,
            evidence,
            where=Where(layer=place.name if place is not None else None),
            location=(place.location if place is not None else None) or loss.location,
            severity=severity,
            confidence=confidence,
            fixes=self.binary_fixes if loss.kind == "binary-cross-entropy" else None,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _name(loss: LossInfo) -> str:
    return f"`{loss.name}`" if loss.name else loss.kind


def _ends(head: Head) -> str:
    return f"the last layer `{head.layer.name}`" if head.layer is not None else "the model"


def _and_head(head: Head) -> str:
    """What the structure says, where it is known."""
    if head.layer is None or head.function is None:
        return ""
    if head.function == "linear":
        return f": {head.layer.label} gives logits"
    return f": the last operation is {head.function}"


def _range_evidence(outputs: Outputs) -> Evidence:
    if outputs.minimum < -EDGE:
        return Evidence(
            Fact.OUTPUT_MIN, outputs.minimum, limit=0.0, step=outputs.first_step, name=outputs.name
        )
    return Evidence(
        Fact.OUTPUT_MAX, outputs.maximum, limit=1.0, step=outputs.first_step, name=outputs.name
    )


def _seen(low: float, high: float, sums: tuple[float, float] | None = None) -> Facts:
    facts: Facts = {Fact.OUTPUT_MIN: low, Fact.OUTPUT_MAX: high}
    if sums is not None:
        facts |= {Fact.OUTPUT_ROW_SUM_MIN: sums[0], Fact.OUTPUT_ROW_SUM_MAX: sums[1]}
    return facts


def _net(reads: str, kind: str, activation: str | None = None, units: int = 10) -> RunInfo:
    layers = (dense("fc1", 64, 32, "relu"), dense("fc2", 32, units, activation))
    return classifier(*layers, loss=cross_entropy(reads, kind), head=1, framework="keras")


def _firing_cases() -> Iterator[Case]:
    yield fires(
        "logits into Keras cross-entropy",
        situation(_net("probabilities", "cross-entropy"), facts=_seen(-3.1, 4.2, (-5.0, 7.0))),
        cause=Cause.LOSS,
        severity=Severity.CRITICAL,
    )
    yield fires(
        "logits into NLLLoss",
        situation(_net("log-probabilities", "nll"), facts=_seen(-0.4, 0.5)),
        severity=Severity.CRITICAL,
    )
    yield fires(
        "logits into binary cross-entropy",
        situation(_net("probabilities", "binary-cross-entropy", units=1), facts=_seen(-1.5, 2.0)),
    )
    yield fires(
        "probabilities into NLLLoss",
        situation(_net("log-probabilities", "nll", "softmax"), facts=_seen(0.01, 0.6, (1.0, 1.0))),
    )
    yield fires(
        "by the model alone, outputs not seen", situation(_net("probabilities", "cross-entropy"))
    )
    yield fires(
        "a ReLU instead of a softmax",
        situation(_net("probabilities", "cross-entropy", "relu"), facts=_seen(0, 0.9, (0.1, 3.2))),
        severity=Severity.ERROR,
    )


def _quiet_cases() -> Iterator[Case]:
    yield quiet(
        "softmax and cross-entropy",
        situation(
            _net("probabilities", "cross-entropy", "softmax"), facts=_seen(0, 1, (0.9999, 1.0001))
        ),
    )
    yield quiet(
        "logits read as logits",
        situation(_net("logits", "cross-entropy"), facts=_seen(-3, 4, (-5, 7))),
    )
    yield quiet(
        "sigmoid and binary cross-entropy",
        situation(
            _net("probabilities", "binary-cross-entropy", "sigmoid", 4),
            facts=_seen(0, 1, (0.3, 3.1)),
        ),
    )
    log = classifier(
        dense("fc", 32, 10),
        op("log-softmax"),
        loss=cross_entropy("log-probabilities", "nll"),
        framework="torch",
    )
    yield quiet("log-softmax and NLLLoss", situation(log, facts=_seen(-9.0, -0.001)))
    yield quiet(
        "a custom layer that makes probabilities",
        situation(_net("probabilities", "cross-entropy"), facts=_seen(0, 0.8, (1.0, 1.0))),
    )
    yield quiet("regression", situation(_net("values", "mse", units=1), facts=_seen(-3, 4)))
    unseen = RunInfo(
        layers=(dense("classifier", 32, 10),),
        head=("classifier",),
        loss=cross_entropy("probabilities"),
    )
    yield quiet("a function may follow the last layer: no graph, no outputs", situation(unseen))
    two: Facts = {(Fact.OUTPUT_MIN, "class"): 0.0, (Fact.OUTPUT_MIN, "box"): -3.0}
    two |= {(Fact.OUTPUT_MAX, "class"): 1.0, (Fact.OUTPUT_MAX, "box"): 3.0}
    yield quiet("two outputs", situation(_net("probabilities", "cross-entropy"), facts=two))
