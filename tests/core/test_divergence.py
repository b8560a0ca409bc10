"""What ranks told each other, compared: hand-made records with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from trema.core.divergence import VALUES, compared, packed, unpacked

NAMES = ["a", "b"]


def step(number: int, values: np.ndarray, **more: Any) -> dict[str, Any]:
    fields = {"names": "n", "values": packed(values), "wrapped": True, "inside": number}
    return {"kind": "step", "segment": 0, "step": number, **fields, **more}


def weights(shift: float = 0.0) -> np.ndarray:
    values = np.ones((2, VALUES), dtype=np.float32)
    values[1] += shift
    return values.reshape(-1)


def test_packing_keeps_the_bits() -> None:
    values = np.array([1.5, -0.0, np.inf, 1e-40], dtype=np.float32)
    back = unpacked(packed(values))
    assert back is not None
    assert back.tobytes() == values.tobytes()
    assert unpacked("no!") is None
    assert unpacked(None) is None


def test_nothing_is_said_without_another_rank() -> None:
    assert compared({0: [step(1, weights())]}, 0, 0, NAMES) is None
    assert compared({0: [step(1, weights())], 1: []}, 0, 0, NAMES) is None
    other = {**step(1, weights()), "segment": 1}
    assert compared({0: [step(1, weights())], 1: [other]}, 0, 0, NAMES) is None


def test_distances_are_relative_and_name_the_parameter() -> None:
    told = {
        0: [step(1, weights()), step(2, weights())],
        1: [step(1, weights()), step(2, weights(1))],
    }
    found = compared(told, 0, 0, NAMES)
    assert found is not None
    seen = found["weights"]
    assert (seen["step"], seen["parameter"], seen["differ"]) == (2, "b", {"1": 1})
    assert seen["distances"] == [0.0, 0.5]  # |1 - 2| by the greater norm, 2


def test_only_common_steps_count() -> None:
    told = {
        0: [step(1, weights()), step(4, weights())],
        1: [step(1, weights()), step(2, weights(9))],
    }
    found = compared(told, 0, 0, NAMES)
    assert found is not None
    assert found["weights"]["step"] == 1
    assert found["weights"]["greatest"] == {"1": 0.0}


def test_other_parameters_and_shards_are_not_compared() -> None:
    for more in (
        {"names": "other"},
        {"apart": True},
        {"values": "x"},
        {"values": packed(np.ones(3, dtype=np.float32))},
    ):
        told = {0: [step(1, weights())], 1: [{**step(1, weights(5)), **more}]}
        found = compared(told, 0, 0, NAMES)
        assert found is not None
        assert found["weights"] is None


def test_values_that_are_not_finite_are_not_compared() -> None:
    told = {0: [step(1, weights())], 1: [step(1, weights(np.nan))]}
    found = compared(told, 0, 0, NAMES)
    assert found is not None
    assert found["weights"] is None


def test_collectives_are_counted_a_step() -> None:
    told = {
        rank: [step(4, weights(), collectives=3), step(8, weights(), collectives=11)]
        for rank in (0, 1)
    }
    for records in told.values():
        records.append(step(9, weights()))  # the last word counts none
    found = compared(told, 0, 0, NAMES)
    assert found is not None
    assert found["weights"]["synchronized"] == 2.0


def test_batches_are_equal_sample_by_sample() -> None:
    mine = [{**step(n, weights()), "batch": [f"{n}", "x"]} for n in (1, 2, 3)]
    theirs = [{**step(n, weights()), "batch": [f"{n}", "x"]} for n in (1, 2)]
    theirs.append({**step(3, weights()), "batch": ["x", "3"]})
    found = compared({0: mine, 1: theirs}, 0, 0, NAMES)
    assert found is not None
    assert found["batches"] == {
        "compared": {"1": 3},
        "same": {"1": 2},
        "samples": 4,
        "distinct": 3,
    }


def test_odd_records_are_passed_over() -> None:
    odd: list[dict[str, Any]] = [
        {"kind": "step", "segment": 0, "step": "x"},
        {"kind": "loader", "segment": 0, "batches": 3},
        {"kind": "exhausted", "segment": 0, "steps": None},
        {"kind": "step", "segment": 0, "step": 1, "values": 3, "batch": [1], "random": 4},
    ]
    found = compared({0: [step(1, weights())], 1: odd}, 0, 0, NAMES)
    assert found is not None
    assert (found["weights"], found["batches"], found["exhausted"]) == (None, None, {})
