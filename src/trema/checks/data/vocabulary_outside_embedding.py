"""Token ids for which an embedding has no row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, given, place, sketches, subject
from trema.checks.graph import first_use
from trema.checks.sketch import chain, dense
from trema.core.datasets import Tokens
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Layer, Parameter, Phase, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class VocabularyOutsideEmbedding(Check):
    """Ids in the data that are as large as the number of rows of the embedding, or negative.

    Why it matters: PyTorch ends with an index error when the first such batch comes, perhaps
    hours later; JAX and some accelerators silently read another row or NaN.
    May be wrong when: the model maps ids to others before the embedding.
    References: PyTorch, `nn.Embedding`; JAX, out-of-bounds indexing.
    """

    id = "vocabulary-outside-embedding"
    title = "ids are larger than the embedding"
    cause = Cause.DATA
    severity = Severity.CRITICAL
    needs = frozenset({Fact.DATASET, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.INPUT_MAX, Fact.INPUT_MIN, Fact.GRAPH})
    fixes = (
        Fix("make the embedding one row larger than the greatest id: ids begin with 0"),
        Fix("map ids that are not in the vocabulary to the one for unknown words"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="embedding index out of range {framework}",
        torch="nn.Embedding",
        keras="layers/core_layers/embedding",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        layer, rows = self._embedding(history.run)
        if layer is None or rows is None:
            return
        phases: tuple[Phase, ...] = (TRAIN, VALIDATION)
        for phase in phases:
            for found in sketches(history, phase):
                inputs = [(n, one.tokens) for n, one in found.inputs.items() if one.tokens]
                if len(found.inputs) != 1 or not inputs or found.source == "beneath":
                    continue
                name, tokens = inputs[0]
                assert tokens is not None
                if tokens.high < rows and tokens.low >= 0:
                    continue
                if self._mapped(history, name, rows):
                    continue
                yield self._found(history, phase, name, layer, rows, tokens)
                break

    def _embedding(self, run: RunInfo) -> tuple[Layer | None, int | None]:
        """The embedding with most rows: positions have another one."""
        shapes = {p.name: p.shape for p in run.parameters}
        found = [
            (shapes[name][0], layer)
            for layer in run.layers
            if layer.kind == "embedding"
            for name in layer.parameters
            if len(shapes.get(name, ())) == 2
        ]
        if not found:
            return None, None
        rows, layer = max(found, key=lambda pair: pair[0])
        return layer, rows

    def _mapped(self, history: History, name: str, rows: int) -> bool:
        """Whether something between maps the ids: such a batch went through, or the graph
        shows another operation first."""
        run = history.run
        tensors = history.names(Fact.INPUT_MIN)
        if run.edges is not None and not first_use(run, name, tensors).embedded:
            return True
        if run.backend == "jax" or run.device.startswith("tpu"):
            return False  # these go on with another row
        highs = [history.array(Fact.INPUT_MAX, t)[1] for t in tensors]
        lows = [history.array(Fact.INPUT_MIN, t)[1] for t in tensors]
        past = any(bool((h >= rows).any()) for h in highs if len(h))
        past |= any(bool((h < 0).any()) for h in lows if len(h))
        return past and bool(len(history.array(Fact.LOSS)[1]))

    def _found(
        self,
        history: History,
        phase: Phase,
        name: str,
        layer: Layer,
        rows: int,
        tokens: Tokens,
    ) -> Diagnosis:
        above = tokens.high >= rows
        extreme = tokens.high if above else tokens.low
        where = f" in row {tokens.outliers[0]}" if above and tokens.outliers else ""
        data = subject(name, f"the {'training' if phase == TRAIN else 'validation'} data")
        return self.diagnosis(
            f"{data} hold the id {show(extreme)}{where}, but {layer.label} has {rows} rows: "
            f"ids 0 to {rows - 1}",
            Evidence(Fact.DATASET, extreme, limit=float(rows - 1), unit="id", name=name),
            where=Where(
                layer=layer.name,
                split=phase,
                rows=tokens.outliers if above else (),
                samples=tokens.outliers if above else (),
            ),
            location=layer.location or place(history.run, phase),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = _run(1000)
        ids = np.random.default_rng(0).integers(1, 1000, size=(300, 20))
        more = ids.copy()
        more[17, 3] = 1000
        y = classes(300)
        yield fires("the last word has no row", given(more, y, run), severity=Severity.CRITICAL)
        less = ids.copy()
        less[5, 0] = -1
        yield fires("minus one for unknown words", given(less, y, run))
        yield fires("only in validation", given(ids, y, run, validation=(more, y)))
        yield quiet("every id has a row", given(ids, y, run))
        went = {Fact.INPUT_MAX: 1000, Fact.INPUT_MIN: 1, Fact.LOSS: 0.7}
        yield quiet("such a batch went through", given(more, y, run, facts=went))
        plain = chain(dense("fc", 20, 1), inputs="tabular")
        yield quiet("no embedding", given(more, y, plain))
        yield quiet("positions have a smaller one", given(ids, y, _run(1000, 20)))


def _run(*rows: int) -> RunInfo:
    layers = [
        Layer(name=f"emb{i}", kind="embedding", class_name="Embedding", parameters=(f"emb{i}.w",))
        for i, _ in enumerate(rows)
    ]
    parameters = tuple(
        Parameter(name=f"emb{i}.w", shape=(n, 16), dtype="float32") for i, n in enumerate(rows)
    )
    return chain(*layers, dense("fc", 16, 1), inputs="text", parameters=parameters)
