"""Functional dropout that stays on while the model is judged."""

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
class DropoutInEvaluation(Check):
    """``F.dropout(x, p)`` that drops in eval mode too, because ``training`` is True unless given.

    Why it matters: validation scores are too low and differ from call to call, and so do the
    answers of the finished model; early stopping and the choice of a model follow noise.
    May be wrong when: predictions are sampled on purpose (Monte Carlo dropout) by leaving
    ``training`` away; written as ``training=True`` it counts as meant.
    References: PyTorch, torch.nn.functional.dropout (``training=True``).
    """

    id = "dropout-in-evaluation"
    title = "dropout stays on in evaluation"
    cause = Cause.REGULARIZATION
    severity = Severity.ERROR
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("pass the mode on: `F.dropout(x, p, training=self.training)`"),
        Fix("or use a layer, which knows its mode: `self.dropout = nn.Dropout(p)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="F.dropout training=self.training eval mode {framework}",
        torch="nn.functional.dropout",
        keras="layers/regularization_layers/dropout",
    )
    least_rate: float = 0.0  # share dropped from which it is told

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for call in observed_calls(history, "eval-dropout")[:1]:
            rate, modules = float(call["rate"]), [name for name in call["modules"] if name]
            if rate <= self.least_rate:
                continue
            inside = ", ".join(f"`{name}`" for name in modules[:4])
            yield self.diagnosis(
                f"dropout of {rate:g} was at work while the model was in eval mode"
                + (f", in {inside}" if inside else ""),
                Evidence(Fact.CONTROL, rate, limit=0.0, name="eval-dropout"),
                where=Where(layer=modules[0] if modules else None),
                location=history.run.place("eval-dropout"),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def dropped(rate: float, *modules: str) -> History:
            return controlled("eval-dropout", {"rate": rate, "modules": list(modules)})

        yield fires("in two blocks", dropped(0.4, "blocks.0", "blocks.1"))
        yield fires("in the model itself", dropped(0.5, ""))
        yield quiet("nothing is dropped", dropped(0.0, "blocks.0"))
        yield quiet("none was seen", controlled("eval-dropout"))
        yield quiet("another call", controlled("restored", {"steps": 3}))
