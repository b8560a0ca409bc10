"""Inputs that arrive as integers where weights read numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import first_use
from trema.checks.sketch import Facts, chain, conv, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, TensorSeen
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class InputDtype(Check):
    """Integer inputs that a dense or convolutional layer reads.

    Why it matters: they are converted in every step, arithmetic on them before the model wraps
    or rounds, and 8-bit integers are mostly images that nobody scaled.
    May be wrong when: the conversion is left to the framework on purpose to save memory.
    References: Umlaut's `input_not_floating`; Keras, `keras.config.floatx`.
    """

    id = "input-dtype"
    title = "inputs are integers"
    cause = Cause.DATA
    severity = Severity.INFO
    needs = frozenset({Fact.INPUT_MIN, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.INPUT_INTEGER, Fact.GRAPH})
    fixes = (Fix("convert once before training: `x.astype('float32')`, then scale"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="convert uint8 input float32 {framework}", torch="Tensor.float", keras="config"
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        tensors = history.names(Fact.INPUT_MIN)
        told: set[str] = set()
        for tensor in history.tensors("input"):
            if "int" not in tensor.dtype or tensor.name in told:
                continue
            use = first_use(history.run, tensor.name, tensors)
            if not use.raw or any(layer.kind == "embedding" for layer in history.run.layers):
                continue
            told.add(tensor.name)
            reader = use.maps[0]
            subject = f"inputs `{tensor.name}`" if tensor.name else "inputs"
            yield self.diagnosis(
                f"{subject} arrive as {tensor.dtype} and are converted for `{reader.name}` in "
                "every step",
                Evidence(Fact.INPUT_INTEGER, 1.0, limit=0.0, step=tensor.step, name=tensor.name),
                where=Where(input=tensor.name or None, split="train"),
                location=history.run.place("inputs", "fit", "step"),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def seen(dtype: str) -> TensorSeen:
            return TensorSeen(
                role="input", name="", phase="train", shape=(32, 28, 28), dtype=dtype, step=0
            )

        facts: Facts = {Fact.INPUT_MIN: 0.0}
        net = chain(op("reshape"), dense("fc", 784, 10))
        yield fires("8-bit images", situation(net, facts=facts, tensors=[seen("uint8")]))
        table = chain(conv("conv", 3, 8), dense("fc", 8, 1))
        yield fires("whole numbers", situation(table, facts=facts, tensors=[seen("int64")]))
        yield quiet("floats", situation(net, facts=facts, tensors=[seen("float32")]))
        ids = chain(op("embedding"), op("pooling", function="average"), dense("fc", 16, 1))
        yield quiet("token ids", situation(ids, facts=facts, tensors=[seen("int64")]))
        scaled = chain(op("scale", "rescaling"), op("reshape"), dense("fc", 784, 10))
        yield quiet("a rescaling layer", situation(scaled, facts=facts, tensors=[seen("uint8")]))
        onehot = chain(op("other", "one_hot"), dense("fc", 50, 1))
        yield quiet("a custom encoding", situation(onehot, facts=facts, tensors=[seen("int32")]))
