"""What the adapters read of data sets, and that no code of the user runs for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras  # after the skip
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

import trema
from trema.adapters.keras.data import class_weights
from trema.adapters.keras.datasets import split_of as keras_split
from trema.adapters.torch.datasets import split_of
from trema.adapters.torch.describe import loss_info
from trema.core.facts import VALIDATION, Fact
from trema.engine import active

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = np.arange(40) % 3


class Noisy(Dataset[Any]):
    """Samples are changed as they are drawn."""

    def __init__(self) -> None:
        self.x, self.y = X, Y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("the user's code was run")


def tensors() -> TensorDataset:
    return TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


def test_arrays_of_a_tensor_data_set_are_read_without_a_copy() -> None:
    split = split_of(DataLoader(tensors(), batch_size=8, shuffle=True))
    assert split is not None
    assert split.source == "arrays"
    assert split.shuffled is True
    assert split.targets is not None
    assert np.shares_memory(split.inputs[""], X)
    np.testing.assert_array_equal(split.targets, Y)


def test_weights_of_classes_are_read_from_the_loss_and_from_fit() -> None:
    weight = {"weight": torch.tensor([1.0, 2.0])}
    told = loss_info("cross_entropy", weight, torch.tensor([0])).config["class_weights"]
    assert told == [[0.0, 1.0], [1.0, 2.0]]
    positive = {"pos_weight": torch.tensor(9.0), "weight": torch.ones(3)}
    binary = loss_info("binary_cross_entropy_with_logits", positive, None)
    assert binary.config["class_weights"] == [[0.0, 1.0], [1.0, 9.0]]
    several = {"pos_weight": torch.tensor([9.0, 3.0])}
    assert (
        "class_weights" not in loss_info("binary_cross_entropy_with_logits", several, None).config
    )
    assert class_weights({0: 1, 1: 0.5}, None) == ((0.0, 1.0), (1.0, 0.5))
    assert class_weights({0: 1, 1: 0.5}, Y) == ()  # samples have weights too


def test_a_subset_is_its_rows() -> None:
    split = split_of(DataLoader(Subset(tensors(), [3, 1]), batch_size=2))
    assert split is not None
    assert split.shuffled is False
    np.testing.assert_array_equal(split.inputs[""], X[[3, 1]])


def test_a_data_set_of_the_user_is_read_beneath_its_code() -> None:
    split = split_of(DataLoader(Noisy(), batch_size=8))
    assert split is not None
    assert split.source == "beneath"
    assert split.inputs[""] is X


def test_samples_drawn_by_weight_are_noted() -> None:
    sampler = WeightedRandomSampler([1.0] * 40, 40)
    split = split_of(DataLoader(tensors(), batch_size=8, sampler=sampler))
    assert split is not None
    assert split.weighted


def test_a_collating_function_may_change_samples() -> None:
    split = split_of(DataLoader(tensors(), batch_size=8, collate_fn=lambda rows: rows))
    assert split is not None
    assert split.source == "beneath"


def test_arguments_of_fit() -> None:
    split = keras_split(X, Y, False, True)
    assert split is not None
    assert (split.source, split.shuffled, split.weighted) == ("arrays", False, True)
    both = keras_split({"a": X, "b": X[:, :2]}, Y, None, False)
    assert both is not None
    assert set(both.inputs) == {"a", "b"}


class Sequence(keras.utils.PyDataset):  # type: ignore[misc]  # keras is untyped
    """Batches made by code of the user."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = X, Y

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("the user's code was run")


def test_a_sequence_of_batches_is_read_beneath_its_code() -> None:
    split = keras_split(Sequence(), None, True, False)
    assert split is not None
    assert split.source == "beneath"
    assert split.shuffled is None


def test_a_generator_is_left_alone() -> None:
    def batches() -> Any:
        raise AssertionError("the generator was started")
        yield

    assert keras_split(batches(), None, None, False) is None


@pytest.mark.parametrize("aside", [False, True], ids=["within no_grad", "after it"])
def test_the_loss_tells_the_labels_of_validation_data(aside: bool) -> None:
    torch.manual_seed(0)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    net = torch.nn.Linear(6, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    criterion = torch.nn.CrossEntropyLoss()
    run = trema.watch(net, optimizer, console=False, strict=True)
    for _ in range(3):
        for inputs, targets in DataLoader(tensors(), batch_size=8, shuffle=True):
            optimizer.zero_grad()
            criterion(net(inputs), targets).backward()
            optimizer.step()
        with torch.no_grad():
            out = net(x[:20] + 1)
            if not aside:
                criterion(out, y[:20])
        if aside:
            criterion(out, y[:20])
    session = active.current()
    run.finish()
    assert session is not None
    history = session.segments[0].history
    found = [o.data for o in history.observations(Fact.DATASET)]
    validation = [one for one in found if one["split"] == VALIDATION]
    assert [one["labels"]["counts"] for one in validation] == [{"0": 7, "1": 7, "2": 6}]
    assert len(history.array(Fact.METRIC, "loss", VALIDATION)[1]) == 3
