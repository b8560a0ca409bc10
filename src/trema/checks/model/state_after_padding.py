"""A recurrent layer whose last state is read after a long stretch of padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.flows import flow, flow_place, flowing
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class StateAfterPadding(Check):
    """Only the last state of a recurrent layer is used, and most of what it read was padding.

    Why it matters: the tokens come first, then dozens of steps in which the state is rewritten by
    nothing; gradients have to find the way back through all of them.
    May be wrong when: the padding carries meaning, as silence does in a measurement.
    References: Dwarampudi & Reddy (2019), Effects of padding on LSTMs and CNNs, arXiv:1903.07288.
    """

    id = "state-after-padding"
    title = "the last state follows padding"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.FLOW})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"padding-dominates", "loss-flat", "underfitting"}
    )
    fixes = (
        Fix(
            "pack the sequences: `nn.utils.rnn.pack_padded_sequence`, or `mask_zero=True` in Keras"
        ),
        Fix("read the state at the last token: `out[torch.arange(len(out)), lengths - 1]`"),
        Fix("or pad in front, and each batch only as far as its longest sequence"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="pack_padded_sequence last hidden state padding {framework}",
        torch="nn.utils.rnn.pack_padded_sequence",
        keras="layers/core_layers/masking",
    )
    share: float = 0.5  # of all positions; Dwarampudi & Reddy: LSTMs padded behind fall to chance
    steps: float = 16.0  # of padding on average; gated layers remember over a few

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for found in flow(history, "states") or ():
            steps = found["padding"] * found["width"]
            if found["padding"] < self.share or steps < self.steps:
                continue
            layer = history.run.layer(found["layer"])
            yield self.diagnosis(
                f"only the last state of {layer.label if layer is not None else found['layer']} is "
                f"used, and it follows {show(round(steps))} steps of padding on average: "
                f"{percent(found['padding'])} of the {found['width']} positions stand behind the "
                f"last token of their row, in {found['rows']} rows",
                Evidence(
                    Fact.FLOW,
                    found["padding"],
                    limit=self.share,
                    unit="of positions",
                    name="states",
                ),
                where=Where(layer=found["layer"]),
                location=flow_place(history.run, found),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def seen(padding: float, width: int = 96) -> History:
            one = {"layer": "rnn", "padding": padding, "width": width, "rows": 25}
            return flowing(states=[one | {"place": "flow:rnn"}])

        yield fires("most of it is padding", seen(0.7))
        yield fires("more than half of a long row", seen(0.55, 200))
        yield quiet("a few steps of padding", seen(0.6, 12))
        yield quiet("a third is padding", seen(0.3))
        yield quiet("padded in front", seen(0.0))
        yield quiet("packed, masked, or all steps are read", flowing(states=[]))
