"""Recordings from checkpoints: of PyTorch and of Keras, and those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trema import travel
from trema.core.errors import NotFound, UsageError

X = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % 3


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def test_one_frame_a_checkpoint_in_order_of_epochs(tmp_path: Path) -> None:
    for epoch in (10, 2, 0):
        torch.save(network(epoch).state_dict(), tmp_path / f"net_epoch_{epoch}.pt")
    model = network(99)
    own = [p.clone() for p in model.parameters()]
    shares: list[float] = []
    read = travel.import_checkpoints(
        tmp_path, model, (X, Y), progress=lambda what, share: shares.append(share)
    )
    assert read.epochs == [0, 2, 10]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3])
    assert all(map(torch.equal, own, model.parameters()))
    for at, epoch in enumerate(read.epochs):
        with torch.no_grad():
            expected = network(epoch)(X)
        np.testing.assert_allclose(read.logits()[at], expected, atol=1e-3)
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, Y)
    with pytest.raises(UsageError, match="holds a recording already"):
        travel.import_checkpoints(tmp_path, model, (X, Y))
    movie = travel.build(read.representations(), read.labels(), read.heads, method="pca")
    assert movie.positions.shape == (3, 30, 2)


def test_folders_of_epochs_and_wrapped_weights(tmp_path: Path) -> None:
    for epoch in (1, 2):
        (tmp_path / f"Epoch_{epoch}").mkdir()
        state = {f"module.{name}": v for name, v in network(epoch).state_dict().items()}
        torch.save(
            {"epoch": epoch, "state_dict": state}, tmp_path / f"Epoch_{epoch}" / "subject_model.pth"
        )
    read = travel.import_checkpoints(tmp_path, network(0), X, tmp_path / "out", samples=10)
    assert read.epochs == [1, 2]
    assert read.labels() is None
    assert len(read.indices()) == 10


class Own:
    """What a checkpoint must not hold."""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Own(), "plain weights"),
        ({"0.weight": torch.ones(2, 2)}, "does not fit"),
    ],
)
def test_what_does_not_fit_is_told_and_the_network_stays(
    tmp_path: Path, content: Any, words: str
) -> None:
    torch.save(content, tmp_path / "1.pt")
    model = network(0)
    own = [p.clone() for p in model.parameters()]
    with pytest.raises(UsageError, match=words) as caught:
        travel.import_checkpoints(tmp_path, model, X)
    assert "\n" not in str(caught.value)
    assert all(map(torch.equal, own, model.parameters()))


def test_names_that_tell_no_epoch(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no checkpoints"):
        travel.import_checkpoints(tmp_path, network(0), X)
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(network(0).state_dict(), folder / "best.pt")
    with pytest.raises(UsageError, match="tells its epoch"):
        travel.import_checkpoints(folder, network(0), X)
    torch.save(network(0).state_dict(), folder / "a_1.pt")
    torch.save(network(0).state_dict(), folder / "b_1.pt")
    with pytest.raises(UsageError, match="both epoch 1"):
        travel.import_checkpoints(folder, network(0), X, pattern="[ab]*")
    with pytest.raises(UsageError, match=r"torch\.nn\.Module or a keras\.Model"):
        travel.import_checkpoints(folder, 3, X, pattern="a*")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_weights_of_keras(tmp_path: Path) -> None:
    import keras

    def made(seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        return keras.Sequential(
            [keras.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(3)]
        )

    for epoch in (1, 2):
        made(epoch).save_weights(tmp_path / f"at-{epoch:02d}.weights.h5")
    read = travel.import_checkpoints(tmp_path, made(0), (X.numpy(), Y.numpy()))
    assert read.epochs == [1, 2]
    expected = made(2).predict(X.numpy(), verbose=0)
    np.testing.assert_allclose(read.logits()[1], expected, atol=2e-3)
