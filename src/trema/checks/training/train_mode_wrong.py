"""Training in eval mode, or validation in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import VALIDATION, Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class TrainModeWrong(Check):
    """Dropout and batch normalization in the wrong mode for what is done.

    Why it matters: in eval mode dropout is off and batch statistics stand still, so after the
    first validation the model trains as another one. In train mode a validation loss is noisy,
    mixes the samples of a batch, and moves the running statistics.
    May be wrong when: a pretrained model is fine-tuned in eval mode on purpose, or dropout stays
    on for Monte Carlo estimates. Frozen normalization, and layers switched alone, are left out.
    References: PyTorch, nn.Module.eval; TrainCheck (Jiang et al., OSDI 2025).
    """

    id = "train-mode-wrong"
    title = "the model is in the wrong mode"
    cause = Cause.TRAINING_LOOP
    severity = Severity.ERROR
    needs = frozenset({Fact.LOOP})
    explains: ClassVar[frozenset[str]] = frozenset({"suspicious-validation"})
    fixes = (
        Fix("call `model.train()` at the start of each epoch, before the loop over batches"),
        Fix("call `model.eval()` before validation"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="model.eval model.train dropout batchnorm validation {framework}",
        torch="nn.Module",
        keras="layers/base_layer",
    )
    least_steps: int = 8  # observed training steps in eval mode, the last ones
    least_batches: int = 2  # validation batches in train mode, all of them

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        yield from self._training(history)
        yield from self._validation(history)

    def _training(self, history: History) -> Iterator[Diagnosis]:
        steps, whole = loop_values(history, "model-eval")
        _, layers = loop_values(history, "eval")
        wrong = (whole > 0) & (layers >= 0.999)
        if wrong.sum() < self.least_steps or not wrong[-self.least_steps :].all():
            return
        since = int(steps[wrong][0])
        always = bool(wrong.all())
        when = "from the first step on" if always else f"from step {since} on"
        yield self.diagnosis(
            f"the model trains in eval mode {when}: its dropout and batch normalization layers are "
            "switched off",
            Evidence(Fact.LOOP, float(wrong.mean()), unit="of steps", name="model-eval"),
            where=Where(split="train"),
            location=history.run.place("eval", "model", "backward", "step"),
            # a program that never leaves eval mode may fine-tune so on purpose
            severity=Severity.WARNING if always else Severity.ERROR,
            confidence="likely" if always else "measured",
            title="the model trains in eval mode",
        )

    def _validation(self, history: History) -> Iterator[Diagnosis]:
        _, share = loop_values(history, "train", VALIDATION)
        if len(share) < self.least_batches or (share < 0.999).any():
            return
        yield self.diagnosis(
            f"validation ran in train mode in all {len(share)} observed batches: dropout is on and "
            "batch normalization uses, and learns from, the validation batch",
            Evidence(Fact.LOOP, float(share.mean()), unit="of layers", name="train"),
            where=Where(split="validation"),
            location=history.run.place("evaluation"),
            confidence="measured",
            title="the model is validated in train mode",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        after = [0.0] * 10 + [1.0] * 10
        yield fires(
            "no train() after the first validation",
            looped(model_eval=after, eval=after),
            severity=Severity.ERROR,
        )
        yield fires(
            "eval mode all the time", looped(model_eval=1.0, eval=1.0), severity=Severity.WARNING
        )
        yield fires(
            "validation without eval()",
            looped(model_eval=0.0, eval=0.0, validation={"train": [1.0] * 4}),
        )
        yield quiet("right", looped(model_eval=0.0, eval=0.0, validation={"train": [0.0] * 4}))
        yield quiet("normalization in eval mode alone", looped(model_eval=0.0, eval=0.5))
        yield quiet(
            "one evaluation in train mode before training",
            looped(model_eval=0.0, eval=0.0, validation={"train": [1.0, 0.0, 0.0, 0.0]}),
        )
        few = [0.0] * 17 + [1.0] * 3
        yield quiet("a few adversarial steps", looped(model_eval=few, eval=few))
        yield quiet("no layer cares", looped())
