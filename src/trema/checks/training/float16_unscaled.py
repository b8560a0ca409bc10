"""Training in float16 without a loss scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import kernels
from trema.checks.sketch import Facts
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, TensorSeen
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class Float16Unscaled(Check):
    """A model whose outputs or weights are float16 in training while no loss scale is used.

    Why it matters: gradients below 6e-8 become zero in float16, and updates smaller than a
    thousandth of a weight are rounded away. Training slows down or stops, without an error.
    May be wrong when: the loss is multiplied by a fixed factor by hand.
    References: Micikevicius et al. (2018), Mixed Precision Training, arXiv:1710.03740.
    """

    id = "float16-unscaled"
    title = "float16 without loss scaling"
    cause = Cause.NUMERICS
    severity = Severity.WARNING
    needs = frozenset({Fact.LOSS, Fact.GRADIENT_NORM})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.LOSS_SCALE, Fact.OUTPUT_MEAN, Fact.GRADIENT_QUANTILES}
    )
    explains: ClassVar[frozenset[str]] = frozenset(
        {"loss-flat", "nonfinite-loss", "param-unchanged", "vanishing-grad"}
    )
    fixes = (
        Fix("use bfloat16, which has the range of float32"),
        Fix("scale the loss: `torch.amp.GradScaler`; in Keras `mixed_float16` does it by itself"),
        Fix("keep the weights in float32 and compute in half precision (autocast)"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="float16 training without GradScaler underflow {framework}",
        torch="amp",
        keras="mixed_precision",
    )
    least: int = 8  # observed steps

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, _ = history.array(Fact.LOSS)
        if len(steps) < self.least or history.names(Fact.LOSS_SCALE):
            return
        weights = [k.parameter for k in kernels(history.run) if k.parameter.dtype == "float16"]
        outputs = [t for t in history.tensors("output") if t.dtype == "float16"]
        if not weights and not outputs:
            return
        what = f"`{weights[0].name}` is" if weights else "the outputs are"
        message = f"{what} float16 in training and no loss scale is used"
        lost = _lost(history)
        if lost > 0:
            message += f"; {percent(lost)} of the sampled gradients are zero"
        yield self.diagnosis(
            message,
            Evidence("float16-without-scale", 1, limit=0, step=int(steps[-1])),
            where=Where(layer=weights[0].layer if weights else None),
            location=history.run.place("cast", "model", "backward", "step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = mlp(20, 32, CLASSES)
        grads: Facts = {(Fact.GRADIENT_NORM, "fc1.weight"): [1e-3] * 320}

        def out(dtype: str) -> list[TensorSeen]:
            return [
                TensorSeen(
                    role="output", name="", phase="train", shape=(32, 10), dtype=dtype, step=1
                )
            ]

        yield fires("autocast to float16", training(run, facts=grads, tensors=out("float16")))
        few: Facts = {(Fact.GRADIENT_NORM, "fc1.weight"): [1e-3] * 8}
        yield fires("soon", training(run, noisy(CHANCE, steps=8), few, tensors=out("float16")))
        scaled: Facts = {**grads, Fact.LOSS_SCALE: [65536.0] * 320}
        yield quiet("with a loss scale", training(run, facts=scaled, tensors=out("float16")))
        yield quiet("bfloat16", training(run, facts=grads, tensors=out("bfloat16")))
        yield quiet("float32", training(run, facts=grads))


def _lost(history: History) -> float:
    """The share of gradients that are exactly zero, at least: quantiles that are zero."""
    shares = []
    for name in history.names(Fact.GRADIENT_QUANTILES):
        _, rows = history.array(Fact.GRADIENT_QUANTILES, name, last=1)
        if rows.ndim == 2 and len(rows):
            zero = rows[-1] == 0
            levels = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
            inside = [level for level, is_zero in zip(levels, zero, strict=True) if is_zero]
            shares.append(max(inside) - min(inside) if inside else 0.0)
    return float(sum(shares) / len(shares)) if shares else 0.0
