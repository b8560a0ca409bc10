"""The words of a combination, and the table: each of its rows is told by its check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trema.checks.base import all_checks, situation
from trema.checks.combination import TABLE, Combination, combine
from trema.checks.sketch import Facts, op
from trema.checks.sketch_batch import (
    ROWS,
    labels,
    logits,
    loss,
    multi_hot,
    net,
    one_hot,
    seen_as,
    softmax,
)
from trema.checks.targets import (
    BINARY,
    FRACTIONS,
    INDICATOR,
    INDICES,
    MULTI_HOT,
    ONE_HOT,
    PLUS_MINUS,
    SOFT,
    VALUES,
    read_targets,
)
from trema.core.facts import Fact, LossInfo
from trema.core.history import History

CROSS = loss("cross-entropy", "probabilities", sparse=False)
BINARY_CE = loss("binary-cross-entropy", "probabilities")


def combination(history: History) -> Combination:
    seen = combine(history)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("targets", "outputs", "form"),
    [
        (one_hot(), softmax(), ONE_HOT),
        (multi_hot(), softmax(), MULTI_HOT),
        (softmax(), softmax(), SOFT),
        (one_hot() * (np.arange(ROWS) % 2)[:, None], softmax(), INDICATOR),
        (labels(ROWS, 2), logits(classes=2), BINARY),
        (labels(ROWS, 2)[:, None], logits(classes=1), BINARY),
        (labels(), logits(), INDICES),
        (2 * labels(ROWS, 2) - 1, logits(classes=1), PLUS_MINUS),
        (np.resize([-1, 0, 1], ROWS), logits(classes=1), VALUES),
        (softmax()[:, 0], logits(classes=1), FRACTIONS),
        (logits(), logits(), VALUES),
        # ones and zeros of a sequence are class numbers beside (sample, class, place)
        (multi_hot(8, 20), logits(8, 40).reshape(8, 2, 20), BINARY),
    ],
)
def test_targets_are_recognized_by_their_values(
    targets: np.ndarray, outputs: np.ndarray, form: str
) -> None:
    history = seen_as(net(CROSS), outputs=outputs, targets=targets)
    assert combination(history).form == form


def test_one_zero_among_signs_shows() -> None:
    signs = np.where(np.arange(500) % 2, 1.0, -1.0)
    signs[3] = 0
    read = read_targets(seen_as(net(CROSS), targets=signs))
    assert read is not None
    assert not read.plus_minus


def test_a_head_that_the_values_refute_is_unknown() -> None:
    history = seen_as(net(CROSS, 10, "sigmoid"), outputs=logits(), targets=one_hot())
    assert combination(history).function == "unknown"


def test_rows_that_are_shares_stand_for_a_softmax_that_is_not_seen() -> None:
    run = net(CROSS, then=op("other"))
    assert combination(seen_as(run, outputs=softmax())).function == "softmax"
    assert combination(seen_as(run, outputs=softmax(), steps=2)).function == "unknown"


def test_the_head_is_traced_through_what_only_moves_values() -> None:
    run = net(CROSS, 10, "softmax", then=op("reshape"))
    assert combination(situation(run)).function == "softmax"


def test_classes_stand_on_the_second_axis_in_torch() -> None:
    maps = np.zeros((4, 3, 8, 8))
    seen = seen_as(net(CROSS, framework="torch"), outputs=maps)
    assert combination(seen).units == 3
    assert combination(seen_as(net(CROSS), outputs=maps)).units == 8


def test_several_outputs_have_no_combination() -> None:
    facts: Facts = {(Fact.OUTPUT_MIN, "a"): 0.0, (Fact.OUTPUT_MIN, "b"): 0.0}
    assert combine(situation(net(CROSS), facts=facts)) is None


def _row(
    loss_info: LossInfo,
    units: int,
    activation: str | None,
    outputs: np.ndarray,
    targets: np.ndarray,
) -> History:
    return seen_as(net(loss_info, units, activation), outputs=outputs, targets=targets)


COLUMN = labels(ROWS, 2)[:, None].astype(np.float32)
#: A run for each row of the table, in its order.
ROWS_OF_TABLE = [
    _row(CROSS, 1, "softmax", np.ones((ROWS, 1)), COLUMN),
    _row(BINARY_CE, 1, "softmax", np.ones((ROWS, 1)), COLUMN),
    _row(CROSS, 10, None, logits(), one_hot()),
    _row(loss("nll", "log-probabilities", sparse=True), 10, None, logits(), labels()),
    _row(loss("cross-entropy", "logits"), 10, "softmax", softmax(), labels()),
    _row(replace(BINARY_CE, reads="logits"), 1, "sigmoid", softmax()[:, :1], COLUMN),
    _row(CROSS, 10, "softmax", softmax(), multi_hot()),
    _row(BINARY_CE, 10, "softmax", softmax(), multi_hot()),
    _row(BINARY_CE, 10, "softmax", softmax(), one_hot()),
    _row(loss("mse"), 10, "softmax", softmax(), one_hot()),
    _row(loss("mse"), 1, "sigmoid", softmax()[:, :1], COLUMN),
    _row(replace(CROSS, sparse=True), 10, "softmax", softmax(), one_hot()),
    _row(CROSS, 10, "softmax", softmax(), labels()),
    _row(BINARY_CE, 1, "sigmoid", softmax()[:, :1], 2 * COLUMN - 1),
    _row(CROSS, 10, "softmax", softmax(), 2 * one_hot() - 1),
    _row(replace(CROSS, sparse=True), 10, "softmax", softmax(), labels() - 1),
]


@pytest.mark.parametrize("number", range(len(TABLE)))
def test_each_row_of_the_table_holds_and_is_told(number: int) -> None:
    row, history = TABLE[number], ROWS_OF_TABLE[number]
    assert row.holds(combination(history))
    check = all_checks()[row.check]()
    assert not check.missing(history)
    assert list(check.diagnose(history))


def test_the_table_is_covered() -> None:
    assert len(ROWS_OF_TABLE) == len(TABLE)
