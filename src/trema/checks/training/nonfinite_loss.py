"""A loss or weights that overflowed or became NaN while the data are fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.data.nonfinite_input import blamed
from trema.checks.learning_rates import Rates, far_above_range, observed_rates
from trema.checks.sketch import Facts, chain, dense, op, optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase
from trema.core.history import History
from trema.core.numbers import number_word, show

_GROWTH_FIXES = (
    Fix("lower the learning rate by a factor of 10"),
    Fix("clip gradients to a norm of 1", caution="hides the growth, does not remove its cause"),
)


@dataclass(frozen=True)
class Break:
    """The first non-finite value seen: of which fact, where, when, and whether it stayed."""

    fact: Fact
    name: str
    phase: Phase
    step: int
    value: float
    recovered: bool = False


@register
@dataclass(frozen=True, kw_only=True)
class NonfiniteLoss(Check):
    """A loss that is NaN or infinite, weights that are, or a loss that grows beyond all measure.

    Why it matters: after one update with NaN every weight is NaN and the run is lost.
    May be wrong when: a single batch has no target that counts, and the update is skipped.
    References: Goodfellow et al. (2016), Deep Learning, sections 4.1 and 8.2.4; Micikevicius et
    al. (2018), arXiv:1710.03740, for loss scaling.
    """

    id = "nonfinite-loss"
    title = "the loss is not a finite number"
    cause = Cause.NUMERICS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {
            Fact.GRADIENT_NONFINITE,
            Fact.WEIGHT_NONFINITE,
            Fact.WEIGHT_NORM,
            Fact.INPUT_NONFINITE,
            Fact.TARGET_NONFINITE,
            Fact.LOSS_SCALE,
            Fact.NONFINITE_ORIGIN,
            Fact.LEARNING_RATE,
        }
    )
    fixes = (
        Fix("use the loss that reads logits instead of `log` of a softmax or sigmoid"),
        Fix("keep logarithms, divisions and square roots away from zero: `log(x + 1e-8)`"),
        *_GROWTH_FIXES,
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="loss is nan {framework} {loss}",
        torch="autograd.detect_anomaly",
        keras="callbacks/terminate_on_nan",
    )
    growth: float = 1e3  # loss or weight norm over its beginning: the run had already diverged
    diverged: float = 1e6  # loss over its beginning
    over_baseline: float = 1e4  # loss over that of a constant prediction
    stubborn: int = 3  # observed steps in a row with bad gradients, without loss scaling

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = self._first(history)
        if found is not None:
            if not self._from_data(history, found):
                yield self._broken(history, found)
            return
        yield from self._diverging(history)

    # what happened ------------------------------------------------------------------------

    def _first(self, history: History) -> Break | None:
        found = [
            *self._losses(history),
            *_of_parameters(history, Fact.WEIGHT_NONFINITE, 1),
        ]
        if not found and not history.names(Fact.LOSS_SCALE):
            # a scaler skips bad updates, and so may a training loop; many in a row are stuck
            found = list(_of_parameters(history, Fact.GRADIENT_NONFINITE, self.stubborn))
        training = [item for item in found if item.phase == TRAIN]
        return min(training or found, key=lambda item: item.step, default=None)

    def _losses(self, history: History) -> Iterator[Break]:
        for phase in (TRAIN, VALIDATION):
            for name in history.names(Fact.LOSS, phase):
                steps, losses = history.array(Fact.LOSS, name, phase)
                bad = np.flatnonzero(~np.isfinite(losses))
                if len(bad):
                    recovered = bool(np.isfinite(losses[bad[-1] + 1 :]).any())
                    value = float(losses[bad[0]])
                    yield Break(Fact.LOSS, name, phase, int(steps[bad[0]]), value, recovered)

    def _from_data(self, history: History, found: Break) -> bool:
        """Whether the data were bad before or with the loss: nonfinite-input speaks."""
        if any(blamed(origin) for origin in history.observations(Fact.NONFINITE_ORIGIN)):
            return True
        for fact in (Fact.INPUT_NONFINITE, Fact.TARGET_NONFINITE):
            for name in history.names(fact, found.phase):
                steps, counts = history.array(fact, name, found.phase)
                if ((counts > 0) & (steps <= found.step)).any():
                    return True
        return False

    # why ----------------------------------------------------------------------------------

    def _broken(self, history: History, found: Break) -> Diagnosis:
        origin = next(iter(history.observations(Fact.NONFINITE_ORIGIN)), None)
        subject = _subject(found)
        if found.recovered:
            message = f"{subject} was {number_word(found.value)} at step {found.step} and is finite"
            return self.diagnosis(
                f"{message} again later",
                self._evidence(found),
                where=Where(split=found.phase),
                location=_location(history, origin),
                severity=Severity.WARNING,
                confidence="measured",
            )
        message = f"{subject} from step {found.step} on"
        if origin is not None:
            message += _told(origin)
        rates, why = self._learning_rate(history, found.step)
        validation = found.phase == VALIDATION
        return self.diagnosis(
            message + why,
            self._evidence(found),
            where=Where(layer=_layer(history, origin), split="validation" if validation else None),
            location=_rate_location(rates) if why else _location(history, origin),
            cause=Cause.LEARNING_RATE if why else None,
            severity=Severity.ERROR if validation else None,
            confidence="measured" if not why else "likely",
            fixes=_GROWTH_FIXES if why else None,
        )

    def _evidence(self, found: Break) -> Evidence:
        return Evidence(found.fact, found.value, step=found.step, name=found.name)

    def _learning_rate(self, history: History, step: int) -> tuple[Rates | None, str]:
        """The rates and a clause when the learning rate is the likely cause, else no words."""
        rates = far_above_range(history)
        if rates is not None:
            value = rates.highest if rates.typical >= 0 else rates.typical
            return rates, f"; the learning rate of {rates.optimizer.kind} is {show(value)}"
        steps, losses = history.array(Fact.LOSS)
        times = _times(losses[steps < step])
        if times >= self.growth:
            return None, f"; the loss had grown {show(times)} times before"
        for name in history.names(Fact.WEIGHT_NORM):
            steps, norms = history.array(Fact.WEIGHT_NORM, name)
            times = _times(norms[steps <= step])
            if times >= self.growth:
                return None, f"; the norm of `{name}` had grown {show(times)} times before"
        return None, ""

    def _diverging(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = history.array(Fact.LOSS)
        if len(losses) < 4:
            return
        start = max(abs(float(losses[0])), 1e-3)
        limit = max(self.diverged * start, self.over_baseline * (history.baseline_loss() or 1.0))
        if not (losses[-3:] > limit).all():
            return
        rates = far_above_range(history)
        message = (
            f"the loss grew from {show(losses[0])} at step {steps[0]} to {show(losses[-1])} at "
            f"step {steps[-1]}"
        )
        if rates is not None:
            message += f"; the learning rate of {rates.optimizer.kind} is {show(rates.typical)}"
        yield self.diagnosis(
            message,
            Evidence(Fact.LOSS, float(losses[-1]), limit=limit, step=int(steps[-1])),
            location=_rate_location(rates or _any_rates(history)) or history.run.place("step"),
            cause=Cause.LEARNING_RATE,
            title="the loss diverged",
            confidence="measured" if rates is not None else "likely",
            fixes=_GROWTH_FIXES,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _of_parameters(history: History, fact: Fact, in_a_row: int) -> Iterator[Break]:
    """The first step from which the fact stays above zero, at least so many observed steps."""
    for name in history.names(fact):
        steps, counts = history.array(fact, name)
        good = np.flatnonzero(counts == 0)
        start = int(good[-1]) + 1 if len(good) else 0
        if len(counts) - start >= in_a_row:
            yield Break(fact, name, TRAIN, int(steps[start]), float(counts[start]))


def _times(values: np.ndarray) -> float:
    """How often the largest of these is the first one; 0 when too little is known."""
    values = np.abs(values[np.isfinite(values)])
    if len(values) < 2:
        return 0.0
    return float(values.max() / max(float(values[0]), 1e-3))


def _subject(found: Break) -> str:
    if found.fact is Fact.WEIGHT_NONFINITE:
        return f"`{found.name}` holds NaN or infinite values"
    if found.fact is Fact.GRADIENT_NONFINITE:
        return f"the gradient of `{found.name}` holds NaN or infinite values"
    kind = "validation loss" if found.phase == VALIDATION else "loss"
    if found.recovered:
        return f"the {kind}"
    return f"the {kind} is {number_word(found.value)}"


def _told(origin: Observation) -> str:
    """Where the first bad value came from, as a clause."""
    kind, name = str(origin.data.get("kind", "")), str(origin.data.get("name", ""))
    if kind == "loss" and (operation := str(origin.data.get("operation", ""))):
        article = "an" if operation[0] in "aeiou" else "a"
        return f"; it begins with {article} {operation} behind the layers, whose outputs are finite"
    value = str(origin.data.get("value", "NaN or inf"))
    places = {
        "layer": f"the output of `{name}`",
        "parameter": f"parameter `{name}`",
        "gradient": f"the gradient of `{name}`",
        "loss": "the loss itself, whose inputs are finite",
    }
    return f"; the first {value} is in {places[kind]}" if kind in places else ""


def _layer(history: History, origin: Observation | None) -> str | None:
    """The layer of the origin, also when a parameter or its gradient is named."""
    if origin is None:
        return None
    name = origin.data.get("name")
    if origin.data.get("kind") == "layer":
        return str(name)
    return next((p.layer for p in history.run.parameters if p.name == name), None)


def _location(history: History, origin: Observation | None) -> Location | None:
    layer = history.run.layer(_layer(history, origin) or "")
    if layer is not None and layer.location is not None:
        return layer.location
    loss = history.run.loss
    if loss is not None and loss.location is not None:
        return loss.location
    return history.run.place("loss-operation", "loss-value", "backward", "fit", "step")


def _any_rates(history: History) -> Rates | None:
    return next(observed_rates(history), None)


def _rate_location(rates: Rates | None) -> Location | None:
    if rates is None:
        return None
    return rates.optimizer.learning_rate_location or rates.optimizer.location


def _origin(step: int, **data: Any) -> Observation:
    return Observation(fact=Fact.NONFINITE_ORIGIN, step=step, epoch=0, data={**data, "step": step})


def _firing_cases() -> Iterator[Case]:
    nan, inf = float("nan"), float("inf")
    net = chain(dense("fc", 8, 4), op("other", "log"), optimizers=(optimizer("adam", 1e-3),))
    yield fires(
        "a logarithm of zero",
        situation(
            net,
            facts={Fact.LOSS: [0.7, 0.6, nan]},
            observations=[_origin(2, kind="layer", name="log", value="inf")],
        ),
        cause=Cause.NUMERICS,
        severity=Severity.CRITICAL,
    )
    fast = chain(dense("fc", 8, 4), optimizers=(optimizer("adam", 1e10),))
    yield fires(
        "an absurd learning rate",
        situation(fast, facts={Fact.LOSS: [0.7, 1e12, inf]}),
        cause=Cause.LEARNING_RATE,
    )
    yield fires(
        "the loss exploded before",
        situation(net, facts={Fact.LOSS: [0.7, 9.0, 4e3, 1e9, nan]}),
        cause=Cause.LEARNING_RATE,
    )
    yield fires(
        "weights overflow, the loss was not seen again",
        situation(net, facts={Fact.LOSS: [0.7], (Fact.WEIGHT_NONFINITE, "fc.weight"): [0, 0, 32]}),
        cause=Cause.NUMERICS,
    )
    yield fires(
        "finite, but out of all proportion",
        situation(fast, facts={Fact.LOSS: [0.7, 1e8, 3e8, 1e9, 2e9]}),
        cause=Cause.LEARNING_RATE,
    )
    yield fires(
        "one batch without a target",
        situation(net, facts={Fact.LOSS: [0.7, nan, 0.6, 0.5]}),
        severity=Severity.WARNING,
    )
    yield fires(
        "only the validation loss",
        situation(net, facts={Fact.LOSS: [0.7, 0.6]}, validation={Fact.LOSS: [nan]}),
        severity=Severity.ERROR,
    )


def _quiet_cases() -> Iterator[Case]:
    nan = float("nan")
    yield quiet("a usual loss", situation(facts={Fact.LOSS: [2.3, 2.1, 1.9, 1.8]}))
    yield quiet(
        "the inputs are NaN",
        situation(facts={Fact.LOSS: [0.7, nan], Fact.INPUT_NONFINITE: [0, 3]}),
    )
    yield quiet(
        "the instrumentation blames the target",
        situation(
            facts={Fact.LOSS: [0.7, nan]},
            observations=[_origin(1, kind="target", name="", value="nan")],
        ),
    )
    scaled: Facts = {
        Fact.LOSS: [0.7] * 4,
        Fact.LOSS_SCALE: [65536, 32768, 16384, 16384],
        (Fact.GRADIENT_NONFINITE, "fc.weight"): [4, 4, 4, 0],
    }
    yield quiet("loss scaling skips its first steps", situation(facts=scaled))
    skipped: Facts = {Fact.LOSS: [0.7] * 4, (Fact.GRADIENT_NONFINITE, "fc.weight"): [0, 0, 4, 0]}
    yield quiet("one bad gradient, skipped by the loop", situation(facts=skipped))
    yield quiet("a spike", situation(facts={Fact.LOSS: [0.7, 5e3, 0.7, 0.6, 0.6]}))
    yield quiet(
        "a summed loss of a large model", situation(facts={Fact.LOSS: [3e6, 2e6, 1.5e6, 1e6]})
    )
    yield quiet("a loss of zero throughout", situation(facts={Fact.LOSS: [0.0] * 5}))
