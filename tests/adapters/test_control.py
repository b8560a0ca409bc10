"""Loaded and restored weights, and schedules that watch a number, on real PyTorch loops."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

import trema
from trema.adapters.torch import weights

G = torch.Generator().manual_seed(0)
Y = torch.arange(64) % 2
X = torch.randn(64, 8, generator=G) + Y[:, None]
State = dict[str, Any]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights.install()
    weights._loads.clear()


def backbone() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


class Classifier(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 4) -> float:
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
    return loss.item()


def found(loop: Callable[[nn.Module, torch.optim.Optimizer], None], model: nn.Module) -> set[str]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run = trema.watch(model, optimizer, console=False, strict=True)
    loop(model, optimizer)
    document = run.finish()
    assert document is not None
    wanted = {"checkpoint-mismatch", "restored-itself", "monitor-mode"}
    return {f["check"] for f in document["findings"]} & wanted


def prefixed(state: State) -> State:
    return {f"module.{name}": value for name, value in state.items()}


def nested(state: State) -> State:
    return {"epoch": 3, "model": state}


def renamed(state: State) -> State:
    return {f"fc{i}": value for i, value in enumerate(state.values())}


@pytest.mark.parametrize("change", [prefixed, nested, renamed])
def test_names_that_do_not_match(change: Callable[[State], State]) -> None:
    body = backbone()
    body.load_state_dict(change(backbone().state_dict()), strict=False)
    assert found(train_only, Classifier(body)) == {"checkpoint-mismatch"}


def test_a_prefix_of_the_model() -> None:
    model = Classifier(backbone())
    model.load_state_dict(backbone().state_dict(), strict=False)
    assert found(train_only, model) == {"checkpoint-mismatch"}


def train_only(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    train(model, optimizer)


def test_a_new_head_and_a_second_load_are_healthy() -> None:
    model = Classifier(backbone())
    state = {k: v for k, v in Classifier(backbone()).state_dict().items() if "head" not in k}
    model.load_state_dict({**state, "fc.weight": torch.zeros(10, 4)}, strict=False)
    assert found(train_only, model) == set()
    body = backbone()
    body.load_state_dict(prefixed(backbone().state_dict()), strict=False)
    body.load_state_dict(backbone().state_dict())
    assert found(train_only, Classifier(body)) == set()


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (lambda model: model.state_dict(), {"restored-itself"}),
        (lambda model: {k: v.cpu() for k, v in model.state_dict().items()}, {"restored-itself"}),
        (lambda model: copy.deepcopy(model.state_dict()), set()),
        (lambda model: {k: v.clone() for k, v in model.state_dict().items()}, set()),
    ],
)
def test_the_best_weights(keep: Callable[[nn.Module], State], expected: set[str]) -> None:
    def loop(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        train(model, optimizer)
        best = keep(model)
        train(model, optimizer)
        model.load_state_dict(best)

    assert found(loop, backbone()) == expected


def test_a_state_written_in_place_and_put_back() -> None:
    def loop(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        average = copy.deepcopy(model.state_dict())
        train(model, optimizer)
        state = model.state_dict()
        for name, value in state.items():
            value.mul_(0.5).add_(average[name], alpha=0.5)
        model.load_state_dict(state)
        train(model, optimizer)

    assert found(loop, backbone()) == set()


@pytest.mark.parametrize(
    ("mode", "what", "expected"),
    [
        ("max", "loss", {"monitor-mode"}),
        ("min", "accuracy", {"monitor-mode"}),
        ("min", "loss", set()),
        ("max", "accuracy", set()),
        ("min", "1 - accuracy", set()),
    ],
)
def test_a_plateau_schedule(mode: Any, what: str, expected: set[str]) -> None:
    def loop(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        scheduler = ReduceLROnPlateau(optimizer, mode, patience=1)
        for _ in range(6):
            train(model, optimizer)
            with torch.no_grad():
                output = model(X)
            val_loss = F.cross_entropy(output, Y).item()
            accuracy = (output.argmax(1) == Y).float().mean()
            if what == "loss":
                scheduler.step(val_loss)
            elif what == "accuracy":
                scheduler.step(accuracy)
            else:
                scheduler.step(1 - accuracy)

    assert found(loop, backbone()) == expected


def test_results_do_not_change() -> None:
    def run(watch: bool) -> list[Tensor]:
        torch.manual_seed(3)
        model = backbone()
        model.load_state_dict(prefixed(backbone().state_dict()), strict=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        handle = trema.watch(model, optimizer, console=False, strict=True) if watch else None
        scheduler = ReduceLROnPlateau(optimizer, "max", patience=0)
        for _ in range(3):
            scheduler.step(train(model, optimizer))
            model.load_state_dict(model.state_dict())
        if handle is not None:
            handle.finish()
        return [p.detach().clone() for p in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(False), run(True), strict=True))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (lambda step: 0.05 * min(1.0, (step + 1) / 20), True),  # a rate, not a factor
        (lambda step: (step + 1) / 4000, True),
        (lambda step: min(1.0, (step + 1) / 20), False),
    ],
)
def test_a_rate_that_never_comes_near(factor: Callable[[int], float], expected: bool) -> None:
    model = backbone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run = trema.watch(model, optimizer, console=False, strict=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(4):
        for _ in range(20):
            train(model, optimizer, 1)
            scheduler.step()
        run.epoch()
    document = run.finish()
    assert document is not None
    assert ("schedule-vanishes" in {f["check"] for f in document["findings"]}) is expected


class Dropping(nn.Module):
    """Functional dropout as it is written in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.inner, self.out = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.inner(x))
        if self.how == "always":
            x = F.dropout(x, p=0.4)
        elif self.how == "meant":
            x = F.dropout(x, p=0.4, training=True)
        elif self.how == "by mode":
            x = F.dropout(x, 0.4, self.training)
        elif self.training:
            x = F.dropout(x, 0.4)
        out: Tensor = self.out(x)
        return out


