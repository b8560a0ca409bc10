"""PyTorch loops under ``trema.watch``: real models, small data."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import trema
from trema.adapters.torch import patches, reduce
from trema.adapters.torch.observer import Observer
from trema.adapters.torch.reduce import activation_statistics, tensor_statistics, unit_max
from trema.core import reduce as reference
from trema.core.errors import UnknownOption, UsageError
from trema.engine import active

QUIET: dict[str, Any] = {"console": False, "strict": True}


def blobs(n: int = 256, seed: int = 0) -> TensorDataset:
    """Two classes of points that can be told apart."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    x = torch.randn(n, 8, generator=g) + 1.5 * y[:, None]
    return TensorDataset(x, y)


def net(dropout: float = 0.3) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2)
    )


def train(model: nn.Module, watched: bool, *, epochs: int = 3, lr: float = 0.05) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loss_fn = nn.CrossEntropyLoss()
    run = trema.watch(model, optimizer, loss=loss_fn, **QUIET) if watched else None
    losses = []
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(blobs(), batch_size=32, shuffle=True, generator=generator)
    held_out = DataLoader(blobs(64, seed=9), batch_size=32)
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            losses += [loss_fn(model(x), y).item() for x, y in held_out]
    if run is not None:
        run.finish()
    return losses


def test_results_are_identical_bit_for_bit_with_dropout() -> None:
    results: list[tuple[list[float], list[torch.Tensor], torch.Tensor]] = []
    for watched in (False, True):
        torch.manual_seed(0)
        model = net()
        losses = train(model, watched)
        weights = [p.detach().clone() for p in model.state_dict().values()]
        results.append((losses, weights, torch.rand(3)))  # the random state goes on as it would
    a, b = results
    assert a[0] == b[0]
    assert all(torch.equal(p, q) for p, q in zip(a[1], b[1], strict=True))
    assert torch.equal(a[2], b[2])


def test_every_hook_is_gone_after_finish() -> None:
    model = net()
    train(model, watched=True, epochs=1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not patches.listeners


def test_a_healthy_run_is_silent_and_its_facts_are_there() -> None:
    torch.manual_seed(0)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = trema.watch(model, optimizer, **QUIET)
    loader = DataLoader(blobs(), batch_size=32)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    session = active.current()
    assert session is not None
    history = session.segments[0].history
    assert history.run.loss is not None
    assert (history.run.loss.kind, history.run.loss.reads) == ("cross-entropy", "logits")
    assert history.run.head[0] == "4"
    assert ("2", "3") in (history.run.edges or ())
    assert history.run.inputs == "tabular"
    assert set(history.names(trema_fact("gradient-norm"))) == {
        n for n, _ in model.named_parameters()
    }
    assert len(history.array(trema_fact("update-norm"), "0.weight")[0]) == 16
    document = run.finish()
    assert document is not None
    assert [f["check"] for f in document["findings"] if f["severity"] != "info"] == []
    assert document["run"]["epochs"] == 2
    assert document["run"]["steps"] == 16


def trema_fact(name: str) -> Any:
    from trema.core.facts import Fact

    return Fact(name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8])
def test_statistics_agree_with_the_numpy_reference(dtype: Any) -> None:
    x = (torch.randn(12, 5, generator=torch.Generator().manual_seed(3)) * 40).to(dtype)
    expected = reference.tensor_statistics(x.numpy())
    np.testing.assert_allclose(tensor_statistics(x).numpy(), expected, rtol=1e-12, equal_nan=True)


def test_statistics_leave_non_finite_values_out() -> None:
    x = torch.tensor([[1.0, float("nan")], [float("inf"), 3.0]])
    expected = reference.tensor_statistics(x.numpy())
    np.testing.assert_allclose(tensor_statistics(x).numpy(), expected, equal_nan=True)
    expected = reference.activation_statistics(x.numpy())
    # float32 sums on the device: seven digits
    np.testing.assert_allclose(activation_statistics(x).numpy(), expected, rtol=1e-6)


def test_unit_max_is_over_batch_and_positions() -> None:
    x = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    found = unit_max(x, axis=1)
    assert found is not None
    np.testing.assert_allclose(found.numpy(), reference.unit_max(x.numpy(), axis=1))


def loop(
    model: nn.Module,
    make_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    data: TensorDataset | None = None,
    steps: int = 12,
    lr: float = 0.01,
    accumulate: int = 1,
) -> dict[str, Any]:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    run = trema.watch(model, optimizer, **QUIET)
    x, y = (data or blobs()).tensors
    for step in range(steps):
        for part in range(accumulate):
            rows = slice(part * 32, (part + 1) * 32)
            loss = make_loss(model(x[rows]), y[rows]) / accumulate
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert step >= 0
    document = run.finish()
    assert document is not None
    return document


def checks_of(document: dict[str, Any]) -> set[str]:
    return {f["check"] for f in document["findings"] if f["severity"] != "info"}


def test_nll_on_raw_logits_is_found() -> None:
    torch.manual_seed(0)
    document = loop(net(), F.nll_loss)
    finding = next(f for f in document["findings"] if f["check"] == "missing-softmax")
    assert finding["cause"] == "loss"
    assert finding["location"]["file"].endswith("test_torch.py")


def test_gradient_accumulation_counts_optimizer_steps() -> None:
    torch.manual_seed(0)
    document = loop(net(), F.cross_entropy, accumulate=4)
    assert document["run"]["steps"] == 12
    assert checks_of(document) == set()


