"""Models whose steps are timed, as functions that make one training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Subject:
    """A model, its optimizer and its training step."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Callable[[], None]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.short(x))


def resnet(widths: tuple[int, ...], blocks: int) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(),
    ]  # fmt: skip
    inputs = widths[0]
    for number, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(inputs, width, 2 if number and not block else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(256, 128)
        self.place = nn.Embedding(64, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 512, 0.1, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, 256)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        places = torch.arange(x.shape[1], device=x.device)
        return self.head(self.body(self.token(x) + self.place(places), mask=mask))


def make(name: str, device: str, batch: int) -> Subject:
    """A fresh subject with the same weights each time."""
    torch.manual_seed(0)
    if name == "mlp":
        model: nn.Module = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
        x, y = torch.randn(32, 20), torch.randint(0, 2, (32,))
    elif name == "transformer":
        model, x = Transformer(), torch.randint(0, 256, (16, 64))
        y = torch.roll(x, -1, 1)
    else:
        model = resnet((64, 128, 256, 512), 2) if name == "resnet18" else resnet((16, 32, 64), 1)
        x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    model, x, y = model.to(device), x.to(device), y.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        out: Any = model(x)
        if out.ndim == 3:
            loss = F.cross_entropy(out.flatten(0, 1), y.flatten())
        else:
            loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()

    return Subject(model, optimizer, step)