@pytest.mark.parametrize("how", ["always", "meant", "by mode", "guarded"])
def test_functional_dropout_in_eval_mode(how: str) -> None:
    model = Dropping(how)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run = trema.watch(model, optimizer, console=False, strict=True)
    for _ in range(3):
        train(model.train(), optimizer)
        model.eval()
        with torch.no_grad():
            F.cross_entropy(model(X), Y)
    document = run.finish()
    assert document is not None
    found = {f["check"] for f in document["findings"]}
    assert ("dropout-in-evaluation" in found) is (how == "always")
    assert "dropout" not in vars(torch._VF)  # as it was


@pytest.mark.parametrize("case", ["validation", "two training sets", "frozen modes", "healthy"])
def test_steps_in_the_validation_phase(case: str) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run = trema.watch(model, optimizer, console=False, strict=True)
    first = DataLoader(TensorDataset(X[:48], Y[:48]), 16, shuffle=True)
    second = DataLoader(TensorDataset(X[48:], Y[48:]), 8)

    def one_pass(loader: DataLoader[Any], learn: bool) -> None:
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            if learn:
                loss.backward()
                optimizer.step()

    for _ in range(4):
        model.train(case != "frozen modes")
        one_pass(first, True)
        model.train(case == "two training sets")
        one_pass(second, case != "healthy")
    document = run.finish()
    assert document is not None
    found = {f["check"] for f in document["findings"]}
    assert ("validation-trained" in found) is (case == "validation")


@pytest.mark.parametrize("case", ["shared", "anew", "reset", "time"])
def test_folds_of_one_model(case: str) -> None:
    splits = pytest.importorskip("sklearn.model_selection")
    model = backbone()
    first = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run = trema.watch(model, optimizer, console=False, strict=True)
    splitter = splits.TimeSeriesSplit(3) if case == "time" else splits.KFold(3, shuffle=True)
    for rows, _ in splitter.split(X):
        if case == "anew":
            model = backbone()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        if case == "reset":
            model.load_state_dict(first)
        optimizer.zero_grad()
        F.cross_entropy(model(X[rows]), Y[rows]).backward()
        optimizer.step()
    document = run.finish()
    assert document is not None
    found = {f["check"] for f in document["findings"]}
    assert ("folds-share-model" in found) is (case == "shared")
