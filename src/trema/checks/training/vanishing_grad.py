"""Gradients that fade on their way to the first layers of a run that does not learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import Kernel, kernels, series
from trema.checks.progress import stuck, waited
from trema.checks.sketch import Facts, dense
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training, with_weights
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show

#: Names in models of libraries for what makes queries or keys.
QUERIES = frozenset(
    {"query", "key", "q_proj", "k_proj", "q_lin", "k_lin", "to_q", "to_k", "q", "k"}
)


@register
@dataclass(frozen=True, kw_only=True)
class VanishingGrad(Check):
    """Gradients of the first layers a thousand times below those of the last ones, or no
    gradient anywhere, while the loss stays where it was.

    Why it matters: layers that get no gradient stay random, and the later ones learn from noise.
    May be wrong when: the first layers are pretrained and fit already.
    References: Glorot & Bengio (2010); Zhang et al. (2021), AUTOTRAINER (ratio below 1e-3);
    Wardat et al. (2022), DeepDiagnosis (mean below 1e-7).
    """

    id = "vanishing-grad"
    title = "gradients vanish"
    cause = Cause.ARCHITECTURE
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.GRADIENT_NORM, Fact.LOSS, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.METRIC})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "underfitting"})
    fixes = (
        Fix("use ReLU or GELU in hidden layers", caution="changes the model"),
        Fix("put a normalization after each hidden layer", caution="changes the model"),
        Fix("add residual connections, or use fewer layers", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="vanishing gradient {framework}",
        torch="nn.BatchNorm1d",
        keras="layers/normalization_layers/batch_normalization",
    )
    ratio: float = 1e-3  # first over last, root mean squares (AUTOTRAINER)
    absolute: float = 1e-7  # root mean square over all weights (DeepDiagnosis)
    window: int = 20  # observed steps, the last ones
    least_layers: int = 3  # layers of weights

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        own = kernels(history.run) if waited(history, steps=200, epochs=3) else []
        own = [kernel for kernel in own if not _compares(kernel)]
        if len(own) < self.least_layers:
            return
        sizes = [(k, size) for k in own if (size := self._size(history, k)) is not None]
        if len(sizes) < self.least_layers:
            return
        (first, early), (last, late) = sizes[0], sizes[-1]
        everywhere = max(size for _, size in sizes) < self.absolute
        fades = late > 0 and early < self.ratio * late
        if not (everywhere or fades) or stuck(history) is None:
            return
        message = (
            f"the gradient of `{first.name}` is {show(early)} (root mean square over the last "
            f"{self.window} observed steps)"
        )
        if everywhere:
            message += f", and no other weights get more than {show(max(s for _, s in sizes))}"
        else:
            message += f", that of `{last.name}` {show(late)}: {show(late / max(early, 1e-30))} "
            message += "times as much"
        yield self.diagnosis(
            message,
            Evidence(
                Fact.GRADIENT_NORM,
                early if everywhere else early / late,
                limit=self.absolute if everywhere else self.ratio,
                unit="" if everywhere else "of the last layer",
                step=history.step,
                name=first.name,
            ),
            where=Where(layer=first.layer.name),
            location=first.layer.location,
        )

    def _size(self, history: History, kernel: Kernel) -> float | None:
        norms = series(history, Fact.GRADIENT_NORM, kernel, last=self.window)
        return float(np.median(norms)) / kernel.size**0.5 if len(norms) >= self.window else None

    @staticmethod
    def cases() -> Iterator[Case]:
        deep = mlp(20, 32, 32, 32, 32, CLASSES, activation="sigmoid")

        def grads(*sizes: float) -> Facts:
            return {
                (Fact.GRADIENT_NORM, k.name): np.full(320, size * k.size**0.5)
                for k, size in zip(kernels(deep), sizes, strict=True)
            }

        fading = grads(1e-9, 1e-8, 1e-6, 1e-4, 1e-2)
        yield fires("they fade layer by layer", training(deep, facts=fading))
        yield fires("nothing anywhere", training(deep, facts=grads(*[1e-9] * 5)))
        yield quiet("it learns all the same", training(deep, noisy(CHANCE, 0.4), fading))
        yield quiet("even", training(deep, facts=grads(*[1e-3] * 5)))
        yield quiet("a tenth each", training(deep, facts=grads(1e-2, 1e-2, 1e-1, 1e-1, 1)))
        yield quiet("early", training(deep, facts=fading, epochs=1, finished=False))
        two = mlp(20, 32, CLASSES)
        yield quiet("two layers", training(two, facts=fading))
        names = ("h.0.attention.query", "h.0.attention.key", "h.0.attention.value", "fc", "out")
        attention = with_weights(*(dense(name, 32, 32) for name in names))
        small = (1e-9, 1e-9, 1e-3, 1e-3, 1e-2)
        norms = {
            (Fact.GRADIENT_NORM, k.name): np.full(320, size * k.size**0.5)
            for k, size in zip(kernels(attention), small, strict=True)
        }
        yield quiet("queries of even attention", training(attention, facts=norms))


def _compares(kernel: Kernel) -> bool:
    """Whether weights make queries or keys: while attention is even, they get next to nothing."""
    return kernel.layer.name.lower().split(".")[-1] in QUERIES
