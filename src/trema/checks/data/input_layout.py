"""Images whose channels do not stand on the axis that the first convolution reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import Graph
from trema.checks.sketch import chain, conv, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo, TensorSeen
from trema.core.history import History

#: Layers before the first convolution that leave the axes where they are.
SAME_AXES = frozenset({"input", "dropout", "augmentation", "scale", "normalization"})


@register
@dataclass(frozen=True, kw_only=True)
class InputLayout(Check):
    """Images with channels on another axis than the first convolution takes them from.

    Why it matters: the convolution slides over one image axis and the colours, and takes the
    other image axis for channels, so it cannot see shapes; nothing raises an error.
    May be wrong when: the axis of size 1, 3 or 4 is a spatial one, as in stacked sensor rows.
    References: Umlaut's `input_wrong_shape`; PyTorch `nn.Conv2d`, Keras `image_data_format`.
    """

    id = "input-layout"
    title = "channels stand on the wrong axis"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.LAYERS, Fact.INPUT_MIN})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRAPH})
    fixes = (
        Fix("move the channel axis: `np.moveaxis(x, 1, -1)` or `x.permute(0, 3, 1, 2)`"),
        Fix(
            'tell the layers where channels are: `data_format="channels_first"`',
            caution="not every operation supports it on a CPU",
        ),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="{framework} channels first or channels last",
        torch="nn.Conv2d",
        keras="layers/convolution_layers/convolution2d",
    )
    least_side: int = 16  # pixels; shorter axes may hold features instead
    most_ratio: float = 2.0  # of the two image sides, when three or four channels are seen

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        first = _first_conv(history.run)
        images = [t for t in history.tensors("input") if len(t.shape) == 4]
        if first is None or len({t.name for t in history.tensors("input")}) != 1:
            return
        for tensor in images:
            if self._swapped(first, tensor):
                yield self._found(history, first, tensor)
                return

    def _swapped(self, first: Layer, tensor: TensorSeen) -> bool:
        last = first.config.get("channels") == "last"
        _, one, middle, end = tensor.shape
        read, other = (end, one) if last else (one, end)
        sides = (read, middle)
        if first.config.get("inputs") != read or min(sides) < self.least_side:
            return False
        if other in (3, 4):
            return max(sides) <= self.most_ratio * min(sides)
        return other == 1 and sides[0] == sides[1]

    def _found(self, history: History, first: Layer, tensor: TensorSeen) -> Diagnosis:
        last = first.config.get("channels") == "last"
        read, other = (tensor.shape[3], tensor.shape[1]) if last else tensor.shape[1:4:2]
        shape = ", ".join(str(size) for size in tensor.shape[1:])
        message = (
            f"inputs come as (batch, {shape}), and `{first.name}` takes the "
            f"{'last' if last else 'first'} axis of {read} for channels; the axis of {other} "
            "looks like the channels"
        )
        return self.diagnosis(
            message,
            Evidence("input-channels", read, limit=4, unit="channels", step=tensor.step),
            where=Where(input=tensor.name or None, layer=first.name),
            location=history.run.place("inputs") or first.location,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def seen(*shape: int) -> dict[str, object]:
            tensor = TensorSeen(
                role="input", name="", phase="train", shape=(32, *shape), dtype="float32", step=0
            )
            return {"tensors": [tensor], "facts": {Fact.INPUT_MIN: 0.0}}

        def net(inputs: int, channels: str, *before: Layer) -> RunInfo:
            first = conv("conv1", inputs, 16, "relu", channels=channels)
            return chain(*before, first, op("reshape"), dense("fc", 64, 10))

        def case(run: RunInfo, *shape: int) -> History:
            return situation(run, **seen(*shape))  # type: ignore[arg-type]  # two known keys

        yield fires("channels first into Keras", case(net(32, "last"), 3, 32, 32))
        yield fires("rectangular, channels first into Keras", case(net(64, "last"), 3, 48, 64))
        yield fires("channels last into PyTorch", case(net(28, "first"), 28, 28, 1))
        yield quiet("channels last in Keras", case(net(3, "last"), 32, 32, 3))
        yield quiet("rectangular images", case(net(3, "first"), 3, 24, 32))
        yield quiet("one row of 64 steps with 32 features", case(net(32, "last"), 1, 64, 32))
        yield quiet(
            "permuted inside the model",
            case(net(3, "first", op("reshape", "permute")), 32, 32, 3),
        )
        yield quiet("a small board with 17 planes", case(net(17, "last"), 3, 3, 17))
        yield quiet("images in grey", case(net(1, "last"), 28, 28, 1))


def _first_conv(run: RunInfo) -> Layer | None:
    """The convolution that reads the inputs with their axes unmoved, or None."""
    graph = Graph.of(run)
    if graph is None:
        for layer in run.layers:
            if layer.kind == "conv":
                return layer
            if layer.kind not in SAME_AXES and layer.kind != "container":
                return None
        return None
    roots = graph.roots()
    name = roots[0] if len(roots) == 1 else ""
    for _ in graph.layers:
        found = graph.layers.get(name)
        if found is None or found.kind == "conv":
            return found
        after = graph.successors(name)
        if found.kind not in SAME_AXES or len(after) != 1:
            return None
        name = after[0]
    return None
