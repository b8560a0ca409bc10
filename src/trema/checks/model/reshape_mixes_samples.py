"""A reshape where axes should have changed places, so that samples are cut and mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.flows import flow, flow_place, flowing
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ReshapeMixesSamples(Check):
    """A layer reads a reshape in which the axis of the samples stands elsewhere.

    Why it matters: a reshape keeps the flat order, so that what looks like one sample is put
    together from pieces of several, while the targets are still those of one.
    May be wrong when: the samples of a batch are meant to be cut and mixed.
    References: PyTorch, Tensor.view and Tensor.permute.
    """

    id = "reshape-mixes-samples"
    title = "a reshape mixes the samples of a batch"
    cause = Cause.ARCHITECTURE
    severity = Severity.CRITICAL
    needs = frozenset({Fact.FLOW})
    fixes = (
        Fix("move the axis instead: `x.permute(1, 0, 2)` or `x.transpose(0, 1)`"),
        Fix("or give the layer `batch_first=True` and leave the axes as they are"),
        Fix("before joining states of several directions: `h.transpose(0, 1).reshape(batch, -1)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="difference reshape permute view batch {framework}",
        torch="Tensor.view",
        keras="layers/reshaping_layers/permute",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = flow(history, "swapped")
        if not found:
            return
        first = found[0]
        layer = history.run.layer(first["layer"])
        before, after = (f"({', '.join(map(str, first[k]))})" for k in ("from", "to"))
        batch = (set(first["from"][:1]) & set(first["to"][1:2])) or set(first["to"][:1])
        yield self.diagnosis(
            f"{layer.label if layer is not None else first['layer']} stands beside a reshape from "
            f"{before} to {after}, which keeps the flat order: the {min(batch)} samples of the "
            "batch are cut into pieces and put together anew",
            Evidence(Fact.FLOW, float(min(batch)), unit="samples", name="swapped"),
            where=Where(layer=first["layer"]),
            location=flow_place(history.run, first),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        seen = {"layer": "lstm", "from": [35, 8, 8], "to": [8, 35, 8], "place": "flow:lstm"}
        state = {"layer": "lstm", "from": [2, 35, 40], "to": [35, 80], "place": "flow:lstm"}
        yield fires("rows of images as steps", flowing(swapped=[seen]))
        yield fires("states of two directions", flowing(swapped=[state]))
        yield quiet("time merged into the batch and split again", flowing(swapped=[]))
        yield quiet("axes changed places", flowing(swapped=[]))
        yield quiet("which axis counts samples is not known", flowing())
