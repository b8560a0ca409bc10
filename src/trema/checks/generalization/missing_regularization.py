"""A growing gap between training and validation in a model without any regularization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.sketch import dense, op
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training, with_weights
from trema.checks.smoothing import both_phases, median_of_three, noise
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, OptimizerInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class MissingRegularization(Check):
    """A validation loss that stays at twice the training loss or more, in a model that has
    neither dropout nor weight decay nor augmentation.

    Why it matters: the gap is what more data or regularization could win back.
    May be wrong when: inputs are augmented before the model, or early stopping is enough.
    References: Srivastava et al. (2014), Dropout; Goodfellow et al. (2016), Deep Learning,
    chapter 7.
    """

    id = "missing-regularization"
    title = "a gap and no regularization"
    cause = Cause.REGULARIZATION
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.METRIC, Fact.LAYERS, Fact.OPTIMIZER})
    fixes = (
        Fix("add dropout of 0.2 to 0.5 before the last layers", caution="changes the model"),
        Fix("use AdamW with a weight decay of 0.01"),
        Fix("augment the training data, or get more"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="regularization dropout weight decay {framework}",
        torch="nn.Dropout",
        keras="layers/regularization_layers/dropout",
    )
    gap: float = 2.0  # validation loss over training loss
    least: int = 8  # epochs
    patience: int = 4  # epochs in a row

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = both_phases(history, ("loss",))
        if seen is None or len(seen[1]) < self.least or _regularized(history.run):
            return
        if history.beats_baseline() is False:
            return
        _, epochs, train, val = seen
        smooth, level = median_of_three(train), median_of_three(val)
        late = slice(-self.patience, None)
        if (smooth[late] <= 0).any() or (level[late] < self.gap * smooth[late]).any():
            return
        if level[-1] - smooth[-1] < 3 * noise(val) or level[-1] < 1.02 * level.min():
            return  # the gap is noise, or validation is at its best right now
        yield self.diagnosis(
            f"validation loss is {show(float(level[-1]))} and training loss "
            f"{show(float(smooth[-1]))}; the model has no dropout, weight decay or augmentation",
            Evidence(
                Fact.METRIC,
                float(level[-1] / smooth[-1]),
                limit=self.gap,
                unit="times the training loss",
                step=int(epochs[-1]),
            ),
            where=Where(),
            location=history.run.place("model", "fit", "loop"),
            confidence="possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        falling = noisy(CHANCE, 0.05)
        rising = [1.5, 1.0, 0.7, 0.6, 0.58, 0.6, 0.62, 0.65, 0.68, 0.7]

        def case(run: RunInfo, val: list[float] = rising, epochs: int = 10) -> History:
            return training(run, falling, epochs=epochs, val_metrics={"loss": val})

        bare = mlp(20, 64, 64, CLASSES)
        yield fires("a gap, and nothing against it", case(bare))
        yield fires("still at its best level, nearly", case(bare, [*rising[:5], *[0.62] * 5]))
        drop = with_weights(
            dense("fc1", 20, 64, "relu"), op("dropout", rate=0.5), dense("o", 64, 10)
        )
        yield quiet("dropout", case(drop))
        decay = OptimizerInfo(
            name="0", kind="adamw", learning_rates=(1e-3,), config={"weight_decay": 0.01}
        )
        yield quiet("weight decay", case(mlp(20, 64, 64, CLASSES, optimizers=(decay,))))
        yield quiet("no gap", case(bare, [2.0, 1.2, 0.8, 0.5, 0.3, 0.2, 0.15, 0.1, 0.08, 0.06]))
        yield quiet("few epochs", case(bare, rising[:5], epochs=5))


def _regularized(run: RunInfo) -> bool:
    """Whether something limits the model; a layer of unknown effect counts."""
    for layer in run.layers:
        if layer.kind in ("dropout", "augmentation") or layer.config.get("rate"):
            return True
        if layer.kind == "other" and layer.parameters:
            return True
        if layer.kind == "normalization" and "batch" in layer.class_name.lower():
            return True  # its noise regularizes too
    return any((o.config.get("weight_decay") or 0) > 0 for o in run.optimizers)
