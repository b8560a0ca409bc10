"""Cross-validation whose folds go on training one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class FoldsShareModel(Check):
    """A fold that begins with the weights of the fold before, which was trained on the rows that
    this one is tested on.

    Why it matters: from the second fold on the model has seen its test rows, so that the mean over
    the folds is far better than anything new data will give.
    May be wrong when: the rows of a fold are not those that are judged.
    References: scikit-learn, Cross-validation: evaluating estimator performance; Kaufman et al.
    (2012), Leakage in Data Mining.
    """

    id = "folds-share-model"
    title = "the folds share one model"
    cause = Cause.SPLIT
    severity = Severity.ERROR
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("make model and optimizer inside the loop over the folds"),
        Fix("or put a copy of the first weights back, and make the optimizer anew"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="k-fold cross validation reset model weights each fold {framework}",
        torch="nn.Module.load_state_dict",
        keras="models/cloning",
    )
    least_share: float = 0.05  # of the test rows that were trained on before

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for call in observed_calls(history, "folds")[:1]:
            share = call["seen"] / max(1, call["test"])
            if share < self.least_share:
                continue
            made = history.run.optimizers[0].location if history.run.optimizers else None
            yield self.diagnosis(
                f"fold {call['fold']} goes on with the weights of the fold before: "
                f"{call['seen']} of its {call['test']} test rows were trained on already",
                Evidence(Fact.CONTROL, share, limit=0.0, unit="of the test rows", name="folds"),
                where=Where(split="validation"),
                location=made or history.run.place("loop", "step"),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def folds(seen: int, test: int = 40) -> History:
            return controlled("folds", {"fold": 2, "test": test, "seen": seen, "steps": 88})

        yield fires("every test row", folds(40))
        yield fires("some, of random splits", folds(30))
        yield quiet("folds of time go on", folds(0))
        yield quiet("a row or two", folds(1))
        yield quiet("no folds", controlled("folds"))
