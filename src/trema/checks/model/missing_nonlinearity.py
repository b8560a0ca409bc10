"""Linear layers that follow one another without a nonlinearity between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import LINEAR_MAPS, Graph, chains, is_linear_map, plain
from trema.checks.sketch import chain, conv, dense, op, relu
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, Parameter, RunInfo
from trema.core.history import History

#: Layers after which a linear map of the inputs is still one.
STILL_LINEAR = frozenset({"reshape", "dropout", "scale", "pooling"})
NAMED = 4  # layers named in the message


@dataclass(frozen=True)
class Pair:
    """A linear map that adds nothing to the one that reads it."""

    first: Layer
    second: Layer


@register
@dataclass(frozen=True, kw_only=True)
class MissingNonlinearity(Check):
    """Linear layers stacked without a nonlinearity, so that they equal a single one.

    Why it matters: a product of matrices is a matrix: the depth costs parameters and time, but
    the network cannot represent more than one linear layer.
    May be wrong when: a factorized layer is meant, or the depth shall change only how training
    goes (deep linear networks).
    References: Goodfellow et al. (2016), Deep Learning, section 6.1; Schoop et al. (2021), Umlaut,
    section 4 and bug B2.
    """

    id = "missing-nonlinearity"
    title = "no activation between linear layers"
    cause = Cause.ACTIVATION
    severity = Severity.WARNING
    needs = frozenset({Fact.LAYERS, Fact.GRAPH})
    fixes = (
        Fix('add an activation: `activation="relu"` (Keras) or `nn.ReLU()` (PyTorch)'),
        Fix("join the two layers into one", caution="changes how the layer is trained"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="why activation function between layers {framework}",
        torch="nn.ReLU",
        keras="layers/activations",
    )
    least_hidden: int = 3  # hidden linear layers of a network whose only nonlinearity is pooling
    share: float = 1 / 3  # of the hidden layers; lone pairs of convolutions may be meant

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        graph = Graph.of(history.run)
        if graph is None:
            return
        hidden = _hidden_maps(graph)
        if len(hidden) >= self.least_hidden and _wholly_linear(graph, hidden):
            yield self._whole(hidden)
            return
        pairs = [pair for layer in hidden for pair in _pairs(history.run, graph, layer)]
        if pairs:
            yield self._some(pairs, len(hidden))

    def _whole(self, hidden: list[Layer]) -> Diagnosis:
        return self.diagnosis(
            f"none of the {len(hidden)} hidden layers {_names(hidden)} has an activation",
            Evidence("layers-without-activation", len(hidden), limit=0, unit="layers"),
            where=Where(layer=hidden[0].name),
            location=hidden[0].location,
            severity=Severity.ERROR,
            confidence="measured",
        )

    def _some(self, pairs: list[Pair], hidden: int) -> Diagnosis:
        first = pairs[0]
        if len(pairs) == 1:
            message = (
                f"`{first.first.name}` leads to `{first.second.name}` without an activation "
                "between: together they are one linear layer"
            )
        else:
            message = (
                f"{len(pairs)} of {hidden} hidden layers lead to another linear layer without an "
                f"activation between: {_names([pair.first for pair in pairs])}"
            )
        convolutions = all(pair.second.kind != "linear" for pair in pairs)
        lone = convolutions and len(pairs) < self.share * hidden
        return self.diagnosis(
            message,
            Evidence("layers-without-activation", len(pairs), limit=0, unit="layers"),
            where=Where(layer=first.first.name),
            location=first.first.location,
            severity=Severity.INFO if lone else None,
            confidence="possible" if lone else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _hidden_maps(graph: Graph) -> list[Layer]:
    """Layers of weights that lead to another one, in the order of the model."""
    maps = [layer for layer in graph.layers.values() if layer.kind in LINEAR_MAPS]
    lead_on = graph.upstream(layer.name for layer in maps)
    return [layer for layer in maps if layer.name in lead_on]


def _wholly_linear(graph: Graph, hidden: list[Layer]) -> bool:
    """Whether nothing before the last weights is nonlinear, save max pooling and the batch
    statistics of a normalization."""
    if not all(is_linear_map(layer) for layer in hidden):
        return False
    inner = {layer.name for layer in hidden}
    maps = [name for name, layer in graph.layers.items() if layer.kind in LINEAR_MAPS]
    between = graph.downstream(inner) & graph.upstream(maps) - inner
    return all(_affine(graph.layers.get(name)) for name in between)


def _affine(layer: Layer | None) -> bool:
    if layer is None:
        return False
    if layer.kind == "activation":
        return plain(layer.config.get("function"))
    if layer.kind == "normalization":
        return "batchnorm" in layer.class_name.lower()
    if layer.kind == "merge":
        function = str(layer.config.get("function", ""))
        return function.startswith(("add", "concat", "sub", "aver"))
    return layer.kind in STILL_LINEAR


def _pairs(run: RunInfo, graph: Graph, first: Layer) -> Iterator[Pair]:
    if not is_linear_map(first) or first.kind == "conv-transpose":
        return
    for path in chains(graph, first.name, STILL_LINEAR):
        between = [graph.layers[name] for name in path[:-1]]
        second = graph.layers[path[-1]]
        if second.kind not in LINEAR_MAPS:
            return
        if not all(_averages(layer) for layer in between if layer.kind == "pooling"):
            return
        moved = any(layer.kind == "reshape" for layer in between)
        if first.kind == "conv" and second.kind != "linear" and moved:
            return  # a pixel shuffle: a learned upsampling, as in super-resolution
        if _adds_nothing(first, second) and _ordinary(run, first) and _ordinary(run, second):
            yield Pair(first, second)


def _averages(layer: Layer) -> bool:
    return str(layer.config.get("function", "")).startswith(("aver", "avg", "mean"))


def _ordinary(run: RunInfo, layer: Layer) -> bool:
    """Neither depthwise nor separable, frozen, or shared with another layer."""
    if layer.config.get("groups", 1) not in (1, None):
        return False
    if any(word in layer.class_name.lower() for word in ("depthwise", "separable")):
        return False
    own = [p for p in run.parameters if p.name in layer.parameters or p.layer == layer.name]
    if any(not parameter.trainable for parameter in own):
        return False
    return all(
        other.name == layer.name or not set(other.parameters) & set(layer.parameters)
        for other in run.layers
        if other.kind != "container"
    )


def _adds_nothing(first: Layer, second: Layer) -> bool:
    """False for a bottleneck: fewer units than inputs and than units after it restrict the rank,
    as in a factorized layer, a code or an adapter."""
    inputs, middle, units = (
        first.config.get("inputs"),
        first.config.get("units"),
        second.config.get("units"),
    )
    if not (isinstance(inputs, int) and isinstance(middle, int) and isinstance(units, int)):
        return False
    return middle >= min(inputs, units)


def _names(layers: list[Layer]) -> str:
    shown = ", ".join(f"`{layer.name}`" for layer in layers[:NAMED])
    more = len(layers) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _pool(name: str, function: str) -> Layer:
    return op("pooling", name, function=function)


def _firing_cases() -> Iterator[Case]:
    stacked = chain(dense("fc1", 784, 128), dense("fc2", 128, 64, "relu"), dense("fc3", 64, 10))
    yield fires(
        "two dense layers", situation(stacked), severity=Severity.WARNING, cause=Cause.ACTIVATION
    )
    through = chain(
        dense("fc1", 64, 32), op("dropout", rate=0.2), op("reshape"), dense("fc2", 32, 10)
    )
    yield fires("dropout and a reshape between", situation(through))
    pooled = chain(
        conv("conv1", 3, 16),
        _pool("pool1", "max"),
        conv("conv2", 16, 32),
        _pool("pool2", "max"),
        op("reshape"),
        dense("fc1", 512, 64),
        op("dropout", rate=0.2),
        dense("fc2", 64, 10, "softmax"),
    )
    yield fires("only max pooling in a whole network", situation(pooled), severity=Severity.ERROR)
    flat = chain(
        conv("conv1", 1, 8, "relu"), conv("conv2", 8, 8), op("reshape"), dense("fc", 512, 10)
    )
    yield fires("a convolution before the classifier", situation(flat), severity=Severity.WARNING)


def _quiet_cases() -> Iterator[Case]:
    plain_net = chain(dense("fc1", 784, 128, "relu"), dense("fc2", 128, 10))
    yield quiet("activation built in", situation(plain_net))
    functional = chain(dense("fc1", 784, 128), relu("relu_1"), dense("fc2", 128, 10))
    yield quiet("a functional activation", situation(functional))
    normalized = chain(
        conv("c1", 3, 16), op("normalization", "bn"), relu("r"), conv("c2", 16, 16, "relu")
    )
    yield quiet("convolution, normalization, activation", situation(normalized))
    pool_first = chain(conv("c1", 1, 8), _pool("p", "max"), relu("r"), dense("fc", 512, 10))
    yield quiet("max pooling before the activation", situation(pool_first))
    code = chain(
        dense("e1", 784, 128, "relu"), dense("code", 128, 24), dense("d1", 24, 128, "relu"),
        dense("d2", 128, 784, "sigmoid"),
    )  # fmt: skip
    yield quiet("the code of an autoencoder", situation(code))
    low_rank = chain(dense("down", 512, 16), dense("up", 16, 512, "relu"), dense("fc", 512, 10))
    yield quiet("a low-rank factorization", situation(low_rank))
    separable = chain(
        conv("depthwise", 32, 32, groups=32), conv("pointwise", 32, 64, "relu"), dense("fc", 64, 10)
    )
    yield quiet("a depthwise convolution before a pointwise one", situation(separable))
    shuffle = chain(
        conv("body", 64, 64, "relu"), conv("up", 64, 256), op("reshape", "shuffle"),
        conv("out", 64, 3),
    )  # fmt: skip
    yield quiet("a pixel shuffle", situation(shuffle))
    residual = RunInfo(
        layers=(dense("a", 32, 32), op("merge", "add", function="add"), dense("b", 32, 32, "relu")),
        edges=(("x", "a"), ("a", "add"), ("x", "add"), ("add", "b")),
    )
    yield quiet("a residual branch", situation(residual))
    yield quiet("one linear layer", situation(chain(dense("fc", 8, 1))))
    frozen = RunInfo(
        layers=_two_dense(),
        edges=(("random", "fc"),),
        parameters=(
            Parameter(
                name="random.w", shape=(64, 64), dtype="float32", trainable=False, layer="random"
            ),
        ),
    )
    yield quiet("a frozen random projection", situation(frozen))
    custom = chain(dense("a", 32, 32), op("other", "swishy"), dense("b", 32, 10))
    yield quiet("an operation that is not known", situation(custom))


def _two_dense() -> tuple[Layer, ...]:
    """Two dense layers without an activation."""
    return dense("random", 64, 64), dense("fc", 64, 10)
