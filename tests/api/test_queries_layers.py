"""The network, the heat map and single cells of it."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

from tests.api.asking import Asked, Fed, found, seen
from tests.api.runs import NAN, network
from trema.api.models import NewMute
from trema.api.queries.heat import root_of_squares
from trema.api.queries.network import reaching
from trema.core.errors import NotFound, UsageError
from trema.core.facts import Fact
from trema.store.base import Points


def test_the_network(everywhere: Asked) -> None:
    run = everywhere.make(epochs=1, steps=3)
    net = everywhere.queries.network(run)
    assert net.known
    assert (net.segment, net.segments) == (0, 1)
    assert (net.parameters, net.trainable) == (27_111, 27_090)
    assert (net.loss, net.optimizers) == ("nll_loss", ["sgd"])
    assert ("2", "3") in net.edges
    layers = {layer.name: layer for layer in net.layers}
    assert [layers[name].used for name in ("0", "1", "2", "3")] == [True] * 4
    assert not layers["spare"].used
    assert layers["idle"].used  # without parameters it may have left no trace
    assert layers["0"].label == "0 Conv2d"
    assert (layers["0"].parameters, layers["0"].trainable) == (40, 40)
    assert (layers["spare"].parameters, layers["spare"].trainable) == (21, 0)
    assert layers["2"].shape == [None, 2704]
    assert layers["3"].findings == [everywhere.queries.cards(run).cards[0].key]
    assert layers["3"].location is not None
    assert layers["3"].location.source == "train.py"


def test_a_network_of_which_only_the_layers_are_known(asked: Asked) -> None:
    run = asked.make(info=network(edges=None, head=()), epochs=1, steps=1)
    net = asked.queries.network(run)
    assert not net.known
    assert net.edges == []
    assert all(layer.used for layer in net.layers)
    with pytest.raises(NotFound, match="no segment 1"):
        asked.queries.network(run, 1)


def test_a_run_of_which_no_network_is_known(fed: Fed) -> None:
    fed.feed("run", seen(0, loss=1.0))
    net = fed.queries.network("run")
    assert (net.layers, net.known, net.loss) == ([], False, None)


def test_what_reaches_the_loss() -> None:
    edges = [("a", "b"), ("b", "loss"), ("c", "sum"), ("loss", "sum"), ("a", "lost")]
    assert reaching(edges, ["b"]) == {"a", "b", "c", "loss", "sum"}
    assert reaching([("a", "b")], []) == {"a", "b"}
    assert reaching([("a", "b"), ("b", "a")], ["b"]) == {"a", "b"}
    assert reaching([], []) is None


def test_the_heat_map(everywhere: Asked) -> None:
    run = everywhere.make(epochs=4, steps=10)
    heat = everywhere.queries.heat_map(run, "activation-mean", columns=4)
    assert heat.layers == ["0", "1", "2", "3"]
    assert heat.edges == [0, 10, 20, 30, 40]
    expected = [[place + (10 * c + 4.5) / 100 for c in range(4)] for place in range(4)]
    assert heat.cells == pytest.approx(np.array(expected))
    assert heat.findings == [[0] * 4, [0] * 4, [0] * 4, [1] * 4]
    part = everywhere.queries.heat_map(run, "activation-mean", start=5, end=7, columns=400)
    assert part.edges == [5, 6, 7, 8]
    assert part.unit == ""
    assert everywhere.queries.heat_map(run, "activation-zeros").unit == "fraction"
    card = everywhere.queries.cards(run).cards[0]
    everywhere.queries.mute(NewMute(scope="run", run=run, check=card.check))
    muted = everywhere.queries.heat_map(run, "activation-mean", columns=4)
    assert muted.findings[3] == [0] * 4


def test_norms_of_layers_come_from_their_parameters(asked: Asked) -> None:
    values: dict[int, Any] = {
        2: {(Fact.GRADIENT_NORM, "3.bias"): NAN},
        3: {(Fact.GRADIENT_NORM, "3.weight"): math.inf},
    }
    run = asked.make(epochs=1, steps=5, values=values)
    weights = asked.queries.heat_map(run, "weight-norm")
    assert weights.layers == ["0", "3"]
    assert weights.cells == [[5.0] * 5, [5.0] * 5]  # of 4 and 3
    ratio = asked.queries.heat_map(run, "update-ratio")
    assert ratio.cells == pytest.approx(np.full((2, 5), 0.1))  # 0.5 of 5
    gradients = asked.queries.heat_map(run, "gradient-norm")
    assert gradients.cells[0][0] == pytest.approx(math.sqrt(2))
    assert gradients.cells[1][2:4] == ["nan", "inf"]
    assert gradients.model_dump_json()


def test_columns_without_an_observation_belong_to_the_one_before(fed: Fed) -> None:
    steps = [*range(20), 500, 1000]
    fed.feed("run", *(seen(step, activation_mean={"a": 1.0, "b": 2.0}) for step in steps))
    fed.feed("run", seen(700, activation_mean={"b": 4.0}))
    heat = fed.queries.heat_map("run", "activation-mean", columns=10)
    assert heat.edges == [0, 500, 1000, 1001] or heat.edges == [0, 500, 700, 1000, 1001]
    assert heat.layers == ["a", "b"]
    gaps = [cell for row in heat.cells for cell in row if cell is None]
    assert len(gaps) <= 1
    assert fed.queries.heat_map("run", "gradient-norm").cells == []
    assert fed.queries.heat_map("run", "activation-mean", segment=3).edges == []
    assert fed.queries.heat_map("run", "activation-mean", start=5000).layers == []
    with pytest.raises(UsageError, match="no map of 'loss'"):
        fed.queries.heat_map("run", "loss")


def test_parameters_that_were_observed_at_other_steps() -> None:
    one = Points(np.array([1, 2, 3, 3]), np.array([3.0, 3.0, 0.0, 3.0]))
    other = Points(np.array([2, 3, 4]), np.array([4.0, 4.0, 4.0]))
    steps, norms = root_of_squares([one, other])
    assert steps.tolist() == [2, 3]
    assert norms.tolist() == [5.0, 5.0]


def test_a_finding_colours_only_the_steps_at_which_it_was_seen(fed: Fed) -> None:
    epochs = [{"kind": "epoch", "epoch": n, "step": 10 * n + 9} for n in range(4)]
    facts = [seen(step, activation_mean={"a": 1.0}) for step in range(40)]
    where: dict[str, Any] = {"where": {"layer": "a"}, "last": {"step": 34, "epoch": 3}}
    fed.feed("run", *facts, *epochs, found("x", spans=[[0, 0], [2, 3]], **where))
    heat = fed.queries.heat_map("run", "activation-mean", columns=40)
    coloured = [step for step, count in enumerate(heat.findings[0]) if count]
    assert coloured == [*range(3, 10), *range(20, 35)]
    assert fed.queries.cell("run", "a", 15).findings == []
    assert fed.queries.cell("run", "a", 21).findings == ["0:x"]


def test_a_cell(asked: Asked) -> None:
    values: dict[int, Any] = {
        4: {(Fact.GRADIENT_NORM, "0.bias"): NAN},
        2: {
            ("activation-quantiles", "0"): np.arange(9.0),
            ("weight-quantiles", "0.weight"): np.arange(9.0) - 4,
        },
        6: {("activation-quantiles", "0"): np.arange(9.0) * 2},
    }
    run = asked.make(epochs=1, steps=10, values=values)
    cell = asked.queries.cell(run, "0", 4)
    assert (cell.layer, cell.step) == ("0", 4)
    assert cell.facts["activation-mean"] == 0.04
    assert cell.facts["gradient-norm of 0.bias"] == "nan"
    assert cell.facts["update-norm of 0.weight"] == 0.3
    assert "activation-mean of 1" not in cell.facts
    shown = {(item.fact, item.name): item for item in cell.distributions}
    assert shown.keys() == {("activation-quantiles", "0"), ("weight-quantiles", "0.weight")}
    assert shown["weight-quantiles", "0.weight"].step == 2
    assert shown["weight-quantiles", "0.weight"].values == [n - 4.0 for n in range(9)]
    assert shown["activation-quantiles", "0"].probabilities[4] == 0.5
    later = asked.queries.cell(run, "0", 10_000)
    assert later.step == 9
    assert {item.step for item in later.distributions} == {2, 6}
    assert asked.queries.cell(run, "3", 0).findings == [asked.queries.cards(run).cards[0].key]


def test_a_cell_of_a_layer_that_was_not_observed(asked: Asked) -> None:
    run = asked.make(epochs=1, steps=2)
    cell = asked.queries.cell(run, "idle", 1)
    assert (cell.step, cell.facts, cell.distributions, cell.findings) == (None, {}, [], [])
    with pytest.raises(NotFound, match="no layer 'nothing'"):
        asked.queries.cell(run, "nothing", 1)


def test_a_large_heat_map_is_quick(fed: Fed) -> None:
    names = [f"layer {n}" for n in range(200)]
    for begin in range(0, 1000, 250):
        fed.feed(
            "run",
            *(
                seen(step, activation_mean=dict.fromkeys(names, 1.0))
                for step in range(begin, begin + 250)
            ),
        )
    began = time.perf_counter()
    heat = fed.queries.heat_map("run", "activation-mean")
    taken = time.perf_counter() - began
    assert (len(heat.cells), len(heat.cells[0])) == (200, 120)
    assert taken < 2  # a busy machine; with 5,000 steps 0.1 s were measured on a quiet one
