"""The Trainer of Hugging Face: healthy programs stay silent, faults are found, results equal."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import trema.transformers
from tests.adapters import transformers_programs as programs
from trema.adapters.transformers.epochs import TrainerEpochs
from trema.core.errors import UnknownOption
from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.engine import active
from trema.transformers import Watch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:(transformers|peft|accelerate|torch).*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(transformers|peft|accelerate).*"),
    pytest.mark.filterwarnings("ignore::UserWarning:(transformers|peft|accelerate|torch).*"),
]

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def watched(make: Make, folder: Path, **options: Any) -> tuple[dict[str, Any], Any]:
    """The findings document of a training, and its session."""
    watch = Watch(strict=True, console=False, preview=True)
    make(folder, [watch], **options).train()
    session = active.current()
    document = active.finish()
    assert document is not None
    assert document["failed_checks"] == []
    return document, session


def told(document: dict[str, Any]) -> set[str]:
    return {finding["check"] for finding in document["findings"]}


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (programs.causal, {"gradient_accumulation_steps": 2}),
        (programs.causal, {"bf16": True, "max_grad_norm": 0.5, "warmup_steps": 4}),
        (programs.lora, {}),
        (programs.masked, {}),
        (programs.classes, {"label_smoothing_factor": 0.1}),
    ],
    ids=["accumulation", "bfloat16", "lora", "masked", "classes"],
)
def test_a_healthy_training_is_silent(make: Make, options: dict[str, Any], tmp_path: Path) -> None:
    document, _ = watched(make, tmp_path, **options)
    alarms = {f["check"]: f["message"] for f in document["findings"] if f["severity"] != "info"}
    assert alarms == {}
    assert document["run"]["framework"] == "transformers"
    assert document["run"]["epochs"] == 2


def test_losses_and_metrics_of_both_phases_are_paired(tmp_path: Path) -> None:
    document, session = watched(programs.classes, tmp_path, gradient_accumulation_steps=2)
    history = session.segments[0].history
    epochs, train = history.array(Fact.METRIC, "loss", TRAIN)
    other, evaluated = history.array(Fact.METRIC, "loss", VALIDATION)
    assert epochs.tolist() == other.tolist() == [0, 1]
    assert abs(train[0] - evaluated[0]) < 0.2  # of the same kind, whatever is accumulated
    _, steps = history.array(Fact.LOSS)
    assert abs(steps[0] - evaluated[0]) < 0.2
    assert len(history.array(Fact.METRIC, "accuracy", VALIDATION)[1]) == 2
    assert not any("runtime" in name for name in history.names(Fact.METRIC, VALIDATION))
    assert document["run"]["steps"] == 24
    logged = [json.loads(line) for line in session.folder.journal(0).read_text().splitlines()]
    assert {"grad_norm", "learning_rate", "loss"} <= {
        name for record in logged if record["kind"] == "log" for name in record["values"]
    }


def test_results_are_identical_bit_for_bit(tmp_path: Path) -> None:
    plain = programs.causal(tmp_path, [], gradient_accumulation_steps=2)
    plain.train()
    seen = programs.causal(tmp_path, [Watch(console=False)], gradient_accumulation_steps=2)
    seen.train()
    active.finish()
    pairs = zip(plain.model.state_dict().values(), seen.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    losses = [[e["loss"] for e in t.state.log_history if "loss" in e] for t in (plain, seen)]
    assert losses[0] == losses[1]
    assert torch.equal(torch.rand(1), torch.rand(1)) is False  # the generator goes on


def _padding(tok: Any) -> Any:
    def collate(rows: list[Any]) -> dict[str, torch.Tensor]:
        batch = dict(tok.pad(rows, return_tensors="pt"))
        batch["labels"] = batch["input_ids"].clone()
        return batch

    return collate


def _shifted(tok: Any) -> Any:
    def collate(rows: list[Any]) -> dict[str, torch.Tensor]:
        batch = dict(tok.pad(rows, return_tensors="pt"))
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        last = torch.full_like(labels[:, :1], -100)
        batch["labels"] = torch.cat([labels[:, 1:], last], dim=1)
        return batch

    return collate


def _ignored(tok: Any) -> Any:
    def collate(rows: list[Any]) -> dict[str, torch.Tensor]:
        batch = dict(tok.pad(rows, return_tensors="pt"))
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
        return batch

    return collate


def _ending(tok: Any) -> Any:
    import transformers

    tok.pad_token = tok.eos_token
    return transformers.DataCollatorForLanguageModeling(tok, mlm=False)


@pytest.mark.parametrize(
    ("collator", "check"),
    [
        (_padding, "padding-in-loss"),
        (_shifted, "labels-shifted-twice"),
        (_ignored, "labels-all-ignored"),
        (_ending, "end-token-ignored"),
    ],
)
def test_a_wrong_collator_is_found(collator: Any, check: str, tmp_path: Path) -> None:
    document, _ = watched(programs.causal, tmp_path, collator=collator)
    assert check in told(document)
    finding = next(f for f in document["findings"] if f["check"] == check)
    assert finding["location"]["file"].endswith(("test_transformers.py", "_programs.py"))
    assert document["findings"][0]["check"] == check  # what to fix first


def test_padding_without_a_mask_is_found(tmp_path: Path) -> None:
    document, _ = watched(programs.classes, tmp_path, mask=False)
    assert "padding-attended" in told(document)


@pytest.mark.parametrize(("alone", "found"), [(True, True), (False, False)])
def test_a_resumed_training_without_its_optimizer_is_found(
    alone: bool, found: bool, tmp_path: Path
) -> None:
    saved = {"save_strategy": "steps", "save_steps": 8, "save_only_model": alone}
    programs.causal(tmp_path, [], **saved).train()
    watch = Watch(strict=True, console=False)
    trainer = programs.causal(tmp_path, [watch], **{**saved, "num_train_epochs": 3})
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    document = active.finish()
    assert document is not None
    assert ("optimizer-state-lost" in told(document)) is found
    assert document["run"]["steps"] == 40


def test_each_training_is_a_segment_and_its_evaluation_belongs_to_it(tmp_path: Path) -> None:
    watch = Watch(strict=True, console=False)
    trainer = programs.causal(tmp_path, [watch])
    trainer.train()
    trainer.evaluate()
    trainer.train()
    session = active.current()
    assert session is not None
    active.finish()
    assert [segment.epochs for segment in session.segments] == [2, 2]
    assert [segment.steps for segment in session.segments] == [32, 32]


def test_an_exception_passes_and_the_next_training_is_watched(tmp_path: Path) -> None:
    watch = Watch(strict=True, console=False)
    trainer = programs.causal(tmp_path, [watch])
    collator, trainer.data_collator = trainer.data_collator, lambda rows: 1 / 0
    with pytest.raises(ZeroDivisionError):
        trainer.train()
    trainer.data_collator = collator
    trainer.train()
    document = active.finish()
    assert document is not None
    assert document["run"]["steps"] == 32


def test_bad_options_are_told_at_once_and_copies_watch_nothing() -> None:
    with pytest.raises(UnknownOption, match="overhead"):
        Watch(overheat=1)
    watch = Watch("named", console=False)
    twin = copy.deepcopy(watch)
    assert twin is not watch
    assert isinstance(twin, Watch)
    assert trema.transformers.Watch is Watch
    assert issubclass(TrainerEpochs, object)


def test_switched_off_it_does_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREMA_DISABLED", "1")
    programs.causal(tmp_path, [Watch()], max_steps=2).train()
    assert active.current() is None


SCRIPT = """
from pathlib import Path

