"""Weight decay that also pulls on normalizations and biases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, OptimizerInfo, Parameter, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class WeightDecayNorms(Check):
    """A transformer whose only optimizer group decays every parameter, normalizations and biases
    included.

    Why it matters: the scale of a normalization belongs near one and a bias where the data put
    it; pulling them to zero regularizes nothing and may slow training down.
    May be wrong when: the decay is small, or the optimizer is told elsewhere to leave them out.
    References: He et al. (2019), Bag of Tricks, arXiv:1812.01187, section 3.1; Loshchilov &
    Hutter (2019), arXiv:1711.05101; the training code of BERT and GPT-2.
    """

    id = "weight-decay-norms"
    title = "weight decay on normalizations and biases"
    cause = Cause.OPTIMIZER
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.OPTIMIZER, Fact.LAYERS})
    fixes = (
        Fix("make two groups: decay for matrices, none for parameters of one axis"),
        Fix("in Keras call `optimizer.exclude_from_weight_decay(var_names=[...])`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="exclude bias layernorm from weight decay {framework}",
        torch="optim.AdamW",
        keras="optimizers/adamw",
    )
    decay: float = 0.05  # five times the default of AdamW; weaker decay hardly shows on these

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        if run.framework == "keras" or not any(_attends(layer) for layer in run.layers):
            return  # Keras does not tell which variables are left out
        norms = {layer.name for layer in run.layers if layer.kind == "normalization"}
        for optimizer in run.optimizers:
            decay = optimizer.config.get("weight_decay")
            if not isinstance(decay, int | float) or decay < self.decay:
                continue
            group = f"{optimizer.name}.0"
            own = [p for p in run.parameters if group in p.groups and p.trainable]
            matrices = [p for p in own if len(p.shape) >= 2]
            vectors = [p for p in own if len(p.shape) == 1 and p.layer in norms]
            if not vectors or not matrices:
                continue
            yield self.diagnosis(
                f"weight decay of {show(float(decay))} also pulls `{vectors[0].name}` and "
                f"{len(vectors) - 1} other parameters of normalizations to zero",
                Evidence("weight-decay", float(decay), limit=self.decay, name=vectors[0].name),
                where=Where(parameter=vectors[0].name),
                location=optimizer.location,
                confidence="measured",
            )
            return

    @staticmethod
    def cases() -> Iterator[Case]:
        layers = (op("attention", "attn"), op("normalization", "ln"), dense("fc", 32, 10))

        def run(decay: float, groups: str = "0.0", layers: tuple[Layer, ...] = layers) -> RunInfo:
            def weight(name: str, layer: str, *shape: int, own: str = "0.0") -> Parameter:
                return Parameter(
                    name=name, shape=shape, dtype="float32", layer=layer, groups=(own,)
                )

            return RunInfo(
                framework="torch",
                layers=layers,
                parameters=(
                    weight("attn.weight", "attn", 96, 32),
                    weight("ln.weight", "ln", 32, own=groups),
                    weight("ln.bias", "ln", 32, own=groups),
                ),
                optimizers=(
                    OptimizerInfo(
                        name="0",
                        kind="adamw",
                        learning_rates=(1e-3,),
                        config={"weight_decay": decay},
                    ),
                ),
            )

        yield fires("one group for all", situation(run(0.1)))
        yield fires("weaker", situation(run(0.05)))
        parts = (dense("h.0.attn.c_attn", 32, 96), layers[1], layers[2])
        yield fires("attention made of parts", situation(run(0.1, layers=parts)))
        yield quiet("the default of AdamW", situation(run(0.01)))
        yield quiet("a group of their own", situation(run(0.1, "0.1")))
        yield quiet("no decay", situation(run(0.0)))
        yield quiet("not a transformer", situation(run(0.1, layers=layers[1:])))


def _attends(layer: Layer) -> bool:
    """Whether a layer is, or is a part of, attention: those of libraries tell by their names."""
    parts = layer.name.lower().split(".")
    return layer.kind == "attention" or any(
        part in ("attn", "attention", "self_attn", "selfattention") for part in parts
    )
