"""Dropout that removes most of what a layer hands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import chain, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History
from trema.core.numbers import percent, show

#: Kinds of layers that drop, and the configuration keys of the fraction dropped.
RATE_KEYS = {
    "dropout": ("rate",),
    "recurrent": ("rate", "recurrent_rate"),
    "attention": ("rate",),
}


@register
@dataclass(frozen=True, kw_only=True)
class HighDropout(Check):
    """Dropout with a rate so high that little is left to learn from.

    Why it matters: at a rate of 0.8 four of five values are zero in each step, so the network
    underfits and needs many more epochs; often the keep probability was meant.
    May be wrong when: the layer is very wide, or a masked input is the task itself.
    References: Srivastava et al. (2014), Dropout, JMLR 15, section 7.3 and appendix A.4 (0.5 for
    hidden units, 0.2 for inputs); Umlaut's `high_dropout_rate`.
    """

    id = "high-dropout"
    title = "dropout is very high"
    cause = Cause.REGULARIZATION
    severity = Severity.WARNING
    needs = frozenset({Fact.LAYERS})
    fixes = (
        Fix("use 0.2 to 0.5 for hidden layers"),
        Fix("use a smaller layer instead of dropping most of a large one"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="dropout rate too high underfitting {framework}",
        torch="nn.Dropout",
        keras="layers/regularization_layers/dropout",
    )
    limit: float = 0.7  # fraction dropped; 0.5 is the most that is usual

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        by_rate: dict[float, list[Layer]] = {}
        for layer in history.run.layers:
            rate = self._rate(layer)
            if rate >= self.limit:
                by_rate.setdefault(rate, []).append(layer)
        for rate, layers in by_rate.items():
            yield self._found(rate, layers)

    def _rate(self, layer: Layer) -> float:
        rates = [layer.config.get(key) for key in RATE_KEYS.get(layer.kind, ())]
        return max((float(r) for r in rates if isinstance(r, int | float)), default=0.0)

    def _found(self, rate: float, layers: list[Layer]) -> Diagnosis:
        first = layers[0]
        others = f" and {len(layers) - 1} other layers drop" if len(layers) > 1 else " drops"
        if len(layers) == 2:
            others = f" and `{layers[1].name}` drop"
        message = f"`{first.name}`{others} {percent(rate)} of the values in each training step"
        if rate < 1:
            message += f"; if {show(rate)} is the share to keep, the rate is {show(1 - rate)}"
        return self.diagnosis(
            message,
            Evidence("dropout-rate", rate, limit=self.limit, unit="dropped", name=first.name),
            where=Where(layer=first.name),
            location=first.location,
            severity=Severity.ERROR if rate >= 1 else None,
            confidence="measured" if rate >= 1 else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def net(*between: Layer) -> History:
            return situation(chain(dense("fc1", 64, 128, "relu"), *between, dense("fc2", 128, 10)))

        yield fires(
            "0.8 before the last layer",
            net(op("dropout", rate=0.8)),
            cause=Cause.REGULARIZATION,
            severity=Severity.WARNING,
        )
        yield fires("everything is dropped", net(op("dropout", rate=1.0)), severity=Severity.ERROR)
        yield fires("recurrent dropout", net(op("recurrent", "lstm", recurrent_rate=0.9)))
        yield fires(
            "spatial dropout twice", net(*[op("dropout", f"d{i}", rate=0.75) for i in (1, 2)])
        )
        yield quiet("0.5", net(op("dropout", rate=0.5)))
        yield quiet("0.6", net(op("dropout", rate=0.6)))
        yield quiet("none", net(op("dropout", rate=0.0)))
        yield quiet("a rate of another kind", net(op("augmentation", rate=0.9)))
        yield quiet("an unknown rate", net(op("dropout", rate=None)))
