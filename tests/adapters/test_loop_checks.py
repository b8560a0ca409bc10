"""The checks of the training loop on real PyTorch loops: faulty ones, and healthy look-alikes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR
from torch.utils.data import DataLoader, TensorDataset

import trema

CHECKS = frozenset(
    {
        "backward-missing",
        "cleared-gradients",
        "clip-before-unscale",
        "detached-graph",
        "frozen-all",
        "graph-kept",
        "loss-not-divided",
        "optimizers-overlap",
        "param-not-optimised",
        "param-unchanged",
        "parameter-dtype",
        "repeated-layer",
        "scaler-skips",
        "scheduler-order",
        "step-before-backward",
        "step-missing",
        "train-mode-wrong",
        "unused-layer",
        "validation-gradients",
        "zero-grad-missing",
    }
)
G = torch.Generator().manual_seed(0)
Y = torch.arange(64) % 2
X = torch.randn(64, 8, generator=G) + Y[:, None]
Made = tuple[nn.Module, Sequence[torch.optim.Optimizer]]


def net(dropout: float = 0.2) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2)
    )


def sgd(model: nn.Module, lr: float = 0.05) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=lr)


def step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor = X, y: Tensor = Y
) -> Tensor:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def found(
    loop: Callable[[Any, Any], None],
    model: nn.Module | None = None,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> dict[str, str]:
    """Check -> severity of what the loop checks say, information included."""
    torch.manual_seed(0)
    model = model if model is not None else net()
    held = list(optimizers) or [sgd(model)]
    run = trema.watch(model, held, console=False, strict=True, preview=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the schedulers' order itself
        loop(model, held[0] if len(held) == 1 else held)
    document = run.finish()
    assert document is not None
    return {f["check"]: f["severity"] for f in document["findings"] if f["check"] in CHECKS}


# faulty -----------------------------------------------------------------------------------


def never_cleared(m: Any, o: Any) -> None:
    for _ in range(20):
        F.cross_entropy(m(X), Y).backward()
        o.step()


def never_stepped(m: Any, o: Any) -> None:
    for _ in range(20):
        o.zero_grad()
        F.cross_entropy(m(X), Y).backward()


def stepped_once_an_epoch(m: Any, o: Any) -> None:
    for _ in range(8):
        for _ in range(8):
            o.zero_grad()
            F.cross_entropy(m(X) / 2, Y).backward()
        o.step()


def stepped_first(m: Any, o: Any) -> None:
    for _ in range(20):
        o.zero_grad()
        loss = F.cross_entropy(m(X), Y)
        o.step()
        loss.backward()


def cleared_between(m: Any, o: Any) -> None:
    for _ in range(20):
        F.cross_entropy(m(X), Y).backward()
        o.zero_grad()
        o.step()


def no_backward(m: Any, o: Any) -> None:
    for _ in range(20):
        o.zero_grad()
        F.cross_entropy(m(X), Y)
        o.step()


def made_anew(m: Any, o: Any) -> None:
    for _ in range(20):
        o.zero_grad()
        torch.tensor(F.cross_entropy(m(X), Y).item(), requires_grad=True).backward()
        o.step()


def summed_with_history(m: Any, o: Any) -> None:
    total = torch.zeros(())
    for _ in range(60):
        total = total + step(m, o)


def eval_goes_on(m: Any, o: Any) -> None:
    for _ in range(3):
        for _ in range(10):
            step(m, o)
        m.eval()
        with torch.no_grad():
            F.cross_entropy(m(X), Y)


def validated_in_train_mode(m: Any, o: Any) -> None:
    for _ in range(3):
        for _ in range(10):
            step(m, o)
        with torch.no_grad():
            F.cross_entropy(m(X), Y)


def scheduler_first(m: Any, o: Any) -> None:
    scheduler = StepLR(o, 100)
    for _ in range(20):
        scheduler.step()
        step(m, o)


def scheduler_in_each_batch(m: Any, o: Any) -> None:
    scheduler = StepLR(o, 3)
    for _ in range(200):
        step(m, o)
        scheduler.step()


def undivided(m: Any, o: Any) -> None:
    for _ in range(10):
        o.zero_grad()
        for part in range(4):
            F.cross_entropy(m(X[part::4]), Y[part::4]).backward()
        o.step()


def clipped_while_scaled(m: Any, o: Any) -> None:
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(10):
        o.zero_grad()
        scaler.scale(F.cross_entropy(m(X), Y)).backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        scaler.step(o)
        scaler.update()


def scaler_skips_on(m: Any, o: Any) -> None:
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(70):
        o.zero_grad()
        scaler.scale(F.cross_entropy(m(X), Y) * float("inf")).backward()
        scaler.step(o)
        scaler.update()


def head_replaced(m: Any, o: Any) -> None:
    m[4] = nn.Linear(16, 2)
    for _ in range(20):
        step(m, o)


def validated_with_gradients(m: Any, o: Any) -> None:
    train, other = (DataLoader(TensorDataset(x, Y), 8) for x in (X, X + 0.1))
    for _ in range(3):
        m.train()
        for x, y in train:
            step(m, o, x, y)
        m.eval()
        for x, y in other:
            F.cross_entropy(m(x), y).item()


FAULTY = [
    (never_cleared, "zero-grad-missing", "error"),
    (never_stepped, "step-missing", "critical"),
    (stepped_once_an_epoch, "step-missing", "error"),
    (stepped_first, "step-before-backward", "critical"),
    (cleared_between, "cleared-gradients", "critical"),
    (no_backward, "backward-missing", "critical"),
    (made_anew, "detached-graph", "critical"),
    (summed_with_history, "graph-kept", "warning"),
    (eval_goes_on, "train-mode-wrong", "error"),
    (validated_in_train_mode, "train-mode-wrong", "error"),
    (scheduler_first, "scheduler-order", "warning"),
    (scheduler_in_each_batch, "scheduler-order", "error"),
    (undivided, "loss-not-divided", "warning"),
    (clipped_while_scaled, "clip-before-unscale", "error"),
    (scaler_skips_on, "scaler-skips", "critical"),
    (head_replaced, "param-not-optimised", "error"),
    (validated_with_gradients, "validation-gradients", "info"),
]


@pytest.mark.parametrize(
    ("loop", "check", "severity"), FAULTY, ids=lambda v: getattr(v, "__name__", v)
)
def test_a_faulty_loop_is_told_and_nothing_else(
    loop: Callable[[Any, Any], None], check: str, severity: str
) -> None:
    assert found(loop) == {check: severity}


class Parts(nn.Module):
    """A body and a head, wired as told."""

    def __init__(self, wiring: str = "") -> None:
        super().__init__()
        self.wiring = wiring
        self.body = nn.Linear(8, 16)
        self.extra = nn.Linear(16, 16)
        self.head = nn.Linear(16, 2)
        self.listed = [nn.Linear(16, 16), nn.Linear(16, 16)] if wiring == "listed" else []

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.body(x))
        if self.wiring == "cut":
            x = x.detach()
        for layer in self.listed:
            x = torch.tanh(layer(x))
        if self.wiring != "uncalled":
            x = torch.tanh(self.extra(x))
        return self.head(x)  # type: ignore[no-any-return]  # modules are called as Any


@pytest.mark.parametrize(
    ("wiring", "expected"),
    [
        ("", {}),
        ("cut", {"unused-layer": "error"}),
        ("uncalled", {"unused-layer": "warning"}),
        ("listed", {"param-not-optimised": "error"}),
    ],
)
def test_wiring_of_a_model(wiring: str, expected: dict[str, str]) -> None:
    def loop(m: Any, o: Any) -> None:
        for _ in range(20):
            step(m, o)

    torch.manual_seed(1)
    assert found(loop, Parts(wiring)) == expected


def test_weights_that_round_or_repeat_are_told() -> None:
    def loop(m: Any, o: Any) -> None:
        for _ in range(20):
            o.zero_grad()
            F.cross_entropy(m(X.to(m[0].weight.dtype)), Y).backward()
            o.step()

    half = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)).half()
    assert found(loop, half, [sgd(half, lr=1e-6)]) == {
        "parameter-dtype": "warning",
        "param-unchanged": "error",
    }
    shared = nn.Linear(8, 8)
    repeated = nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(8, 2))
    assert found(loop, repeated) == {"repeated-layer": "warning"}


def test_an_optimizer_that_holds_the_generator_too() -> None:
    generator, judge = nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    both = nn.ModuleList([generator, judge])

    def loop(_: Any, optimizers: Any) -> None:
        gan(generator, judge, *optimizers)

    mine = torch.optim.Adam(generator.parameters())
    assert found(loop, both, [mine, torch.optim.Adam(judge.parameters())]) == {}
    mine = torch.optim.Adam(generator.parameters())
    told = found(loop, both, [mine, torch.optim.Adam(both.parameters())])
    assert told.pop("optimizers-overlap") == "warning"
    assert set(told.values()) <= {"info"}  # the judge's own loss gives the generator no gradient


def gan(
    generator: nn.Module,
    judge: nn.Module,
    g: torch.optim.Optimizer,
    d: torch.optim.Optimizer,
) -> None:
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(30):
        d.zero_grad()
        bce(judge(X), ones).backward()
        fake = generator(torch.randn(64, 4))
        bce(judge(fake.detach()), zeros).backward()
        d.step()
        g.zero_grad()
        bce(judge(fake), ones).backward()
        g.step()


# healthy ----------------------------------------------------------------------------------


def accumulation(m: Any, o: Any) -> None:
    o.zero_grad()
    for i in range(80):
        (F.cross_entropy(m(X), Y) / 4).backward()
        if i % 4 == 3:
            o.step()
            o.zero_grad()


def clearing_after_the_step_by_zeros(m: Any, o: Any) -> None:
    for _ in range(20):
        F.cross_entropy(m(X), Y).backward()
        o.step()
        o.zero_grad(set_to_none=False)


def clearing_through_the_model(m: Any, o: Any) -> None:
    for _ in range(20):
        m.zero_grad()
        F.cross_entropy(m(X), Y).backward()
        o.step()


def epochs_with_modes_and_schedule(m: Any, o: Any) -> None:
    train, other = (DataLoader(TensorDataset(x, Y), 8) for x in (X, X + 0.1))
    scheduler: LRScheduler = CosineAnnealingLR(o, T_max=4)
    losses = []
    for _ in range(4):
        m.train()
        for x, y in train:
            losses.append(step(m, o, x, y).item())
        m.eval()
        with torch.no_grad():
            losses += [F.cross_entropy(m(x), y).item() for x, y in other]
        scheduler.step()


def metrics_before_the_step(m: Any, o: Any) -> None:
    for _ in range(20):
        o.zero_grad()
        F.cross_entropy(m(X), Y).backward()
        (m(X).argmax(1) == Y).float().mean()
        o.step()


def scaling_and_clipping(m: Any, o: Any) -> None:
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(70):
        o.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(m(X), Y)
        scaler.scale(loss).backward()
        scaler.unscale_(o)
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        scaler.step(o)
        scaler.update()


def moving_average(m: Any, o: Any) -> None:
    average = copy.deepcopy(m)
    for _ in range(20):
        step(m, o)
        with torch.no_grad():
            for p, q in zip(average.parameters(), m.parameters(), strict=True):
                p.lerp_(q, 0.1)
    average.eval()


def adversarial(m: Any, o: Any) -> None:
    for _ in range(12):
        x = X.clone().requires_grad_()
        for _ in range(6):
            F.cross_entropy(m(x), Y).backward()
            assert x.grad is not None
            x = (x + 0.01 * x.grad.sign()).detach().requires_grad_()
            m.zero_grad()
        step(m, o, x.detach())


def monte_carlo_dropout(m: Any, o: Any) -> None:
    for _ in range(3):
        m.train()
        for _ in range(10):
            step(m, o)
        m.eval()
        m[3].train()
        with torch.no_grad():
            for _ in range(4):
                F.cross_entropy(m(X), Y)


def recalibration(m: Any, o: Any) -> None:
    loader = DataLoader(TensorDataset(X, Y), 8)
    for x, y in loader:
        step(m, o, x, y)
    torch.optim.swa_utils.update_bn(loader, m)


def targets_without_gradients(m: Any, o: Any) -> None:
    for _ in range(20):
        with torch.no_grad():
            soft = m(X).softmax(1)
        o.zero_grad()
        F.kl_div(m(X).log_softmax(1), soft, reduction="batchmean").backward()
        o.step()


HEALTHY = [
    accumulation,
    clearing_after_the_step_by_zeros,
    clearing_through_the_model,
    epochs_with_modes_and_schedule,
    metrics_before_the_step,
    scaling_and_clipping,
    moving_average,
    adversarial,
    monte_carlo_dropout,
    recalibration,
    targets_without_gradients,
]


@pytest.mark.parametrize("loop", HEALTHY, ids=lambda loop: loop.__name__)
def test_a_healthy_loop_is_silent(loop: Callable[[Any, Any], None]) -> None:
    assert found(loop) == {}


def test_a_closure_is_silent() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)

    def loop(m: Any, o: Any) -> None:
        def closure() -> Tensor:
            o.zero_grad()
            loss = F.cross_entropy(m(X), Y)
            loss.backward()
            return loss

        for _ in range(15):
            o.step(closure)

    assert found(loop, model, [optimizer]) == {}


def test_fine_tuning_is_silent_or_information() -> None:
    def loop(m: Any, o: Any) -> None:
        for _ in range(20):
            step(m, o)

    frozen = net()
    for p in frozen[:2].parameters():
        p.requires_grad_(False)
    assert found(loop, frozen, [sgd(frozen[4])]) == {}

    torch.manual_seed(0)
    trained = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    head = nn.Linear(16, 2)
    whole = nn.Sequential(trained, head)
    optimizer = sgd(whole, 0.5)
    for _ in range(200):
        step(whole, optimizer)
    for layer in (trained[0], trained[2]):
        assert isinstance(layer, nn.Linear)
        with torch.no_grad():
            layer.weight.mul_(3)  # far from what torch draws, as after a long training
    optimizer.zero_grad()
    assert found(loop, whole, [sgd(head)]) == {"param-not-optimised": "info"}


def test_unfreezing_in_turns_is_silent() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    model[0].requires_grad_(False)
    optimizer = sgd(model[2])

    def loop(m: Any, o: Any) -> None:
        for _ in range(12):
            step(m, o)
        m[0].requires_grad_(True)
        o.add_param_group({"params": list(m[0].parameters())})
        for _ in range(30):
            step(m, o)

    assert found(loop, model, [optimizer]) == {}


def test_alternating_optimizers_are_silent() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))

    def loop(m: Any, optimizers: Any) -> None:
        for i in range(60):
            step(m, optimizers[i // 5 % 2])

    assert found(loop, model, [sgd(model[0]), sgd(model[2])]) == {}


def test_a_watched_model_can_be_copied_and_saved(tmp_path: Path) -> None:
    def loop(m: Any, o: Any) -> None:
        step(m, o)
        torch.save(m, tmp_path / "model.pt")
        for _ in range(12):
            copied = copy.deepcopy(m)
            copied(X)
            step(m, o)
        assert torch.load(tmp_path / "model.pt", weights_only=False)(X).shape == (64, 2)

    assert found(loop) == {}


@pytest.mark.parametrize("loop", [never_cleared, accumulation, epochs_with_modes_and_schedule])
def test_results_stay_the_same_bit_for_bit(loop: Callable[[Any, Any], None]) -> None:
    weights = []
    for watched in (False, True):
        torch.manual_seed(0)
        model = net()
        if watched:
            found(loop, model)
        else:
            optimizer = sgd(model)
            torch.manual_seed(0)
            loop(model, optimizer)
        weights.append([p.detach().clone() for p in model.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
