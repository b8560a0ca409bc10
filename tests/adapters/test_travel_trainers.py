"""Recording under the Trainers of Lightning and of Hugging Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import trema
from tests.adapters import transformers_programs
from tests.adapters.lightning_programs import QUIET, Classifier, loaders, points
from trema import travel
from trema.engine import active
from trema.transformers import Watch

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def fitted(data: Any) -> tuple[list[torch.Tensor], dict[str, Any]]:
    pl.seed_everything(0, verbose=False)
    module = Classifier()
    watch = trema.lightning.Watch(console=False, strict=True, travel=data)
    pl.Trainer(callbacks=[watch], **{**QUIET, "max_epochs": 3}).fit(module, *loaders())
    document = watch.finish()
    assert document is not None
    return [value.clone() for value in module.state_dict().values()], document


def test_lightning_records_each_epoch_and_changes_nothing() -> None:
    plain, _ = fitted(None)
    followed, document = fitted({"train": points(), "test": points(96, seed=1)})
    assert all(map(torch.equal, plain, followed))
    assert not document["failed_checks"]
    read = travel.open_recording(document["run"]["id"])
    assert read.epochs == [0, 1, 2]
    assert read.splits == ["train", "test"]
    labels = read.labels("test")
    assert labels is not None
    assert (read.logits("test")[-1].argmax(1) == labels).mean() > 0.5
    weights, biases = read.heads
    np.testing.assert_array_equal(weights[-1], followed[-2])
    np.testing.assert_array_equal(biases[-1], followed[-1])


def trained(make: Any, folder: Path, data: Any) -> tuple[list[torch.Tensor], dict[str, Any]]:
    trainer = make(folder, [Watch(strict=True, console=False, travel=data)])
    trainer.train()
    document = active.finish()
    assert document is not None
    return [value.clone() for value in trainer.model.state_dict().values()], document


@pytest.mark.slow
def test_transformers_record_a_classifier_and_change_nothing(tmp_path: Path) -> None:
    samples = transformers_programs.classes(tmp_path, []).train_dataset
    plain, _ = trained(transformers_programs.classes, tmp_path, None)
    followed, document = trained(transformers_programs.classes, tmp_path, samples)
    assert all(map(torch.equal, plain, followed))
    read = travel.open_recording(document["run"]["id"])
    assert len(read.epochs) == document["run"]["epochs"]
    labels = read.labels()
    assert labels is not None
    np.testing.assert_array_equal(labels, [sample["label"] for sample in samples])


@pytest.mark.slow
def test_transformers_refuse_a_language_model(tmp_path: Path) -> None:
    samples = transformers_programs.causal(tmp_path, []).train_dataset
    _, document = trained(transformers_programs.causal, tmp_path, samples)
    [note] = [n for n in document["run"]["notes"] if n.startswith("time travel")]
    assert "predict every token" in note
