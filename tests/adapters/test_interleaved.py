"""Loaders that are read ahead, and validation in the midst of an epoch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from trema.adapters.torch.attach import observe
from trema.adapters.torch.observer import Observer
from trema.core.facts import VALIDATION, Fact
from trema.engine import active


def _data(count: int) -> TensorDataset:
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(count))
    return TensorDataset(x, (x.sum(1) > 0).long())


def _watched() -> tuple[nn.Module, torch.optim.Optimizer, Observer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = active.start(framework="torch", strict=True, console=False)
    observer = observe(session, model, optimizer)
    assert observer is not None
    return model, optimizer, observer


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> None:
    x, y = batch
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def test_validation_in_the_midst_of_an_epoch_keeps_the_training_loader() -> None:
    model, optimizer, observer = _watched()
    train, valid = DataLoader(_data(64), batch_size=8), DataLoader(_data(24), batch_size=8)
    for _ in range(3):
        for number, batch in enumerate(train):
            _step(model, optimizer, batch)
            if number % 3 == 2:
                model.eval()
                with torch.no_grad():
                    for part, (x, y) in enumerate(valid):
                        nn.functional.cross_entropy(model(x), y)
                        if number == 5 and part == 1:
                            break  # some look at a part of it only
                model.train()
    assert observer.epochs.train_loader is train
    active.finish()
    assert observer.segment.epochs == 3
    assert len(observer.segment.history.array(Fact.METRIC, "loss", VALIDATION)[1]) == 3


def test_a_loader_that_is_read_ahead_ends_its_epoch_after_its_last_batch() -> None:
    from accelerate import Accelerator

    model, optimizer, observer = _watched()
    accelerator = Accelerator(cpu=True)
    made = DataLoader(_data(64), batch_size=8), DataLoader(_data(24), batch_size=8)
    train, valid = accelerator.prepare(*made)
    for _ in range(3):
        for batch in train:
            _step(model, optimizer, batch)
        with torch.no_grad():
            for x, y in valid:
                nn.functional.cross_entropy(model(x), y)
    active.finish()
    assert observer.step == 24
    assert observer.segment.epochs == 3
    assert len(observer.segment.history.array(Fact.METRIC, "loss", VALIDATION)[1]) == 3
