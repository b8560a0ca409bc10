"""A draw without a gradient between two parts of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.flows import flow, flow_place, flowing
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class SampleCutsGradient(Check):
    """A layer reads `sample()` of a distribution whose parameters the model computed.

    Why it matters: the draw has no gradient, so that what comes behind it teaches nothing to what
    came before; in a variational autoencoder only the divergence is left, which empties the code.
    May be wrong when: what comes before the draw is trained by a gradient estimate of its own.
    References: Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114.
    """

    id = "sample-cuts-gradient"
    title = "a draw cuts off the gradient"
    cause = Cause.ARCHITECTURE
    severity = Severity.ERROR
    needs = frozenset({Fact.FLOW})
    explains: ClassVar[frozenset[str]] = frozenset({"unused-layer", "param-unchanged", "loss-flat"})
    fixes = (
        Fix("draw with `rsample()`, which keeps the gradient"),
        Fix("or write it out: `mean + std * torch.randn_like(std)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="reparameterization rsample vs sample {framework}",
        torch="distributions",
        keras="random",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = flow(history, "samples")
        if not found:
            return
        first = found[0]
        layer = history.run.layer(first["layer"])
        yield self.diagnosis(
            f"{layer.label if layer is not None else first['layer']} reads `sample()` of a "
            f"`{first['kind']}` whose parameters the model computed: the draw has no gradient, so "
            "that no loss behind it reaches the layers before it",
            Evidence(Fact.FLOW, float(len(found)), unit="draws", name="samples"),
            where=Where(layer=first["layer"]),
            location=flow_place(history.run, first),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        seen = {"layer": "decoder.0", "kind": "Normal", "place": "flow:sample"}
        yield fires("an autoencoder", flowing(samples=[seen]))
        several = [seen, seen | {"layer": "prior.0", "kind": "Laplace"}]
        yield fires("two draws, one behind the other", flowing(samples=several))
        yield quiet("rsample keeps the gradient", flowing(samples=[]))
        yield quiet("actions and noise", flowing(samples=[]))
        yield quiet("not looked at", flowing())
