"""A recurrent layer whose last state is read after a long stretch of padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given
from trema.checks.flows import flow, flow_place, flowing
from trema.checks.graph import Graph
from trema.checks.sketch import chain, dense
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo
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
    needs = frozenset({Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.FLOW, Fact.DATASET})
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
        for found in flow(history, "states") or _of_keras(history):
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
        run = RunInfo(layers=(Layer(name="rnn", kind="recurrent", class_name="GRU"),))

        def seen(padding: float, width: int = 96) -> History:
            one = {"layer": "rnn", "padding": padding, "width": width, "rows": 25}
            return flowing(run, states=[one | {"place": "flow:rnn"}])

        yield fires("most of it is padding", seen(0.7))
        yield fires("more than half of a long row", seen(0.55, 200))
        yield fires("Keras without a mask", _in_keras())
        yield quiet("Keras with a mask", _in_keras(masks=True))
        yield quiet("every step is read", _in_keras(steps=True))
        yield quiet("read from the end", _in_keras(backwards=True))
        yield quiet("padded in front", _in_keras(behind=False))
        yield quiet("a few steps of padding", seen(0.6, 12))
        yield quiet("a third is padding", seen(0.3))
        yield quiet("no padding", seen(0.0))
        yield quiet("packed, masked, or all steps are read", flowing(run, states=[]))


def _of_keras(history: History) -> Iterator[dict[str, Any]]:
    """The same of a Keras model: its graph, and the padding of its data."""
    run, graph, data = history.run, Graph.of(history.run), as_read(history)
    if run.framework != "keras" or graph is None or data is None or len(data.inputs) != 1:
        return
    tokens = next(iter(data.inputs.values())).tokens
    recurrent = [layer for layer in run.layers if layer.kind == "recurrent"]
    if tokens is None or not tokens.behind or len(recurrent) != 1:
        return
    layer = recurrent[0]
    before = [graph.layers[n] for n in graph.upstream([layer.name]) if n in graph.layers]
    plain = all(one.kind in ("input", "embedding", "dropout", "normalization") for one in before)
    masks = [one.config.get("masks") for one in before if one.kind == "embedding"]
    read = layer.config.get("steps") is False and layer.config.get("backwards") is False
    if plain and read and masks == [False]:
        found = {"layer": layer.name, "padding": tokens.pad, "width": tokens.width}
        yield found | {"rows": data.read, "place": ""}


def _in_keras(
    *, masks: bool = False, steps: bool = False, backwards: bool = False, behind: bool = True
) -> History:
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 900, size=(300, 120))
    rows[np.arange(120)[None, :] >= rng.integers(5, 60, size=300)[:, None]] = 0
    emb = Layer(name="emb", kind="embedding", class_name="Embedding", config={"masks": masks})
    config = {"steps": steps, "backwards": backwards}
    lstm = Layer(name="lstm", kind="recurrent", class_name="LSTM", config=config)
    run = chain(emb, lstm, dense("fc", 16, 1), inputs="text", framework="keras")
    return given(rows if behind else rows[:, ::-1].copy(), classes(300), run)
