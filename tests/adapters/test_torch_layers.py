"""Units and shapes of PyTorch layers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.adapters.torch_loop import images, watched
from trema.adapters.torch import reduce as ours
from trema.core import reduce as reference
from trema.core.facts import Fact
from trema.core.history import History


def unit_counts(history: History) -> dict[str, int]:
    return {
        name: history.array(Fact.UNIT_MAX, name)[1].shape[1]
        for name in history.names(Fact.UNIT_MAX)
    }


class Convolutions(nn.Module):
    """Channels first, then a block with its channels last, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.1)
        self.last = nn.LayerNorm(5)
        self.wide = nn.Linear(5, 7)
        self.gelu = nn.GELU()
        self.flatten = nn.Flatten()
        self.tanh = nn.Tanh()
        self.head = nn.Linear(7 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.pool(self.relu(self.norm(self.conv(x)) + 1)))
        x = self.gelu(self.wide(self.last(x.permute(0, 2, 3, 1))))
        return self.head(self.tanh(self.flatten(x)))  # type: ignore[no-any-return]  # a tensor


def test_units_of_a_layer_that_passes_on_are_those_of_what_feeds_it() -> None:
    torch.manual_seed(0)
    assert unit_counts(watched(Convolutions(), *images())) == {
        "conv": 5,
        "norm": 5,
        "relu": 5,
        "pool": 5,
        "drop": 5,
        "last": 5,
        "wide": 7,
        "gelu": 7,
        "tanh": 112,  # the features of the linear layer behind it
        "head": 4,
    }


def test_sequences_have_their_features_where_their_layers_put_them() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(3, 6, 3, padding=1), nn.ReLU(), nn.Flatten(2), nn.Linear(10, 5), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip
    x, y = torch.randn(8, 3, 10), torch.arange(8) % 2
    counts = unit_counts(watched(model, x, y))
    assert counts == {"0": 6, "1": 6, "3": 5, "4": 5, "5": 6, "7": 2}


def test_frozen_convolutions_have_their_channels_first_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 64, 4))
    model[0].requires_grad_(False)
    assert unit_counts(watched(model, *images()))["1"] == 6


def test_wide_layers_give_an_even_subset_of_their_units() -> None:
    x = torch.randn(4, 2500, generator=torch.Generator().manual_seed(0))
    found = ours.unit_max(x, axis=-1)
    assert found is not None
    assert len(found) == 834
    np.testing.assert_array_equal(found.numpy(), reference.unit_max(x.numpy(), axis=-1))
    np.testing.assert_array_equal(found.numpy(), x.numpy().max(axis=0)[::3])


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.head = nn.Linear(5, 4)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x)).mean(dim=(2, 3)))  # type: ignore[no-any-return]  # a tensor


def test_output_shapes_of_modules_and_operations() -> None:
    torch.manual_seed(0)
    info = watched(Functional(), *images()).run
    shapes = {layer.name: layer.output_shape for layer in info.layers}
    assert shapes["conv"] == (None, 5, 8, 8)
    assert shapes["relu#1"] == (None, 5, 8, 8)
    assert shapes["mean#1"] == (None, 5)
    assert shapes["head"] == (None, 4)
    assert shapes["unused"] is None


def test_an_output_without_a_batch_axis_keeps_its_length() -> None:
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Embedding(7, 3)
            self.body = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x + self.place(torch.arange(7))).mean(dim=1)  # type: ignore[no-any-return]  # a tensor

    torch.manual_seed(0)
    info = watched(Places(), torch.randn(5, 7, 3), torch.arange(5) % 2).run
    shapes = {layer.name: layer.output_shape for layer in info.layers}
    assert (shapes["place"], shapes["body"]) == ((7, 3), (None, 7, 2))


class PassedOn(nn.Module):
    """An activation whose output modules that do nothing hand on as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop = nn.Linear(4, 6), nn.Dropout(0.0)
        self.same, self.second = nn.Identity(), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.same(self.drop(torch.relu(self.first(x)))))
        return out


def test_modules_that_do_nothing_do_not_hide_what_stands_before_them() -> None:
    torch.manual_seed(0)
    history = watched(PassedOn(), torch.randn(8, 4), torch.arange(8) % 2)
    assert history.run.edges is not None
    assert ("first", "relu#1") in history.run.edges
    assert ("relu#1", "second") in history.run.edges
