"""``trema.lightning.Watch``: what it sees of a Trainer, and that it changes nothing."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import pytorch_lightning
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import LearningRateFinder, StochasticWeightAveraging
from lightning.pytorch.tuner import Tuner
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

import trema
from tests.adapters import lightning_programs as programs
from tests.adapters.lightning_programs import (
    QUIET,
    Adversaries,
    Autoencoder,
    Classifier,
    loaders,
    points,
)
from trema.adapters.lightning.metrics import paired
from trema.adapters.lightning.parts import loss_site, part_of
from trema.core.errors import UnknownOption, UsageError
from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.engine import active
from trema.engine.session import Session

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:(pytorch_)?lightning.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:(pytorch_)?lightning.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(pytorch_)?lightning.*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
]


def fit(
    module: Any, *data: Any, watch: bool = True, callbacks: list[Any] | None = None, **options: Any
) -> tuple[Session, dict[str, Any], Any]:
    """Session, findings document and trainer of one watched fit."""
    pl.seed_everything(0, verbose=False)
    mine: list[Any] = [trema.lightning.Watch(console=False, strict=True)] if watch else []
    trainer = pl.Trainer(callbacks=[*mine, *(callbacks or [])], **{**QUIET, **options})
    trainer.fit(module, *(data or loaders()))
    session = active.current()
    assert session is not None
    return session, mine[0].finish(), trainer


def found(document: dict[str, Any]) -> list[str]:
    """The checks that raised an alarm."""
    assert not document["failed_checks"]
    return [f["check"] for f in document["findings"] if f["severity"] != "info"]


def marked(text: str) -> int:
    """The number of the line in the programs that holds this."""
    lines = Path(programs.__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# nothing is changed -----------------------------------------------------------------------


def result(module: Any, watch: bool, **options: Any) -> Any:
    pl.seed_everything(5, verbose=False)
    made = module()
    callbacks: list[Any] = [trema.lightning.Watch(console=False, strict=True)] if watch else []
    trainer = pl.Trainer(callbacks=callbacks, max_epochs=4, **{**QUIET, **options})
    trainer.fit(made, *loaders())
    if watch:
        callbacks[0].finish()
    states = [o.state_dict() for o in trainer.optimizers]
    metrics = dict(trainer.callback_metrics)
    return made.state_dict(), states, metrics, torch.rand(3), trainer.global_step


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (Classifier, {}),
        (Classifier, {"accumulate_grad_batches": 3, "gradient_clip_val": 0.5}),
        (Classifier, {"precision": "bf16-mixed"}),
        (Autoencoder, {"val_check_interval": 0.5}),
        (Adversaries, {}),
    ],
)
def test_results_are_bit_identical(module: Any, options: dict[str, Any]) -> None:
    plain, watched = result(module, False, **options), result(module, True, **options)
    for a, b in zip(plain, watched, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_checkpoints_hold_nothing_of_ours(tmp_path: Path) -> None:
    session, _, trainer = fit(Classifier(), max_epochs=1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    kept = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert not kept.get("callbacks")
    assert session.framework == "lightning"


def test_hooks_are_gone_afterwards() -> None:
    module = Autoencoder()
    _, _, trainer = fit(module, max_epochs=1)
    assert not any(m._forward_hooks for m in module.modules())
    optimizer = trainer.optimizers[0]
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


# healthy programs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (Classifier, {}),
        (Classifier, {"accumulate_grad_batches": 4, "gradient_clip_val": 1.0}),
        (Classifier, {"precision": "bf16-mixed", "val_check_interval": 0.25}),
        (Classifier, {"precision": "64-true", "check_val_every_n_epoch": 2}),
        (Autoencoder, {}),
        (Adversaries, {}),
    ],
)
def test_healthy_programs_are_silent(module: Any, options: dict[str, Any]) -> None:
    data = loaders()
    if options.get("precision") == "64-true":
        data = tuple(_double(loader) for loader in data)  # type: ignore[assignment]  # two of two
    _, document, _ = fit(module(), *data, max_epochs=6, **options)
    assert found(document) == []
    assert document["run"]["framework"] == "lightning"


def _double(loader: DataLoader[Any]) -> DataLoader[Any]:
    x, y = loader.dataset.tensors  # type: ignore[attr-defined]  # a TensorDataset
    return DataLoader(TensorDataset(x.double(), y), batch_size=16, shuffle=len(x) > 100)


# faulty programs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "check", "line"),
    [
        (programs.Softmax, "double-softmax", "return torch.softmax(self.net(x), dim=1)"),
        (programs.Huge, "nonfinite-loss", "lr=1e3"),
        (programs.HeadOnly, "param-not-optimised", "self.net[4].parameters()"),
        (programs.Detached, "detached-graph", "# here"),
        (programs.Nothing, "backward-missing", 'self.log("train_loss", F.cross'),
        (programs.Uncleared, "zero-grad-missing", "# never cleared"),
        (programs.Raw, "input-scale", "logits = self(x)"),
    ],
)
def test_faults_are_found_on_their_line(module: Any, check: str, line: str) -> None:
    _, document, _ = fit(module(), max_epochs=4)
    findings = [f for f in document["findings"] if f["check"] == check]
    assert findings, found(document)
    location = findings[0]["location"]
    assert location["file"].endswith("lightning_programs.py")
    assert location["line"] == marked(line)
    assert document["findings"][0]["rank"] == 1


def test_validation_that_overlaps_training_is_found() -> None:
    train = points()
    data = DataLoader(train, 16, shuffle=True), DataLoader(Subset(train, range(80)), 40)
    _, document, _ = fit(Classifier(), *data, max_epochs=2)
    assert found(document) == ["split-overlap"]
    assert document["findings"][0]["evidence"][0]["value"] == 1.0


def test_no_line_of_lightning_is_ever_named() -> None:
    for module in (programs.Huge, programs.Detached, programs.Uncleared):
        _, document, _ = fit(module(), max_epochs=3)
        files = [f["location"]["file"] for f in document["findings"] if f["location"]]
        assert files
        assert not any("site-packages" in file for file in files)


# what the Trainer does --------------------------------------------------------------------


def test_metrics_of_both_phases_are_paired() -> None:
    session, _, trainer = fit(Classifier(), max_epochs=3)
    history = session.segments[0].history
    for phase in (TRAIN, VALIDATION):
        assert set(history.names(Fact.METRIC, phase)) == {"loss", "acc"}
        epochs, _ = history.array(Fact.METRIC, "acc", phase)
        assert list(epochs) == [0, 1, 2]
    _, accuracy = history.array(Fact.METRIC, "acc", TRAIN)
    assert accuracy[-1] == pytest.approx(float(trainer.callback_metrics["train_acc"]))
    _, losses = history.array(Fact.METRIC, "loss", VALIDATION)
    assert losses[-1] == pytest.approx(float(trainer.callback_metrics["val_loss"]), rel=1e-5)


def test_accumulation_leaves_the_loss_as_it_is() -> None:
    torch.manual_seed(0)
    module = Classifier(lr=0.0)
    whole, _, _ = fit(copy.deepcopy(module), max_epochs=1)
    parts, _, _ = fit(module, max_epochs=1, accumulate_grad_batches=5)
    means = [s.segments[0].history.array(Fact.METRIC, "loss")[1][0] for s in (whole, parts)]
    assert means[0] == pytest.approx(means[1], rel=0.05)
    assert parts.steps() == 4


def test_losses_of_the_users_own_are_compared_as_they_were_logged() -> None:
    class Own(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = (self(batch[0])[:, 0] - batch[1]).abs().mean() ** 2
            self.log("train/loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log("val/loss", (self(batch[0])[:, 0] - batch[1]).abs().mean() ** 2)

    session, _, trainer = fit(Own(), max_epochs=2)
    history = session.segments[0].history
    for phase, name in ((TRAIN, "train/loss"), (VALIDATION, "val/loss")):
        _, values = history.array(Fact.METRIC, "loss", phase)
        assert values[-1] == pytest.approx(float(trainer.callback_metrics[name]))


def test_the_sanity_check_counts_for_nothing() -> None:
    session, _, _ = fit(Classifier(), max_epochs=1, num_sanity_val_steps=2)
    _, values = session.segments[0].history.array(Fact.METRIC, "acc", VALIDATION)
    assert len(values) == 1
    assert session.segments[0].epochs == 1


def test_a_crash_of_the_sanity_check_has_a_run() -> None:
    class Broken(Classifier):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fit(Broken(), max_epochs=1)
    assert active.current() is not None


def test_parts_called_by_the_step_tell_inputs_and_outputs() -> None:
    session, _, _ = fit(Autoencoder(), max_epochs=1)
    history, info = session.segments[0].history, session.segments[0].info
    assert [t.shape[1:] for t in history.tensors("input")] == [(8,)]
    assert {layer.name for layer in info.layers} >= {"encoder.0", "decoder.2"}
    assert history.names(Fact.ACTIVATION_MEAN)
    assert info.place("model") is not None


def test_each_optimizer_is_a_segment_of_its_own_part() -> None:
    session, document, _ = fit(Adversaries(), max_epochs=1)
    assert document["run"]["segments"] == 2
    units = [segment.info.parameters[0].shape for segment in session.segments]
    assert units == [(16, 4), (16, 8)]
    assert [segment.steps for segment in session.segments] == [20, 20]


def test_two_fits_are_two_segments() -> None:
    module = Classifier()
    watch = trema.lightning.Watch(console=False, strict=True)
    for _ in range(2):
        pl.Trainer(callbacks=[watch], max_epochs=2, **QUIET).fit(module, *loaders())
    document = watch.finish()
    assert document is not None
    assert document["run"]["segments"] == 2
    assert document["run"]["steps"] == 80
    assert found(document) == []


def test_testing_and_predicting_count_for_nothing() -> None:
    watch = trema.lightning.Watch(console=False, strict=True)
    trainer = pl.Trainer(callbacks=[watch], max_epochs=2, **QUIET)
    module = Classifier()
    trainer.fit(module, *loaders())
    session = active.current()
    assert session is not None
    before = session.segments[0].history.revision
    trainer.test(module, DataLoader(points(), 32), verbose=False)
    trainer.validate(module, DataLoader(points(), 32), verbose=False)
    assert session.segments[0].history.revision == before
    document = watch.finish()
    assert document is not None
    assert found(document) == []


def test_a_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    _, _, trainer = fit(Classifier(), max_epochs=2)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    watch = trema.lightning.Watch(console=False, strict=True)
    again = pl.Trainer(callbacks=[watch], max_epochs=4, **QUIET)
    again.fit(Classifier(), *loaders(), ckpt_path=str(tmp_path / "a.ckpt"))
    document = watch.finish()
    assert document is not None
    assert document["run"]["steps"] == 40
    assert any("resumed at epoch 2, step 40" in note for note in document["run"]["notes"])
    assert found(document) == []


def test_a_quick_try_is_silent() -> None:
    _, document, _ = fit(Classifier(), fast_dev_run=True)
    assert found(document) == []
    assert document["run"]["steps"] == 1


def test_learning_a_few_batches_by_heart_is_silent() -> None:
    session, document, _ = fit(Classifier(), max_epochs=30, overfit_batches=2)
    assert found(document) == []
    assert not session.segments[0].history.observed(Fact.METRIC, VALIDATION)


def test_a_search_for_the_learning_rate_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    watch = trema.lightning.Watch(console=False, strict=True)
    trainer = pl.Trainer(callbacks=[watch], max_epochs=2, **QUIET)
    module = Classifier()
    Tuner(trainer).lr_find(module, *loaders(), num_training=30)
    session = active.current()
    assert session is None or not session.segments
    trainer.fit(module, *loaders())
    document = watch.finish()
    assert document is not None
    assert document["run"]["steps"] == 40


def test_a_search_within_the_fit_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Again(LearningRateFinder):  # type: ignore[misc]  # Any
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                self.lr_find(trainer, pl_module)

        def on_fit_start(self, *_: Any) -> None: ...

    session, _, _ = fit(
        Classifier(), max_epochs=3, callbacks=[Again(num_training_steps=20, min_lr=1e-5)]
    )
    assert session.steps() == 60


def test_several_validation_loaders_are_kept_apart() -> None:
    train, validation = loaders()
    both = [DataLoader(train.dataset, batch_size=32), validation]
    session, document, trainer = fit(Classifier(), train, both, max_epochs=2)
    assert found(document) == []
    _, values = session.segments[0].history.array(Fact.METRIC, "acc", VALIDATION)
    assert values[-1] == pytest.approx(float(trainer.callback_metrics["val_acc/dataloader_idx_1"]))


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        x, y = points().tensors
        while True:
            yield from zip(x, y, strict=True)


def test_an_endless_stream_has_epochs_from_validation_to_validation() -> None:
    session, document, _ = fit(
        Classifier(),
        DataLoader(Stream(), batch_size=16),
        loaders()[1],
        max_steps=60,
        val_check_interval=20,
    )
    assert session.segments[0].epochs == 3
    assert document["run"]["steps"] == 60
    assert found(document) == []


def test_an_optimizer_that_runs_its_closure_often_is_no_fault() -> None:
    class Second(Classifier):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters(), lr=0.05, max_iter=3)

    _, document, _ = fit(Second(), max_epochs=2)
    assert found(document) == []


def test_forward_passes_of_other_callbacks_are_no_validation() -> None:
    class Samples(pl.Callback):  # type: ignore[misc]  # Any
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            with torch.no_grad():
                F.mse_loss(pl_module.decoder(torch.full((4, 4), 1e6)), torch.zeros(4, 8))

    session, document, _ = fit(Autoencoder(), max_epochs=4, callbacks=[Samples()])
    _, losses = session.segments[0].history.array(Fact.METRIC, "loss", VALIDATION)
    assert max(losses) < 10
    assert found(document) == []


def test_a_running_average_of_weights_is_silent() -> None:
    averaging = StochasticWeightAveraging(1e-3)
    _, document, _ = fit(Classifier(), max_epochs=4, callbacks=[averaging])
    assert found(document) == []


def test_an_interrupt_ends_the_run_as_interrupted() -> None:
    class Stopped(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.global_step == 5:
                raise KeyboardInterrupt
            return super().training_step(batch, batch_idx)

    watch = trema.lightning.Watch(console=False, strict=True)
    trainer = pl.Trainer(callbacks=[watch], max_epochs=1, **QUIET)
    session = active.start(console=False)
    with pytest.raises(SystemExit):
        trainer.fit(Stopped(), *loaders())
    assert session.state == "interrupted"
    assert session.steps() == 5


def test_the_origin_of_a_bad_value_lies_in_a_part() -> None:
    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sqrt(x - x.max() - 1)

    class Bad(Autoencoder):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = nn.Sequential(nn.Linear(4, 8), Root())

    session, _, _ = fit(Bad(), max_epochs=1)
    origin = session.segments[0].history.observations(Fact.NONFINITE_ORIGIN)[0]
    assert origin.data["name"] == "decoder.1"


# the callback itself ----------------------------------------------------------------------


def test_it_serves_both_packages() -> None:
    watch = trema.lightning.Watch()
    assert isinstance(watch, pl.Callback)
    assert isinstance(watch, pytorch_lightning.Callback)
    assert isinstance(watch, trema.lightning.Watch)


def test_the_older_package_is_watched() -> None:
    class Old(pytorch_lightning.LightningModule):  # type: ignore[misc]  # Any
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 2)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return F.cross_entropy(torch.softmax(self.net(batch[0]), 1), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    watch = trema.lightning.Watch(console=False, strict=True)
    trainer = pytorch_lightning.Trainer(callbacks=watch, max_epochs=1, **QUIET)
    trainer.fit(Old(), loaders()[0])
    document = watch.finish()
    assert document is not None
    assert "double-softmax" in found(document)


def test_copies_are_fresh() -> None:
    watch = trema.lightning.Watch("mine", inputs="tabular")
    for made in (pickle.loads(pickle.dumps(watch)), copy.deepcopy(watch)):
        assert isinstance(made, trema.lightning.Watch)
        assert (made._name, made._options) == ("mine", {"inputs": "tabular"})


def test_mistakes_are_told() -> None:
    with pytest.raises(UnknownOption):
        trema.lightning.Watch(overhaed=0.1)
    with pytest.raises(UsageError, match="name must be a string but got Trainer"):
        trema.lightning.Watch(pl.Trainer(**QUIET))


def test_switched_off_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_DISABLED", "1")
    watch = trema.lightning.Watch()
    pl.Trainer(callbacks=[watch], fast_dev_run=True, **QUIET).fit(Classifier(), *loaders())
    assert active.current() is None
    assert watch.finish() is None


def test_two_watches_see_a_fit_once() -> None:
    session, document, _ = fit(
        Classifier(), max_epochs=1, callbacks=[trema.lightning.Watch(console=False)]
    )
    assert len(session.segments) == 1
    assert document["run"]["steps"] == 20


@pytest.mark.parametrize(
    ("name", "phase", "expected"),
    [
        ("train_loss", VALIDATION, (TRAIN, "loss")),
        ("val/acc", TRAIN, (VALIDATION, "acc")),
        ("loss_epoch", TRAIN, (TRAIN, "loss")),
        ("acc", VALIDATION, (VALIDATION, "acc")),
        ("f1-validation", TRAIN, (VALIDATION, "f1")),
        ("Valid Top1", TRAIN, (VALIDATION, "Top1")),
        ("valuable", TRAIN, (TRAIN, "valuable")),
        ("test_loss", TRAIN, None),
        ("train", TRAIN, None),
    ],
)
def test_names_of_metrics_are_paired(name: str, phase: Any, expected: Any) -> None:
    assert paired(name, phase) == expected


def test_the_smallest_part_is_found() -> None:
    module = Adversaries()
    optimizer = torch.optim.SGD(module.critic.parameters(), lr=0.1)
    assert part_of(module, optimizer) is module.critic
    both = torch.optim.SGD(module.parameters(), lr=0.1)
    assert part_of(module, both) is module


def test_the_place_of_a_loss_is_the_last_return() -> None:
    site = loss_site(programs.Detached())
    assert site is not None
    assert site.line == marked("# here")
    assert loss_site(pl.LightningModule()) is None


SCRIPT = """
import lightning as L, torch, torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2), nn.Softmax(1))
    def training_step(self, batch, i):
        return F.cross_entropy(self.net(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)
x = torch.randn(160, 8)
data = TensorDataset(x, (x[:, 0] > 0).long())
trainer = L.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, accelerator="cpu")
trainer.fit(Lit(), DataLoader(data, batch_size=16, shuffle=True))
"""


@pytest.mark.slow
def test_a_script_is_watched_without_edits(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "-m", "trema", "run", "--json", "found.json", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    document = json.loads((tmp_path / "found.json").read_text())
    assert found(document) == ["double-softmax"]
    assert document["run"]["framework"] == "lightning"
    assert document["run"]["steps"] == 20
    assert document["findings"][0]["location"]["line"] == 8


@pytest.mark.slow
def test_a_finding_may_end_a_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "-m", "trema", "run", "--stop-on", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 130, ran.stderr
    assert "ended by --stop-on: double-softmax" in ran.stderr


def test_importing_it_loads_no_framework() -> None:
    code = "import sys, trema; trema.lightning.Watch; print([m for m in sys.modules if m in "
    code += "('torch', 'lightning', 'pytorch_lightning')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
