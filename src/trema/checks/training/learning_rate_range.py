"""A learning rate outside the range in which its optimizer works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import LINEAR_MAPS
from trema.checks.kernels import kernels
from trema.checks.learning_rates import Range, Rates, observed_rates, usual_range
from trema.checks.sketch import cross_entropy, dense, optimizer
from trema.checks.sketch_runs import mlp
from trema.checks.training.learning_rate_sign import place_of
from trema.core.diagnosis import Cause, Confidence, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact, RunInfo, Snapshot, TensorSeen
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class LearningRateRange(Check):
    """A learning rate far above or below what its kind of optimizer works with.

    Why it matters: with too large a rate steps jump over the minimum and weights grow; with too
    small a one nothing is learned in the time there is.
    May be wrong when: the loss or gradients are of an unusual scale, or a linear model is fitted.
    References: Bengio (2012), arXiv:1206.5533, section 3.1; Kingma & Ba (2015), arXiv:1412.6980;
    the defaults of Keras and PyTorch; Schoop et al. (2021), Umlaut.
    """

    id = "learning-rate-range"
    title = "the learning rate is outside the usual range"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    needs = frozenset({Fact.OPTIMIZER})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.LEARNING_RATE, Fact.LOSS, Fact.LAYERS, Fact.UPDATE_NORM, Fact.WEIGHT_NORM}
    )
    explains: ClassVar[frozenset[str]] = frozenset(
        {
            "batch-lr-mismatch", "dead-units", "exploding-grad", "loss-diverging", "loss-flat",
            "loss-oscillating", "loss-spike", "nonfinite-loss", "saturation", "underfitting",
            "update-ratio", "vanishing-grad", "weight-diverge",
        }
    )  # fmt: skip
    fixes = (
        Fix("begin with the default of the optimizer: 1e-3 for Adam, 1e-2 for SGD"),
        Fix("search over powers of ten, and keep the largest rate at which the loss falls"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="choose learning rate {optimizer} {framework}", torch="optim", keras="optimizers"
    )
    patience: int = 2  # finished epochs without learning before a high rate is told
    low_steps: int = 100  # training steps at a rate too low
    hopeless: float = 100.0  # times the absurd rate: nothing can be learned
    gentle: float = 1e-3  # of the norm of the weights: such updates are not too long
    wild: float = 0.1  # the same: such updates are (TheDeepChecker)

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        low: dict[str, list[Rates]] = {}
        for rates in observed_rates(history):
            if (rates.values < 0).any():
                return  # learning-rate-sign speaks
            limits = usual_range(rates.optimizer.kind)
            severity = self._too_high(history, rates, limits)
            if severity is not None:
                yield self._high(history, rates, limits, severity)
                return
            low.setdefault(rates.optimizer.name, []).append(rates)
        for groups in low.values():
            if all(self._too_low(history, rates) for rates in groups):
                yield self._low(history, max(groups, key=lambda rates: rates.highest))

    def _too_high(self, history: History, rates: Rates, limits: Range) -> Severity | None:
        rate = rates.typical
        if rate > limits.absurd:
            hopeless = rate > self.hopeless * limits.absurd
            return Severity.CRITICAL if hopeless else Severity.ERROR
        if rate <= limits.high or _is_linear_model(history.run):
            return None
        waited = history.epochs_finished >= self.patience or history.finished
        learns = history.beats_baseline()
        if not waited or learns is True or (learns is None and rate <= limits.doubtful):
            return None
        moved = _first_moves(history)
        return None if moved is not None and moved < self.gentle else Severity.WARNING

    def _too_low(self, history: History, rates: Rates) -> bool:
        low = usual_range(rates.optimizer.kind).low
        if not 0 < rates.highest < low or history.beats_baseline():
            return False
        if rates.optimizer.scheduled:  # a schedule may still raise it
            return history.finished
        return history.step >= self.low_steps or history.epochs_finished >= self.patience

    def _high(self, history: History, rates: Rates, limits: Range, severity: Severity) -> Diagnosis:
        kind, rate = rates.optimizer.kind, rates.typical
        limit = limits.high if severity is Severity.WARNING else limits.absurd
        message = f"the learning rate of {kind} is {show(rate)}, above {show(limits.high)}"
        confidence: Confidence = "measured"
        if severity is Severity.WARNING:
            message += ", and the training loss is not below that of a constant prediction"
            confidence = "likely"
            if history.beats_baseline() is None:
                message = f"the learning rate of {kind} is {show(rate)}, above {show(limit)}"
            moved = _first_moves(history)
            if moved is not None and moved > self.wild:
                message += f"; first steps moved weights by {percent(moved)} of their norm"
                confidence = "measured"
        return self._found(history, rates, message, rate, limit, severity, confidence)

    def _low(self, history: History, rates: Rates) -> Diagnosis:
        limit = usual_range(rates.optimizer.kind).low
        message = (
            f"the learning rate of {rates.optimizer.kind} was never above {show(rates.highest)} up "
            f"to step {history.step}; below {show(limit)} weights hardly change"
        )
        return self._found(
            history, rates, message, rates.highest, limit, Severity.WARNING, "likely"
        )

    def _found(
        self,
        history: History,
        rates: Rates,
        message: str,
        value: float,
        limit: float,
        severity: Severity,
        confidence: Confidence,
    ) -> Diagnosis:
        found = rates.optimizer
        step = int(rates.steps[-1]) if len(rates.steps) else None
        return self.diagnosis(
            message,
            Evidence(Fact.LEARNING_RATE, value, limit=limit, step=step),
            where=place_of(history, found),
            location=found.learning_rate_location or found.location,
            severity=severity,
            confidence=confidence,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _first_moves(history: History) -> float | None:
    """The largest update among the first observed steps, relative to the weights: median over
    the weight matrices; None when it was not observed. Later weights have grown already."""
    moves = []
    for kernel in kernels(history.run):
        _, updates = history.array(Fact.UPDATE_NORM, kernel.name)
        _, weights = history.array(Fact.WEIGHT_NORM, kernel.name)
        size = min(len(updates), len(weights), 32)
        updates, weights = updates[:size], weights[:size]
        keep = np.isfinite(updates) & np.isfinite(weights) & (weights > 0)
        if keep.sum() >= 8:
            moves.append(float((updates[keep] / weights[keep]).max()))
    return float(np.median(moves)) if moves else None


def _is_linear_model(run: RunInfo) -> bool:
    """One layer of weights: its loss is convex, and large rates are common."""
    return (
        sum(layer.kind in LINEAR_MAPS for layer in run.layers)
        == 1
        == len([layer for layer in run.layers if layer.parameters or layer.kind in LINEAR_MAPS])
    )


_LAYERS = (dense("fc1", 20, 64, "relu"), dense("fc2", 64, 10))


def _run(kind: str, *rates: float, scheduled: bool = False) -> RunInfo:
    return RunInfo(
        layers=_LAYERS,
        optimizers=(optimizer(kind, *rates, scheduled=scheduled),),
        loss=cross_entropy("logits"),
    )


def _trained(
    run: RunInfo, *rates: float, loss: float = 2.31, epochs: int = 3, finished: bool = False
) -> History:
    """A classifier of ten classes whose loss is this; 2.30 is that of a uniform guess."""
    values = list(rates) or [run.optimizers[0].learning_rates[0]]
    output = TensorSeen(
        role="output", name="", phase="train", shape=(32, 10), dtype="float32", step=0
    )
    return situation(
        run,
        facts={
            (Fact.LEARNING_RATE, "0.0"): values * (120 // len(values) + 1),
            Fact.LOSS: [loss] * 121,
        },
        metrics={"loss": [loss] * epochs},
        tensors=[output],
        finished=finished,
    )


def _moving(run: RunInfo, ratio: float) -> History:
    """The same, with updates of this size beside the weights."""
    history = _trained(replace(run, parameters=mlp(20, 64, 10).parameters))
    for name in ("fc1.weight", "fc2.weight"):
        for step in range(20):
            values = {(Fact.WEIGHT_NORM, name): 5.0, (Fact.UPDATE_NORM, name): 5.0 * ratio}
            history.add(Snapshot(step=step, epoch=0, phase="train", values=values))
    return history


def _firing_cases() -> Iterator[Case]:
    yield fires("1e10 for Adam", situation(_run("adam", 1e10)), severity=Severity.CRITICAL)
    yield fires("5 for AdamW", situation(_run("adamw", 5.0)), severity=Severity.ERROR)
    yield fires(
        "0.3 for Adam, and nothing is learned",
        _trained(_run("adam", 0.3)),
        severity=Severity.WARNING,
    )
    yield fires(
        "0.3 for Adam, and updates are long",
        _moving(_run("adam", 0.3), 0.8),
        confidence="measured",
    )
    yield fires("200 for SGD", situation(_run("sgd", 200.0)), severity=Severity.ERROR)
    yield fires(
        "3 for SGD, and the loss is not a number", _trained(_run("sgd", 3.0), loss=float("nan"))
    )
    yield fires("1e-9 for Adam", _trained(_run("adam", 1e-9)), severity=Severity.WARNING)


def _quiet_cases() -> Iterator[Case]:
    yield quiet("0.1 for SGD", _trained(_run("sgd", 0.1)))
    yield quiet("0.3 for Adam, but updates are short", _moving(_run("adam", 0.3), 1e-4))
    yield quiet("20 for SGD with clipping, and it learns", _trained(_run("sgd", 20.0), loss=1.2))
    yield quiet("1.0 for Adadelta", _trained(_run("adadelta", 1.0)))
    yield quiet("1.0 for an optimizer that sets its own scale", _trained(_run("prodigy", 1.0)))
    yield quiet("0.05 for Adam, and it learns", _trained(_run("adam", 0.05), loss=0.4))
    yield quiet("0.05 for Adam in the first epoch", _trained(_run("adam", 0.05), epochs=0))
    linear = RunInfo(layers=(dense("fc", 8, 1),), optimizers=(optimizer("adam", 0.1),))
    yield quiet("0.1 for Adam and a linear model", _trained(linear))
    yield quiet("negative: another check speaks", situation(_run("adam", -1e3)))
    warm_up = [1e-9 * 2**i for i in range(20)]
    yield quiet("a warm-up", _trained(_run("adam", 1e-9, scheduled=True), *warm_up))
    ending = [1e-3 * 0.5**i for i in range(40)]
    yield quiet(
        "the end of a schedule",
        _trained(_run("adam", 1e-3, scheduled=True), *ending, finished=True),
    )
    search = [1e-7 * 10 ** (i / 5) for i in range(41)]
    yield quiet("a range test up to 10", _trained(_run("adam", 1e-7, scheduled=True), *search))
    yield quiet(
        "a backbone that is nearly frozen", situation(_run("adam", 1e-9, 1e-3), finished=True)
    )
