"""A sequence layer that reads the samples of a batch as the moments of one sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import cross_entropy
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, Layer, RunInfo, TensorSeen
from trema.core.history import History

_SEQUENCES = ("recurrent", "attention")


@register
@dataclass(frozen=True, kw_only=True)
class BatchAsTime(Check):
    """A recurrent or attention layer whose time axis is the axis of the samples.

    Why it matters: each answer then depends on which other samples stand in the batch, and the
    order within a sequence is never read. The shapes fit, so that nothing fails.
    May be wrong when: attention between the samples of a batch is the purpose.
    References: PyTorch, nn.LSTM and nn.MultiheadAttention, batch_first.
    """

    id = "batch-as-time"
    title = "the batch is read as time"
    cause = Cause.ARCHITECTURE
    severity = Severity.ERROR
    needs = frozenset({Fact.LAYERS})
    fixes = (
        Fix("give the layer `batch_first=True`"),
        Fix("or put time first: `x.transpose(0, 1)`, and transpose back behind the layer"),
        Fix(
            "a batch of single vectors needs a time axis: `x.unsqueeze(1)` with `batch_first=True`"
        ),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="LSTM batch_first wrong dimension {framework}",
        torch="nn.LSTM",
        keras="layers/recurrent_layers/lstm",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        batch = _samples(history)
        if batch is None:
            return
        wrong = [layer for layer in history.run.layers if _reads_batch(layer)]
        if not wrong:
            return
        first = wrong[0]
        shape = first.output_shape or ()
        told = f"(batch of {batch}, {', '.join(map(str, shape[1:]))})"
        reads = (
            "reads two axes as one sequence without a batch"
            if len(shape) == 2
            else "expects time first, as `batch_first=False` says"
        )
        others = f"; so do {len(wrong) - 1} more layers" if len(wrong) > 1 else ""
        yield self.diagnosis(
            f"{first.label} gives {told} and {reads}: it takes the samples of a batch for the "
            f"moments of a sequence{others}",
            Evidence(Fact.LAYERS, float(batch), unit="samples", name="batch"),
            where=Where(layer=first.name),
            location=first.location or history.run.place("model"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def seen(*shape: int | None, axis: int = 1, targets: tuple[int, ...] = (30,)) -> History:
            lstm = Layer(
                name="scan",
                kind="recurrent",
                class_name="LSTM",
                config={"units": 24, "inputs": 24, "batch_axis": axis},
                output_shape=shape,
            )
            forms: list[Any] = [("input", (30, 50)), ("target", targets)]
            run = RunInfo(layers=(lstm,), loss=cross_entropy("logits"), batch_size=30)
            return situation(
                run,
                tensors=[
                    TensorSeen(role=r, name="", phase=TRAIN, shape=s, dtype="int64", step=0)
                    for r, s in forms
                ],
            )

        yield fires("batch first, though time is read first", seen(None, 50, 24))
        yield fires("a batch of vectors", seen(None, 24, axis=0))
        yield fires("targets in a column", seen(None, 50, 24, targets=(30, 1)))
        yield quiet("batch_first", seen(None, 50, 24, axis=0))
        yield quiet("time first", seen(50, 30, 24))
        yield quiet("as long as the batch is large", seen(None, 30, 24))
        yield quiet("targets by time, as of a language model", seen(None, 50, 24, targets=(30, 50)))
        yield quiet("targets of all moments in a row", seen(None, 50, 24, targets=(1500,)))
        unknown = seen(None, 50, 24)
        shapeless = (replace(unknown.run.layers[0], output_shape=None),)
        yield quiet("no shape was seen", situation(replace(unknown.run, layers=shapeless)))


def _reads_batch(layer: Layer) -> bool:
    """Whether the axis that grows with the batch is not the one read as the batch."""
    shape, axis = layer.output_shape, layer.config.get("batch_axis")
    if layer.kind not in _SEQUENCES or axis is None or not shape or shape[0] is not None:
        return False
    if len(shape) == 2:
        return layer.kind == "recurrent"
    return len(shape) == 3 and axis == 1


def _samples(history: History) -> int | None:
    """Samples of the first batch, where one target for each shows that they are samples."""
    batch = history.run.batch_size
    targets = [t.shape for t in history.tensors("target", phase=TRAIN) if t.shape]
    if batch is None or batch < 2 or not targets:
        return None
    one_each = [s for s in targets if s[0] == batch and all(n == 1 for n in s[1:])]
    lengths = {
        layer.output_shape[1]
        for layer in history.run.layers
        if layer.kind in _SEQUENCES and layer.output_shape and len(layer.output_shape) == 3
    }
    return batch if one_each and batch not in lengths else None
