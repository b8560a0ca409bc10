"""A model of the next token that sees the tokens that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.flows import flow, flow_place, flowing
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class FutureVisible(Check):
    """The targets are the inputs one position later, and the model reads later positions.

    Why it matters: the answer stands among the inputs. The loss falls far below what the text
    allows, in validation too, and what is generated afterwards is noise.
    May be wrong when: the task is to copy and not to predict.
    References: Vaswani et al. (2017), Attention Is All You Need, section 3.2.3.
    """

    id = "future-visible"
    title = "the model sees the tokens it has to predict"
    cause = Cause.ARCHITECTURE
    severity = Severity.CRITICAL
    needs = frozenset({Fact.FLOW})
    fixes = (
        Fix(
            "mask what follows: `is_causal=True`, a mask of "
            "`nn.Transformer.generate_square_subsequent_mask`, or `use_causal_mask=True` in Keras"
        ),
        Fix("pad convolutions in front only, and let recurrent layers run in one direction"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="causal mask attention language model {framework}",
        torch="nn.functional.scaled_dot_product_attention",
        keras="layers/attention_layers/multi_head_attention",
    )
    least: float = 1e-3  # of the influence of the positions before; a mask gives exactly 0

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = flow(history, "future")
        if not found or not found["leak"] > self.least:
            return
        layer = found.get("layer")
        known = history.run.layer(str(layer))
        means = f"; {known.label} joins the positions" if known is not None else ""
        at = f"the output at position {found['position']} of {found['width']}"
        yield self.diagnosis(
            f"the targets are the inputs one position later, and {at} depends on later positions "
            f"{show(found['leak'])} times as much as on those up to it{means}",
            Evidence(
                Fact.FLOW, found["leak"], limit=self.least, unit="of the earlier", name="future"
            ),
            where=Where(layer=layer),
            location=flow_place(history.run, found),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        seen = {"position": 16, "width": 32, "layer": None, "place": "flow:future"}
        yield fires("attention without a mask", flowing(future={"leak": 0.8} | seen))
        yield fires("the next token alone", flowing(future={"leak": 0.01} | seen))
        yield quiet("masked", flowing(future={"leak": 0.0} | seen))
        yield quiet("a mask of large negative numbers", flowing(future={"leak": 1e-7} | seen))
        yield quiet("targets are not shifted inputs", flowing(future=None))
        yield quiet("not looked at", flowing())
