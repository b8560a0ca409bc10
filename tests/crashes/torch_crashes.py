"""PyTorch programs that crash, with what Trema must say. Run: ``torch_crashes.py NAME``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, loss: nn.Module, size: int = 32
) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        for begin in range(0, len(x), size):
            optimizer.zero_grad()
            loss(model(x[begin : begin + size]), y[begin : begin + size]).backward()
            optimizer.step()


IMAGES = torch.rand(64, 1, 28, 28)
ROWS = torch.rand(64, 20)
CLASSES = torch.arange(64) % 5
CE = nn.CrossEntropyLoss()


class Net(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(features, 32)
        self.fc2 = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.pool(torch.relu(self.conv1(x)))
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


class Tagger(nn.Module):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, 16)
        self.lstm = nn.LSTM(16, 8, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, ids: torch.Tensor) -> Any:
        return self.head(self.lstm(self.embed(ids))[0][:, -1])


def linear() -> None:
    train(Net(1000), IMAGES, CLASSES, CE)  # 8 * 13 * 13 = 1352 features


def flatten() -> None:
    train(nn.Sequential(nn.Linear(784, 5)), IMAGES, CLASSES, CE)


def channels_last() -> None:
    train(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.rand(64, 28, 28, 3), CLASSES, CE)


def channels() -> None:
    train(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), IMAGES, CLASSES, CE)


def rows_as_images() -> None:
    train(Net(1352), IMAGES.flatten(1), CLASSES, CE)


def batch_mixed() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(0, 1), nn.Flatten(), nn.Linear(676, 5))
    train(model, IMAGES, CLASSES, CE)


def norm() -> None:
    train(nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(16)), ROWS, CLASSES, CE)


def binary() -> None:
    train(nn.Linear(20, 1), ROWS, (CLASSES > 2).float(), nn.BCEWithLogitsLoss())


def one_hot() -> None:
    train(nn.Linear(20, 5), ROWS, CLASSES[:, None], CE)


def sequence_loss() -> None:
    class Each(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(x)

    train(Each(), torch.rand(64, 7, 4), torch.zeros(64, 7, dtype=torch.long), CE)


def recurrent() -> None:
    class Rnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(12, 8, batch_first=True)
            self.head = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(self.gru(x)[0][:, -1])

    train(Rnn(), torch.rand(64, 7, 4), CLASSES, CE)


def small_images() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(4), nn.Conv2d(4, 4, 9), nn.Flatten())
    train(model, IMAGES, CLASSES, CE)


def view() -> None:
    class Viewed(Net):
        def forward(self, x: torch.Tensor) -> Any:
            return self.fc2(self.fc1(self.pool(self.conv1(x)).view(-1, 1000)))

    train(Viewed(1000), IMAGES, CLASSES, CE)


def skip() -> None:
    class Skip(Net):
        def forward(self, x: torch.Tensor) -> Any:
            return self.fc2(self.fc1((self.conv1(x) + x).flatten(1)))

    train(Skip(1000), IMAGES, CLASSES, CE)


def samples() -> None:
    data = [(torch.rand(3, 8 + i % 2, 8), i % 5) for i in range(8)]
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(data, batch_size=4):  # type: ignore[arg-type]  # a list is a data set
        CE(model(x), y).backward()
        optimizer.step()


def doubles() -> None:
    train(
        nn.Linear(20, 5), torch.from_numpy(np.random.default_rng(0).random((64, 20))), CLASSES, CE
    )


def float_labels() -> None:
    train(nn.Linear(20, 5), ROWS, CLASSES.float(), nn.NLLLoss())


def int_labels() -> None:
    train(nn.Linear(20, 5), ROWS, CLASSES.int(), CE)


def bytes_in() -> None:
    train(Net(1352), (IMAGES * 255).byte(), CLASSES, CE)


def float_ids() -> None:
    train(Tagger(10), torch.zeros(64, 6), CLASSES, CE)


def token() -> None:
    ids = torch.arange(64 * 6).reshape(64, 6) % 50
    train(Tagger(50), ids + 1, CLASSES, CE)


def negative_token() -> None:
    train(Tagger(50), torch.full((64, 6), -100), CLASSES, CE)


def label() -> None:
    train(nn.Linear(20, 5), ROWS, CLASSES + 1, CE)


def memory() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(20, 100)
            self.wide = nn.Linear(100, 2**20)
            self.head = nn.Linear(2**20, 5)

        def forward(self, x: torch.Tensor) -> Any:
            x = self.wide(self.first(x))
            return self.head(x.repeat(2**26, 1))

    train(Wide(), ROWS, CLASSES, CE)


def numpy_memory() -> None:
    model = nn.Linear(20, 5)
    torch.optim.Adam(model.parameters())
    np.ones((2**44,), dtype=np.float64)


def own_error() -> None:
    def load(shape: tuple[int, ...]) -> None:
        raise ValueError(f"shape mismatch: {shape} and (3, 4)")

    model = nn.Linear(20, 5)
    torch.optim.Adam(model.parameters())
    load((1, 2))


def other_error() -> None:
    train(nn.Linear(20, 5), ROWS, CLASSES, CE)
    loader = DataLoader(TensorDataset(ROWS))
    print(loader.nothing)  # type: ignore[attr-defined]  # meant
    F.relu(ROWS)


if __name__ == "__main__":
    torch.manual_seed(0)
    globals()[sys.argv[1]]()
