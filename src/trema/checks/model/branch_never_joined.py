"""An input of the model that nothing of its outputs depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.flows import flow, flow_place, flowing
from trema.checks.graph import Graph
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class BranchNeverJoined(Check):
    """An input is handed to the model, and no path leads from it to an output.

    Why it matters: the branch was built but not joined, often because another one was joined
    twice; what its input knows is lost, and nothing fails.
    May be wrong when: the input is meant for a later use of the same model.
    References: Keras, The Functional API, models with multiple inputs.
    """

    id = "branch-never-joined"
    title = "an input leads nowhere"
    cause = Cause.ARCHITECTURE
    severity = Severity.ERROR
    needs = frozenset({Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.FLOW, Fact.GRAPH, Fact.GRADIENT_NORM})
    explains: ClassVar[frozenset[str]] = frozenset({"unused-layer"})
    fixes = (
        Fix(
            "join the branch: give its output, and not another one twice, to the layer that merges"
        ),
        Fix("or remove the input"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="multiple inputs functional model unused input {framework}",
        torch="cat",
        keras="layers/merging_layers/concatenate",
    )
    steps: int = 10  # observed; a branch that takes turns gets a gradient by then

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        for name in _lost(run):
            layer = run.layer(name)
            yield self._found(
                f"no path leads from the input `{name}` to an output of the model",
                name,
                run,
                {"layer": name},
                layer.name if layer is not None else None,
            )
        for found in flow(history, "unread") or ():
            if self._learns(history, found["layers"]):
                continue
            first = run.layer(found["layers"][0])
            shown = first.label if first is not None else found["layers"][0]
            yield self._found(
                f"only {shown} reads the input `{found['input']}` of the model, and the loss does "
                "not depend on what it gives",
                found["input"],
                run,
                found | {"layer": found["layers"][0]},
                found["layers"][0],
            )

    def _learns(self, history: History, layers: list[str]) -> bool:
        """Whether one of the layers gets gradients after all, or it is too early to tell."""
        own = [p.name for p in history.run.parameters if p.layer in layers and p.trainable]
        graded = set(history.names(Fact.GRADIENT_NORM))
        seen = [len(history.array(Fact.WEIGHT_NORM, name)[0]) for name in own]
        return not own or min(seen) < self.steps or bool(graded & set(own)) or not graded

    def _found(
        self, told: str, name: str, run: RunInfo, found: dict[str, object], layer: str | None
    ) -> Diagnosis:
        return self.diagnosis(
            told,
            Evidence(Fact.GRAPH, 0.0, unit="paths", name=name),
            where=Where(layer=layer, input=name),
            location=flow_place(run, found),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def built(*edges: tuple[str, str]) -> History:
            kinds = {"place": "input", "people": "input", "join": "merge", "fc": "linear"}
            layers = tuple(Layer(name=n, kind=k) for n, k in kinds.items())
            run = RunInfo(framework="keras", layers=layers, edges=edges, head=("fc",))
            return flowing(run)

        lost = built(("place", "join"), ("join", "fc"))
        yield fires("one branch joined twice", lost)
        yield fires("a branch that ends", built(("place", "fc"), ("people", "join")))
        yield quiet("both are joined", built(("place", "join"), ("people", "join"), ("join", "fc")))
        unknown = RunInfo(layers=lost.run.layers, head=("fc",))
        yield quiet("the graph is not known", flowing(unknown))
        yield quiet("nothing is unread", flowing(unknown, unread=[]))


def _lost(run: RunInfo) -> list[str]:
    """Input layers from which no path leads to the head; none where the graph is not known."""
    graph = Graph.of(run)
    if graph is None or not run.head or run.framework != "keras":
        return []
    reached = graph.upstream(run.head) | set(run.head)
    inputs = [layer.name for layer in run.layers if layer.kind == "input"]
    lost = [name for name in inputs if name not in reached]
    return lost if len(lost) < len(inputs) else []
