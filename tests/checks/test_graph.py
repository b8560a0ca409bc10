"""Walks over small graphs with known answers."""

from __future__ import annotations

from trema.checks.graph import Graph, chains, first_use, normalized_next
from trema.checks.sketch import chain, conv, dense, op, relu
from trema.core.facts import RunInfo

PASSES = frozenset({"reshape", "dropout"})


def graph(run: RunInfo) -> Graph:
    known = Graph.of(run)
    assert known is not None
    return known


def test_no_edges_known_is_no_graph() -> None:
    assert Graph.of(RunInfo(layers=(dense("fc", 2, 1),))) is None


def test_a_model_of_one_layer_has_it_for_root() -> None:
    assert graph(chain(dense("fc", 2, 1))).roots() == ("fc",)


def test_down_and_upstream_leave_out_the_start() -> None:
    known = graph(chain(dense("a", 2, 2), relu("b"), dense("c", 2, 2)))
    assert known.downstream(["a"]) == {"b", "c"}
    assert known.upstream(["c"]) == {"a", "b"}


def test_a_chain_passes_what_keeps_values() -> None:
    layers = (dense("a", 2, 2), op("dropout"), op("activation", "none", function="linear"))
    known = graph(chain(*layers, dense("b", 2, 2)))
    assert list(chains(known, "a", PASSES)) == [("dropout", "none", "b")]


def test_a_chain_ends_where_ways_part_or_meet() -> None:
    layers = (dense("a", 2, 2), dense("b", 2, 2), dense("c", 2, 2))
    parting = graph(RunInfo(layers=layers, edges=(("a", "b"), ("a", "c"))))
    meeting = graph(RunInfo(layers=layers, edges=(("a", "c"), ("b", "c"))))
    assert list(chains(parting, "a", PASSES)) == []
    assert list(chains(meeting, "a", PASSES)) == []


def test_a_cycle_ends() -> None:
    layers = (op("dropout", "a"), op("dropout", "b"))
    known = graph(RunInfo(layers=layers, edges=(("a", "b"), ("b", "a"))))
    assert list(chains(known, "a", PASSES)) == []


def test_first_use_through_augmentation() -> None:
    use = first_use(chain(op("augmentation"), conv("conv", 3, 8)), "", ("",))
    assert use.raw
    assert [layer.name for layer in use.maps] == ["conv"]


def test_first_use_follows_the_input_that_is_named() -> None:
    layers = (op("input", "a"), op("input", "b"), op("embedding"), dense("fc", 4, 1))
    edges = (("a", "embedding"), ("embedding", "fc"), ("b", "fc"))
    run = RunInfo(layers=layers, edges=edges)
    assert first_use(run, "a", ("a", "b")).embedded
    assert first_use(run, "b", ("a", "b")).raw
    assert first_use(run, "1", ("0", "1")).raw
    assert not first_use(run, "x", ("x", "y", "z")).raw


def test_an_undescribed_node_is_unknown() -> None:
    run = RunInfo(layers=(dense("fc", 4, 1),), edges=(("x", "fc"),))
    assert first_use(run, "", ("",)).unknown


def test_normalized_next() -> None:
    stem = conv("conv", 3, 8)
    assert normalized_next(chain(stem, op("normalization")), stem)
    assert not normalized_next(chain(stem, relu("relu"), op("normalization")), stem)
