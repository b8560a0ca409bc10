"""Recording a PyTorch training: what is kept, and that the training stays what it was."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import trema
from tests.travel.real import mnist
from trema import travel
from trema.core.errors import NotFound, UnknownOption, UsageError
from trema.engine import active
from trema.travel.record.reader import Recording


def images(count: int = 600) -> tuple[Tensor, Tensor]:
    x, y = mnist(count)
    return torch.from_numpy(x), torch.from_numpy(y)


def network() -> nn.Module:
    """Layers with states of their own: statistics, dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(4 * 64, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def train(
    model: Any,
    data: Dataset[Any],
    *,
    epochs: int = 3,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    **options: Any,
) -> dict[str, Any]:
    """The findings document of a training with shuffled batches."""
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    run = trema.watch(model, optimizer, strict=True, console=False, **options)
    loader = DataLoader(data, 64, shuffle=True)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
    document = run.finish()
    assert document is not None
    return document


def recorded(document: dict[str, Any]) -> Recording:
    return travel.open_recording(document["run"]["id"])


def notes(document: dict[str, Any]) -> str:
    return " ".join(document["run"]["notes"])


def weights(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def test_each_epoch_is_recorded_and_the_training_is_the_same_bit_for_bit() -> None:
    x, y = images()
    data = TensorDataset(x, y)
    plain, followed = network(), network()
    train(plain, data)
    random_after = torch.rand(3)
    document = train(
        followed, data, travel={"train": data, "test": (x[:50], y[:50]), "unlabelled": x[:7]}
    )
    assert all(map(torch.equal, weights(plain), weights(followed)))
    assert torch.equal(random_after, torch.rand(3))
    assert not document["failed_checks"]
    read = recorded(document)
    assert read.epochs == [0, 1, 2]
    assert read.splits == ["train", "test", "unlabelled"]
    assert read.about["layer"] == "7"
    assert read.kind == "softmax"
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, y)
    assert read.labels("unlabelled") is None
    head_weights, biases = read.heads
    followed.eval()
    with torch.no_grad():
        expected = followed(x).numpy()
        before = followed[:7](x).numpy()  # type: ignore[index]  # a Sequential
    np.testing.assert_allclose(read.logits()[-1], expected, atol=1e-2)
    np.testing.assert_allclose(read.representations()[-1], before, atol=1e-2)
    np.testing.assert_allclose(before @ head_weights[-1].T + biases[-1], expected, atol=1e-4)
    np.testing.assert_array_equal(read.representations("test")[1], read.representations()[1][:50])
    accuracy = [(logits.argmax(1) == labels).mean() for logits in read.logits()]
    assert accuracy[-1] > accuracy[0]
    assert "3 frames recorded, " in notes(document)
    assert "trema travel suggest" in notes(document)
    assert read.seconds > 0


def test_facts_of_the_run_do_not_see_the_passes() -> None:
    x, y = images(256)
    data = TensorDataset(x, y)
    one, other = network(), network()
    without, beside = train(one, data), train(other, data, travel=data)
    assert [f["check"] for f in without["findings"]] == [f["check"] for f in beside["findings"]]
    assert without["clear"] == beside["clear"]
    assert without["run"]["epochs"] == beside["run"]["epochs"] == 3


class Noisy(Dataset[tuple[Tensor, int]]):
    """Augments with every generator there is, and with one of its own."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        self.own = np.random.default_rng(3)
        self.torch_own = torch.Generator().manual_seed(3)
        self.read = 0

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        noise = self.own.normal() + random.random() + np.random.rand()
        noise += float(torch.rand((), generator=self.torch_own)) + float(torch.rand(()))
        return self.x[at] + 0.01 * noise, int(self.y[at])


def test_data_that_draw_at_random_are_read_alike_and_leave_no_trace() -> None:
    x, y = images(128)

    def once(followed: bool) -> tuple[list[Tensor], dict[str, Any]]:
        random.seed(1)
        np.random.seed(1)
        model, data = network(), Noisy(x, y)
        document = train(model, data, travel=DataLoader(data, 8) if followed else None)
        return weights(model), document

    plain, _ = once(False)
    followed, document = once(True)
    assert all(map(torch.equal, plain, followed))
    assert recorded(document).epochs == [0, 1, 2]


def test_modes_gradients_and_attributes_are_put_back() -> None:
    from trema.travel.record.options import RecordOptions
    from trema.travel.record.sources import sources_of
    from trema.travel.record.torch_pass import TorchPass, collate

    class Remembering(nn.Module):
        calls: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(8, 4), nn.Linear(4, 2)
            self.last: Tensor | None = None
            self.seen: list[Tensor] = []
            self.count = 0
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.count += 1
            self.last = self.body(x)
            self.seen.append(self.last)
            result: Tensor = self.head(self.last)
            return result

    torch.manual_seed(0)
    model = Remembering()
    model.body.eval()
    model(torch.ones(3, 8)).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    remembered, calls = model.last, model.calls.clone()
    sources = sources_of(torch.ones(20, 8), collate=collate)
    passes = TorchPass(model, sources, RecordOptions())
    frames, _, seconds = passes.run()
    assert frames["train"].representations.array.shape == (20, 4)
    assert seconds > 0
    assert model.training
    assert not model.body.training
    assert model.last is remembered
    assert len(model.seen) == model.count == 1
    assert torch.equal(model.calls, calls)
    assert all(
        torch.equal(p.grad, g)
        for p, g in zip(model.parameters(), gradients, strict=True)
        if p.grad is not None
    )


def test_indices_of_subsets_and_fewer_samples() -> None:
    x, y = images(300)
    data = TensorDataset(x, y)
    chosen = Subset(data, list(range(299, 99, -1)))
    document = train(
        network(), data, epochs=1, travel=chosen, travel_options={"samples": 20, "batch": 7}
    )
    read = recorded(document)
    indices = read.indices()
    assert indices[0] == 299
    assert indices[-1] == 100
    assert len(indices) == 20
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, y[indices])


def test_steps_and_log_spaced_epochs() -> None:
    x, y = images(256)
    data = TensorDataset(x, y)
    read = recorded(
        train(network(), data, travel=data, travel_options={"schedule": 3, "samples": 20})
    )
    assert read.unit == "step"
    assert read.epochs == [2, 5, 8, 11]
    document = train(
        network(), data, epochs=12, travel=data, travel_options={"schedule": "log", "samples": 20}
    )
    assert recorded(document).epochs == [*range(8), 9, 11]


def test_last_epoch_is_kept_whatever_the_schedule_says() -> None:
    x, y = images(128)
    data = TensorDataset(x, y)
    document = train(
        network(), data, epochs=11, travel=data, travel_options={"schedule": "log", "samples": 20}
    )
    assert recorded(document).epochs[-2:] == [9, 10]


def test_loop_without_a_loader_says_when_epochs_end() -> None:
    x, y = images(128)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = trema.watch(model, optimizer, strict=True, console=False, travel=(x, y))
    for _ in range(2):
        for at in range(0, 128, 32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[at : at + 32]), y[at : at + 32]).backward()
            optimizer.step()
        run.epoch()
    document = run.finish()
    assert document is not None
    assert recorded(document).epochs == [0, 1]


def test_sigmoid_and_several_labels() -> None:
    x, y = images(200)
    flat = x.flatten(1)
    even = (y % 2 == 0).float()[:, None]
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    read = recorded(
        train(one, TensorDataset(flat, even), loss=F.binary_cross_entropy, travel=(flat, even))
    )
    assert read.kind == "sigmoid"
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, even[:, 0])
    assert read.logits()[0].shape == (200, 1)
    assert float(read.logits()[-1].min()) < 0  # before the sigmoid
    bits = torch.stack([(y >> bit) & 1 for bit in range(4)], dim=1).float()
    several = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 4))
    read = recorded(
        train(
            several,
            TensorDataset(flat, bits),
            loss=F.binary_cross_entropy_with_logits,
            travel=(flat, bits),
        )
    )
    assert read.kind == "multilabel"
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, bits)


class Tokens(nn.Module):
    def __init__(self, words: int = 50) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 8), nn.Linear(8, words)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.embedding(x))
        return result


class LastToken(Tokens):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.embedding(x).mean(1))
        return result


def per_token(out: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out.flatten(0, -2), y.flatten())


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        (Tokens(), per_token, "predict every token"),
        (LastToken(5000), lambda out, y: F.cross_entropy(out, y[:, 0]), "5,000 outputs"),
        (nn.Sequential(LastToken(), nn.Tanh()), None, "not that of its last linear layer"),
    ],
)
def test_what_is_refused_is_one_sentence_and_no_end(
    model: nn.Module, loss: Any, words: str
) -> None:
    x = torch.arange(64 * 6).reshape(64, 6) % 50
    before = weights(model)
    loss = loss or (lambda out, y: out.square().mean())
    document = train(model, TensorDataset(x, x), loss=loss, travel=(x, x))
    assert any(not torch.equal(a, b) for a, b in zip(before, weights(model), strict=True))
    [note] = [n for n in document["run"]["notes"] if n.startswith("time travel")]
    assert "records nothing" in note
    assert re.search(words, note)
    with pytest.raises(NotFound):
        recorded(document)


def test_regression_and_networks_without_a_linear_layer_are_refused() -> None:
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    y = x.sum(1, keepdim=True) * 1.1
    document = train(
        nn.Sequential(nn.Linear(5, 1)), TensorDataset(x, y), loss=F.mse_loss, travel=(x, y)
    )
    assert "not classes" in notes(document)
    conv = nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 5), nn.Flatten())
    z = torch.arange(64) % 2
    document = train(conv, TensorDataset(x, z), travel=(x, z))
    assert "no linear layer ran" in notes(document)


def test_a_named_layer_and_a_wrong_name() -> None:
    x, y = images(64)
    data = TensorDataset(x, y)
    document = train(network(), data, epochs=1, travel=data, travel_options={"layer": "7"})
    assert recorded(document).about["layer"] == "7"
    document = train(network(), data, epochs=1, travel=data, travel_options={"layer": "0"})
    assert "no linear layer '0'" in notes(document)
    assert "5, 7" in notes(document)


class Several(nn.Module):
    """Digits, and what else was asked of it; ``spoilt``: its digits are scaled, so no layer's."""

    def __init__(self, spoilt: bool = False) -> None:
        super().__init__()
        self.spoilt, self.body = spoilt, nn.Linear(784, 16)
        self.even, self.digits = nn.Linear(16, 2), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.body(x.flatten(1)).relu()
        even = self.even(z) * (3 if self.spoilt else 1)
        digits = self.digits(z)
        return (even, digits) if self.spoilt else (digits, even)


def test_a_hidden_layer_is_no_head() -> None:
    """Its outputs are no classes; all that follows would be nonsense."""
    x, y = images(64)
    data = TensorDataset(x, y)
    document = train(network(), data, epochs=1, travel=data, travel_options={"layer": "5"})
    assert "`5` is not what gives the network's output: `7` is, so name that one" in notes(document)
    with pytest.raises(NotFound):
        recorded(document)


def test_another_head_of_several_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """One that is among the outputs; or where no layer is the output, which is told."""
    x, y = images(64)
    for spoilt in (False, True):
        model = Several(spoilt)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        run = trema.watch(
            model, optimizer, strict=True, travel=(x, y % 2), travel_options={"layer": "even"}
        )
        model(x)[0].square().mean().backward()
        optimizer.step()
        run.epoch()
        document = run.finish()
        assert document is not None
        assert recorded(document).logits()[0].shape == (64, 2)
        [line] = [one for one in capsys.readouterr().err.splitlines() if "records" in one]
        assert "the head is `even` as named, not `digits`, the last linear layer" in line


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield torch.ones(3), 1


def test_calls_that_cannot_be_right_are_told_at_once() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(UsageError, match="read by index"):
        trema.watch(model, optimizer, console=False, travel=DataLoader(Stream()))
    with pytest.raises(UnknownOption, match="schedule"):
        trema.watch(model, optimizer, console=False, travel_options={"scedule": 3})


def test_a_refused_call_leaves_no_run_behind() -> None:
    x, y = images(64)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(UsageError, match="differ in length"):
        trema.watch(model, optimizer, name="first", console=False, travel=(x, y[:-5]))
    assert active.current() is None
    run = trema.watch(model, optimizer, name="second", console=False, travel=(x, y))
    assert run.name == "second"
    run.finish()


def test_diverged_weights_are_counted_not_fatal() -> None:
    x, y = images(64)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = trema.watch(model, optimizer, strict=True, console=False, travel=(x, y))
    loader = DataLoader(TensorDataset(x, y), 32)
    for epoch in range(2):
        for a, b in loader:
            optimizer.zero_grad()
            (F.cross_entropy(model(a), b) * (1 if epoch == 0 else float("nan"))).backward()
            optimizer.step()
    document = run.finish()
    assert document is not None
    read = recorded(document)
    assert read.nonfinite() == {1: 64}
    assert "2 frames recorded (up to 64 samples not finite in 1 of them)" in notes(document)
    assert read.broken() == [1]


def test_console_tells_the_size_in_advance(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = images(64)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = trema.watch(model, optimizer, strict=True, travel=(x, y))
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    told = [line for line in capsys.readouterr().err.splitlines() if "time travel" in line]
    assert len(told) == 1
    assert "64 train samples × 32 numbers at `7`" in told[0]
    run.finish()


@pytest.mark.slow
def test_a_compiled_network_is_recorded_and_not_compiled_again() -> None:
    x, y = images(256)
    data = TensorDataset(x, y)
    compiled = 0

    def backend(graph: Any, inputs: Any) -> Any:
        nonlocal compiled
        compiled += 1
        return graph.forward

    counts, kept = [], []
    for followed in (False, True):
        torch._dynamo.reset()
        compiled = 0
        model = network()
        document = train(
            torch.compile(model, backend=backend), data, travel=data if followed else None
        )
        counts.append(compiled)
        kept.append(weights(model))
    assert counts[0] == counts[1]
    assert all(map(torch.equal, *kept))
    assert recorded(document).epochs == [0, 1, 2]


def test_passes_are_no_time_of_the_training_or_of_watching() -> None:
    from trema.engine.schedule import Schedule

    schedule = Schedule(overhead=0.02, free_steps=1, free_seconds=1.0)
    schedule.add(0.5, 0.5)
    schedule.leave_out(1000.0)
    assert schedule.own_seconds == 0.5
    assert schedule.left_out == 1000.0
    x, y = images(64)
    data = TensorDataset(x, y)

    class Slow(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            if not torch.is_grad_enabled():
                time.sleep(0.3)
            return super().forward(given)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), Slow(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = trema.watch(model, optimizer, strict=True, console=False, travel=data)
    session = active.current()
    assert session is not None
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    run.epoch()
    known = session.segments[0].schedule
    assert known.left_out > 0.6  # the pass that found the head, and one over the samples
    document = run.finish()
    assert document is not None
    assert 0.3 < recorded(document).seconds < known.left_out


PROGRAM = """
import torch, torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
import trema

torch.manual_seed(0)
x = torch.randn(20000, 64)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 2))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
data = TensorDataset(x, y)
trema.watch(model, optimizer, console=False, travel=data)
for epoch in range(10_000):
    for a, b in DataLoader(data, 5000):
        optimizer.zero_grad()
        F.cross_entropy(model(a), b).backward()
        optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
@pytest.mark.parametrize("pause", [0.0, 0.013, 0.031])
def test_a_killed_training_keeps_all_whole_epochs(tmp_path: Path, pause: float) -> None:
    program = tmp_path / "endless.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(program)], env=environment, cwd=tmp_path)
    heads = Path(os.environ["TREMA_DIR"]) / "runs"
    try:
        until = time.monotonic() + 60
        while len(list(heads.glob("*/travel/heads/*.npz"))) < 4 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(pause)
    finally:
        process.kill()
        process.wait()
    read = travel.open_recording("last")
    assert len(read.epochs) >= 4
    assert read.epochs == list(range(len(read.epochs)))
    head_weights, biases = read.heads
    for at, (x, logits) in enumerate(zip(read.representations(), read.logits(), strict=True)):
        exact = np.asarray(x[:500], np.float32) @ head_weights[at].T + biases[at]
        np.testing.assert_allclose(exact, logits[:500], atol=2e-2)


def test_nothing_is_written_when_trema_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_DISABLED", "1")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = trema.watch(model, optimizer, travel=torch.ones(4, 1, 28, 28))
    assert run.finish() is None
    assert active.current() is None
