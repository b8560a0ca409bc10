"""A first loss far above that of a guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import WEIGHTED, kernels
from trema.checks.sketch_runs import CHANCE, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Location, Severity
from trema.core.facts import Fact, Layer, RunInfo
from trema.core.history import History
from trema.core.numbers import show


def pretrained(run: RunInfo) -> bool:
    """Whether the model rests on weights that it does not train, so that it comes from another
    training and its first outputs are as large as those weights make them."""
    weights = [p for p in run.parameters if len(p.shape) > 1]
    given = any(p.groups for p in weights)  # whether the owners are known
    return any(not p.trainable or (given and not p.groups) for p in weights)


@register
@dataclass(frozen=True, kw_only=True)
class InitLoss(Check):
    """A classifier that begins sure of wrong answers: its first losses exceed twice ln k.

    Why it matters: before training no class deserves more trust than another. A larger loss means
    that outputs begin far too large, through inputs, initial weights or the loss itself; the
    first epochs are spent on undoing this.
    May be wrong when: the model comes from another training with other classes.
    References: Karpathy (2019), A Recipe for Training Neural Networks ("verify loss @ init");
    Ben Braiek & Khomh (2022), TheDeepChecker (deviation ratio 1).
    """

    id = "init-loss"
    title = "the first loss is far above chance"
    cause = Cause.INITIALIZATION
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.LOSS, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.OUTPUT_STD, Fact.OUTPUT_MIN, Fact.DATASET, Fact.ACTIVATION_STD, Fact.INPUT_STD}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "exploding-grad"})
    fixes = (
        Fix("scale the inputs to about one, and keep the default initializers"),
        Fix("begin the last layer small: its weights times 0.1, its biases zero"),
        Fix("check that the loss reads what the model gives: logits or probabilities"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="initial loss too high cross entropy {framework}",
        torch="nn.init",
        keras="losses/probabilistic_losses",
    )
    times: float = 2.0  # of the loss of a uniform guess: |L0 - chance| > chance
    first: int = 4  # steps that must all be above it
    spread: float = 1.5  # standard deviation of the first logits; initial weights give below 1
    least: float = 1e-3  # least probability of the first outputs: some class is ruled out
    growth: float = 8.0  # times the spread of what a layer reads; initial weights give about one
    observed: int = 16  # observed steps before it is told

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        chance = self._chance(history)
        steps, losses = history.array(Fact.LOSS)
        if chance is None or len(losses) < self.observed or steps[self.first - 1] >= 8:
            return
        if pretrained(history.run):
            return
        begin = losses[: self.first]
        if not np.isfinite(begin).all() or not (begin > self.times * chance).all():
            return
        outputs = self._outputs(history)
        if outputs is None:
            return
        message = f"the loss of step {steps[0]} is {show(float(begin[0]))}"
        message += f"; a guess among the classes costs {show(chance)}{outputs}"
        yield self.diagnosis(
            message,
            Evidence(Fact.LOSS, float(begin[0]), limit=self.times * chance, step=int(steps[0])),
            location=self._blown_up(history) or history.run.place("model", "fit", "step"),
            confidence="measured",
        )

    def _outputs(self, history: History) -> str | None:
        """That outputs begin far from a guess, as a clause; None when they do not, so that
        penalties or weights make the loss large, or when they were not seen."""
        loss, names = history.run.loss, history.names(Fact.OUTPUT_STD)
        if loss is None or len(names) != 1 or history.weighted():
            return None
        _, std = history.array(Fact.OUTPUT_STD, names[0])
        _, least = history.array(Fact.OUTPUT_MIN, names[0])
        if not len(std) or not len(least):
            return None
        if loss.reads == "probabilities":
            small = float(least[0])
            return f"; outputs go down to {show(small)}" if small < self.least else None
        spread = float(std[0])
        if not spread > self.spread:
            return None
        return f"; outputs begin with a standard deviation of {show(spread)}"

    def _blown_up(self, history: History) -> Location | None:
        """Where the layer that makes values larger by most got its first weights, else where it
        was made; None when no layer stands out, or its inputs were not seen."""
        spreads = [
            (layer, float(std[0]))
            for layer in history.run.layers
            if layer.kind in WEIGHTED | {"embedding"}
            for std in [history.array(Fact.ACTIVATION_STD, layer.name)[1]]
            if len(std) and np.isfinite(std[0])
        ]
        _, inputs = history.array(Fact.INPUT_STD, next(iter(history.names(Fact.INPUT_STD)), ""))
        before = max(1.0, float(inputs[0])) if len(inputs) else None
        found: tuple[float, Layer] | None = None
        for layer, spread in spreads:
            ids = layer.kind == "embedding"  # its inputs are numbers of rows
            growth = spread if ids else spread / before if before is not None else 0.0
            if growth > self.growth and (found is None or growth > found[0]):
                found = growth, layer
            before = max(1.0, spread)
        if found is None:
            return None
        layer = found[1]
        own = [k.name for k in kernels(history.run) if k.layer.name == layer.name]
        marked = [place for name in own if (place := history.run.place(f"initial:{name}"))]
        return marked[-1] if marked else layer.location

    def _chance(self, history: History) -> float | None:
        loss = history.run.loss
        if loss is None or loss.weighted:
            return None
        if loss.kind == "binary-cross-entropy":
            return float(np.log(2.0))
        classes = history.classes()
        if loss.kind not in ("cross-entropy", "nll") or classes is None or classes < 2:
            return None
        return float(np.log(classes))

    @staticmethod
    def cases() -> Iterator[Case]:
        def case(losses: np.ndarray, std: float = 8.0, run: RunInfo | None = None) -> History:
            outputs = {Fact.OUTPUT_STD: [std] * 4, Fact.OUTPUT_MIN: [-3 * std] * 4}
            return training(run, losses, outputs)

        yield fires("outputs begin far too large", case(noisy(120.0, 9.0)))
        yield fires("five times chance", case(noisy(5 * CHANCE)))
        yield quiet("at chance", case(noisy(CHANCE), 0.3))
        yield quiet("a little above chance", case(noisy(1.5 * CHANCE)))
        yield quiet("too early", case(noisy(120.0, 9.0, steps=8)))
        dips = noisy(5 * CHANCE)
        dips[2] = CHANCE
        yield quiet("single batches are far off", case(dips))
        yield quiet("small outputs: a penalty or weights", case(noisy(3 * CHANCE), 0.3))
        yield quiet("outputs not seen", training(losses=noisy(5 * CHANCE)))
        frozen = mlp(20, 32, 32, 10)
        held = tuple(dataclasses.replace(p, trainable=p.layer == "fc3") for p in frozen.parameters)
        tuned = dataclasses.replace(frozen, parameters=held)
        yield quiet("a new head on a frozen network", case(noisy(5 * CHANCE), run=tuned))
        yield quiet("a loss of one's own", case(noisy(5 * CHANCE), run=RunInfo()))