class RootOfNegative(nn.Module):
    """A layer that gives NaN when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.sqrt(x - x.max() - 1) if self.calls > 5 else x


def test_the_first_non_finite_value_names_its_layer_and_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), RootOfNegative(), nn.Linear(8, 2))
    document = loop(model, F.cross_entropy)
    finding = next(f for f in document["findings"] if f["check"] == "nonfinite-loss")
    assert "`1`" in finding["message"]
    assert finding["first"]["step"] == 5


def test_a_bad_input_is_named_once() -> None:
    torch.manual_seed(0)
    data = blobs()
    data.tensors[0][3, 2] = float("nan")
    document = loop(net(), F.cross_entropy, data=data)
    top = document["findings"][0]
    assert top["check"] == "nonfinite-input"
    assert top["cause"] == "data"
    unexplained = [f for f in document["findings"] if not f["explained_by"]]
    assert len(unexplained) == 1


def test_validation_data_out_of_the_training_set_is_measured() -> None:
    torch.manual_seed(0)
    data = blobs()
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run = trema.watch(model, optimizer, **QUIET)
    loader, held_out = DataLoader(data, batch_size=32), DataLoader(Subset(data, range(50)), 25)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in held_out:
                F.cross_entropy(model(x), y)
    document = run.finish()
    assert document is not None
    finding = next(f for f in document["findings"] if f["check"] == "split-overlap")
    assert finding["cause"] == "split"
    assert finding["confidence"] == "measured"
    assert len(finding["where"]["data"]["samples"]) == 50


def test_two_optimizers_make_two_segments() -> None:
    torch.manual_seed(0)
    one, two = net(), net()
    optimizers = [torch.optim.Adam(m.parameters(), lr=1e-3) for m in (one, two)]
    runs = [trema.watch(m, o, **QUIET) for m, o in zip((one, two), optimizers, strict=True)]
    x, y = blobs().tensors
    for _ in range(4):
        for model, optimizer in zip((one, two), optimizers, strict=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    session = active.current()
    assert session is not None
    assert [segment.steps for segment in session.segments] == [4, 4]
    assert runs[0].finish() is not None


def test_compiled_models_keep_their_boundary() -> None:
    torch.manual_seed(0)
    model: Any = torch.compile(net(0.0), backend="eager")
    document = loop(model, F.cross_entropy)
    assert checks_of(document) == set()
    reasons = " ".join(m for item in document["not_assessed"] for m in item["missing"])
    assert "torch.compile" in reasons


def test_scaled_losses_are_recorded_unscaled() -> None:
    torch.manual_seed(0)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    run = trema.watch(model, optimizer, **QUIET)
    x, y = blobs().tensors
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    session = active.current()
    assert session is not None
    history = session.segments[0].history
    _, losses = history.array(trema_fact("loss"))
    assert (losses < 10).all()
    assert history.latest(trema_fact("loss-scale")) == 1024.0
    plain = net()
    other = torch.optim.SGD(plain.parameters(), lr=0.01)
    trema.watch(plain, other, **QUIET)
    for _ in range(2):  # the scaler still lives, but this loop does without it
        other.zero_grad()
        loss = F.cross_entropy(plain(x), y)
        loss.backward()
        other.step()
    assert session.segments[1].history.latest(trema_fact("loss-scale")) is None
    run.finish()


def test_an_exception_in_the_loop_passes_and_the_run_is_kept() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    run = trema.watch(model, optimizer, **QUIET)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model(torch.zeros(4, 9))
    document = run.finish()
    assert document is not None
    assert document["failed_checks"] == []


def test_an_error_of_ours_never_reaches_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("broken on purpose")

    monkeypatch.setattr(reduce, "tensor_statistics", broken)
    monkeypatch.setitem(QUIET, "strict", False)
    torch.manual_seed(0)
    document = loop(net(), F.cross_entropy)
    assert any("broken on purpose" in item["error"] for item in document["failed_checks"])


def test_bad_calls_say_what_was_expected() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"expects a torch.nn.Module .* got str"):
        trema.watch("model", optimizer)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expects a torch optimizer but got Sequential"):
        trema.watch(model, model)  # type: ignore[arg-type]
    with pytest.raises(UnknownOption, match="did you mean 'overhead'"):
        trema.watch(model, optimizer, overheads=0.1)


def test_disabled_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREMA_DISABLED", "1")
    model = net()
    train(model, watched=True, epochs=1)
    assert not (tmp_path / ".trema").exists()


@pytest.mark.slow
def test_an_unmodified_script_is_watched(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            import torch
            from torch import nn
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
            optimizer = torch.optim.SGD(
                model.parameters(),
                lr=-0.5 if len(sys.argv) > 9 else 0.0,
            )
            x, y = torch.randn(64, 4), torch.arange(64) % 3
            for step in range(20):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
            print("done", sys.argv[1:])
            """
        )
    )
    command = [sys.executable, "-m", "trema", "run", "--json", "out.json", "train.py", "--a", "b"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done ['--a', 'b']\n"
    document = json.loads((tmp_path / "out.json").read_text())
    top = document["findings"][0]
    assert top["check"] == "learning-rate-sign"
    place = top["location"]
    assert (place["file"], place["line"], place["column"]) == ("train.py", 9, 8)


@pytest.mark.parametrize("part", ["_see_gradients", "_finish_step"])
def test_an_error_of_ours_beside_hooks_of_the_user_harms_nothing(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("inside")

    monkeypatch.setattr(Observer, part, broken)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = trema.watch(model, optimizer, console=False)
    seen: list[int] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(0))
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    assert seen == [0, 1] * 3
    document = run.finish()
    assert document is not None
    assert document["failed_checks"][0]["error"] == "ValueError: inside"
