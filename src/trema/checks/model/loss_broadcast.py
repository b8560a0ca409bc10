"""Outputs and targets of different shapes that the loss stretches to fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.combination import SQUARED, Combination, combine
from trema.checks.graph import Graph
from trema.checks.sketch import chain, dense, op
from trema.checks.sketch_batch import ROWS, labels, logits, loss, net, seen_as
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo
from trema.core.history import History

Shape = tuple[int, ...]

#: Losses that compare element by element.
ELEMENTWISE = SQUARED | {"poisson", "kl-divergence", "other"}
#: Operations of a loss written by hand that take targets away from outputs.
_DIFFERENCES = ("Sub", "RSub")


@register
@dataclass(frozen=True, kw_only=True)
class LossBroadcast(Check):
    """Outputs of shape (N, 1) and targets of shape (N,), or other shapes that broadcast.

    Why it matters: the loss compares every output with every target of the batch, or one output
    with many targets; the best answer is then the mean of the targets for all samples.
    May be wrong when: one value is compared with many on purpose.
    References: PyTorch, `nn.MSELoss` (shapes) and its warning on a target size that differs;
    NumPy, broadcasting; Braiek and Khomh (2023), TheDeepChecker.
    """

    id = "loss-broadcast"
    title = "outputs and targets are broadcast against each other"
    cause = Cause.LOSS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.TARGET_MIN, Fact.OUTPUT_MIN})
    fixes = (
        Fix("give both the same shape: `model(x).squeeze(-1)` or `y.unsqueeze(-1)`"),
        Fix("give the output as many units as the targets have columns"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="using a target size that is different to the input size broadcast {framework}",
        torch="nn.MSELoss",
        keras="losses/regression_losses",
    )

    def missing(self, history: History) -> list[str]:
        """Shapes of outputs and targets, or the graph of a loss written by hand, must be known."""
        missing = super().missing(history)
        shapes = history.tensors("output") and history.tensors("target")
        if not shapes and history.run.edges is None:
            missing.append("shapes of outputs and targets")
        return missing

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        seen = combine(history)
        if seen is not None and seen.target_shape is not None and seen.output_shape is not None:
            found = self._by_shapes(seen, seen.output_shape, seen.target_shape)
        elif run.loss is None and run.framework == "torch":
            found = self._by_hand(run)
        else:
            return
        if found is not None:
            yield found

    def _by_shapes(self, seen: Combination, output: Shape, target: Shape) -> Diagnosis | None:
        if seen.loss.kind not in ELEMENTWISE or output[:1] != target[:1]:
            return None
        if seen.loss.kind == "other" and seen.run.framework != "keras":
            return None
        one, other = (output, target)
        if seen.run.framework == "keras":
            one, other = _fitted(output, target)
        if one == other or _broadcast(one, other) is None:
            return None
        whole, batch = _broadcast(one, other) or (), output[0]
        shapes = f"outputs have shape {_text(output)} and targets {_text(target)}"
        if batch > 1 and len(one) != len(other) and whole.count(batch) > 1:
            many = f"{seen.loss_name} compares each output with every target of the batch"
            return self._found(seen.run, f"{shapes}: {many}", seen, len(whole), seen.loss.location)
        if len(one) != len(other) or seen.loss.kind == "other":
            return None
        if one[-1] != other[-1] and 1 in (one[-1], other[-1]):
            fewer, more = ("one output", "targets") if one[-1] == 1 else ("one target", "outputs")
            count = max(one[-1], other[-1])
            many = f"{seen.loss_name} compares {fewer} with {count} {more} of a sample"
            return self._found(seen.run, f"{shapes}: {many}", seen, len(whole), seen.loss.location)
        return None

    def _by_hand(self, run: RunInfo) -> Diagnosis | None:
        """A difference in the loss whose shape is samples by samples, made of outputs (N, 1)."""
        graph, batch = Graph.of(run), run.batch_size
        if graph is None or batch is None or batch < 2:
            return None
        for name in run.head:
            layer = graph.layers.get(name)
            if layer is None or layer.class_name not in _DIFFERENCES:
                continue
            sources = graph.before.get(name, ())
            given = graph.layers.get(sources[0]) if len(sources) == 1 else None
            shape = _sized(layer, batch)
            before = _sized(given, batch) if given is not None else None
            if shape == (batch, batch) and before in ((batch, 1), (batch,)):
                return self._found(
                    run,
                    f"the loss takes targets from outputs of shape {_text(before)} and gets "
                    f"{_text(shape)}: each output is compared with every target of the batch",
                    None,
                    2,
                    run.place("loss-difference", "loss", "loss-value", "backward"),
                )
        return None

    def _found(
        self,
        run: RunInfo,
        message: str,
        seen: Combination | None,
        axes: int,
        location: Location | None,
    ) -> Diagnosis:
        name = seen.layer_name if seen is not None else None
        return self.diagnosis(
            message,
            Evidence("loss-axes", axes, name=name or ""),
            where=Where(layer=name),
            location=location or run.place("loss", "backward"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        squared = net(loss("mse"), 1, framework="torch")
        column, flat = logits(classes=1), logits(classes=1)[:, 0]
        yield fires(
            "(N, 1) against (N,)",
            seen_as(squared, outputs=column, targets=flat),
            cause=Cause.LOSS,
            severity=Severity.CRITICAL,
        )
        yield fires("(N,) against (N, 1)", seen_as(squared, outputs=flat, targets=column))
        keras = net(loss("mae"), 1)
        yield fires(
            "every step of a sequence against one value of each sample",
            seen_as(keras, outputs=logits(ROWS, 6)[:, :, None], targets=flat),
        )
        yield fires(
            "one output for five columns", seen_as(keras, outputs=column, targets=logits(classes=5))
        )
        yield fires(
            "class numbers against ten outputs",
            seen_as(net(loss("mse"), 10), outputs=logits(), targets=labels()[:, None]),
        )
        yield fires("a loss written by hand", situation(_by_hand((None, ROWS))))
        yield quiet("the same shape", seen_as(squared, outputs=column, targets=column))
        yield quiet("Keras gives both the same axes", seen_as(keras, outputs=column, targets=flat))
        yield quiet("a batch of one", seen_as(squared, outputs=column[:1], targets=flat[:1]))
        yield quiet(
            "class numbers of a classifier",
            seen_as(
                net(loss("cross-entropy", "logits", sparse=True), framework="torch"),
                outputs=logits(),
                targets=labels(),
            ),
        )
        yield quiet("by hand, and the shapes agree", situation(_by_hand((None, 1))))
        pairs = replace(_by_hand((None, ROWS)), edges=(("fc", "sub"), ("other", "sub")))
        yield quiet("differences of all pairs of outputs", situation(pairs))
        yield quiet(
            "one row of targets for all steps of a sequence",
            seen_as(squared, outputs=np.ones((8, 5, 3)), targets=np.ones((8, 1, 3))),
        )


def _by_hand(shape: tuple[int | None, ...]) -> RunInfo:
    last = replace(dense("fc", 8, 1), output_shape=(None, 1))
    sub = replace(op("scale", "sub"), class_name="Sub", functional=True, output_shape=shape)
    layers = (last, sub, op("activation", "pow"))
    head = ("pow", "sub", "fc")
    return replace(chain(*layers), framework="torch", head=head, batch_size=ROWS)


def _fitted(output: Shape, target: Shape) -> tuple[Shape, Shape]:
    """The shapes after Keras has given both the same number of axes, where it does."""

    def drop(longer: Shape, shorter: Shape) -> tuple[Shape, Shape]:
        if len(longer) == len(shorter) + 1 and longer[-1] == 1:
            return (longer, (*shorter, 1)) if len(shorter) == 1 else (longer[:-1], shorter)
        return longer, shorter

    output, target = drop(output, target)
    target, output = drop(target, output)
    return output, target


def _broadcast(one: Shape, other: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


def _sized(layer: Layer, batch: int) -> Shape | None:
    shape = layer.output_shape
    return None if shape is None else tuple(batch if size is None else size for size in shape)


def _text(shape: Shape) -> str:
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
