"""A loss whose graph does not lead to the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, share_of
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class DetachedGraph(Check):
    """Backward runs, but none of the optimizer's parameters gets a gradient.

    Why it matters: somewhere between model and loss the history was cut (``detach``, ``item``,
    NumPy, ``argmax``, a tensor made anew with ``requires_grad=True``), so nothing is learned.
    May be wrong when: another optimizer takes its turn and this one steps without use.
    References: PyTorch, Autograd mechanics.
    """

    id = "detached-graph"
    title = "the loss has lost its path to the weights"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOOP})
    fixes = (
        Fix("compute the loss from the model's output by torch operations all the way"),
        Fix(
            "remove `.detach()`, `.item()`, `.data`, `.numpy()` and `torch.tensor(…)` on that path"
        ),
        Fix("instead of `argmax`, give the loss the scores themselves"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="loss requires_grad detached gradients None {framework}",
        torch="Tensor.detach",
        keras="optimizers",
    )
    least_steps: int = 5  # observed steps with a backward, all of them

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        count, reached = share_of(history, "received", least=1e-9)
        _, leaf = share_of(history, "leaf")
        if count < self.least_steps or reached:
            return
        cut = (
            "the loss is a new tensor without a history"
            if leaf > 0.5
            else "the graph of the loss ends before it reaches them"
        )
        yield self.diagnosis(
            f"backward ran in {count} observed steps and gave none of the optimizer's parameters a "
            f"gradient: {cut}",
            Evidence(Fact.LOOP, 0.0, unit="of parameters", name="received"),
            location=history.run.place("loss-cut", "backward"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("a loss made anew", looped(received=0.0, leaf=1.0))
        yield fires("cut inside the model", looped(received=0.0, leaf=0.0))
        yield quiet("all parameters", looped(received=1.0, leaf=0.0))
        yield quiet("one head of two", looped(received=0.4, leaf=0.0))
        yield quiet("the first steps train another part", looped(received=[0.0] * 5 + [1.0] * 15))
        yield quiet("too few steps", looped(steps=3, received=0.0, leaf=1.0))
