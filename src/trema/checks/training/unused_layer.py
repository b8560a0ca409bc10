"""Layers that never get a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import Fact, Layer, Parameter, RunInfo
from trema.core.history import History


@dataclass
class _Dead:
    """Layers whose parameters never got a gradient, and how they stand in the model."""

    uncalled: list[str] = field(default_factory=list)  # their forward never ran
    before: list[str] = field(default_factory=list)  # ran before every layer that learns
    beside: list[str] = field(default_factory=list)  # ran, but the loss does not use them


@register
@dataclass(frozen=True, kw_only=True)
class UnusedLayer(Check):
    """A trainable layer in the optimizer none of whose parameters ever gets a gradient.

    Why it matters: it was built but not wired, or the graph is cut behind it; either way the
    model that trains is another one than was written.
    May be wrong when: the layer belongs to a branch that comes later or only sometimes.
    References: PyTorch, Autograd mechanics; DistributedDataParallel, find_unused_parameters.
    """

    id = "unused-layer"
    title = "a layer never gets a gradient"
    cause = Cause.ARCHITECTURE
    severity = Severity.WARNING
    needs = frozenset({Fact.WEIGHT_NORM, Fact.GRADIENT_NORM, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.ACTIVATION_MEAN})
    fixes = (
        Fix("call the layer in `forward` and use its result, or remove it"),
        Fix("remove `.detach()` or `torch.no_grad()` behind it, or freeze it if that is meant"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="layer gradient None unused parameters {framework}",
        torch="nn.Module",
        keras="layers/base_layer",
    )
    least_steps: int = 10  # observed steps; branches that take turns show up by then

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        dead = self._dead(history)
        if dead.before:
            yield self._found(
                history,
                dead.before,
                "run, but get no gradient while later layers do: the graph is cut behind them",
                Severity.ERROR,
            )
        if dead.uncalled:
            yield self._found(
                history, dead.uncalled, "were built and never called in a forward pass", None
            )
        if dead.beside:
            yield self._found(
                history,
                dead.beside,
                "run, but the loss does not depend on what they give",
                Severity.INFO,
            )

    def _dead(self, history: History) -> _Dead:
        found = _Dead()
        graded = set(history.names(Fact.GRADIENT_NORM))
        trainable = {p.name: p for p in history.run.parameters if p.trainable}
        alive: set[str] = set()
        silent: dict[str, None] = {}
        for name in history.names(Fact.WEIGHT_NORM):
            known = trainable.get(name)
            if known is None:
                continue
            layer = known.layer or name
            steps, _ = history.array(Fact.WEIGHT_NORM, name)
            if name in graded:
                alive.add(layer)
            elif len(steps) >= self.least_steps:
                silent[layer] = None
        layers = [layer for layer in silent if layer not in alive]
        called = list(history.names(Fact.ACTIVATION_MEAN))
        if not alive or not called:  # nothing learns, or calls are not seen (torch.compile)
            return found
        learning = [i for i, name in enumerate(called) if name in alive]
        first = learning[0] if learning else -1
        for layer in layers:
            if layer not in called:
                if history.run.layer(layer) is not None:
                    found.uncalled.append(layer)
            elif called.index(layer) < first:
                found.before.append(layer)
            else:
                found.beside.append(layer)
        return found

    def _found(
        self, history: History, names: list[str], what: str, severity: Severity | None
    ) -> Diagnosis:
        layers = [history.run.layer(name) for name in names]
        shown = ", ".join(
            layer.label if layer is not None else f"`{name}`"
            for name, layer in zip(names[:3], layers, strict=False)
        )
        more = f" and {len(names) - 3} more layers" if len(names) > 3 else ""
        return self.diagnosis(
            f"{shown}{more} {_singular(what) if len(names) == 1 else what}",
            Evidence(Fact.GRADIENT_NORM, 0.0, unit="gradients", name=names[0]),
            where=Where(layer=names[0]),
            location=_cut(history, names, what) or (layers[0].location if layers[0] else None),
            severity=severity,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        layers = tuple(Layer(name=n, kind="linear") for n in ("a", "b", "c"))
        run = RunInfo(
            layers=layers,
            parameters=tuple(
                Parameter(name=f"{n.name}.weight", shape=(2, 2), dtype="float32", layer=n.name)
                for n in layers
            ),
        )

        def seen(called: str, graded: str, steps: int = 12) -> History:
            table: dict[Fact | tuple[Fact, str], object] = {}
            for n in called:
                table[Fact.ACTIVATION_MEAN, n] = [0.1] * steps
            for n in "abc":
                table[Fact.WEIGHT_NORM, f"{n}.weight"] = [1.0] * steps
            for n in graded:
                table[Fact.GRADIENT_NORM, f"{n}.weight"] = [1.0] * steps
            return situation(run, facts=table)

        yield fires("built but not called", seen("ac", "ac"), severity=Severity.WARNING)
        yield fires("cut behind the second layer", seen("abc", "c"), severity=Severity.ERROR)
        yield fires("a branch the loss does not use", seen("abc", "ac"), severity=Severity.INFO)
        yield quiet("all learn", seen("abc", "abc"))
        yield quiet("too early", seen("ac", "ac", steps=5))
        yield quiet("nothing learns: another check tells", seen("abc", ""))
        yield quiet("calls are not seen", seen("", "ac"))


def _cut(history: History, names: list[str], what: str) -> Location | None:
    """The line in the model's forward that cuts the graph behind these layers."""
    if "cut behind" not in what:
        return None
    parts = names[-1].split(".")
    return history.run.place(*(f"cut:{'.'.join(parts[:n])}" for n in range(len(parts), 0, -1)))


def _singular(what: str) -> str:
    first, _, rest = what.partition(" ")
    verb = {"run,": "runs,", "were": "was"}[first]
    rest = rest.replace("but get ", "but gets ").replace("behind them", "behind it")
    return f"{verb} {rest.replace('what they give', 'what it gives')}"
