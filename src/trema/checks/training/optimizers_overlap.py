"""Parameters that two optimizers move in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, wiring
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class OptimizersOverlap(Check):
    """Two optimizers that both step hold the same parameters.

    Why it matters: each keeps its own momentum, and both apply the same gradient: the parameter
    moves twice, or is pulled by a loss that was meant for another part (a generator that learns
    to please the discriminator's optimizer).
    May be wrong when: a shared encoder is meant to be trained by two losses, each with its own
    optimizer. Optimizers one after the other are not told.
    References: PyTorch, DCGAN tutorial.
    """

    id = "optimizers-overlap"
    title = "two optimizers move the same parameters"
    cause = Cause.OPTIMIZER
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.WIRING})
    fixes = (
        Fix("give each optimizer the parameters of its own part only"),
        Fix("for different settings in one optimizer, use parameter groups"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="two optimizers same parameters {framework}", torch="optim.Optimizer",
        keras="optimizers",
    )  # fmt: skip

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = wiring(history)
        for other in (data or {}).get("twice", ()):
            names = list(other["names"])
            if not names:
                continue
            shown = ", ".join(f"`{name}`" for name in names[:3]) + (" …" if len(names) > 3 else "")
            optimizers = history.run.optimizers
            yield self.diagnosis(
                f"{other['count']} parameters ({shown}) are also in a second optimizer "
                f"(`{other['optimizer']}`) and both step",
                Evidence(Fact.WIRING, float(other["count"]), limit=0.0, unit="parameters"),
                where=Where(parameter=names[0]),
                location=optimizers[0].location if optimizers else None,
                confidence="measured",
            )
            return

    @staticmethod
    def cases() -> Iterator[Case]:
        def shared(*names: str) -> History:
            twice = [{"optimizer": "Adam", "count": len(names), "names": list(names)}]
            data = {"missing": [], "twice": twice if names else []}
            return looped(wiring=data)

        yield fires("the generator stands in both", shared("generator.0.weight"))
        yield fires("all of it", shared("0.weight", "0.bias", "2.weight", "2.bias"))
        yield quiet("each has its own", shared())
        yield quiet("not looked at", looped())
        yield quiet("nothing of this kind was noted", looped(wiring={"missing": []}))
