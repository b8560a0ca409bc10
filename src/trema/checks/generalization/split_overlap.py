"""Samples that stand in the training and in the validation data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Observation, RunInfo
from trema.core.history import History
from trema.core.numbers import percent


@dataclass(frozen=True)
class Overlap:
    """Equal samples of two splits.

    indices : positions in the validation data, the first 100
    twins : positions of their equals in the training data, in the same order
    labels_agree : how many of the shared samples have the same label, or None
    repeated : share of training samples that equal another one (``repeats``), or None
    """

    train: int
    validation: int
    shared: int
    indices: tuple[int, ...] = ()
    twins: tuple[int, ...] = ()
    labels_agree: int | None = None
    repeated: float | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Overlap:
        """From the data of an observation."""
        train, repeats = int(data.get("train", 0)), data.get("repeats")
        agree = data.get("labels_agree")
        return cls(
            train,
            int(data.get("validation", 0)),
            int(data.get("shared", 0)),
            tuple(int(i) for i in data.get("indices", ())),
            tuple(int(i) for i in data.get("twins", ())),
            None if agree is None else int(agree),
            None if repeats is None or not train else int(repeats) / train,
        )

    @property
    def fraction(self) -> float:
        """Shared samples over validation samples."""
        return self.shared / self.validation if self.validation else 0.0

    @property
    def by_chance(self) -> bool:
        """Whether different things look equal: labels differ, one blank sample fits many, or
        (labels unknown) training samples equal each other just as often."""
        if self.labels_agree is not None and self.labels_agree < 0.97 * self.shared:
            return True
        if len(self.twins) >= 5 and len(set(self.twins)) < 0.5 * len(self.twins):
            return True
        if self.repeated is None or self.labels_agree is not None:
            return False
        return self.repeated >= 0.5 * self.fraction


def read_overlap(history: History) -> Overlap | None:
    """The largest overlap observed, or None when it was not measured."""
    seen = [Overlap.read(o.data) for o in history.observations(Fact.OVERLAP)]
    return max(seen, key=lambda overlap: overlap.fraction, default=None)


@register
@dataclass(frozen=True, kw_only=True)
class SplitOverlap(Check):
    """Validation samples that the model was trained on.

    Why it matters: validation shall tell how the model does on data it has not seen; on shared
    samples it tells what was memorized, and model selection and early stopping go wrong.
    May be wrong when: a table has few distinct rows, so that different cases look equal.
    References: Kaufman et al. (2012), Leakage in Data Mining; Barz & Denzler (2020),
    arXiv:1902.00423; Umlaut user study, bug B3.
    """

    id = "split-overlap"
    title = "validation data overlap with training data"
    cause = Cause.SPLIT
    severity = Severity.ERROR
    needs = frozenset({Fact.OVERLAP})
    explains: ClassVar[frozenset[str]] = frozenset({"suspicious-validation"})
    fixes = (
        Fix("take rows for validation that training does not see: `x[n:]` beside `x[:n]`"),
        Fix("drop duplicates before the split; keep copies of one thing in one split"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="train validation data leakage duplicates {framework}",
        torch="utils.data.random_split",
        keras="models/model_training_apis",
    )
    least: int = 5  # shared samples
    note: float = 0.005  # share of the validation samples that is worth knowing
    some: float = 0.05  # share from which figures are clearly touched
    most: float = 0.5  # share from which figures mean nothing

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        overlap = read_overlap(history)
        if overlap is None or overlap.shared < self.least or overlap.fraction < self.note:
            return
        message = (
            f"{overlap.shared} of {overlap.validation} validation samples "
            f"({percent(overlap.fraction)}) are also among the {overlap.train} training samples"
        )
        severity = self._severity(overlap)
        if overlap.indices and overlap.twins and severity is not Severity.INFO:
            message += (
                f"; validation sample {overlap.indices[0]} equals training sample "
                f"{overlap.twins[0]}"
            )
        if overlap.by_chance:
            message += "; they may be different cases that look equal"
        yield self.diagnosis(
            message,
            Evidence(Fact.OVERLAP, overlap.fraction, limit=self.some, unit="of validation"),
            where=Where(split="validation", samples=overlap.indices),
            location=history.run.place("validation", "fit", "loop"),
            severity=severity,
            confidence="possible" if overlap.by_chance else "measured",
        )

    def _severity(self, overlap: Overlap) -> Severity:
        if overlap.by_chance or overlap.fraction < self.some:
            return Severity.INFO
        return Severity.ERROR if overlap.fraction >= self.most else Severity.WARNING

    @staticmethod
    def cases() -> Iterator[Case]:
        def case(train: int, validation: int, shared: int, kind: str, **data: Any) -> History:
            seen = {"train": train, "validation": validation, "shared": shared, **data}
            return situation(
                RunInfo(inputs=kind),
                observations=[Observation(fact=Fact.OVERLAP, step=0, epoch=0, data=seen)],
            )

        rows = list(range(100))
        yield fires(
            "validation is the first 100 training images",
            case(2500, 100, 100, "image", indices=rows, twins=rows, labels_agree=100),
            severity=Severity.ERROR,
        )
        yield fires(
            "a split after oversampling",
            case(900, 100, 12, "tabular", indices=rows[:12], twins=rows[40:52]),
            severity=Severity.WARNING,
        )
        yield fires(
            "few copies in scraped images", case(5000, 1000, 9, "image"), severity=Severity.INFO
        )
        yield fires(
            "a table of few distinct rows, labels differ",
            case(700, 190, 110, "tabular", labels_agree=92),
            severity=Severity.INFO,
        )
        yield fires(
            "one blank tile in many places",
            case(900, 100, 20, "image", indices=rows[:20], twins=[3] * 20),
            severity=Severity.INFO,
        )
        yield fires(
            "training rows repeat just as often",
            case(900, 100, 40, "tabular", repeats=420),
            severity=Severity.INFO,
        )
        yield quiet("no overlap", case(2500, 500, 0, "image"))
        yield quiet("three short texts", case(1000, 200, 3, "text"))
        yield quiet("a handful in a large set", case(50000, 10000, 10, "image"))
