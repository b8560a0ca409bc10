"""A loss scale that has fallen to one and below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.sketch_runs import training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class LossScaleLow(Check):
    """A dynamic loss scale that was halved again and again until it is one or less.

    Why it matters: each halving is an update that was skipped because gradients were not finite.
    A scale that keeps falling means that they never are: nothing is being trained.
    May be wrong when: a fixed scale of one was chosen.
    References: Micikevicius et al. (2018), Mixed Precision Training, arXiv:1710.03740, section
    3.2; PyTorch, `torch.amp.GradScaler`.
    """

    id = "loss-scale-low"
    title = "the loss scale fell to nothing"
    cause = Cause.NUMERICS
    severity = Severity.ERROR
    preview = True
    needs = frozenset({Fact.LOSS_SCALE})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "param-unchanged", "underfitting"})
    fixes = (
        Fix("train in bfloat16, which needs no loss scale"),
        Fix("keep softmax, losses and norms in float32"),
        Fix("lower the learning rate, and clip after unscaling"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="GradScaler scale decreases to zero nan {framework}",
        torch="amp",
        keras="mixed_precision",
    )
    limit: float = 1.0  # where float16 gains nothing from scaling; training begins at 2**15 or more
    fall: float = 256.0  # times below its highest value: eight skipped updates without recovery

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, scales = history.array(Fact.LOSS_SCALE)
        if history.run.framework == "torch":
            return  # there skipped steps are counted themselves: scaler-skips
        if len(scales) < 4 or scales[-1] > self.limit or scales.max() < self.fall * scales[-1]:
            return
        yield self.diagnosis(
            f"the loss scale fell from {show(float(scales.max()))} to {show(float(scales[-1]))} at "
            f"step {steps[-1]}: gradients keep overflowing and their updates are skipped",
            Evidence(Fact.LOSS_SCALE, float(scales[-1]), limit=self.limit, step=int(steps[-1])),
            location=history.run.place("step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def case(scales: list[float]) -> History:
            return training(RunInfo(framework="keras"), facts={Fact.LOSS_SCALE: scales})

        yield fires("halved without end", case([65536 * 0.5**i for i in range(24)]))
        yield fires("down to a half", case([32768.0, 4096.0, 64.0, 0.5]))
        yield quiet("a few skipped steps at the start", case([65536.0, 32768.0, 16384.0, 16384.0]))
        yield quiet("it grows", case([1024.0 * 2**i for i in range(8)]))
        yield quiet("fixed at one", case([1.0] * 8))
        yield quiet("down and up again", case([65536.0, 256.0, 1.0, 2.0, 4.0, 8.0]))