import torch

from tests.adapters import transformers_programs as programs
from transformers import Trainer, TrainingArguments

texts = programs.sentences(320)
tok = programs.tokenizer(texts)


def collate(rows):
    batch = dict(tok.pad(rows, return_tensors="pt"))
    return {**batch, "labels": batch["input_ids"].clone()}


args = TrainingArguments(
    output_dir="out",
    learning_rate=5.0,
    max_steps=40,
    report_to="none",
    disable_tqdm=True,
    use_cpu=True,
)
trainer = Trainer(
    model=programs.causal_model(tok),
    args=args,
    train_dataset=programs.rows(tok, texts),
    data_collator=collate,
)
trainer.train()
"""


def test_an_unmodified_script_is_watched_and_lines_are_the_users(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "trema", "run", "--json", "out.json", "--quiet", str(script)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{root}/src:{root}", "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["failed_checks"] == []
    assert document["run"]["framework"] == "transformers"
    assert document["run"]["segments"] == 1
    places = {f["check"]: f["location"] for f in document["findings"]}
    lines = script.read_text().splitlines()
    assert "clone()" in lines[places["padding-in-loss"]["line"] - 1]
    assert "learning_rate" in lines[places["learning-rate-range"]["line"] - 1]
    assert all(p is None or p["file"] == "train.py" for p in places.values())
