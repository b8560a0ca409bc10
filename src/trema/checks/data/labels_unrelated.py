"""Labels that say little or nothing about their inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classifies, given, is_ids, like_pixels, place
from trema.checks.progress import steps_taken, stuck
from trema.core.datasets import DataSketch, Neighbours
from trema.core.diagnosis import Cause, Confidence, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Phase, RunInfo
from trema.core.history import History
from trema.core.numbers import percent, show


@dataclass(frozen=True)
class _Side:
    """One split at one number of samples.

    excess : agreement beyond chance, over what there is beyond chance; ``noise`` its error
    z : agreement beyond chance in standard errors of shuffled targets
    """

    agreement: float
    chance: float
    excess: float
    noise: float
    z: float
    distance: float
    means: float


@register
@dataclass(frozen=True, kw_only=True)
class LabelsUnrelated(Check):
    """A split in which a sample has the label of its nearest neighbour no more often than by
    chance, or much less often than in the other split.

    Why it matters: labels that were sorted, shuffled or joined apart from their inputs leave
    nothing to learn; labels that are random in part cost accuracy and are learned by heart.
    May be wrong when: what is near in the numbers is not alike (parity, codes, hashed text), or
    the splits differ on purpose in how their labels were made.
    References: Cover & Hart (1967), Nearest Neighbor Pattern Classification; Northcutt et al.
    (2021), Confident Learning, arXiv:1911.00068; Zhang et al. (2017), Understanding deep
    learning requires rethinking generalization, arXiv:1611.03530.
    """

    id = "labels-unrelated"
    title = "labels do not belong to their inputs"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.DATASET})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND, Fact.METRIC})
    fixes = (
        Fix("look at ten samples beside their labels"),
        Fix("shuffle, sort and filter inputs and labels by one order: `x[order], y[order]`"),
        Fix("check how files and labels are joined: by name, not by the order of a listing"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="shuffle inputs and labels together {framework} random labels",
        torch="utils.data.TensorDataset",
        keras="models/model_training_apis",
    )
    far: float = 5.0  # standard errors: surely beyond chance; a difference that is none of chance
    near: float = 3.0  # standard errors: may be chance
    least: float = 0.2  # agreement beyond chance where labels are in order
    nothing: float = 0.15  # of the other split's excess
    part: float = 0.45  # of it: a third of the labels; that of shifted images is 0.59
    means: float = 6.0  # standard deviations: the classes are apart in the mean
    alike: float = 1.2  # spread and distances of the splits, one over the other
    bound: float = 0.12  # agreement beyond chance that both splits may at most have
    steps: int = 100

    def missing(self, history: History) -> list[str]:
        """The targets must be seen beside comparable inputs."""
        missing = super().missing(history)
        return missing if missing or self._read(history, TRAIN) else [str(Fact.DATASET)]

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        train, validation = self._read(history, TRAIN), self._read(history, VALIDATION)
        if train is None or train.neighbours is None:
            return
        if validation is not None and validation.neighbours is not None:
            found = self._compared(history, train.neighbours, validation.neighbours, train)
            if found is not None:
                yield found
                return
        if classifies(history.run):
            yield from self._neither(history, train, validation)

    def _read(self, history: History, phase: Phase) -> DataSketch | None:
        """A split whose inputs can be compared by their numbers: no ids of words."""
        found = as_read(history, phase)
        if found is None or found.neighbours is None or history.run.inputs == "text":
            return None
        return None if any(is_ids(history, name) for name in found.inputs) else found

    # one split beside the other -----------------------------------------------------------

    def _compared(
        self, history: History, a: Neighbours, b: Neighbours, train: DataSketch
    ) -> Diagnosis | None:
        common = sorted(set(a.sizes) & set(b.sizes))
        if not common or bool(a.classes) != bool(b.classes) or a.classes != b.classes:
            return None
        one, other = _side(a, common[-1]), _side(b, common[-1])
        for ratio in (one.distance / other.distance, a.scale / b.scale):
            if not 1 / self.alike < ratio < self.alike:
                return None  # augmented, of another source, or prepared in another way
        sides: tuple[tuple[Phase, _Side, _Side], ...] = (
            (TRAIN, one, other),
            (VALIDATION, other, one),
        )
        for phase, low, high in sides:
            surely = high.z > self.far and high.excess > self.least
            broken = low.z < self.near and low.excess < self.nothing * high.excess
            apart = (high.excess - low.excess) / float(np.hypot(low.noise, high.noise)) > self.far
            if not surely or not apart:
                continue
            if broken and low.means < self.means < high.means and not _generalizes(history):
                return self._unrelated(history, phase, low, high, common[-1], bool(a.classes))
            if a.classes and 0 < low.excess < self.part * high.excess:
                return self._in_part(history, phase, low, high, common[-1], train)
        return None

    def _unrelated(
        self, history: History, phase: Phase, low: _Side, high: _Side, size: int, classes: bool
    ) -> Diagnosis:
        here, there = ("training", "validation") if phase == TRAIN else ("validation", "training")
        if classes:
            message = (
                f"the {here} labels say nothing about their inputs: {percent(low.agreement)} of "
                f"{size} samples have the class of their nearest neighbour, chance gives "
                f"{percent(low.chance)}, the {there} data {percent(high.agreement)}"
            )
        else:
            message = (
                f"the {here} targets say nothing about their inputs: with the targets of their "
                f"nearest neighbours they correlate by {show(low.agreement)} in {size} samples, "
                f"those of the {there} data by {show(high.agreement)}"
            )
        return self._told(
            history,
            phase,
            message,
            Evidence(Fact.DATASET, low.agreement, limit=high.agreement, unit="agreement"),
            severity=Severity.CRITICAL if phase == TRAIN else Severity.ERROR,
            confidence="measured",
        )

    def _in_part(
        self, history: History, phase: Phase, low: _Side, high: _Side, size: int, train: DataSketch
    ) -> Diagnosis:
        here, there = ("training", "validation") if phase == TRAIN else ("validation", "training")
        random = 1 - float(np.sqrt(low.excess / high.excess))
        message = (
            f"about {percent(random)} of the {here} labels look random: {percent(low.agreement)} "
            f"of {size} samples have the class of their nearest neighbour, in the {there} data "
            f"{percent(high.agreement)}, by chance {percent(low.chance)}"
        )
        doubted: tuple[int, ...] = ()
        if phase == TRAIN and train.source == "arrays" and train.neighbours is not None:
            doubted = train.neighbours.samples
        if doubted:
            message += f"; all neighbours of sample {doubted[0]} are of one other class"
        return self._told(
            history,
            phase,
            message,
            Evidence(Fact.DATASET, low.excess / high.excess, limit=self.part, unit="of the excess"),
            severity=Severity.WARNING,
            confidence="likely",
            samples=doubted,
        )

    # no split tells anything --------------------------------------------------------------

    def _neither(
        self, history: History, train: DataSketch, validation: DataSketch | None
    ) -> Iterator[Diagnosis]:
        known = [one for one in (train, validation) if one is not None and one.neighbours]
        sides = [_side(one.neighbours, one.neighbours.sizes[0]) for one in known if one.neighbours]
        for side in sides:
            random = (side.agreement - side.chance) / side.z / (1 - side.chance) if side.z else 0.0
            high = side.excess + 2 * abs(random)
            if side.z > 2.5 or high > self.bound or side.means > 4.0:
                return
        for one in train.inputs.values():
            columns = one.columns
            codes = columns is not None and float(columns.binary.mean()) >= 0.5
            pixels = columns is not None and len(columns) >= 64 and like_pixels(columns)
            if one.form == "table" and (one.tokens is not None or codes) and not pixels:
                return
        if not self._learned_nothing(history):
            return
        side = sides[0]
        yield self._told(
            history,
            TRAIN,
            f"inputs and labels seem unrelated: {percent(side.agreement)} of "
            f"{train.neighbours.sizes[0] if train.neighbours else 0} training samples have the "
            f"class of their nearest neighbour, chance gives {percent(side.chance)}; the classes "
            "are not apart in the mean either, and the model does no better than always giving "
            "one answer",
            Evidence(Fact.DATASET, side.agreement, limit=side.chance, unit="of the samples"),
            severity=Severity.WARNING,
            confidence="possible",
        )

    def _learned_nothing(self, history: History) -> bool:
        """Whether the model got no better than a constant on data it does not know by heart."""
        _, losses = history.array(Fact.METRIC, "loss", VALIDATION)
        baseline = history.baseline_loss()
        losses = losses[np.isfinite(losses)]
        if baseline is None or not len(losses):
            return stuck(history, steps=self.steps, epochs=2) is not None
        enough = steps_taken(history) >= self.steps and (len(losses) >= 2 or history.finished)
        return enough and bool(losses.min() > 0.97 * baseline)

    def _told(
        self,
        history: History,
        phase: Phase,
        message: str,
        evidence: Evidence,
        *,
        severity: Severity,
        confidence: Confidence,
        samples: tuple[int, ...] = (),
    ) -> Diagnosis:
        return self.diagnosis(
            message,
            evidence,
            where=Where(output="targets", split=phase, samples=samples, rows=samples),
            location=(history.run.place("labels") if phase == TRAIN else None)
            or place(history.run, phase),
            severity=severity,
            confidence=confidence,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = RunInfo(inputs="tabular", outputs="classification")
        x, y = groups(1000, 0)
        v, w = groups(400, 1)
        rng = np.random.default_rng(2)
        mixed = rng.permutation(y)
        told = {"severity": Severity.CRITICAL}
        yield fires("shuffled labels", given(x, mixed, run, validation=(v, w)), **told)
        noisy = np.where(rng.random(1000) < 0.5, rng.integers(0, 5, 1000), y)
        told = {"severity": Severity.WARNING}
        yield fires("half of them random", given(x, noisy, run, validation=(v, w)), **told)
        told = {"severity": Severity.ERROR}
        shuffled = (v, rng.permutation(w))
        yield fires("shuffled validation labels", given(x, y, run, validation=shuffled), **told)
        price, other = x @ np.arange(6.0), v @ np.arange(6.0)
        regression = RunInfo(inputs="tabular", outputs="regression")
        wrong = rng.permutation(price)[:, None]
        both = (v, other[:, None])
        yield fires("shuffled numbers", given(x, wrong, regression, validation=both))
        yield quiet("numbers", given(x, price[:, None], regression, validation=both))
        yield quiet("in order", given(x, y, run, validation=(v, w)))
        some = np.where(rng.random(1000) < 0.15, rng.integers(0, 5, 1000), y)
        yield quiet("some random ones", given(x, some, run, validation=(v, w)))
        yield quiet("no labels of validation data", given(x, mixed, run, validation=(v, None)))
        close = np.repeat(v[:20], 20, axis=0) + 0.01 * rng.normal(size=(400, 6))
        near = (close, np.repeat(w[:20], 20))
        yield quiet("takes of one thing in validation", given(x, some, run, validation=near))
        spread = x + rng.normal(size=x.shape) * 3
        yield quiet("augmented training data", given(spread, y, run, validation=(v, w)))
        yield quiet("few samples", given(x[:80], mixed[:80], run, validation=(v, w)))
        ids = np.abs(np.round(x * 50)).astype(np.int64)
        text = RunInfo(inputs="text", outputs="classification")
        yield quiet("words", given(ids, mixed, text, validation=(ids[:400], w)))


def _side(found: Neighbours, size: int) -> _Side:
    at = found.sizes.index(size)
    agreement, chance, error = found.agreement[at], found.chance[at], found.error[at]
    most = 1 - chance
    noise = float(np.sqrt(1.5 * max(agreement * (1 - agreement), 0.01) / size))
    return _Side(
        agreement=agreement,
        chance=chance,
        excess=(agreement - chance) / most,
        noise=(noise if found.classes else error) / most,
        z=(agreement - chance) / error,
        distance=found.distance[at],
        means=found.means,
    )


def _generalizes(history: History) -> bool:
    """Whether the model does clearly better than a constant on the validation data."""
    _, losses = history.array(Fact.METRIC, "loss", VALIDATION)
    losses, baseline = losses[np.isfinite(losses)], history.baseline_loss()
    return baseline is not None and len(losses) > 0 and bool(losses.min() < 0.8 * baseline)


def groups(rows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """For cases: five groups of points, apart but not far."""
    centres = np.random.default_rng(7).normal(size=(5, 6)) * 1.5
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, size=rows)
    return centres[y] + rng.normal(size=(rows, 6)), y
